"""Linear algebra that LAPACK does: on matrices in the last two axes, and on stacks of them in the axes before.

An operation with several results packs them: each matrix's own, one after another, lie along the last axis of one array, and
`unpack` gives views of them. So a derivative has all of them at hand, and nothing is factorised twice.

Derivatives are the standard ones (M. Giles, "An extended collection of matrix derivative results", 2008; J. Townsend,
"Differentiating the singular value decomposition", 2016). Cholesky and eigh read one triangle; their cotangents are those of
a symmetric matrix, spread over both. Where eigenvalues or singular values coincide, so that the vectors turn freely, the
turn counts as zero. They are written for complex matrices, with adjoints; the phases of complex vectors, which are free,
stay as LAPACK chooses them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracegraph.errors import UnsupportedError
from tracegraph.ir import DTYPES, Aval, Node, Op, Shape
from tracegraph.ir.node import Vjp
from tracegraph.ops.broadcast import broadcast_to, expand_leading, fill, reduce_sum, zeros_like
from tracegraph.ops.elementwise import (
    add,
    conj,
    convert,
    divide,
    equal,
    greater,
    greater_equal,
    imag,
    less_equal,
    like,
    multiply,
    negative,
    real,
    subtract,
    where,
)
from tracegraph.ops.leaf import iota
from tracegraph.ops.product import matmul, swap_last
from tracegraph.ops.reduce import argmax
from tracegraph.ops.region import concatenate, slice_
from tracegraph.ops.rules import Params, batch_all, each, real_of
from tracegraph.ops.shape import reshape_to

__all__ = [
    "OPS", "cholesky", "cholesky_pullback", "cofactor", "complex_eig", "complex_eigvals", "det", "eig", "eig_parts", "eigh",
    "eigh_parts", "eigvals", "eigvalsh", "expm", "inv", "lstsq", "lstsq_parts", "pinv", "qr", "qr_parts", "slogdet",
    "solve", "solve_triangular", "svd", "svd_parts", "svdvals", "unpack",
]  # fmt: skip

#: Up to so many rows a triangular matrix is not cut into blocks.
_BLOCK = 48
#: What LAPACK computes with.
_DTYPES = frozenset(dtype for dtype in DTYPES if dtype.char in "fdFD")
_REALS = frozenset(dtype for dtype in _DTYPES if dtype.kind == "f")
_COMPLEX = _DTYPES - _REALS

_INDEX = np.dtype(np.int64)

OPS: list[Op] = []


# -- packing -----------------------------------------------------------------------------------------------------------


def unpack(packed: Node, shapes: Iterable[Shape]) -> list[Node]:
    """The parts of each matrix's results, of the given shapes, each behind the leading axes of the stack."""
    *lead, _ = packed.shape
    parts, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        sizes = (*lead, size)
        part = slice_(packed, starts=(*(0,) * len(lead), start), steps=(1,) * len(sizes), sizes=sizes)
        parts.append(reshape_to(part, (*lead, *shape)))
        start += size
    return parts


def _packed(lead: Shape, parts: Sequence[Any], shapes: Sequence[Shape], dtype: np.dtype) -> np.ndarray:
    """The reverse of `unpack`, on arrays."""
    packed = np.empty((*lead, sum(map(math.prod, shapes))), dtype)
    start = 0
    for part, shape in zip(parts, shapes, strict=True):
        size = math.prod(shape)
        packed[..., start : start + size] = np.reshape(part, (*lead, size))
        start += size
    return packed


# -- the form of rows --------------------------------------------------------------------------------------------------


def _row(
    name: str,
    shape: Callable[..., Shape],
    reference: Callable[..., Any],
    vjp: Vjp,
    *,
    dtypes: frozenset[np.dtype] = _DTYPES,
    is_real: bool = False,
) -> Op:
    """An operation on stacks of matrices; ``shape(*shapes, **params)`` is that of one matrix's result, ``is_real`` says that
    it is real even of complex ones."""

    def rule(*avals: Aval, **params: Any) -> Aval:
        first = avals[0]
        for aval in avals:
            if aval.dtype not in dtypes:
                raise TypeError(f"{name} does not take {aval.dtype}")
            if aval.ndim < 2 or aval.dtype != first.dtype or aval.shape[:-2] != first.shape[:-2]:
                raise TypeError(f"{name}: operands of a strict operation do not fit: {', '.join(map(repr, avals))}")
        return Aval(
            (*first.shape[:-2], *shape(*(aval.shape[-2:] for aval in avals), **params)),
            real_of(first.dtype) if is_real else first.dtype,
        )

    def batch(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
        return op(*batch_all(op, inputs, axes, expand_leading), **params)

    op: Op = Op(name, rule=rule, reference=reference, vjp=vjp, batch=batch)
    OPS.append(op)
    return op


def _square(shape: Shape) -> int:
    n, m = shape
    if n != m:
        raise ValueError(f"a square matrix is needed, not one of shape {shape}")
    return n


def _same_square(shape: Shape) -> Shape:
    return (_square(shape),) * 2


def _number(shape: Shape) -> Shape:
    """One number for each matrix, which is square."""
    _square(shape)
    return ()


def _by_gradients(vjp: Vjp) -> Vjp:
    """A rule in terms of gradients, the conjugates of cotangents: so the literature writes them, with adjoint matrices."""

    def rule(ct: Node, node: Node, i: int) -> Node | None:
        found = vjp(_conjugate(ct), node, i)
        return None if found is None else _conjugate(found)

    return rule


def _conjugate(x: Node) -> Node:
    return conj(x) if x.dtype.kind == "c" else x


def _adjoint(x: Node) -> Node:
    """The conjugate transpose."""
    return _conjugate(swap_last(x))


def _real_part(x: Node) -> Node:
    """In the same dtype."""
    return convert(real(x), dtype=x.dtype) if x.dtype.kind == "c" else x


def _imaginary_part(x: Node) -> Node:
    """Times i, in the same dtype; zero for reals."""
    return subtract(x, _real_part(x)) if x.dtype.kind == "c" else zeros_like(x)


def _column_products(x: Node, y: Node) -> Node:
    """The inner product of each column of x with that of y: the diagonal of ``adjoint(x) @ y``."""
    return reduce_sum(multiply(_conjugate(x), y), axes=(x.aval.ndim - 2,))


def _with_fixed_phase(v: Node, of_v: Node, turn: Node, k: int) -> Node:
    """The gradient of vectors, v, each of which is turned until its component k is real.

    ``turn`` is i times what turning all that belongs to a vector would add to the result.
    """
    if v.dtype.kind != "c" or not v.aval.size:
        return of_v
    index = reshape_to(iota(length=v.shape[-2], dtype=_INDEX), (v.shape[-2], 1))
    is_fixed = equal(broadcast_to(index, shape=v.shape), fill(k, v.shape, _INDEX))
    shift = multiply(_columns(turn, v.shape), _inverse_or_zero(v))
    return subtract(of_v, where(is_fixed, shift, zeros_like(of_v)))


# -- small pieces of derivatives ---------------------------------------------------------------------------------------


def _product(first: Node, *others: Node) -> Node:
    for other in others:
        first = matmul(first, other)
    return first


def _halved(node: Node) -> Node:
    return multiply(node, like(node, 0.5))


def _symmetric(node: Node) -> Node:
    return _halved(add(node, _adjoint(node)))


def _columns(vector: Node, shape: Shape) -> Node:
    """A vector for each matrix, as what belongs to its columns."""
    return broadcast_to(reshape_to(vector, (*vector.shape[:-1], 1, vector.shape[-1])), shape=shape)


def _rows(vector: Node, shape: Shape) -> Node:
    """A vector for each matrix, as what belongs to its rows."""
    return broadcast_to(reshape_to(vector, (*vector.shape, 1)), shape=shape)


def _numbers(number: Node, shape: Shape) -> Node:
    """A number for each matrix, repeated."""
    return broadcast_to(reshape_to(number, (*number.shape, 1, 1)), shape=shape)


def _where_indices(compare: Op, node: Node) -> Node:
    """The elements whose row and column index compare so; zero elsewhere."""
    n, m = node.shape[-2:]
    whole = np.dtype(np.int64)
    i = broadcast_to(reshape_to(iota(length=n, dtype=whole), (n, 1)), shape=node.shape)
    j = broadcast_to(iota(length=m, dtype=whole), shape=node.shape)
    return where(compare(i, j), node, zeros_like(node))


def _inverse_or_zero(node: Node) -> Node:
    """1 / x, and 0 where x is."""
    none = equal(node, zeros_like(node))
    return where(none, zeros_like(node), divide(like(node, 1), where(none, like(node, 1), node)))


def _solve_right(a: Node, b: Node) -> Node:
    """``b @ inv(a)``."""
    return swap_last(solve(swap_last(a), swap_last(b)))


def _without(q: Node, x: Node) -> Node:
    """What the orthonormal columns of q do not span of x."""
    return subtract(x, matmul(q, matmul(_adjoint(q), x)))


def _split_columns(node: Node, k: int) -> tuple[Node, Node]:
    *lead, n, m = node.shape
    start, steps = (0,) * (len(lead) + 1), (1,) * node.aval.ndim
    left = slice_(node, starts=(*start, 0), steps=steps, sizes=(*lead, n, k))
    return left, slice_(node, starts=(*start, k), steps=steps, sizes=(*lead, n, m - k))


def _thin(q: Node, ct: Node, k: int) -> tuple[Node, Node]:
    """The first k columns of an orthogonal matrix and their cotangent, into which that of the others goes.

    The others are any basis of what the first leave over; they turn with the first and not among themselves.
    """
    if q.shape[-1] == k:
        return q, ct
    first, rest = _split_columns(q, k)
    ct_first, ct_rest = _split_columns(ct, k)
    return first, subtract(ct_first, _product(rest, _adjoint(ct_rest), first))


# -- systems, inverses, determinants -----------------------------------------------------------------------------------


def _solve_shape(a: Shape, b: Shape) -> Shape:
    if _square(a) != b[0]:
        raise ValueError(f"solve: shapes {a} and {b} do not fit")
    return b


def _substituted(a: np.ndarray, b: np.ndarray, *, lower: bool) -> np.ndarray:
    """By substitution, a block of rows at a time."""
    n = a.shape[-1]
    out = np.empty_like(b, order="C")
    starts = range(0, n, _BLOCK)
    for start in starts if lower else reversed(starts):
        rows = slice(start, min(start + _BLOCK, n))
        known = slice(0, start) if lower else slice(rows.stop, n)
        block = (np.tril if lower else np.triu)(a[..., rows, rows])
        out[..., rows, :] = np.linalg.solve(block, b[..., rows, :] - a[..., rows, known] @ out[..., known, :])
    return out


def _solved_back(out: Node, a: Node, ct: Node) -> Node:
    return solve_triangular(swap_last(a), ct, lower=not out.params["lower"])


def _triangle_of(node: Node, *, is_lower: bool) -> Node:
    return _where_indices(greater_equal if is_lower else less_equal, node)


def _inv_reference(a: np.ndarray, *, or_nan: bool) -> np.ndarray:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        if not or_nan:
            raise
        if a.ndim == 2:
            return np.full_like(a, np.nan)
        return np.stack([_inv_reference(each, or_nan=True) for each in a])


def _inv_vjp(ct: Node, out: Node, a: Node) -> Node:
    turned = swap_last(out)
    return negative(_product(turned, ct, turned))


def _cofactor_reference(a: np.ndarray) -> np.ndarray:
    """``det(a) * inv(a).T``, which exists for singular matrices too: then products of singular values."""
    try:
        return np.asarray(np.linalg.det(a)[..., None, None] * np.linalg.inv(a).mT)
    except np.linalg.LinAlgError:
        u, s, vh = np.linalg.svd(a)
        n = a.shape[-1]
        others = np.where(np.eye(n, dtype=bool), 1, s[..., None, :]).prod(-1)
        sign = np.linalg.det(u) * np.linalg.det(vh)
        return np.asarray((u * (sign[..., None] * others)[..., None, :]) @ vh, a.dtype)


def _cofactor_vjp(ct: Node, out: Node, a: Node) -> Node:
    """Exact for regular matrices; of singular ones there is no such expression, and NaN comes."""
    inner = _trace_of_product(out, ct)
    change = subtract(multiply(_numbers(inner, out.shape), out), _product(out, swap_last(ct), out))
    return divide(change, _numbers(det(a), out.shape))


def _trace_of_product(x: Node, y: Node) -> Node:
    """The sum of the products of the elements, for each matrix."""
    *lead, n, m = x.shape
    return reshape_to(matmul(reshape_to(x, (*lead, 1, n * m)), reshape_to(y, (*lead, n * m, 1))), tuple(lead))


def _slogdet_reference(a: np.ndarray) -> np.ndarray:
    return np.stack(np.linalg.slogdet(a), axis=-1).astype(a.dtype, copy=False)


def _slogdet_vjp(ct: Node, out: Node, a: Node) -> Node:
    """The sign of a complex determinant turns by the imaginary part of what its logarithm changes by."""
    of_sign, of_log = unpack(ct, ((), ()))
    sign, _ = unpack(out, ((), ()))
    change = add(_real_part(of_log), _imaginary_part(multiply(of_sign, sign)))
    return multiply(_numbers(change, a.shape), swap_last(inv(a, or_nan=False)))


#: ``a @ x = b`` for x; b has columns.
solve: Op = _row(
    "solve", _solve_shape, np.linalg.solve,
    each(
        lambda ct, out, a, b: negative(matmul(solve(swap_last(a), ct), swap_last(out))),
        lambda ct, out, a, b: solve(swap_last(a), ct),
    ),
)  # fmt: skip
#: The same by a triangle, which is all that is read of ``a``.
solve_triangular: Op = _row(
    "solve_triangular", lambda a, b, lower: _solve_shape(a, b), _substituted,
    each(
        lambda ct, out, a, b: _triangle_of(
            negative(matmul(_solved_back(out, a, ct), swap_last(out))), is_lower=out.params["lower"]
        ),
        lambda ct, out, a, b: _solved_back(out, a, ct),
    ),
)  # fmt: skip
#: ``or_nan``: singular matrices have NaN for an inverse, and are no error.
inv: Op = _row("inv", lambda a, or_nan: _same_square(a), _inv_reference, each(_inv_vjp))
det: Op = _row(
    "det", _number, lambda a: np.asarray(np.linalg.det(a)),
    each(lambda ct, out, a: multiply(_numbers(ct, a.shape), cofactor(a))),
)  # fmt: skip
#: The derivative of `det`.
cofactor: Op = _row("cofactor", _same_square, _cofactor_reference, each(_cofactor_vjp))
#: Packed: sign and logarithm of the determinant.
slogdet: Op = _row("slogdet", lambda a: (*_number(a), 2), _slogdet_reference, each(_slogdet_vjp))


# -- the exponential ---------------------------------------------------------------------------------------------------

#: The coefficients of the Pade approximation of degree 13, and the norm up to which it is exact to a double's precision.
_PADE = tuple(math.factorial(26 - k) * math.comb(13, k) / math.factorial(26) for k in range(14))
_PADE_NORM = 5.371920351148152


def _expm_reference(a: np.ndarray) -> np.ndarray:
    """Scaling and squaring (N. Higham, "The scaling and squaring method for the matrix exponential revisited", 2005)."""
    out = np.empty_like(a)
    for at in np.ndindex(a.shape[:-2]):
        out[at] = _exponential(a[at].astype(np.result_type(a.dtype, float)))
    return out


def _exponential(a: np.ndarray) -> np.ndarray:
    size = np.abs(a).sum(0).max(initial=0)
    if not np.isfinite(size):
        return np.full_like(a, np.nan)
    halvings = max(0, math.ceil(math.log2(size / _PADE_NORM))) if size else 0
    a = a / 2**halvings
    square, power = a @ a, np.eye(len(a), dtype=a.dtype)
    even, odd = np.zeros_like(a), np.zeros_like(a)
    for k in range(0, 14, 2):
        even += _PADE[k] * power
        odd += _PADE[k + 1] * power
        power = power @ square
    odd = a @ odd
    result = np.linalg.solve(even - odd, even + odd)
    for _ in range(halvings):
        result = result @ result
    return result


def _expm_vjp(ct: Node, out: Node, a: Node) -> Node:
    """The exponential of ``[[a, e], [0, a]]`` has the derivative in the direction e in its corner."""
    n = a.shape[-1]
    turned = swap_last(a)
    block = _below(_beside(turned, ct), _beside(zeros_like(a), turned))
    return _split_columns(_top(expm(block), n), n)[1]


#: The exponential of a matrix.
expm: Op = _row("expm", _same_square, _expm_reference, each(_expm_vjp))


# -- factorisations ----------------------------------------------------------------------------------------------------


def _cholesky_vjp(ct: Node, out: Node, a: Node) -> Node:
    return cholesky_pullback(*((_adjoint(out), _adjoint(ct)) if out.params["upper"] else (out, ct)))


def _lower_half(node: Node) -> Node:
    """The lower triangle, of the diagonal half."""
    return subtract(_where_indices(greater_equal, node), _halved(_where_indices(equal, node)))


def _pullback_reference(factor: np.ndarray, of_factor: np.ndarray) -> np.ndarray:
    """In blocks, so that it takes about 5/6 n^3 steps rather than 4 n^3 (I. Murray, "Differentiation of the Cholesky
    decomposition", 2016)."""
    n = factor.shape[-1]
    if n <= _BLOCK:
        inner = np.tril(np.conj(factor.mT) @ of_factor)
        inner[..., range(n), range(n)] /= 2
        half = _divided(np.conj(_divided(np.conj(inner.mT), factor).mT), factor)
        return np.asarray((half + np.conj(half.mT)) / 2)
    k = n // 2
    first, left, last = factor[..., :k, :k], factor[..., k:, :k], factor[..., k:, k:]
    corner = _pullback_reference(last, of_factor[..., k:, k:])
    side = _divided(of_factor[..., k:, :k] - 2 * (corner @ left), first)
    out = np.empty_like(factor)
    out[..., k:, k:] = corner
    out[..., k:, :k] = side / 2
    out[..., :k, k:] = np.conj(side.mT) / 2
    out[..., :k, :k] = _pullback_reference(first, of_factor[..., :k, :k] - np.conj(side.mT) @ left)
    return out


def _divided(x: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """``x @ inv(factor)``, for a lower triangle, in blocks."""
    n = factor.shape[-1]
    if n <= _BLOCK:
        return np.asarray(np.linalg.solve(factor.mT, x.mT).mT)
    k = n // 2
    right = _divided(x[..., k:], factor[..., k:, k:])
    return np.concatenate((_divided(x[..., :k] - right @ factor[..., k:, :k], factor[..., :k, :k]), right), axis=-1)


def _pullback_vjp(ct: Node, out: Node, factor: Node, of_factor: Node) -> tuple[Node, Node]:
    half = _solve_right(_adjoint(factor), _symmetric(ct))
    inner = _lower_half(solve(factor, half))
    by_factor = subtract(matmul(of_factor, _adjoint(inner)), matmul(add(out, out), half))
    return by_factor, matmul(factor, inner)


#: The gradient by the matrix, given a lower triangular factor and the gradient by that.
cholesky_pullback: Op = _row(
    "cholesky_pullback", lambda a, b: _same_square(a), _pullback_reference,
    _by_gradients(lambda ct, out, i: _pullback_vjp(ct, out, *out.inputs)[i]),
)  # fmt: skip
#: The lower triangular factor, or its transpose; reads that triangle.
cholesky: Op = _row(
    "cholesky", lambda a, upper: _same_square(a), lambda a, *, upper: np.linalg.cholesky(a, upper=upper),
    _by_gradients(each(_cholesky_vjp)),
)  # fmt: skip


def qr_parts(shape: Shape, mode: str) -> tuple[Shape, Shape]:
    """The shapes of q and r; those of h and tau in mode "raw"."""
    m, n = shape
    k = min(m, n)
    if mode == "raw":
        return (n, m), (k,)
    return ((m, m), (m, n)) if mode == "complete" else ((0 if mode == "r" else m, k), (k, n))


def _qr_reference(a: np.ndarray, *, mode: str) -> np.ndarray:
    parts: Any = np.linalg.qr(a, mode=mode)  # type: ignore[call-overload]
    shapes = qr_parts(a.shape[-2:], mode)
    return _packed(
        a.shape[:-2], (np.empty((*a.shape[:-2], *shapes[0])), parts) if mode == "r" else parts, shapes, a.dtype
    )


def _qr_vjp(ct: Node, out: Node, a: Node) -> Node:
    mode = out.params["mode"]
    if mode == "raw":
        raise UnsupportedError("np.linalg.qr with mode='raw' has no derivative; use mode='reduced'")
    m, n = a.shape[-2:]
    k = min(m, n)
    of_q, of_r = unpack(ct, qr_parts((m, n), mode))
    if mode == "r":
        q, r = unpack(qr(a, mode="reduced"), qr_parts((m, n), "reduced"))
        of_q = zeros_like(q)
    else:
        q, r = unpack(out, qr_parts((m, n), mode))
        q, of_q = _thin(q, of_q, k)
        r, of_r = (r, of_r) if r.shape[-2] == k else (_top(r, k), _top(of_r, k))
    if n <= m:
        return _qr_tall(of_q, of_r, q, r)
    left, _ = _split_columns(r, k)
    of_left, of_right = _split_columns(of_r, k)
    _, rest = _split_columns(a, k)
    square = _qr_tall(add(of_q, matmul(rest, _adjoint(of_right))), of_left, q, left)
    return _beside(square, matmul(q, of_right))


def _qr_tall(of_q: Node, of_r: Node, q: Node, r: Node) -> Node:
    """LAPACK leaves the diagonal of r real."""
    inner = subtract(matmul(r, _adjoint(of_r)), matmul(_adjoint(of_q), q))
    below = _where_indices(greater, inner)
    both = add(add(below, _where_indices(equal, _real_part(inner))), _adjoint(below))
    return _solve_right(_adjoint(r), add(of_q, matmul(q, both)))


def _top(node: Node, k: int) -> Node:
    return swap_last(_split_columns(swap_last(node), k)[0])


def _beside(left: Node, right: Node) -> Node:
    return concatenate(left, right, axis=left.aval.ndim - 1)


#: Packed: q and r, as `qr_parts` says.
qr: Op = _row(
    "qr", lambda a, mode: (sum(map(math.prod, qr_parts(a, mode))),), _qr_reference, _by_gradients(each(_qr_vjp))
)


def svd_parts(shape: Shape, full: bool) -> tuple[Shape, Shape, Shape]:
    """The shapes of u, s and vh."""
    m, n = shape
    k = min(m, n)
    return ((m, m), (k,), (n, n)) if full else ((m, k), (k,), (k, n))


def _svd_reference(a: np.ndarray, *, full: bool) -> np.ndarray:
    return _packed(a.shape[:-2], np.linalg.svd(a, full_matrices=full), svd_parts(a.shape[-2:], full), a.dtype)


def _svd_vjp(ct: Node, out: Node, a: Node) -> Node:
    """LAPACK turns pairs of complex vectors until the first components on the shorter side are real."""
    m, n = a.shape[-2:]
    k = min(m, n)
    parts = svd_parts((m, n), out.params["full"])
    u, s, vh = unpack(out, parts)
    of_u, of_s, of_vh = unpack(ct, parts)
    u, of_u = _thin(u, of_u, k)
    v, of_v = _thin(_adjoint(vh), _adjoint(of_vh), k)
    turn = _imaginary_part(add(_column_products(u, of_u), _column_products(v, of_v)))
    if m >= n:
        of_v = _with_fixed_phase(v, of_v, turn, 0)
    else:
        of_u = _with_fixed_phase(u, of_u, turn, 0)
    square = (*s.shape, k)
    columns, rows = _columns(s, square), _rows(s, square)
    gaps = _inverse_or_zero(multiply(subtract(columns, rows), add(columns, rows)))
    left = multiply(multiply(gaps, _twist(u, of_u)), columns)
    right = multiply(multiply(gaps, _twist(v, of_v)), rows)
    inverse = _inverse_or_zero(s)
    along = add(_real_part(of_s), multiply(_imaginary_part(_column_products(u, of_u)), inverse))
    inner = add(add(left, right), _diagonal(along))
    result = _product(u, inner, _adjoint(v))
    if m > k:
        rest = _without(u, of_u)
        result = add(result, matmul(multiply(rest, _columns(inverse, rest.shape)), _adjoint(v)))
    if n > k:
        rest = _without(v, of_v)
        result = add(result, matmul(u, _adjoint(multiply(rest, _columns(inverse, rest.shape)))))
    return result


def _twist(q: Node, ct: Node) -> Node:
    """How a cotangent turns the columns into each other."""
    inner = matmul(_adjoint(q), ct)
    return subtract(inner, _adjoint(inner))


def _diagonal(vector: Node) -> Node:
    return _where_indices(equal, _columns(vector, (*vector.shape, vector.shape[-1])))


def _svdvals_vjp(ct: Node, out: Node, a: Node) -> Node:
    u, _, vh = unpack(svd(a, full=False), svd_parts(a.shape[-2:], full=False))
    return matmul(multiply(u, _columns(convert(ct, dtype=u.dtype), u.shape)), vh)


#: Packed: u, s and vh, as `svd_parts` says.
svd: Op = _row(
    "svd", lambda a, full: (sum(map(math.prod, svd_parts(a, full))),), _svd_reference, _by_gradients(each(_svd_vjp))
)
svdvals: Op = _row(
    "svdvals", lambda a: (min(a),), lambda a: np.linalg.svd(a, compute_uv=False),
    _by_gradients(each(_svdvals_vjp)), is_real=True,
)  # fmt: skip


def eigh_parts(n: int) -> tuple[Shape, Shape]:
    """The shapes of the eigenvalues and the eigenvectors."""
    return (n,), (n, n)


def _eigh_reference(a: np.ndarray, *, uplo: Any) -> np.ndarray:
    return _packed(a.shape[:-2], np.linalg.eigh(a, uplo), eigh_parts(a.shape[-1]), a.dtype)


def _eigh_vjp(ct: Node, out: Node, a: Node) -> Node:
    """LAPACK turns complex vectors until the first component is real, or the last, if it reads the upper triangle."""
    n = a.shape[-1]
    w, v = unpack(out, eigh_parts(n))
    of_w, of_v = unpack(ct, eigh_parts(n))
    turn = _imaginary_part(_column_products(v, of_v))
    of_v = _with_fixed_phase(v, of_v, turn, 0 if out.params["uplo"] == "L" else n - 1)
    gaps = _inverse_or_zero(subtract(_columns(w, v.shape), _rows(w, v.shape)))
    inner = add(_diagonal(_real_part(of_w)), multiply(gaps, matmul(_adjoint(v), of_v)))
    return _symmetric(_product(v, inner, _adjoint(v)))


def _eigvalsh_vjp(ct: Node, out: Node, a: Node) -> Node:
    _, v = unpack(eigh(a, **out.params), eigh_parts(a.shape[-1]))
    return matmul(multiply(v, _columns(convert(ct, dtype=v.dtype), v.shape)), _adjoint(v))


#: Packed: eigenvalues and eigenvectors; reads the triangle that ``uplo`` names.
eigh: Op = _row("eigh", lambda a, uplo: (_square(a) * (a[0] + 1),), _eigh_reference, _by_gradients(each(_eigh_vjp)))
eigvalsh: Op = _row(
    "eigvalsh", lambda a, uplo: (_square(a),),
    lambda a, *, uplo: np.linalg.eigvalsh(a, uplo),
    _by_gradients(each(_eigvalsh_vjp)), is_real=True,
)  # fmt: skip


# -- eigenvalues of any matrix -----------------------------------------------------------------------------------------


class _Complex(NamedTuple):
    """A complex value as two real nodes."""

    re: Node
    im: Node

    def times(self, other: _Complex, product: Callable[[Node, Node], Node] = multiply) -> _Complex:
        """The product of the elements, or of matrices."""
        re = subtract(product(self.re, other.re), product(self.im, other.im))
        return _Complex(re, add(product(self.re, other.im), product(self.im, other.re)))

    def plus(self, other: _Complex) -> _Complex:
        return _Complex(add(self.re, other.re), add(self.im, other.im))

    def scaled(self, by: Node) -> _Complex:
        return _Complex(multiply(self.re, by), multiply(self.im, by))

    def adjoint(self) -> _Complex:
        """The conjugate transpose."""
        return _Complex(swap_last(self.re), negative(swap_last(self.im)))

    def each(self, function: Callable[..., Node], *args: Any) -> _Complex:
        """The same done to both parts."""
        return _Complex(function(self.re, *args), function(self.im, *args))

    def inverse(self) -> _Complex:
        """Of a matrix; NaN where it has none."""
        n = self.re.shape[-1]
        whole = inv(_below(_beside(self.re, negative(self.im)), _beside(self.im, self.re)), or_nan=True)
        left = swap_last(_split_columns(whole, n)[0])
        return _Complex(*(swap_last(part) for part in _split_columns(left, n)))


def _below(upper: Node, lower: Node) -> Node:
    return concatenate(upper, lower, axis=upper.aval.ndim - 2)


def eig_parts(n: int) -> tuple[Shape, ...]:
    """The shapes of the eigenvalues and the eigenvectors: of real and imaginary parts of each."""
    return (n,), (n,), (n, n), (n, n)


def _eig_reference(a: np.ndarray) -> np.ndarray:
    w, v = np.linalg.eig(a)
    return _packed(a.shape[:-2], (w.real, w.imag, v.real, v.imag), eig_parts(a.shape[-1]), a.dtype)


def _eigvals_reference(a: np.ndarray) -> np.ndarray:
    w = np.linalg.eigvals(a)
    return np.concatenate((w.real, w.imag), axis=-1)


def _eig_vjp(ct: Node, out: Node, a: Node) -> Node:
    """LAPACK makes each vector's length 1 and its largest component real: neither moves."""
    if not a.aval.size:
        return zeros_like(a)
    parts = eig_parts(a.shape[-1])
    wr, wi, vr, vi = unpack(out, parts)
    of_wr, of_wi, of_vr, of_vi = unpack(ct, parts)
    v, of_v, shape = _Complex(vr, vi), _Complex(of_vr, of_vi), a.shape
    along = _Complex(add(multiply(of_vr, vr), multiply(of_vi, vi)), subtract(multiply(of_vr, vi), multiply(of_vi, vr)))
    length, phase = (_columns(reduce_sum(part, axes=(part.aval.ndim - 2,)), shape) for part in along)
    size = add(multiply(vr, vr), multiply(vi, vi))
    largest = argmax(size, axis=size.aval.ndim - 2)
    index = iota(length=shape[-1], dtype=largest.dtype)
    is_largest = equal(_columns(largest, shape), broadcast_to(reshape_to(index, (*index.shape, 1)), shape=shape))
    turn = where(is_largest, multiply(phase, _inverse_or_zero(vr)), zeros_like(vr))
    of_v = of_v.plus(v.scaled(negative(length))).plus(_Complex(zeros_like(vr), turn))
    gap = _Complex(*(subtract(_columns(w, shape), _rows(w, shape)) for w in (wr, wi)))
    slope = gap.scaled(_inverse_or_zero(add(multiply(gap.re, gap.re), multiply(gap.im, gap.im))))
    inner = slope.times(v.adjoint().times(of_v, matmul)).plus(_Complex(of_wr, of_wi).each(_diagonal))
    return v.inverse().adjoint().times(inner, matmul).times(v.adjoint(), matmul).re


def _eigvals_vjp(ct: Node, out: Node, a: Node) -> Node:
    n = a.shape[-1]
    _, _, vr, vi = unpack(eig(a), eig_parts(n))
    v, of_w = _Complex(vr, vi), _Complex(*unpack(ct, ((n,), (n,))))
    return v.inverse().adjoint().times(of_w.each(_diagonal), matmul).times(v.adjoint(), matmul).re


#: Packed: eigenvalues and eigenvectors of a real matrix, as `eig_parts` says.
eig: Op = _row("eig", lambda a: (2 * _square(a) * (a[0] + 1),), _eig_reference, each(_eig_vjp), dtypes=_REALS)
#: Packed: the real and the imaginary parts of the eigenvalues of a real matrix.
eigvals: Op = _row("eigvals", lambda a: (2 * _square(a),), _eigvals_reference, each(_eigvals_vjp), dtypes=_REALS)


def _complex_eig_reference(a: np.ndarray) -> np.ndarray:
    return _packed(a.shape[:-2], np.linalg.eig(a), eigh_parts(a.shape[-1]), a.dtype)


def _complex_eig_vjp(ct: Node, out: Node, a: Node) -> Node:
    """As in `_eig_vjp`."""
    if not a.aval.size:
        return zeros_like(a)
    parts = eigh_parts(a.shape[-1])
    w, v = unpack(out, parts)
    of_w, of_v = unpack(ct, parts)
    along = _column_products(v, of_v)
    size = add(multiply(real(v), real(v)), multiply(imag(v), imag(v)))
    largest = argmax(size, axis=size.aval.ndim - 2)
    index = broadcast_to(reshape_to(iota(length=v.shape[-1], dtype=_INDEX), (v.shape[-1], 1)), shape=v.shape)
    shift = multiply(_columns(_imaginary_part(along), v.shape), _inverse_or_zero(v))
    of_v = subtract(of_v, where(equal(_columns(largest, v.shape), index), shift, zeros_like(v)))
    of_v = subtract(of_v, multiply(v, _columns(_real_part(along), v.shape)))
    gaps = _inverse_or_zero(subtract(_columns(w, v.shape), _rows(w, v.shape)))
    inner = add(_diagonal(of_w), multiply(_conjugate(gaps), matmul(_adjoint(v), of_v)))
    return _product(_adjoint(inv(v, or_nan=True)), inner, _adjoint(v))


def _complex_eigvals_vjp(ct: Node, out: Node, a: Node) -> Node:
    _, v = unpack(complex_eig(a), eigh_parts(a.shape[-1]))
    return _product(_adjoint(inv(v, or_nan=True)), _diagonal(ct), _adjoint(v))


#: Packed: eigenvalues and eigenvectors of a complex matrix, as `eigh_parts` says.
complex_eig: Op = _row(
    "complex_eig", lambda a: (_square(a) * (a[0] + 1),), _complex_eig_reference, _by_gradients(each(_complex_eig_vjp)),
    dtypes=_COMPLEX,
)  # fmt: skip
#: The eigenvalues of a complex matrix.
complex_eigvals: Op = _row(
    "complex_eigvals",
    lambda a: (_square(a),),
    np.linalg.eigvals,
    _by_gradients(each(_complex_eigvals_vjp)),
    dtypes=_COMPLEX,
)


# -- least squares -----------------------------------------------------------------------------------------------------


def lstsq_parts(a: Shape, b: Shape) -> tuple[Shape, Shape, Shape]:
    """The shapes of the solution, the sums of squared residuals and the rank."""
    (_, n), (_, k) = a, b
    return (n, k), (k,), ()


def _lstsq_shape(a: Shape, b: Shape, rcond: float) -> Shape:
    if a[0] != b[0]:
        raise ValueError(f"lstsq: shapes {a} and {b} do not fit")
    return (sum(map(math.prod, lstsq_parts(a, b))),)


def _lstsq_reference(a: np.ndarray, b: np.ndarray, *, rcond: float) -> np.ndarray:
    """Of every matrix by itself, for NumPy's function takes no stacks; residuals that it leaves out are zero."""
    shapes = lstsq_parts(a.shape[-2:], b.shape[-2:])
    packed = np.zeros((*a.shape[:-2], *_lstsq_shape(a.shape[-2:], b.shape[-2:], rcond)), a.dtype)
    for at in np.ndindex(a.shape[:-2]):
        x, residuals, rank, _ = np.linalg.lstsq(a[at], b[at], rcond=rcond)
        residuals = residuals if residuals.shape == shapes[1] else np.zeros(shapes[1])
        packed[at] = _packed((), (x, residuals, rank), shapes, a.dtype)
    return packed


def _lstsq_vjp(ct: Node, out: Node, i: int) -> Node:
    """Of matrices of full rank."""
    a, b = out.inputs
    parts = lstsq_parts(a.shape[-2:], b.shape[-2:])
    x, _, _ = unpack(out, parts)
    of_x, of_residuals, _ = unpack(ct, parts)
    m, n = a.shape[-2:]
    of_b = _least_squares(_adjoint(a), of_x, out.params)
    of_residuals = _real_part(of_residuals)
    rest = subtract(b, matmul(a, x))
    grown = of_b if m <= n else add(of_b, multiply(multiply(rest, like(rest, 2)), _columns(of_residuals, rest.shape)))
    if i == 1:
        return grown
    of_a = negative(matmul(grown, _adjoint(x)))
    if m > n:
        return add(of_a, matmul(rest, _adjoint(_least_squares(a, of_b, out.params))))
    if m < n:
        back = _least_squares(_adjoint(a), x, out.params)
        return add(of_a, matmul(back, _adjoint(subtract(of_x, matmul(_adjoint(a), of_b)))))
    return of_a


def _least_squares(a: Node, b: Node, params: Params) -> Node:
    return unpack(lstsq(a, b, **params), lstsq_parts(a.shape[-2:], b.shape[-2:]))[0]


#: Packed: the solution, the sums of squared residuals and the rank, as `lstsq_parts` says.
lstsq: Op = _row("lstsq", _lstsq_shape, _lstsq_reference, _by_gradients(_lstsq_vjp))


def _pinv_vjp(ct: Node, out: Node, a: Node) -> Node:
    """G. Golub and V. Pereyra, 1973; right where the rank does not change nearby."""
    turned, back = _adjoint(out), _adjoint(ct)
    result = negative(_product(turned, ct, turned))
    left = _product(back, out, turned)
    right = _product(turned, out, back)
    result = add(result, subtract(left, _product(a, out, left)))
    return add(result, subtract(right, _product(right, out, a)))


#: The pseudo-inverse; singular values of at most ``rcond`` times the greatest count as zero.
pinv: Op = _row(
    "pinv", lambda a, rcond: a[::-1], lambda a, *, rcond: np.linalg.pinv(a, rcond=rcond), _by_gradients(each(_pinv_vjp))
)
