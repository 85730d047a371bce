"""The exponential family: floats come in as `Value`s, instructions for exp and its relatives go out.

All reduce x = n ln 2 + r with |r| <= ln(2)/2 after Cody and Waite (1980) and evaluate a polynomial of r, fitted by
reweighted least squares (which come near to the minimax) in 50 digits, one coefficient rounded after another. 2**n is
made in the exponent field. It knows nothing of Numba.
"""

from __future__ import annotations

import itertools
import math
import struct
from dataclasses import dataclass

from .lanes import HAS_AVX512, table
from .rows import FLOATS, Row, row
from .value import FLOAT32, FLOAT64, Kind, Value, copysign, fma, horner, select

LOG2_E = 1.4426950408889634


@dataclass(frozen=True)
class _Constants:
    """What depends on the precision: ln 2 in two parts, polynomials, and the ranges of exp."""

    ln2_high: float  # with enough trailing zeros that n * ln2_high is exact
    ln2_low: float
    tail: tuple[float, ...]  # (exp(r) - 1 - r) / r**2
    overflow: float  # the largest x whose exp is finite
    overflow_low: float  # the logarithm of the first number that rounds to infinity, less `overflow`
    subnormal: float  # below it exp may be subnormal
    zero: float  # below it exp is 0
    minus_one: float  # below it expm1 is -1
    tanh: tuple[float, ...]  # (tanh(x) / x - 1) / x**2 for |x| < 0.625, in powers of x**2
    tanh_one: float  # above it tanh is 1


CONSTANTS: dict[Kind, _Constants] = {
    FLOAT64: _Constants(
        ln2_high=6.93147180369123816490e-01,
        ln2_low=1.90821492927058770002e-10,
        tail=(
            0.5000000000000006, 0.16666666666666607, 0.041666666666573635, 0.008333333333377333,
            0.0013888888932395234, 0.00019841269746497173, 2.4801504397967318e-05, 2.755738219787436e-06,
            2.7626356512835e-07, 2.506201989023359e-08,
        ),
        overflow=709.782712893384,
        overflow_low=2.369152822255485e-14,
        subnormal=-707.0,
        zero=-746.0,
        minus_one=-40.0,
        tanh=(
            -0.3333333333333285, 0.13333333333261255, -0.05396825393089811, 0.021869487567925932,
            -0.008863220898446322, 0.0035919883507076465, -0.001454954720413966, 0.0005863030971574103,
            -0.0002285372984274335, 7.71139950164464e-05, -1.6057801095945665e-05,
        ),
        tanh_one=22.0,
    ),
    FLOAT32: _Constants(
        ln2_high=0.693359375,
        ln2_low=-2.12194440054690583e-04,
        tail=(0.49999997, 0.166665435, 0.0416674949, 0.00836655125, 0.00138653),
        overflow=88.72283172607422,
        overflow_low=7.3557964580236e-06,
        subnormal=-86.0,
        zero=-104.5,
        minus_one=-20.0,
        tanh=(-0.333332807, 0.133314148, -0.0537377223, 0.0206331778, -0.00569882384),
        tanh_one=10.0,
    ),
}  # fmt: skip

_LIFT = 64  # subnormal results are computed so many powers of two higher


def power_of_two(n: Value) -> Value:
    """2**n, where the integer n stands in the lowest bits, as adding `rounder` leaves it."""
    kind = n.as_float().kind
    return ((n << kind.fraction) + kind.one).as_float()


def reduce(x: Value) -> tuple[Value, Value]:
    """The integer n nearest to x / ln 2: as the lowest bits of an integer, and as a float."""
    shifted = fma(x, LOG2_E, x.kind.rounder)
    return shifted.bits(), shifted - x.kind.rounder


def power_times(p: Value, n: Value) -> Value:
    """p * 2**n for p near 1 and a result that is neither subnormal nor infinite."""
    return (p.bits() + (n << p.kind.fraction)).as_float()


def scale(p: Value, n: Value, is_small: Value) -> Value:
    """p * 2**n for p near 1, rounded once where that is subnormal, which `is_small` must tell (it may overstate)."""
    lift = select(is_small, n.constant(_LIFT << p.kind.fraction), 0)
    lifted = (p.bits() + (n << p.kind.fraction) + lift).as_float()
    return lifted * select(is_small, p.constant(math.ldexp(1.0, -_LIFT)), 1.0)


def exp(x: Value, low: Value | None = None) -> Value:
    """exp(x), or exp(x + low) for a `low` far below x; error 1.02 (float32) and 1.00 (float64) ULP."""
    constants = CONSTANTS[x.kind]
    bits, n = reduce(x)
    r = fma(n, -constants.ln2_low, fma(n, -constants.ln2_high, x))
    p = near_one(r if low is None else r + low)
    result = scale(p, bits, x < constants.subnormal)
    # Selecting is cheaper than limiting x first: it does not wait for the units that add and multiply.
    within = x <= constants.overflow
    if low is not None:
        within = x - constants.overflow <= constants.overflow_low - low
    beyond = select(x.is_nan(), x, math.inf)
    return select(x < constants.zero, 0.0, select(within, result, beyond))


def near_one(r: Value) -> Value:
    """exp(r) for |r| <= ln(2)/2."""
    return 1.0 + fma(r * r, horner(r, CONSTANTS[r.kind].tail), r)


def exp2(x: Value) -> Value:
    """2**x; error 1.04 (float32) and 1.10 (float64) ULP."""
    constants = CONSTANTS[x.kind]
    lowest = math.floor(constants.zero * LOG2_E)
    clipped = select(x < lowest, lowest, x)
    shifted = clipped + x.kind.rounder
    r = (clipped - (shifted - x.kind.rounder)) * math.log(2.0)
    p = near_one(r)
    result = scale(p, shifted.bits(), clipped < constants.subnormal * LOG2_E)
    return select(x < float(x.kind.bias + 1), result, x + math.inf)


def expm1_parts(x: Value, lacking: Value | None = None) -> tuple[Value, Value, Value]:
    """n, and exp(r) - 1 as a sum of two floats, where x = n ln 2 + r, and x may lack something small."""
    constants = CONSTANTS[x.kind]
    bits, n = reduce(x)
    high = fma(n, -constants.ln2_high, x)
    rest = n * -constants.ln2_low if lacking is None else fma(n, -constants.ln2_low, lacking)
    r = high + rest
    low = (high - r) + rest
    tail = fma(r * r, horner(r, constants.tail), low)
    s = r + tail
    return bits, s, tail - (s - r)


def _scaled_expm1(x: Value, halved: Value | None = None) -> tuple[Value, Value]:
    """exp(x) - 1 as a sum of two floats; half of it where `halved` holds, as x must be so large that 1 is nothing."""
    bits, s, low = expm1_parts(x)
    power = power_of_two(bits if halved is None else bits - select(halved, bits.constant(1), 0))
    # |power - 1| >= |power * s| or it is 0, so that the error of the sum is known (Dekker 1971).
    base, moved = power - 1.0, power * s
    total = base + moved
    return total, fma(power, low, moved - (total - base))


def expm1(x: Value) -> Value:
    """exp(x) - 1 without cancellation near 0; error 1.09 (float32) and 1.24 (float64) ULP."""
    constants = CONSTANTS[x.kind]
    clipped = select(x < constants.minus_one, constants.minus_one, x)
    # 2**n itself overflows for the last half power of two below the limit.
    is_large = x > constants.overflow - 1.0
    total, low = _scaled_expm1(clipped, is_large)
    within = (total + low) * select(is_large, x.constant(2.0), 1.0)
    return select(x.equals(0.0), x, select(x <= constants.overflow, within, x + math.inf))


# -- the hyperbolic tangent --------------------------------------------------------------------------------------------

_PIECES, _DEGREE = 32, 5
_LAST = 9.02  # from here on the tangent of a float is 1


def _start(k: int) -> float:
    """Where a piece begins: there are four to each power of two from 2**-5 to 2**3, and the first reaches down to 0."""
    octave, quarter = divmod(k + 1, 4)
    return math.ldexp(1.0 + quarter / 4.0, octave - 5) if k else 0.0


def _piece(k: int) -> list[float]:
    """c, tanh(c) and the coefficients of (tanh(c + d) - tanh(c)) / d, which interpolate at Chebyshev's points."""
    if not k:
        return [0.0, 0.0, 1.0, 0.0, -1.0 / 3.0, 0.0, 2.0 / 15.0]
    low, high = _start(k), min(_start(k + 1), _LAST)
    centre = struct.unpack("f", struct.pack("f", (low + high) / 2.0))[0]
    value = math.tanh(centre)
    nodes = [(high - low) / 2.0 * math.cos((n + 0.5) * math.pi / _DEGREE) for n in range(_DEGREE)]
    # The middle point is the centre itself, but for rounding.
    divided = [
        1.0 - value**2 if 2 * n + 1 == _DEGREE else (math.tanh(centre + x) - value) / x for n, x in enumerate(nodes)
    ]
    for n in range(1, _DEGREE):
        for i in reversed(range(n, _DEGREE)):
            divided[i] = (divided[i] - divided[i - 1]) / (nodes[i] - nodes[i - n])
    coefficients = [0.0] * _DEGREE
    for difference, node in zip(reversed(divided), reversed(nodes), strict=True):
        shifted = [before - node * same for before, same in itertools.pairwise(coefficients)]
        coefficients = [difference - node * coefficients[0], *shifted]
    return [centre, value, *coefficients]


_TANH = [
    table(f"tanh_{k}", {FLOAT32: column})
    for k, column in enumerate(zip(*(_piece(k) for k in range(_PIECES)), strict=True))
]


def _tanh_by_pieces(x: Value) -> Value:
    """A polynomial for each of 32 intervals, for CPUs that hold tables in registers; at most 1.41 ULP off."""
    size = abs(x)
    size = select(size > _LAST, _LAST, size)
    first = (FLOAT32.bias - 5) * 4 + 1
    index = (size.bits() >> (FLOAT32.fraction - 2)) - first
    index = select(index > 0, index, 0)
    centre, value, *coefficients = (column(index) for column in _TANH)
    d = size - centre
    slope = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        slope = fma(slope, d, coefficient)
    return copysign(fma(slope, d, value), x)


def tanh(x: Value) -> Value:
    """A polynomial for |x| < 0.625, 1 - 2 / (exp(2|x|) + 1) beyond; error 1.35 ULP, next to where they meet."""
    if x.kind == FLOAT32 and HAS_AVX512:
        return _tanh_by_pieces(x)
    constants = CONSTANTS[x.kind]
    size, square = abs(x), x * x
    near = fma(size * square, horner(square, constants.tanh), size)
    clipped = select(size > constants.tanh_one, constants.tanh_one, size)
    twice = clipped + clipped
    bits, n = reduce(twice)
    p = near_one(fma(n, -constants.ln2_low, fma(n, -constants.ln2_high, twice)))
    far = 1.0 - 2.0 / (power_times(p, bits) + 1.0)
    return copysign(select(size >= 0.625, far, near), x)


def sigmoid(x: Value) -> Value:
    """1 / (1 + exp(-x)), computed from e = exp(-|x|), which cannot overflow; error 0.82 ULP.

    The quotient is corrected for what was lost in e, in 1 + e and in dividing.
    """
    constants = CONSTANTS[x.kind]
    size = -abs(x)
    clipped = select(size < constants.zero, constants.zero, size)
    bits, s, low = expm1_parts(clipped)
    p = 1.0 + s
    is_small = clipped < constants.subnormal
    e = scale(p, bits, is_small)
    e_low = select(is_small, 0.0, (s - (p - 1.0) + low) * power_of_two(bits))
    d = 1.0 + e
    d_low = e - (d - 1.0) + e_low
    is_negative = x < 0.0
    numerator = select(is_negative, e, 1.0)
    q = numerator / d
    rest = fma(-q, d, numerator) + select(is_negative, e_low, 0.0) - q * d_low
    return fma(rest, select(is_negative, 1.0 - q, q), q)


ROWS: list[Row] = [
    row("exp", 1, (FLOATS, exp)),
    row("exp2", 1, (FLOATS, exp2)),
    row("expm1", 1, (FLOATS, expm1)),
    row("tanh", 1, (FLOATS, tanh)),
    row("sigmoid", 1, (FLOATS, sigmoid)),
]
