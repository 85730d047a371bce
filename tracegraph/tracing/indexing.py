"""Index expressions: an expression and a shape come in, what it picks goes out.

Integers, slices, ``...`` and ``None`` pick a strided region, seen in another shape. With arrays of integers or of truth
values among them the index is an advanced one: what the slices leave is picked from by arrays of indices, of one shape,
and the axes of those arrays go where the first stood, or to the front if a slice, ``...`` or ``None`` stands between them.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Mask", "Pick", "Region", "is_basic", "parse_index"]

NO_INDEX = (
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid "
    "indices"
)


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


class Mask(NamedTuple):
    """An array of truth values, which stands for the axes that it covers."""

    value: Any
    shape: tuple[int, ...]


class Pick(NamedTuple):
    """What an advanced index picks.

    Attributes:
        region: what slices and integers leave of the array, and its axes that none of them, and no array, picks from. Axes
            that arrays pick from are whole, those that integers pick from have the extent 1.
        arrays: for each array of indices its first axis, and the array: of integers, or a `Mask`.
        at: how many axes of the result come before those of the indices.
        added: which axes of the result, without those of the indices, are added by None.
        is_copy: whether an array takes part, rather than numbers only, whose result NumPy gives as a view.
        is_scalar: whether the result, if it has no axes, is a number.
    """

    region: Region
    arrays: tuple[tuple[int, Any], ...]
    at: int
    added: tuple[int, ...]
    is_copy: bool
    is_scalar: bool


def is_basic(index: Any) -> bool:
    """Whether an index has nothing in it that could be an array."""
    for item in index if type(index) is tuple else (index,):
        if not (item is None or item is Ellipsis or type(item) in (int, slice) or issubclass(type(item), np.integer)):
            return False
    return True


def parse_index(index: Any, shape: tuple[int, ...]) -> Region | Pick:
    """Reads an index. Arrays in it must be arrays (or placeholders) of integers or truth values by now.

    >>> parse_index((1, slice(None, None, -1), None), (2, 3))
    Region(starts=(1, 2), steps=(1, -1), sizes=(1, 3), shape=(3, 1), is_scalar=False)

    Raises:
        IndexError: as NumPy: out of bounds, too many indices, no index at all.
    """
    given = index if isinstance(index, tuple) else (index,)
    has_ellipsis = False
    items = [*given, *[slice(None)] * (len(shape) - len(given))]
    if len(items) > len(shape) or not all(type(item) in (int, slice) for item in given):
        items = _with_ellipsis(given, len(shape))
        has_ellipsis = any(item is Ellipsis for item in given)
        if any(_is_array(item) for item in items):
            return _picked(items, shape, has_ellipsis=has_ellipsis)
    starts, steps, sizes, seen = [], [], [], []
    axis = 0
    for item in items:
        if item is None or item is Ellipsis:
            seen += [1] * (item is None)
            continue
        start, step, size, is_kept = _axis_region(item, axis, shape[axis])
        axis += 1
        starts.append(start)
        steps.append(step)
        sizes.append(size)
        if is_kept:
            seen.append(size)
    return Region(tuple(starts), tuple(steps), tuple(sizes), tuple(seen), not seen and not has_ellipsis)


def _picked(items: Sequence[Any], shape: tuple[int, ...], *, has_ellipsis: bool) -> Pick:
    starts: list[int] = []
    steps: list[int] = []
    sizes: list[int] = []
    added: list[int] = []
    arrays: list[tuple[int, Any]] = []
    dropped: set[int] = set()
    kept = axis = at = 0
    is_met = is_ended = is_apart = False
    for item in items:
        if item is None or item is Ellipsis or isinstance(item, slice):
            is_ended = is_met
            if item is Ellipsis:
                continue
            if item is None:
                added.append(kept)
            else:
                for parts, part in zip((starts, steps, sizes), _axis_region(item, axis, shape[axis]), strict=False):
                    parts.append(part)
                axis += 1
            kept += 1
            continue
        is_apart |= is_ended
        at, is_met = (at if is_met else kept), True
        width = _width(item)
        if _is_array(item):
            arrays.append((axis, _array_item(item, axis, shape)))
        is_number = not _is_array(item)
        starts += [_axis_region(item, axis, shape[axis])[0]] if is_number else [0] * width
        steps += [1] * width
        sizes += [1] if is_number else shape[axis : axis + width]
        dropped.update(range(axis, axis + width))
        axis += width
    rest = tuple(n for k, n in enumerate(sizes) if k not in dropped)
    region = Region(tuple(starts), tuple(steps), tuple(sizes), rest, is_scalar=False)
    is_copy = any(isinstance(array, Mask) or array.shape or _is_zero_d(array) for _, array in arrays)
    return Pick(region, tuple(arrays), 0 if is_apart else at, tuple(added), is_copy, kept == 0 and not has_ellipsis)


def _is_zero_d(array: Any) -> bool:
    """Whether NumPy has an array without axes there, rather than a number."""
    return isinstance(array, np.ndarray)


def _is_array(item: Any) -> bool:
    return hasattr(item, "dtype") and not issubclass(type(item), np.integer)


def _width(item: Any) -> int:
    """How many axes an item stands for."""
    if item is None:
        return 0
    return len(item.shape) if _is_array(item) and item.dtype.kind == "b" else 1


def _array_item(item: Any, axis: int, shape: tuple[int, ...]) -> Any:
    if item.dtype.kind != "b":
        return item
    for k, n in enumerate(item.shape):
        if n not in (0, shape[axis + k]):
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis + k}; size of axis is {shape[axis + k]} but "
                f"size of corresponding boolean axis is {n}"
            )
    return Mask(item, tuple(item.shape))


def _with_ellipsis(items: tuple[Any, ...], ndim: int) -> list[Any]:
    """Replaces the one ``...``, or adds one at the end, by as many full slices as there are axes left.

    If none are left it stays: it still stands between its neighbours.
    """
    for item in items:
        _check(item)
    given = sum(_width(item) for item in items if item is not Ellipsis)
    ellipses = sum(item is Ellipsis for item in items)
    if ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if given > ndim:
        raise IndexError(f"too many indices for array: array is {ndim}-dimensional, but {given} were indexed")
    rest = [slice(None)] * (ndim - given)
    at = next((k for k, item in enumerate(items) if item is Ellipsis), len(items))
    return [*items[:at], *(rest or items[at : at + 1]), *items[at + 1 :]]


def _check(item: Any) -> None:
    if item is None or item is Ellipsis or isinstance(item, slice):
        return
    if _is_array(item):
        if item.dtype.kind not in "iub":
            raise IndexError("arrays used as indices must be of integer (or boolean) type" if item.shape else NO_INDEX)
    elif not hasattr(item, "__index__"):
        raise IndexError(NO_INDEX)


def _axis_region(item: Any, axis: int, n: int) -> tuple[int, int, int, bool]:
    if isinstance(item, slice):
        start, stop, step = item.indices(n)
        size = len(range(start, stop, step))
        return (start, step, size, True) if size else (0, 1, 0, True)
    i = operator.index(item)
    _check_number(i, axis, n)
    return i % n, 1, 1, False


def _check_number(i: int, axis: int, n: int) -> None:
    if not -n <= i < n:
        raise IndexError(f"index {i} is out of bounds for axis {axis} with size {n}")
