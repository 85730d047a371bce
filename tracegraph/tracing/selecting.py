"""Selecting by arrays, on placeholders: advanced indexing, masks, take and put and their kin.

How many elements a mask selects is known only when it is there: where a shape hangs on that, the trace decides on the
count and goes on for this count only. What needs no such shape, as ``x[mask] = 0`` or ``np.putmask``, does without.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.errors import UnsupportedError
from tracegraph.ir import Node, Shape
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import fill, reduce_sum, reduced_shape
from tracegraph.ops.elementwise import convert, like
from tracegraph.ops.gather import INDEX, check_bounds, gather, scatter
from tracegraph.ops.gather import nonzero as nonzero_op
from tracegraph.ops.leaf import constant, iota
from tracegraph.ops.reduce import argmax, argmin, reduce_max, reduce_min
from tracegraph.ops.region import concatenate, slice_
from tracegraph.ops.scan import cumulate
from tracegraph.ops.shape import reshape_to, transpose
from tracegraph.ops.sorting import argpartition, argsort, lexsort, sort
from tracegraph.tracing.indexing import NO_INDEX, Mask, Pick, Region, parse_index
from tracegraph.tracing.lift import (
    broadcast,
    cast,
    common_dtype,
    converted,
    has_placeholder,
    listed,
    node_of,
    result,
    spread,
    tight,
)
from tracegraph.tracing.placeholder import Placeholder, element, put
from tracegraph.tracing.selected import Selected
from tracegraph.tracing.trace import active_trace
from tracegraph.tracing.ufuncs import write

__all__ = ["FUNCTIONS", "nonzero"]

BOOL = np.dtype(bool)


def _array(value: Any) -> Placeholder:
    return value if isinstance(value, Placeholder) else result(node_of(listed(value)), is_array=True)


def _as_array(value: Any) -> Any:
    """Any operand as an array, numbers too."""
    return result(value.node, is_array=True) if isinstance(value, Placeholder) else listed(value)


def _known(node: Node) -> np.ndarray | None:
    trace = active_trace()
    return None if trace is None else trace.known(node)


def _decided(node: Node, why: str, instead: str) -> Any:
    """The value of a node at this call, by which the trace goes on."""
    trace = active_trace()
    assert trace is not None, "handlers are called while tracing"
    return trace.decide(node, why, instead)


def _literal(value: Any) -> Node:
    """The node of an array that nobody else has, and that therefore never changes."""
    return constant(np.asarray(value, INDEX))


def _moved(node: Node, old: Sequence[int], new: Sequence[int]) -> Node:
    """The node with some axes at new places."""
    order = [k for k in range(node.aval.ndim) if k not in old]
    for to, axis in sorted(zip(new, old, strict=True)):
        order.insert(to, axis)
    return node if order == list(range(len(order))) else transpose(node, axes=tuple(order))


# -- masks -------------------------------------------------------------------------------------------------------------


def _truth(value: Any) -> Node:
    """What is not zero is true."""
    return cast(node_of(value), BOOL)


def _count(mask: Node) -> int:
    total = reduce_sum(cast(mask, INDEX), axes=tuple(range(mask.aval.ndim)))
    return int(_decided(total, "how many elements a mask selects decides on a shape", "np.where(mask, x, other)"))


def _places(mask: Node, count: int | None = None) -> Node:
    """Where a mask is true, counted in C order."""
    value = _known(mask)
    if value is not None and count in (None, np.count_nonzero(value)):
        return _literal(np.flatnonzero(value))
    line = reshape_to(mask, (mask.aval.size,))
    return nonzero_op(line, count=_count(mask) if count is None else count)


def _unravelled(flat: Node, shape: Shape) -> list[Node]:
    """The indices along each axis of what lies at some places in C order."""
    value = _known(flat)
    if value is not None:
        return [_literal(index) for index in np.unravel_index(value, shape)]
    found, step = [], math.prod(shape)
    for k, n in enumerate(shape):
        step //= max(n, 1)
        index = flat if step == 1 else ew.floor_divide(flat, like(flat, step))
        found.append(index if k == 0 else ew.remainder(index, like(flat, n)))
    return found


def nonzero(a: Any) -> tuple[Placeholder, ...]:
    """`numpy.nonzero`."""
    mask = _truth(a)
    if not mask.shape:
        raise ValueError(
            "Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead. If the context of "
            "this error is of the form `arr[nonzero(cond)]`, just use `arr[cond]`."
        )
    return tuple(result(index) for index in _unravelled(_places(mask), mask.shape))


def _argwhere(a: Any) -> Placeholder:
    mask = _truth(a)
    if not mask.shape:
        return result(fill(0, (_count(mask), 0), INDEX))
    columns = _unravelled(_places(mask), mask.shape)
    return result(concatenate(*[reshape_to(each, (*each.shape, 1)) for each in columns], axis=1))


def _flatnonzero(a: Any) -> Placeholder:
    return result(_places(_truth(a)))


# -- indexing ----------------------------------------------------------------------------------------------------------


def _items(index: Any) -> tuple[Any, ...]:
    """The items of an index, its arrays as arrays and its numbers as numbers."""
    return tuple(map(_item, index if type(index) is tuple else (index,)))


def _item(item: Any) -> Any:
    if isinstance(item, (list, tuple, range)):
        if any(isinstance(each, slice) or each is None or each is Ellipsis for each in item):
            raise IndexError(NO_INDEX)
        array = listed(item)
        item = array.astype(INDEX) if array.size == 0 and not isinstance(array, Placeholder) else array
        if item.dtype.kind not in "iub":
            raise IndexError(NO_INDEX)
        return item if isinstance(item, Placeholder) else result(constant(item), is_array=True)
    if isinstance(item, (bool, np.bool_)):
        return item if isinstance(item, Placeholder) else np.asarray(item)
    if isinstance(item, Placeholder):
        value = _known(item.node)
        if item.shape == () and item.dtype.kind in "iu" and value is not None and item.is_scalar:
            return value[()]
    return item


def _getitem(x: Placeholder, index: Any) -> Any:
    found = parse_index(_items(index), x.shape)
    if isinstance(found, Region):
        return x.part(found)
    base = _base(x, found)
    if not found.is_copy:
        row = _row(base, found)
        return row.fresh(row.node) if found.is_scalar and not row.shape else row
    node, mask = base.node, _sole_mask(found, x)
    if mask is not None and _known(mask) is None:
        return Selected.of(node, mask, lambda: _gathered(node, found))
    return _gathered(node, found)


def _gathered(node: Node, found: Pick) -> Placeholder:
    picking = _Picking(node, found)
    picking.check()
    picked = gather(picking.source, *picking.indices, **picking.params)
    return result(picking.arranged(picked), is_array=not found.is_scalar)


def _sole_mask(found: Pick, x: Placeholder) -> Node | None:
    """The mask over the first axes that is all of an index; None if there is more to it."""
    axis, mask = found.arrays[0]
    if len(found.arrays) > 1 or axis or found.added or not isinstance(mask, Mask) or 0 in mask.shape or not mask.shape:
        return None
    is_whole = found.region.sizes == x.shape and all(step == 1 for step in found.region.steps)
    return node_of(mask.value) if is_whole else None


def _setitem(x: Placeholder, index: Any, value: Any) -> None:
    found = parse_index(_items(index), x.shape)
    if isinstance(found, Region):
        put(x.region(found), value, is_element=found.is_scalar)
        return
    base = _base(x, found)
    if not found.is_copy:
        row = _row(base, found)
        put(row, value, is_element=found.is_scalar and not row.shape)
        return
    old, mask = base.node, _sole_mask(found, x)
    if type(value) is Selected and mask is not None and value.replaces(mask, old.shape):
        aligned = reshape_to(mask, (*mask.shape, *(1,) * (old.aval.ndim - mask.aval.ndim)))
        base.write(ew.where(spread(aligned, old.shape), cast(value.whole.node, old.dtype), old))
        return
    new = node_of(value, old.dtype) if type(value) in (bool, int, float) else cast(node_of(value), old.dtype)
    if len(found.arrays) == 1 and isinstance(found.arrays[0][1], Mask):
        base.write(_masked(old, found, new, is_whole=len(found.arrays[0][1].shape) == x.ndim))
        return
    picking = _Picking(old, found)
    if found.is_scalar and not picking.shape and new.shape:
        picking.check(is_last=True)
        new = node_of(element(value, old.dtype), old.dtype)
    values = picking.rearranged(_fitted(new, picking.shape))
    picking.check()
    base.write(reshape_to(scatter(picking.source, values, *picking.indices, **picking.params), old.shape))


def _base(x: Placeholder, found: Pick) -> Placeholder:
    """What slices leave."""
    whole = found.region.sizes == x.shape and all(step == 1 for step in found.region.steps)
    return x if whole else x.seen_as("slice", **found.region.params)


def _row(base: Placeholder, found: Pick) -> Placeholder:
    """The view at traced integers."""
    axes = tuple(axis for axis, _ in found.arrays)
    numbers = tuple(_index(array, axis, base.shape[axis]) for axis, array in found.arrays)
    row = base.row(axes, numbers)
    shape = _with_added(found.region.shape, found.added)
    return row if row.shape == shape else row.seen_as("reshape", shape=shape)


def _with_added(shape: Shape, added: Sequence[int]) -> Shape:
    sizes = iter(shape)
    return tuple(1 if k in added else next(sizes) for k in range(len(shape) + len(added)))


def _index(array: Any, axis: int, n: int) -> Node:
    """The node of an array of integers, checked now if it is known."""
    return _checked(cast(node_of(array), INDEX), axis, n)


def _checked(places: Node, axis: int, n: int, *, is_last: bool = False) -> Node:
    """Places along an axis, which are looked at now if they are known, or if nobody looks later, for they pick nothing."""
    value = _known(places)
    if value is None and is_last and places.aval.size:
        value = _decided(places, "a place in an empty array might be out of bounds", "np.empty_like")
    if value is not None:
        check_bounds(value, axis, n)
    return places


class _Picking:
    """An advanced index in terms of gather.

    Attributes:
        source: the array, the axes that a mask covers made one.
        indices, params: what else gather and scatter take.
        shape: of the result, as NumPy has it.
    """

    def __init__(self, base: Node, found: Pick) -> None:
        merged: list[int] = []
        axes: list[int] = []
        nodes: list[Node] = []
        done = 0
        for axis, array in found.arrays:
            merged += base.shape[done:axis]
            axes.append(len(merged))
            if isinstance(array, Mask):
                done = axis + len(array.shape)
                merged.append(math.prod(base.shape[axis:done]))
                nodes.append(_places(node_of(array.value)))
            else:
                done = axis + 1
                merged.append(base.shape[axis])
                nodes.append(cast(node_of(array), INDEX))
        merged += base.shape[done:]
        self.source = reshape_to(base, tuple(merged))
        self.indices = _together(nodes)
        distinct = len(found.arrays) == 1 and isinstance(found.arrays[0][1], Mask)
        self.params: dict[str, Any] = {"axes": tuple(axes), "distinct": distinct}
        self._checks = [
            (node, axis, base.shape[axis])
            for node, (axis, array) in zip(nodes, found.arrays, strict=True)
            if not isinstance(array, Mask)
        ]
        self._at = found.at
        self._picked = self.indices[0].shape
        self._rest = _with_added(found.region.shape, found.added)
        self.shape = (*self._rest[: self._at], *self._picked, *self._rest[self._at :])

    def check(self, *, is_last: bool = False) -> None:
        """Raises what NumPy raises for places that are out of bounds, those that are not known if nobody looks later."""
        for node, axis, n in self._checks if self.indices[0].aval.size else ():
            _checked(node, axis, n, is_last=is_last or 0 in self.shape)

    def arranged(self, node: Node) -> Node:
        """What gather gives, as NumPy lays out its axes."""
        node = reshape_to(node, (*self._picked, *self._rest))
        here = range(len(self._picked))
        return _moved(node, here, [self._at + k for k in here])

    def rearranged(self, node: Node) -> Node:
        """Values of the shape of the result, as scatter takes them."""
        here = range(len(self._picked))
        node = _moved(node, [self._at + k for k in here], here)
        return reshape_to(node, (*self._picked, *reduced_shape(self.source.shape, self.params["axes"])))


def _together(nodes: Sequence[Node]) -> list[Node]:
    shapes = [node.shape for node in nodes]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        text = " ".join(map(tight, shapes))
        raise IndexError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {text} "
        ) from None
    return [spread(node, shape) for node in nodes]


def _fitted(value: Node, shape: Shape) -> Node:
    """A value broadcast to what an index selects; leading axes too many are dropped if that leaves as many elements."""
    extra = max(value.aval.ndim - len(shape), 0)
    if math.prod(value.shape[extra:]) == value.aval.size:
        trimmed = reshape_to(value, value.shape[extra:])
        if all(n in (1, m) for n, m in zip(trimmed.shape[::-1], shape[::-1], strict=False)):
            return spread(trimmed, shape)
    raise ValueError(
        f"shape mismatch: value array of shape {tight(value.shape)} could not be broadcast to indexing result of shape "
        f"{tight(shape)}"
    )


def _masked(old: Node, found: Pick, value: Node, *, is_whole: bool) -> Node:
    """``old`` with a value where a mask is true: a choice between the two, if each selected element gets the same."""
    axis, mask = found.arrays[0]
    rest = _with_added(found.region.shape, found.added)
    at = len(rest) - found.at
    if is_whole and value.aval.ndim > 1:
        raise TypeError(
            "NumPy boolean array indexing assignment requires a 0 or 1-dimensional input, input has "
            f"{value.aval.ndim} dimensions"
        )
    if 0 in mask.shape:
        _fitted(value, (*rest[: found.at], 0, *rest[found.at :]))
        return old
    condition = node_of(mask.value)
    given = value.shape[-at - 1] if value.aval.ndim > at else 1
    if given != 1:
        return _scattered(old, found, condition, value, given, is_whole=is_whole)
    lined = _fitted(value, (*rest[: found.at], 1, *rest[found.at :]))
    width = len(mask.shape)
    others = (*old.shape[:axis], *old.shape[axis + width :])
    ones = reshape_to(_moved(lined, [found.at], [0]), (*(1,) * width, *others))
    placed = _moved(ones, range(width), range(axis, axis + width))
    aligned = reshape_to(condition, (*(1,) * axis, *mask.shape, *(1,) * (old.aval.ndim - axis - width)))
    return ew.where(spread(aligned, old.shape), spread(placed, old.shape), old)


def _scattered(old: Node, found: Pick, condition: Node, value: Node, given: int, *, is_whole: bool) -> Node:
    """``old`` with as many values as the mask selects, one for each."""
    known = _known(condition)
    rest = _with_added(found.region.shape, found.added)
    count = int(np.count_nonzero(known)) if known is not None else given if old.aval.size else _count(condition)
    if count != given:
        if is_whole:
            raise ValueError(
                f"NumPy boolean array indexing assignment cannot assign {given} input values to the {count} output values "
                "where the mask is true"
            )
        _fitted(value, (*rest[: found.at], count, *rest[found.at :]))
    axis, mask = found.arrays[0]
    places = _places(condition, given)
    width = len(mask.shape)
    source = reshape_to(old, (*old.shape[:axis], math.prod(mask.shape), *old.shape[axis + width :]))
    fitted = _fitted(value, (*rest[: found.at], given, *rest[found.at :]))
    values = reshape_to(_moved(fitted, [found.at], [0]), (given, *reduced_shape(source.shape, (axis,))))
    return reshape_to(scatter(source, values, places, axes=(axis,), distinct=True), old.shape)


# -- take and put ------------------------------------------------------------------------------------------------------


def _within(indices: Node, n: int, mode: str, axis: int) -> Node:
    """Indices brought into bounds, as the mode says."""
    if mode == "clip":
        return ew.minimum(ew.maximum(indices, like(indices, 0)), like(indices, max(n - 1, 0)))
    if mode == "wrap":
        return ew.remainder(indices, like(indices, max(n, 1)))
    if mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    return _checked(indices, axis, n)


def _take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    x = node_of(_array(a))
    if axis is None:
        x, k = reshape_to(x, (x.aval.size,)), 0
    else:
        x = x if x.shape else reshape_to(x, (1,))
        k = normalize_axis_index(operator.index(axis), x.aval.ndim)
    at = converted(indices, INDEX, "same_kind")
    if x.shape[k] == 0 and at.aval.size:
        raise IndexError("cannot do a non-empty take from an empty axes.")
    at = _within(at, x.shape[k], mode, k)
    if mode == "raise" and not x.aval.size:
        _checked(at, k, x.shape[k], is_last=True)
    here = range(at.aval.ndim)
    node = _moved(gather(x, at, axes=(k,), distinct=False), here, [k + i for i in here])
    return result(node) if out is None else write(out, node)


def _put_flat(a: Any, places: Node, values: Node, *, distinct: bool) -> None:
    """Writes at places counted in C order; values are repeated."""
    if not isinstance(a, Placeholder):
        raise TypeError(f"argument 1 must be numpy.ndarray, not {type(a).__name__}")
    old = a.node
    count = places.aval.size
    if not count or not values.aval.size:
        return
    line = _cycled(values, count)
    flat = reshape_to(old, (old.aval.size,))
    new = scatter(flat, line, reshape_to(places, (count,)), axes=(0,), distinct=distinct)
    a.write(reshape_to(new, old.shape))


def _cycled(values: Node, count: int) -> Node:
    """The values in a line, from the first again when there are no more."""
    line = reshape_to(values, (values.aval.size,))
    n = values.aval.size
    if n >= count:
        return line if n == count else slice_(line, starts=(0,), steps=(1,), sizes=(count,))
    if n == 1:
        return spread(line, (count,))
    return gather(line, _literal(np.arange(count) % n), axes=(0,), distinct=False)


def _values(value: Any, dtype: np.dtype) -> Node:
    return node_of(value, dtype) if type(value) in (bool, int, float) else cast(node_of(listed(value)), dtype)


def _put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    places, values = converted(ind, INDEX), _values(v, a.dtype)
    if places.aval.size and not a.size:
        raise IndexError("cannot replace elements of an empty array")
    if values.aval.size:
        _put_flat(a, _within(places, a.size, mode, 0), values, distinct=False)


def _place(arr: Any, mask: Any, vals: Any) -> None:
    condition = _same_size(arr, mask, "place: mask and data must be the same size")
    values = converted(vals, arr.dtype)
    if values.aval.size == 1:
        _choose_flat(arr, condition, values)
        return
    places = _places(condition)
    if places.aval.size and not values.aval.size:
        raise ValueError("Cannot insert from an empty array!")
    _put_flat(arr, places, values, distinct=True)


def _putmask(a: Any, mask: Any, values: Any) -> None:
    condition = _same_size(a, mask, "putmask: mask and data must be the same size")
    line = converted(values, a.dtype)
    if line.aval.size:
        _choose_flat(a, condition, line)


def _same_size(a: Any, mask: Any, text: str) -> Node:
    if not isinstance(a, Placeholder):
        raise TypeError(f"argument 1 must be numpy.ndarray, not {type(a).__name__}")
    condition = _truth(mask)
    if condition.aval.size != a.size:
        raise ValueError(text)
    return condition


def _choose_flat(a: Placeholder, condition: Node, values: Node) -> None:
    """Writes the value that has an element's own number, where a mask is true."""
    new = reshape_to(_cycled(values, a.size), a.shape)
    a.write(ew.where(reshape_to(condition, a.shape), new, a.node))


def _choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    options = [listed(each) if isinstance(each, (list, tuple)) else each for each in choices]
    dtype = common_dtype(options)
    selector, *nodes = broadcast([converted(_as_array(a), INDEX), *[node_of(each, dtype) for each in options]])
    if mode == "raise":
        last = like(selector, len(nodes) - 1)
        inside = ew.logical_and(ew.greater_equal(selector, like(selector, 0)), ew.less_equal(selector, last))
        if not _decided(_every(inside), "an entry might be out of range", "mode='clip'"):
            raise ValueError("invalid entry in choice array")
    else:
        selector = _within(selector, len(nodes), mode, 0)
    node = nodes[-1]
    for k in reversed(range(len(nodes) - 1)):
        node = ew.where(ew.equal(selector, like(selector, k)), nodes[k], node)
    return result(node) if out is None else write(out, node)


def _every(condition: Node) -> Node:
    if not condition.aval.size:
        return constant(np.True_)
    return reduce_min(condition, axes=tuple(range(condition.aval.ndim)))


def _compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    mask = _truth(condition)
    if mask.aval.ndim != 1:
        raise ValueError("condition must be a 1-d array")
    return _take(a, result(_places(mask)), axis, out)


def _extract(condition: Any, arr: Any) -> Any:
    return _take(np.ravel(_array(arr)), result(_places(_truth(condition))))


def _take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Placeholder:
    x, places = _along(arr, indices, axis)
    return result(gather(x, *places, axes=tuple(range(len(places))), distinct=False))


def _put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    old, places = _along(arr, indices, axis)
    new = _fitted(_values(values, old.dtype), places[0].shape)
    written = scatter(old, new, *places, axes=tuple(range(len(places))), distinct=False)
    _array(arr).write(reshape_to(written, _array(arr).shape))


def _along(arr: Any, indices: Any, axis: Any) -> tuple[Node, list[Node]]:
    """An array and an index array for each of its axes."""
    x, at = node_of(_array(arr)), _array(indices)
    if axis is None:
        if at.ndim != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        x, k = reshape_to(x, (x.aval.size,)), 0
    else:
        k = normalize_axis_index(axis, x.aval.ndim)
    if at.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if at.ndim != x.aval.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    nodes = []
    for d, n in enumerate(x.shape):
        if d == k:
            nodes.append(_index(at, d, n))
        else:
            nodes.append(reshape_to(iota(length=n, dtype=INDEX), tuple(n if e == d else 1 for e in range(at.ndim))))
    return x, _together(nodes)


def _repeat(a: Any, repeats: Any, axis: Any = None) -> Placeholder:
    x = node_of(_array(a))
    if axis is None:
        x, k = reshape_to(x, (x.aval.size,)), 0
    else:
        x = x if x.shape else reshape_to(x, (1,))
        k = normalize_axis_index(axis, x.aval.ndim)
    counts: Any = repeats
    if has_placeholder(repeats):
        counts = _decided(node_of(listed(repeats)), "how often elements are repeated decides on a shape", "np.tile")
    n = x.shape[k]
    places = np.repeat(np.arange(n), counts)
    if np.size(counts) == 1:
        times = len(places) // n if n else 0
        wide = reshape_to(x, (*x.shape[: k + 1], 1, *x.shape[k + 1 :]))
        wide = spread(wide, (*x.shape[: k + 1], times, *x.shape[k + 1 :]))
        return result(reshape_to(wide, (*x.shape[:k], n * times, *x.shape[k + 1 :])))
    return result(_moved(gather(x, _literal(places), axes=(k,), distinct=False), [0], [k]))


# -- diagonals ---------------------------------------------------------------------------------------------------------


def _diag(v: Any, k: int = 0) -> Placeholder:
    x, k = _array(v), operator.index(k)
    if x.ndim == 2:
        return np.diagonal(x, k)  # type: ignore[return-value]
    if x.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    n = x.size + abs(k)
    square: Any = result(fill(0, (n, n), x.dtype), is_array=True)
    first = k if k >= 0 else -k * n
    np.reshape(square, -1)[first : first + (n + 1) * x.size : n + 1] = x
    return result(square.node)


def _diagflat(v: Any, k: int = 0) -> Placeholder:
    return _diag(np.ravel(_array(v)), k)


def _fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    if a.ndim < 2:
        raise ValueError("array must be at least 2-d")
    end = None
    if a.ndim == 2:
        step = a.shape[1] + 1
        end = None if wrap else a.shape[1] * a.shape[1]
    else:
        if len(set(a.shape)) > 1:
            raise ValueError("All dimensions of input must be of equal length")
        step = 1 + sum(math.prod(a.shape[:k]) for k in range(1, a.ndim))
    flat = result(reshape_to(a.node, (a.size,)), is_array=True)
    places = range(*slice(None, end, step).indices(a.size))
    values = _values(val, a.dtype)
    if len(places) and values.aval.size:
        flat[:end:step] = result(_cycled(values, len(places)))
        a.write(reshape_to(flat.node, a.shape))


# -- numbers of elements -----------------------------------------------------------------------------------------------


def _ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Placeholder:
    parts = [converted(each, INDEX, "same_kind") for each in multi_index]
    sizes = (dims,) if isinstance(dims, int) else tuple(map(operator.index, dims))
    if len(parts) != len(sizes):
        raise ValueError("parameter multi_index must be a sequence of length " + str(len(sizes)))
    modes = (mode,) * len(sizes) if isinstance(mode, str) else tuple(mode)
    parts = broadcast(parts)
    axes = range(len(sizes)) if order == "C" else reversed(range(len(sizes)))
    total: Node | None = None
    for k in axes:
        n, index = sizes[k], parts[k]
        if modes[k] == "raise":
            _require_range(index, n, "invalid entry in coordinates array")
        else:
            index = _within(index, n, modes[k], k)
        total = index if total is None else ew.add(ew.multiply(total, like(total, n)), index)
    assert total is not None, "there is an axis at least"
    return result(total)


def _bound(index: Node) -> int | None:
    """What an index that comes of a search is below; None if that is not plain to see."""
    while index.op.kind == "view":
        (index,) = index.inputs
    if index.op in (argmax, argmin, argsort, argpartition):
        axis: int = index.params["axis"]
        return index.inputs[0].shape[axis]
    return index.inputs[0].shape[-1] if index.op is nonzero_op else None


def _require_range(index: Node, n: int, text: str) -> None:
    bound = _bound(index)
    if bound is not None and bound <= n:
        return
    inside = ew.logical_and(ew.greater_equal(index, like(index, 0)), ew.less(index, like(index, n)))
    if not _decided(_every(inside), "an index might be out of range", "mode='clip'"):
        raise ValueError(text)


def _unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Placeholder, ...]:
    at = converted(indices, INDEX, "same_kind")
    sizes = (shape,) if isinstance(shape, int) else tuple(map(operator.index, shape))
    size = math.prod(sizes)
    known = _known(at)
    if known is not None:
        return tuple(result(constant(each)) for each in np.unravel_index(known, sizes, order))  # type: ignore[call-overload]
    _require_range(at, size, f"index is out of bounds for array with size {size}")
    if order == "C":
        return tuple(map(result, _unravelled(at, sizes)))
    return tuple(map(result, _unravelled(at, sizes[::-1])))[::-1]


# -- sets --------------------------------------------------------------------------------------------------------------


def _unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: Any = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    x = _array(ar)
    if not (sorted or return_index or return_inverse or return_counts):
        raise UnsupportedError(
            "unique values in the order in which NumPy happens to find them are not traced; write np.unique(x)"
        )
    if axis is not None and x.ndim != 1:
        return _unique_rows(x, axis, return_index, return_inverse, return_counts)
    line = reshape_to(x.node, (x.size,))
    in_order, order = _sorted(line, by_index=return_index or return_inverse)
    is_first = _is_first(in_order, equal_nan=equal_nan)
    firsts = _places(is_first)
    found = [gather(in_order, firsts, axes=(0,), distinct=True)]
    found += _described(order, is_first, firsts, x.shape, return_index, return_inverse, return_counts)
    results = tuple(result(node, is_array=True) for node in found)
    return results[0] if len(results) == 1 else results


def _sorted(line: Node, *, by_index: bool) -> tuple[Node, Node]:
    """A line in order and, if it is asked for, the indices that bring it there."""
    if not by_index:
        return sort(line, axis=0, kind=None), iota(length=line.shape[0], dtype=INDEX)
    order = argsort(line, axis=0, kind="stable")
    return gather(line, order, axes=(0,), distinct=True), order


def _unique_rows(x: Placeholder, axis: int, index: bool, inverse_: bool, counts: bool) -> Any:
    """Unique subarrays along an axis, in the order of their elements."""
    k = normalize_axis_index(axis, x.ndim)
    rows = _moved(x.node, [k], [0])
    n, *others = rows.shape
    width = math.prod(others)
    table = reshape_to(rows, (n, width))
    columns = [slice_(table, starts=(0, j), steps=(1, 1), sizes=(n, 1)) for j in reversed(range(width))]
    keys = [reshape_to(each, (n,)) for each in columns]
    order = lexsort(*keys, axis=0) if keys else iota(length=n, dtype=INDEX)
    in_order = gather(table, order, axes=(0,), distinct=True)
    is_first = _is_first_row(in_order)
    firsts = _places(is_first)
    unique = reshape_to(gather(in_order, firsts, axes=(0,), distinct=True), (firsts.aval.size, *others))
    found = [_moved(unique, [0], [k]), *_described(order, is_first, firsts, (n,), index, inverse_, counts)]
    results = tuple(map(result, found))
    return results[0] if len(results) == 1 else results


def _is_first_row(in_order: Node) -> Node:
    n, width = in_order.shape
    if n < 2:
        return fill(True, (n,), BOOL)
    later, earlier = (slice_(in_order, starts=(k, 0), steps=(1, 1), sizes=(n - 1, width)) for k in (1, 0))
    differ = ew.not_equal(later, earlier)
    rest = reduce_max(differ, axes=(1,)) if width else fill(False, (n - 1,), BOOL)
    return concatenate(fill(True, (1,), BOOL), rest, axis=0)


def _is_first(in_order: Node, *, equal_nan: bool) -> Node:
    """Which elements of a sorted line differ from the one before."""
    n = in_order.aval.size
    if n < 2:
        return fill(True, (n,), BOOL)
    later, earlier = (slice_(in_order, starts=(k,), steps=(1,), sizes=(n - 1,)) for k in (1, 0))
    differ = ew.not_equal(later, earlier)
    if equal_nan and in_order.dtype.kind in "fc":
        both = ew.logical_and(ew.not_equal(later, later), ew.not_equal(earlier, earlier))
        differ = ew.logical_and(differ, ew.logical_not(both))
    return concatenate(fill(True, (1,), BOOL), differ, axis=0)


def _described(
    order: Node, is_first: Node, firsts: Node, shape: Shape, index: bool, inverse_: bool, counts: bool
) -> list[Node]:
    """Where unique values come first, which one each element is, and how often each comes."""
    n, found = order.aval.size, []
    if index:
        found.append(gather(order, firsts, axes=(0,), distinct=True))
    if inverse_:
        ranks = cumulate(convert(is_first, dtype=INDEX), ufunc="add", axis=0)
        ranks = ew.subtract(ranks, like(ranks, 1))
        there = scatter(fill(0, (n,), INDEX), ranks, order, axes=(0,), distinct=True)
        found.append(reshape_to(there, shape))
    if counts:
        ends = concatenate(firsts, _literal([n]), axis=0)
        m = firsts.aval.size
        later, earlier = (slice_(ends, starts=(k,), steps=(1,), sizes=(m,)) for k in (1, 0))
        found.append(ew.subtract(later, earlier))
    return found


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    operator.getitem: _getitem,
    operator.setitem: _setitem,
    np.nonzero: nonzero,
    np.argwhere: _argwhere,
    np.flatnonzero: _flatnonzero,
    np.take: _take,
    np.put: _put,
    np.place: _place,
    np.putmask: _putmask,
    np.choose: _choose,
    np.compress: _compress,
    np.extract: _extract,
    np.take_along_axis: _take_along_axis,
    np.put_along_axis: _put_along_axis,
    np.repeat: _repeat,
    np.diag: _diag,
    np.diagflat: _diagflat,
    np.fill_diagonal: _fill_diagonal,
    np.ravel_multi_index: _ravel_multi_index,
    np.unravel_index: _unravel_index,
    np.unique: _unique,
}  # fmt: skip
