"""Histograms, bins, tables as functions and bits, as in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced, functions_called, interpreted

from tracegraph import grad
from tracegraph.ir import DTYPES
from tracegraph.tracing.counting import FUNCTIONS
from tracegraph.tracing.trace import Trace

over = pytest.mark.parametrize


def values(*shape: int, dtype: Any = "f8", seed: int = 0) -> np.ndarray:
    """With ties, on the edges of bins and beyond them."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return np.asarray(rng.integers(-6, 9, shape) / 2, dtype)
    return rng.integers(0, 2 if np.dtype(dtype).kind == "b" else 9, shape).astype(dtype)


V, X = values(20), values(3, 4)
XP, FP = np.array([-2.0, -0.5, 0.0, 1.5, 3.0]), values(5, seed=1)
WEIGHTS = values(20, seed=2)
EDGES = np.array([-2.0, -1.0, 0.5, 3.0])
EMPTY = np.zeros(0)
ROWS: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
    (lambda x, xp, fp: (np.interp(x, xp, fp), np.interp(0.7, xp, fp), np.interp(x[0, 0], xp, fp)), (X, XP, FP)),
    (lambda x, xp, fp: (np.interp(x, xp, fp, left=-9), np.interp(x, xp, fp, 7, right=np.nan)), (X, XP, FP)),
    (lambda x, xp, fp, w: (np.interp(x, xp, fp, w, w), np.interp(w, xp, fp, 1, 2)), (X, XP, FP, 9.5)),
    (lambda x: np.interp(x, [1, 2, 3], [3.0, 2.0, 0.0]), (X,)),
    (lambda x: np.interp([0.5, np.nan, 2.5], [1, 2, 3], x), (values(3),)),
    (lambda x: np.interp(x, [1], [2]), (X.astype("f4"),)),
    (lambda x: np.interp(x, x, x), (np.arange(4),)),
    (lambda x, e: (np.digitize(x, e), np.digitize(x, e, right=True), np.digitize(x, e[::-1]), np.digitize(0.5, e)),
     (X, EDGES)),
    (lambda x: (np.digitize(x, [1, 2, 5]), np.digitize(x, np.array([1.5, 2.5]), True)), (values(7, dtype="i4"),)),
    (lambda x: (np.histogram(x), np.histogram(x, 4), np.histogram(x, bins=3, density=True)), (V,)),
    (lambda x: (np.histogram(x, 4, (-1, 2)), np.histogram(x, 4, (0.0, 0.0)), np.histogram(x, range=(-1.5, 2))), (V,)),
    (lambda x, w: (np.histogram(x, 4, weights=w), np.histogram(x, 4, (-1, 2), weights=w, density=True)), (V, WEIGHTS)),
    (lambda x, e: (np.histogram(x, e), np.histogram(x, e, density=True), np.histogram(x, [-1, 0, 1])), (X, EDGES)),
    (lambda x, w: np.histogram(x, 4, weights=w), (V, WEIGHTS.astype("i4"))),
    (lambda x: (np.histogram(x, 3), np.histogram(x, 3, (1, 5))), (values(9, dtype="i4"),)),
    (lambda x: (np.histogram(x, 3), np.histogram(x, 3, (1, 5)), np.histogram_bin_edges(x, 3, (0.1, 0.7))),
     (values(9, dtype="f4"),)),
    (lambda x: (np.histogram(x, 3), np.histogram_bin_edges(x)), (EMPTY,)),
    (lambda x, e: (np.histogram_bin_edges(x, 7), np.histogram_bin_edges(x, e), np.histogram_bin_edges(x, 2, (0, 1))),
     (V, EDGES)),
    (lambda x, y: (np.histogram2d(x, y), np.histogram2d(x, y, 3, density=True)), (V, WEIGHTS)),
    (lambda x, y, e: (np.histogram2d(x, y, e), np.histogram2d(x, y, [3, e]), np.histogram2d(x, y, (2, 4))),
     (V, WEIGHTS, EDGES)),
    (lambda x, y: np.histogram2d(x, y, 3, [[-1, 2], [0, 3]], weights=y), (V, WEIGHTS)),
    (lambda x: (np.histogramdd(x, 3), np.histogramdd(x, (2, 3, 4), density=True)), (values(20, 3),)),
    (lambda x: np.histogramdd(x, 3), (values(20, 2, dtype="f4"),)),
    (lambda x: (np.packbits(x), np.packbits(x, 0), np.packbits(x, axis=-1, bitorder="little")), (values(3, 11, dtype="?"),)),
    (lambda x: np.packbits(x), (np.arange(-2, 9),)),
    (lambda x: (np.unpackbits(x), np.unpackbits(x, 0), np.unpackbits(x, -1, 5), np.unpackbits(x, axis=1, count=40),
                np.unpackbits(x, count=-3, bitorder="little")), (np.arange(12, dtype="u1").reshape(3, 4) * 21,)),
)  # fmt: skip


@over("k", range(len(ROWS)))
def test_functions(k: int) -> None:
    """Keywords, dtypes, lists and numbers, empty ones."""
    function, args = ROWS[k]
    check_traced(function, *args, ulps=4, slack=1e-15)


def known_arguments(patch: pytest.MonkeyPatch, *args: np.ndarray) -> None:
    """Lets a trace know the values of its arguments, as it does once it has run what it has so far."""
    from tracegraph.backends import reference
    from tracegraph.ir import Graph, toposort

    def decide(self: Trace, node: Any) -> np.ndarray:
        inputs = [each for each in toposort([node]) if each.op.kind == "input"]
        return reference.run(Graph(inputs, [node]), args[: len(inputs)])[0]

    patch.setattr(Trace, "decide", decide)


def test_bincount(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the greatest value says, which is looked at while tracing."""
    for dtype in (dtype for dtype in DTYPES if dtype.kind in "iub" and dtype != np.uint64):
        x = values(9, dtype=dtype)
        known_arguments(monkeypatch, x)
        check_traced(lambda x: (np.bincount(x), np.bincount(x, minlength=4), np.bincount(x, minlength=20)), x)
        check_traced(lambda x, w: np.bincount(x, w), x, values(9, seed=1))
        check_traced(lambda x, w: np.bincount(x, weights=w, minlength=12), x, values(9, seed=1, dtype="i4"))
    check_traced(lambda x: np.bincount(x, minlength=3), np.zeros(0, int))
    check_error(
        lambda x: np.bincount(x), values(3), start="Cannot cast array data from dtype('float64') to dtype('int64')"
    )
    check_error(lambda x: np.bincount(x), values(3, 2, dtype=int), start="object too deep for desired array")
    check_error(lambda x: np.bincount(x, minlength=-1), values(3, dtype=int), start="'minlength' must not be negative")
    known_arguments(monkeypatch, np.array([0, -1, 2]))
    check_error(lambda x: np.bincount(x), np.array([0, -1, 2]), start="'list' argument must have no negative elements")
    known_arguments(monkeypatch, np.array([0, 1, 2]))
    check_error(lambda x: np.bincount(x, [1, 2]), np.array([0, 1, 2]), start="The weights and list don't have the same")


@over("rule", ["auto", "fd", "sturges", "sqrt", "rice", "scott", "doane", "stone"])
def test_histograms_by_rules(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many bins there are depends on the data."""
    x = np.random.default_rng(0).normal(size=50)
    known_arguments(monkeypatch, x)
    check_traced(lambda x: (np.histogram(x, rule), np.histogram_bin_edges(x, rule, (-1, 1))), x, slack=1e-15)


def test_every_function_is_tried() -> None:
    """The table calls all that is here; what looks at data has tests of its own."""
    assert functions_called(ROWS) >= set(FUNCTIONS) - {np.bincount}


def test_errors() -> None:
    """The class and text are NumPy's; what depends on the data is found when it runs."""
    check_error(lambda x: np.interp(x, [1, 2], [1]), X, start="fp and xp are not of the same length.")
    check_error(lambda x: np.interp(x, [], []), X, start="array of sample points is empty")
    check_error(lambda x: np.interp(x, [1], [1], period=0), X, start="period must be a non-zero value")
    check_error(lambda x: np.histogram(x, 0), V, start="`bins` must be positive, when an integer")
    check_error(lambda x: np.histogram(x, 1.5), V, start="`bins` must be an integer, a string, or an array")
    check_error(lambda x: np.histogram(x, [[1]]), V, start="`bins` must be 1d, when an array")
    check_error(lambda x: np.histogram(x, 2, (3, 1)), V, start="max must be larger than min in range parameter.")
    check_error(lambda x: np.histogram(x, weights=x[1:]), V, start="weights should have the same shape as a.")
    check_error(lambda x: np.histogram(x, "most"), V, start="'most' is not a valid estimator for `bins`")
    check_error(lambda x: np.histogram2d(x, x[1:]), V, start="x and y must have the same length.")
    check_error(lambda x: np.packbits(x), V, start="Expected an input array of integer or boolean data type")
    check_error(lambda x: np.unpackbits(x), V, start="Expected an input array of unsigned byte data type")
    check_error(lambda x: np.packbits(x, bitorder="x"), V.astype(int), start="'order' must be either 'little' or 'big'")
    with pytest.raises(ValueError, match="must increase monotonically"):
        interpreted(lambda x, e: np.histogram(x, e))(V, EDGES[::-1].copy())
    with pytest.raises(ValueError, match="monotonically increasing or decreasing"):
        interpreted(lambda x, e: np.digitize(x, e))(V, np.array([1.0, 3, 2]))
    with pytest.raises(ValueError, match="is not finite"):
        interpreted(lambda x: np.histogram(x))(np.array([1.0, np.nan]))


SMOOTH: tuple[tuple[Callable[..., Any], np.ndarray], ...] = (
    (lambda x: np.interp(x, XP, FP), np.array([-3.0, -1.0, 0.2, 1.0, 2.0, 4.0])),
    (lambda x: np.interp(np.array([-3.0, -1.0, 0.2, 1.0, 2.9, 4.0]), x, FP), XP),
    (lambda x: np.interp(np.array([-3.0, -1.0, 0.2, 1.0, 2.9, 4.0]), XP, x), FP),
    (lambda w: np.histogram(V, 4, weights=w)[0], WEIGHTS),
    (lambda w: np.histogram(V, EDGES, weights=w)[0], WEIGHTS),
    (lambda w: np.histogram2d(V, V[::-1].copy(), 3, weights=w)[0], WEIGHTS),
    (lambda x: np.histogram(x, 4)[1], V + np.arange(20) / 99),
)


@over("k", range(len(SMOOTH)))
def test_gradients(k: int) -> None:
    """Against differences."""
    function, x = SMOOTH[k]
    weights = np.random.default_rng(3).normal(size=np.shape(function(x)))

    def loss(x: np.ndarray) -> Any:
        return np.sum(function(x) * weights)

    actual = grad(loss)(x)
    for place in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[place] = 1e-6
        expected = (loss(x + step) - loss(x - step)) / 2e-6
        assert actual[place] == pytest.approx(expected, rel=1e-5, abs=1e-7)
