"""NumPy's reductions and products on placeholders: sums, means, extremes, variances, dot products."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.errors import UnsupportedError
from tracegraph.ir import Node, Op
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import fill, reduce_sum, reduced_shape
from tracegraph.ops.leaf import constant
from tracegraph.ops.product import matmul
from tracegraph.ops.reduce import argmax, argmin, reduce_max, reduce_min, reduce_prod
from tracegraph.ops.rules import real_of
from tracegraph.ops.shape import reshape_to, transpose
from tracegraph.tracing.lift import (
    as_dtype,
    broadcast,
    cast,
    check_dtype,
    common_dtype,
    converted,
    node_of,
    result,
    sizes,
    spread,
    tight,
)
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.ufuncs import call, product, write

__all__ = ["FUNCTIONS", "masked", "reduced_into", "reduction_dtype", "ufunc_axes"]

NONE = np._NoValue
BOOL = np.dtype(bool)


def reduced_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes of a reduction in order; of a number, NumPy lets the first and the last pass."""
    if axis is None or (ndim == 0 and not isinstance(axis, tuple) and axis in (0, -1)):
        return tuple(range(ndim))
    axes = [normalize_axis_index(operator.index(each), ndim) for each in (axis if isinstance(axis, tuple) else (axis,))]
    if len(set(axes)) < len(axes):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(axes))


def ufunc_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """As ufuncs reduce: the one axis of a number is none at all."""
    if ndim == 0 and not isinstance(axis, tuple) and axis in (0, -1):
        return ()
    return reduced_axes(axis, ndim)


def _kept(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(1 if k in axes else n for k, n in enumerate(shape))


def _given(value: Any) -> bool:
    return value is not NONE and value is not None


def _finish(node: Node, out: Any) -> Placeholder:
    return result(node) if out is None else write(out, node, casting="unsafe")


def masked(node: Node, where: Any) -> tuple[Node, Node]:
    """What is reduced, and a mask of its shape."""
    mask = converted(where, BOOL)
    if mask.aval.ndim > node.aval.ndim:
        raise ValueError("input operand has more dimensions than allowed by the axis remapping")
    found, mask = broadcast([node, mask])
    if found.shape != node.shape:
        raise ValueError(
            f"non-broadcastable operand with shape {tight(node.shape)} doesn't match the broadcast shape "
            f"{tight(found.shape)}"
        )
    return found, mask


def reduction_dtype(ufunc: np.ufunc, node: Node, dtype: Any, out: Any) -> np.dtype:
    """The dtype in which a ufunc reduces: that of what it writes to if any; for sums of small integers a wide one."""
    target = out.dtype if isinstance(out, Placeholder) else None
    return _reduction_dtype(ufunc, target, node.dtype, None if dtype is None else as_dtype(dtype))


@cache
def _reduction_dtype(ufunc: np.ufunc, target: np.dtype | None, dtype: np.dtype, given: np.dtype | None) -> np.dtype:
    options: dict[str, Any] = {} if given is None else {"signature": (given, None, None)}
    first, second, last = ufunc.resolve_dtypes((target, dtype, None), reduction=True, casting="unsafe", **options)
    if first != last or (second != last and last != BOOL):
        raise UnsupportedError(f"np.{ufunc.__name__} on {dtype}: a reduction to another dtype is not traced")
    return check_dtype(last)


def reduced_into(node: Node, out: Any, name: str) -> Placeholder:
    """The result of a ufunc's reduction; unlike other results it is not broadcast into ``out``."""
    if isinstance(out, Placeholder) and out.shape != node.shape:
        if out.ndim != node.aval.ndim:
            raise ValueError(
                f"output parameter for reduction operation {name} has the wrong number of dimensions: Found {out.ndim} "
                f"but expected {node.aval.ndim}"
            )
        raise ValueError(
            f"the output of reduction operation {name} has shape {tight(out.shape)}, not {tight(node.shape)}"
        )
    return _finish(node, out)


def _reduction(
    op: Callable[..., Node],
    for_bool: Callable[..., Node],
    identity: float | None,
    combine: np.ufunc,
) -> Callable[..., Placeholder]:
    """A NumPy reduction.

    Args:
        op: the operation that reduces.
        for_bool: the one that does so for bool.
        identity: what masked elements count as; None if the reduction has no identity.
        combine: how ``initial`` is brought in.
    """

    def handler(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = NONE,
        where: Any = NONE,
    ) -> Placeholder:
        node = node_of(a)
        is_logical = combine in (np.logical_or, np.logical_and)
        to = BOOL if is_logical else reduction_dtype(combine, node, dtype, out)
        node = cast(node, to)
        axes = ufunc_axes(axis, node.aval.ndim)
        if _given(where) and where is not True:
            start = initial if _given(initial) and identity is None else identity
            if start is None:
                raise ValueError(
                    f"reduction operation {combine.__name__!r} does not have an identity, so to use a where mask one "
                    "has to specify 'initial'"
                )
            node, mask = masked(node, where)
            node = ew.where(mask, node, fill(start, node.shape, to))
        shape = node.shape
        if identity is None and _given(initial) and any(shape[k] == 0 for k in axes):
            reduced = spread(node_of(initial, to), reduced_shape(shape, axes))
        else:
            reduced = (for_bool if to == BOOL else op)(node, axes=axes)
        if _given(keepdims) and keepdims:
            reduced = reshape_to(reduced, _kept(shape, axes))
        value = result(reduced)
        if _given(initial):
            value = result(cast(call(combine, (value, initial)).node, to))
        return reduced_into(value.node, out, combine.__name__)

    return handler


def _without_dtype(handler: Callable[..., Placeholder]) -> Callable[..., Placeholder]:
    """max, min, any and all take no dtype."""

    def wrapped(
        a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, initial: Any = NONE, where: Any = NONE
    ) -> Placeholder:
        return handler(a, axis, None, out, keepdims, initial, where)

    return wrapped


def _logical(op: Callable[..., Node], combine: np.ufunc, identity: bool) -> Callable[..., Placeholder]:
    def handler(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = NONE) -> Placeholder:
        return reduction(node_placeholder(a), axis, None, out, keepdims, NONE, where)

    def node_placeholder(a: Any) -> Placeholder:
        return result(cast(node_of(a), BOOL))

    either = _empty_logical(op, identity)
    reduction = _reduction(either, either, identity, combine)
    return handler


def _empty_logical(op: Callable[..., Node], identity: bool) -> Callable[..., Node]:
    """max and min over no elements have no value; any and all have one."""

    def reduce(node: Node, *, axes: tuple[int, ...]) -> Node:
        if any(node.shape[k] == 0 for k in axes):
            return fill(identity, tuple(n for k, n in enumerate(node.shape) if k not in axes), BOOL)
        return op(node, axes=axes)

    return reduce


_sum = _reduction(reduce_sum, reduce_max, 0, np.add)
_prod = _reduction(reduce_prod, reduce_min, 1, np.multiply)
_max = _without_dtype(_reduction(reduce_max, reduce_max, None, np.maximum))
_min = _without_dtype(_reduction(reduce_min, reduce_min, None, np.minimum))
_any = _logical(reduce_max, np.logical_or, False)
_all = _logical(reduce_min, np.logical_and, True)


def _arg(op: Op) -> Callable[..., Placeholder]:
    def handler(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Placeholder:
        node = node_of(a)
        shape = node.shape
        if axis is not None and not shape:
            normalize_axis_index(axis, 1)
        if axis is None or not shape:
            node = reshape_to(node, (math.prod(shape),))
            k, kept = 0, (1,) * len(shape)
        else:
            k = normalize_axis_index(axis, len(shape))
            kept = _kept(shape, (k,))
        index = op(node, axis=k)
        index = reshape_to(index, kept) if _given(keepdims) and keepdims else index
        if isinstance(out, Placeholder):
            converted(out, index.dtype)
            if out.shape != index.shape:
                raise ValueError(f"output array does not match result of np.{op.name}.")
        return _finish(index, out)

    return handler


def _mean_dtype(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.kind in "fc" else np.dtype(float)


def _mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, *, where: Any = NONE
) -> Placeholder:
    node = node_of(a)
    kept = _mean_dtype(node.dtype) if dtype is None else check_dtype(np.dtype(dtype))
    to = np.dtype(np.float32) if dtype is None and kept == np.float16 else kept
    loop = None if out is not None and dtype is None and to == node.dtype else to
    count = _count(node.shape, axis, where, keepdims, to)
    total = _sum(a, axis, loop, out, keepdims, NONE, where)
    if out is not None:
        return call(np.divide, (total, count), out=out, casting="unsafe")  # type: ignore[no-any-return]
    return result(cast(call(np.divide, (total, count), dtype=to).node, kept))


def _mean_in(x: Placeholder, axis: Any, dtype: np.dtype, where: Any) -> Placeholder:
    """The mean that deviations are from: its sum is of the very dtype, halves too."""
    total = _sum(x, axis, dtype, None, True, NONE, where)
    wide = np.dtype(np.float32) if dtype == np.float16 else dtype
    return result(cast(call(np.divide, (total, _count(x.shape, axis, where, True, wide))).node, dtype))


def _count(shape: tuple[int, ...], axis: Any, where: Any, keepdims: Any, dtype: np.dtype) -> Any:
    """The number of elements in each mean, a number unless a mask makes it an array.

    It enters the graph as an array, not as a literal that rules look at: a mean over one element must not be another
    kernel than a mean over two.
    """
    if not shape and axis is not None and not isinstance(axis, tuple):
        normalize_axis_index(operator.index(axis), 0)
    axes = reduced_axes(axis, len(shape))
    if not _given(where) or where is True:
        return result(constant(_array_of(math.prod(shape[k] for k in axes), dtype)))
    mask = spread(converted(where, BOOL), shape)
    return _sum(result(mask), axis, dtype, None, keepdims)


@lru_cache(maxsize=256)
def _array_of(count: int, dtype: np.dtype) -> np.ndarray:
    """A number as an array, the same one each time, so that equal means are found to be equal."""
    return np.array(count, dtype)


def _var(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = NONE,
    mean: Any = NONE,
    correction: Any = NONE,
) -> Placeholder:
    node = node_of(a)
    to = _mean_dtype(node.dtype) if dtype is None else check_dtype(np.dtype(dtype))
    x = result(cast(node, to))
    center = mean if _given(mean) else _mean_in(x, axis, to, where)
    deviation = call(np.subtract, (x, center))
    parts = (deviation.real, deviation.imag) if to.kind == "c" else (deviation,)
    squares = [call(np.multiply, (part, part)) for part in parts]
    of = real_of(to)
    square = call(np.add, squares) if to.kind == "c" else squares[0]
    loop = None if out is not None and dtype is None and to == node.dtype else of
    total = _sum(square, axis, loop, out, keepdims, NONE, where)
    free = correction if _given(correction) else ddof
    wide = np.dtype(np.float32) if of == np.float16 else of
    count = _count(node.shape, axis, where, keepdims, wide)
    divisor = call(np.maximum, (call(np.subtract, (count, wide.type(free))), wide.type(0)))
    if out is not None:
        return call(np.divide, (total, divisor), out=out, casting="unsafe")  # type: ignore[no-any-return]
    return result(cast(call(np.divide, (total, divisor)).node, of))


def _std(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0, keepdims: Any = False, **kwargs: Any
) -> Any:
    return call(np.sqrt, (_var(a, axis, dtype, out, ddof, keepdims, **kwargs),), out=out)


def _ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return call(np.subtract, (_max(a, axis, out, keepdims), _min(a, axis, None, keepdims)), out=out)


# -- products ----------------------------------------------------------------------------------------------------------


def _dot(a: Any, b: Any, out: Any = None) -> Any:
    dtype = common_dtype([a, b])
    x, y = node_of(a, dtype), node_of(b, dtype)
    if not x.shape or not y.shape:
        has_blas = dtype.char in "fdFD"
        return _as_it_is(call(np.multiply, (a, b)).node, out) if has_blas else call(np.multiply, (a, b), out=out)
    if y.aval.ndim > 2:
        return _as_it_is(_tensordot_nodes(x, y, ((x.aval.ndim - 1,), (y.aval.ndim - 2,))), out)
    if x.shape[-1] != y.shape[0]:
        dims = f"{x.shape[-1]} (dim {x.aval.ndim - 1}) != {y.shape[0]} (dim 0)"
        raise ValueError(f"shapes {tight(x.shape)} and {tight(y.shape)} not aligned: {dims}")
    rows = reshape_to(x, (math.prod(x.shape[:-1]), x.shape[-1]))
    node = reshape_to(product(result(rows), result(y)), (*x.shape[:-1], *y.shape[1:]))
    return _as_it_is(node, out)


def _as_it_is(node: Node, out: Any) -> Any:
    """A product, which is written as it is or not at all."""
    if out is not None and ((out.shape, out.dtype) != (node.shape, node.dtype) or not out.flags.c_contiguous):
        raise ValueError(
            "output array is not acceptable (must have the right datatype, number of dimensions, and be a C-Array)"
        )
    if out is None or out.shape:
        return _finish(node, out)
    return result(_finish(node, out).node)


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Placeholder:
    dtype = common_dtype([a, b])
    x, y = node_of(a, dtype), node_of(b, dtype)
    if isinstance(axes, (int, np.integer)):
        number = operator.index(axes)
        left, right = tuple(range(x.aval.ndim - number, x.aval.ndim)), tuple(range(number))
    else:
        left, right = map(sizes, axes)
    left = tuple(normalize_axis_index(axis, x.aval.ndim) for axis in left)
    right = tuple(normalize_axis_index(axis, y.aval.ndim) for axis in right)
    return result(_tensordot_nodes(x, y, (left, right)), is_array=True)


def _tensordot_nodes(x: Node, y: Node, axes: tuple[tuple[int, ...], tuple[int, ...]]) -> Node:
    left, right = axes
    if [x.shape[k] for k in left] != [y.shape[k] for k in right]:
        raise ValueError("shape-mismatch for sum")
    rows = tuple(k for k in range(x.aval.ndim) if k not in left)
    columns = tuple(k for k in range(y.aval.ndim) if k not in right)
    inner = math.prod(x.shape[k] for k in left)
    shape = (*(x.shape[k] for k in rows), *(y.shape[k] for k in columns))
    a = reshape_to(transpose(x, axes=(*rows, *left)), (math.prod(x.shape[k] for k in rows), inner))
    b = reshape_to(transpose(y, axes=(*right, *columns)), (inner, math.prod(y.shape[k] for k in columns)))
    return reshape_to(matmul(a, b), shape)


def _inner(a: Any, b: Any) -> Any:
    dtype = common_dtype([a, b])
    x, y = node_of(a, dtype), node_of(b, dtype)
    if not x.shape or not y.shape:
        return call(np.multiply, (a, b))
    if x.shape[-1] != y.shape[-1]:
        swapped = (*y.shape[:-2], y.shape[-1], *y.shape[-2:-1])
        dims = f"{x.shape[-1]} (dim {x.aval.ndim - 1}) != {y.shape[-1]} (dim {max(y.aval.ndim - 2, 0)})"
        raise ValueError(f"shapes {tight(x.shape)} and {tight(swapped)} not aligned: {dims}")
    return result(_tensordot_nodes(x, y, ((x.aval.ndim - 1,), (y.aval.ndim - 1,))))


def _outer(a: Any, b: Any, out: Any = None) -> Any:
    column = reshape_to(node_of(a), (math.prod(node_of(a).shape), 1))
    row = reshape_to(node_of(b), (1, math.prod(node_of(b).shape)))
    return call(np.multiply, (result(column), result(row)), out=out)


def _vdot(a: Any, b: Any) -> Any:
    x, y = node_of(a), node_of(b)
    first = ew.conj(x) if x.dtype.kind == "c" else x
    return _dot(result(reshape_to(first, (x.aval.size,))), result(reshape_to(y, (y.aval.size,))))


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.sum: _sum,
    np.prod: _prod,
    np.max: _max,
    np.amax: _max,
    np.min: _min,
    np.amin: _min,
    np.any: _any,
    np.all: _all,
    np.argmax: _arg(argmax),
    np.argmin: _arg(argmin),
    np.mean: _mean,
    np.var: _var,
    np.std: _std,
    np.ptp: _ptp,
    np.dot: _dot,
    np.tensordot: _tensordot,
    np.inner: _inner,
    np.outer: _outer,
    np.vdot: _vdot,
}
