"""Roots and small powers: floats come in as `Value`s, instructions for square, hypot, cbrt and whole powers go out.

It knows nothing of Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .exponential import power_of_two
from .logarithm import split
from .rows import BOOLEANS, FLOATS, INTEGERS, Row, row
from .value import FLOAT32, FLOAT64, Kind, Value, copysign, fma, horner, rint, select, two_product

# m**(-1/3) on [sqrt(1/2), sqrt(2)) to 2**-12; minimax, from a Remez exchange in 40 digits
_INVERSE_CUBE_ROOT = (1.7336055487357262, -1.2944134799514424, 7.2175423881747751e-1, -1.6118219029107493e-1)
_HALLEY_STEPS: dict[Kind, int] = {FLOAT64: 2, FLOAT32: 1}
# Beyond these powers of two, squares are scaled by the third and fourth, lest they overflow or underflow.
_SQUARE_RANGE: dict[Kind, tuple[int, int, int, int]] = {FLOAT64: (-500, 500, 600, -600), FLOAT32: (-50, 60, 100, -70)}
_LARGEST_EXPONENT = 8

Pair = tuple[Value, Value]


def hypot(x: Value, y: Value) -> Value:
    """sqrt(x*x + y*y), scaled by a power of two where squares would leave the range; infinity beats nan.

    At most 1.15 ULP off.
    """
    lowest, highest, lift, lower = _SQUARE_RANGE[x.kind]
    a, b = abs(x), abs(y)
    size = select(a > b, a, b)
    is_small, is_large = size < math.ldexp(1.0, lowest), size > math.ldexp(1.0, highest)

    def scaled(value: Value, small: int, large: int) -> Value:
        factor = select(is_large, value.constant(math.ldexp(1.0, large)), 1.0)
        return value * select(is_small, math.ldexp(1.0, small), factor)

    p, q = scaled(a, lift, lower), scaled(b, lift, lower)
    length = scaled(fma(p, p, q * q).call("llvm.sqrt"), -lift, -lower)
    return select(a.equals(math.inf) | b.equals(math.inf), math.inf, length)


def _cbrt(x: Value) -> Value:
    """The cube root of t = m 2**j with x = t 8**q: Halley's iteration for t**(-1/3), then one Newton step for t**(1/3).

    At most 0.5001 ULP off.
    """
    size = abs(x)
    k, m, _ = split(size)
    q = rint(k * (1.0 / 3.0))
    j = fma(q, -3.0, k)
    is_below, is_above = j < 0.0, j > 0.0
    t = m * select(is_below, x.constant(0.5), select(is_above, x.constant(2.0), 1.0))
    root = 2.0 ** (1.0 / 3.0)
    r = horner(m, _INVERSE_CUBE_ROOT) * select(is_below, root, select(is_above, x.constant(1.0 / root), 1.0))
    for _ in range(_HALLEY_STEPS[x.kind]):
        error = fma(t * (r * r), -r, 1.0)
        r = fma(r * error, fma(error, 2.0 / 9.0, 1.0 / 3.0), r)
    y = t * (r * r)
    square, square_low = two_product(y, y)
    cube, cube_low = two_product(square, y)
    rest = (t - cube) - fma(square_low, y, cube_low)
    y = fma(rest * (r * r), 1.0 / 3.0, y) * power_of_two((q + x.kind.rounder).bits())
    is_usual = (size > 0.0) & (size < math.inf)
    return select(is_usual, copysign(y, x), x)


def _pair_product(a: Pair, b: Pair) -> Pair:
    product, low = two_product(a[0], b[0])
    return product, low + fma(a[0], b[1], a[1] * b[0])


def _whole_power(exponent: int) -> Callable[[Value], Value]:
    """x**exponent by squaring sums of two floats; of 1/x, so that nothing overflows early, for negative exponents.

    At most 1.44 ULP off, and that only where results are subnormal.
    """

    def emit(x: Value) -> Value:
        base = (x, x.constant(0.0))
        if exponent < 0:
            inverse = 1.0 / x
            base = (inverse, fma(-inverse, x, 1.0) * inverse)
        result = base
        for digit in bin(abs(exponent))[3:]:
            result = _pair_product(result, result)
            if digit == "1":
                result = _pair_product(result, base)
        high, low = result
        # The lower part is nan once the product is infinite, or its base was; and -0.0 + 0.0 would lose the sign.
        return select((abs(low) > 0.0) & (abs(low) < math.inf), high + low, high)

    return emit


ROWS: list[Row] = [
    row("square", 1, ((*FLOATS, *INTEGERS), lambda x: x * x), (BOOLEANS, lambda x: x)),
    row("reciprocal", 1, (FLOATS, lambda x: 1.0 / x)),
    row("hypot", 2, (FLOATS, hypot)),
    row("cbrt", 1, (FLOATS, _cbrt)),
    *(row(f"power_{n}", 1, (FLOATS, _whole_power(n))) for n in range(3, _LARGEST_EXPONENT + 1)),
    *(row(f"power_minus_{n}", 1, (FLOATS, _whole_power(-n))) for n in range(2, _LARGEST_EXPONENT + 1)),
]
