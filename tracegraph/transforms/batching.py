"""Batching: a graph of single examples becomes a graph of whole batches, by the ops' own batching rules."""

from __future__ import annotations

from collections.abc import Sequence

from tracegraph.ir import Graph, Node, set_where
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.leaf import input_node

__all__ = ["batch"]


def batch(graph: Graph, size: int, batched: Sequence[bool]) -> Graph:
    """The graph over a leading batch axis.

    Args:
        graph: the computation of one example.
        size: the extent of the batch axis.
        batched: for each input, whether it has the axis; the others are shared by the whole batch.

    Returns:
        A graph with fresh inputs. All its outputs have the batch axis.
    """
    values: dict[Node, Node] = {}
    carried: set[Node] = set()
    for node, has_axis in zip(graph.inputs, batched, strict=True):
        shape = (size, *node.shape) if has_axis else node.shape
        values[node] = input_node(node.aval._replace(shape=shape), node.where)
        if has_axis:
            carried.add(node)
    for node in graph.nodes[len(graph.inputs) :]:
        axes = [source in carried for source in node.inputs]
        sources = tuple(values[source] for source in node.inputs)
        if not any(axes):
            values[node] = node.with_inputs(sources)
            continue
        if node.op.batch is None:
            raise NotImplementedError(f"{node.op.name} has no batching rule")
        set_where(node.where)
        values[node] = node.op.batch(sources, axes, node.params)
        carried.add(node)
    set_where(None)
    outputs = [values[node] if node in carried else expand_leading(values[node], size) for node in graph.outputs]
    return Graph([values[node] for node in graph.inputs], outputs)
