"""Basic indexing: an index expression and a shape come in, a strided region and the shape it is seen as go out."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import numpy as np

from tracegraph.errors import UnsupportedError

__all__ = ["Region", "parse_index"]


class Region(NamedTuple):
    """A region of an array, and the shape that an index makes of it.

    Attributes:
        starts, steps, sizes: the region, for each axis of the array.
        shape: without the axes that integers picked, with the axes that None added.
        is_scalar: whether NumPy gives a scalar rather than a 0-d view: integers for every axis and nothing else.
    """

    starts: tuple[int, ...]
    steps: tuple[int, ...]
    sizes: tuple[int, ...]
    shape: tuple[int, ...]
    is_scalar: bool

    @property
    def params(self) -> dict[str, tuple[int, ...]]:
        return {"starts": self.starts, "steps": self.steps, "sizes": self.sizes}


def parse_index(index: Any, shape: tuple[int, ...]) -> Region:
    """Reads integers, slices, ``...`` and ``None``.

    >>> parse_index((1, slice(None, None, -1), None), (2, 3))
    Region(starts=(1, 2), steps=(1, -1), sizes=(1, 3), shape=(3, 1), is_scalar=False)

    Raises:
        IndexError: as NumPy: out of bounds, too many indices, no index at all.
        UnsupportedError: advanced indexing.
    """
    items = _with_ellipsis(index if isinstance(index, tuple) else (index,), len(shape))
    starts, steps, sizes, seen = [], [], [], []
    axis = 0
    for item in items:
        if item is None:
            seen.append(1)
            continue
        start, step, size, is_kept = _axis_region(item, axis, shape[axis])
        axis += 1
        starts.append(start)
        steps.append(step)
        sizes.append(size)
        if is_kept:
            seen.append(size)
    given = index if isinstance(index, tuple) else (index,)
    is_scalar = not seen and not any(item is Ellipsis for item in given)
    return Region(tuple(starts), tuple(steps), tuple(sizes), tuple(seen), is_scalar)


def _with_ellipsis(items: tuple[Any, ...], ndim: int) -> list[Any]:
    """Replaces the one ``...``, or adds one at the end, by as many full slices as there are axes left."""
    for item in items:
        _check_basic(item)
    given = sum(item is not None and item is not Ellipsis for item in items)
    ellipses = sum(item is Ellipsis for item in items)
    if ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if given > ndim:
        raise IndexError(f"too many indices for array: array is {ndim}-dimensional, but {given} were indexed")
    rest = [slice(None)] * (ndim - given)
    at = next((k for k, item in enumerate(items) if item is Ellipsis), len(items))
    return [*items[:at], *rest, *items[at + 1 :]]


def _check_basic(item: Any) -> None:
    if item is None or item is Ellipsis or isinstance(item, slice):
        return
    if isinstance(item, (bool, np.bool_)) or not hasattr(item, "__index__") or getattr(item, "shape", ()) != ():
        kind = f"array of shape {item.shape}" if hasattr(item, "shape") else f"{type(item).__name__}"
        if isinstance(item, (str, float)):
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays "
                "are valid indices"
            )
        raise UnsupportedError(f"indexing by a {kind} is not traced; use integers, slices, ... and None, or np.where")


def _axis_region(item: Any, axis: int, n: int) -> tuple[int, int, int, bool]:
    if isinstance(item, slice):
        start, stop, step = item.indices(n)
        size = len(range(start, stop, step))
        return (start, step, size, True) if size else (0, 1, 0, True)
    i = operator.index(item)
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of bounds for axis {axis} with size {n}")
    return i % n, 1, 1, False
