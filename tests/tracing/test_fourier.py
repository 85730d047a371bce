"""numpy.fft, traced, is NumPy's: lengths, axes, scales, dtypes, errors; and its derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced, interpreted

from tracegraph import grad

ONE_AXIS = {name: getattr(np.fft, name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")}
SEVERAL = {name: getattr(np.fft, name + end) for name in ("fft", "ifft", "rfft", "irfft") for end in ("2", "n")}
SHIFTS = {name: getattr(np.fft, name) for name in ("fftshift", "ifftshift")}
NORMS = (None, "backward", "ortho", "forward")


def values(shape: tuple[int, ...], dtype: Any = "f8") -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) * 3
    return np.asarray(x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


@pytest.mark.parametrize("name", ONE_AXIS)
@pytest.mark.parametrize("norm", NORMS)
def test_one_axis(name: str, norm: Any) -> None:
    """Every axis, cut, padded, of even and odd lengths."""
    transform = ONE_AXIS[name]
    for shape in ((6,), (5,), (3, 4), (2, 3, 5), (2, 0, 3)):
        for axis in (k for k in range(-len(shape), len(shape)) if shape[k] > 1):
            for n in (None, 2, 3, 4, 7, 8):
                check_traced(lambda x, n=n, axis=axis: transform(x, n, axis, norm), values(shape), slack=1e-13)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("norm", NORMS)
def test_several_axes(name: str, norm: Any) -> None:
    """The last two, all, some, in any order and of any lengths."""
    transform, x = SEVERAL[name], values((3, 4, 5))
    check_traced(lambda x: transform(x, norm=norm), x, slack=1e-12)
    for axes in ((0, 1), (2, 0), (-1, -2)):
        check_traced(lambda x, axes=axes: transform(x, axes=axes, norm=norm), x, slack=1e-12)
        check_traced(lambda x, axes=axes: transform(x, (3, 6), axes, norm), x, slack=1e-12)
        check_traced(lambda x, axes=axes: transform(x, s=(-1, 5), axes=axes, norm=norm), x, slack=1e-12)


@pytest.mark.parametrize("name", SHIFTS)
def test_shifts(name: str) -> None:
    """By half of each axis."""
    for shape in ((5,), (4, 3), (1, 2), (0, 3)):
        check_traced(SHIFTS[name], values(shape))
        for axis in range(len(shape)):
            check_traced(lambda x, axis=axis: SHIFTS[name](x, axis), values(shape))
            check_traced(lambda x, axis=axis: SHIFTS[name](x, axes=(axis, 0)), values(shape))


@pytest.mark.parametrize("dtype", ["f2", "f4", "i4", "u1", "?", "c8", "c16"])
def test_dtypes(dtype: str) -> None:
    """Single precision stays so; what is whole becomes double."""
    x = values((3, 4), dtype)
    for transform in (*ONE_AXIS.values(), *SEVERAL.values()):
        check_traced(transform, x, ulps=16, slack=1e-5 if dtype in ("f2", "f4", "c8") else 1e-12)


def test_out() -> None:
    """Into an array that is there."""
    x, out = values((3, 4)), np.zeros((3, 4), complex)
    check_traced(lambda x, out: (np.fft.fft(x, out=out), out), x, out, slack=1e-13)
    check_traced(lambda x, out: np.fft.rfft(x, n=6, out=out), x, out, slack=1e-13)


def test_natively() -> None:
    """Between stretches of native code."""

    def program(x: Any) -> Any:
        low = np.fft.irfft(np.fft.rfft(x * 2, axis=0)[:5], x.shape[0], axis=0)
        return low + x, np.fft.rfft2(x), np.fft.fftshift(np.fft.rfft(x), axes=1)

    check_traced(program, values((20, 6)), native=True, slack=1e-12)


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (lambda x: np.fft.fft(x, 0), "Invalid number of FFT data points (0) specified."),
        (lambda x: np.fft.irfft(x, -2), "Invalid number of FFT data points (-2) specified."),
        (lambda x: np.fft.rfft(x, 4, 3), "axis 3 is out of bounds for array of dimension 2"),
        (lambda x: np.fft.fft(x, axis=3), "tuple index out of range"),
        (lambda x: np.fft.fft(x, norm="whole"), 'Invalid norm value whole; should be "backward",'),
        (lambda x: np.fft.ifft(x, norm="whole"), 'Invalid norm value whole; should be "backward", "ortho"'),
        (lambda x: np.fft.fftn(x, (2, 2), (0,)), "Shape and axes have different lengths."),
        (lambda x: np.fft.rfft(np.fft.fft(x)), "ufunc 'rfft_n_even' not supported for the input types"),
        (lambda x: np.fft.fftshift(x, 2), "tuple index out of range"),
    ],
)
def test_errors(function: Callable[..., Any], start: str) -> None:
    """What NumPy refuses is refused alike."""
    check_error(function, values((3, 4)), start=start)


@pytest.mark.parametrize("n", [5, 6])
def test_gradient(n: int) -> None:
    """Through pairs of transforms, with frequencies cut off, mixed along axes, and scaled."""

    def smooth(x: Any) -> Any:
        return (np.fft.irfft(np.fft.rfft(x * x)[..., :3], n + 1, norm="ortho") ** 3).sum()

    def mixed(x: Any) -> Any:
        return (np.fft.hfft(np.fft.ifft(np.fft.ihfft(x, axis=0), axis=1), n, axis=0) ** 2 * x).sum()

    def rolled(x: Any) -> Any:
        return (np.fft.irfft2(np.fft.fftshift(np.fft.rfft2(np.sin(x)), axes=0), x.shape) ** 3).sum()

    x = values((n, n)) / 4
    for function in (smooth, mixed, rolled):
        found = interpreted(grad(function))(x)
        for at in ((0, 0), (1, 2), (n - 1, n - 1), (3, 0)):
            step = np.zeros_like(x)
            step[at] = 1e-5
            expected = (function(x + step) - function(x - step)) / 2e-5
            assert found[at] == pytest.approx(expected, rel=1e-6, abs=1e-6)
