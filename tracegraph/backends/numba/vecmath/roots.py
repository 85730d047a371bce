"""Roots and small powers: floats come in as `Value`s, instructions for square, hypot, cbrt and whole powers go out.

It knows nothing of Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .lanes import table
from .rows import BOOLEANS, FLOATS, INTEGERS, Row, row
from .scaling import normalised, times_power
from .value import FLOAT32, FLOAT64, Kind, Value, copysign, fma, horner, rint, select, two_product

# Near to the minimax for m in [3/4, 3/2]: m**(1/3) in powers of m - 1 to 2**-25, m**(-1/3) in powers of m to 2**-17
_CUBE_ROOT = (
    1.0, 0.333333671, -0.11110796, 0.0616928078, -0.0412608273, 0.0311926231, -0.0235882327, 0.0109345103,
)  # fmt: skip
_INVERSE_CUBE_ROOT = (
    1.960297906657632, -2.2981356947222955, 2.433619718022658, -1.5597202666286405, 0.5428650914366648,
    -0.07892831688144362,
)  # fmt: skip


def _by_third(name: str, exponent: float) -> Callable[[Value], Value]:
    """An emitter of 2**(j exponent) for j = -1, 0 and 1."""
    numbers = [2.0 ** (j * exponent) for j in (0, 1, 0, 0, 0, 0, 0, -1)]
    return table(name, {FLOAT32: numbers * 2, FLOAT64: numbers})


_power = _by_third("power", 1.0)
_root_of_power, _inverse_root_of_power = _by_third("root", 1.0 / 3.0), _by_third("inverse_root", -1.0 / 3.0)
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
    """The cube root of m 2**j, times 2**q, where x = m 2**(j + 3q) and j is -1, 0 or 1; at most 1 (float64) and 1.7 ULP off.

    In doubles m**(-1/3) is right to 2**-17 first, and a step of third order gives the root.
    """
    k, m = normalised(abs(x))
    q = rint(k * (1.0 / 3.0))
    j = (fma(q, -3.0, k) + x.kind.rounder).bits()
    if x.kind == FLOAT32:
        root = horner(m - 1.0, _CUBE_ROOT) * _root_of_power(j)
    else:
        t, r = m * _power(j), horner(m, _INVERSE_CUBE_ROOT) * _inverse_root_of_power(j)
        near = t * (r * r)
        error = fma(-near, r, 1.0)
        root = fma(near, error * horner(error, (2.0 / 3.0, 5.0 / 9.0, 40.0 / 81.0)), near)
    return copysign(times_power(root, q), x)


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
