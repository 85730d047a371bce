"""Powers: `Value`s come in, instructions for x**y go out, with C99's (Annex F.9.4.4) and so NumPy's special cases.

|x|**y = 2**(y log2|x|), with the logarithm as a sum of two floats, as the exponent magnifies its error. x = 2**k m and
m c = 1 + r exactly with c from a table, as in `logarithm`. Polynomials are near to the minimax. Operands that are not
positive and finite get what is theirs afterwards, if there are any. It knows nothing of Numba.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Context, Decimal

from .lanes import by_lanes, rarely, repeated, table
from .logarithm import INVERSES, parted, reduced_by
from .rows import FLOATS, INTEGERS, Row, row
from .scaling import normalised, times_power
from .value import (
    FLOAT32,
    FLOAT64,
    HAS_FMA,
    UNSIGNED,
    Kind,
    Value,
    flip_sign,
    fma,
    horner,
    rint,
    select,
    two_product,
    two_sum,
)

_DIGITS = Context(prec=50)
# By the five highest bits of m's fraction, so that |m c - 1| < 1/32 is exact as a float.
_FLOAT_INVERSES = (
    1.0, 0.953125, 0.921875, 0.90625, 0.875, 0.859375, 0.828125, 0.8125, 0.796875, 0.765625, 0.75, 0.734375, 0.71875,
    0.703125, 0.6875, 0.671875, 1.3125, 1.28125, 1.28125, 1.25, 1.21875, 1.1875, 1.1875, 1.15625, 1.125, 1.125, 1.09375,
    1.0625, 1.0625, 1.03125, 1.03125, 1.0,
)  # fmt: skip


def _log2(x: float) -> Decimal:
    return _DIGITS.divide(_DIGITS.ln(Decimal(x)), _DIGITS.ln(Decimal(2)))


_OFFSETS: dict[Kind, list[tuple[float, float]]] = {
    FLOAT64: [parted(-_log2(c)) for c in INVERSES],
    FLOAT32: [parted(-_log2(c), 2.0**-15) for c in _FLOAT_INVERSES],
}
_inverse = table("power_inverse", {FLOAT64: INVERSES, FLOAT32: _FLOAT_INVERSES})
_offset = table("power_offset", {kind: [high for high, _ in parts] for kind, parts in _OFFSETS.items()})
_offset_low = table("power_offset_low", {kind: [low for _, low in parts] for kind, parts in _OFFSETS.items()})
_root = table("sixteenth", {FLOAT64: [2.0 ** (k / 16.0) for k in range(16)]})


@dataclass(frozen=True)
class _Constants:
    index: int  # how many bits tables go by
    log: tuple[float, float]  # 1 / log(2) in two parts
    half: tuple[float, float]  # half of it, negative
    cubic: tuple[float, ...]  # log2(1 + r) = r / log(2) - r**2 / log(2) / 2 + r**3 times this, in powers of r
    two: tuple[float, ...]  # (2**f - 1) / f, in powers of f
    limit: float  # 2**limit is infinite, 2**-limit is 0, by far


_CONSTANTS: dict[Kind, _Constants] = {
    FLOAT64: _Constants(
        index=4,
        log=(1.4426950408889634, 2.0355273740931033e-17),
        half=(-0.7213475204444817, -1.0177636870465517e-17),
        cubic=(
            0.4808983469629878, -0.3606737602222442, 0.28853900817786055, -0.2404491734707601, 0.20609929148428993,
            -0.18033689173306455, 0.1602994869740756, -0.1442638996430409, 0.13114316913294696, -0.1214672420988236,
            0.1125931520751017,
        ),
        two=(
            0.6931471805599468, 0.24022650695909945, 0.05550410865216741, 0.009618129111125468, 0.001333381827372241,
            0.00015403419585622078,
        ),
        limit=1100.0,
    ),
    FLOAT32: _Constants(
        index=5,
        log=(1.4426950216293335, 1.9259629911266175e-08),
        half=(-0.7213475108146667, -9.629814955633087e-09),
        cubic=(0.480898261, -0.360877842, 0.288820803),
        two=(0.693147182, 0.240226477, 0.0555035956, 0.00961849932, 0.00133909704, 0.000153292785),
        limit=200.0,
    ),
}  # fmt: skip


def log2_parts(x: Value) -> tuple[Value, Value]:
    """log2(x) of a positive finite number as a sum of two floats, the second of which may be 2**-9 of the first."""
    constants = _CONSTANTS[x.kind]
    k, m = normalised(x)
    index, _, r = reduced_by(_inverse, m, constants.index)
    leading = k + _offset(index)
    linear, linear_low = two_product(r, r.constant(constants.log[0]))
    square, square_low = two_product(r, r)
    # The factor of r**2 and what rounding takes from it.
    cubic = horner(r, constants.cubic)
    factor = fma(r, cubic, constants.half[0])
    factor_low = fma(r, cubic, constants.half[0] - factor) + constants.half[1]
    curved, curved_low = two_product(square, factor)
    rest = fma(square, factor_low, fma(square_low, factor, curved_low))
    rest = rest + fma(r, constants.log[1], linear_low) + _offset_low(index)
    total, lost = two_sum(leading, linear)
    total, lower = two_sum(total, curved)
    return total, lost + lower + rest


def _magnitude(x: Value, y: Value) -> tuple[Value, Value]:
    """The leading part of y log2(x), and x**y where that is neither too large nor too small, for positive finite x."""
    constants = _CONSTANTS[x.kind]
    high, low = log2_parts(x)
    if x.kind == FLOAT64:
        high, low = two_sum(high, low)
    p, p_low = two_product(y, high)
    p_low = fma(y, low, p_low)
    if x.kind == FLOAT32:
        n = rint(p)
        f = (p - n) + p_low
        return p, times_power(fma(f, horner(f, constants.two), 1.0), n)
    shifted = fma(p, 16.0, p.kind.rounder)
    n = (shifted - p.kind.rounder) * 0.0625
    f = (p - n) + p_low
    root = _root(shifted.bits())
    return p, times_power(fma(root * f, horner(f, constants.two), root), n)


def _is_unusual(x: Value, y: Value, p: Value, magnitude: Value) -> Value:
    """Whether x is not positive and finite, or the result may be infinite or 0, or y is not finite."""
    infinite = x.constant(math.inf).bits()
    is_outside = (x.bits() - 1).seen_as(UNSIGNED[x.kind.bits]) >= (infinite - 1).seen_as(UNSIGNED[x.kind.bits])
    if not HAS_FMA:
        # Without it, what a product of huge numbers lacks is nan.
        is_outside = is_outside | magnitude.is_nan()
    return is_outside | (abs(p).bits() >= x.constant(_CONSTANTS[x.kind].limit).bits())


def _mended(x: Value, y: Value, p: Value, magnitude: Value) -> Value:
    """x**y from |x|**y, or from p = y log2|x|, for unusual operands."""
    size, infinite = abs(x), y.constant(math.inf)
    is_extreme = size.equals(0.0) | size.equals(math.inf) | abs(y).equals(math.inf)
    is_great = select(is_extreme, ~((size < 1.0) ^ (y < 0.0)), p > 0.0)
    is_saturated = is_extreme | (abs(p) >= _CONSTANTS[x.kind].limit)
    magnitude = select(is_saturated, select(is_great, infinite, 0.0), magnitude)
    is_integer = rint(y).equals(y)
    half = y * 0.5
    is_odd = is_integer & rint(half).differs(half)
    result = select(is_odd, flip_sign(magnitude, x), magnitude)
    result = select((x < 0.0) & (x > -math.inf) & ~is_integer, math.nan, result)
    result = select(x.is_nan() | y.is_nan(), x + y, result)
    # One to any power and anything to the power 0 are 1, nan included; -1 to an infinite power is, too.
    is_one = x.equals(1.0) | y.equals(0.0) | (x.equals(-1.0) & abs(y).equals(math.inf))
    return select(is_one, 1.0, result)


_mend = rarely("power", _is_unusual, _mended)


def _float_power(x: Value, y: Value) -> Value:
    p, magnitude = _magnitude(abs(x), y)
    return _mend(magnitude, x, y, p, magnitude)


def _short_power(x: Value, y: Value) -> Value:
    """Square and multiply, modulo 2**bits; unrolled, so that a constant exponent leaves its multiplications alone."""
    result, square = x.constant(1), x
    digits = x.kind.bits - (x.kind.family == "signed")
    for k in range(digits):
        result = result * select((y & (1 << k)).differs(0), square, 1)
        square = square * square
    return result


def _long_power(x: Value, y: Value) -> Value:
    """The same in a loop that ends with the longest exponent."""

    def step(result: Value, square: Value, left: Value) -> list[Value]:
        return [result * select((left & 1).differs(0), square, 1), square * square, left >> 1]

    left = y.seen_as(UNSIGNED[y.kind.bits])
    return repeated([x.constant(1), x, left], lambda result, square, left: left.differs(0), step)[0]


_looped = by_lanes("integer_power", _long_power)


def _integer_power(x: Value, y: Value) -> Value:
    return (_looped if x.kind.bits >= 32 else _short_power)(x, y)


ROWS: list[Row] = [row("power", 2, (FLOATS, _float_power), (INTEGERS, _integer_power))]
