"""Identities of choice and conversion: a choice that is none, and conversions which lose nothing on the way."""

from __future__ import annotations

import numpy as np

from tracegraph.ir import Node
from tracegraph.ops.elementwise import convert, logical_not, where
from tracegraph.rewrite.engine import Rules, rule
from tracegraph.rewrite.match import is_number, number

__all__ = ["CHOICE"]


@rule("where_number", where)
def where_number(node: Node) -> Node | None:
    """``where(True, x, y) -> x``"""
    condition, x, y = node.inputs
    value = number(condition)
    return None if value is None else x if value else y


@rule("where_same", where)
def where_same(node: Node) -> Node | None:
    """``where(c, x, x) -> x``"""
    _, x, y = node.inputs
    return x if x is y else None


@rule("where_not", where)
def where_not(node: Node) -> Node | None:
    """``where(not c, x, y) -> where(c, y, x)``"""
    condition, x, y = node.inputs
    return where(condition.inputs[0], y, x) if condition.op is logical_not else None


@rule("where_within", where)
def where_within(node: Node) -> Node | None:
    """``where(c, where(c, x, y), z) -> where(c, x, z)``, and so on the other side"""
    condition, x, y = node.inputs
    if x.op is where and x.inputs[0] is condition:
        return where(condition, x.inputs[1], y)
    if y.op is where and y.inputs[0] is condition:
        return where(condition, x, y.inputs[2])
    return None


@rule("where_bool", where)
def where_bool(node: Node) -> Node | None:
    """``where(c, True, False) -> c`` and ``where(c, False, True) -> not c``"""
    condition, x, y = node.inputs
    if node.dtype.kind != "b" or number(x) is None or number(y) is None or is_number(x, 1) == is_number(y, 1):
        return None
    return condition if is_number(x, 1) else logical_not(condition)


@rule("convert_same", convert)
def convert_same(node: Node) -> Node | None:
    """A conversion to the dtype that it has already."""
    (x,) = node.inputs
    return x if x.dtype == node.dtype else None


@rule("convert_twice", convert)
def convert_twice(node: Node) -> Node | None:
    """``convert(convert(x, A), B) -> convert(x, B)``, where A holds every value of x and the way to B does not matter.

    It matters from a float to integers that cannot hold its values: NumPy leaves open what comes out.
    """
    (middle,) = node.inputs
    if middle.op is not convert:
        return None
    (x,) = middle.inputs
    whole = middle.dtype.kind in "iub"
    if _holds(middle.dtype, x.dtype) and (node.dtype.kind in "fcb" or whole or _holds(node.dtype, x.dtype)):
        return convert(x, dtype=node.dtype)
    return None


def _holds(wide: np.dtype, narrow: np.dtype) -> bool:
    """Whether every value of one dtype is one of the other's. Unlike NumPy's safe casting: no int64 in float64."""
    if wide.kind in "fc" and narrow.kind in "iu":
        return narrow.itemsize * 8 <= np.finfo(wide).nmant + 1
    return np.can_cast(narrow, wide, "safe")


CHOICE: Rules = (where_number, where_same, where_not, where_within, where_bool, convert_same, convert_twice)
