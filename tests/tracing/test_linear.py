"""numpy.linalg, traced, is NumPy's: values, dtypes, named results, stacks, empty matrices, errors; and its derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.linalg import LinAlgError
from support.running import check_error, check_traced, interpreted

from tracegraph import compile, grad
from tracegraph.errors import UnsupportedError
from tracegraph.tracing.linear import FUNCTIONS

SQUARES = ((3, 3), (1, 1), (0, 0), (2, 3, 3), (2, 0, 2, 2))
OBLONGS = ((3, 3), (4, 2), (2, 4), (0, 3), (3, 0), (2, 4, 3), (0, 2, 2))
CLOSE = 1e-13


def matrix(shape: tuple[int, ...], dtype: Any = "f8", seed: int = 0) -> np.ndarray:
    """A regular matrix, or a stack of them, far from singular."""
    x = np.random.default_rng(seed).normal(size=shape)
    return (x + 3 * np.eye(*shape[-2:])).astype(dtype)


def symmetric(shape: tuple[int, ...], dtype: Any = "f8") -> np.ndarray:
    x = matrix(shape)
    return (x @ x.swapaxes(-1, -2) + np.eye(shape[-1])).astype(dtype)


OF_SQUARES: dict[str, Callable[..., Any]] = {
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "slogdet": np.linalg.slogdet,
    "solve": lambda x: np.linalg.solve(x, x + 1),
    "solve a vector": lambda x: np.linalg.solve(x, np.arange(x.shape[-1])),
    "solve one system for all": lambda x: np.linalg.solve(x, np.ones((x.shape[-1], 2))),
    "parts of slogdet": lambda x: (np.linalg.slogdet(x).sign, np.linalg.slogdet(x)[1]),
}
OF_SYMMETRIC: dict[str, Callable[..., Any]] = {
    "cholesky": np.linalg.cholesky,
    "upper": lambda x: np.linalg.cholesky(x, upper=True),
    "eigh": np.linalg.eigh,
    "eigh of the upper triangle": lambda x: np.linalg.eigh(x, "U"),
    "eigvalsh": np.linalg.eigvalsh,
    "eigvalsh of the upper triangle": lambda x: np.linalg.eigvalsh(x, UPLO="u"),
    "svd": lambda x: np.linalg.svd(x - 1.5, hermitian=True),
    "svd without vectors": lambda x: np.linalg.svd(x - 1.5, hermitian=True, compute_uv=False),
    "pinv": lambda x: np.linalg.pinv(x, hermitian=True),
}
OF_OBLONGS: dict[str, Callable[..., Any]] = {
    "qr": np.linalg.qr,
    **{mode: lambda x, mode=mode: np.linalg.qr(x, mode) for mode in ("complete", "r", "raw")},
    "svd": np.linalg.svd,
    "thin svd": lambda x: np.linalg.svd(x, full_matrices=False),
    "svd without vectors": lambda x: np.linalg.svd(x, compute_uv=False),
    "svdvals": np.linalg.svdvals,
    "named parts": lambda x: (np.linalg.svd(x).S, np.linalg.qr(x).R),
}


@pytest.mark.parametrize("shape", SQUARES, ids=str)
@pytest.mark.parametrize("name", OF_SQUARES)
def test_square_matrices(name: str, shape: tuple[int, ...]) -> None:
    """One, a stack, and without elements."""
    check_traced(OF_SQUARES[name], matrix(shape), slack=CLOSE)


@pytest.mark.parametrize("shape", SQUARES, ids=str)
@pytest.mark.parametrize("name", OF_SYMMETRIC)
def test_symmetric_matrices(name: str, shape: tuple[int, ...]) -> None:
    """Of which one triangle is read."""
    check_traced(OF_SYMMETRIC[name], symmetric(shape), slack=CLOSE)
    if "svd" not in name and "pinv" not in name:
        check_traced(OF_SYMMETRIC[name], symmetric(shape) + np.tri(shape[-1], k=-1) / 8, slack=CLOSE)


@pytest.mark.parametrize("shape", OBLONGS, ids=str)
@pytest.mark.parametrize("name", OF_OBLONGS)
def test_oblong_matrices(name: str, shape: tuple[int, ...]) -> None:
    """Higher, wider, without rows or columns."""
    check_traced(OF_OBLONGS[name], matrix(shape), slack=CLOSE)


@pytest.mark.parametrize("dtype", ["f4", "i4", "?"])
def test_dtypes(dtype: str) -> None:
    """What is whole becomes double precision, single stays so."""
    for function in (*OF_SQUARES.values(), *OF_OBLONGS.values()):
        check_traced(function, matrix((3, 3), dtype), ulps=64, slack=1e-6)
    for function in OF_SYMMETRIC.values():
        check_traced(function, symmetric((3, 3), dtype), ulps=64, slack=1e-5)
    check_traced(np.linalg.solve, matrix((3, 3), "f4"), matrix((3, 1), dtype), slack=1e-6)
    check_traced(lambda a, b: np.linalg.lstsq(a, b)[0], matrix((3, 3), "f4"), matrix((3, 2), dtype), slack=1e-5)


def test_solve_broadcasts() -> None:
    """Stacks of systems against stacks of right hand sides."""
    a, b = matrix((2, 1, 3, 3)), matrix((4, 3, 2))
    check_traced(np.linalg.solve, a, b, slack=CLOSE)
    check_traced(np.linalg.solve, a[0, 0], b, slack=CLOSE)
    check_traced(np.linalg.solve, a, b[0, :, 0], slack=CLOSE)


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_lstsq(rows: int) -> None:
    """Too few equations, as many as unknowns, more; without full rank there are no residuals."""
    a, b = matrix((rows, 3)), matrix((rows, 2))
    dependent = a.copy()
    dependent[:, 1] = dependent[:, 0]
    for run in (np.linalg.lstsq, lambda a, b: np.linalg.lstsq(a, b, 1e-8), lambda a, b: np.linalg.lstsq(a, b, -1)):
        check_traced(run, a, b, native=True, slack=1e-12)
        check_traced(run, a, b[:, 0], native=True, slack=1e-12)
    check_traced(np.linalg.lstsq, dependent, b, native=True, slack=1e-12)


def test_eig() -> None:
    """Real where all eigenvalues are."""
    for x in (np.triu(matrix((3, 3))), np.diag([1.0, 2]), np.zeros((0, 0)), symmetric((2, 3, 3), "f4")):
        check_traced(np.linalg.eig, x, native=True, slack=CLOSE)
        check_traced(lambda x: (np.linalg.eigvals(x), np.linalg.eig(x).eigenvectors), x, native=True, slack=CLOSE)


def test_pinv() -> None:
    """Every way to say what counts as zero."""
    for x in (matrix((4, 3)), matrix((2, 2, 3)), np.outer([1.0, 2], [3.0, 4, 5]), matrix((0, 3))):
        for how in ({}, {"rcond": 1e-3}, {"rtol": 1e-3}, {"rtol": None}):
            check_traced(lambda x, how=how: np.linalg.pinv(x, **how), x, slack=CLOSE)


def test_every_function_is_tried() -> None:
    """The tables above call every function that is traced."""
    names = {*OF_SQUARES, *OF_SYMMETRIC, *OF_OBLONGS, "lstsq", "pinv", "eig", "eigvals"}
    names |= {"cond", "tensorsolve", "diagonal", "trace"}  # in test_matrices
    assert {function.__name__ for function in FUNCTIONS} <= names


def test_natively() -> None:
    """Between stretches of native code; parts of one result, read as views."""

    def program(x: Any) -> Any:
        u, s, vh = np.linalg.svd(x * 2, full_matrices=False)
        w, v = np.linalg.eigh(x.swapaxes(-1, -2) @ x)
        return (u * s[..., None, :]) @ vh - 2 * x, np.log(w) + 1, (v * w[..., None, :]).sum(axis=-1)

    check_traced(program, matrix((5, 4, 3)), native=True, slack=1e-12)


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (np.linalg.inv, "Last 2 dimensions of the array must be square"),
        (np.linalg.det, "Last 2 dimensions of the array must be square"),
        (np.linalg.cholesky, "Last 2 dimensions of the array must be square"),
        (np.linalg.eigh, "Last 2 dimensions of the array must be square"),
        (lambda x: np.linalg.inv(x[0]), "1-dimensional array given. Array must be at least two-dimensional"),
        (lambda x: np.linalg.qr(x[0]), "1-dimensional array given. Array must be at least two-dimensional"),
        (lambda x: np.linalg.svd(x[0, 0]), "0-dimensional array given. Array must be at least two-dimensional"),
        (lambda x: np.linalg.qr(x, "thin"), "Unrecognized mode 'thin'"),
        (lambda x: np.linalg.eigh(x @ x.T, "M"), "UPLO argument must be 'L' or 'U'"),
        (lambda x: np.linalg.lstsq(x, x.T), "Incompatible dimensions"),
        (lambda x: np.linalg.lstsq(x[0], x), "1-dimensional array given. Array must be two-dimensional"),
        (lambda x: np.linalg.pinv(x, rcond=1, rtol=1), "`rtol` and `rcond` can't be both set."),
        (lambda x: np.linalg.solve(x @ x.T, x.T), "solve: Input operand 1 has a mismatch in its core dimension 0"),
        (lambda x: np.linalg.solve(x @ x.T, 1.0), "solve: Input operand 1 does not have enough dimensions"),
    ],
)  # fmt: skip
def test_errors(function: Callable[..., Any], start: str) -> None:
    """What NumPy refuses is refused alike."""
    check_error(lambda x: function(x), np.ones((2, 3)), start=start)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (np.linalg.inv, "Singular matrix"),
        (lambda x: np.linalg.solve(x, np.ones(3)), "Singular matrix"),
        (lambda x: np.linalg.cholesky(x - 1), "Matrix is not positive definite"),
        (lambda x: np.linalg.svd(x + np.nan), "SVD did not converge"),
        (lambda x: np.linalg.eig(x + np.inf), "Array must not contain infs or NaNs"),
    ],
)
def test_errors_of_values(function: Callable[..., Any], text: str) -> None:
    """What LAPACK finds out comes as NumPy's error, with the user's line; arguments stay as they were."""

    def program(x: Any) -> Any:
        x += 1
        return function(x - 1)

    x = np.zeros((3, 3))
    run = compile(program)
    for _ in range(2):
        with pytest.raises(LinAlgError) as caught:
            run(x)
        assert str(caught.value).startswith(f"{text}\n  at ")
        assert __file__ in str(caught.value)
        np.testing.assert_array_equal(x, np.zeros((3, 3)))


# -- derivatives -------------------------------------------------------------------------------------------------------


def check_gradient(function: Callable[..., Any], x: np.ndarray, tolerance: float = 1e-6) -> None:
    found = compile(grad(function))(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = 1e-5
        assert found[at] == pytest.approx(
            (function(x + step) - function(x - step)) / 2e-5, rel=tolerance, abs=tolerance
        )


def _definite(x: Any) -> Any:
    return x @ x.swapaxes(-1, -2) + np.eye(3)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.linalg.inv(x).sum(),
        lambda x: np.linalg.det(x).sum(),
        lambda x: (np.linalg.slogdet(x)[1] ** 2).sum(),
        lambda x: (np.linalg.solve(x, x * x) ** 2).sum(),
        lambda x: np.exp(np.linalg.cholesky(_definite(x))).sum(),
        lambda x: np.exp(np.linalg.cholesky(_definite(x), upper=True)).sum(),
        lambda x: (np.linalg.eigh(_definite(x))[1] ** 3 * np.arange(3)).sum(),
        lambda x: (np.linalg.eigvalsh(_definite(x), "U") ** 1.5).sum(),
        lambda x: (np.linalg.qr(x)[0] ** 3).sum() + (np.linalg.qr(x, "r") ** 2 * np.arange(3)).sum(),
        lambda x: (np.linalg.svd(x)[0] ** 3).sum() + (np.linalg.svdvals(x) ** 3).sum(),
        lambda x: (np.linalg.pinv(x[..., :2]) ** 2).sum(),
        lambda x: (np.linalg.eig(_definite(x))[1] ** 4).sum() + (np.linalg.eigvals(_definite(x)) ** 2).sum(),
        lambda x: (np.linalg.svd(_definite(x), hermitian=True)[2] ** 4 * np.arange(3)).sum(),
    ],
)
@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 3)], ids=str)
def test_gradient(function: Callable[..., Any], shape: tuple[int, ...]) -> None:
    """By finite differences of NumPy's own functions."""
    check_gradient(function, matrix(shape))


def test_gradient_of_lstsq() -> None:
    """By both operands, whatever the shape; of the residuals too."""
    for rows in (2, 3, 5):
        b = matrix((rows, 2))
        check_gradient(lambda x, b=b: (np.linalg.lstsq(x, b)[0] ** 2).sum(), matrix((rows, 3)))
        check_gradient(lambda b, rows=rows: (np.linalg.lstsq(matrix((rows, 3)), b)[0] ** 3).sum(), b)
    check_gradient(lambda x: np.linalg.lstsq(x, np.arange(5.0))[1].sum(), matrix((5, 3)))


def test_gradient_of_what_does_not_depend_on_the_basis() -> None:
    """The vectors beyond the thin ones may turn among themselves; what they span has a derivative."""

    def by_svd(x: Any) -> Any:
        _, _, vh = np.linalg.svd(x)
        rest = vh[2:]
        return ((rest.T @ rest) ** 2 * np.arange(4)).sum()

    def by_qr(x: Any) -> Any:
        rest = np.linalg.qr(x.T, "complete")[0][:, 2:]
        return ((rest @ rest.T) ** 2 * np.arange(4)).sum()

    for function in (by_svd, by_qr):
        check_gradient(function, matrix((2, 4)))


def test_gradient_of_the_determinant_of_a_singular_matrix() -> None:
    """It is the matrix of cofactors."""
    for x in (np.outer([1.0, 2, 3], [4.0, 5, 6]) + np.diag([1.0, 0, 0]), np.diag([1.0, 2, 0]), np.zeros((2, 2))):
        check_gradient(lambda x: np.linalg.det(x), x)


def test_gradient_where_eigenvalues_coincide() -> None:
    """Finite, for what does not depend on the choice of vectors right."""

    def rebuilt(x: Any) -> Any:
        w, v = np.linalg.eigh(x)
        return ((v * w) @ v.T * np.arange(9.0).reshape(3, 3)).sum()

    found = compile(grad(rebuilt))(np.eye(3))
    weights = np.arange(9.0).reshape(3, 3)
    np.testing.assert_allclose(found, np.diag(np.diag(weights)), atol=1e-12)


def test_modes_without_derivative() -> None:
    """They say so."""
    with pytest.raises(UnsupportedError, match="mode='raw' has no derivative"):
        interpreted(grad(lambda x: np.linalg.qr(x, "raw")[0].sum()))(matrix((3, 3)))
