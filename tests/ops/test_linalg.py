"""Linear algebra on matrices that are large enough to be cut into blocks."""

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.ops.linalg import solve_triangular


@pytest.mark.parametrize("n", [49, 97, 130])
@pytest.mark.parametrize("is_complex", [False, True])
def test_gradient_of_cholesky_in_blocks(n: int, is_complex: bool) -> None:
    """The gradient of the logarithm of the determinant is the inverse; and of a sum over the factor, that of the formula."""
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, n)) + (1j * rng.normal(size=(n, n)) if is_complex else 0)
    a = x @ np.conj(x.T) + n * np.eye(n)
    slope = tg.grad(lambda a: 2 * np.sum(np.log(np.real(np.diag(np.linalg.cholesky(a))))))(a)
    np.testing.assert_allclose(slope, np.linalg.inv(a), atol=1e-14)

    w = rng.normal(size=(n, n))
    slope = tg.grad(lambda a: np.sum(np.real(np.linalg.cholesky(a)) * w))(a)
    factor = np.linalg.cholesky(a)
    inner = np.tril(np.conj(factor.T) @ w) * (1 - np.eye(n) / 2)
    half = np.conj(np.linalg.inv(factor).T) @ inner @ np.linalg.inv(factor)
    np.testing.assert_allclose(slope, (half + np.conj(half.T)) / 2, atol=1e-13)


@pytest.mark.parametrize("n", [48, 49, 130])
@pytest.mark.parametrize("lower", [False, True])
def test_substitution_in_blocks(n: int, lower: bool) -> None:
    """Of what is solved by substitution only one triangle is read."""
    rng = np.random.default_rng(n)
    a, b = rng.normal(size=(2, n, n)) + n * np.eye(n), rng.normal(size=(2, n, 3))
    expected = np.linalg.solve((np.tril if lower else np.triu)(a), b)
    np.testing.assert_allclose(solve_triangular.reference(a, b, lower=lower), expected, atol=1e-14)
