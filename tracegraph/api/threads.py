"""How many threads compiled functions use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tracegraph.backends.numba.pool import default_pool

__all__ = ["get_num_threads", "num_threads", "set_num_threads"]


def set_num_threads(count: int) -> None:
    """Compiled functions use this many threads from now on, the caller's own included: in the whole process.

    At first it is ``$NUMBA_NUM_THREADS``, or else the number of CPUs that the process may use. While a compiled function
    runs, NumPy's BLAS uses no more than that either, if it is OpenBLAS. Threads that wait for work sleep, after some tens of
    microseconds. Results do not depend on the number, but for those of BLAS.

    Raises:
        ValueError: the count is no positive integer.

    Example:
        >>> import tracegraph as tg
        >>> before = tg.get_num_threads()
        >>> tg.set_num_threads(1)
        >>> tg.get_num_threads()
        1
        >>> tg.set_num_threads(before)
    """
    default_pool.set_num_threads(count)


def get_num_threads() -> int:
    """How many threads compiled functions use, the caller's own included."""
    return default_pool.get_num_threads()


@contextmanager
def num_threads(count: int) -> Iterator[None]:
    """Sets the number of threads for the duration of a ``with`` block, in the whole process.

    Example:
        >>> import tracegraph as tg
        >>> with tg.num_threads(1):
        ...     tg.get_num_threads()
        1
    """
    before = get_num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)
