"""Batching: a graph of single examples becomes a graph of whole batches, by the ops' own batching rules."""

from __future__ import annotations

from collections.abc import Sequence

from tracegraph.ir import Graph, Node, current_where, set_where
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.call import is_call
from tracegraph.ops.leaf import input_node

__all__ = ["batch", "batch_some"]


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
    carried: set[Node] = set()
    for node, has_axis in zip(graph.inputs, batched, strict=True):
        is_array = node.dtype.kind != "O"
        shape = (size, *node.shape) if has_axis and is_array else node.shape
        values[node] = input_node(node.aval._replace(shape=shape), node.where)
        if has_axis:
            carried.add(node)
    here = current_where()
    for node in graph.nodes[len(graph.inputs) :]:
        axes = [source in carried for source in node.inputs]
        sources = tuple(values[source] for source in node.inputs)
        if not any(axes):
            values[node] = node.with_inputs(sources) if sources else node
            continue
        set_where(node.where)
        if is_call(node):
            values[node] = node.op.form.batched(sources, axes, node.params, size, batch_some)
        elif node.op.batch is None:
            raise NotImplementedError(f"{node.op.name} has no batching rule")
        else:
            values[node] = node.op.batch(sources, axes, node.params)
        carried.add(node)
    set_where(here)
    flags = [node in carried or want for node, want in zip(graph.outputs, wanted, strict=True)]
    outputs = [
        expand_leading(values[node], size) if flag and node not in carried else values[node]
        for node, flag in zip(graph.outputs, flags, strict=True)
    ]
    return Graph([values[node] for node in graph.inputs], outputs), flags
