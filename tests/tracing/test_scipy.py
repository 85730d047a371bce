"""SciPy's distributions and linear algebra, where SciPy is installed: what they give compiled, against SciPy's own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tracegraph import compile, grad
from tracegraph.errors import UnsupportedError

stats = pytest.importorskip("scipy.stats")
linalg = pytest.importorskip("scipy.linalg")

X = np.array([-1.5, -0.2, 0.0, 0.3, 0.9, 1.0, 2.5, np.inf, np.nan])
K = np.array([-1.0, 0.0, 1.0, 1.5, 3.0, 6.0, 7.0, np.nan])
Q = np.array([-0.1, 0.0, 0.2, 0.5, 0.9, 1.0, 1.2])
HALF = np.random.default_rng(0).normal(size=(4, 4))
SPD = HALF @ HALF.T + 4 * np.eye(4)
B = np.random.default_rng(1).normal(size=(4, 2))

CONTINUOUS: dict[str, tuple[float, ...]] = {
    "norm": (), "expon": (), "uniform": (), "logistic": (), "laplace": (), "cauchy": (), "gumbel_r": (), "rayleigh": (),
    "beta": (1.3, 2.4), "gamma": (2.2,), "chi2": (3.4,), "lognorm": (0.8,), "weibull_min": (1.7,), "pareto": (2.5,),
    "t": (3.1,), "halfnorm": (),
}  # fmt: skip
DISCRETE: dict[str, tuple[float, ...]] = {
    "poisson": (2.3,),
    "binom": (6, 0.4),
    "bernoulli": (0.3,),
    "geom": (0.4,),
    "nbinom": (3, 0.4),
}


def same(function: Callable[..., Any], *args: Any) -> None:
    """Compiled, the function gives the kinds, shapes and values that it gives eagerly."""
    with np.errstate(all="ignore"):
        expected = function(*args)
        actual = compile(function)(*args)
    assert np.shape(actual) == np.shape(expected)
    assert np.asarray(actual).dtype == np.asarray(expected).dtype
    assert isinstance(actual, np.ndarray) == isinstance(expected, np.ndarray)
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("method", "pdf logpdf cdf logcdf sf logsf ppf isf".split())
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous(name: str, method: str) -> None:
    """Inside and outside of the support, moved and stretched, with wrong parameters, of a number."""
    call, shapes = lambda *args, **kwargs: getattr(getattr(stats, name), method)(*args, **kwargs), CONTINUOUS[name]
    points = Q if method in ("ppf", "isf") else X
    same(lambda x: call(x, *shapes), points)
    same(lambda x, s: call(x, *shapes, loc=0.2, scale=s), points, np.array([[0.7], [-1.0]]))
    same(lambda x: call(x, *shapes), 0.4)
    same(lambda x: getattr(getattr(stats, name)(*shapes, scale=2.0), method)(x), points)


@pytest.mark.parametrize("method", "pmf logpmf cdf sf".split())
@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name: str, method: str) -> None:
    """On and between whole numbers, inside and outside of the support."""
    call, shapes = lambda *args, **kwargs: getattr(getattr(stats, name), method)(*args, **kwargs), DISCRETE[name]
    same(lambda k: call(k, *shapes), K)
    same(lambda k, loc: call(k, *shapes, loc=loc), K, 1.0)
    same(lambda *given: call(np.array([0, 1, 2]), *given), *shapes)
    same(lambda k: call(k, *shapes), np.arange(4))


def test_of_several_variables() -> None:
    """With full, diagonal and single variances, of one point and many."""
    normal, dirichlet = stats.multivariate_normal, stats.dirichlet
    for method in ("logpdf", "pdf"):
        same(lambda x, m, c, f=method: getattr(normal, f)(x, m, c), B.T, B[:, 0], SPD)
        same(lambda x, m, c, f=method: getattr(normal, f)(x, m, c), B[:, 0], B[:, 1], np.diag(SPD))
        same(lambda x, c, f=method: getattr(normal, f)(x, cov=c), np.array([0.3, 0.8]), 1.7)
        same(lambda x, f=method: getattr(normal, f)(x), 0.3)
        same(lambda x, f=method: getattr(normal, f)(x, np.zeros(4)), B.T)
    same(lambda m, c: normal.entropy(m, c), B[:, 0], SPD)
    same(lambda a: dirichlet.logpdf(np.array([0.2, 0.3, 0.5]), a), np.array([1.2, 0.7, 3.0]))
    same(lambda x, a: dirichlet.pdf(x, a), np.array([[0.2, 0.1], [0.3, 0.6]]), np.array([1.2, 0.7, 3.0]))
    with pytest.raises(UnsupportedError, match="allow_singular"):
        compile(lambda x: normal.logpdf(x, np.zeros(2), np.ones((2, 2)), allow_singular=True))(np.ones(2))


def test_no_gradient_from_outside_of_the_support() -> None:
    """Where the density is zero, so is its slope."""
    slope = grad(lambda x: np.sum(stats.expon.pdf(x)))(np.array([-1.0, 0.5]))
    np.testing.assert_allclose(slope, [0.0, -np.exp(-0.5)])


LINALG: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (lambda a, b: linalg.solve(a, b), (SPD, B)),
    (lambda a, b: linalg.solve(a, b, assume_a="pos"), (np.triu(SPD), B)),
    (lambda a, b: linalg.solve(a, b, transposed=True), (HALF, B)),
    *(
        (lambda a, b, t=t, k=kwargs: linalg.solve_triangular(a, b, t, **k), (HALF, B[:, 0]))
        for t in (0, "N", 1, "T", 2, "C")
        for kwargs in ({}, {"lower": True}, {"unit_diagonal": True}, {"lower": True, "unit_diagonal": True})
    ),
    (lambda a: linalg.cholesky(a), (SPD,)),
    (lambda a: linalg.cholesky(a, lower=True), (np.tril(SPD),)),
    (lambda a, b: linalg.cho_solve(linalg.cho_factor(a), b), (SPD, B)),
    (lambda a, b: linalg.cho_solve(linalg.cho_factor(a, lower=True), b), (SPD, B)),
    (lambda a: linalg.det(a), (HALF,)),
    (lambda a: linalg.inv(a), (HALF,)),
    (lambda a: linalg.norm(a, 1), (HALF,)),
    (lambda a: linalg.norm(a, axis=1, keepdims=True), (HALF,)),
    (lambda a: linalg.svdvals(a), (B,)),
    (lambda a: linalg.svd(a, full_matrices=False)[1], (B,)),
    (lambda a, b: linalg.block_diag(a, b, 2.0, b[0]), (HALF, B)),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(LINALG)))
def test_linear_algebra(k: int) -> None:
    """With SciPy's own keywords."""
    function, args = LINALG[k]
    same(function, *args)
