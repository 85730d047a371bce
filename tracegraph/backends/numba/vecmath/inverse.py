"""The inverse trigonometric functions: floats come in as `Value`s, instructions go out.

arctan reduces its argument to |t| <= tan(pi/8) by one quotient; arcsin and arccos beyond 1/2 go by the half angle.
Polynomials are minimax, found with a Remez exchange in 60 digits and rounded. It knows nothing of Numba.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .rows import FLOATS, Row, row
from .value import FLOAT32, FLOAT64, Kind, Value, copysign, flip_sign, fma, horner, select, two_sum


@dataclass(frozen=True)
class _Constants:
    quarters: tuple[tuple[float, float], ...]  # k pi/4 for k = 0 to 4, in two parts
    arctan: tuple[float, ...]  # (arctan(t) / t - 1) / t**2, in powers of t**2
    arcsin: tuple[float, ...]  # (arcsin(t) / t - 1) / t**2, in powers of t**2
    far: float  # above this, sums of two operands could overflow
    flat: float  # above this, arctan no longer changes


_CONSTANTS: dict[Kind, _Constants] = {
    FLOAT64: _Constants(
        quarters=(
            (0.0, 0.0), (0.7853981633974483, 3.061616997868383e-17), (1.5707963267948966, 6.123233995736766e-17),
            (2.356194490192345, 9.184850993605148e-17), (3.141592653589793, 1.2246467991473532e-16),
        ),
        arctan=(
            -3.3333333333333198e-1, 1.9999999999953757e-1, -1.4285714280211778e-1, 1.1111110784143742e-1,
            -9.0908977753148268e-2, 7.6920604914240183e-2, -6.6631067774552916e-2, 5.8479061157479887e-2,
            -5.039366822401426e-2, 3.8065799223175055e-2, -1.7908203605279439e-2,
        ),
        arcsin=(
            0.16666666666666766, 0.07499999999969356, 0.04464285717601526, 0.03038194263917393,
            0.022372216955255448, 0.01735157608267964, 0.013981257952269567, 0.01139528118093074,
            0.010800887252371338, 0.003627426123515495, 0.021902106221145676, -0.02127800618172861,
            0.03280521308432713,
        ),
        far=2.0**1000,
        flat=2.0**100,
    ),
    FLOAT32: _Constants(
        quarters=(
            (0.0, 0.0), (0.7853981852531433, -2.1855694143368964e-08), (1.5707963705062866, -4.371138828673793e-08),
            (2.356194496154785, -5.962440319251527e-09), (3.1415927410125732, -8.742277657347586e-08),
        ),
        arctan=(-3.333331544e-1, 1.999848475e-1, -1.424375062e-1, 1.059521636e-1, -6.08133058e-2),
        arcsin=(1.666665986e-1, 7.500511968e-2, 4.451549528e-2, 3.181965357e-2, 1.439435303e-2, 3.757744933e-2),
        far=2.0**100,
        flat=2.0**60,
    ),
}  # fmt: skip

# (arctan(t) / t - 1) / t**2 for |t| <= 1, in powers of t**2, for floats
_WIDE = (
    -0.333331525, 0.199937627, -0.142109483, 0.10665521, -0.0755108893, 0.0431977436, -0.0163588505, 0.00291834446,
)  # fmt: skip
_TAN_EIGHTH = math.sqrt(2.0) - 1.0  # tan(pi/8)


def _quarters(like: Value, k: tuple[int, int, int], is_first: Value, is_second: Value) -> tuple[Value, Value]:
    """k[0] pi/4, k[1] pi/4 or else k[2] pi/4, in two parts."""
    (a, a_low), (b, b_low), (c, c_low) = (_CONSTANTS[like.kind].quarters[each] for each in k)
    high = select(is_first, a, select(is_second, like.constant(b), c))
    return high, select(is_first, a_low, select(is_second, like.constant(b_low), c_low))


def _series(t: Value) -> Value:
    """arctan(t) - t for |t| <= tan(pi/8)."""
    z = t * t
    return z * t * horner(z, _CONSTANTS[t.kind].arctan)


def _arctan(x: Value) -> Value:
    """At most 1.8 ULP off."""
    size = abs(x)
    # What is larger has no other arctangent.
    size = select(size > _CONSTANTS[x.kind].flat, _CONSTANTS[x.kind].flat, size)
    if x.kind == FLOAT32:
        is_far = size > 1.0
        t = select(is_far, -1.0 / size, size)
        z = t * t
        base, low = (select(is_far, t.constant(part), 0.0) for part in _CONSTANTS[x.kind].quarters[2])
        return copysign(base + (t + fma(z * t, horner(z, _WIDE), low)), x)
    is_far, is_middle = size > 1.0 / _TAN_EIGHTH, size > _TAN_EIGHTH
    numerator = select(is_far, -1.0, select(is_middle, size - 1.0, size))
    denominator = select(is_far, size, select(is_middle, size + 1.0, 1.0))
    t = numerator / denominator
    base, low = _quarters(x, (2, 1, 0), is_far, is_middle)
    return copysign(base + (t + (_series(t) + low)), x)


def arctan2(y: Value, x: Value) -> Value:
    """The angle of the point (x, y), in the quadrant that the signs tell, those of zeros included; at most 1.8 ULP off."""
    width, height = abs(x), abs(y)
    # Of infinite coordinates only the ratio of signs is left; large ones are scaled so that sums stay finite.
    both = width.equals(math.inf) & height.equals(math.inf)
    far = _CONSTANTS[x.kind].far
    scale = select((width > far) | (height > far), x.constant(1.0 / 1024.0), 1.0)
    width, height = select(both, 1.0, width * scale), select(both, 1.0, height * scale)
    is_steep, is_middle = height > width * (1.0 / _TAN_EIGHTH), height > width * _TAN_EIGHTH
    numerator = select(is_steep, -width, select(is_middle, height - width, height))
    denominator = select(is_steep, height, select(is_middle, height + width, width))
    t = numerator / select(denominator.equals(0.0), 1.0, denominator)
    is_left = x.bits() < 0
    right, right_low = _quarters(x, (2, 1, 0), is_steep, is_middle)
    left, left_low = _quarters(x, (2, 3, 4), is_steep, is_middle)
    base, low = select(is_left, left, right), select(is_left, left_low, right_low)
    signed = flip_sign(t, x)
    return flip_sign(base + (signed + (_series(signed) + low)), y)


def _arcsine_parts(size: Value, is_far: Value) -> tuple[Value, Value]:
    """s and arcsin(s) - s, where s is |x| or, beyond 1/2, sqrt((1 - |x|) / 2)."""
    half = 0.5 - 0.5 * size
    z = select(is_far, half, size * size)
    s = select(is_far, half.call("llvm.sqrt"), size)
    return s, s * z * horner(z, _CONSTANTS[size.kind].arcsin)


def _arcsin(x: Value) -> Value:
    """At most 1.11 ULP off; nan beyond 1."""
    size = abs(x)
    is_far = size > 0.5
    s, rest = _arcsine_parts(size, is_far)
    base, low = _CONSTANTS[x.kind].quarters[2]
    high, lost = two_sum(x.constant(base), s * -2.0)
    far = high + (lost + fma(rest, -2.0, low))
    return copysign(select(is_far, far, s + rest), x)


def _arccos(x: Value) -> Value:
    """At most 1.09 ULP off; nan beyond 1."""
    size = abs(x)
    is_far = size > 0.5
    s, rest = _arcsine_parts(size, is_far)
    base, low = _quarters(x, (0, 4, 2), is_far & (x > 0.0), is_far)
    # pi/2 - arcsin(x) in the middle; 2 arcsin(s) or pi less that at the ends.
    factor = select(is_far, select(x > 0.0, x.constant(2.0), -2.0), select(x > 0.0, x.constant(-1.0), 1.0))
    high, lost = two_sum(base, factor * s)
    return high + (lost + fma(factor, rest, low))


ROWS: list[Row] = [
    row("arctan", 1, (FLOATS, _arctan)),
    row("arctan2", 2, (FLOATS, arctan2)),
    row("arcsin", 1, (FLOATS, _arcsin)),
    row("arccos", 1, (FLOATS, _arccos)),
]
