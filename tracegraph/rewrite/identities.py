"""Drops the nodes that only guide differentiation. Only for graphs that nobody differentiates any more."""

from __future__ import annotations

from tracegraph.ir import Node
from tracegraph.ops.leaf import identity, stop_gradient
from tracegraph.rewrite.engine import Rules, rule

__all__ = ["IDENTITIES"]


@rule("identity", identity, stop_gradient)
def drop(node: Node) -> Node:
    """``identity(x) -> x``"""
    return node.inputs[0]


IDENTITIES: Rules = (drop,)
