"""Slices whose bounds are traced, ``a[k + 1 :, j]``, in the body of a loop of Python's that becomes one of the graph.

Where two bounds are a known number apart, the slice is a view like any other. Otherwise it is a *stretch*: an array with
whole axes, and between which places of them the elements are. What is computed of stretches is computed of whole axes; sums
take what lies outside for zero, and assignments leave that as it is. Stretches that meet are moved side by side if they do
not begin at the same place.

All that is not known to be right, such as stretches that might differ in length, is refused: then the loop is written out.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tracegraph.ir import Node
from tracegraph.ops.broadcast import broadcast_to
from tracegraph.ops.elementwise import add, less, maximum, minimum, subtract, where
from tracegraph.ops.leaf import iota, literal
from tracegraph.tracing.lift import cast, node_of, result
from tracegraph.tracing.placeholder import Deferred, Placeholder
from tracegraph.tracing.sites import Items, looped
from tracegraph.tracing.slots import UnrolledError
from tracegraph.tracing.spans import INT, Form
from tracegraph.tracing.trace import Trace, active_trace

__all__ = ["Stretch", "assign", "has_traced_bounds", "pick"]


class Part(NamedTuple):
    """The places of an axis from ``low`` on and before ``high``, which is no less."""

    low: Node
    high: Node


def has_traced_bounds(index: Any) -> bool:
    """Whether an index has a slice in it that changes from turn to turn."""
    items = index if type(index) is tuple else (index,)
    return any(type(each) is slice and (_is_traced(each.start) or _is_traced(each.stop)) for each in items)


def pick(array: Placeholder, index: Any) -> Any:
    """What an index with such slices in it gives: a view, or a stretch."""
    return _picked(array, (None,) * array.ndim, index)


def assign(array: Placeholder, index: Any, value: Any) -> None:
    """Assigns to what such an index gives."""
    _assign(pick(array, index), value)


def _is_traced(value: Any) -> bool:
    return type(value) is Placeholder and value.is_scalar and _trace().is_rolled(value.node)


def _trace() -> Trace:
    trace = active_trace()
    if trace is None:
        raise UnrolledError
    return trace


def _form(node: Node) -> Form:
    return _trace().spans.form(node)


def _count(part: Part) -> Form:
    return _form(part.high).minus(_form(part.low))


def _least(number: Form) -> float:
    """What a number is at least."""
    return _trace().spans.of(number)[0]


def _number(value: Any) -> Node:
    """A whole number as a node. What is the same in all turns is decided, as the bounds of slices are elsewhere."""
    if type(value) is not Placeholder:
        return _known(operator.index(value))
    if not value.is_scalar or value.dtype.kind not in "iu":
        raise UnrolledError
    node, trace = cast(value.node, INT), _trace()
    for atom in trace.spans.form(node).nodes:
        if not trace.is_rolled(atom):
            trace.decide(atom, "it was used as a bound of a slice")
    return node


def _known(value: int) -> Node:
    return literal(value, INT)


# -- indices -----------------------------------------------------------------------------------------------------------


def _picked(whole: Placeholder, parts: Sequence[Part | None], index: Any) -> Any:
    """What an index gives of an array, or of a stretch of it."""
    direct: list[Any] = []
    found: list[Part | None] = []
    turned: list[int] = []
    axis = 0
    for item in _items(index, len(parts)):
        if item is None:
            direct.append(None)
            found.append(None)
            continue
        part, extent = parts[axis], whole.shape[axis]
        axis += 1
        if type(item) is not slice:
            direct.append(item if part is None else result(_place(part, item)))
        elif part is None and not (_is_traced(item.start) or _is_traced(item.stop)):
            direct.append(item)
            found.append(None)
        else:
            if item.step not in (None, 1):
                if operator.index(item.step) != -1:
                    raise UnrolledError
                turned.append(len(found))
            direct.append(slice(None))
            found.append(_slice(item, extent) if part is None else _slice_of(part, item))
    seen = whole[tuple(direct)]
    for axis, part in enumerate(found):
        if part is not None and not (count := _count(part)).terms:
            places = add(iota(length=count.constant, dtype=INT), broadcast_to(part.low, shape=(count.constant,)))
            seen = np.moveaxis(seen.windows(axis, places, distinct=True), 0, axis)
            found[axis] = None
    for axis in turned:
        seen, found[axis] = seen[(slice(None),) * axis + (slice(None, None, -1),)], _turned(found[axis], seen, axis)
    return Stretch(seen, found) if any(found) else seen


def _turned(part: Part | None, whole: Placeholder, axis: int) -> Part | None:
    extent = _known(whole.shape[axis])
    return part and Part(subtract(extent, part.high), subtract(extent, part.low))


def _items(index: Any, ndim: int) -> list[Any]:
    """The parts of an index, one for each axis, and None for those that it adds."""
    items = list(index) if type(index) is tuple else [index]
    for each in items:
        is_number = isinstance(each, (int, np.integer)) or (type(each) is Placeholder and each.is_scalar)
        if not (each is None or each is Ellipsis or type(each) is slice or (is_number and not isinstance(each, bool))):
            raise UnrolledError
    rest = [slice(None)] * (ndim - sum(each is not None and each is not Ellipsis for each in items))
    if not any(each is Ellipsis for each in items):
        return [*items, *rest]
    at = items.index(Ellipsis)
    return [*items[:at], *rest, *items[at + 1 :]]


def _slice(item: slice, extent: int) -> Part:
    """The places that a slice gives of a whole axis."""
    if item.step in (None, 1):
        return _part(_bound(item.start, extent, 0), _bound(item.stop, extent, extent))
    # Of one that goes backwards only bounds that are places of the axis have the meaning that one thinks of.
    first, last = (None if each is None else _number(each) for each in (item.start, item.stop))
    for each in (first, last):
        low, high = (0, 0) if each is None else _trace().spans.of(_form(each))
        if low < 0 or high >= extent:
            raise UnrolledError
    one = _known(1)
    return _part(_known(0) if last is None else add(last, one), _known(extent) if first is None else add(first, one))


def _bound(value: Any, extent: int, default: int) -> Node:
    """A bound of a slice as a place in an axis, from 0 to its extent."""
    if value is None:
        return _known(default)
    node, zero, end = _number(value), _known(0), _known(extent)
    low, high = _trace().spans.of(_form(node))
    if low < 0:
        node = where(less(node, zero), add(node, end), node) if high >= 0 else add(node, end)
        low, high = low + extent, max(high, extent - 1)
    node = maximum(node, zero) if low < 0 else node
    return minimum(node, end) if high > extent else node


def _slice_of(part: Part, item: slice) -> Part:
    """The places that a slice gives of a stretch."""
    if item.step not in (None, 1):
        if item.start is not None or item.stop is not None:
            raise UnrolledError
        return part
    low, high = (
        default if bound is None else _place(part, bound, is_bound=True)
        for bound, default in ((item.start, part.low), (item.stop, part.high))
    )
    return _part(low, high)


def _place(part: Part, value: Any, *, is_bound: bool = False) -> Node:
    """The place on the axis of an element, or bound, of a stretch that is known to be in it."""
    node, count = _number(value), _count(part)
    low, high = _trace().spans.of(_form(node))
    if low >= 0 and _least(count.minus(_form(node))) >= (not is_bound):
        return add(part.low, node)
    if high < 0 and _least(count.plus(_form(node))) >= 0:
        return add(part.high, node)
    raise UnrolledError


def _part(low: Node, high: Node) -> Part:
    is_ordered = _least(_form(high).minus(_form(low))) >= 0
    return Part(low, high if is_ordered else maximum(high, low))


# -- arrays ------------------------------------------------------------------------------------------------------------


class Stretch(Deferred):
    """Stands for an array some of whose extents are traced.

    Args:
        whole: the array with whole axes.
        parts: for each axis what there is of it; None for all.
    """

    __slots__ = ("parts", "whole")

    def __init__(self, whole: Any, parts: Sequence[Part | None]) -> None:
        self.whole: Any = whole
        self.parts = tuple(parts)

    @property
    def shape(self) -> tuple[Any, ...]:
        pairs = zip(self.whole.shape, self.parts, strict=True)
        return tuple(n if part is None else _weak(subtract(part.high, part.low)) for n, part in pairs)

    @property
    def dtype(self) -> np.dtype:
        return self.whole.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        return len(self.parts)

    @property
    def T(self) -> Stretch:
        return Stretch(self.whole.T, self.parts[::-1])

    def copy(self) -> Stretch:
        return Stretch(self.whole.copy(), self.parts)

    def __getitem__(self, index: Any) -> Any:
        return _picked(self.whole, self.parts, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        items = _items(index, self.ndim)
        if any(type(each) is slice or each is None for each in items):
            _assign(self[index], value)
        else:
            places = [
                each if part is None else result(_place(part, each))
                for each, part in zip(items, self.parts, strict=True)
            ]
            self.whole[tuple(places)] = value

    def __iter__(self) -> Iterator[Any]:
        found = looped(Items(self.shape[0], self.__getitem__), sys._getframe(1))
        if found is None:
            raise UnrolledError
        return found

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **kwargs: Any) -> Any:
        if method != "__call__" or kwargs:
            raise UnrolledError
        if ufunc is np.matmul:
            return _matmul(*operands)
        return _elementwise(ufunc, *operands)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        handler = _FUNCTIONS.get(function)
        if handler is None:
            raise UnrolledError
        try:
            return handler(*args, **kwargs)
        except TypeError:
            raise UnrolledError from None

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise UnrolledError

    __class__ = property(lambda self: np.ndarray)
    __bool__ = __len__ = __contains__ = __hash__ = __int__ = __float__ = __index__ = __array__ = _refuse
    __getattr__ = _refuse


def _weak(node: Node) -> Placeholder:
    return result(node, int)


def _as_stretch(value: Any) -> Stretch:
    """Any operand as a stretch, all of whose axes may be there as wholes."""
    if type(value) is Stretch:
        return value
    if not isinstance(value, (Placeholder, np.ndarray, np.generic, bool, int, float, complex)):
        raise UnrolledError
    return Stretch(value, (None,) * np.ndim(value))


def _of(whole: Any, parts: Sequence[Part | None]) -> Any:
    """A stretch, or an array if all of it is there."""
    return Stretch(whole, parts) if any(parts) else whole


def _together(values: Sequence[Any]) -> tuple[list[Any], tuple[Part | None, ...]]:
    """The whole arrays of operands that are to be broadcast with each other, side by side with the first one that is a
    stretch along an axis; and what there is of each axis."""
    operands = list(map(_as_stretch, values))
    ndim = max(each.ndim for each in operands)
    parts: list[Part | None] = []
    for axis in range(-ndim, 0):
        column = [k for k, each in enumerate(operands) if each.ndim >= -axis]
        moved = [k for k in column if operands[k].parts[axis] is not None]
        parts.append(operands[moved[0]].parts[axis] if moved else None)
        for k in column if moved else ():
            if k in moved:
                operands[k] = _beside(operands[k], axis, operands[moved[0]], axis)
            elif operands[k].whole.shape[axis] != 1:
                raise UnrolledError
    return [each.whole for each in operands], tuple(parts)


def _beside(one: Stretch, axis: int, other: Stretch, place: int) -> Stretch:
    """A stretch moved along an axis so that its elements are where those of another are along an axis of that."""
    own, part = one.parts[axis], other.parts[place]
    room, extent = one.whole.shape[axis], other.whole.shape[place]
    if own is None or part is None or _count(own) != _count(part) or not room:
        raise UnrolledError
    whole: Any = one.whole
    if _form(own.low) != _form(part.low) or room < extent:
        shift = broadcast_to(subtract(own.low, part.low), shape=(extent,))
        places = result(add(iota(length=extent, dtype=INT), shift))
        whole = np.take(whole, np.clip(places, 0, room - 1), axis)
    elif room > extent:
        whole = np.moveaxis(np.moveaxis(whole, axis, 0)[:extent], 0, axis)
    parts = list(one.parts)
    parts[axis] = part
    return Stretch(whole, parts)


def _inside(one: Stretch, axes: Sequence[int]) -> Any:
    """Where along some axes its elements are; None if that is everywhere."""
    found = None
    for axis in axes:
        part = one.parts[axis]
        if part is not None:
            extent = one.whole.shape[axis]
            places = result(iota(length=extent, dtype=INT)).reshape(-1, *(1,) * (one.ndim - 1 - axis % one.ndim))
            bounds = [] if _form(part.low) == _form(_known(0)) else [places >= result(part.low)]
            bounds += [] if _form(part.high) == _form(_known(extent)) else [places < result(part.high)]
            for each in bounds:
                found = each if found is None else found & each
    return found


def _filled(one: Stretch, axes: Sequence[int], value: Any) -> Any:
    """The whole array, with a value at what is not there along some axes."""
    inside = _inside(one, axes)
    return one.whole if inside is None else np.where(inside, one.whole, np.asarray(value, one.dtype))


# -- what is done with them --------------------------------------------------------------------------------------------


def _elementwise(function: Callable[..., Any], *operands: Any) -> Any:
    values, parts = _together(operands)
    made = function(*values)
    return tuple(_of(each, parts) for each in made) if isinstance(made, tuple) else _of(made, parts)


def _assign(target: Any, value: Any) -> None:
    if type(target) is not Stretch:
        target[...] = value
        return
    if type(value) is Stretch and _are_same(target, value):
        return
    (whole, new), parts = _together([target, value])
    if parts != target.parts or (np.iscomplexobj(new) and not np.iscomplexobj(whole)):
        raise UnrolledError
    inside = _inside(target, range(target.ndim))
    new = result(cast(node_of(new), whole.dtype))
    whole[...] = new if inside is None else np.where(inside, new, whole)


def _are_same(one: Stretch, other: Stretch) -> bool:
    """Whether two stretches are the same elements in memory."""
    return (
        one.whole.storage is other.whole.storage
        and one.whole.views == other.whole.views
        and [part and tuple(map(_form, part)) for part in one.parts]
        == [part and tuple(map(_form, part)) for part in other.parts]
    )


def _axes(one: Stretch, axis: Any) -> tuple[int, ...]:
    given = range(one.ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return tuple(operator.index(each) % one.ndim for each in given)


def _least_of(dtype: np.dtype) -> Any:
    return -np.inf if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min


def _greatest_of(dtype: np.dtype) -> Any:
    return np.inf if dtype.kind == "f" else True if dtype.kind == "b" else np.iinfo(dtype).max


def _reduction(function: Callable[..., Any], fill: Any) -> Callable[..., Any]:
    """A reduction, for which what is not there has a value; one that is a function of the dtype is for reductions of at
    least one element."""

    def reduced(a: Stretch, axis: Any = None, *, keepdims: bool = False) -> Any:
        axes = _axes(a, axis)
        value = fill
        if callable(fill):
            if a.dtype.kind == "c" or any(_least(_count(part)) < 1 for k in axes if (part := a.parts[k])):
                raise UnrolledError
            value = fill(a.dtype)
        made = function(_filled(a, axes, value), axis=axes, keepdims=keepdims)
        return _of(made, [None if k in axes else part for k, part in enumerate(a.parts) if keepdims or k not in axes])

    return reduced


def _position(function: Callable[..., Any], fill: Callable[[np.dtype], Any]) -> Callable[..., Any]:
    """Where the least or greatest element is: if others that are not there are equal to it, none before the first."""

    def position(a: Stretch, axis: Any = None) -> Any:
        at = 0 if axis is None and a.ndim == 1 else operator.index(axis) % a.ndim
        part = a.parts[at]
        if a.dtype.kind == "c" or (part is not None and _least(_count(part)) < 1):
            raise UnrolledError
        made = function(_filled(a, (at,), fill(a.dtype)), axis=at)
        if part is not None:
            made = np.maximum(made, result(part.low)) - result(part.low)
        return _of(made, [each for k, each in enumerate(a.parts) if k != at])

    return position


_sum = _reduction(np.sum, 0)


def _total(a: Stretch, axis: Any) -> Any:
    """How many elements a reduction takes."""
    total: Any = 1
    for k in _axes(a, axis):
        total = total * a.shape[k]
    return total


def _mean(a: Stretch, axis: Any = None, *, keepdims: bool = False) -> Any:
    if a.dtype == np.float16:
        raise UnrolledError
    return _sum(a, axis, keepdims=keepdims) / _total(a, axis)


def _var(a: Stretch, axis: Any = None, *, ddof: Any = 0, keepdims: bool = False) -> Any:
    if a.dtype.kind == "c":
        raise UnrolledError
    away = a - _mean(a, axis, keepdims=True)
    return _sum(away * away, axis, keepdims=keepdims) / (_total(a, axis) - ddof)


def _std(a: Stretch, axis: Any = None, *, ddof: Any = 0, keepdims: bool = False) -> Any:
    return np.sqrt(_var(a, axis, ddof=ddof, keepdims=keepdims))


def _norm(x: Stretch) -> Any:
    sizes: Any = np.abs(_elementwise(np.multiply, x, 1.0) if x.dtype.kind in "iub" else x)
    return np.sqrt(_sum(sizes * sizes))


def _cumsum(a: Stretch, axis: Any = None) -> Any:
    if axis is None and a.ndim > 1:
        raise UnrolledError
    at = operator.index(axis or 0) % a.ndim
    return _of(np.cumsum(_filled(a, (at,), 0), at), a.parts)


def _matmul(a: Any, b: Any) -> Any:
    one, other = _as_stretch(a), _as_stretch(b)
    if not {one.ndim, other.ndim} <= {1, 2}:
        raise UnrolledError
    at = other.ndim - 2 if other.ndim == 2 else 0
    if (one.parts[-1] is None) != (other.parts[at] is None):
        raise UnrolledError
    if one.parts[-1] is not None:
        other = _beside(other, at, one, -1)
    made = np.matmul(_filled(one, (-1,), 0), _filled(other, (at,), 0))
    return _of(made, [*one.parts[:-1], *other.parts[:at], *other.parts[at + 1 :]])


def _dot(a: Any, b: Any) -> Any:
    are_arrays = _as_stretch(a).ndim and _as_stretch(b).ndim
    return _matmul(a, b) if are_arrays else _elementwise(np.multiply, a, b)


def _inner(a: Any, b: Any) -> Any:
    if _as_stretch(a).ndim != 1 or _as_stretch(b).ndim != 1:
        raise UnrolledError
    return _matmul(a, b)


def _vdot(a: Any, b: Any) -> Any:
    return _inner(np.conjugate(a), b)


def _like(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda prototype, *args, **kwargs: Stretch(function(prototype.whole, *args, **kwargs), prototype.parts)


def _outer(a: Any, b: Any) -> Any:
    one, other = _as_stretch(a), _as_stretch(b)
    if one.ndim != 1 or other.ndim != 1:
        raise UnrolledError
    return _elementwise(np.multiply, one[:, None], other[None, :])


def _flip(m: Stretch, axis: Any = None) -> Any:
    axes = _axes(m, axis)
    return m[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(m.ndim))]


def _transpose(a: Stretch, axes: Any = None) -> Any:
    order = range(a.ndim)[::-1] if axes is None else [operator.index(each) % a.ndim for each in axes]
    return Stretch(a.whole.transpose(*order), [a.parts[k] for k in order])


def _count_nonzero(a: Stretch, axis: Any = None, *, keepdims: bool = False) -> Any:
    return _sum(_elementwise(np.not_equal, a, 0), axis, keepdims=keepdims)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: _sum, np.prod: _reduction(np.prod, 1), np.any: _reduction(np.any, 0), np.all: _reduction(np.all, 1),
    np.max: _reduction(np.max, _least_of), np.min: _reduction(np.min, _greatest_of),
    np.argmax: _position(np.argmax, _least_of), np.argmin: _position(np.argmin, _greatest_of),
    np.mean: _mean, np.var: _var, np.std: _std, np.count_nonzero: _count_nonzero, np.cumsum: _cumsum,
    np.linalg.norm: _norm, np.dot: _dot, np.inner: _inner, np.vdot: _vdot, np.outer: _outer,
    np.flip: _flip, np.transpose: _transpose, np.copy: Stretch.copy,
}  # fmt: skip
_FUNCTIONS.update((each, partial(_elementwise, each)) for each in (np.where, np.clip, np.round))
_FUNCTIONS.update((each, _like(each)) for each in (np.zeros_like, np.ones_like, np.empty_like, np.full_like))
_METHODS = "sum prod any all max min argmax argmin mean var std dot cumsum".split()
_BINARY = "add sub mul truediv floordiv mod pow lshift rshift and_ or_ xor".split()
_COMPARISONS = "eq ne lt le gt ge".split()
_UNARY = "neg pos abs invert".split()


def _operator(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *operands: _elementwise(function, *operands)


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, other: function(other, self)


def _in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Stretch, other: Any) -> Stretch:
        made = function(self, other)
        if not np.can_cast(made.dtype, self.dtype, "same_kind"):
            raise UnrolledError
        _assign(self, made)
        return self

    return method


def _install() -> None:
    """Gives stretches Python's operators and NumPy's methods."""
    named = {name: _operator(getattr(operator, name)) for name in (*_BINARY, *_COMPARISONS, *_UNARY)}
    named["matmul"] = _matmul
    for name, function in named.items():
        plain = name.rstrip("_")
        setattr(Stretch, f"__{plain}__", function)
        if name in (*_BINARY, "matmul"):
            setattr(Stretch, f"__r{plain}__", _reflected(function))
            setattr(Stretch, f"__i{plain}__", _in_place(function))
    for name in _METHODS:
        setattr(Stretch, name, _FUNCTIONS[getattr(np, name)])


_install()
