"""Complex numbers: pairs of `Value`s come in, instructions for NumPy's answers go out.

A product is the plain formula, so that infinities and NaN come out as NumPy has them; a quotient is Smith's (1962), which
does not overflow on the way; the absolute value is a hypotenuse. It knows nothing of Numba.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from .roots import hypot
from .rows import Emitter, Row
from .value import Value, complex_kind, part_kind, select

__all__ = ["EMITTERS", "ROWS", "Complex"]


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
}

ROWS: list[Row] = [
    Row("conj", 1, {"complex": lambda x: Complex(x.re, -x.im)}),
    Row("real", 1, {"complex": lambda x: x.re}, result=part_kind),
    Row("imag", 1, {"complex": lambda x: x.im}, result=part_kind),
    Row("make_complex", 2, {"float": _make}, result=complex_kind),
]
