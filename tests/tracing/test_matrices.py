"""What numpy.linalg makes of other functions, traced, is NumPy's: norms, ranks, powers, products, diagonals."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced, interpreted

from tracegraph import grad

CLOSE = 1e-12
INF = np.inf


def values(shape: tuple[int, ...], dtype: Any = "f8") -> np.ndarray:
    return (np.random.default_rng(0).normal(size=shape) * 3).astype(dtype)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2), (2, 3, 4), (0, 3), (3, 0)], ids=str)
def test_diagonals(shape: tuple[int, ...]) -> None:
    """Every offset, also beyond the matrix; every pair of axes."""
    x = values(shape)
    for offset, axes in itertools.product(range(-5, 6), itertools.permutations(range(len(shape)), 2)):
        check_traced(lambda x, k=offset, a=axes: (np.diagonal(x, k, *a), x.trace(k, *a)), x, slack=CLOSE)
        check_traced(
            lambda x, k=offset: (np.linalg.diagonal(x, offset=k), np.linalg.trace(x, offset=k)), x, slack=CLOSE
        )
    check_traced(lambda x: (np.trace(x), x.diagonal(), np.trace(x, dtype="f8")), values(shape, "i1"))


@pytest.mark.parametrize("keepdims", [False, True])
def test_vector_norms(keepdims: bool) -> None:
    """Of every order, over each axis."""
    x = values((3, 4, 2))
    for order in (None, 2, 1, 0, INF, -INF, 3, 1.5, -1):
        for axis in (0, -1, (1,)):
            check_traced(lambda x, o=order, a=axis: np.linalg.norm(x, o, a, keepdims), x, slack=CLOSE)
        check_traced(lambda x, o=order: np.linalg.norm(x[0, 0], o, keepdims=keepdims), x, slack=CLOSE)
        if order is not None:
            for axis in (None, 0, (0, 1), (2, 0)):
                check_traced(
                    lambda x, o=order, a=axis: np.linalg.vector_norm(x, axis=a, keepdims=keepdims, ord=o),
                    x,
                    slack=CLOSE,
                )
    check_traced(lambda x: (np.linalg.norm(x), np.linalg.norm(x, keepdims=keepdims)), x, slack=CLOSE)


@pytest.mark.parametrize("keepdims", [False, True])
def test_matrix_norms(keepdims: bool) -> None:
    """Of every order, over each pair of axes."""
    x = values((3, 4, 2))
    for order in (None, "fro", "nuc", 1, -1, 2, -2, INF, -INF):
        for axis in ((0, 1), (2, 0), (-1, -2)):
            check_traced(lambda x, o=order, a=axis: np.linalg.norm(x, o, a, keepdims), x, slack=CLOSE)
        check_traced(lambda x, o=order: np.linalg.norm(x[0], o, keepdims=keepdims), x, slack=CLOSE)
        if order is not None:
            check_traced(lambda x, o=order: np.linalg.matrix_norm(x, keepdims=keepdims, ord=o), x, slack=CLOSE)


@pytest.mark.parametrize("dtype", ["f4", "i4", "?"])
def test_dtypes(dtype: str) -> None:
    """Norms of what is whole are in double precision."""
    x = values((3, 3), dtype)
    for order in (None, 1, 2, INF, "nuc"):
        check_traced(lambda x, o=order: np.linalg.norm(x, o), x, ulps=16, slack=1e-5)
    check_traced(lambda x: (np.linalg.norm(x[0]), np.linalg.norm(x[0], 3), np.linalg.norm(x[0], 0)), x, ulps=16)
    check_traced(lambda x: (np.linalg.matrix_rank(x), np.linalg.cond(x)), x, slack=1e-2)


def test_rank_and_condition() -> None:
    """Of full rank or not; where there is no inverse, infinite."""
    full, less = values((2, 3, 3)), np.outer([1.0, 2, 3], [4.0, 5, 6])
    for x in (full, less, np.zeros((2, 2)), np.stack([less, full[0]]), values((4, 2))):
        check_traced(np.linalg.matrix_rank, x)
        check_traced(lambda x: (np.linalg.matrix_rank(x, 0.1), np.linalg.matrix_rank(x, rtol=0.2)), x)
        check_traced(lambda x: (1 / np.linalg.cond(x), 1 / np.linalg.cond(x, 2), np.linalg.cond(x, -2)), x, slack=CLOSE)
    check_traced(lambda x: np.linalg.matrix_rank(x + x.T, hermitian=True), less)
    for order in (1, -1, INF, "fro"):
        for x in (full, np.zeros((2, 2)), np.stack([np.zeros((3, 3)), full[0], full[1] * np.nan])):
            check_traced(lambda x, o=order: 1 / np.linalg.cond(x, o), x, slack=CLOSE)
    for x in (np.zeros(3), np.ones(3)):
        check_traced(np.linalg.matrix_rank, x, native=True)


@pytest.mark.parametrize("n", [*range(-4, 9), 13])
def test_matrix_power(n: int) -> None:
    """Of either sign, and none; of a stack."""
    x = values((2, 3, 3)) / 3 + 2 * np.eye(3)
    check_traced(lambda x: np.linalg.matrix_power(x, n), x, ulps=64, slack=1e-9)
    if n >= 0:
        check_traced(lambda x: np.linalg.matrix_power(x, n), values((2, 2), "i4"))


def test_multi_dot() -> None:
    """In the order that costs least; vectors at the ends."""
    shapes = ((4, 2), (2, 5), (5, 1), (1, 6))
    matrices = [values(shape) for shape in shapes]
    for count in (2, 3, 4):
        check_traced(lambda *xs: np.linalg.multi_dot(xs), *matrices[:count], slack=CLOSE)
    a, b, c = matrices[0][0], matrices[1], values((5,))
    check_traced(lambda a, b, c: np.linalg.multi_dot([a, b, c]), a, b, c, slack=CLOSE)
    check_traced(lambda *xs: np.linalg.multi_dot(xs), a, *matrices[1:], slack=CLOSE)
    check_traced(
        lambda a, b, c, z: (np.linalg.multi_dot([a, b, c], out=z), z), *matrices[:3], np.zeros((4, 1)), slack=CLOSE
    )


def test_products() -> None:
    """The names that numpy.linalg has for NumPy's own functions."""
    x, y = values((2, 3, 4)), values((2, 4, 3))
    check_traced(lambda x, y: (np.linalg.matmul(x, y), np.linalg.matrix_transpose(x)), x, y, slack=CLOSE)
    check_traced(lambda x, y: np.linalg.tensordot(x, y, axes=((1,), (2,))), x, y, slack=CLOSE)
    check_traced(lambda x, y: np.linalg.outer(x[0, 0], y[0, 0]), x, y)


def test_tensors() -> None:
    """Inverses and systems of tensors, as matrices."""
    x = values((2, 3, 6)) + np.eye(6).reshape(2, 3, 6)
    check_traced(np.linalg.tensorinv, x, slack=CLOSE)
    check_traced(lambda x: np.linalg.tensorinv(x.reshape(6, 2, 3), 1), x, slack=CLOSE)
    check_traced(lambda x: np.linalg.tensorsolve(x, np.ones((2, 3))), x, slack=CLOSE)
    check_traced(lambda x: np.linalg.tensorsolve(x.reshape(2, 6, 3), np.ones(6), axes=(0,)), x, slack=CLOSE)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.linalg.norm(x) + np.linalg.norm(x, 1) + np.linalg.norm(x, INF) + np.linalg.norm(x, "nuc"),
        lambda x: np.linalg.norm(x, 2) + np.linalg.norm(x, 3, 0).sum() + np.linalg.norm(x, axis=1).prod(),
        lambda x: np.linalg.matrix_power(x, 3).sum() + np.linalg.matrix_power(x, -2).sum(),
        lambda x: np.linalg.cond(x) + np.linalg.trace(x) ** 2 + (np.diagonal(x, 1) ** 3).sum(),
    ],
)
def test_gradient(function: Callable[..., Any]) -> None:
    """By finite differences."""
    x = values((3, 3)) + 4 * np.eye(3)
    found = interpreted(grad(function))(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = 1e-5
        expected = (function(x + step) - function(x - step)) / 2e-5
        assert found[at] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (lambda x: np.diagonal(x[0]), "diag requires an array of at least two dimensions"),
        (lambda x: np.diagonal(x, 0, 1, 1), "axis1 and axis2 cannot be the same"),
        (lambda x: np.linalg.norm(x, "nuc", 0), "Invalid norm order 'nuc' for vectors"),
        (lambda x: np.linalg.norm(x, 3), "Invalid norm order for matrices."),
        (lambda x: np.linalg.norm(x, axis=(0, 0)), "Duplicate axes given."),
        (lambda x: np.linalg.norm(x[None], 1), "Improper number of dimensions to norm."),
        (lambda x: np.linalg.norm(x, axis=2), "axis 2 is out of bounds for array of dimension 2"),
        (lambda x: np.linalg.cond(x[:0]), "cond is not defined on empty arrays"),
        (lambda x: np.linalg.cond(x, 1), "Last 2 dimensions of the array must be square"),
        (lambda x: np.linalg.matrix_rank(x, 1, rtol=1), "`tol` and `rtol` can't be both set."),
        (lambda x: np.linalg.matrix_power(x, 2), "Last 2 dimensions of the array must be square"),
        (lambda x: np.linalg.matrix_power(x[:, :2], 2.0), "exponent must be an integer"),
        (lambda x: np.linalg.multi_dot([x]), "Expecting at least two arrays."),
        (lambda x: np.linalg.multi_dot([x, x[None], x]), "3-dimensional array given. Array must be two-dimensional"),
        (lambda x: np.linalg.outer(x, x), "Input arrays must be one-dimensional, but they are x1.ndim=2 and x2.ndim=2."),
        (lambda x: np.linalg.cross(x[:, :2], x), "Both input arrays must be (arrays of) 3-dimensional vectors, but"),
        (lambda x: np.linalg.tensorinv(x, 0), "Invalid ind argument."),
        (lambda x: np.linalg.tensorsolve(x, x[0]), "Input arrays must satisfy the requirement"),
    ],
)  # fmt: skip
def test_errors(function: Callable[..., Any], start: str) -> None:
    """What NumPy refuses is refused alike."""
    check_error(function, values((2, 3)), start=start)
