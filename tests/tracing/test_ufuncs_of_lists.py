"""Ufuncs take lists of traced values, as they take any sequence, though NumPy asks nobody before it makes an array of it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.nearly import difference

import tracegraph as tg

EXAMPLES: list[Callable[[Any], Any]] = [
    lambda x: np.maximum.reduce([x, 3 - x, x**2]),
    lambda x: np.logical_and.reduce((x > 0, x < 2)),
    lambda x: np.add.reduce([x, np.ones(3)], axis=1, keepdims=True),
    lambda x: np.add.accumulate([x, x, x]),
    lambda x: np.add.reduceat([x[0], x[1], x[2]], [0, 1]),
    lambda x: np.multiply.outer([x[0], x[1]], [1, 2]),
    lambda x: np.sqrt([x[0], x[1] ** 2]),
    lambda x: np.add([x, x], [[1], [2]]) + np.hypot((x, x), [x, 2 * x]),
    lambda x: np.add.reduce([[x, x], [x, x]], axis=(0, 1)),
    lambda x: isinstance(np.maximum, np.ufunc) * np.maximum.reduce([x, x]) * np.maximum.nin,
]


@pytest.mark.parametrize("example", range(len(EXAMPLES)))
def test_a_ufunc_takes_lists(example: int) -> None:
    compiled = tg.compile(EXAMPLES[example])
    for x in (np.arange(3.0), np.array([2.5, 1.0, 0.5])):
        assert difference(EXAMPLES[example](x), compiled(x), None, 0.0) is None


def test_in_a_loop_of_the_graph() -> None:
    @tg.compile
    def highest(x):
        level = 0.0
        for k in range(3000):
            level = 0.5 * np.maximum.reduce([x[k], x[k - 1], level])
        return level

    x = np.sin(np.arange(3000.0))
    np.testing.assert_allclose(highest(x), highest.__wrapped__(x))


def test_it_has_a_gradient() -> None:
    assert tg.grad(lambda x: np.maximum.reduce([x, 2 - x]))(3.0) == 1.0


def test_ufuncs_stand_for_themselves_again() -> None:
    before = np.maximum
    tg.compile(EXAMPLES[0])(np.arange(3.0))
    assert np.maximum is before
