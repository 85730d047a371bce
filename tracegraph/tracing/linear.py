"""numpy.linalg on placeholders: what LAPACK does. NumPy's own checks come first, then one operation, then its parts. What
NumPy writes in Python (norms, powers, products of many) runs as it stands on these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.linalg import LinAlgError
from numpy.linalg._linalg import EighResult, EigResult, QRResult, SlogdetResult, SVDResult

from tracegraph.errors import UnsupportedError
from tracegraph.ir import Node, Shape
from tracegraph.ops import linalg
from tracegraph.ops.broadcast import fill
from tracegraph.ops.product import swap_last
from tracegraph.ops.shape import reshape_to
from tracegraph.ops.sorting import take_along
from tracegraph.tracing.lift import cast, check_dtype, descriptor, listed, node_of, result, spread
from tracegraph.tracing.placeholder import Placeholder

__all__ = ["FUNCTIONS"]


# -- operands ----------------------------------------------------------------------------------------------------------


def _result_dtype(*values: Any) -> np.dtype:
    """What LAPACK's answer is given as: single precision only if all that is not whole is single."""
    dtypes = [np.dtype(descriptor(value)) for value in values]
    for dtype in dtypes:
        if dtype.kind in "fc" and dtype.char not in "fdFD":
            raise TypeError(f"array type {dtype.name} is unsupported in linalg")
    return check_dtype(np.result_type(*(dtype if dtype.kind in "fc" else np.dtype(float) for dtype in dtypes)))


def _stack(a: Any, *, square: bool = False) -> Node:
    """A matrix, or a stack of them, as LAPACK takes it."""
    node = node_of(a)
    _check_stack(node.shape, square=square)
    return cast(node, _result_dtype(a))


def _check_stack(shape: Shape, *, square: bool = False) -> None:
    if len(shape) < 2:
        raise LinAlgError(f"{len(shape)}-dimensional array given. Array must be at least two-dimensional")
    if square and shape[-1] != shape[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")


def _array(node: Node) -> Any:
    return result(node, is_array=True)


def _operand(value: Any) -> Any:
    return value if isinstance(value, Placeholder) else _array(node_of(listed(value)))


def _unpacked(packed: Node, shapes: tuple[Shape, ...]) -> list[Any]:
    return [_array(part) for part in linalg.unpack(packed, shapes)]


def _flipped(node: Node) -> Node:
    """The conjugate transpose."""
    turned = swap_last(node)
    return node_of(np.conjugate(result(turned))) if node.dtype.kind == "c" else turned


# -- systems and determinants ------------------------------------------------------------------------------------------


def _solve(a: Any, b: Any) -> Any:
    left, right = node_of(a), node_of(b)
    _check_stack(left.shape, square=True)
    dtype = _result_dtype(a, b)
    is_vector = right.aval.ndim == 1
    if is_vector:
        right = reshape_to(right, (*right.shape, 1))
    if not right.shape:
        raise ValueError("solve: Input operand 1 does not have enough dimensions")
    n, m = left.shape[-1], right.shape[-2]
    if n != m:
        raise ValueError(
            f"solve: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature "
            f"{'(m,m),(m)->(m)' if is_vector else '(m,m),(m,n)->(m,n)'} (size {m} is different from {n})"
        )
    lead = _broadcast_lead(left.shape[:-2], right.shape[:-2])
    node = linalg.solve(*(cast(spread(each, (*lead, *each.shape[-2:])), dtype) for each in (left, right)))
    return _array(reshape_to(node, node.shape[:-1]) if is_vector else node)


def _broadcast_lead(first: Shape, second: Shape) -> Shape:
    try:
        return np.broadcast_shapes(first, second)
    except ValueError:
        raise ValueError(f"operands could not be broadcast together with shapes {first} {second}") from None


def _inv(a: Any) -> Any:
    return _array(linalg.inv(_stack(a, square=True), or_nan=False))


def _det(a: Any) -> Placeholder:
    return result(linalg.det(_stack(a, square=True)))


def _slogdet(a: Any) -> SlogdetResult:
    sign, logarithm = linalg.unpack(linalg.slogdet(_stack(a, square=True)), ((), ()))
    return SlogdetResult(result(sign), np.real(result(logarithm)))


def _tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    x, y = _operand(a), _operand(b)
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


# -- factorisations ----------------------------------------------------------------------------------------------------


def _cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return _array(linalg.cholesky(_stack(a, square=True), upper=bool(upper)))


#: What NumPy still takes for a mode of qr.
_QR_MODES = {"f": "reduced", "full": "reduced"}


def _qr(a: Any, mode: str = "reduced") -> Any:
    if mode in ("e", "economic"):
        raise UnsupportedError("np.linalg.qr with mode='economic' is not traced; use mode='r'")
    mode = _QR_MODES.get(mode, mode)
    if mode not in ("reduced", "complete", "r", "raw"):
        raise ValueError(f"Unrecognized mode '{mode}'")
    node = _stack(a)
    q, r = _unpacked(linalg.qr(node, mode=mode), linalg.qr_parts(node.shape[-2:], mode))
    if mode == "r":
        return r
    return (q, r) if mode == "raw" else QRResult(q, r)


def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    node = _stack(a)
    if hermitian:
        return _svd_of_hermitian(node, compute_uv=compute_uv)
    if not compute_uv:
        return np.real(_array(linalg.svdvals(node)))
    full = bool(full_matrices)
    u, s, vh = _unpacked(linalg.svd(node, full=full), linalg.svd_parts(node.shape[-2:], full))
    return SVDResult(u, np.real(s), vh)


def _svd_of_hermitian(node: Node, *, compute_uv: bool) -> Any:
    """From the eigenvalues, in the order of their size."""
    _check_stack(node.shape, square=True)
    if not compute_uv:
        return np.flip(np.sort(np.abs(_eigvalsh(result(node)))), -1)
    w, v = _eigh(result(node))
    size = node_of(np.abs(w))
    order = node_of(np.flip(np.argsort(result(size)), -1))
    last = size.aval.ndim - 1
    sign = np.copysign(w.dtype.type(1), _along(w.node, order, last))
    columns = spread(reshape_to(order, (*order.shape[:-1], 1, order.shape[-1])), node.shape)
    u = _along(v.node, columns, last + 1)
    vh = _flipped((u * sign[..., None, :]).node)
    return SVDResult(u, _along(size, order, last), _array(vh))


def _along(node: Node, indices: Node, axis: int) -> Any:
    return _array(take_along(node, indices, axis=axis, distinct=True))


def _checked(uplo: str) -> str:
    """The letter of a triangle."""
    uplo = uplo.upper()
    if uplo not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return uplo


def _eigh(a: Any, UPLO: str = "L") -> Any:
    uplo = _checked(UPLO)
    node = _stack(a, square=True)
    w, v = _unpacked(linalg.eigh(node, uplo=uplo), linalg.eigh_parts(node.shape[-1]))
    return EighResult(np.real(w), v)


def _eigvalsh(a: Any, UPLO: str = "L") -> Any:
    uplo = _checked(UPLO)
    return np.real(_array(linalg.eigvalsh(_stack(a, square=True), uplo=uplo)))


def _eig(a: Any) -> EigResult:
    node = _stack(a, square=True)
    if node.dtype.kind == "c":
        return EigResult(*_unpacked(linalg.complex_eig(node), linalg.eigh_parts(node.shape[-1])))
    wr, wi, vr, vi = _unpacked(linalg.eig(node), linalg.eig_parts(node.shape[-1]))
    if np.all(wi == 0):
        return EigResult(wr, vr)
    return EigResult(wr + 1j * wi, vr + 1j * vi)


def _eigvals(a: Any) -> Any:
    node = _stack(a, square=True)
    if node.dtype.kind == "c":
        return _array(linalg.complex_eigvals(node))
    re, im = _unpacked(linalg.eigvals(node), (node.shape[-1:],) * 2)
    return re if np.all(im == 0) else re + 1j * im


# -- least squares -----------------------------------------------------------------------------------------------------


def _lstsq(a: Any, b: Any, rcond: Any = None) -> tuple[Any, ...]:
    left, right = node_of(a), node_of(b)
    is_vector = right.aval.ndim == 1
    if is_vector:
        right = reshape_to(right, (*right.shape, 1))
    for node in (left, right):
        if node.aval.ndim != 2:
            raise LinAlgError(f"{node.aval.ndim}-dimensional array given. Array must be two-dimensional")
    m, n = left.shape
    if m != right.shape[0]:
        raise LinAlgError("Incompatible dimensions")
    dtype = _result_dtype(a, b)
    wide = check_dtype(np.dtype(complex if dtype.kind == "c" else float))
    limit = float(np.finfo(float).eps) * max(m, n) if rcond is None else float(rcond)
    x, y = cast(left, wide), cast(right, wide)
    parts = linalg.lstsq_parts(x.shape, y.shape)
    solution, residuals, rank = linalg.unpack(linalg.lstsq(x, y, rcond=limit), parts)
    if is_vector:
        solution = reshape_to(solution, (n,))
    found = np.real(result(rank)).astype(np.int32)
    sums = np.real(_array(cast(residuals, dtype)))
    if m <= n or bool(found != n):
        sums = sums[:0].copy()
    return _array(cast(solution, dtype)), sums, found, np.real(_array(cast(linalg.svdvals(x), dtype)))


def _pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = np._NoValue) -> Any:
    if rtol is not np._NoValue and rcond is not None:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    limit = rtol if rcond is None else rcond
    if 0 in np.shape(a)[-2:] and np.ndim(a) > 1:
        *lead, m, n = np.shape(a)
        return _array(fill(0, (*lead, n, m), node_of(a).dtype))
    node = _stack(a)
    if limit is np._NoValue:
        limit = 1e-15
    elif limit is None:
        limit = max(node.shape[-2:]) * np.finfo(node.dtype).eps
    if not isinstance(limit, (int, float, np.number)):
        raise UnsupportedError("np.linalg.pinv with an array or a traced value as rcond is not traced; give a number")
    if hermitian:
        _check_stack(node.shape, square=True)
    return _array(linalg.pinv(node, rcond=float(limit)))


# -- condition, diagonals ----------------------------------------------------------------------------------------------


def _cond(x: Any, p: Any = None) -> Any:
    x = _operand(x)
    if x.size == 0 and 0 in x.shape[-2:]:
        raise LinAlgError("cond is not defined on empty arrays")
    if p is None or p in (2, -2):
        s = np.linalg.svd(x, compute_uv=False)
        ratio = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        inverse = _array(linalg.inv(_stack(x, square=True), or_nan=True))
        ratio = np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(inverse, p, axis=(-2, -1))
    unknown = np.logical_and(np.isnan(ratio), np.logical_not(np.any(np.isnan(x), axis=(-2, -1))))
    infinite = np.asarray(np.inf, ratio.dtype)
    return result(np.where(unknown, infinite, ratio).node)  # type: ignore[attr-defined]


def _diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Elements that lie at equal distances in the matrices, one row after another."""
    x = _operand(a)
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


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.linalg.solve: _solve,
    np.linalg.inv: _inv,
    np.linalg.det: _det,
    np.linalg.slogdet: _slogdet,
    np.linalg.cholesky: _cholesky,
    np.linalg.qr: _qr,
    np.linalg.svd: _svd,
    np.linalg.svdvals: lambda x, /: _svd(x, compute_uv=False),
    np.linalg.eigh: _eigh,
    np.linalg.eigvalsh: _eigvalsh,
    np.linalg.eig: _eig,
    np.linalg.eigvals: _eigvals,
    np.linalg.lstsq: _lstsq,
    np.linalg.pinv: _pinv,
    np.linalg.cond: _cond,
    np.linalg.tensorsolve: _tensorsolve,
    np.diagonal: _diagonal,
    np.trace: _trace,
}
