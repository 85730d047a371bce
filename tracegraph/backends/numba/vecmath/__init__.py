"""The scalar functions that kernels call in their loops: rows of the families' tables come in, Numba intrinsics go out.

Each intrinsic writes branch-free LLVM instructions in place of its call, so that typing is cheap and LLVM vectorises
the loop around it. Operands of one call have one dtype. It knows nothing of kernels or of who writes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from typing import Any, TypeAlias

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.core.typing import templates
from numba.extending import intrinsic

from . import (
    casts,
    circular,
    complex_numbers,
    counter_based,
    division,
    error_function,
    exact,
    exponential,
    gamma,
    hyperbolic,
    inverse,
    logarithm,
    power,
    roots,
)
from .complex_numbers import EMITTERS as ON_COMPLEX
from .complex_numbers import Complex
from .rows import Emitter, Row
from .value import BOOLEAN, COMPLEX64, COMPLEX128, FLOAT32, FLOAT64, SIGNED, UNSIGNED, Kind, Value, part_kind

Generator: TypeAlias = Callable[[Any, ir.IRBuilder, templates.Signature, list[ir.Value]], ir.Value]

_FAMILIES = (
    exact,
    division,
    casts,
    exponential,
    logarithm,
    complex_numbers,
    power,
    roots,
    circular,
    counter_based,
    inverse,
    hyperbolic,
    error_function,
    gamma,
)

_KINDS: dict[types.Type, Kind] = {
    types.boolean: BOOLEAN,
    types.float32: FLOAT32,
    types.float64: FLOAT64,
    types.complex64: COMPLEX64,
    types.complex128: COMPLEX128,
    **{getattr(types, f"int{bits}"): kind for bits, kind in SIGNED.items()},
    **{getattr(types, f"uint{bits}"): kind for bits, kind in UNSIGNED.items()},
}
_TYPES = {kind: numba_type for numba_type, kind in _KINDS.items()}


def _intrinsic(row: Row) -> Any:
    """The Numba intrinsic of a row."""
    emitters = {**row.emitters, "complex": ON_COMPLEX[row.name]} if row.name in ON_COMPLEX else row.emitters

    def typed(typing: Any, *operands: types.Type) -> tuple[templates.Signature, Generator]:
        kind = _operand_kind(row, emitters, operands)
        result = _TYPES[row.result_of(kind)]

        def generate(
            context: Any, builder: ir.IRBuilder, signature: templates.Signature, raw: list[ir.Value]
        ) -> ir.Value:
            values = [_unpacked(builder, each, _KINDS[given]) for each, given in zip(raw, operands, strict=True)]
            return _packed(context, builder, emitters[kind.family](*values), result)

        return result(*operands), generate

    typed.__name__ = typed.__qualname__ = row.name
    # Numba would pack what falls under *operands into a tuple; it goes by the signature it is shown.
    names = ["typing", *(f"operand{k}" for k in range(row.arity))]
    typed.__signature__ = Signature([Parameter(name, Parameter.POSITIONAL_ONLY) for name in names])  # type: ignore
    return intrinsic(typed)


def _unpacked(builder: ir.IRBuilder, raw: ir.Value, kind: Kind) -> Value | Complex:
    """An operand as emitters take it."""
    if kind.family != "complex":
        return Value(builder, raw, kind)
    return Complex(*(Value(builder, builder.extract_value(raw, k), part_kind(kind)) for k in range(2)))


def _packed(context: Any, builder: ir.IRBuilder, value: Value | Complex, result: types.Type) -> ir.Value:
    """An emitter's result as Numba keeps it: a complex number is a structure."""
    if isinstance(value, Value):
        return value.raw
    pair = ir.Constant(context.get_value_type(result), ir.Undefined)
    return builder.insert_value(builder.insert_value(pair, value.re.raw, 0), value.im.raw, 1)


def _operand_kind(row: Row, emitters: Mapping[str, Emitter], operands: tuple[types.Type, ...]) -> Kind:
    """The one kind of the operands, leading conditions apart."""
    conditions, others = operands[: row.conditions], operands[row.conditions :]
    kind = _KINDS.get(others[0]) if len(operands) == row.arity else None
    if kind is None or set(others) != {others[0]} or any(each != types.boolean for each in conditions):
        given = ", ".join(map(str, operands))
        raise TypingError(f"{row.name}() was given ({given}), expected {row.arity} operands of one dtype")
    if kind.family not in emitters:
        raise TypingError(f"{row.name}() was given {others[0]}, expected a {' or '.join(emitters)} dtype")
    return kind


#: All scalar functions.
ROWS: list[Row] = [row for family in _FAMILIES for row in family.ROWS]

NAMESPACE: dict[str, Any] = {
    **{row.name: _intrinsic(row) for row in ROWS},
    "inf": math.inf,
    "nan": math.nan,
}
