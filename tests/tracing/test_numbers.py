"""Arrays of no axes: NumPy lets axis 0 and -1 of them pass in some functions, and not in others."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.compare import kind_of

from tracegraph import compile

FUNCTIONS = (
    "sum prod max min any all mean var std ptp argmax argmin sort argsort cumsum cumprod median nansum nanmax nanmean "
    "count_nonzero"
).split()


def outcome(function: Callable[..., Any], x: Any) -> Any:
    try:
        value = function(x)
    except (ValueError, TypeError) as error:
        return type(error)
    return kind_of(value), np.asarray(value).tolist()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("axis", [0, -1, 1, (0,), None])
def test_axes_of_a_number(name: str, axis: Any) -> None:
    """Values or class of error."""

    def function(x: Any) -> Any:
        return getattr(np, name)(x, axis=axis)

    assert outcome(compile(function), np.array(3.5)) == outcome(function, np.array(3.5))


@pytest.mark.parametrize("method", ["reduce", "accumulate"])
@pytest.mark.parametrize("axis", [0, -1, 1, None])
def test_axes_of_a_number_in_methods(method: str, axis: Any) -> None:
    """Of a ufunc that is a reduction of its own here, and of one that is not."""
    for ufunc in (np.add, np.subtract):

        def function(x: Any, ufunc: np.ufunc = ufunc) -> Any:
            return getattr(ufunc, method)(x, axis=axis)

        assert outcome(compile(function), np.array(3.5)) == outcome(function, np.array(3.5))
