"""The threads of the BLAS that NumPy ships: it has its own, beside ours, and while a program of ours runs it gets no more of
them than we may use. Nothing of this is needed, nor done, while it has no more anyway."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from tracegraph.backends.numba.pool import get_num_threads

__all__ = ["library_threads", "with_limited_library"]

#: How builds of OpenBLAS name their functions: what comes before and after "openblas_get_num_threads".
_SPELLINGS = (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", ""))


class _Library(NamedTuple):
    get: Callable[[], int]
    set: Callable[[int], Any]
    threads: int


@cache
def _library() -> _Library | None:
    """OpenBLAS's functions, and how many threads it had at first; None for any other BLAS."""
    library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
    for before, after in _SPELLINGS:
        get, put = (getattr(library, f"{before}openblas_{verb}_num_threads{after}", None) for verb in ("get", "set"))
        if get is not None and put is not None:
            return _Library(get, put, get())
    return None


def library_threads() -> int:
    """How many threads a product by BLAS may use while a program runs; 1 where that is not known."""
    library = _library()
    return 1 if library is None else min(library.threads, get_num_threads())


class _Limit:
    """Lowers the number while at least one program runs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._before = 0
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def enter(self, library: _Library, most: int) -> None:
        with self._lock:
            self._running += 1
            if self._running == 1:
                self._before = library.get()
            if library.get() > most:
                library.set(most)

    def leave(self, library: _Library) -> None:
        with self._lock:
            self._running -= 1
            if self._running == 0 and library.get() != self._before:
                library.set(self._before)

    def _after_fork(self) -> None:
        """The threads that ran programs are not in the child."""
        self._lock = threading.Lock()
        library = _library()
        if self._running and library is not None:
            self._running = 0
            library.set(self._before)


_limit = _Limit()


def with_limited_library(run: Callable[..., bool]) -> Callable[..., bool]:
    """A function that runs another one, in which BLAS has no more threads than we."""
    library = _library()
    if library is None:
        return run

    def limited(*arrays: Any) -> bool:
        most = get_num_threads()
        if most >= library.threads:
            return run(*arrays)
        _limit.enter(library, most)
        try:
            return run(*arrays)
        finally:
            _limit.leave(library)

    return limited
