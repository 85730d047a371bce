"""Identities of arithmetic and logic on numbers, choice and conversion. For floats only those that keep NaN, infinities
and the sign of zero: ``x - 0.0`` is x, ``x + 0.0`` is not, nor is ``x * 0`` 0. For integers and bools, which wrap, all.

Most are rows of a table: the number, on the right, which an operation leaves the other operand by (neutral) or gives
itself (absorbing), for each kind of dtype. A rule puts numbers on the right first. A number is told by its bits.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tracegraph.ir import DTYPES, Node, Op
from tracegraph.ops.broadcast import fill
from tracegraph.ops.elementwise import (
    absolute,
    add,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    divide,
    equal,
    floor_divide,
    greater,
    greater_equal,
    invert,
    left_shift,
    less,
    less_equal,
    like,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    remainder,
    right_shift,
    sqrt,
    subtract,
)  # fmt: skip
from tracegraph.rewrite.engine import Rule, Rules, rule
from tracegraph.rewrite.match import bits, is_number, number

__all__ = ["ALGEBRA"]

Values = Mapping[str, float]

INT: Values = {"i": 0, "u": 0}
ONE: Values = {"b": 1, "i": 1, "u": 1, "f": 1}
ONES: Values = {"i": -1, "u": -1}

#: ``op(x, value) -> x``
_NEUTRAL: tuple[tuple[str, Op, Values], ...] = (
    ("add_zero", add, {**INT, "b": 0, "f": -0.0}),
    ("subtract_zero", subtract, {**INT, "f": 0.0}),
    ("multiply_one", multiply, ONE),
    ("divide_one", divide, {"f": 1}),
    ("floor_divide_one", floor_divide, {"i": 1, "u": 1}),
    ("power_one", power, ONE),
    ("bitwise_and_ones", bitwise_and, ONES),
    ("bitwise_or_zero", bitwise_or, INT),
    ("bitwise_xor_zero", bitwise_xor, INT),
    ("left_shift_zero", left_shift, INT),
    ("right_shift_zero", right_shift, INT),
    ("logical_and_true", logical_and, {"b": 1}),
    ("logical_or_false", logical_or, {"b": 0}),
    ("logical_xor_false", logical_xor, {"b": 0}),
    ("maximum_least", maximum, {"b": 0, "u": 0, "f": -np.inf}),
    ("minimum_greatest", minimum, {"b": 1, "u": -1, "f": np.inf}),
)

#: ``op(x, value) -> result``, the last column
_ABSORBING: tuple[tuple[str, Op, Values, float], ...] = (
    ("add_true", add, {"b": 1}, 1),
    ("multiply_zero", multiply, {**INT, "b": 0}, 0),
    ("bitwise_and_zero", bitwise_and, INT, 0),
    ("bitwise_or_ones", bitwise_or, ONES, -1),
    ("logical_and_false", logical_and, {"b": 0}, 0),
    ("logical_or_true", logical_or, {"b": 1}, 1),
    ("remainder_one", remainder, {"i": 1, "u": 1}, 0),
    ("power_zero", power, {**INT, "f": 0.0}, 1),
)


def _wanted(values: Values) -> dict[np.dtype, bytes]:
    return {dtype: bits(dtype, values[dtype.kind]) for dtype in DTYPES if dtype.kind in values}


def _neutral(name: str, op: Op, values: Values) -> Rule:
    wanted = _wanted(values)

    def apply(node: Node) -> Node | None:
        x, y = node.inputs
        value = number(y)
        return x if value is not None and value.tobytes() == wanted.get(value.dtype) else None

    return rule(name, op)(apply)


def _absorbing(name: str, op: Op, values: Values, result: float) -> Rule:
    wanted = _wanted(values)

    def apply(node: Node) -> Node | None:
        value = number(node.inputs[1])
        if value is None or value.tobytes() != wanted.get(value.dtype):
            return None
        return fill(np.asarray(result).astype(node.dtype).item(), node.shape, node.dtype)

    return rule(name, op)(apply)


# -- operands that are equal, opposite, or in the wrong order ----------------------------------------------------------

_MIRRORED: Mapping[Op, Op] = {
    **{op: op for op in (add, multiply, equal, not_equal, logical_and, logical_or, logical_xor)},
    **{op: op for op in (bitwise_and, bitwise_or, bitwise_xor)},
    less: greater,
    greater: less,
    less_equal: greater_equal,
    greater_equal: less_equal,
}


@rule("number_right", *_MIRRORED)
def number_right(node: Node) -> Node | None:
    """``2 * x -> x * 2`` and ``0 < x -> x > 0``"""
    x, y = node.inputs
    return _MIRRORED[node.op](y, x) if number(x) is not None and number(y) is None else None


@rule("same_operands", maximum, minimum, bitwise_and, bitwise_or, logical_and, logical_or)
def same_operands(node: Node) -> Node | None:
    """``maximum(x, x) -> x``"""
    x, y = node.inputs
    return x if x is y else None


#: ``op(x, x)``, on which kinds of dtype, is what.
_SELF: Mapping[Op, tuple[str, int]] = {
    subtract: ("iu", 0),
    bitwise_xor: ("iu", 0),
    logical_xor: ("b", 0),
    equal: ("iub", 1),
    less_equal: ("iub", 1),
    greater_equal: ("iub", 1),
    not_equal: ("iub", 0),
    less: ("iubf", 0),
    greater: ("iubf", 0),
}


@rule("against_itself", *_SELF)
def against_itself(node: Node) -> Node | None:
    """``x - x -> 0`` and ``x == x -> True`` for what cannot be NaN; ``x < x -> False`` for all."""
    x, y = node.inputs
    kinds, result = _SELF[node.op]
    return like(node, result) if x is y and x.dtype.kind in kinds else None


_INVOLUTIONS = (negative, invert, logical_not)


@rule("twice_negated", *_INVOLUTIONS)
def twice_negated(node: Node) -> Node | None:
    """``--x -> x``"""
    (source,) = node.inputs
    return source.inputs[0] if source.op is node.op else None


#: Each of these is the other's opposite for all values; orders are only where nothing is NaN.
_OPPOSITE: Mapping[Op, Op] = {equal: not_equal, not_equal: equal}
_OPPOSITE_ORDER: Mapping[Op, Op] = {
    less: greater_equal,
    greater_equal: less,
    greater: less_equal,
    less_equal: greater,
}


@rule("not_of_comparison", logical_not)
def not_of_comparison(node: Node) -> Node | None:
    """``not (x == y) -> x != y``; ``not (x < y) -> x >= y`` where neither can be NaN."""
    (source,) = node.inputs
    opposite = _OPPOSITE.get(source.op)
    if opposite is None and source.inputs and source.inputs[0].dtype.kind not in "fc":
        opposite = _OPPOSITE_ORDER.get(source.op)
    return None if opposite is None else opposite(*source.inputs)


@rule("absolute_of_sign", absolute)
def absolute_of_sign(node: Node) -> Node | None:
    """``|-x| -> |x|``, ``||x|| -> |x|``; a bool is its own absolute value."""
    (source,) = node.inputs
    if source.op is absolute or source.dtype.kind == "b":
        return source
    return absolute(source.inputs[0]) if source.op is negative and source.dtype.kind != "u" else None


# -- signs -------------------------------------------------------------------------------------------------------------


@rule("times_minus_one", multiply, divide)
def times_minus_one(node: Node) -> Node | None:
    """``x * -1 -> -x`` and ``x / -1 -> -x``"""
    x, y = node.inputs
    value = number(y)
    return (
        negative(x)
        if value is not None and value.tobytes() == bits(value.dtype, -1) and node.dtype.kind not in "bc"
        else None
    )


@rule("zero_minus", subtract)
def zero_minus(node: Node) -> Node | None:
    """``0 - x -> -x`` for integers; for floats only ``-0.0 - x``, as ``0.0 - 0.0`` is not -0.0."""
    x, y = node.inputs
    value = number(x)
    return (
        negative(y)
        if value is not None and value.tobytes() == bits(value.dtype, -0.0) and value.dtype.kind != "c"
        else None
    )


@rule("add_negative", add)
def add_negative(node: Node) -> Node | None:
    """``x + (-y) -> x - y`` and ``(-x) + y -> y - x``"""
    x, y = node.inputs
    if y.op is negative:
        return subtract(x, y.inputs[0])
    return subtract(y, x.inputs[0]) if x.op is negative else None


@rule("subtract_negative", subtract)
def subtract_negative(node: Node) -> Node | None:
    """``x - (-y) -> x + y``"""
    x, y = node.inputs
    return add(x, y.inputs[0]) if y.op is negative else None


@rule("signs_of_product", multiply, divide)
def signs_of_product(node: Node) -> Node | None:
    """``(-x) * (-y) -> x * y`` and ``(-x) * 2 -> x * -2``, for quotients too

    Not for complex quotients, which by zero lose the sign of it."""
    x, y = node.inputs
    if x.op is not negative or (node.op is divide and node.dtype.kind == "c"):
        return None
    if y.op is negative:
        return node.op(x.inputs[0], y.inputs[0])
    return None if number(y) is None else node.op(x.inputs[0], negative(y))


# -- numbers -----------------------------------------------------------------------------------------------------------

_ASSOCIATIVE = (add, multiply, bitwise_and, bitwise_or, bitwise_xor)


@rule("regroup_numbers", *_ASSOCIATIVE)
def regroup_numbers(node: Node) -> Node | None:
    """``(x + 2) + 3 -> x + (2 + 3)`` for integers"""
    x, y = node.inputs
    if node.dtype.kind not in "iu" or x.op is not node.op or number(y) is None or number(x.inputs[1]) is None:
        return None
    return node.op(x.inputs[0], node.op(x.inputs[1], y))


@rule("divide_by_power_of_two", divide)
def divide_by_power_of_two(node: Node) -> Node | None:
    """``x / 4 -> x * 0.25``, exactly.

    Only for the numbers that people write: an extent that is a power of two by chance must not change the kernel.
    """
    x, y = node.inputs
    value = number(y)
    return (
        multiply(x, like(x, 1 / value))
        if value is not None and value.dtype.kind == "f" and abs(value) in (0.25, 0.5, 2.0, 4.0)
        else None
    )


@rule("power_minus_one", power)
def power_minus_one(node: Node) -> Node | None:
    """``x ** -1 -> 1 / x``, for floats"""
    x, y = node.inputs
    return divide(like(x, 1), x) if x.dtype.kind == "f" and is_number(y, -1) else None


@rule("power_half", power)
def power_half(node: Node) -> Node | None:
    """``x ** 0.5 -> sqrt(x)``, which is what NumPy does, so that ``(-inf) ** 0.5`` is NaN"""
    x, y = node.inputs
    return sqrt(x) if x.dtype.kind == "f" and is_number(y, 0.5) else None


@rule("power_two", power)
def power_two(node: Node) -> Node | None:
    """``x ** 2 -> x * x``"""
    x, y = node.inputs
    return multiply(x, x) if is_number(y, 2) else None


#: x ** k as how it is multiplied up; up to here the error stays within a few units in the last place.
_LARGEST_POWER = 8


@rule("power_small", power)
def power_small(node: Node) -> Node | None:
    """``x ** 6 -> (x * x) * ((x * x) * (x * x))``, for 3 to 8: exact for integers, not to the last bit for floats"""
    x, y = node.inputs
    value = number(y)
    if value is None or not 3 <= value.real <= _LARGEST_POWER or value != int(value.real):
        return None
    result, square, k = None, x, int(value.real)
    while True:
        if k % 2:
            result = square if result is None else multiply(result, square)
        k //= 2
        if not k:
            assert result is not None, "the highest bit is set"
            return result
        square = multiply(square, square)


ALGEBRA: Rules = (
    number_right,
    *(_neutral(*row) for row in _NEUTRAL),
    *(_absorbing(*row) for row in _ABSORBING),
    same_operands,
    against_itself,
    twice_negated,
    not_of_comparison,
    absolute_of_sign,
    times_minus_one,
    zero_minus,
    add_negative,
    subtract_negative,
    signs_of_product,
    regroup_numbers,
    divide_by_power_of_two,
    power_minus_one,
    power_half,
    power_two,
    power_small,
)
