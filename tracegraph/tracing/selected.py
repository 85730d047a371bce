"""What a mask selects, as long as nobody asks how many elements that are.

``z[m] = z[m] ** 2 + c[m]`` needs no array whose shape hangs on data: each side is worked out for all elements, and the mask
chooses. So what ufuncs make of values that one mask selects stays undecided, and ``z[m].sum()`` goes over all elements and
leaves out what the mask does; anything else makes it the array that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tracegraph.ir import Node, Shape
from tracegraph.ops.elementwise import like, where
from tracegraph.ops.shape import reshape_to
from tracegraph.tracing.lift import result, spread
from tracegraph.tracing.placeholder import Placeholder, located
from tracegraph.tracing.trace import user_where

__all__ = ["Selected"]

#: Pairs of operations that are compared to see that two masks are the same.
MOST_COMPARED = 64


def _of_the_array(name: str) -> Any:
    def read(self: Selected) -> Any:
        return getattr(self.made(), name)

    def write(self: Selected, value: Any) -> None:
        setattr(self.made(), name, value)

    return property(read, write)


class Selected(Placeholder):
    """The elements (or, with remaining axes, the subarrays) that a mask selects.

    Args:
        mask: the mask.
        whole: the value for all elements; where the mask is false it may be anything.
        make: makes the array, with the shape that it has at this call.
        kept: what the array would be made of, which is in hand as long as it may be.
    """

    __slots__ = ("_array", "_kept", "_make", "mask", "whole")

    _node = _of_the_array("_node")
    _seen = _of_the_array("_seen")
    _storage = _of_the_array("_storage")
    _views = _of_the_array("_views")
    _layout = _of_the_array("_layout")

    def __init__(self, mask: Node, whole: Placeholder, make: Callable[[], Any], kept: Any = None) -> None:
        self._trace = whole.origin
        self._weak = None
        self._is_scalar = False
        self._array: Any = None
        self._make = make
        self._kept = kept
        self.mask = mask
        self.whole = whole

    @staticmethod
    def of(x: Node, mask: Node, make: Callable[[], Any]) -> Selected:
        """What a mask over the first axes selects of an array."""
        return Selected(mask, result(_guarded(x, mask)), make, (result(x), result(mask)))

    def made(self) -> Any:
        """The array, of as many elements as there are."""
        if self._array is None and self._trace.is_open:
            self._array, self._kept = self._make(), None
        return self.whole if self._array is None else self._array

    def replaces(self, mask: Node, shape: Shape) -> bool:
        """Whether it is what the mask selects, of an array of that shape, and still undecided."""
        return self._array is None and self.whole.shape == shape and _is_same(self.mask, mask)

    def __repr__(self) -> str:
        return f"<what a mask selects of {self.whole!r}>"

    @property
    def dtype(self) -> np.dtype:
        return self.whole.dtype

    @property
    def ndim(self) -> int:
        return self.whole.ndim - self.mask.aval.ndim + 1

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.pop("out", None)
        is_own = out is None or (out[0] is self and self._array is None)
        if not (method == "__call__" and not kwargs and is_own and self._is_elementwise(ufunc, inputs)):
            return super().__array_ufunc__(ufunc, method, *inputs, **kwargs, **({} if out is None else {"out": out}))
        wholes = [self._whole_of(each) for each in inputs]
        before = self if out is None else Selected(self.mask, self.whole, self._make, self._kept)
        makes = [_maker(before if each is self else each) for each in inputs]
        if out is None:
            return Selected(self.mask, ufunc(*wholes), lambda: ufunc(*[make() for make in makes]))
        return self._changed(ufunc, wholes, makes, before)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        reduce = _REDUCTIONS.get(function)
        given = {**dict(zip(("axis",), args[1:], strict=False)), **kwargs}
        if reduce is not None and self._is_reduced_whole(args, given):
            return located(user_where(), reduce, self, function, given)
        return super().__array_function__(function, types, args, kwargs)

    def _is_reduced_whole(self, args: tuple[Any, ...], given: dict[str, Any]) -> bool:
        """Whether a reduction takes in all that the mask selects, and asks for nothing unusual."""
        if self._array is not None or not args or args[0] is not self or len(args) > 2 or given.keys() - _SETTINGS:
            return False
        axis = given.get("axis")
        return axis is None or (type(axis) is int and axis in (0, -self.ndim))

    @property
    def aligned(self) -> Placeholder:
        """The mask over all axes."""
        return result(_aligned(self.mask, self.whole.shape))

    def _changed(
        self, ufunc: np.ufunc, wholes: list[Any], makes: list[Callable[[], Any]], before: Selected
    ) -> Selected:
        """``x[mask] *= 2`` and its like: the same object with another value."""
        target = result(self.whole.node, is_array=True)
        ufunc(*wholes, out=(target,))
        self.whole = target

        def make() -> Any:
            array = result(before.made().node, is_array=True)
            return ufunc(*[make() for make in makes], out=(array,))

        self._make = make
        return self

    def _is_elementwise(self, ufunc: np.ufunc, inputs: tuple[Any, ...]) -> bool:
        """Whether a ufunc goes element by element over what the same mask selects, and refuses no values."""
        if ufunc.nout != 1 or ufunc.signature is not None or (ufunc is np.power and self.dtype.kind in "iu"):
            return False
        return all(
            each.replaces(self.mask, self.whole.shape)
            if type(each) is Selected
            else not (isinstance(each, (list, tuple)) or np.ndim(each))
            for each in inputs
        )

    def _whole_of(self, value: Any) -> Any:
        """An operand for all elements. A traced number gets no derivative from where the mask is false."""
        if type(value) is Selected:
            return value.whole
        if isinstance(value, Placeholder) and value.weak in (None, float):
            return result(_guarded(spread(value.node, self.whole.shape), self.mask), value.weak)
        return value


def _is_same(one: Node, other: Node) -> bool:
    """Whether two masks are worked out from the same in the same way, as by ``x > 0`` twice."""
    pairs = [(one, other)]
    for _ in range(MOST_COMPARED):
        if not pairs:
            break
        one, other = pairs.pop()
        if one is other:
            continue
        if one.op is not other.op or one.aval != other.aval or len(one.inputs) != len(other.inputs):
            return False
        if one.params != other.params if one.inputs else one.key() != other.key():
            return False
        pairs += zip(one.inputs, other.inputs, strict=True)
    return not pairs


def _maker(value: Any) -> Callable[[], Any]:
    """What makes an operand for the selected elements."""
    return value.made if type(value) is Selected else lambda: value


def _aligned(mask: Node, shape: Shape) -> Node:
    """A mask over the first axes, over all axes."""
    return spread(reshape_to(mask, (*mask.shape, *(1,) * (len(shape) - mask.aval.ndim))), shape)


def _guarded(x: Node, mask: Node) -> Node:
    """The value where the mask is true, and 1 elsewhere: neither infinities nor derivatives come from there."""
    return where(_aligned(mask, x.shape), x, like(x, 1))


# -- reductions --------------------------------------------------------------------------------------------------------


def _over_all(selected: Selected, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of a reduction, with all axes of the mask in place of the one that it makes of them."""
    return {**given, "axis": None if given.get("axis") is None else tuple(range(selected.mask.aval.ndim))}


def _masked(selected: Selected, function: Callable[..., Any], given: dict[str, Any]) -> Any:
    """By the function itself, which takes a mask."""
    return function(selected.whole, where=selected.aligned, **_over_all(selected, given))


def _counted(selected: Selected, function: Callable[..., Any], given: dict[str, Any]) -> Any:
    chosen = np.logical_and(selected.whole, selected.aligned)
    return function(chosen, **_over_all(selected, given))


def _largest(selected: Selected, function: Callable[..., Any], given: dict[str, Any]) -> Any:
    return _extreme(selected, function, given, "maximum", _limits(selected.dtype)[0])


def _smallest(selected: Selected, function: Callable[..., Any], given: dict[str, Any]) -> Any:
    return _extreme(selected, function, given, "minimum", _limits(selected.dtype)[1])


def _extreme(selected: Selected, function: Callable[..., Any], given: dict[str, Any], name: str, last: Any) -> Any:
    """There must be an element. What the mask leaves out counts as the last that could be the extreme one."""
    if last is None or given.keys() - {"axis"} or 0 in selected.whole.shape:
        return function(selected.made(), **given)
    if not np.any(result(selected.mask)):
        raise ValueError(f"zero-size array to reduction operation {name} which has no identity")
    return function(np.where(selected.aligned, selected.whole, selected.dtype.type(last)), **_over_all(selected, given))


def _limits(dtype: np.dtype) -> tuple[Any, Any]:
    """The lowest and the highest number; complex ones have none."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    if dtype.kind in "iu":
        return np.iinfo(dtype).min, np.iinfo(dtype).max
    return (False, True) if dtype.kind == "b" else (None, None)


_SETTINGS = frozenset(("axis", "dtype", "ddof"))
_REDUCTIONS: Mapping[Callable[..., Any], Callable[[Selected, Callable[..., Any], dict[str, Any]], Any]] = {
    **dict.fromkeys((np.sum, np.prod, np.mean, np.var, np.std, np.any, np.all), _masked),
    **dict.fromkeys((np.max, np.amax), _largest),
    **dict.fromkeys((np.min, np.amin), _smallest),
    np.count_nonzero: _counted,
}
