"""Hyperbolic sine and cosine and the inverse hyperbolic functions: floats come in as `Value`s, instructions go out.

sinh and cosh share exp's reduction |x| = n ln 2 + r and one polynomial of r**2 each for sinh(r) and cosh(r) (minimax,
from a Remez exchange in 50 digits), so that they need no division. The inverses are log1p of a sum of two floats. It
knows nothing of Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .exponential import CONSTANTS, reduce
from .logarithm import log1p
from .rows import FLOATS, Row, row
from .scaling import inverse_root
from .value import FLOAT32, FLOAT64, Kind, Value, copysign, fma, horner, select, two_sum

# (sinh(r) / r - 1) / r**2 and (cosh(r) - 1 - r**2 / 2) / r**4, in powers of r**2
_SINH: dict[Kind, tuple[float, ...]] = {
    FLOAT64: (
        1.6666666666666677e-1, 8.333333333321536e-3, 1.9841269886389938e-4, 2.7557243922500168e-6,
        2.5109143696719938e-8,
    ),
    FLOAT32: (1.666666676e-1, 8.333288797e-3, 1.990507353e-4),
}  # fmt: skip
_COSH: dict[Kind, tuple[float, ...]] = {
    FLOAT64: (
        4.1666666666666685e-2, 1.3888888888873521e-3, 2.4801587348725697e-5, 2.7557252225074053e-7,
        2.0921645513588271e-9,
    ),
    FLOAT32: (4.166666682e-2, 1.388883043e-3, 2.487297989e-5),
}  # fmt: skip
_INFINITE: dict[Kind, float] = {FLOAT64: 710.6, FLOAT32: 89.6}  # sinh and cosh overflow just below these
_HUGE: dict[Kind, float] = {FLOAT64: 2.0**500, FLOAT32: 2.0**60}  # above these, squares could overflow


def _combine(x: Value, is_sine: bool) -> Value:
    """(e**|x| -+ e**-|x|) / 2 = 2 (a + (a * (cosh(r) - 1) + b * sinh(r))), a and b sum and difference of 2**(+-n - 2)."""
    kind, constants, limit = x.kind, CONSTANTS[x.kind], _INFINITE[x.kind]
    size = abs(x)
    size = select(size > limit, limit, size)
    bits, n = reduce(size)
    high, rest = fma(n, -constants.ln2_high, size), n * -constants.ln2_low
    r = high + rest
    low = (high - r) + rest
    z = r * r
    sine = r + fma(z * r, horner(z, _SINH[kind]), low)
    cosine = fma(z * z, horner(z, _COSH[kind]), 0.5 * z)
    quarter, power = kind.one - (2 << kind.fraction), bits << kind.fraction
    small = quarter - power
    grown, shrunk = (power + quarter).as_float(), select(small > 0, small, 0).as_float()
    total, difference = grown + shrunk, grown - shrunk
    a, b = (difference, total) if is_sine else (total, difference)
    half = a + fma(a, cosine, b * sine)
    return half + half


def sinh(x: Value) -> Value:
    """At most 1.71 ULP off."""
    return copysign(_combine(x, is_sine=True), x)


def cosh(x: Value) -> Value:
    """At most 1.87 ULP off."""
    return _combine(x, is_sine=False)


def _log1p_of(x: Value, leading: Value, rest: Value) -> Value:
    """log1p(leading + rest), or log(2x) for huge x, which the sum cannot tell from log1p(x) + log(2)."""
    is_huge = x > _HUGE[x.kind]
    total, low = two_sum(leading, rest)
    logarithm = log1p(select(is_huge, x, total), select(is_huge, 0.0, low))
    return logarithm + select(is_huge, x.constant(math.log(2.0)), 0.0)


def _arcsinh(x: Value) -> Value:
    """log(|x| + sqrt(x**2 + 1)) = log1p(|x| + x**2 / (1 + sqrt(x**2 + 1))); at most 1.6 ULP off."""
    size, huge = abs(x), _HUGE[x.kind]
    limited = select(size > huge, huge, size)
    square = limited * limited
    # 1 / (1 + sqrt(s)) is the root's inverse over 1 plus that.
    inverse = inverse_root(fma(limited, limited, 1.0))
    rest = square * inverse / (inverse + 1.0)
    return copysign(_log1p_of(size, size, rest), x)


def _arccosh(x: Value) -> Value:
    """log(x + sqrt(x**2 - 1)) = log1p(y + sqrt(y**2 + 2y)) with y = x - 1; nan below 1, at most 1.82 ULP off."""
    y = x - 1.0
    root = fma(y, y, y + y).call("llvm.sqrt")
    result = select(x < math.inf, _log1p_of(x, root, y), x)
    return select(x < 1.0, math.nan, result)


def _arctanh(x: Value) -> Value:
    """log1p(2|x| / (1 - |x|)) / 2, with the quotient's rounding errors put back in; at most 1.5 ULP off."""
    size = abs(x)
    twice, divisor = size + size, 1.0 - size
    inverse = 1.0 / divisor
    quotient = twice * inverse
    lost = (1.0 - divisor) - size
    low = (fma(-quotient, divisor, twice) - quotient * lost) * inverse
    edge = select(size.equals(1.0), x.constant(math.inf), math.nan)
    return copysign(select(size < 1.0, 0.5 * log1p(quotient, low), edge), x)


_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "sinh": sinh,
    "cosh": cosh,
    "arcsinh": _arcsinh,
    "arccosh": _arccosh,
    "arctanh": _arctanh,
}
ROWS: list[Row] = [row(name, 1, (FLOATS, emit)) for name, emit in _FUNCTIONS.items()]
