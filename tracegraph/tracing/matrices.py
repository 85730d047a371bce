"""numpy.linalg on placeholders: what NumPy itself makes of other functions. Norms, powers, ranks, products of many."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.linalg import LinAlgError
from numpy.linalg._linalg import _multi_dot_matrix_chain_order  # type: ignore[attr-defined]

from tracegraph.ir import Node
from tracegraph.ops import linalg
from tracegraph.ops.broadcast import fill
from tracegraph.ops.elementwise import equal, where
from tracegraph.ops.leaf import iota
from tracegraph.ops.shape import reshape_to
from tracegraph.tracing.lift import listed, node_of, result, spread
from tracegraph.tracing.linear import check_stack, stack
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.ufuncs import write

__all__ = ["FUNCTIONS"]


def _array(value: Any) -> Any:
    return value if isinstance(value, Placeholder) else result(node_of(listed(value)), is_array=True)


def _inexact(value: Any) -> Any:
    x = _array(value)
    return x if x.dtype.kind in "fc" else x.astype(float)


# -- diagonals ---------------------------------------------------------------------------------------------------------


def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Elements that lie at equal distances in the matrices, one row after another."""
    x = _array(a)
    if x.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    i, j = normalize_axis_index(axis1, x.ndim, "axis1"), normalize_axis_index(axis2, x.ndim, "axis2")
    if i == j:
        raise ValueError("axis1 and axis2 cannot be the same")
    moved = np.moveaxis(x, (i, j), (-2, -1))
    *lead, n, m = moved.shape
    start = max(offset, 0) + max(-offset, 0) * m
    size = max(min(n, m - offset) if offset >= 0 else min(n + offset, m), 0)
    flat = np.reshape(moved, (*lead, n * m))
    return flat[..., start : start + size * (m + 1) : m + 1] if size else flat[..., :0]


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: Any = None) -> Any:
    return np.sum(_diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


# -- norms -------------------------------------------------------------------------------------------------------------


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    x = _inexact(x)
    if axis is None and (ord is None or (ord in ("f", "fro") and x.ndim == 2) or (ord == 2 and x.ndim == 1)):
        return _root_of_squares(x, None, keepdims)
    if axis is None:
        axes = tuple(range(x.ndim))
    elif isinstance(axis, tuple):
        axes = axis
    else:
        try:
            axes = (int(axis),)
        except Exception as error:
            raise TypeError("'axis' must be None, an integer or a tuple of integers") from error
    if len(axes) == 1:
        return _vector_norm_along(x, ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    rows, columns = (normalize_axis_index(each, x.ndim) for each in axes)
    if rows == columns:
        raise ValueError("Duplicate axes given.")
    norm = _matrix_norm_over(x, ord, rows, columns)
    return np.expand_dims(norm, tuple(sorted((rows, columns)))) if keepdims else norm


def _root_of_squares(x: Any, axis: Any, keepdims: bool) -> Any:
    squares = x * x if x.dtype.kind != "c" else x.real * x.real + x.imag * x.imag
    return np.sqrt(np.sum(squares, axis=axis, keepdims=keepdims))


def _vector_norm_along(x: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    along: Any = {"axis": axis, "keepdims": keepdims}
    if ord is None or ord == 2:
        return _root_of_squares(x, axis, keepdims)
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == np.inf:
        return np.max(np.abs(x), **along, initial=0)
    if ord == -np.inf:
        return np.min(np.abs(x), **along)
    if ord == 0:
        return np.sum((x != 0).astype(np.abs(x).dtype), **along)
    if ord == 1:
        return np.sum(np.abs(x), **along)
    total: Any = np.sum(np.abs(x) ** ord, **along)
    return total ** np.reciprocal(ord, dtype=total.dtype)


def _matrix_norm_over(x: Any, ord: Any, rows: int, columns: int) -> Any:
    if ord is None or ord in ("fro", "f"):
        return _root_of_squares(x, (rows, columns), False)
    moved = np.moveaxis(x, (rows, columns), (-2, -1))
    if ord == 2:
        return np.max(_singular(moved), axis=-1, initial=0)
    if ord == -2:
        return np.min(_singular(moved), axis=-1)
    if ord == "nuc":
        return np.sum(_singular(moved), axis=-1, initial=0)
    if ord in (1, -1, np.inf, -np.inf):
        sums = np.sum(np.abs(moved), axis=-2 if abs(ord) == 1 else -1)
        return np.max(sums, axis=-1, initial=0) if ord > 0 else np.min(sums, axis=-1)
    raise ValueError("Invalid norm order for matrices.")


def _singular(x: Any) -> Any:
    return np.linalg.svd(x, compute_uv=False)


def _vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = _array(x)
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    lined_up = np.transpose(x, (*rest, *axes))
    line = np.reshape(lined_up, (*lined_up.shape[: len(rest)], int(np.prod([x.shape[k] for k in axes], dtype=int))))
    norm = _norm(line, ord, -1)
    return np.reshape(norm, tuple(1 if k in axes else n for k, n in enumerate(x.shape))) if keepdims else norm


def _matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    return _norm(x, ord, (-2, -1), keepdims)


def _cond(x: Any, p: Any = None) -> Any:
    x = _array(x)
    if x.size == 0 and 0 in x.shape[-2:]:
        raise LinAlgError("cond is not defined on empty arrays")
    if p is None or p in (2, -2):
        s = _singular(x)
        ratio = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        inverse = result(linalg.inv(stack(x, square=True), or_nan=True), is_array=True)
        ratio = _norm(x, p, (-2, -1)) * _norm(inverse, p, (-2, -1))
    unknown = np.logical_and(np.isnan(ratio), np.logical_not(np.any(np.isnan(_inexact(x)), axis=(-2, -1))))
    infinite = np.asarray(np.inf, ratio.dtype)
    return result(np.where(unknown, infinite, ratio).node)  # type: ignore[attr-defined]


def _matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    x = _array(A)
    if x.ndim < 2:
        return int(not np.all(x == 0))
    s = np.linalg.svd(x, compute_uv=False, hermitian=hermitian)
    if tol is None:
        limit = max(x.shape[-2:]) * np.finfo(s.dtype).eps if rtol is None else _column(rtol)
        tol = np.max(s, axis=-1, keepdims=True, initial=0) * limit
    else:
        tol = _column(tol)
    return np.sum(s > tol, axis=-1)


def _column(value: Any) -> Any:
    return (value if isinstance(value, Placeholder) else np.asarray(value))[..., np.newaxis]


# -- powers and products -----------------------------------------------------------------------------------------------


def _matrix_power(a: Any, n: Any) -> Any:
    x = _array(a)
    check_stack(x.shape, square=True)
    try:
        n = operator.index(n)
    except TypeError as error:
        raise TypeError("exponent must be an integer") from error
    if n == 0:
        return result(_identity(x.node), is_array=True)
    if n < 0:
        x, n = np.linalg.inv(x), -n
    if n == 3:
        return (x @ x) @ x
    power: Any = None
    while True:
        n, bit = divmod(n, 2)
        if bit:
            power = x if power is None else power @ x
        if not n:
            return power
        x = x @ x


def _identity(node: Node) -> Node:
    """Ones on the diagonal."""
    count = iota(length=node.shape[-1], dtype=np.dtype(np.int64))
    rows, columns = spread(reshape_to(count, (*count.shape, 1)), node.shape), spread(count, node.shape)
    return where(equal(rows, columns), fill(1, node.shape, node.dtype), fill(0, node.shape, node.dtype))


def _multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    if len(arrays) < 2:
        raise ValueError("Expecting at least two arrays.")
    if len(arrays) == 2:
        return np.dot(_array(arrays[0]), _array(arrays[1]), out=out)
    values = [_array(each) for each in arrays]
    first, last = values[0].ndim, values[-1].ndim
    if first == 1:
        values[0] = values[0][np.newaxis]
    if last == 1:
        values[-1] = values[-1][:, np.newaxis]
    for value in values:
        if value.ndim != 2:
            raise LinAlgError(f"{value.ndim}-dimensional array given. Array must be two-dimensional")
    order = _multi_dot_matrix_chain_order(values)

    def between(i: int, j: int) -> Any:
        return values[i] if i == j else np.dot(between(i, order[i, j]), between(order[i, j] + 1, j))

    product = between(0, len(values) - 1)
    if out is not None:
        product = write(out, product.node)
    return product[0, 0] if first == last == 1 else product.ravel() if 1 in (first, last) else product


def _outer(x1: Any, x2: Any, /) -> Any:
    a, b = _array(x1), _array(x2)
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError(f"Input arrays must be one-dimensional, but they are x1.ndim={a.ndim} and x2.ndim={b.ndim}.")
    return np.outer(a, b)


def _cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    a, b = _array(x1), _array(x2)
    if a.shape[axis] != 3 or b.shape[axis] != 3:
        raise ValueError(
            "Both input arrays must be (arrays of) 3-dimensional vectors, "
            f"but they are {a.shape[axis]} and {b.shape[axis]} dimensional instead."
        )
    return np.cross(a, b, axis=axis)


def _vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    product: Any = np.vecdot
    return product(_array(x1), _array(x2), axis=axis)


def _tensorinv(a: Any, ind: int = 2) -> Any:
    x = _array(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    rows = int(np.prod(x.shape[ind:], dtype=int))
    return np.reshape(np.linalg.inv(np.reshape(x, (rows, -1))), (*x.shape[ind:], *x.shape[:ind]))


def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    x, y = _array(a), _array(b)
    if axes is not None:
        order = list(range(x.ndim))
        for k in axes:
            order.remove(k)
            order.insert(x.ndim, k)
        x = np.transpose(x, order)
    shape = x.shape[-(x.ndim - y.ndim) :]
    size = int(np.prod(shape, dtype=int))
    if x.size != size**2:
        raise LinAlgError(
            "Input arrays must satisfy the requirement             prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    return np.reshape(np.linalg.solve(np.reshape(x, (size, size)), np.ravel(y)), shape)


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.diagonal: _diagonal,
    np.trace: _trace,
    np.linalg.diagonal: lambda x, /, *, offset=0: _diagonal(x, offset, -2, -1),
    np.linalg.trace: lambda x, /, *, offset=0, dtype=None: _trace(x, offset, -2, -1, dtype),
    np.linalg.norm: _norm,
    np.linalg.vector_norm: _vector_norm,
    np.linalg.matrix_norm: _matrix_norm,
    np.linalg.cond: _cond,
    np.linalg.matrix_rank: _matrix_rank,
    np.linalg.matrix_power: _matrix_power,
    np.linalg.multi_dot: _multi_dot,
    np.linalg.outer: _outer,
    np.linalg.cross: _cross,
    np.linalg.matmul: lambda x1, x2, /: np.matmul(_array(x1), _array(x2)),
    np.linalg.matrix_transpose: lambda x, /: np.matrix_transpose(_array(x)),
    np.linalg.tensordot: lambda x1, x2, /, *, axes=2: np.tensordot(_array(x1), _array(x2), axes),
    np.linalg.vecdot: _vecdot,
    np.linalg.tensorinv: _tensorinv,
    np.linalg.tensorsolve: _tensorsolve,
}
