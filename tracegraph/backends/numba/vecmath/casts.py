"""Conversions between dtypes: a `Value` of any kind comes in, what NumPy's astype gives on x86-64 goes out.

A float out of an integer's range is undefined in C and poison in LLVM. NumPy gives what x86's conversions give, the
smallest integer, and computes integers below 32 bits by way of 32 and uint32 by way of 64. (Its vector loop for
uint32 differs from its scalar one below -2**31 and from 2**32 on; this is the scalar one.) It knows nothing of Numba.
"""

from __future__ import annotations

import math

from .rows import Row
from .value import BOOLEAN, FLOAT32, FLOAT64, SIGNED, UNSIGNED, Kind, Value, select

_TARGETS: dict[str, Kind] = {
    "bool": BOOLEAN,
    "float32": FLOAT32,
    "float64": FLOAT64,
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


def _cast(name: str, kind: Kind) -> Row:
    emitters = dict.fromkeys(("signed", "unsigned", "boolean"), lambda x: _integer_to(x, kind))
    return Row(f"cast_{name}", 1, {"float": lambda x: _float_to(x, kind), **emitters}, result=kind)


ROWS: list[Row] = [_cast(name, kind) for name, kind in _TARGETS.items()]
