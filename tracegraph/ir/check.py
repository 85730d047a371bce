"""The checker: what every graph must satisfy, whichever pass made it. Tests run it after each pass."""

from __future__ import annotations

from tracegraph.errors import GraphError
from tracegraph.ir.node import Graph, Node
from tracegraph.ir.printer import format_node

__all__ = ["check"]


def check(graph: Graph, stage: str = "graph") -> Graph:
    """Raises `GraphError` for the first node that is ill-formed; gives the graph back otherwise.

    Args:
        graph: what to check.
        stage: the name of the pass that made it, for the message.
    """
    inputs = set(graph.inputs)
    if len(inputs) != len(graph.inputs):
        raise GraphError(f"{stage}: the same node stands twice among the inputs")
    for node in graph.nodes:
        if node in inputs:
            continue
        problem = _problem(node)
        if problem:
            raise GraphError(f"{stage}: {problem}\n  {format_node(node)}\n  made at {node.where}")
    return graph


def _problem(node: Node) -> str | None:
    if node.op.name == "input":
        return "an input that is not among the graph's inputs"
    expected = node.op.rule(*[source.aval for source in node.inputs], **node.params)
    if expected != node.aval:
        return f"its aval is {node.aval}, its operation's rule gives {expected}"
    return None
