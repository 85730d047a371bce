"""Sine, cosine and tangent: floats come in as `Value`s, instructions go out that are right for all arguments.

x = n pi/2 + r with |r| <= pi/4, after Cody and Waite (1980) with pi/2 in several parts and fused multiplications, which
keeps r accurate up to |x| = 2**20 (float32) and 2**30 (float64), even where x is next to a multiple of pi/2. Beyond,
where almost nobody goes, C's own functions are called (`rare`). Polynomials are minimax, found with a Remez exchange in
60 digits and rounded. It knows nothing of Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .rare import rarely
from .rows import FLOATS, Row, row
from .value import FLOAT32, FLOAT64, Kind, Value, fma, horner, select, two_product, two_sum

Pair = tuple[Value, Value]


@dataclass(frozen=True)
class _Constants:
    half_pi: tuple[float, ...]
    sine: tuple[float, ...]  # (sin(r) / r - 1) / r**2, in powers of r**2
    cosine: tuple[float, ...]  # (cos(r) - 1 + r**2 / 2) / r**4, in powers of r**2
    limit: float  # up to this, n times the parts of pi/2 is exact enough


_CONSTANTS: dict[Kind, _Constants] = {
    FLOAT64: _Constants(
        half_pi=(1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
        sine=(
            -1.6666666666666632e-1, 8.3333333333223174e-3, -1.9841269829726917e-4, 2.7557313662633249e-6,
            -2.5050753353491829e-8, 1.5896510092690918e-10,
        ),
        cosine=(
            4.1666666666666599e-2, -1.3888888888874004e-3, 2.4801587289401931e-5, -2.7557314327802332e-7,
            2.0875719772469181e-9, -1.1359458629116113e-11,
        ),
        limit=2.0**30,
    ),
    FLOAT32: _Constants(
        half_pi=(1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15, 1.056299898220315e-23),
        sine=(-1.666666664e-1, 8.333329362e-3, -1.983932721e-4, 2.718238141e-6),
        cosine=(4.166666662e-2, -1.388888373e-3, 2.479951234e-5, -2.720959075e-7),
        limit=2.0**20,
    ),
}  # fmt: skip


def _reduce(x: Value) -> tuple[Value, Value, Value]:
    """The quadrant n in the lowest bits of an integer, and r as a sum of two floats."""
    shifted = fma(x, 2.0 / math.pi, x.kind.rounder)
    n = shifted - x.kind.rounder
    first, second, *others = _CONSTANTS[x.kind].half_pi
    # Exact, which only one rounding gives, even if the host has to call C's fma for it.
    high = n.call("llvm.fma", -first, x)
    product, product_low = two_product(n, x.constant(second))
    r = high - product
    low = (high - r) - product - product_low
    for part in others:
        low = fma(n, -part, low)
    total = r + low
    return shifted.bits(), total, (r - total) + low


def _sine(r: Value, low: Value) -> Pair:
    z = r * r
    return two_sum(r, fma(z * r, horner(z, _CONSTANTS[r.kind].sine), low))


def _cosine(r: Value, low: Value) -> Pair:
    """1 - z/2 + ..., with the rounding error of 1 - z/2 put back in."""
    z = r * r
    half = 0.5 * z
    leading = 1.0 - half
    rest = fma(z * z, horner(z, _CONSTANTS[r.kind].cosine), -(r * low))
    return two_sum(leading, ((1.0 - leading) - half) + rest)


def _or_rarely(name: str, near: Callable[[Value], Value]) -> Callable[[Value], Value]:
    """`near` up to the limit of the reduction, and C's function `name` beyond."""

    def emit(x: Value) -> Value:
        # The call comes first, so that LLVM has few registers to save around it.
        is_far = abs(x) > _CONSTANTS[x.kind].limit
        far = rarely(name, is_far, x)
        return select(is_far, far, near(x))

    return emit


def _wave(x: Value, shift: int) -> Value:
    """sin(x + shift pi/2); at most 0.85 ULP off."""
    quadrant, r, low = _reduce(x)
    quadrant = quadrant + shift
    magnitude = select((quadrant & 1).differs(0), _cosine(r, low)[0], _sine(r, low)[0])
    return (magnitude.bits() ^ ((quadrant & 2) << (x.kind.bits - 2))).as_float()


def _sin(x: Value) -> Value:
    return select(x.equals(0.0), x, _wave(x, 0))


def _cos(x: Value) -> Value:
    return _wave(x, 1)


def _tan(x: Value) -> Value:
    """sin(x) / cos(x), both and the quotient with what rounding took from them; at most 1.17 ULP off."""
    quadrant, r, low = _reduce(x)
    (sine, sine_low), (cosine, cosine_low) = _sine(r, low), _cosine(r, low)
    is_odd = (quadrant & 1).differs(0)
    dividend, dividend_low = select(is_odd, -cosine, sine), select(is_odd, -cosine_low, sine_low)
    divisor, divisor_low = select(is_odd, sine, cosine), select(is_odd, sine_low, cosine_low)
    inverse = 1.0 / divisor
    quotient = dividend * inverse
    rest = fma(-quotient, divisor, dividend) + (dividend_low - quotient * divisor_low)
    return select(x.equals(0.0), x, fma(rest, inverse, quotient))


sin, cos = _or_rarely("sin", _sin), _or_rarely("cos", _cos)

ROWS: list[Row] = [
    row("sin", 1, (FLOATS, sin)),
    row("cos", 1, (FLOATS, cos)),
    row("tan", 1, (FLOATS, _or_rarely("tan", _tan))),
]
