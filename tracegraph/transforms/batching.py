"""Batching: a graph of single examples becomes a graph of whole batches, by the ops' own batching rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tracegraph.ir import Graph, Node, current_where, descendants, set_where
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.call import TOKEN, is_call
from tracegraph.ops.leaf import input_node

__all__ = ["batch", "batch_nodes", "batch_some"]


def batch(graph: Graph, size: int, batched: Sequence[bool]) -> Graph:
    """The graph over a leading batch axis.

    Args:
        graph: the computation of one example.
        size: the extent of the batch axis.
        batched: for each input, whether it has the axis; the others are shared by the whole batch.

    Returns:
        A graph with fresh inputs. All its outputs have the batch axis.
    """
    return batch_some(graph, size, batched, [True] * len(graph.outputs))[0]


def batch_some(graph: Graph, size: int, batched: Sequence[bool], wanted: Sequence[bool]) -> tuple[Graph, list[bool]]:
    """As `batch`; of the outputs, those have the axis that depend on an input that has it, and those that are wanted.

    Returns:
        The graph, and which of its outputs have the axis.
    """
    values: dict[Node, Node] = {}
    for node, has_axis in zip(graph.inputs, batched, strict=True):
        is_array = node.dtype.kind != "O"
        shape = (size, *node.shape) if has_axis and is_array else node.shape
        values[node] = input_node(node.aval._replace(shape=shape), node.where)
    carried = [node for node, has_axis in zip(graph.inputs, batched, strict=True) if has_axis]
    found = batch_nodes(graph.outputs, size, values, carried)
    outputs = [
        expand_leading(node, size) if want and not has_axis else node
        for (node, has_axis), want in zip(found, wanted, strict=True)
    ]
    flags = [has_axis or want for (_, has_axis), want in zip(found, wanted, strict=True)]
    return Graph([values[node] for node in graph.inputs], outputs), flags


def batch_nodes(
    outputs: Sequence[Node], size: int, values: Mapping[Node, Node], carried: Iterable[Node]
) -> list[tuple[Node, bool]]:
    """Nodes of single examples as nodes of whole batches.

    Args:
        outputs: what is computed for each example.
        size: the extent of the batch axis.
        values: nodes that others take the place of.
        carried: those of them whose place is taken by a node with a leading batch axis.

    Returns:
        For each output the node, and whether it has a batch axis. What depends on no replaced node stays the same node.
    """
    new = dict(values)
    with_axis = set(carried)
    here = current_where()
    for node in descendants(outputs, list(values), list(values)):
        if node in new:
            continue
        axes = [source in with_axis for source in node.inputs]
        sources = tuple([new.get(source, source) for source in node.inputs])
        if not any(axes):
            new[node] = node.with_inputs(sources)
            continue
        set_where(node.where)
        if is_call(node):
            new[node] = node.op.form.batched(sources, axes, node.params, size, batch_some)
        elif node.op.batch is None:
            raise NotImplementedError(f"{node.op.name} has no batching rule")
        else:
            new[node] = node.op.batch(sources, axes, node.params)
        if (
            new[node].aval != node.aval or node.aval == TOKEN
        ):  # what is the same for all examples need not have the axis
            with_axis.add(node)
    set_where(here)
    return [(new.get(node, node), node in with_axis) for node in outputs]
