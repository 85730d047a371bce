"""Every size of array, from none to enough for all threads, gives what NumPy gives: one graph of many kinds of loops."""

import numpy as np
import pytest

import tracegraph as tg

SIZES = (0, 1, 7, 1_000, 20_000, 50_001, 100_003, 200_000, 262_143, 262_144, 700_001)


@pytest.fixture(scope="module")
def reductions():
    """Reductions over heavy and light elementwise chains, with work behind them."""

    @tg.compile
    def function(x):
        heavy = np.exp(x) * np.tanh(x + 1) + np.log1p(x * x)
        total = np.sum(heavy)
        return (
            total,
            np.sum(x),
            np.max(heavy - x),
            np.mean(heavy * total),
            np.prod(1 + heavy * 1e-7),
            np.min(np.sqrt(x * x + 1)),
        )

    return function


@pytest.mark.parametrize("n", SIZES[1:])
def test_fused_reductions(reductions, n: int) -> None:
    """However a reduction is cut among threads, all of its elements count."""
    x = np.linspace(-1, 1, n)
    for expected, actual in zip(reductions.__wrapped__(x), reductions(x), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-11 * n)


@pytest.mark.parametrize("n", SIZES[1:])
def test_positions(n: int) -> None:
    """The first of equal elements, wherever it lies."""
    compiled = tg.compile(lambda x: (np.argmax(x), np.argmin(x * 2 + 1)))
    for place in {0, n // 3, n // 2, n - 1}:
        x = np.zeros(n)
        x[place] = 1
        x[place + 1 :: 2] = 1
        assert compiled(x)[0] == place
        assert compiled(-x)[1] == place


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("axis", [0, 1])
def test_rows_and_columns(n: int, axis: int) -> None:
    """Long and short reduced axes, with a result that is used again along the other."""
    shape = (n, 3) if axis == 0 else (3, n)
    x = np.arange(3.0 * n).reshape(shape) / (3 * n + 1)
    f = lambda x: np.exp(x) / (1 + np.sum(np.exp(x * 0.5) * x, axis=axis, keepdims=True))  # noqa: E731
    np.testing.assert_allclose(tg.compile(f)(x), f(x), rtol=1e-11)


@pytest.mark.parametrize("n", SIZES)
def test_elementwise_and_writes(n: int) -> None:
    """Chains, parts written into, concatenation, reversed and strided reading."""

    def f(x):
        y = np.tanh(x) * 3
        y[1::2] += x[1::2]
        y[: n // 2] = 0.5
        return np.concatenate([y[::-1], x]), y, np.where(x > 0, x, y[::-1])

    x = np.linspace(-1, 1, n)
    for expected, actual in zip(f(x), tg.compile(f)(x), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-13)


@pytest.mark.parametrize("n", [*range(1, 20), *SIZES[2:]])
def test_two_calls_side_by_side(n: int) -> None:
    """Functions that call C's for rare operands, twice in one loop, end where their arrays end."""
    x = np.linspace(-3, 3, n)
    y = tg.compile(lambda x: np.cos(x) + np.cos(x * 3.0))(x)
    np.testing.assert_allclose(y, np.cos(x) + np.cos(x * 3.0), rtol=1e-14, atol=1e-15)
