"""The graph and its parts: `aval`, `where`, `node`, `printer`, `check`, in reading order."""

from tracegraph.ir.aval import DTYPES, Aval, Shape, aval_of, canonical
from tracegraph.ir.check import check
from tracegraph.ir.node import Graph, Node, Op, descendants, toposort
from tracegraph.ir.printer import format_graph, format_node
from tracegraph.ir.where import Where, current_where, located, set_where

__all__ = [
    "DTYPES", "Aval", "Graph", "Node", "Op", "Shape", "Where", "aval_of",
    "canonical", "check", "current_where", "descendants", "format_graph",
    "format_node", "located", "set_where", "toposort",
]  # fmt: skip
