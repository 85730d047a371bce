"""Drops the nodes that only guide differentiation. Only for graphs that nobody differentiates any more."""

from __future__ import annotations

from tracegraph.ir import Node
from tracegraph.ops.call import result
from tracegraph.ops.custom import custom
from tracegraph.ops.leaf import identity, stop_gradient
from tracegraph.rewrite.engine import Rules, rule

__all__ = ["IDENTITIES"]


@rule("identity", identity, stop_gradient)
def drop(node: Node) -> Node:
    """``identity(x) -> x``"""
    return node.inputs[0]


@rule("custom", result)
def value_of_custom(node: Node) -> Node | None:
    """``result(custom(..., x), 0) -> x``"""
    (source,) = node.inputs
    return source.inputs[source.params["count"] + node.params["index"]] if source.op is custom else None


IDENTITIES: Rules = (drop, value_of_custom)
