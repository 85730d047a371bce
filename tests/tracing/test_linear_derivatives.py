"""Gradients through numpy.linalg against differences: norms of all orders, factorisations and what is made of them, of real
and of complex matrices."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg

INF = np.inf
#: A function of real value, and the shape of its argument.
TABLE: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    **{f"norm of vectors, {order}": (lambda x, order=order: np.linalg.norm(x, order), (5,))
       for order in (None, 0, 1, -1, 2, -2, 3, 0.5, -3, INF, -INF)},
    **{f"norm of matrices, {order}": (lambda x, order=order: np.linalg.norm(x, order), (3, 4))
       for order in (None, "fro", "nuc", 1, -1, 2, -2, INF, -INF)},
    **{f"cond, {order}": (lambda x, order=order: np.linalg.cond(x, order), (3, 3))
       for order in (None, 1, -1, 2, -2, "fro", INF)},
    "matrix_power": (lambda a: np.sum(np.abs(np.linalg.matrix_power(a, 3))), (3, 3)),
    "matrix_power of the inverse": (lambda a: np.sum(np.abs(np.linalg.matrix_power(a, -2))), (3, 3)),
    "pinv of hermitian": (lambda a: np.sum(np.abs(np.linalg.pinv(a @ np.conj(a.T), hermitian=True))), (3, 3)),
    "det": (lambda a: np.abs(np.linalg.det(a)), (3, 3)),
    "slogdet": (lambda a: np.linalg.slogdet(a)[1] + np.real(np.linalg.slogdet(a)[0]) ** 3, (3, 3)),
    "cholesky": (lambda a: np.sum(np.abs(np.linalg.cholesky(a @ np.conj(a.T) + np.eye(3))) ** 3), (3, 3)),
    "eigvals": (lambda a: np.sum(np.abs(np.linalg.eigvals(a)) ** 2), (3, 3)),
    "eig": (lambda a: np.sum(np.abs(np.linalg.eig(a)[1]) ** 3), (3, 3)),
    "eigh": (lambda a: np.sum(np.abs(np.linalg.eigh(a + np.conj(a.T))[1][0]) ** 4), (3, 3)),
    "svd": (lambda a: np.sum(np.abs(np.linalg.svd(a)[0]) ** 3), (3, 3)),
    "svd of tall": (lambda a: np.sum(np.abs(np.linalg.svd(a)[0][:, :2]) ** 3), (5, 2)),
    "phases of tall": (lambda a: np.real(np.sum(np.linalg.svd(a, full_matrices=False)[0] ** 2)), (9, 2)),
    "phases of wide": (lambda a: np.real(np.sum(np.linalg.svd(a, full_matrices=False)[2] ** 2)), (2, 9)),
    "svdvals": (lambda a: np.sum(np.linalg.svdvals(a) ** 3), (2, 5)),
    "qr": (lambda a: np.sum(np.abs(np.linalg.qr(a)[0]) ** 3), (3, 3)),
    "lstsq": (lambda a: np.sum(np.abs(np.linalg.lstsq(a, np.arange(3.0), rcond=None)[0])), (3, 3)),
    "lstsq with residuals": (
        lambda a: sum(np.sum(np.abs(x)) for x in np.linalg.lstsq(a, np.arange(5.0), rcond=None)[:2]), (5, 3),
    ),
    "multi_dot": (lambda a: np.abs(np.sum(np.linalg.multi_dot([a, a, a]))), (3, 3)),
}  # fmt: skip


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("name", TABLE)
def test_gradient(name: str, is_complex: bool) -> None:
    """``df/dx + i df/dy``, element by element."""
    f, shape = TABLE[name]
    rng = np.random.default_rng(3)
    x = rng.normal(size=shape) + (1j * rng.normal(size=shape) if is_complex else 0)
    slope = tg.grad(f)(x)
    expected = np.zeros_like(x)
    for k in np.ndindex(shape):
        for unit in (1, 1j) if is_complex else (1,):
            step = np.zeros_like(x)
            step[k] = 1e-6 * unit
            expected[k] += unit * (f(x + step) - f(x - step)) / 2e-6
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-7)
