"""Whole numbers among the arguments are settings: sizes, axes, counts, wherever NumPy and Python take a number."""

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.nearly import difference

import tracegraph as tg

windows = np.lib.stride_tricks.sliding_window_view

EXAMPLES: list[Callable[[Any, Any, Any], Any]] = [
    lambda x, n, m: np.fft.rfftfreq(n)[x.argmin()],
    lambda x, n, m: np.fft.fftfreq(n, d=n) * x[0],
    lambda x, n, m: windows(x, n, axis=0),
    lambda x, n, m: windows(m, (n, 3)),
    lambda x, n, m: ([x] * n, n * [x], (1, x) * n, n * (3,), "-" * n, b"." * n),
    lambda x, n, m: [0] * n + [x[0]],
    lambda x, n, m: x[range(n)],
    lambda x, n, m: (m[range(n), range(n)], m[range(n), [1]], m[range(1, n), 1:], x[range(n), None]),
    lambda x, n, m: (np.roll(x, n), np.roll(m, -n, axis=1), np.roll(m, (n, 1), (0, 1)), np.roll(m, n, (0, 1))),
    lambda x, n, m: (np.hanning(n), np.hamming(n), np.blackman(n), np.bartlett(n), np.kaiser(n, 1.0)),
    lambda x, n, m: (np.linspace(0, 1, n), np.logspace(0, 1, n), np.geomspace(1, 2, n)),
    lambda x, n, m: (np.diag(x, n), np.diag(m, -n), np.tri(n), np.eye(4, k=n), np.identity(n)),
    lambda x, n, m: (np.triu_indices(n), np.tril_indices(n, -1), np.diag_indices(n), np.indices((n, n))),
    lambda x, n, m: (np.broadcast_to(x, (n, 6)), np.resize(x, n), np.tile(m, (n, 1)), np.repeat(x, n)),
    lambda x, n, m: (np.var(x, ddof=n - 1), np.std(m, ddof=n - 1, axis=0), np.cov(m, ddof=n - 1)),
    lambda x, n, m: (np.tensordot(m, m, n), np.tensordot(m, m, axes=([n - 1], [0]))),
    lambda x, n, m: (x.take([n]), np.take(m, [n, 0], axis=n - 1), x[[0, n]], x[np.array([0, n])]),
    lambda x, n, m: (np.histogram(x, bins=n), np.histogram(x, bins=5, range=(0, n))),
    lambda x, n, m: np.histogram(x, bins=n, range=(x.min() - 1, x.max() + n)),
    lambda x, n, m: np.linalg.pinv(m, 10.0**-n),
    lambda x, n, m: (np.int64(n), np.float64(n) * x, np.float32(n), np.uint8(n), float(n) * x, complex(n) * x),
    lambda x, n, m: (np.array([n, n, 3]), np.array(n, dtype=np.float32), np.full((n, 3), n)),
    lambda x, n, m: (math.sqrt(n), math.comb(4, n), math.factorial(n), math.isqrt(n), math.ceil(n / 3)),
    lambda x, n, m: list(itertools.combinations(range(3), n)),
    lambda x, n, m: functools.reduce(lambda a, b: a * b, range(1, n + 1)),
    lambda x, n, m: (divmod(n, 3), round(n / 3, 2), pow(n, 2), abs(-n), min(n, 3), max(n, 1.5), sorted([n, 1])),
    lambda x, n, m: (np.pad(x, (n, 1)), np.diff(x, n), np.convolve(x, np.ones(n) / n, "valid")),
    lambda x, n, m: (np.split(x[: n * 2], n), np.hsplit(m, n), np.array_split(m, [1, n]), np.stack([x] * n, n - 2)),
    lambda x, n, m: (x.astype(int) << n, x.astype(int) % n, x**n, np.ldexp(x, n), np.round(x, n)),
    lambda x, n, m: (np.polyfit(np.arange(6.0), x, n), np.vander(x, n), np.quantile(x, n / 4)),
]


@pytest.mark.filterwarnings("ignore:.*eprecat")
@pytest.mark.parametrize("kind", [int, np.int64])
@pytest.mark.parametrize("example", range(len(EXAMPLES)))
def test_a_whole_number_is_taken_wherever_numpy_takes_one(example: int, kind: type) -> None:
    function = EXAMPLES[example]
    compiled = tg.compile(function)
    for n in (2, 3):
        x, number = np.arange(6.0) + 0.25, kind(n if example not in (15, 16, 27) else 2)
        m = np.outer(x, x) + np.eye(6)
        assert difference(function(x, number, m), compiled(x, number, m), None, 0.0) is None


def test_a_fraction_repeats_no_list() -> None:
    with pytest.raises(TypeError, match="can't multiply sequence by non-int of type 'float'"):
        tg.compile(lambda n: [1] * n)(2.5)


def test_a_setting_is_not_frozen() -> None:
    compiled = tg.compile(lambda x, n: x * float(1 / n))
    assert [compiled(8.0, n) for n in (1, 2, 4)] == [8.0, 4.0, 2.0]


def test_a_measured_number_is_no_setting() -> None:
    with pytest.raises(tg.TraceError, match=r"float\(\) was called on it"):
        tg.compile(lambda x: float(x * 2))(1.5)
