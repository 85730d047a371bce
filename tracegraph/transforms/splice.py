"""Parts of graphs: what depends on some nodes, rebuilt on others in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracegraph.ir import Node, descendants, toposort
from tracegraph.ops.control import residuals
from tracegraph.ops.leaf import constant_op, input_node, is_literal

__all__ = ["linear_part", "replace"]


def replace(outputs: Sequence[Node], values: Mapping[Node, Node]) -> list[Node]:
    """The outputs with other nodes in the place of some; what does not depend on those stays the very same nodes."""
    new = dict(values)
    for node in descendants(outputs, list(values), list(values)):
        if node not in new:
            inputs = tuple([new.get(source, source) for source in node.inputs])
            new[node] = node.with_inputs(inputs)
    return [new.get(node, node) for node in outputs]


def linear_part(outputs: Sequence[Node], inputs: Sequence[Node]) -> tuple[list[Node], list[Node], list[Node]]:
    """What of a computation has to wait for some inputs.

    Args:
        outputs: what is computed.
        inputs: what is not known before.

    Returns:
        The values that can be computed before and are needed then; fresh inputs for these; and the outputs in terms of
        these and of ``inputs``. What is soon computed again is not kept; nor is what is no array, the history of a loop.
    """
    itself = {node: node for node in inputs}
    held = {node: input_node(node.aval, node.where) for node in residuals(outputs, inputs)}
    outputs = replace(outputs, {**itself, **held})
    arrays = {
        node: input_node(node.aval, node.where)
        for node in toposort(outputs, [*inputs, *held.values()])
        if node.op is constant_op and not is_literal(node)
    }
    return [*held, *arrays], [*held.values(), *arrays.values()], replace(outputs, {**itself, **arrays})
