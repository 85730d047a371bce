"""Powers: `Value`s come in, instructions for x**y go out, with C99's (Annex F.9.4.4) and so NumPy's special cases.

|x|**y = exp(y log|x|), where the logarithm of a double is a sum of two doubles (relative error 2**-66, as the
exponent magnifies it by up to 745), and everything for a float32 is done in doubles. It knows nothing of Numba.
"""

from __future__ import annotations

import math

from .exponential import CONSTANTS, exp, power_of_two, reduce
from .logarithm import split
from .rows import FLOATS, INTEGERS, Row, row
from .value import FLOAT32, FLOAT64, Value, flip_sign, fma, horner, rint, select, two_product, two_sum

# 2 atanh(s) = 2 s + s**3 (2/3 + s**2 P(s**2)), to 2**-73
_ATANH = (
    0.3999999999999999, 0.2857142857143811, 0.2222222221894898, 0.18181818722487678, 0.1538456564751796,
    0.13336019014267897, 0.11680237374883568, 0.11948240485546252,
)  # fmt: skip
_TWO_THIRDS = (2.0 / 3.0, 3.700743415417188e-17)
# The same for float32: 2 atanh(s) = 2 s + s**3 P(s**2) to 2**-37, (exp(r) - 1 - r) / r**2 to 2**-28
_SHORT_ATANH = (0.6666666563666934, 0.4000033732139087, 0.28537164356295164, 0.2358504618653387)
_SHORT_TAIL = (
    0.5000000095318946, 0.16666518269419622, 0.04166620564065889, 0.008368956793616622, 0.0013950497958333456,
)  # fmt: skip
_LN2 = 0.6931471805599453


def log_parts(x: Value) -> tuple[Value, Value]:
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


def _at_limits(x: Value, logarithm: Value) -> Value:
    """The logarithm of x >= 0 with its values at 0, infinity and nan."""
    return select(x.equals(0.0), -math.inf, select(x < math.inf, logarithm, x))


def _double_magnitude(x: Value, y: Value) -> Value:
    """x**y for doubles x >= 0; nan where 0 or infinity to the power 0 or 1 to an infinite one is asked for."""
    high, low = log_parts(x)
    high = _at_limits(x, high)
    p, p_low = two_product(y, high)
    within = abs(p) < 2048.0
    return exp(p, select(within, fma(y, low, p_low), 0.0))


def _float_magnitude(x: Value, y: Value) -> Value:
    """The same for float32."""
    x, y = x.convert("fpext", FLOAT64), y.convert("fpext", FLOAT64)
    k, m, _ = split(x, is_normal=True)
    f = m - 1.0
    s = f / (f + 2.0)
    z = s * s
    log_m = fma(s * z, horner(z, _SHORT_ATANH), s + s)
    p = y * _at_limits(x, fma(k, _LN2, log_m))
    # Beyond +-200 the result is infinite or 0 as a float32; nan passes.
    clipped = select(p > 200.0, 200.0, select(p < -200.0, -200.0, p))
    bits, n = reduce(clipped)
    r = fma(n, -_LN2, clipped)
    q = 1.0 + fma(r * r, horner(r, _SHORT_TAIL), r)
    return (q * power_of_two(bits)).convert("fptrunc", FLOAT32)


def _float_power(x: Value, y: Value) -> Value:
    """x**y; error 0.56 (float32) and 1.16 (float64) ULP."""
    magnitude = (_double_magnitude if x.kind == FLOAT64 else _float_magnitude)(abs(x), y)
    half = y * 0.5
    is_integer = rint(y).equals(y)
    is_odd = is_integer & rint(half).differs(half)
    result = select(is_odd, flip_sign(magnitude, x), magnitude)
    result = select((x < 0.0) & (x > -math.inf) & ~is_integer, math.nan, result)
    result = select(x.is_nan() | y.is_nan(), x + y, result)
    # One to any power and anything to the power 0 are 1, nan included; -1 to an infinite power is, too.
    is_one = x.equals(1.0) | y.equals(0.0) | (x.equals(-1.0) & abs(y).equals(math.inf))
    return select(is_one, 1.0, result)


def _integer_power(x: Value, y: Value) -> Value:
    """Square and multiply, modulo 2**bits; unrolled, so that a constant exponent leaves its multiplications alone."""
    result, square = x.constant(1), x
    digits = x.kind.bits - (x.kind.family == "signed")
    for k in range(digits):
        result = result * select((y & (1 << k)).differs(0), square, 1)
        square = square * square
    return result


ROWS: list[Row] = [row("power", 2, (FLOATS, _float_power), (INTEGERS, _integer_power))]
