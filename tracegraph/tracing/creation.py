"""Arrays that a function makes itself: ``np.zeros(3)``, filled with traced values later, takes part in the trace.

A maker is what stands for one of NumPy's functions that make arrays and ask none of their arguments how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from tracegraph.ir import DTYPES
from tracegraph.ops.broadcast import fill
from tracegraph.ops.elementwise import add, multiply, subtract
from tracegraph.ops.leaf import constant, iota
from tracegraph.tracing.iterating import nditer
from tracegraph.tracing.lift import cast, check_dtype, has_placeholder, listed, node_of, result, sizes, spread
from tracegraph.tracing.placeholder import Deferred, Placeholder
from tracegraph.tracing.trace import active_trace

__all__ = ["MAKERS", "asarray", "made", "maker_of", "plain"]

Maker = Callable[..., Any]


def made(value: Any) -> Any:
    """Fresh arrays of NumPy's as placeholders, also in lists and tuples; anything else as it is."""
    if type(value) is np.ndarray and value.dtype in DTYPES:
        return result(constant(value if value.ndim else value[()]), is_array=True)
    if type(value) in (list, tuple):
        return type(value)(map(made, value))
    return value


def _filled(value: int, original: Maker) -> Maker:
    """zeros, ones and empty, whose elements must not be counted on but may as well be zeros."""

    def maker(shape: Any, dtype: Any = None, order: str = "C", **kwargs: Any) -> Any:
        to = np.dtype(float) if dtype is None else np.dtype(dtype)
        extents = sizes(shape)
        if to not in DTYPES or min(extents, default=0) < 0:
            return made(original(extents, to, order, **kwargs))
        return result(fill(value, extents, to), is_array=True)

    return maker


def _full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **kwargs: Any) -> Any:
    if not has_placeholder(fill_value):
        return made(np.full(sizes(shape), fill_value, dtype, order, **kwargs))
    value = listed(fill_value)
    to = value.dtype if dtype is None else check_dtype(np.dtype(dtype))
    out: Any = result(fill(0, sizes(shape), to), is_array=True)
    out[...] = value
    return out


def plain(value: Any) -> Any:
    """A traced number as the number that it is at this call, also in sequences."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value)) if has_placeholder(value) else value
    if not isinstance(value, Placeholder):
        return value
    trace = active_trace()
    assert trace is not None, "makers are called while tracing"
    number = trace.decide(value.node, "the length of an array hangs on it", "np.linspace with a fixed length")
    return number[()].item() if value.weak else number[()]


def _on_numbers(original: Maker) -> Maker:
    """What makes an array from numbers, whose length may hang on them."""

    def maker(*args: Any, **kwargs: Any) -> Any:
        return made(original(*map(plain, args), **{name: plain(value) for name, value in kwargs.items()}))

    return maker


def _arange(*args: Any, **kwargs: Any) -> Any:
    """A traced start or step stays in the elements, so that these have a derivative; NumPy's length, and NumPy's formula."""
    array = _on_numbers(np.arange)(*args, **kwargs)
    start = kwargs.get("start", args[0] if len(args) > 1 else 0)
    step = kwargs.get("step", args[2] if len(args) > 2 else 1)
    if array.dtype.kind != "f" or not has_placeholder((start, step)):
        return array
    first = node_of(start, array.dtype)
    difference = subtract(node_of(start + step, array.dtype), first)
    steps = cast(iota(length=array.size, dtype=np.dtype(np.int64)), array.dtype)
    return result(add(spread(first, array.shape), multiply(steps, spread(difference, array.shape))), is_array=True)


def _array(object: Any, dtype: Any = None, *, copy: Any = True, ndmin: int = 0, **kwargs: Any) -> Any:
    if has_placeholder(object):
        value = listed(object)
    elif type(object) is np.ndarray and copy and object.dtype in DTYPES:
        value = result(node_of(object), is_array=True)
    else:
        array = np.array(object, dtype, copy=copy, ndmin=ndmin, **kwargs)
        return array if array is object or array.base is not None else made(array)
    to = value.dtype if dtype is None else check_dtype(np.dtype(dtype))
    is_same = not copy and to == value.dtype and not value.is_scalar and value is object
    out = value if is_same else result(cast(value.node, to), is_array=True)
    return np.reshape(out, (1,) * (ndmin - out.ndim) + out.shape) if out.ndim < ndmin else out


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, **kwargs: Any) -> Any:
    """`numpy.asarray`, of anything with placeholders in it too."""
    return _array(a, dtype, copy=copy)


def _asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    array = asarray(a, dtype)
    if np.dtype(array.dtype).kind in "fc" and not np.isfinite(array).all():
        raise ValueError("array must not contain infs or NaNs")
    return array


def _contiguous(a: Any, dtype: Any = None, **kwargs: Any) -> Any:
    return _array(a, dtype, copy=None, ndmin=1)


def _like(original: Maker) -> Maker:
    """Of an array from outside: the new one is the function's own."""

    def maker(prototype: Any, *args: Any, **kwargs: Any) -> Any:
        is_traced = isinstance(prototype, Placeholder | Deferred)
        return original(prototype if is_traced else listed(prototype), *args, **kwargs)

    return lambda *args, **kwargs: made(maker(*args, **kwargs))


def _fromfunction(function: Callable[..., Any], shape: Any, *, dtype: Any = float, **kwargs: Any) -> Any:
    return made(function(*made(tuple(np.indices(sizes(shape), dtype))), **kwargs))


def _fromiter(iter: Any, dtype: Any, count: int = -1, **kwargs: Any) -> Any:
    values = [value for _, value in zip(range(count), iter, strict=False)] if count >= 0 else list(iter)
    if any(map(np.ndim, values)):
        raise ValueError("setting an array element with a sequence.")
    return _array(values, dtype)


def _ndenumerate(arr: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    return ((index, arr[index]) for index in np.ndindex(*np.shape(arr)))


def _of_concrete(original: Maker) -> Maker:
    return lambda *args, **kwargs: made(original(*args, **kwargs))


#: NumPy's makers of arrays, and what stands for each in the user's lines while tracing.
MAKERS: Mapping[Maker, Maker] = {
    np.zeros: _filled(0, np.zeros),
    np.ones: _filled(1, np.ones),
    np.empty: _filled(0, np.empty),
    np.full: _full,
    np.array: _array,
    np.asarray: asarray,
    np.asanyarray: asarray,
    np.asarray_chkfinite: _asarray_chkfinite,
    np.ascontiguousarray: _contiguous,
    np.asfortranarray: _contiguous,
    np.require: lambda a, dtype=None, requirements=None, **kwargs: asarray(a, dtype),
    np.arange: _arange,
    np.eye: _on_numbers(np.eye),
    np.identity: _on_numbers(np.identity),
    np.tri: _on_numbers(np.tri),
    np.indices: _on_numbers(np.indices),
    np.fromfunction: _fromfunction,
    np.fromiter: _fromiter,
    np.ndenumerate: _ndenumerate,
    np.nditer: nditer,
    **{getattr(np, name): _like(getattr(np, name)) for name in "zeros_like ones_like empty_like full_like copy".split()},
    **{
        getattr(np, name): _of_concrete(getattr(np, name))
        for name in "linspace logspace geomspace meshgrid vander hanning hamming blackman bartlett kaiser".split()
    },
}  # fmt: skip

_BY_ID = {id(original): maker for original, maker in MAKERS.items()}


def maker_of(value: Any) -> Maker | None:
    """What stands for one of NumPy's makers; None if the value is none of them."""
    return _BY_ID.get(id(getattr(value, "__wrapped__", value)))
