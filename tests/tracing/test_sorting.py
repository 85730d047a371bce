"""Sorting and searching, traced, is NumPy's: values, dtypes, shapes, ties, NaN, errors; and its derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced

from tracegraph import compile, grad
from tracegraph.ir import DTYPES

SHAPES = ((5,), (1,), (0,), (3, 4), (2, 0), (2, 3, 4), (1, 1))


def values(shape: tuple[int, ...], dtype: Any = "f8") -> np.ndarray:
    """With ties and both signs."""
    return np.random.default_rng(0).integers(-3 if np.dtype(dtype).kind in "if" else 0, 4, shape).astype(dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sort_and_argsort(shape: tuple[int, ...]) -> None:
    """Along every axis, over all elements, of every kind."""
    for axis in (None, *range(-len(shape), len(shape))):
        check_traced(lambda x, axis=axis: np.sort(x, axis=axis), values(shape))
        for how in ({"kind": "stable"}, {"stable": True}, {"kind": "mergesort"}):
            check_traced(lambda x, axis=axis, how=how: np.argsort(x, axis, **how), values(shape))
            check_traced(lambda x, axis=axis, how=how: np.sort(x, axis, **how), values(shape))
    x = np.random.default_rng(1).permutation(int(np.prod(shape))).reshape(shape)
    check_traced(lambda x: (np.argsort(x), x.argsort(), x.argsort(axis=None)), x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_dtypes(dtype: np.dtype) -> None:
    """Every dtype keeps its own; indices are int64."""
    x = values((3, 4), dtype)
    check_traced(lambda x: (np.sort(x, 0), np.argsort(x, 1, "stable"), np.partition(x, 2, 1)), x)
    check_traced(lambda x: np.searchsorted(np.sort(x[0]), x), x)
    check_traced(lambda x: (np.lexsort((x, x)), np.lexsort((x[0], x[1]))), x)


def test_nan_is_last() -> None:
    """As NumPy has it."""
    x = np.array([[np.nan, 1.0, -np.inf, 0.0], [np.inf, np.nan, -0.0, np.nan]])
    check_traced(lambda x: (np.sort(x), np.argsort(x, kind="stable"), np.sort(x, axis=None)), x)


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 4)], ids=str)
def test_partition(shape: tuple[int, ...]) -> None:
    """By one place or several, from either end."""
    for axis in (None, *range(len(shape))):
        for kth in (0, -1, (0, 2), [1]):
            check_traced(lambda x, axis=axis, kth=kth: np.partition(x, kth, axis), values(shape))
            check_traced(lambda x, axis=axis, kth=kth: np.argpartition(x, kth, axis), values(shape))
    check_traced(lambda x: x.argpartition(1), values(shape))


def test_in_place() -> None:
    """The methods change the array, and all that share its memory."""

    def sorts(x: Any) -> Any:
        row = x[1]
        returned = x.sort(), row.sort(), x[:, 0].sort(), x.T.sort(0, "stable")
        return x, row, returned == (None,) * 4

    def partitions(x: Any) -> Any:
        y = x.copy()
        y.partition(2)
        x[0].partition((1, 2))
        return x, y

    check_traced(sorts, values((3, 5)))
    check_traced(partitions, values((3, 5)))


def test_searchsorted() -> None:
    """Both sides, of numbers, arrays and lists, of other dtypes, in an order given."""
    a, v = np.sort(values((7,))), values((2, 3), "i4")
    for side in ("left", "right"):
        check_traced(lambda a, v, side=side: (np.searchsorted(a, v, side), a.searchsorted(v, side=side)), a, v)
        check_traced(lambda a, side=side: np.searchsorted(a, 1, side), a)
        check_traced(lambda v, side=side: np.searchsorted([1, 2.5, 3], v, side), v)
        check_traced(lambda a, v, side=side: np.searchsorted(a.astype("i2"), v * 0.5, side), a, v)
    x = values((7,))
    check_traced(lambda x, v: np.searchsorted(x, v, sorter=np.argsort(x)), x, v)
    check_traced(lambda x, v: np.searchsorted(x, v[0, 0]), x, v)


def test_digitize() -> None:
    """Bins that rise or fall, known or traced; others are refused."""
    x, bins = values((3, 4)), np.array([-2.0, 0.0, 0.0, 1.5])
    for right in (False, True):
        check_traced(lambda x, right=right: np.digitize(x, bins, right), x)
        check_traced(
            lambda x, b, right=right: (np.digitize(x, b, right), np.digitize(x, b[::-1])), x, bins, native=True
        )
    check_traced(lambda x, b: np.digitize(x, np.sin(b * 9)), x, bins, native=True)


def test_lexsort() -> None:
    """Keys of other dtypes, rows of one array, another axis."""
    x, y = values((3, 4)), values((3, 4), "i4")
    check_traced(
        lambda x, y: (np.lexsort((x, y)), np.lexsort((y, x), axis=0), np.lexsort(x), np.lexsort((x[0], y[0]))), x, y
    )


def test_natively() -> None:
    """Between stretches of native code."""

    def program(x: Any) -> Any:
        order = np.argsort(x * 2 + 1, axis=-1, kind="stable")
        return np.sort(np.exp(x), axis=0) * 2, order + 1, np.partition(x, 1)[..., 1].sum()

    check_traced(program, np.random.default_rng(0).normal(size=(40, 30)), native=True, ulps=4, slack=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (np.sort(x, axis=0) * np.arange(12.0).reshape(4, 3) ** 2).sum(),
        lambda x: (np.sort(x, axis=None) ** 3 * np.arange(12.0)).sum(),
        lambda x: np.partition(x, 1, axis=0)[1].prod(),
    ],
)
def test_derivative(function: Callable[..., Any]) -> None:
    """Each element's derivative is that of the place to which it goes."""
    x = np.random.default_rng(2).permutation(12).reshape(4, 3) * 0.3
    found = compile(grad(function))(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = 1e-5
        expected = (function(x + step) - function(x - step)) / 2e-5
        assert found[at] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (lambda x: np.sort(x, 2), "axis 2 is out of bounds for array of dimension 2"),
        (lambda x: x.sort(2), "axis 2 is out of bounds for array of dimension 2"),
        (lambda x: np.sort(x[0, 0]), "axis -1 is out of bounds for array of dimension 0"),
        (lambda x: np.argsort(x, kind="bogo"), ""),
        (lambda x: np.sort(x, kind="quick", stable=True), ""),
        (lambda x: np.sort(x, order="f"), "Cannot specify order when the array has no fields."),
        (lambda x: np.partition(x, 7), "kth(=7) out of bounds (3)"),
        (lambda x: np.partition(x, 0.5), "Partition index must be integer"),
        (lambda x: np.searchsorted(x, 1), "object too deep for desired array"),
        (lambda x: np.searchsorted(x[0], 1, "middle"), ""),
        (lambda x: np.searchsorted(x[0], 1, sorter=x[1]), ""),
        (lambda x: np.lexsort((x, x[0])), "all keys need to be the same shape"),
    ],
)  # fmt: skip
def test_errors(function: Callable[..., Any], start: str) -> None:
    """What NumPy refuses is refused alike."""
    check_error(function, values((2, 3)), start=start)


def test_a_traced_place_is_found_out() -> None:
    """The place by which to part may be an argument."""
    compiled = compile(lambda x, k: np.partition(x, [k])[k])
    x = values((5,))
    assert [compiled(x, np.int64(k)) for k in (1, 3, 1)] == [np.sort(x)[k] for k in (1, 3, 1)]
