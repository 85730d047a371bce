"""The reference interpreter: runs a graph node by node with NumPy. It is the oracle for every other way to run one, so
it knows nothing of them: a graph and arrays come in, arrays go out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracegraph.errors import append_place
from tracegraph.ir import Graph, Node

__all__ = ["run", "trace_values"]


def run(graph: Graph, arrays: Sequence[Any]) -> list[np.ndarray]:
    """The values of the graph's outputs.

    Args:
        graph: what to compute.
        arrays: one array for each input, of its shape and dtype.

    Raises:
        ValueError: an array does not fit its input.
    """
    values = trace_values(graph, arrays)
    return [np.array(values[node]) for node in graph.outputs]


def trace_values(graph: Graph, arrays: Sequence[Any]) -> dict[Node, np.ndarray]:
    """The value of every node of the graph."""
    if len(arrays) != len(graph.inputs):
        raise ValueError(f"the graph has {len(graph.inputs)} inputs, {len(arrays)} arrays were given")
    values = {node: _checked(node, np.asarray(array)) for node, array in zip(graph.inputs, arrays, strict=True)}
    with np.errstate(all="ignore"):
        for node in graph.nodes[len(graph.inputs) :]:
            sources = [values[source] for source in node.inputs]
            try:
                value = node.op.reference(*sources, **node.params)
            except (IndexError, ValueError) as error:
                append_place(error, node.where)
                raise
            values[node] = _checked(node, np.asarray(value))
    return values


def _checked(node: Node, value: np.ndarray) -> np.ndarray:
    if (value.shape, value.dtype) != node.aval:
        raise ValueError(f"{node} has the value {value.dtype}{list(value.shape)}")
    return value
