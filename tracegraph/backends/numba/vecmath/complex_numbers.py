"""Complex numbers: pairs of `Value`s come in, instructions for NumPy's answers go out.

A product is the plain formula, so that infinities and NaN come out as NumPy has them; a quotient is Smith's (1962), which
does not overflow on the way; the absolute value is a hypotenuse. exp, log and sqrt treat infinities and NaN as C does.
Errors are counted by the modulus. It knows nothing of Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .circular import cos, sin
from .exponential import exp, expm1
from .hyperbolic import cosh, sinh
from .inverse import arctan2
from .logarithm import log, log1p
from .roots import hypot
from .rows import Emitter, Row
from .value import FLOAT32, FLOAT64, Kind, Value, complex_kind, copysign, part_kind, rint, select

__all__ = ["EMITTERS", "ROWS", "Complex"]


# The highest power of e, rounded down, below the largest number of a kind.
_LARGEST_EXPONENT: dict[Kind, float] = {FLOAT32: 88.0, FLOAT64: 709.0}


class Complex(NamedTuple):
    """A complex number in the making."""

    re: Value
    im: Value


def _multiply(x: Complex, y: Complex) -> Complex:
    return Complex(x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re)


def _divide(x: Complex, y: Complex) -> Complex:
    """Both of Smith's cases at once: the greater part of the divisor changes places with the other."""
    flat = abs(y.re) >= abs(y.im)
    zero = flat & abs(y.re).equals(0.0)
    great, small = select(flat, y.re, y.im), select(flat, y.im, y.re)
    ratio = small / select(zero, 1.0, great)
    scale = 1.0 / (great + small * ratio)
    re = select(flat, x.re + x.im * ratio, x.re * ratio + x.im) * scale
    im = select(flat, x.im - x.re * ratio, x.im * ratio - x.re) * scale
    size = abs(y.re)
    return Complex(select(zero, x.re / size, re), select(zero, x.im / size, im))


def _absolute(x: Complex) -> Value:
    return hypot(x.re, x.im)


def _either_nan(x: Complex) -> Value:
    return x.re.is_nan() | x.im.is_nan()


def _either_infinite(x: Complex) -> Value:
    return abs(x.re).equals(math.inf) | abs(x.im).equals(math.inf)


def _both_finite(x: Complex) -> Value:
    return (abs(x.re) < math.inf) & (abs(x.im) < math.inf)


def _where(condition: Value, x: Complex, y: Complex) -> Complex:
    return Complex(select(condition, x.re, y.re), select(condition, x.im, y.im))


def _exp(x: Complex) -> Complex:
    """exp(re) (cos(im) + i sin(im)); the exponential of a large part is taken in two steps, as the product may be finite."""
    limit = _LARGEST_EXPONENT[x.re.kind]
    is_large = x.re > limit
    size = exp(select(is_large, x.re - limit, x.re))
    rest = select(is_large, x.re.constant(math.exp(limit)), 1.0)
    is_flat, is_wild = x.im.equals(0.0), _is_not_finite(x.im)
    re, im = size * cos(x.im) * rest, select(is_flat, x.im, size * sin(x.im) * rest)
    vanishes = x.re.equals(-math.inf) & is_wild
    re = select(x.re.equals(math.inf) & is_wild, math.inf, select(vanishes, 0.0, re))
    return Complex(re, select(vanishes, 0.0, im))


def _is_not_finite(x: Value) -> Value:
    return ~(abs(x) < math.inf)


def _log(x: Complex) -> Complex:
    """log|x| and the angle. Near the unit circle the first is log1p(|x|**2 - 1) / 2, which does not cancel."""
    a, b = abs(x.re), abs(x.im)
    great, small = select(a > b, a, b), select(a > b, b, a)
    size = hypot(x.re, x.im)
    near = (size > 0.5) & (size < 2.0)
    over = (great - 1.0) * (great + 1.0) + small * small
    return Complex(select(near, log1p(select(near, over, 0.0)) * 0.5, log(size)), arctan2(x.im, x.re))


def _expm1(x: Complex) -> Complex:
    half = sin(x.im * 0.5)
    return Complex(expm1(x.re) * cos(x.im) - 2.0 * (half * half), exp(x.re) * sin(x.im))


def _scaled(function: Callable[[Complex], Complex], before: float, after: float) -> Emitter:
    """A function to another base."""

    def emit(x: Complex) -> Complex:
        result = function(Complex(x.re * before, x.im * before) if before != 1.0 else x)
        return Complex(result.re * after, result.im * after) if after != 1.0 else result

    return emit


def _hyperbolic(x: Complex) -> tuple[Value, Value, Value, Value]:
    """sinh and cosh of the real part times cos and sin of the other: the parts of sinh, then those of cosh.

    Far out, where both are half an exponential, that is taken in two steps, as the product may be finite.
    """
    size, limit = abs(x.re), _LARGEST_EXPONENT[x.re.kind]
    is_large = size > limit
    near = select(is_large, 0.0, x.re)
    far = exp(select(is_large, size - limit, 0.0)) * 0.5
    rest = select(is_large, x.re.constant(math.exp(limit)), 1.0)
    s, c = select(is_large, copysign(far, x.re), sinh(near)), select(is_large, far, cosh(near))
    across, along = sin(x.im), cos(x.im)
    return s * along * rest, c * across * rest, c * along * rest, s * across * rest


def _sinh(x: Complex) -> Complex:
    re, im, _, _ = _hyperbolic(x)
    fixed = _is_not_finite(x.im) & (x.re.equals(0.0) | abs(x.re).equals(math.inf))
    return Complex(select(fixed, x.re, re), select(x.im.equals(0.0), x.im, im))


def _cosh(x: Complex) -> Complex:
    _, _, re, im = _hyperbolic(x)
    is_wild = _is_not_finite(x.im)
    re = select(is_wild & abs(x.re).equals(math.inf), math.inf, re)
    flat = x.im * copysign(x.re.constant(1.0), x.re)
    return Complex(re, select(x.im.equals(0.0), flat, select(is_wild & x.re.equals(0.0), 0.0, im)))


def _cos(x: Complex) -> Complex:
    """cosh of ix."""
    return _cosh(Complex(-x.im, x.re))


def _sin(x: Complex) -> Complex:
    """-i sinh of ix."""
    turned = _sinh(Complex(-x.im, x.re))
    return Complex(turned.im, -turned.re)


def _sign(x: Complex) -> Complex:
    """x / |x|; of what is infinite in one part only, the unit in its direction."""
    size = hypot(x.re, x.im)
    tall, wide = abs(x.im).equals(math.inf), abs(x.re).equals(math.inf)
    is_nan = _either_nan(x) & ~(tall | wide)

    def part(value: Value, mine: Value, other: Value) -> Value:
        infinite = select(mine, select(other, math.nan, copysign(value.constant(1.0), value)), 0.0)
        finite = select(size.equals(0.0), 0.0, value / select(size.equals(0.0), 1.0, size))
        return select(is_nan, math.nan, select(tall | wide, infinite, finite))

    return Complex(part(x.re, wide, tall), part(x.im, tall, wide))


def _sqrt(x: Complex) -> Complex:
    """The half plane decides which part is the root of (|x| + |re|) / 2 and which follows from it.

    Large and small numbers are scaled by a power of four.
    """
    kind = x.re.kind
    large, tiny = math.ldexp(1.0, kind.bias - 2), math.ldexp(1.0, -kind.bias // 2)
    a, b = abs(x.re), abs(x.im)
    is_large, is_small = (a > large) | (b > large), (a < tiny) & (b < tiny)
    lift = 2 * (kind.fraction // 2 + 1)
    factor = select(is_large, a.constant(0.0625), select(is_small, a.constant(math.ldexp(1.0, 2 * lift)), 1.0))
    back = select(is_large, a.constant(4.0), select(is_small, a.constant(math.ldexp(1.0, -lift)), 1.0))
    p, q = a * factor, b * factor
    root = ((hypot(p, q) + p) * 0.5).call("llvm.sqrt")
    zero = root.equals(0.0)
    other = select(zero, 0.0, q / select(zero, 1.0, root + root))
    is_right = x.re >= 0.0
    re, im = select(is_right, root, other) * back, copysign(select(is_right, other, root) * back, x.im)
    # What is infinite: an imaginary part wins, then a real one.
    tall, wide = b.equals(math.inf), a.equals(math.inf)
    re = select(tall, math.inf, select(wide & ~is_right & ~x.im.is_nan(), 0.0, select(wide & is_right, math.inf, re)))
    flat = select(x.im.is_nan(), x.im, copysign(x.im.constant(0.0), x.im))
    steep = copysign(x.im.constant(math.inf), x.im)
    return Complex(re, select(tall, x.im, select(wide, select(is_right, flat, steep), im)))


def _ordered(strict: Callable[[Value, Value], Value], last: Callable[[Value, Value], Value]) -> Emitter:
    """By real parts, and where these are equal by imaginary parts; NaN in either is ordered with nothing."""

    def compare(x: Complex, y: Complex) -> Value:
        first = strict(x.re, y.re) & ~(x.im.is_nan() | y.im.is_nan())
        return first | (x.re.equals(y.re) & last(x.im, y.im))

    return compare


_ORDER: Mapping[str, Emitter] = {
    "less": _ordered(lambda x, y: x < y, lambda x, y: x < y),
    "less_equal": _ordered(lambda x, y: x < y, lambda x, y: x <= y),
    "greater": _ordered(lambda x, y: x > y, lambda x, y: x > y),
    "greater_equal": _ordered(lambda x, y: x > y, lambda x, y: x >= y),
}


def _extremum(better: Emitter) -> Emitter:
    """The better of two, the first at a tie; a NaN beats all."""

    def emit(x: Complex, y: Complex) -> Complex:
        return _where(_either_nan(x) | better(x, y), x, y)

    return emit


def _make(re: Value, im: Value) -> Complex:
    return Complex(re, im)


#: What functions that take other numbers too do with complex ones.
EMITTERS: Mapping[str, Emitter] = {
    "add": lambda x, y: Complex(x.re + y.re, x.im + y.im),
    "subtract": lambda x, y: Complex(x.re - y.re, x.im - y.im),
    "multiply": _multiply,
    "divide": _divide,
    "negative": lambda x: Complex(-x.re, -x.im),
    "absolute": _absolute,
    "equal": lambda x, y: x.re.equals(y.re) & x.im.equals(y.im),
    "not_equal": lambda x, y: x.re.differs(y.re) | x.im.differs(y.im),
    "isnan": _either_nan,
    "isinf": _either_infinite,
    "isfinite": _both_finite,
    "where": _where,
    **_ORDER,
    "maximum": _extremum(_ORDER["greater_equal"]),
    "minimum": _extremum(_ORDER["less_equal"]),
    "rint": lambda x: Complex(rint(x.re), rint(x.im)),
    "exp": _exp,
    "log": _log,
    "expm1": _expm1,
    "exp2": _scaled(_exp, math.log(2), 1.0),
    "log2": _scaled(_log, 1.0, 1 / math.log(2)),
    "log10": _scaled(_log, 1.0, 1 / math.log(10)),
    "sqrt": _sqrt,
    "sign": _sign,
    "sin": _sin,
    "cos": _cos,
    "sinh": _sinh,
    "cosh": _cosh,
}

ROWS: list[Row] = [
    Row("conj", 1, {"complex": lambda x: Complex(x.re, -x.im)}),
    Row("real", 1, {"complex": lambda x: x.re}, result=part_kind),
    Row("imag", 1, {"complex": lambda x: x.im}, result=part_kind),
    Row("make_complex", 2, {"float": _make}, result=complex_kind),
]
