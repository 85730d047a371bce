"""What is drawn has the distribution that it should have: moments, and Kolmogorov's distance where SciPy is at hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.ops.random import random_bits
from tracegraph.random import Generator, default_rng

COUNT = 100_000

#: NumPy's method, what it is called with, and SciPy's distribution with what that is called with.
LAWS: list[tuple[str, tuple[Any, ...], str, tuple[Any, ...]]] = [
    ("random", (), "uniform", ()),
    ("uniform", (-1.0, 3.0), "uniform", (-1, 4)),
    ("standard_normal", (), "norm", ()),
    ("normal", (1.0, 2.0), "norm", (1, 2)),
    ("lognormal", (0.5, 0.3), "lognorm", (0.3, 0, np.exp(0.5))),
    ("exponential", (2.0,), "expon", (0, 2)),
    ("laplace", (1.0, 2.0), "laplace", (1, 2)),
    ("logistic", (1.0, 2.0), "logistic", (1, 2)),
    ("gumbel", (1.0, 2.0), "gumbel_r", (1, 2)),
    ("rayleigh", (2.0,), "rayleigh", (0, 2)),
    ("weibull", (1.5,), "weibull_min", (1.5,)),
    ("pareto", (3.0,), "lomax", (3.0,)),
    ("power", (3.0,), "powerlaw", (3.0,)),
    ("triangular", (-1.0, 0.5, 3.0), "triang", (0.375, -1, 4)),
    ("triangular", (0.0, 0.0, 1.0), "triang", (0, 0, 1)),
    ("wald", (2.0, 3.0), "invgauss", (2 / 3, 0, 3)),
    ("standard_cauchy", (), "cauchy", ()),
    ("standard_gamma", (0.3,), "gamma", (0.3,)),
    ("gamma", (2.5, 3.0), "gamma", (2.5, 0, 3)),
    ("beta", (0.5, 2.0), "beta", (0.5, 2)),
    ("chisquare", (3.0,), "chi2", (3,)),
    ("f", (3.0, 5.0), "f", (3, 5)),
    ("standard_t", (4.0,), "t", (4,)),
    ("vonmises", (0.0, 2.0), "vonmises", (2,)),
]


@pytest.mark.parametrize("row", LAWS, ids=lambda row: row[0])
def test_distribution(row: tuple[Any, ...]) -> None:
    """No larger distance from the distribution function than chance explains."""
    stats = pytest.importorskip("scipy.stats")
    name, args, expected, given = row
    sample = getattr(default_rng(11), name)(*args, size=COUNT)
    assert stats.kstest(sample, expected, given).pvalue > 1e-3


@pytest.mark.parametrize("name", ["random", "standard_normal", "standard_exponential"])
def test_single_precision(name: str) -> None:
    """float32 draws are of the same distribution."""
    stats = pytest.importorskip("scipy.stats")
    expected = {"random": "uniform", "standard_normal": "norm", "standard_exponential": "expon"}[name]
    sample = getattr(default_rng(12), name)(COUNT, dtype=np.float32)
    assert sample.dtype == np.float32
    assert stats.kstest(sample.astype(float), expected).pvalue > 1e-3


#: A draw of many, its mean and its variance.
MOMENTS: list[tuple[str, Callable[[Generator], Any], float, float]] = [
    ("random", lambda rng: rng.random(COUNT), 1 / 2, 1 / 12),
    ("normal", lambda rng: rng.normal(1, 2, COUNT), 1, 4),
    ("normal f32", lambda rng: rng.standard_normal(COUNT, np.float32), 0, 1),
    ("exponential", lambda rng: rng.exponential(2, COUNT), 2, 4),
    ("gumbel", lambda rng: rng.gumbel(0, 1, COUNT), np.euler_gamma, np.pi**2 / 6),
    ("integers", lambda rng: rng.integers(-3, 8, COUNT), 2, 10),
    ("integers, wide", lambda rng: rng.integers(0, 2**62, COUNT) / 2.0**62, 1 / 2, 1 / 12),
    ("integers, all", lambda rng: rng.integers(-(2**63), 2**63, COUNT) / 2.0**63, 0, 1 / 3),
    ("bytes", lambda rng: np.frombuffer(rng.bytes(COUNT), np.uint8), 127.5, (256**2 - 1) / 12),
    ("binomial", lambda rng: rng.binomial(10, 0.3, COUNT), 3, 2.1),
    ("poisson", lambda rng: rng.poisson(4.0, COUNT), 4, 4),
    ("geometric", lambda rng: rng.geometric(0.25, COUNT), 4, 12),
    ("negative_binomial", lambda rng: rng.negative_binomial(3, 0.5, COUNT), 3, 6),
    ("hypergeometric", lambda rng: rng.hypergeometric(6, 4, 5, COUNT), 3, 2 / 3),
    ("choice", lambda rng: rng.choice([1.0, 5.0], COUNT, p=[0.75, 0.25]), 2, 3),
    ("dirichlet", lambda rng: rng.dirichlet([1.0, 1.0], COUNT)[:, 0], 1 / 2, 1 / 12),
]


@pytest.mark.parametrize("row", MOMENTS, ids=lambda row: row[0])
def test_moments(row: tuple[Any, ...]) -> None:
    """Mean within five standard errors; variance within a few per cent."""
    _, draw, mean, variance = row
    sample = draw(default_rng(13))
    assert abs(np.mean(sample) - mean) < 5 * np.sqrt(variance / COUNT)
    assert np.var(sample) == pytest.approx(variance, rel=0.05)


def test_correlated_normals() -> None:
    """Their covariance is the one that was asked for, however it is taken apart."""
    cov = np.array([[2.0, 0.6], [0.6, 1.0]])
    for method in ("svd", "eigh", "cholesky"):
        sample = default_rng(14).multivariate_normal([1.0, -1.0], cov, COUNT, method=method)
        np.testing.assert_allclose(np.cov(sample.T), cov, atol=0.05)
        np.testing.assert_allclose(sample.mean(axis=0), [1, -1], atol=0.03)


def test_every_integer_is_as_likely() -> None:
    """Of a range that is no power of two; ends included as asked."""
    counts = np.bincount(default_rng(15).integers(7, size=70_000), minlength=7)
    assert counts.size == 7
    assert np.sum((counts - 10_000) ** 2 / 10_000) < 25
    assert set(default_rng(15).integers(-2, 2, 100, endpoint=True)) == {-2, -1, 0, 1, 2}
    assert set(default_rng(15).integers(0, 2, 100, dtype=bool)) == {False, True}


def test_permutations_are_as_likely() -> None:
    """Each of the six orders of three elements."""
    rng = default_rng(16)
    orders = rng.permuted(np.tile(np.arange(3), (60_000, 1)), axis=1)
    codes, counts = np.unique(orders @ [9, 3, 1], return_counts=True)
    assert codes.size == 6
    assert np.sum((counts - 10_000) ** 2 / 10_000) < 25


# -- the bits ----------------------------------------------------------------------------------------------------------


def test_known_answers() -> None:
    """Those that the authors of Threefry publish with it."""
    words = [(0, 0), (2**64 - 1, 2**64 - 1), (0x85A308D3243F6A88, 0x0370734413198A2E)]
    counter, key = np.array(words, np.uint64).T
    expected = np.array([0x99BA4EFE6B200159, 0xBB002BE71CB996FC, 0x483DF7A0C4923A9C], np.uint64)
    np.testing.assert_array_equal(random_bits.reference(counter, key), expected)


@pytest.mark.parametrize("step", [1, 2**32, 0x9E3779B97F4A7C15])
@pytest.mark.parametrize("along", ["counter", "key"])
def test_bits_are_independent(step: int, along: str) -> None:
    """Each bit is set half the time, and neighbours along counters or keys agree in half of their bits."""
    n = 1 << 14
    moving = np.arange(n, dtype=np.uint64) * np.uint64(step)
    fixed = np.full(n, 5, np.uint64)
    words = random_bits.reference(*((moving, fixed) if along == "counter" else (fixed, moving)))
    bits = np.unpackbits(words[:, None].view(np.uint8), axis=1).astype(float) - 0.5
    assert np.max(np.abs(bits.mean(axis=0))) < 5 * 0.5 / np.sqrt(n)
    correlation = 4 * bits.T @ bits / n - np.eye(64)
    assert np.max(np.abs(correlation)) < 6 / np.sqrt(n)
    assert np.max(np.abs(4 * bits[1:].T @ bits[:-1] / n)) < 6 / np.sqrt(n)


def test_bytes_of_words_are_uniform() -> None:
    """Chi-square of the 256 values of a byte."""
    counts = np.bincount(np.frombuffer(default_rng(17).bytes(1 << 18), np.uint8), minlength=256)
    chi = np.sum((counts - 1024.0) ** 2 / 1024)
    assert 150 < chi < 370


# -- derivatives -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["normal", "uniform", "lognormal", "laplace", "logistic", "gumbel", "exponential", "rayleigh", "weibull",
             "pareto", "power", "wald", "triangular", "gamma"]
)  # fmt: skip
def test_derivative_by_parameters(name: str) -> None:
    """The derivative of a mean of draws, by differences with the same random words."""
    base = {"uniform": (0.5, 2.0), "triangular": (0.5, 1.5, 3.0), "gamma": (2.0, 1.5)}.get(name, (1.5, 0.7))
    free = [1] if name == "gamma" else range(len(base))
    if name in ("exponential", "rayleigh", "weibull", "pareto", "power"):
        base, free = (2.5,), [0]

    def mean(*params: Any) -> Any:
        return np.mean(np.sin(getattr(default_rng(18), name)(*params, size=200)))

    for k in free:
        moved = [[value + sign * 1e-5 * (i == k) for i, value in enumerate(base)] for sign in (1, -1)]
        expected = (mean(*moved[0]) - mean(*moved[1])) / 2e-5
        assert tg.grad(mean, argnums=k)(*base) == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_derivative_of_a_rejected_draw_is_refused() -> None:
    """By a parameter that decides what is accepted."""
    with pytest.raises(tg.UnsupportedError, match="standard_gamma has no derivative"):
        tg.grad(lambda a, rng: rng.standard_gamma(a))(2.0, default_rng(0))
