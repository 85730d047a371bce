"""Parts of graphs: what depends on some nodes, rebuilt on others in their place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tracegraph.ir import Node, descendants
from tracegraph.ops.call import TOKEN
from tracegraph.ops.leaf import identity, input_node, iota, is_literal

__all__ = ["dependents", "linear_part", "replace"]


def dependents(order: Sequence[Node], sources: Collection[Node]) -> set[Node]:
    """The nodes of a topological order that depend on the sources, these among them."""
    found = set(sources)
    for node in order:
        if any(source in found for source in node.inputs):
            found.add(node)
    return found


def replace(outputs: Sequence[Node], values: Mapping[Node, Node]) -> list[Node]:
    """The outputs with other nodes in the place of some; what does not depend on those stays the very same nodes."""
    new = dict(values)
    for node in descendants(outputs, list(values), list(values)):
        if node not in new:
            inputs = tuple([new.get(source, source) for source in node.inputs])
            new[node] = node if inputs == node.inputs else node.with_inputs(inputs)
    return [new.get(node, node) for node in outputs]


def linear_part(
    outputs: Sequence[Node], inputs: Sequence[Node], *, by_name: bool = False
) -> tuple[list[Node], list[Node], list[Node]]:
    """What of a computation has to wait for some inputs.

    Args:
        outputs: what is computed.
        inputs: what is not known before.
        by_name: whether names (`identity`) are values of their own, because somebody may differentiate by them.

    Returns:
        The values that can be computed before and are needed then; fresh inputs for these; and the outputs in terms of
        these and of ``inputs``. What is cheap to make again, constants and views of a value, is made again; so is what is no
        array, the history of a loop.
    """
    late = dependents(descendants(outputs, inputs, inputs), inputs)
    held: dict[Node, Node] = {}
    seen = set(inputs)
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        is_remade = node.aval == TOKEN or (_is_view(node, by_name) and not _is_part(node))
        if node in late or is_remade or _is_cheap(node, by_name):
            stack.extend(node.inputs)
        else:
            held[node] = input_node(node.aval, node.where)
    return list(held), list(held.values()), replace(outputs, {**held, **{node: node for node in inputs}})


def _is_cheap(node: Node, by_name: bool) -> bool:
    """Whether it is a view of a constant that takes no memory."""
    while _is_view(node, by_name):
        node = node.inputs[0]
    return is_literal(node) or node.op is iota


def _is_view(node: Node, by_name: bool) -> bool:
    return node.op.kind in ("view", "identity") and not (by_name and node.op is identity)


def _is_part(node: Node) -> bool:
    """Whether a view is of less memory than the value is that it is a view of."""
    return node.aval.nbytes < node.inputs[0].aval.nbytes
