"""np.nditer over traced arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced

import tracegraph as tg

X = np.arange(6.0).reshape(2, 3) / 7
V = np.array([1.0, -2.0, 3.0])


def total(x: Any) -> Any:
    out = 0.0
    for value in np.nditer(x):
        out = out + value * value
    return out


def doubled(x: Any) -> Any:
    with np.nditer(x, op_flags=["readwrite"]) as elements:
        for value in elements:
            value[...] = 2 * value
    return x


def weighted(x: Any) -> Any:
    out = np.zeros_like(x)
    it = np.nditer(x, flags=["multi_index", "c_index"])
    while not it.finished:
        i, j = it.multi_index
        out[i, j] = it[0] * (i - j) + it.index
        it.iternext()
    return out


def together(x: Any, v: Any) -> Any:
    it = np.nditer([x, v, None])
    size = len(it), it.itersize
    for a, b, out in it:
        out[...] = a * b
    return it.operands[2], size


def by_chunks(x: Any) -> Any:
    return [chunk.sum() for chunk in np.nditer(x, flags=["external_loop"])]


def kept(x: Any) -> Any:
    return [value.copy() for value in np.nditer(x)]


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (total, (X,)), (doubled, (X,)), (weighted, (X,)), (together, (X, V)), (by_chunks, (X,)), (kept, (V,)),
        (total, (np.array(2.0),)),
    ],
)  # fmt: skip
def test_nditer(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    check_traced(function, *args)


def test_errors() -> None:
    check_error(total, np.zeros((0, 2)), start="Iteration of zero-sized operands is not enabled")
    check_error(lambda x: np.nditer(x).multi_index, X, start="Iterator is not tracking a multi-index")
    with pytest.raises(tg.UnsupportedError, match=r"np\.nditer with order=.F. is not traced"):
        tg.compile(lambda x: list(np.nditer(x, order="F")))(X)
    with pytest.raises(tg.TraceError, match="not in C order"):
        tg.compile(kept)(np.asfortranarray(X))


def test_methods_of_the_class_are_refused() -> None:
    with pytest.raises(tg.UnsupportedError, match=r"write x\.sum\(\)"):
        tg.compile(lambda x: np.ndarray.sum(x))(X)
