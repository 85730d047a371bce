"""Conversions between dtypes: a `Value` of any kind comes in, what NumPy's astype gives on x86-64 goes out.

A float out of an integer's range is undefined in C and poison in LLVM. NumPy gives what x86's conversions give, the
smallest integer, and computes integers below 32 bits by way of 32 and uint32 by way of 64. (Its vector loop for
uint32 differs from its scalar one below -2**31 and from 2**32 on; this is the scalar one.) Halves are kept as singles
that are rounded to half precision. It knows nothing of Numba.
"""

from __future__ import annotations

import math
from typing import Any

from .complex_numbers import Complex
from .rows import Emitter, Row
from .value import (
    BOOLEAN,
    COMPLEX64,
    COMPLEX128,
    FLOAT16,
    FLOAT32,
    FLOAT64,
    HAS_HALF,
    SIGNED,
    UNSIGNED,
    Kind,
    Value,
    constant,
    part_kind,
    select,
)

FLOAT32_INFINITY = 0x7F800000

_TARGETS: dict[str, Kind] = {
    "bool": BOOLEAN,
    "float32": FLOAT32,
    "float64": FLOAT64,
    "complex64": COMPLEX64,
    "complex128": COMPLEX128,
    **{f"int{bits}": kind for bits, kind in SIGNED.items()},
    **{f"uint{bits}": kind for bits, kind in UNSIGNED.items()},
}


def _resize(x: Value, kind: Kind) -> Value:
    """An integer of another width, extended by its own sign or cut off."""
    if kind.bits < x.kind.bits:
        return x.convert("trunc", kind)
    if kind.bits > x.kind.bits:
        return x.convert("sext" if x.kind.family == "signed" else "zext", kind)
    return x.seen_as(kind)


def truncate(x: Value, bits: int) -> Value:
    """A float cut to a signed integer; out of range and nan give the smallest, as x86's cvtt instructions do."""
    kind = SIGNED[bits]
    within = abs(x) < math.ldexp(1.0, bits - 1)
    return select(within, select(within, x, 0.0).convert("fptosi", kind), -(1 << (bits - 1)))


def _truncate_unsigned(x: Value) -> Value:
    """A float cut to a uint64: its upper half is converted with 2**63 taken off and put back."""
    half = math.ldexp(1.0, 63)
    is_large = x >= half
    cut = truncate(select(is_large, x - half, x), 64)
    return (cut ^ select(is_large, cut.constant(-(1 << 63)), 0)).seen_as(UNSIGNED[64])


def _float_to(x: Value, kind: Kind) -> Value:
    if kind == BOOLEAN:
        return x.differs(0.0)
    if kind.is_float:
        return x if kind == x.kind else x.convert("fpext" if kind == FLOAT64 else "fptrunc", kind)
    if kind == UNSIGNED[64]:
        return _truncate_unsigned(x)
    return _resize(truncate(x, 64 if kind.bits == 64 or kind == UNSIGNED[32] else 32), kind)


def _integer_to(x: Value, kind: Kind) -> Value:
    if kind == BOOLEAN:
        return x.differs(0)
    if kind.is_float:
        return x.convert("sitofp" if x.kind.family == "signed" else "uitofp", kind)
    return _resize(x, kind)


def _real_to(x: Value, kind: Kind) -> Any:
    if kind.family == "complex":
        return Complex(_real_to(x, part_kind(kind)), constant(x.builder, part_kind(kind), 0))
    return (_float_to if x.kind.is_float else _integer_to)(x, kind)


def _complex_to(x: Complex, kind: Kind) -> Any:
    """The imaginary part is dropped, but for truth."""
    if kind.family == "complex":
        return Complex(_float_to(x.re, part_kind(kind)), _float_to(x.im, part_kind(kind)))
    return x.re.differs(0.0) | x.im.differs(0.0) if kind == BOOLEAN else _float_to(x.re, kind)


def _from_half(bits: Value) -> Value:
    """The single that is a half, given by its bits. Without an instruction for it, the exponent is moved by a product."""
    if HAS_HALF:
        return Value(bits.builder, bits.builder.bitcast(bits.raw, FLOAT16.ir), FLOAT16).convert("fpext", FLOAT32)
    wide = bits.convert("zext", SIGNED[32])
    size = (wide & 0x7FFF) << 13
    moved = (size.as_float() * math.ldexp(1.0, FLOAT32.bias - 15)).bits()
    return (select(size >= 0x7C00 << 13, size | FLOAT32_INFINITY, moved) | (wide & 0x8000) << 16).as_float()


def _to_half(x: Value) -> Value:
    """The bits of a single rounded to half precision.

    Without an instruction for it: the bits of a normal half come by rounding those of the single, those of a subnormal
    one stand last in the sum with 0.5.
    """
    if HAS_HALF:
        half = x.convert("fptrunc", FLOAT16)
        return Value(x.builder, x.builder.bitcast(half.raw, UNSIGNED[16].ir), UNSIGNED[16])
    size = abs(x).bits()
    normal = (size + 0xFFF + ((size >> 13) & 1) - ((FLOAT32.bias - 15) << FLOAT32.fraction)) >> 13
    half = x.constant(0.5)
    subnormal = (abs(x) + half).bits() - half.bits()
    finite = select(abs(x) < math.ldexp(1.0, -14), subnormal, normal)
    bits = select(abs(x) < 65520.0, finite, select(x.is_nan(), finite.constant(0x7E00), 0x7C00))
    return (bits | ((x.bits() >> 16) & 0x8000)).convert("trunc", UNSIGNED[16])


def round_to_half(x: Value) -> Value:
    """A single rounded to half precision; it stays a single."""
    return _from_half(_to_half(x))


def _double_to_half(x: Value) -> Value:
    """In one rounding: the single on the way is the odd one of the two neighbours, if it is not exact."""
    near = x.convert("fptrunc", FLOAT32)
    back = near.convert("fpext", FLOAT64)
    bits = near.bits()
    step = select(abs(back) > abs(x), bits.constant(-1), 1)
    is_odd_or_exact = (bits & 1).differs(0) | back.equals(x) | x.is_nan()
    return round_to_half(select(is_odd_or_exact, bits, bits + step).as_float())


def _cast_half(x: Value) -> Value:
    return _double_to_half(x) if x.kind == FLOAT64 else round_to_half(_real_to(x, FLOAT32))


def _cast(name: str, kind: Kind) -> Row:
    emitters = dict.fromkeys(("float", "signed", "unsigned", "boolean"), lambda x: _real_to(x, kind))
    return Row(f"cast_{name}", 1, {**emitters, "complex": lambda x: _complex_to(x, kind)}, result=kind)


_HALF: dict[str, Emitter] = {
    **dict.fromkeys(("float", "signed", "unsigned", "boolean"), _cast_half),
    "complex": lambda x: _cast_half(x.re),
}

ROWS: list[Row] = [
    *(_cast(name, kind) for name, kind in _TARGETS.items()),
    Row("cast_float16", 1, _HALF, result=FLOAT32),
    Row("from_half", 1, {"unsigned": _from_half}, result=FLOAT32),
    Row("to_half", 1, {"float": _to_half}, result=UNSIGNED[16]),
    Row("round_to_half", 1, {"float": round_to_half}),
]
