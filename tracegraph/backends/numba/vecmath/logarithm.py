"""The logarithms: floats come in as `Value`s, instructions for log, log2, log10 and log1p go out.

x = 2**k m with m in [3/4, 3/2). Of a double, m c = 1 + r with |r| <= 1/16, where c comes from a table of 16 numbers of so
few bits that r is exact (the form is Tang's, 1990); log(x) = k log(2) - log(c) + log(1 + r). Of a float, r = m - 1.
Polynomials of r are near to the minimax (reweighted least squares in 40 digits, one coefficient rounded after another). It
knows nothing of Numba.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from decimal import Context, Decimal

from .lanes import table
from .rows import FLOATS, Row, row
from .scaling import normalised, times_power
from .value import FLOAT32, FLOAT64, HAS_FMA, UNSIGNED, Kind, Value, copysign, fma, horner, select, two_product

_DIGITS = Context(prec=50)
#: By the four highest bits of m's fraction: the c that keeps |m c - 1| least, and 1 on both sides of 1.
INVERSES = (
    1.0, 0.90625, 0.875, 0.8125, 0.78125, 0.75, 0.71875, 0.6875, 1.3125, 1.25, 1.1875, 1.1875, 1.125, 1.0625, 1.0625, 1.0,
)  # fmt: skip
#: The higher parts of what is added to multiples of log(2) are multiples of this, so that sums are exact.
_GRAIN = 2.0**-42
_LOG_TWO = math.log(2.0)
_HIGHEST = 2000.0  # above all exponents


def parted(x: Decimal, grain: float = _GRAIN) -> tuple[float, float]:
    """A number as a multiple of a power of two and a rest that is not negative."""
    high = math.floor(x / Decimal(grain)) * grain
    return high, float(_DIGITS.subtract(x, Decimal(high)))


class Base:
    """What a logarithm to a base (e unless told) takes.

    Attributes:
        two: the logarithm of 2 in two parts, by kind; the lower is not negative, as multiples may be infinite.
        unit: that of e, as a float of a kind and what that lacks.
        tail: (log(1 + r) - unit r) / r**2 in powers of r, by kind.
        offset, offset_low: emitters of the two parts of -log(c).
    """

    def __init__(self, name: str, tail: dict[Kind, tuple[float, ...]], base: int | None = None) -> None:
        unit = Decimal(1) if base is None else _DIGITS.divide(Decimal(1), _DIGITS.ln(Decimal(base)))
        offsets = [parted(_DIGITS.multiply(-unit, _DIGITS.ln(Decimal(c)))) for c in INVERSES]
        two = _DIGITS.multiply(unit, _DIGITS.ln(Decimal(2)))
        self.two = {FLOAT64: parted(two, _GRAIN), FLOAT32: parted(two, 2.0**-25)}
        self.unit = {kind: _rounded(unit, kind) for kind in (FLOAT32, FLOAT64)}
        self.tail = tail
        self.offset = table(f"{name}_offset", {FLOAT64: [high for high, _ in offsets]})
        self.offset_low = table(f"{name}_offset_low", {FLOAT64: [low for _, low in offsets]})


def _rounded(x: Decimal, kind: Kind) -> tuple[float, float]:
    """A number as a float of a kind and what that lacks."""
    high = float(x) if kind == FLOAT64 else struct.unpack("f", struct.pack("f", x))[0]
    return high, float(_DIGITS.subtract(x, Decimal(high)))


NATURAL = Base(
    "log",
    {
        FLOAT64: (
            -0.5000000000000008, 0.33333333333333515, -0.2499999999959007, 0.19999999999358517, -0.16666667261319867,
            0.14285715033916196, -0.12499650039383085, 0.1111072814988927, -0.10089791164683544, 0.09180029259411514,
        ),
        FLOAT32: (
            -0.5, 0.333334506, -0.250001013, 0.199908122, -0.166471541, 0.144788116, -0.13162531, 0.104624711,
            -0.04505153,
        ),
    },
)  # fmt: skip
_BINARY = Base(
    "log2",
    {
        FLOAT64: (
            -0.7213475204444829, 0.4808983469629888, -0.3606737602161082, 0.2885390081719145, -0.24044918222736908,
            0.20609929999584228, -0.18033178083738033, 0.16029459690947556, -0.1455701801502334, 0.13237212860548475,
        ),
        FLOAT32: (
            -0.721347511, 0.48089996, -0.360675633, 0.288409978, -0.240164667, 0.208838686, -0.189862683, 0.151100025,
            -0.0651981831,
        ),
    },
    base=2,
)  # fmt: skip
_DECIMAL = Base(
    "log10",
    {
        FLOAT64: (
            -0.21714724095162627, 0.14476482730108453, -0.10857362047398986, 0.08685889637832628, -0.07238241626550412,
            0.062042071750220744, -0.054285280634275346, 0.04825338087294808, -0.04382041984309634, 0.03985787731183049,
        ),
        FLOAT32: (
            -0.217147246, 0.144765347, -0.10857375, 0.0868182108, -0.0723029077, 0.0628975481, -0.0571448021, 0.0453283712,
            -0.0194699485,
        ),
    },
    base=10,
)  # fmt: skip

_inverse = table("log_inverse", {FLOAT64: INVERSES})


def reduced_by(inverses: Callable[[Value], Value], m: Value, bits: int) -> tuple[Value, Value, Value]:
    """For m in [3/4, 3/2): the number of a table's entry, by so many bits; that entry, c; and m c - 1."""
    index = m.bits() >> (m.kind.fraction - bits)
    c = inverses(index)
    if HAS_FMA:
        return index, c, fma(m, c, -1.0)
    product, low = two_product(m, c)
    return index, c, (product - 1.0) + low


def _logarithm(x: Value, base: Base, low: Value | None = None) -> Value:
    """log(x), or log(x + low) for a `low` far below x."""
    k, m = normalised(x)
    # Of 0 the exponent is minus infinity, 2**infinity times nothing nan.
    lifted = None if low is None else times_power(low, select(k > -_HIGHEST, -k, _HIGHEST))
    unit, unit_low = base.unit[x.kind]
    two, two_low = base.two[x.kind]
    tail = base.tail[x.kind]
    if x.kind == FLOAT32:
        r = m - 1.0 if lifted is None else (m - 1.0) + lifted
        if base is NATURAL:
            return fma(k, _LOG_TWO, fma(r * r, horner(r, tail), r))
        rest = r * fma(r, horner(r, tail), unit_low)
        if two_low:
            rest = fma(k, two_low, rest)
        return fma(k, two, fma(r, unit, rest))
    index, c, r = reduced_by(_inverse, m, 4)
    if lifted is not None:
        r = fma(lifted, c, r)
    leading, rest = fma(k, two, base.offset(index)), base.offset_low(index)
    if two_low:
        rest = fma(k, two_low, rest)
    if base is NATURAL:
        return leading + (r + fma(r * r, horner(r, tail), rest))
    return leading + fma(r, unit, fma(r, fma(r, horner(r, tail), unit_low), rest))


def log(x: Value) -> Value:
    """The natural logarithm."""
    return _logarithm(x, NATURAL)


def log1p(x: Value, low: Value | None = None) -> Value:
    """log(1 + x), or log(1 + x + low) for a `low` far below x."""
    greater, lesser = select(x > 1.0, x, 1.0), select(x < 1.0, x, 1.0)
    u = x + 1.0
    lost = lesser - (u - greater)
    if low is not None:
        lost = lost + low
    # Of infinity, nan is lost: this comparison turns it to what is nothing beside infinity.
    lost = select(lost < 1.0, lost, 1.0)
    return copysign(_logarithm(u, NATURAL, lost), x)


_LIFT = 64  # subnormal operands are multiplied by this power of two
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


ROWS: list[Row] = [
    row("log", 1, (FLOATS, log)),
    row("log1p", 1, (FLOATS, log1p)),
    row("log2", 1, (FLOATS, lambda x: _logarithm(x, _BINARY))),
    row("log10", 1, (FLOATS, lambda x: _logarithm(x, _DECIMAL))),
]
