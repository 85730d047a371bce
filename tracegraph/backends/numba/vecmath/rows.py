"""The table's row type: what comes in is a function's name with its emitters, what goes out is a row that the package
turns into an intrinsic. It knows nothing of Numba.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from .value import Kind, Value

Emitter: TypeAlias = Callable[..., Value]

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
        result: the kind of the result if it is not that of the operands.
        conditions: how many leading operands are booleans whatever the others are.
    """

    name: str
    arity: int
    emitters: dict[str, Emitter]
    result: Kind | None = None
    conditions: int = 0


def row(name: str, arity: int, *families: tuple[tuple[str, ...], Emitter], result: Kind | None = None) -> Row:
    """A row whose emitters are given as pairs of families and emitter."""
    emitters = {family: emitter for group, emitter in families for family in group}
    return Row(name, arity, emitters, result)
