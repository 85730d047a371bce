"""Formulas whose derivative is the limit of what the formula gives. Used before differentiation only.

* Roots of what is zero only where its derivative is zero too, such as sums of squares: norms, standard deviations and
  distances. At zero, the derivative of the root is infinite and that of what is under it zero; instead of their product,
  NaN, the derivative is 0, which is the subgradient of least norm. No value changes.
* ``sin(x) / x`` near 0, whose derivatives cancel: a series, which is as exact.
"""

from __future__ import annotations

import math
from typing import Any

from tracegraph.ir import Node
from tracegraph.ops.broadcast import reduce_sum
from tracegraph.ops.elementwise import (
    absolute,
    add,
    convert,
    divide,
    equal,
    less,
    like,
    logical_and,
    maximum,
    multiply,
    not_equal,
    power,
    sin,
    sqrt,
    where,
)  # fmt: skip
from tracegraph.ops.leaf import identity
from tracegraph.ops.product import matmul
from tracegraph.ops.reduce import reduce_max
from tracegraph.ops.region import slice_
from tracegraph.rewrite.engine import Rules, rule
from tracegraph.rewrite.match import VIEWS, number, unview

__all__ = ["LIMITS"]

_ALIKE = VIEWS | {identity, slice_, reduce_sum, reduce_max, convert}
#: So deep is looked for what is under a root.
_DEPTH = 12


@rule("root_at_zero", sqrt, power)
def root_at_zero(node: Node) -> Node | None:
    """``sqrt(s) -> where(s == 0, 0, sqrt(where(s == 0, 1, s)))`` for a sum of squares s, and other powers below 1."""
    s, *rest = node.inputs
    if node.dtype.kind != "f" or not _is_flat_at_zero(s, _DEPTH):
        return None
    if rest:
        exponent = number(rest[0])
        if exponent is None or not 0 < exponent < 1:
            return None
    zero = equal(s, like(s, 0))
    return where(zero, like(s, 0), node.op(where(zero, like(s, 1), s), *rest))


def _is_flat_at_zero(node: Node, depth: int) -> bool:
    """Whether the value is never negative, and where it is 0 its derivative, as the rules have it, is."""
    if depth == 0 or node.dtype.kind != "f":
        return False
    below = depth - 1
    if node.op in _ALIKE:
        return _is_flat_at_zero(node.inputs[0], below)
    if node.op is absolute:
        return True
    if node.op in (add, maximum):
        return all(_is_flat_at_zero(source, below) for source in node.inputs)
    if node.op is multiply and node.inputs[0] is node.inputs[1]:
        return True
    if node.op is matmul:
        x, y = (unview(source)[0] for source in node.inputs)
        return x is y and node.shape[-2:] == (1, 1)
    if node.op is divide:
        return _is_positive(node.inputs[1]) and _is_flat_at_zero(node.inputs[0], below)
    if node.op is multiply:
        for source, other in (node.inputs, node.inputs[::-1]):
            if _is_positive(other):
                return _is_flat_at_zero(source, below)
    if node.op is power:
        exponent = number(node.inputs[1])
        if exponent is not None and exponent > 0:
            return bool(exponent % 2 == 0) or (exponent >= 1 and _is_flat_at_zero(node.inputs[0], below))
    return False


def _is_positive(node: Node) -> bool:
    """Whether the node is a number above 0, everywhere."""
    value = _known(node, 3)
    return value is not None and bool(value > 0)


def _known(node: Node, depth: int) -> Any:
    """The number that comes of a few numbers, as the divisor of ``np.std``; None if that is not known.

    The numbers may be arrays that change: a divisor that is not positive any more leaves no root to speak of."""
    node, _ = unview(node)
    if "value" in node.params:
        return node.params["value"][()] if node.shape == () else None
    if node.op.kind != "elementwise" or depth == 0:
        return None
    values = [_known(source, depth - 1) for source in node.inputs]
    return None if any(value is None for value in values) else node.op.reference(*values, **node.params)


@rule("sinc_near_zero", divide)
def sinc_near_zero(node: Node) -> Node | None:
    """``sin(x) / x``, also where x is replaced by something tiny at 0, as in ``np.sinc``: there it is 1."""
    top, x = node.inputs
    if top.op is not sin or top.inputs[0] is not x or node.dtype.kind != "f":
        return None
    is_replaced = x.op is where
    if is_replaced:
        other = number(x.inputs[2])
        if other is None or other >= 0.5:
            return None
        x = x.inputs[1]
    near = less(absolute(x), like(x, 0.5))
    if not is_replaced:
        near = logical_and(near, not_equal(x, like(x, 0)))
    far = where(near, like(x, 1), x)
    return where(near, _sinc_series(where(near, x, like(x, 0))), divide(sin(far), far))


def _sinc_series(x: Node) -> Node:
    """sin(x) / x for |x| < 1/2."""
    square = multiply(x, x)
    total = like(x, -1 / math.factorial(15))
    for k in range(6, -1, -1):
        total = add(multiply(total, square), like(x, (-1) ** k / math.factorial(2 * k + 1)))
    return total


LIMITS: Rules = (root_at_zero, sinc_near_zero)
