"""What the machine can do at most: the bandwidth of its memory and its rate of multiplications with additions, measured with
as many threads as waves run on, once per process and number of threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from tracegraph.backends.numba.cache import default_cache
from tracegraph.backends.numba.contractions import tile_of
from tracegraph.backends.numba.pool import get_num_threads
from tracegraph.backends.numba.tape import Task, Wave, make_tape

__all__ = ["Limits", "machine_limits"]

#: Elements of the triad's arrays: together beyond most caches. How often each measurement is taken, the best counts.
ELEMENTS = 4_000_000
RUNS = 7
#: Terms of a tile's sum, so that both panels stay in the first-level cache; and tiles that a task multiplies.
DEPTH, TILES = 128, 2000

_TRIAD = """
def triad(args, lo, hi):
    a = pointer(args, 0, float64)
    b = pointer(args, 1, float64)
    out = pointer(args, 2, float64)
    for i in range(lo, hi):
        store(out, i, add(load(a, i), multiply(float64(3.0), load(b, i))))
"""

_PEAK = """
def peak_{dtype}(args, lo, hi):
    for _ in range(lo, hi):
        multiply_tile({dtype}, {lanes}, {rows}, {vectors}, args[0], args[1], args[2], args[3], table(args[4]),
                      {rows}, {columns}, False, args[0], 0)
"""


class Limits(NamedTuple):
    """What all threads together can do.

    Attributes:
        bandwidth: bytes per second, of a triad.
        single, double: multiplications and additions per second, of two kinds of floats.
    """

    bandwidth: float
    single: float
    double: float

    def seconds(self, nbytes: float, operations: float, dtype: np.dtype) -> float:
        """The least time for moving bytes and doing arithmetic side by side."""
        rate = self.single if dtype.itemsize <= 4 else self.double
        return max(nbytes / self.bandwidth, operations / rate)


def machine_limits() -> Limits:
    """The limits with the present number of threads."""
    return _limits(get_num_threads())


@cache
def _limits(threads: int) -> Limits:
    return Limits(_bandwidth(threads), _peak("float32", threads), _peak("float64", threads))


def _bandwidth(threads: int) -> float:
    arrays = [np.ones(ELEMENTS) for _ in range(3)]
    words = np.array([array.ctypes.data for array in arrays])
    code = default_cache.address(_TRIAD, "triad")
    step = -(-ELEMENTS // (8 * threads))
    tasks = [Task(code, words.ctypes.data, lo, min(lo + step, ELEMENTS)) for lo in range(0, ELEMENTS, step)]
    run, _ = make_tape([Wave(tasks, parallel=True)], release_gil=True)
    return 24 * ELEMENTS / _best(run)


def _peak(dtype: str, threads: int) -> float:
    tile, size = tile_of(dtype), np.dtype(dtype).itemsize
    text = _PEAK.format(dtype=dtype, lanes=tile.lanes, rows=tile.rows, vectors=tile.vectors, columns=tile.columns)
    code = default_cache.address(text, f"peak_{dtype}")
    held, tasks = [], []
    for _ in range(threads):
        panels = np.ones((tile.rows + tile.columns + 16) * DEPTH, dtype)
        out = np.zeros((tile.rows, tile.columns), dtype)
        places = np.arange(tile.rows) * tile.columns * size
        first, row = panels.ctypes.data, tile.rows * DEPTH * size
        first += -first % 64
        second = first + row + -row % 64
        words = np.array([first, second, DEPTH, out.ctypes.data, places.ctypes.data])
        held += [panels, out, places, words]
        tasks.append(Task(code, words.ctypes.data, 0, TILES))
    run, _ = make_tape([Wave(tasks, parallel=True)], release_gil=True)
    return 2.0 * threads * TILES * DEPTH * tile.rows * tile.columns / _best(run)


def _best(run: Callable[[], object]) -> float:
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)
