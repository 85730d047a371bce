"""Every half is read exactly, every single and double is rounded once, with the host's instructions or without."""

import ctypes

import numpy as np
import pytest

from tracegraph.backends.numba.cache import KernelCache
from tracegraph.backends.numba.vecmath import casts

KERNEL = """
def convert(args, lo, hi):
    given = pointer(args, 0, {given})
    out = pointer(args, 1, {out})
    for i in range(lo, hi):
        store(out, i, {expression})
"""


@pytest.fixture(params=[True, False], ids=["host", "portable"])
def converted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, cold_cache: KernelCache):
    """`converted(x, dtype, expression)`: a kernel of one expression of `load(given, i)` over an array."""
    if request.param and not casts.HAS_HALF:
        pytest.skip("this machine has no instructions for halves")
    monkeypatch.setattr(casts, "HAS_HALF", request.param)

    def run(x: np.ndarray, dtype: str, expression: str) -> np.ndarray:
        out = np.empty(x.shape, dtype)
        table = np.array([x.ctypes.data, out.ctypes.data])
        code = cold_cache.address(KERNEL.format(given=x.dtype, out=dtype, expression=expression), "convert")
        ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(code)(table.ctypes.data, 0, x.size)
        return out

    return run


def test_every_half_is_read(converted) -> None:
    """Normal and subnormal ones, zeros, infinities and NaN."""
    bits = np.arange(2**16, dtype=np.uint16)
    found = converted(bits, "float32", "from_half(load(given, i))")
    expected = bits.view(np.float16).astype(np.float32)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounding_to_halves(converted, dtype: str) -> None:
    """All halves, what lies half way between two, the neighbours of all these, and numbers of all sizes."""
    halves = np.arange(0x7C01, dtype=np.uint16).view(np.float16).astype(dtype)
    middle = np.append((halves[:-2] + halves[1:-1]) / 2, [65520.0, 1e30])
    exact = np.concatenate([halves, middle], dtype=dtype)
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            exact,
            np.nextafter(exact, np.inf),
            np.nextafter(exact, -np.inf),
            10.0 ** rng.uniform(-12, 6, 10_000),
            [np.nan],
        ],
        dtype=dtype,
    )
    x = np.concatenate([x, -x])
    with np.errstate(all="ignore"):
        expected = x.astype(np.float16)
    found = converted(x, "uint16", "to_half(cast_float16(load(given, i)))").view(np.float16)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
