"""Functions of scipy.linalg on placeholders: what NumPy can say, and the matrix exponential."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from tracegraph.errors import at
from tracegraph.ops import linalg
from tracegraph.tracing.lift import cast, node_of, result
from tracegraph.tracing.trace import user_where

__all__ = ["FUNCTIONS"]


def _expm(A: Any) -> Any:
    node = node_of(A)
    if node.aval.size == 1 and node.aval.ndim < 2:
        return np.reshape(np.exp(result(node)), (1, 1))
    if node.aval.ndim < 2:
        raise LinAlgError(at("The input array must be at least two-dimensional", user_where()))
    if node.shape[-1] != node.shape[-2]:
        raise LinAlgError(at("Last 2 dimensions of the array must be square", user_where()))
    dtype = np.result_type(node.dtype, np.float32) if node.dtype.kind in "fc" else np.dtype(float)
    return result(linalg.expm(cast(node, dtype)), is_array=True)


def _solve(
    a: Any, b: Any, lower: bool = False, overwrite_a: bool = False, overwrite_b: bool = False, check_finite: bool = True,
    assume_a: str | None = None, transposed: bool = False,
) -> Any:  # fmt: skip
    if assume_a in ("sym", "her", "pos", "symmetric", "hermitian", "positive definite"):
        a = _hermitian(a, lower)
    return np.linalg.solve(np.swapaxes(a, -1, -2) if transposed else a, b)


def _hermitian(a: Any, lower: bool) -> Any:
    """The matrix of which only one triangle is read."""
    half = np.tril(a, -1) if lower else np.triu(a, 1)
    return half + np.conj(np.swapaxes(half, -1, -2)) + a * np.eye(a.shape[-1])


def _solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    triangle = (np.tril if lower else np.triu)(a, -1 if unit_diagonal and lower else int(unit_diagonal))
    if unit_diagonal:
        triangle = triangle + np.eye(np.shape(a)[-1])
    if trans in (1, "T", 2, "C"):
        triangle = np.swapaxes(triangle, -1, -2)
    return np.linalg.solve(np.conj(triangle) if trans in (2, "C") else triangle, b)


def _cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    factor = np.linalg.cholesky(_hermitian(a, lower))
    return factor if lower else np.conj(np.swapaxes(factor, -1, -2))


def _cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> tuple[Any, bool]:
    return _cholesky(a, lower), lower


def _cho_solve(c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    factor, lower = c_and_lower
    first, second = ("N", "C") if lower else ("C", "N")
    return _solve_triangular(factor, _solve_triangular(factor, b, first, lower), second, lower)


def _det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.det(a)


def _inv(
    a: Any, overwrite_a: bool = False, check_finite: bool = True, *, assume_a: Any = None, lower: bool = False
) -> Any:
    return np.linalg.inv(_hermitian(a, lower) if assume_a in ("sym", "her", "pos") else a)


def _norm(a: Any, ord: Any = None, axis: Any = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.norm(a, ord, axis, keepdims)


def _svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.svd(a, compute_uv=False)


def _svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, overwrite_a: bool = False, check_finite: bool = True,
    lapack_driver: str = "gesdd",
) -> Any:  # fmt: skip
    return np.linalg.svd(a, full_matrices, compute_uv)  # type: ignore[call-overload]


def _block_diag(*arrs: Any) -> Any:
    blocks = [np.atleast_2d(a) for a in arrs] or [np.zeros((1, 0))]
    widths = [block.shape[1] for block in blocks]
    rows = []
    for k, block in enumerate(blocks):
        sides = (sum(widths[:k]), sum(widths[k + 1 :]))
        rows.append(
            np.concatenate([np.zeros((block.shape[0], sides[0])), block, np.zeros((block.shape[0], sides[1]))], axis=1)
        )
    return np.concatenate(rows)


#: By name, for SciPy is not imported for their sake.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "expm": _expm,
    "solve": _solve,
    "solve_triangular": _solve_triangular,
    "cholesky": _cholesky,
    "cho_factor": _cho_factor,
    "cho_solve": _cho_solve,
    "det": _det,
    "inv": _inv,
    "norm": _norm,
    "svdvals": _svdvals,
    "svd": _svd,
    "block_diag": _block_diag,
}
