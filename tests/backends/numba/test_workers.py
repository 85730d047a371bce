"""Steps of NumPy that are cut into parts give what the whole would, on any number of threads; errors come through."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.backends.numba.workers import PART, side_by_side


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_transforms_in_parts(threads: int) -> None:
    x = np.random.default_rng(0).normal(size=(3, 200, 333))
    before = tg.get_num_threads()
    tg.set_num_threads(threads)
    try:
        for axis in range(3):
            compiled = tg.compile(lambda x, axis=axis: np.fft.irfft(np.fft.rfft(x, axis=axis) * 2, x.shape[axis], axis))
            np.testing.assert_allclose(compiled(x), 2 * x, atol=1e-12)
            np.testing.assert_allclose(
                tg.compile(lambda x, axis=axis: np.fft.fft(x, axis=axis))(x), np.fft.fft(x, axis=axis)
            )
    finally:
        tg.set_num_threads(before)


def test_all_parts_are_done_before_an_error_comes_out() -> None:
    done = threading.Event()

    def fails() -> None:
        raise ValueError("no")

    before = tg.get_num_threads()
    tg.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="no"):
            side_by_side(2 * PART, lambda count: [fails, done.set])
        assert done.is_set()
        with pytest.raises(ValueError, match="no"):
            side_by_side(2 * PART, lambda count: [done.set, fails])
    finally:
        tg.set_num_threads(before)
