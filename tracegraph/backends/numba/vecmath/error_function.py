"""The error function: floats come in as `Value`s, instructions for erf and erfc go out.

erfc(x) = exp(-x**2) / (1 + 2x) * g((x - c) / (x + c)) for x >= 0, where g is smooth on the whole half axis (the form is
Shepherd and Laframboise's, 1981) and exp takes x**2 as a sum of two floats. Polynomials are minimax, found with a
Remez exchange in 50 digits and rounded. It knows nothing of Numba.
"""

from __future__ import annotations

from dataclasses import dataclass

from .exponential import expm1_parts, power_of_two
from .rows import FLOATS, Row, row
from .value import FLOAT32, FLOAT64, Kind, Value, copysign, fma, horner, select, two_product, two_sum


@dataclass(frozen=True)
class _Constants:
    centre: float  # c above
    scaled: tuple[float, ...]  # g, in powers of (x - c) / (x + c)
    near: tuple[float, ...]  # erf(x) / x - 1 for |x| <= 1, in powers of x**2
    one: float  # erf is 1 from here on
    zero: float  # erfc is 0 from here on
    lifted: float  # above this, exp(-x**2) is computed 2**64 times larger, lest it be subnormal
    lift: tuple[float, float]  # 64 ln 2 in two parts


_CONSTANTS: dict[Kind, _Constants] = {
    FLOAT64: _Constants(
        centre=4.0,
        scaled=(
            1.2329951186255525, -1.3962111684056285e-1, 1.5379652102620177e-2, 6.8097054254733091e-2,
            -1.0103906603632411e-1, 9.3732834996928273e-2, -6.6330365812054253e-2, 3.716751556050503e-2,
            -1.6197734054296239e-2, 5.031969772286133e-3, -7.5777336548380248e-4, -1.9925558913826889e-4,
            1.506223101355117e-4, -2.4402915881724715e-5, -1.1224876315155394e-5, 5.7173974982775074e-6,
            3.0135361261970763e-7, -8.3459674425629326e-7, 6.2842536296045486e-8, 1.1500055539960876e-7,
            -7.8606153011636593e-9, -1.3585800612761863e-8, -1.7749897509930904e-9,
        ),
        near=(
            1.2837916709551257e-1, -3.7612638903183546e-1, 1.1283791670945248e-1, -2.6866170643275605e-2,
            5.2239776074195314e-3, -8.5483259895499745e-4, 1.2055295317127783e-4, -1.4924744614976934e-5,
            1.644751725029007e-6, -1.6209173735648535e-7, 1.3722970916679922e-8, -7.8011854207172802e-10,
        ),
        one=6.0,
        zero=27.3,
        lifted=20.0,
        lift=(44.3614195558365, 1.4841899608616317e-15),
    ),
    FLOAT32: _Constants(
        centre=2.0,
        scaled=(
            1.276978393, -9.276398028e-2, -1.660314249e-1, 1.64055338e-1, -5.420417952e-2, -8.059804931e-3,
            8.630957669e-3, 1.313066342e-3, -1.228857353e-3, -3.997134453e-4,
        ),
        near=(
            1.283791659e-1, -3.761262713e-1, 1.128360016e-1, -2.685444405e-2, 5.189534662e-3, -8.020837447e-4,
            7.889112312e-5,
        ),
        one=4.0,
        zero=10.2,
        lifted=8.0,
        lift=(44.361419677734375, -1.2189787519729715e-07),
    ),
}  # fmt: skip


def _tail(size: Value) -> Value:
    """erfc(x) for x >= 0."""
    constants = _CONSTANTS[size.kind]
    size = select(size > constants.zero, constants.zero, size)
    square, low = two_product(size, size)
    is_lifted = size > constants.lifted
    high, lost = two_sum(-square, select(is_lifted, size.constant(constants.lift[0]), 0.0))
    low = lost - low + select(is_lifted, size.constant(constants.lift[1]), 0.0)
    t = (size - constants.centre) / (size + constants.centre)
    leading, *others = constants.scaled
    g, g_low = two_sum(t.constant(leading), t * horner(t, others))
    # What rounding takes from g, the quotient and the exponential is put back in; d_low is right from x = 1/2 on,
    # where this function counts.
    d, d_low = two_sum(size + size, 1.0)
    inverse = 1.0 / d
    quotient = g * inverse
    rest = (fma(-quotient, d, g) + (g_low - quotient * d_low)) * inverse
    n, s, s_low = expm1_parts(high, low)
    p, p_low = two_sum(s.constant(1.0), s)
    result = power_of_two(n) * fma(p, quotient, fma(p, rest, (p_low + s_low) * quotient))
    return result * select(is_lifted, size.constant(2.0**-64), 1.0)


def _near(x: Value) -> Value:
    """erf(x) for |x| <= 1."""
    return fma(x, horner(x * x, _CONSTANTS[x.kind].near), x)


def _erfc(x: Value) -> Value:
    """At most 1.2 (float32) and 1.3 (float64) ULP off."""
    tail = _tail(abs(x))
    # Up to a half, the little that erf takes from 1 costs less precision than the product of `_tail`.
    return select(abs(x) < 0.5, 1.0 - _near(x), select(x < 0.0, 2.0 - tail, tail))


def _erf(x: Value) -> Value:
    """At most 1.2 ULP off."""
    size, one = abs(x), _CONSTANTS[x.kind].one
    # Limited here, the tail is never subnormal, which would take CPUs a hundred times as long.
    tail = _tail(select(size > one, one, size))
    return select(size < 1.0, _near(x), copysign(1.0 - tail, x))


ROWS: list[Row] = [row("erf", 1, (FLOATS, _erf)), row("erfc", 1, (FLOATS, _erfc))]
