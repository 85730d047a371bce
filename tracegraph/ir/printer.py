"""Graphs as text: one line a node, names in the order of computation, the user's line at the right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tracegraph.ir.node import Graph, Node

__all__ = ["format_graph", "format_node", "format_value"]


def format_graph(graph: Graph, *, where: bool = True) -> str:
    """Prints a graph.

    Args:
        graph: what to print.
        where: with the user's file and line behind each node.
    """
    names = {node: _name(k) for k, node in enumerate(graph.nodes)}
    lines = [f"inputs  {', '.join(f'{names[node]}: {node.aval}' for node in graph.inputs)}".rstrip()]
    for node in graph.nodes:
        if node not in graph.inputs:
            text = f"  {names[node]}: {node.aval} = {format_node(node, names)}"
            lines.append(f"{text:<72}{_place(node) if where else ''}".rstrip())
            for title, inner in _inner(node):
                lines.append(f"    {title}")
                lines += [f"      {line}" for line in format_graph(inner, where=where).splitlines()]
    lines.append(f"outputs {', '.join(names[node] for node in graph.outputs)}".rstrip())
    return "\n".join(lines)


def format_node(node: Node, names: Mapping[Node, str] | None = None) -> str:
    """One node as a call: ``reduce_sum(a, axes=(0,))``."""
    sources = [names[source] if names else repr(source.aval) for source in node.inputs]
    hidden = {"family", "names", "base", "plans", "rule"} if node.op.kind == "call" else set()
    params = [
        f"{key}={format_value(value)}"
        for key, value in node.params.items()
        if key not in hidden and value is not None and not _graphs(value)
    ]
    return f"{node.op.name}({', '.join(sources + params)})"


def _graphs(value: Any) -> tuple[Graph, ...]:
    """The graphs that a parameter is made of."""
    values = value if isinstance(value, tuple) else (value,)
    return tuple(each for each in values if hasattr(each, "outputs"))


def _inner(node: Node) -> list[tuple[str, Graph]]:
    """The graphs inside of a loop or branch, by name."""
    return [
        (key if len(graphs) == 1 else f"{key} {k}", graph)
        for key, value in node.params.items()
        if key != "plans"
        for graphs in [_graphs(value)]
        for k, graph in enumerate(graphs)
    ]


def format_value(value: Any) -> str:
    """A parameter in short: arrays of more than one element by their shape."""
    if isinstance(value, np.ndarray):
        return repr(value.item()) if value.ndim == 0 else f"<{value.dtype} {value.shape}>"
    return str(value) if isinstance(value, np.dtype) else repr(value)


def _name(k: int) -> str:
    """a, b, ..., z, a1, b1, ..."""
    letter, round_ = chr(ord("a") + k % 26), k // 26
    return letter if round_ == 0 else f"{letter}{round_}"


def _place(node: Node) -> str:
    return f"  # {Path(node.where.file).name}:{node.where.line}" if node.where else ""
