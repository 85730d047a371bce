"""The scalar functions that kernels call in their loops: rows of the families' tables come in, Numba intrinsics go out.

Each intrinsic writes branch-free LLVM instructions in place of its call, so that typing is cheap and LLVM vectorises
the loop around it. Operands of one call have one dtype. It knows nothing of kernels or of who writes them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any, TypeAlias

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.core.typing import templates
from numba.extending import intrinsic

from . import (
    bases,
    casts,
    circular,
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
from .rows import Row
from .value import BOOLEAN, FLOAT32, FLOAT64, SIGNED, UNSIGNED, Kind, Value

Generator: TypeAlias = Callable[[Any, ir.IRBuilder, templates.Signature, list[ir.Value]], ir.Value]

_FAMILIES = (
    exact,
    division,
    casts,
    exponential,
    logarithm,
    bases,
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
    **{getattr(types, f"int{bits}"): kind for bits, kind in SIGNED.items()},
    **{getattr(types, f"uint{bits}"): kind for bits, kind in UNSIGNED.items()},
}
_TYPES = {kind: numba_type for numba_type, kind in _KINDS.items()}


def _intrinsic(row: Row) -> Any:
    """The Numba intrinsic of a row."""

    def typed(typing: Any, *operands: types.Type) -> tuple[templates.Signature, Generator]:
        kind = _operand_kind(row, operands)
        result = _TYPES[row.result or kind]

        def generate(
            context: Any, builder: ir.IRBuilder, signature: templates.Signature, raw: list[ir.Value]
        ) -> ir.Value:
            values = [Value(builder, each, _KINDS[given]) for each, given in zip(raw, operands, strict=True)]
            return row.emitters[kind.family](*values).raw

        return result(*operands), generate

    typed.__name__ = typed.__qualname__ = row.name
    # Numba would pack what falls under *operands into a tuple; it goes by the signature it is shown.
    names = ["typing", *(f"operand{k}" for k in range(row.arity))]
    typed.__signature__ = Signature([Parameter(name, Parameter.POSITIONAL_ONLY) for name in names])  # type: ignore
    return intrinsic(typed)


def _operand_kind(row: Row, operands: tuple[types.Type, ...]) -> Kind:
    """The one kind of the operands, leading conditions apart."""
    conditions, others = operands[: row.conditions], operands[row.conditions :]
    kind = _KINDS.get(others[0]) if len(operands) == row.arity else None
    if kind is None or set(others) != {others[0]} or any(each != types.boolean for each in conditions):
        given = ", ".join(map(str, operands))
        raise TypingError(f"{row.name}() was given ({given}), expected {row.arity} operands of one dtype")
    if kind.family not in row.emitters:
        raise TypingError(f"{row.name}() was given {others[0]}, expected a {' or '.join(row.emitters)} dtype")
    return kind


NAMESPACE: dict[str, Any] = {
    **{row.name: _intrinsic(row) for family in _FAMILIES for row in family.ROWS},
    "inf": math.inf,
    "nan": math.nan,
}
