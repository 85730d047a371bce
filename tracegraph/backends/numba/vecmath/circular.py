"""Sine, cosine and tangent: floats come in as `Value`s, instructions go out that are right for all arguments.

x = n pi/2 + r with |r| <= pi/4 (float32's waves: n pi + r), after Cody and Waite (1980) with pi in several parts and fused
multiplications, which keeps r accurate up to |x| = 2**17 (float32) and 2**30 (float64), even where x is next to a multiple
of pi/2. Beyond, where almost nobody goes, stands `far_reduction`. Polynomials are minimax, found with a Remez exchange in 60
digits and rounded, or near to it. It knows nothing of Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .far_reduction import far_reduced
from .lanes import rarely
from .rows import FLOATS, Row, row
from .value import FLOAT32, FLOAT64, Kind, Value, copysign, fma, horner, select, two_product, two_sum

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
        limit=2.0**17,
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


def _wave(quadrant: Value, r: Value, low: Value) -> Value:
    """The sine in a quadrant; at most 0.85 ULP off."""
    magnitude = select((quadrant & 1).differs(0), _cosine(r, low)[0], _sine(r, low)[0])
    return (magnitude.bits() ^ ((quadrant & 2) << (r.kind.bits - 2))).as_float()


def _slope(quadrant: Value, r: Value, low: Value) -> Value:
    """The tangent in a quadrant: sine over cosine, both and the quotient with what rounding took from them."""
    (sine, sine_low), (cosine, cosine_low) = _sine(r, low), _cosine(r, low)
    is_odd = (quadrant & 1).differs(0)
    dividend, dividend_low = select(is_odd, -cosine, sine), select(is_odd, -cosine_low, sine_low)
    divisor, divisor_low = select(is_odd, sine, cosine), select(is_odd, sine_low, cosine_low)
    inverse = 1.0 / divisor
    quotient = dividend * inverse
    rest = fma(-quotient, divisor, dividend) + (dividend_low - quotient * divisor_low)
    return fma(rest, inverse, quotient)


# -- floats in their own precision ---------------------------------------------------------------------------------------

# (sin(r) / r - 1) / r**2 for |r| up to a little more than pi/2, in powers of r**2
_WIDE_SINE = (-0.166666597, 0.00833306555, -0.000198093301, 2.60482966e-06)
# (tan(r) / r - 1) / r**2 for |r| <= pi/4, in powers of r**2
_TANGENT = (
    0.333333492, 0.133326739, 0.0540591627, 0.0212846752, 0.0108318357, 9.22945546e-05, 0.00437577954,
)  # fmt: skip
# Rounded down: what is taken from -0.0 leaves that.
_PI = (3.141592502593994, 1.5099578831723193e-07, 1.078060505991553e-14)

_HALF_OF_PI = (_PI[0] / 2, _PI[1] / 2, _PI[2] / 2)


def _without(x: Value, n: Value, parts: tuple[float, ...]) -> Value:
    """x less n times a number in parts; the first step is exact, as only one rounding gives."""
    for part in parts:
        x = n.call("llvm.fma", -part, x)
    return x


def _float_wave(x: Value, shift: float) -> Value:
    """sin(x + shift pi), x = (n - shift) pi + r with |r| <= pi/2: (-1)**n sin(r)."""
    shifted = fma(x, 1.0 / math.pi, x.kind.rounder) if not shift else fma(x, 1.0 / math.pi, shift) + x.kind.rounder
    n = shifted - x.kind.rounder
    r = _without(x, n - shift if shift else n, _PI)
    size, z = abs(r), r * r
    magnitude = fma(z * size, horner(z, _WIDE_SINE), size)
    magnitude = select(magnitude > 1.0, 1.0, magnitude)
    return copysign(magnitude, (r.bits() ^ (shifted.bits() << 31)).as_float())


def _float_slope(x: Value) -> Value:
    shifted = fma(x, 2.0 / math.pi, x.kind.rounder)
    n = shifted - x.kind.rounder
    first, second, third = _HALF_OF_PI
    high = n.call("llvm.fma", -first, x)
    product, product_low = two_product(n, x.constant(second))
    r = high - product
    low = ((high - r) - product) - fma(n, third, product_low)
    z = r * r
    tangent = fma(z * r, horner(z, _TANGENT), low) + r
    tangent = copysign(tangent, r)
    return select((shifted.bits() & 1).differs(0), -1.0 / tangent, tangent)


# -- all arguments -------------------------------------------------------------------------------------------------------


def _far(finish: Callable[[Value, Value, Value], Value], shift: int) -> Callable[[Value], Value]:
    """A function of a huge argument, in doubles."""

    def emit(x: Value) -> Value:
        wide = x if x.kind == FLOAT64 else x.convert("fpext", FLOAT64)
        quadrant, r, low = far_reduced(wide, x.kind.bits)
        result = finish(quadrant + shift, r, low)
        return result if x.kind == FLOAT64 else result.convert("fptrunc", FLOAT32)

    return emit


def _everywhere(
    name: str, float_near: Callable[[Value], Value], finish: Callable[[Value, Value, Value], Value], shift: int
) -> Callable[[Value], Value]:
    """A function of all arguments, from what it is in a quadrant and, for floats, near 0."""
    mended = rarely(name, lambda x: abs(x) > _CONSTANTS[x.kind].limit, _far(finish, shift))

    def emit(x: Value) -> Value:
        if x.kind == FLOAT32:
            return mended(float_near(x), x)
        quadrant, r, low = _reduce(x)
        near = finish(quadrant + shift, r, low)
        return mended(near if shift else select(x.equals(0.0), x, near), x)

    return emit


sin = _everywhere("sin", lambda x: _float_wave(x, 0.0), _wave, 0)
cos = _everywhere("cos", lambda x: _float_wave(x, 0.5), _wave, 1)
tan = _everywhere("tan", _float_slope, _slope, 0)

ROWS: list[Row] = [row("sin", 1, (FLOATS, sin)), row("cos", 1, (FLOATS, cos)), row("tan", 1, (FLOATS, tan))]
