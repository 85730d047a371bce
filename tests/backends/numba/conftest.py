"""What the tests of the native layer share: kernels called on arrays, and processes of their own."""

import ctypes
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
