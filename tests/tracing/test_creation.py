"""Arrays that a function makes itself take part in the trace; NumPy itself stays what it is for everybody else."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same
from support.running import check_traced

import tracegraph as tg

X = np.arange(6.0) + 1
A = np.arange(12.0).reshape(3, 4)


def filled(x: Any) -> Any:
    out = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = x[i] * x[j]
    return out


def identity_with_a_row(x: Any) -> Any:
    out = np.eye(3)
    out[1] = x[:3]
    return out @ out.T


def enumerated(x: Any) -> Any:
    out = np.empty_like(A)
    for (i, j), value in np.ndenumerate(x):
        out[i, j] = value * (i + j)
    return out


def indexed(x: Any) -> Any:
    total = np.zeros(2)
    for k in np.arange(1, 4):
        total += x[k] * k
    return total


MADE: dict[str, Callable[..., Any]] = {
    "zeros": filled,
    "eye": identity_with_a_row,
    "empty_like of a constant": enumerated,
    "counting": indexed,
    "array": lambda x: (np.array([x[0], 2, x[1]]), np.array([[x[0], 1], [2, x[3]]], np.float32), np.array(x[0])),
    "array of an array": lambda x: np.array(x, ndmin=2) * 2,
    "asarray": lambda x: (np.asarray(x), np.asarray([x[0], x[1]]), np.asarray(2.0), np.ascontiguousarray(x[0])),
    "ones and full": lambda x: np.ones((2, 6)) * x + np.full(6, x[1]) + np.full((2, 6), 3, dtype=np.int8),
    "linspace": lambda x: (np.linspace(0, 1, 4) * x[0], np.linspace(x[0], x[1], 5), np.arange(x.size) * x),
    "meshgrid": lambda x: [part * x[0] for part in np.meshgrid(np.linspace(0, 1, 3), np.arange(2))],
    "fromfunction": lambda x: np.fromfunction(lambda i, j: i * x[0] + j, (2, 3)),
    "fromiter": lambda x: np.fromiter((value * 2 for value in x), float),
    "grids": lambda x: (np.mgrid[0:2, 0:3] * x[0], np.ogrid[0:2, 0:3][1] + x[1], np.r_[x, 1, 2:4], np.c_[x, x]),
    "indices": lambda x: np.indices((2, 3)) * x[0],
    "known": lambda x: x[int(np.array([1, 2]).sum())] * float(np.linspace(0, 1, 3)[1]),
    "scalars": lambda x: np.zeros(()) + x[0],
    "sizes": lambda x: np.zeros((x.shape[0], *A.shape)).shape[1] * x,
    "comparison with None": lambda x: x * 2 if (x[0] is not None and x[0] != "text") else x,
}


@pytest.mark.parametrize("name", MADE)
def test_arrays_made_inside(name: str) -> None:
    """They are NumPy's, and hold traced values."""
    check_traced(MADE[name], X if name != "empty_like of a constant" else A, slack=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.roll(x, (1, 2), axis=(0, 1)),
        lambda x: [np.pad(x, 2, mode=mode) for mode in ("constant", "edge", "reflect", "symmetric", "wrap", "mean")],
        lambda x: (np.diff(x, n=2), np.gradient(x, axis=1), np.trapezoid(x)),
        lambda x: (np.rot90(x), np.append(x, x, axis=0), np.resize(x, (5, 3)), np.block([[x], [x]])),
        lambda x: (np.average(x, axis=0, weights=[1.0, 2, 3]), np.nanmean(x), np.nanmax(x, axis=1)),
        lambda x: (np.linalg.norm(x), np.linalg.norm(x, 1, axis=1), np.linalg.matrix_power(x[:, :3], 3)),
        lambda x: (np.allclose(x, x), np.array_equal(x, x + 1), np.sinc(x), np.fix(x / 3)),
    ],
)
def test_functions_that_numpy_writes_in_python(function: Callable[..., Any]) -> None:
    """They run as NumPy has them."""
    check_traced(function, A, slack=1e-12)


def test_numpy_is_itself_for_others() -> None:
    """In another thread while one is tracing, in NumPy's own code, and after the trace, also after an error."""
    before = {name: getattr(np, name) for name in ("zeros", "array", "r_")}
    seen: list[Any] = []

    def elsewhere() -> None:
        seen.append((np.zeros(3), np.array([1, 2]), np.r_[1, 2]))

    def traced(x: Any) -> Any:
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        seen.append(np.random.default_rng(3).normal(size=3))
        return np.zeros(3) + x

    assert_same(tg.compile(traced)(1.0), np.ones(3))
    assert all(type(value) is np.ndarray for value in (*seen[0], seen[1]))
    with pytest.raises(ZeroDivisionError):
        tg.compile(lambda x: np.zeros(3) + 1 // 0)(1.0)
    assert all(getattr(np, name) is value for name, value in before.items())
