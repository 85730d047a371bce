"""The table's row type: what comes in is a function's name with its emitters, what goes out is a row that the package
turns into an intrinsic. It knows nothing of Numba.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from .value import Kind

#: Complex operands and results are pairs of values.
Emitter: TypeAlias = Callable[..., Any]

FLOATS = ("float",)
INTEGERS = ("signed", "unsigned")
NUMBERS = (*FLOATS, *INTEGERS)
BOOLEANS = ("boolean",)
ALL = (*NUMBERS, *BOOLEANS)


@dataclass(frozen=True)
class Row:
    """A scalar function.

    Attributes:
        name: what kernels call it by.
        arity: how many operands it takes, conditions included.
        emitters: what writes its instructions, by family of the operands.
        result: the kind of the result, or how it follows, if it is not that of the operands.
        conditions: how many leading operands are booleans whatever the others are.
    """

    name: str
    arity: int
    emitters: dict[str, Emitter]
    result: Kind | Callable[[Kind], Kind] | None = None
    conditions: int = 0

    def result_of(self, kind: Kind) -> Kind:
        """The kind of the result for operands of a kind."""
        return kind if self.result is None else self.result if isinstance(self.result, Kind) else self.result(kind)


def row(
    name: str,
    arity: int,
    *families: tuple[tuple[str, ...], Emitter],
    result: Kind | Callable[[Kind], Kind] | None = None,
) -> Row:
    """A row whose emitters are given as pairs of families and emitter."""
    emitters = {family: emitter for group, emitter in families for family in group}
    return Row(name, arity, emitters, result)
