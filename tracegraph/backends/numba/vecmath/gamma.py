"""The logarithm of the gamma function: floats come in as `Value`s, instructions for log|gamma(x)| go out.

On [3/2, 5/2] it is (x - 2) P(x - 2), zeros included; from 0 to 9/2 it differs from that by a logarithm, and beyond it is
Stirling's series. Everything for a float32 is done in doubles. Negative numbers are left to C (`rare`). Polynomials are
fitted as in `exponential`. It knows nothing of Numba.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .exponential import CONSTANTS
from .logarithm import log, split
from .rare import rarely
from .rows import FLOATS, Row, row
from .value import FLOAT64, Kind, Value, fma, horner, select, two_product, two_sum


class _Series(NamedTuple):
    near: tuple[float, ...]  # log(gamma(2 + d)) / d for |d| <= 1/2
    stirling: tuple[float, ...]  # x (log(gamma(x)) - (x - 1/2) log(x) + x - log(2 pi) / 2), in powers of x**-2


_SERIES: dict[int, _Series] = {
    64: _Series(
        near=(
            0.42278433509846713, 0.3224670334241132, -0.06735230105319814, 0.020580808427785188,
            -0.0073855510286629416, 0.0028905103308050325, -0.0011927539123499243, 0.0005096695205678688,
            -0.00022315474158273254, 9.94576102488924e-05, -4.4926474125694316e-05, 2.0506039983937934e-05,
            -9.437533515970033e-06, 4.382865588271923e-06, -2.0488644921145116e-06, 9.240836129027086e-07,
            -4.2144681459627566e-07, 2.750773468167234e-07, -1.4241260383071325e-07,
        ),
        stirling=(
            0.08333333333333291, -0.0027777777773529827, 0.0007936506686559285, -0.0005952214812379344,
            0.0008405642623898348, -0.0018681924725133315, 0.005176488901008124, -0.010817815907955953,
        ),
    ),
    32: _Series(
        near=(
            0.4227843350064516, 0.32246703468577675, -0.06735228223805571, 0.020580734544336305,
            -0.007386158850423125, 0.0028917305572841935, -0.0011859579288760564, 0.0005015281300340442,
            -0.00025362139109214954, 0.00012234363416095153,
        ),
        stirling=(0.0833333331979254, -0.0027777404072778567, 0.0007908440173793008, -0.0005151953170313616),
    ),
}  # fmt: skip
_DIGAMMA_LOW = 4.942915152430645e-18  # what near[0] of doubles, digamma(2), lacks
_HALF_LOG_TWO_PI = (0.9189385332046728, -3.8782941580672414e-17)

# 2 atanh(s) = 2 s + s**3 (2/3 + s**2 P(s**2)), to 2**-73
_ATANH = (
    0.3999999999999999, 0.2857142857143811, 0.2222222221894898, 0.18181818722487678, 0.1538456564751796,
    0.13336019014267897, 0.11680237374883568, 0.11948240485546252,
)  # fmt: skip
_TWO_THIRDS = (2.0 / 3.0, 3.700743415417188e-17)


def _log_parts(x: Value) -> tuple[Value, Value]:
    """log(x) of a positive double as a sum of two doubles."""
    k, m, _ = split(x)
    f = m - 1.0
    d, d_low = two_sum(f.constant(2.0), f)
    inverse = 1.0 / d
    s = f * inverse
    product, product_low = two_product(s, d)
    s_low = (f - product - product_low - s * d_low) * inverse
    z, z_low = two_product(s, s)
    z_low = fma(s + s, s_low, z_low)
    w, w_low = two_sum(s.constant(_TWO_THIRDS[0]), z * horner(z, _ATANH))
    w_low = w_low + _TWO_THIRDS[1]
    u, u_low = two_product(s, z)
    u_low = fma(s, z_low, fma(s_low, z, u_low))
    v, v_low = two_product(u, w)
    v_low = fma(u, w_low, fma(u_low, w, v_low))
    log_m, log_m_low = two_sum(s + s, v)
    constants = CONSTANTS[x.kind]
    high, high_low = two_sum(k * constants.ln2_high, log_m)
    return high, fma(k, constants.ln2_low, high_low + (log_m_low + (s_low + s_low + v_low)))


def _reduced(x: Value) -> tuple[Value, Value, Value]:
    """For 0 < x < 9/2: d with gamma(x) = gamma(2 + d) times or over a product; and the product, with what it lacks."""
    once, once_low = two_sum(x.constant(1.0), x)
    tiny, tiny_low = two_product(x, once)
    large, large_low = two_product(x - 1.0, x - 2.0)
    d, product, low = x - 4.0, large, large_low
    for limit, next_d, factor, factor_low in (
        (3.5, x - 3.0, x - 1.0, 0.0),
        (2.5, x - 2.0, x.constant(1.0), 0.0),
        (1.5, x - 1.0, x, 0.0),
        (0.5, x, tiny, fma(x, once_low, tiny_low)),
    ):
        is_below = x < limit
        d, product = select(is_below, next_d, d), select(is_below, factor, product)
        low = select(is_below, factor_low, low)
    return d, product, low


def _positive(x: Value, bits: int) -> Value:
    """log(gamma(x)) for a double x > 0, to the precision of a float of so many bits."""
    series = _SERIES[bits]
    is_far = x >= 4.5
    near = select(is_far, 2.0, x)
    d, product, product_low = _reduced(near)
    argument = select(is_far, x, product)
    high, low = _log_parts(argument) if bits == 64 else (log(argument), x.constant(0.0))
    low = low + select(is_far, 0.0, product_low / argument)
    sign = select(x < 1.5, x.constant(-1.0), 1.0)
    # Up to 3/2 the logarithm takes most of g away, so that g's rounding errors count.
    slope, *others = series.near
    linear, linear_low = two_product(d, d.constant(slope))
    g, g_low = two_sum(linear, d * d * horner(d, others))
    total, lost = two_sum(high * sign, g)
    nearby = total + fma(sign, low, lost + (g_low + fma(d, _DIGAMMA_LOW, linear_low)))
    return select(is_far, _stirling(x, high, low, series.stirling), nearby)


def _stirling(x: Value, high: Value, low: Value, series: tuple[float, ...]) -> Value:
    """(x - 1/2) log(x) - x + log(2 pi) / 2 + series / x, with log(x) = high + low."""
    inverse = 1.0 / x
    tail = inverse * horner(inverse * inverse, series)
    moved = x - 0.5
    leading, leading_low = two_product(moved, high)
    total, lost = two_sum(leading, -x)
    rest = fma(moved, low, leading_low + lost + _HALF_LOG_TWO_PI[1])
    result = total + (_HALF_LOG_TWO_PI[0] + (tail + rest))
    # Infinite products leave no meaning to their rounding errors.
    return select(leading < math.inf, result, leading)


def _gammaln(x: Value) -> Value:
    """log|gamma(x)|; error 0.51 (float32) and 1.54 (float64) ULP, that of C's lgamma for x < 0."""
    is_negative = (x < 0.0) & (x > -math.inf)
    below = rarely("lgamma", is_negative, x)
    wide = x if x.kind == FLOAT64 else x.convert("fpext", FLOAT64)
    above = _narrowed(_positive(wide, x.kind.bits), x.kind)
    result = select(is_negative, below, select(x.equals(0.0) | abs(x).equals(math.inf), math.inf, above))
    return select(x.is_nan(), x, result)


def _narrowed(x: Value, kind: Kind) -> Value:
    return x if kind == FLOAT64 else x.convert("fptrunc", kind)


ROWS: list[Row] = [row("gammaln", 1, (FLOATS, _gammaln))]
