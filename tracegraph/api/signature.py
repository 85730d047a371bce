"""What of its arguments a compiled function depends on: structure, and for each leaf its shape, dtype and whether it is a
Python number. Two calls of one signature run the same graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tracegraph.errors import UnsupportedError
from tracegraph.ir import DTYPES, Aval, canonical

__all__ = ["Leaf", "leaf_key", "leaf_of"]

#: Python's numbers and the dtypes that they have when they meet no array.
PYTHON_DTYPES: dict[type, np.dtype] = {
    bool: np.dtype(bool), int: np.dtype(np.int64), float: np.dtype(np.float64), complex: np.dtype(np.complex128),
}  # fmt: skip


class Leaf(NamedTuple):
    """One argument leaf, as the trace sees it.

    Attributes:
        aval: its shape and dtype.
        weak: its class if it is a Python number.
        is_scalar: whether it is a number rather than an array: nobody can change it in place.
    """

    aval: Aval
    weak: type | None
    is_scalar: bool


def leaf_key(value: Any) -> Any:
    """The part of the signature that a leaf makes. The commonest kinds come first."""
    kind = type(value)
    if kind is np.ndarray:
        return value.shape, value.dtype
    if kind in PYTHON_DTYPES:
        return kind
    return kind, getattr(value, "shape", None), getattr(value, "dtype", None)


def leaf_of(value: Any, describe: Callable[[], str]) -> Leaf:
    """What the trace sees of a leaf.

    Args:
        value: the leaf.
        describe: names the argument that it came from, for the message.

    Raises:
        TypeError: it is nothing that a graph can take.
        UnsupportedError: it is an array of a dtype or class that is not traced.
    """
    kind = type(value)
    if kind in PYTHON_DTYPES:
        return Leaf(Aval((), PYTHON_DTYPES[kind]), kind, True)
    if not isinstance(value, (np.ndarray, np.generic)):
        is_random = kind.__module__.startswith("numpy.random")
        instead = (
            "Make it by tg.random.default_rng(seed)" if is_random else "If it is a setting, name it in static_argnames"
        )
        raise TypeError(
            f"{describe()} is {value!r:.60} of {kind.__name__}; expected arrays, numbers, or dicts, lists, tuples or "
            f"dataclasses of them. {instead}"
        )
    if value.dtype not in DTYPES:
        raise UnsupportedError(
            f"{describe()} is an array of dtype {value.dtype}; the dtypes are {', '.join(map(str, DTYPES))}"
        )
    if isinstance(value, (np.ma.MaskedArray, np.matrix)):
        raise UnsupportedError(f"{describe()} is a {kind.__name__}; pass a plain array, for instance np.asarray(x)")
    return Leaf(Aval(value.shape, canonical(value.dtype)), None, isinstance(value, np.generic))
