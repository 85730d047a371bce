"""The logarithms: floats come in as `Value`s, instructions for log and its relatives go out.

x = 2**k m with m in [sqrt(1/2), sqrt(2)), and log(x) = k ln 2 + log(1 + f), f = m - 1. Doubles use fdlibm's form
(s = f / (2 + f), a polynomial of s**2, Sun Microsystems 1993), floats a polynomial of f; both polynomials are
minimax, fitted as in `exponential`. It knows nothing of Numba.
"""

from __future__ import annotations

import math

from .exponential import CONSTANTS
from .rows import FLOATS, Row, row
from .value import FLOAT32, FLOAT64, UNSIGNED, Kind, Value, fma, horner, select

# 2 atanh(s) = 2 s + s**3 * P(s**2)
_ATANH = (
    0.6666666666666735, 0.39999999999408803, 0.28571428743893545, 0.22222198400901422, 0.18183574112072848,
    0.1531378053732195, 0.1479883537917324,
)  # fmt: skip
# log(1 + f) = f - f**2 / 2 + f**3 * P(f)
_LOG1P = (
    0.333333135, -0.250000119, 0.200020745, -0.166678548, 0.1422019, -0.124081753, 0.11886549, -0.116609268,
    0.0673250929,
)  # fmt: skip

_SQRT_HALF_BITS: dict[Kind, int] = {FLOAT64: 0x3FE6A09E667F3BCD, FLOAT32: 0x3F3504F3}
_LIFT = 64  # subnormal operands are multiplied by this power of two


def split(x: Value, is_normal: bool = False) -> tuple[Value, Value, Value]:
    """Positive finite x as 2**k m with m in [sqrt(1/2), sqrt(2)): k, m and the exponent's field unless subnormal."""
    kind, root = x.kind, _SQRT_HALF_BITS[x.kind]
    # An exponent in the low bits of 2**fraction is that float's distance from 2**fraction.
    unit = 1 << kind.fraction
    bits, offset = x.bits(), x.constant(float(unit + kind.bias))
    if not is_normal:
        is_small = x < kind.smallest_normal
        bits = select(is_small, x * math.ldexp(1.0, _LIFT), x).bits()
        offset = select(is_small, float(unit + kind.bias + _LIFT), offset)
    moved = (bits + (kind.one - root)).seen_as(UNSIGNED[kind.bits])
    exponent = moved >> kind.fraction
    k = (exponent | x.constant(float(unit)).bits().seen_as(exponent.kind)).as_float() - offset
    m = ((moved & (unit - 1)) + root).as_float()
    return k, m, exponent


def _log_sum(k: Value, f: Value, low: Value | None = None) -> Value:
    """k ln 2 + log(1 + f) + low, summed from the smallest part on."""
    constants = CONSTANTS[k.kind]
    half = 0.5 * f * f
    rest = k * constants.ln2_low if low is None else fma(k, constants.ln2_low, low)
    if k.kind == FLOAT64:
        s = f / (f + 2.0)
        z = s * s
        rest = fma(s, fma(z, horner(z, _ATANH), half), rest)
    else:
        rest = fma(f * f * f, horner(f, _LOG1P), rest)
    return fma(k, constants.ln2_high, f - (half - rest))


def mantissa_log(f: Value) -> tuple[Value, Value]:
    """log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)) as a sum of two floats, good to some bits more than one."""
    half = 0.5 * f * f
    leading = f - half
    rest = (f - leading) - half
    if f.kind == FLOAT64:
        s = f / (f + 2.0)
        z = s * s
        return leading, rest + s * fma(z, horner(z, _ATANH), half)
    return leading, rest + f * f * f * horner(f, _LOG1P)


def with_limits(x: Value, result: Value) -> Value:
    """`result` for positive finite x; a logarithm's values at 0, below it, at infinity and nan."""
    beyond = select(x.equals(0.0), x.constant(-math.inf), select(x < 0.0, math.nan, x))
    return select((x > 0.0) & (x < math.inf), result, beyond)


def log(x: Value) -> Value:
    """The natural logarithm; error 0.81 (float32) and 0.84 (float64) ULP."""
    k, m, _ = split(x)
    return with_limits(x, _log_sum(k, m - 1.0))


def log1p(x: Value, low: Value | None = None) -> Value:
    """log(1 + x), or log(1 + x + low) for |low| far below |x|; error 0.85 ULP.

    The rounding error of 1 + x is put back in.
    """
    u = x + 1.0
    k, m, exponent = split(u)
    virtual = u - 1.0
    error = (1.0 - (u - virtual)) + (x - virtual)
    error = error if low is None else error + low
    kind = x.kind
    # 2**-k but for a factor in [1, 2); 0 where it would be subnormal, since nothing was lost there.
    field = select(exponent < 2 * kind.bias, 2 * kind.bias - exponent, 0)
    scale = (field << kind.fraction).as_float()
    unscaled = k.equals(0.0)
    f = select(unscaled, x, m - 1.0)
    # log(1 + f + e) = log(1 + f) + e / (1 + f), where a few bits of the quotient do.
    slope = fma(fma(f, 0.75, -0.95), f, 1.0)
    low = select(unscaled, 0.0 if low is None else low, error * scale) * slope
    return select(x.equals(0.0), x, with_limits(u, _log_sum(k, f, low)))


ROWS: list[Row] = [
    row("log", 1, (FLOATS, log)),
    row("log1p", 1, (FLOATS, log1p)),
]
