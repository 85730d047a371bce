"""Generators: what a state is, how draws advance it in and out of compiled functions, streams, shapes, errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.random import Generator, default_rng

METHODS: dict[str, Callable[[Generator], Any]] = {
    "random": lambda rng: rng.random((3, 5)),
    "random f32": lambda rng: rng.random((3, 5), np.float32),
    "standard_normal": lambda rng: rng.standard_normal(7),
    "standard_normal f32": lambda rng: rng.standard_normal(7, dtype=np.float32),
    "standard_exponential": lambda rng: rng.standard_exponential(7),
    "standard_cauchy": lambda rng: rng.standard_cauchy(7),
    "uniform": lambda rng: rng.uniform([0.0, 1.0], 3, (4, 2)),
    "normal": lambda rng: rng.normal(np.arange(3.0)),
    "lognormal": lambda rng: rng.lognormal(1, 0.5, 7),
    "exponential": lambda rng: rng.exponential(2.0, 7),
    "laplace": lambda rng: rng.laplace(1.0, 2.0, 7),
    "logistic": lambda rng: rng.logistic(1.0, 2.0, 7),
    "gumbel": lambda rng: rng.gumbel(1.0, 2.0, 7),
    "rayleigh": lambda rng: rng.rayleigh(2.0, 7),
    "weibull": lambda rng: rng.weibull(1.5, 7),
    "pareto": lambda rng: rng.pareto(3.0, 7),
    "power": lambda rng: rng.power(3.0, 7),
    "triangular": lambda rng: rng.triangular(-1.0, 0.5, 3.0, 7),
    "wald": lambda rng: rng.wald(2.0, 3.0, 7),
}


@pytest.mark.parametrize("name", METHODS)
def test_compiled_draws_are_those_outside(name: str) -> None:
    """To the bit, and the generator that was an argument has gone on as far."""
    one, other = default_rng(5), default_rng(5)
    for _ in range(2):
        np.testing.assert_array_equal(tg.compile(METHODS[name])(one), METHODS[name](other), strict=True)
        np.testing.assert_array_equal(one.state, other.state)
    assert one.state[1] > 0


def test_draws_among_other_work_are_the_same() -> None:
    """What a draw is fused with does not change it."""

    def function(x: np.ndarray, rng: Generator) -> Any:
        first = rng.normal(x, 2.0)
        return first, np.sum(np.exp(rng.random(x.shape)) * first), rng.exponential(x)

    x = np.linspace(1, 2, 10_007)
    compiled, plain = tg.compile(function)(x, default_rng(1)), function(x, default_rng(1))
    np.testing.assert_array_equal(compiled[0], plain[0])
    np.testing.assert_array_equal(compiled[2], plain[2])
    assert compiled[1] == pytest.approx(plain[1])


def test_seeds() -> None:
    """Equal seeds give equal numbers, others others; a generator is its own seed."""
    for seed in (0, 2**100, [1, 2], np.random.SeedSequence(3)):
        np.testing.assert_array_equal(default_rng(seed).random(4), default_rng(seed).random(4))
    firsts = {default_rng(seed).random() for seed in (*range(100), None, None)}
    assert len(firsts) == 102
    rng = default_rng(1)
    assert default_rng(rng) is rng
    with pytest.raises(ValueError, match="non-negative"):
        default_rng(-1)
    with pytest.raises(TypeError, match="SeedSequence"):
        default_rng("a")
