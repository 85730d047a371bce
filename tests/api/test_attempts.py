"""Functions that catch the errors of operations which fail when they run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.nearly import difference
from support.running import outcome, same_error

import tracegraph as tg

X = np.arange(8.0)
SQUARE = np.array([[2.0, 1.0], [1.0, 2.0]])


def is_definite(a: Any) -> Any:
    try:
        np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return False
    return True


def inverse_or_pinv(a: Any) -> Any:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return np.linalg.pinv(a)


def sum_at(x: Any, i: Any) -> Any:
    try:
        total = x[i].sum()
    except IndexError:
        total = -1.0
    return total * 2


def helped(x: Any, i: Any) -> Any:
    def helper() -> Any:
        return x[i]

    try:
        y = helper()
        if y[0] > 0:
            return y * 2
    except IndexError as error:
        return str(error)
    return y


def with_a_trace_left(x: Any, i: Any) -> Any:
    x += 1
    try:
        x[i] = 5
    except IndexError:
        x[0] = -1
    finally:
        x *= 2
    return x.sum()


def another_error(x: Any, i: Any) -> Any:
    x += 1
    try:
        return x[i]
    except IndexError:
        raise KeyError("none") from None


def not_caught(x: Any, i: Any) -> Any:
    x += 1
    try:
        y = x[i]
    except ValueError:
        y = x
    return y


GOOD, BAD = np.array([1, 2]), np.array([1, 20])


@pytest.mark.parametrize("function", [sum_at, helped, with_a_trace_left, another_error, not_caught])
@pytest.mark.parametrize("calls", [(GOOD, BAD, GOOD), (BAD, GOOD, BAD)])
def test_indices(function: Callable[..., Any], calls: tuple[np.ndarray, ...]) -> None:
    compiled = tg.compile(function)
    for i in calls:
        mine, theirs = X.copy(), X.copy()
        expected, error = outcome(function, (mine, i))
        actual, caught = outcome(compiled, (theirs, i))
        if error is None:
            assert caught is None
            assert difference([expected, mine], [actual, theirs]) is None
        else:
            assert caught is not None
            assert same_error(error, caught)
            assert difference(X, theirs) is None, "on an error, arguments are untouched"


@pytest.mark.parametrize("function", [is_definite, inverse_or_pinv])
def test_matrices(function: Callable[..., Any]) -> None:
    compiled = tg.compile(function)
    for a in (SQUARE, np.zeros((2, 2)), -SQUARE, SQUARE * 2):
        assert difference(function(a), compiled(a)) is None


def test_what_is_unused_and_not_caught_is_not_run() -> None:
    """A `with` block catches nothing."""

    def unused(x: Any) -> Any:
        with np.errstate(all="ignore"):
            np.linalg.inv(x)
        return x.sum()

    assert "inv" not in str(tg.compile(unused).graph(SQUARE))
    assert "cholesky" in str(tg.compile(is_definite).graph(SQUARE))
