"""NumPy's functions on placeholders: rearranging, joining, choosing. A handler takes what the NumPy function takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import dropwhile, pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tracegraph.errors import UnsupportedError
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import fill
from tracegraph.ops.region import concatenate
from tracegraph.tracing.contracting import FUNCTIONS as CONTRACTING
from tracegraph.tracing.counting import FUNCTIONS as COUNTING
from tracegraph.tracing.fourier import FUNCTIONS as FOURIER
from tracegraph.tracing.lift import broadcast, cast, check_dtype, common_dtype, listed, node_of, result, sizes, trimmed
from tracegraph.tracing.linear import FUNCTIONS as LINEAR
from tracegraph.tracing.methods import FUNCTIONS as METHODS
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.reductions import FUNCTIONS as REDUCTIONS
from tracegraph.tracing.selecting import FUNCTIONS as SELECTING
from tracegraph.tracing.selecting import nonzero
from tracegraph.tracing.sorting import FUNCTIONS as SORTING
from tracegraph.tracing.ufuncs import call, write

__all__ = ["FUNCTIONS", "as_strided"]


def _array(value: Any) -> Placeholder:
    """Any operand as a placeholder; a placeholder stays itself, so that a view of it is a view of its memory."""
    return value if isinstance(value, Placeholder) else result(node_of(value))


# -- shapes ------------------------------------------------------------------------------------------------------------


def _reshape(a: Any, shape: Any, order: str = "C", copy: bool | None = None) -> Placeholder:
    x = _array(a)
    if order == "F":
        return _transpose(_reshape(_transpose(x), _complete(x.shape, shape)[::-1]))
    return x.seen_as("reshape", shape=_complete(x.shape, shape))


def _complete(old: tuple[int, ...], shape: Any) -> tuple[int, ...]:
    """The shape with its one -1 worked out."""
    if not isinstance(shape, (Sequence, np.ndarray)) and not hasattr(shape, "__index__"):
        raise TypeError(f"expected a sequence of integers or a single integer, got {str(shape)!r}")
    given = new = sizes(shape)
    size = math.prod(old)
    known = math.prod(n for n in new if n != -1)
    unknown = new.count(-1)
    if unknown > 1:
        raise ValueError("can only specify one unknown dimension")
    if unknown and known and size % known == 0:
        new = tuple(size // known if n == -1 else n for n in new)
    if math.prod(new) != size or min(new, default=0) < 0:
        named = dropwhile(lambda n: n < 0, given)
        text = ",".join("newaxis" if n < 0 else str(n) for n in named)
        raise ValueError(f"cannot reshape array of size {size} into shape ({text}{',' * (len(new) == 1)})")
    return new


def _ravel(a: Any, order: str = "C") -> Placeholder:
    x = _transpose(a) if order == "F" else _array(a)
    return x.flattened(_reshape(x, (x.size,)))


def _transpose(a: Any, axes: Any = None) -> Placeholder:
    x = _array(a)
    if axes is not None and len(axes) != x.ndim:
        raise ValueError("axes don't match array")
    order = range(x.ndim)[::-1] if axes is None else [normalize_axis_index(axis, x.ndim) for axis in axes]
    if len(set(order)) != x.ndim:
        raise ValueError("repeated axis in transpose")
    return x.seen_as("transpose", axes=tuple(order))


def _matrix_transpose(x: Any) -> Placeholder:
    if _array(x).ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {_array(x).ndim}")
    return _swapaxes(x, -1, -2)


def _swapaxes(a: Any, axis1: int, axis2: int) -> Placeholder:
    x = _array(a)
    order = list(range(x.ndim))
    i, j = normalize_axis_index(axis1, x.ndim, "axis1"), normalize_axis_index(axis2, x.ndim, "axis2")
    order[i], order[j] = j, i
    return x.seen_as("transpose", axes=tuple(order))


def _moveaxis(a: Any, source: Any, destination: Any) -> Placeholder:
    x = _array(a)
    here = normalize_axis_tuple(source, x.ndim, "source")
    there = normalize_axis_tuple(destination, x.ndim, "destination")
    if len(here) != len(there):
        raise ValueError("`source` and `destination` arguments must have the same number of elements")
    order = [axis for axis in range(x.ndim) if axis not in here]
    for to, axis in sorted(zip(there, here, strict=True)):
        order.insert(to, axis)
    return x.seen_as("transpose", axes=tuple(order))


def _expand_dims(a: Any, axis: Any) -> Placeholder:
    x = _array(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = x.ndim + len(axes)
    new = normalize_axis_tuple(axes, ndim)
    rest = iter(x.shape)
    return x.seen_as("reshape", shape=tuple(1 if k in new else next(rest) for k in range(ndim)))


def _squeeze(a: Any, axis: Any = None) -> Placeholder:
    x = _array(a)
    ones = [k for k, n in enumerate(x.shape) if n == 1]
    axes = tuple(ones) if axis is None else normalize_axis_tuple(axis, x.ndim)
    if any(x.shape[k] != 1 for k in axes):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return x.seen_as("reshape", shape=tuple(n for k, n in enumerate(x.shape) if k not in axes))


def _broadcast_to(array: Any, shape: Any, subok: bool = False) -> Placeholder:
    new = sizes(shape)
    x = _array(array)
    try:
        return x.seen_as("broadcast_to", shape=new)
    except ValueError:
        raise ValueError(
            f"operands could not be broadcast together with remapped shapes [original->remapped]: {x.shape} and "
            f"requested shape {new}"
        ) from None


def _broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Placeholder, ...]:
    arrays = [_array(value) for value in args]
    shape = np.broadcast_shapes(*[x.shape for x in arrays])
    return tuple(x if x.shape == shape else x.seen_as("broadcast_to", shape=shape) for x in arrays)


def _flip(m: Any, axis: Any = None) -> Placeholder:
    x = _array(m)
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return x[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(x.ndim))]  # type: ignore[no-any-return]


def _at_least(ndim: int, shape: Callable[[tuple[int, ...]], tuple[int, ...]]) -> Callable[..., Any]:
    def handler(*arrays: Any) -> Any:
        views = [_array(a) for a in arrays]
        done = tuple(x if x.ndim >= ndim else x.seen_as("reshape", shape=shape(x.shape)) for x in views)
        return done[0] if len(done) == 1 else done

    return handler


def _sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Placeholder:
    array = _array(x)
    extents = sizes(window_shape)
    if min(extents, default=0) < 0:
        raise ValueError("`window_shape` cannot contain negative values")
    axes = tuple(range(array.ndim)) if axis is None else normalize_axis_tuple(axis, array.ndim, allow_duplicate=True)
    if len(extents) != len(axes):
        raise ValueError(
            f"Must provide {'window_shape for all dimensions of `x`' if axis is None else 'matching length window_shape'}"
            f"; got {len(extents)} window_shape elements and "
            f"{f'`x.ndim` is {array.ndim}' if axis is None else f'{len(axes)} axes elements'}."
        )
    for k, size in zip(axes, extents, strict=True):
        count = array.shape[k] - size + 1
        if count < 1:
            raise ValueError("window shape cannot be larger than input array shape")
        windows = array.windows(k, node_of(np.arange(count)[:, None] + np.arange(size)), distinct=False)
        others = list(range(2, windows.ndim))
        array = windows.seen_as("transpose", axes=(*others[:k], 0, *others[k:], 1))
    return array


def as_strided(
    x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True, **_: Any
) -> Placeholder:
    """`numpy.lib.stride_tricks.as_strided`: a view, for reading only where several of its elements are one in memory."""
    array = _array(x)
    array.origin.order_matters |= array.storage.node.op.kind == "input"
    extents = array.shape if shape is None else sizes(shape)
    steps = array.strides if strides is None else sizes(strides)
    if len(steps) != len(extents):
        raise ValueError("mismatch in length of strides and shape")
    return array.strided(extents, steps, writeable=writeable)


# -- joining and splitting ---------------------------------------------------------------------------------------------


def _concatenate(arrays: Any, axis: Any = 0, out: Any = None, dtype: Any = None, casting: str = "same_kind") -> Any:
    values = [_array(listed(value)) for value in arrays]
    if not values:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        values, axis = [_ravel(value) for value in values], 0
    if not values[0].ndim:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    k = normalize_axis_index(axis, values[0].ndim)
    _check_joinable([value.shape for value in values], k)
    to = common_dtype(values) if dtype is None else np.dtype(dtype)
    node = concatenate(*[node_of(value, to) for value in values], axis=k)
    return result(node) if out is None else write(out, node, casting=casting)


def _check_joinable(shapes: Sequence[tuple[int, ...]], axis: int) -> None:
    first = shapes[0]
    for i, shape in enumerate(shapes):
        if len(shape) != len(first):
            raise ValueError(
                "all the input arrays must have same number of dimensions, but the array at "
                f"index 0 has {len(first)} dimension(s) and the array at index {i} has {len(shape)} dimension(s)"
            )
        for k, (n, m) in enumerate(zip(first, shape, strict=True)):
            if k != axis and n != m:
                raise ValueError(
                    "all the input array dimensions except for the concatenation axis must match exactly, but along "
                    f"dimension {k}, the array at index 0 has size {n} and the array at index {i} has size {m}"
                )


def _stack(arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    values = [_array(listed(value)) for value in arrays]
    if not values:
        raise ValueError("need at least one array to stack")
    if len({value.shape for value in values}) > 1:
        raise ValueError("all input arrays must have the same shape")
    k = normalize_axis_index(axis, values[0].ndim + 1)
    return _concatenate([_expand_dims(value, k) for value in values], k, out, dtype, casting)


def _joined(prepare: Callable[..., Any], axis: Callable[[int], int]) -> Callable[..., Any]:
    """vstack, hstack and their kin: make the arrays at least so deep, then concatenate."""

    def handler(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
        values = [prepare(listed(value)) for value in tup]
        return _concatenate(values, axis(values[0].ndim), None, dtype, casting)

    return handler


_atleast_1d = _at_least(1, lambda shape: (1,))
_atleast_2d = _at_least(2, lambda shape: (1, *(shape or (1,))))
_atleast_3d = _at_least(3, lambda shape: (shape[0], shape[1], 1) if len(shape) == 2 else (1, *(shape or (1,)), 1))


def _as_column(value: Any) -> Placeholder:
    x = _array(value)
    return x if x.ndim > 1 else x.seen_as("reshape", shape=(x.size, 1))


def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    x = _array(ary)
    k = normalize_axis_index(axis, x.ndim)
    n = x.shape[k]
    if isinstance(indices_or_sections, (int, np.integer)):
        small, more = divmod(n, int(indices_or_sections))
        cuts = [0]
        for i in range(int(indices_or_sections)):
            cuts.append(cuts[-1] + small + (i < more))
    else:
        cuts = [0, *indices_or_sections, n]
    return [x[(*(slice(None),) * k, slice(a, b))] for a, b in pairwise(cuts)]


def _split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    x = _array(ary)
    if isinstance(indices_or_sections, (int, np.integer)) and x.shape[axis] % indices_or_sections:
        raise ValueError("array split does not result in an equal division")
    return _array_split(x, indices_or_sections, axis)


# -- choosing, copying, filling ----------------------------------------------------------------------------------------


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    dtype = common_dtype([x, y])
    values = [node_of(np.int64(each) if type(each) is int else each, dtype) for each in (x, y)]
    parts = broadcast([node_of(condition, np.dtype(bool)), *values])
    return result(ew.where(*parts), is_array=True)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    low = kwargs.pop("min", a_min)
    high = kwargs.pop("max", a_max)
    value = _array(a)
    if value.dtype.kind in "iu":
        limits = np.iinfo(value.dtype)
        low = None if type(low) is int and low <= limits.min else low
        high = None if type(high) is int and high >= limits.max else high
    if low is not None:
        value = call(np.maximum, (value, low))
    if high is not None:
        value = call(np.minimum, (value, high))
    return result(value.node) if out is None else write(out, value.node, **kwargs)


def _copy(a: Any, order: str = "K", subok: bool = False) -> Placeholder:
    return result(_array(a).node, is_array=True)


def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Placeholder:
    to = check_dtype(np.dtype(dtype))
    value = _array(x)
    return value if not copy and value.dtype == to else result(cast(value.node, to), is_array=not value.is_scalar)


def _copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    target_dtype = dst.dtype
    value = node_of(src, target_dtype) if type(src) in (bool, int, float, complex) else node_of(src)
    write(dst, trimmed(value, dst.ndim), where=where, casting=casting)


def _filled(value: Any) -> Callable[..., Placeholder]:
    def handler(
        a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, device: Any = None
    ) -> Placeholder:
        return _full_like(a, value, dtype, order, subok, shape)

    return handler


def _full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    device: Any = None,
) -> Placeholder:
    x = _array(a)
    to = x.dtype if dtype is None else check_dtype(np.dtype(dtype))
    new = x.shape if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    out = result(fill(0, new, to), is_array=True)
    _copyto(out, fill_value, "unsafe")
    return out


def _round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    x = _array(a)
    if x.dtype.kind == "c":
        whole = ew.make_complex(*(_round(part, decimals).node for part in (x.real, x.imag)))
        return result(whole) if out is None else write(out, whole)
    if x.dtype.kind in "iu" and decimals >= 0:
        return result(x.node) if out is None else write(out, x.node)
    if decimals == 0:
        return call(np.rint, (x,), out=out)
    scale = 10.0 ** abs(decimals)
    if x.dtype.kind == "b" and out is None:
        name = "multiply" if decimals > 0 else "divide"
        raise TypeError(
            f"Cannot cast ufunc {name!r} output from dtype('float64') to dtype('bool') with casting rule 'same_kind'"
        )
    if decimals > 0:
        return call(np.divide, (call(np.rint, (call(np.multiply, (x, scale)),)), scale), out=out)
    return call(np.multiply, (call(np.rint, (call(np.divide, (x, scale)),)), scale), out=out)


def _isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    x: Any = _array(a)
    y: Any = _array(b)
    y = y.astype(common_dtype([y, 1.0]))
    near = abs(x - y) <= atol + rtol * abs(y)
    close = np.where(np.isfinite(y), near, x == y)
    return result((np.logical_or(close, np.logical_and(np.isnan(x), np.isnan(y))) if equal_nan else close).node)


def _size(a: Any, axis: Any = None) -> int:
    shape = _array(a).shape
    axes = range(len(shape)) if axis is None else normalize_axis_tuple(axis, len(shape), "axis")
    return math.prod(shape[k] for k in axes)


def _sample(value: Any) -> Any:
    """An operand, or for a dtype, however it is spelled, an array of it."""
    return np.empty((), value) if isinstance(value, (type, np.dtype, str)) else value


def _count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return np.sum(_as_bool(_array(a)), axis=axis, keepdims=keepdims)


def _can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    return np.can_cast(from_.dtype if isinstance(from_, Placeholder) else from_, to, casting)


def _min_scalar_type(a: Any, /) -> np.dtype:
    if not a.shape:
        raise UnsupportedError("np.min_scalar_type of a traced number is not traced: it hangs on its value")
    return np.min_scalar_type(np.empty(1, a.dtype))


def _as_bool(x: Placeholder) -> Placeholder:
    """What is not zero is true."""
    return result(cast(x.node, np.dtype(bool)), is_array=True)


def _angle(z: Any, deg: bool = False) -> Any:
    value = _array(z)
    angle = call(np.arctan2, (value.imag if value.dtype.kind == "c" else 0, value.real))
    return call(np.multiply, (angle, 180 / math.pi)) if deg else angle


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.reshape: _reshape,
    np.ravel: _ravel,
    np.transpose: _transpose,
    np.permute_dims: _transpose,
    np.matrix_transpose: _matrix_transpose,
    np.swapaxes: _swapaxes,
    np.moveaxis: _moveaxis,
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.broadcast_to: _broadcast_to,
    np.broadcast_arrays: _broadcast_arrays,
    np.flip: _flip,
    np.flipud: lambda m: _flip(m, 0),
    np.fliplr: lambda m: _flip(m, 1),
    np.lib.stride_tricks.sliding_window_view: _sliding_window_view,
    np.atleast_1d: _atleast_1d,
    np.atleast_2d: _atleast_2d,
    np.atleast_3d: _atleast_3d,
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.vstack: _joined(_atleast_2d, lambda ndim: 0),
    np.hstack: _joined(_atleast_1d, lambda ndim: 0 if ndim == 1 else 1),
    np.dstack: _joined(_atleast_3d, lambda ndim: 2),
    np.column_stack: _joined(_as_column, lambda ndim: 1),
    np.split: _split,
    np.array_split: _array_split,
    np.where: _where,
    np.clip: _clip,
    np.copy: _copy,
    np.astype: _astype,
    np.copyto: _copyto,
    np.zeros_like: _filled(0),
    np.ones_like: _filled(1),
    np.empty_like: _filled(0),
    np.full_like: _full_like,
    np.round: _round,
    np.isclose: _isclose,
    np.shape: lambda a: _array(a).shape,
    np.ndim: lambda a: _array(a).ndim,
    np.size: _size,
    np.real: lambda val: _array(val).real,
    np.imag: lambda val: _array(val).imag,
    np.angle: _angle,
    np.result_type: lambda *values: common_dtype([_sample(value) for value in values]),
    np.count_nonzero: _count_nonzero,
    np.can_cast: _can_cast,
    np.min_scalar_type: _min_scalar_type,
    **REDUCTIONS,
    **LINEAR,
    **SORTING,
    **METHODS,
    **CONTRACTING,
    **COUNTING,
    **SELECTING,
    **FOURIER,
}  # fmt: skip
