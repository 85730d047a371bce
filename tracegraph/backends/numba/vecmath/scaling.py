"""Floats taken apart into powers of two and the rest, and put together again, in AVX-512's instructions for that where the
host has them. All is exact and treats every float: subnormal ones, zeros, infinities, nan.
"""

from __future__ import annotations

import math

from llvmlite import ir

from .lanes import HAS_AVX512, by_lanes, in_length
from .value import SIGNED, Value, fma, select

_CURRENT_ROUNDING = ir.Constant(ir.IntType(32), 4)
# Of getmant: the interval [3/4, 3/2); nan for negative numbers.
_NORMALISED = ir.Constant(ir.IntType(32), 0b1111)
_LIFT = 64  # subnormal operands are multiplied by this power of two


def _native(instruction: str, *operands: Value | ir.Constant) -> Value:
    """One of AVX-512's instructions on vectors of any length."""
    values = [each for each in operands if isinstance(each, Value)]
    bits = values[0].kind.bits
    whole = min(512, max(128, bits * values[0].kind.lanes))

    def emit(*x: Value) -> Value:
        lanes = x[0].kind.lanes
        given = iter(x)
        raw = [next(given).raw if isinstance(each, Value) else each for each in operands]
        mask = ir.Constant(ir.IntType(max(lanes, 8)), -1)
        rounding = [_CURRENT_ROUNDING] if whole == 512 else []
        name = f"llvm.x86.avx512.mask.{instruction}.{'ps' if bits == 32 else 'pd'}.{whole}"
        through = ir.Constant(x[0].kind.ir, ir.Undefined)
        return x[0].call_named(name, *raw[1:], through, mask, *rounding)

    return in_length(values, whole // bits, emit)


def _exponent(x: Value) -> Value:
    """floor(log2|x|) as a float: minus infinity of 0, infinity of infinities."""
    if HAS_AVX512:
        return _native("getexp", x)
    kind, size = x.kind, abs(x)
    is_small = size < kind.smallest_normal
    bits = select(is_small, size * math.ldexp(1.0, _LIFT), size).bits() >> kind.fraction
    finite = (bits - select(is_small, bits.constant(kind.bias + _LIFT), kind.bias)).convert("sitofp", kind)
    return select(size.equals(0.0), -math.inf, select(size < math.inf, finite, size))


def _mantissa(x: Value) -> Value:
    """x over a power of two in [3/4, 3/2); 1 of zeros and of infinity, nan of what is negative."""
    if HAS_AVX512:
        return _native("getmant", x, _NORMALISED)
    kind = x.kind
    lifted = select(x < kind.smallest_normal, x * math.ldexp(1.0, _LIFT), x).bits()
    above = ((lifted & ((1 << kind.fraction) - 1)) | kind.one).as_float()
    finite = above * select(above < 1.5, x.constant(1.0), 0.5)
    rest = select(x.equals(0.0) | x.equals(math.inf), 1.0, x.constant(math.nan))
    return select((x > 0.0) & (x < math.inf), finite, rest)


def _times_power(x: Value, n: Value) -> Value:
    """x * 2**floor(n), rounded once, for x next to 1."""
    if HAS_AVX512:
        return _native("scalef", x, n)
    kind = x.kind
    most = float(2 * kind.bias)
    limited = select(n > most, most, select(n > -most, n, -most))
    whole = limited.call("llvm.floor").convert("fptosi", SIGNED[kind.bits])
    first = whole >> 1
    for part in (first, whole - first):
        x = x * ((part + kind.bias) << kind.fraction).as_float()
    return x


exponent = by_lanes("exponent", _exponent)
mantissa = by_lanes("mantissa", _mantissa)
times_power = by_lanes("times_power", _times_power)


def _inverse_root(x: Value) -> Value:
    """1/sqrt(x) but for some units in the last place, if both are normal, by Newton's steps from 14 bits.

    CPUs take longer for a square root and a division than for most of a function.
    """
    if not HAS_AVX512:
        return 1.0 / x.call("llvm.sqrt")
    y = _approximate("rsqrt14", x)
    error = fma(-(x * y), y, 1.0)
    if x.kind.bits == 32:
        return fma(y * 0.5, error, y)
    y = fma(y * error, fma(error, 0.375, 0.5), y)
    return fma(y * 0.5, fma(-(x * y), y, 1.0), y)


def _approximate(instruction: str, x: Value) -> Value:
    """An instruction that is right to 14 bits."""
    bits = x.kind.bits
    whole = min(512, max(128, bits * x.kind.lanes))

    def emit(x: Value) -> Value:
        name = f"llvm.x86.avx512.{instruction}.{'ps' if bits == 32 else 'pd'}.{whole}"
        through = ir.Constant(x.kind.ir, ir.Undefined)
        return x.call_named(name, through, ir.Constant(ir.IntType(max(x.kind.lanes, 8)), -1))

    return in_length([x], whole // bits, emit)


inverse_root = by_lanes("inverse_root", _inverse_root)


def normalised(x: Value) -> tuple[Value, Value]:
    """k and m in [3/4, 3/2) with x = 2**k m, for x > 0; of 0 and infinity k is infinite, and m is nan if x < 0."""
    m = mantissa(x)
    return exponent(x) - exponent(m), m
