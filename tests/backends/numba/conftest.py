"""What the tests of the native layer share: kernels called on arrays, and processes of their own."""

import ctypes
import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tracegraph.backends.numba.cache import KernelCache, default_cache

Call = Callable[..., None]
_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


@pytest.fixture
def call() -> Call:
    """Call a kernel: `call(source, name, words_or_arrays, lo, hi)`; an array stands for its address."""

    def call_kernel(source: str, name: str, given: list[object], lo: int = 0, hi: int = 0) -> None:
        words = [word.ctypes.data if isinstance(word, np.ndarray) else word for word in given]
        table = np.array(words, np.int64)
        _KERNEL(default_cache.address(source, name))(table.ctypes.data, lo, hi)

    return call_kernel


@pytest.fixture
def cold_cache(tmp_path: Path) -> KernelCache:
    """A cache whose folder holds nothing yet."""
    return KernelCache(tmp_path / "kernels")


@pytest.fixture
def python() -> Callable[..., str]:
    """Run Python code in a process of its own, with warnings as errors; what it printed comes back."""

    def run(code: str, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def at_end():
    """Copies of arrays that end where a page ends behind which nobody may read or write."""
    if os.name != "posix":
        pytest.skip("needs mprotect")
    libc = ctypes.CDLL(None)
    kept = []

    def guarded(array):
        size = -(-max(array.nbytes, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = mmap.mmap(-1, size + 2 * mmap.PAGESIZE)
        whole = np.frombuffer(memory, np.uint8)
        kept.append(whole)
        for place in (0, mmap.PAGESIZE + size):
            assert libc.mprotect(ctypes.c_void_p(whole.ctypes.data + place), mmap.PAGESIZE, 0) == 0
        copy = np.ndarray(array.shape, array.dtype, whole, mmap.PAGESIZE + size - array.nbytes)
        copy[...] = array
        return copy

    yield guarded
    for whole in kept:
        libc.mprotect(ctypes.c_void_p(whole.ctypes.data), whole.nbytes, mmap.PROT_READ | mmap.PROT_WRITE)
