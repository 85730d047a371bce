"""numpy.fft on placeholders: an axis is cut or padded, then transformed; several axes follow each other in NumPy's order."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.fft._pocketfft import _cook_nd_args  # type: ignore[attr-defined]
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.ir import Node
from tracegraph.ops.broadcast import fill
from tracegraph.ops.fourier import dft, hermitian_dft, real_dft
from tracegraph.ops.region import concatenate, slice_
from tracegraph.tracing.lift import cast, check_dtype, node_of, result
from tracegraph.tracing.ufuncs import write

__all__ = ["FUNCTIONS"]

Transform = Callable[..., Any]

_FORWARD: Mapping[Any, str] = {None: "none", "backward": "none", "ortho": "ortho", "forward": "full"}
_BACKWARD: Mapping[Any, str] = {None: "full", "backward": "full", "ortho": "ortho", "forward": "none"}


def _scale(norm: Any, *, forward: bool) -> str:
    names = _FORWARD if forward else _BACKWARD
    if norm not in names:
        gap = "" if forward else " "
        raise ValueError(f'Invalid norm value {norm}; should be "backward",{gap}"ortho" or "forward".')
    return names[norm]


def _fitted(node: Node, axis: int, n: int) -> Node:
    """Of n elements along an axis: the first ones, or all and zeros behind them."""
    have = node.shape[axis]
    shape = (*node.shape[:axis], n, *node.shape[axis + 1 :])
    if n <= have:
        return node if n == have else slice_(node, starts=(0,) * len(shape), steps=(1,) * len(shape), sizes=shape)
    more = (*node.shape[:axis], n - have, *node.shape[axis + 1 :])
    return concatenate(node, fill(0, more, node.dtype), axis=axis)


def _length(n: Any) -> int:
    length: int = operator.index(n)
    if length < 1:
        raise ValueError(f"Invalid number of FFT data points ({length}) specified.")
    return length


def _finished(node: Node, out: Any) -> Any:
    if out is None:
        return result(node, is_array=True)
    if out.shape != node.shape:
        raise ValueError("output array has wrong shape.")
    return write(out, node)


def _complex(forward: bool) -> Transform:
    def handler(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        node = node_of(a)
        n = _length(node.shape[axis] if n is None else n)
        scale = _scale(norm, forward=forward)
        k = normalize_axis_index(axis, node.aval.ndim)
        node = cast(node, check_dtype(np.result_type(node.dtype, 1j)))
        return _finished(dft(_fitted(node, k, n), axis=k, forward=forward, scale=scale), out)

    return handler


def _from_real(forward: bool) -> Transform:
    def handler(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        node = node_of(a)
        n = _length(node.shape[axis] if n is None else n)
        scale = _scale(norm, forward=forward)
        k = normalize_axis_index(axis, node.aval.ndim)
        if node.dtype.kind == "c":
            raise TypeError(
                f"ufunc 'rfft_n_{'odd' if n % 2 else 'even'}' not supported for the input types, and the inputs could not "
                "be safely coerced to any supported types according to the casting rule ''safe''"
            )
        wide = check_dtype(np.result_type(node.dtype, 1j))
        node = _fitted(cast(node, np.dtype(wide.char.lower())), k, n)
        return _finished(real_dft(node, axis=k, forward=forward, scale=scale, doubled=False), out)

    return handler


def _to_real(forward: bool) -> Transform:
    def handler(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        node = node_of(a)
        scale = _scale(norm, forward=forward)
        n = _length((node.shape[axis] - 1) * 2 if n is None else n)
        k = normalize_axis_index(axis, node.aval.ndim)
        node = _fitted(cast(node, check_dtype(np.result_type(node.dtype, 1j))), k, n // 2 + 1)
        return _finished(hermitian_dft(node, axis=k, length=n, forward=forward, scale=scale, halved=False), out)

    return handler


_fft, _ifft = _complex(forward=True), _complex(forward=False)
_rfft, _ihfft = _from_real(forward=True), _from_real(forward=False)
_irfft, _hfft = _to_real(forward=False), _to_real(forward=True)


# -- over several axes -------------------------------------------------------------------------------------------------


def _array(a: Any) -> Any:
    return result(node_of(a), is_array=True)


def _over_axes(transform: Transform, axes: Any) -> Transform:
    def handler(a: Any, s: Any = None, axes: Any = axes, norm: Any = None, out: Any = None) -> Any:
        a = _array(a)
        lengths, over = _cook_nd_args(a, s, axes)
        for n, axis in zip(reversed(lengths), reversed(list(over)), strict=True):
            a = transform(a, n, axis, norm, out)
        return a

    return handler


def _over_axes_from_real(axes: Any) -> Transform:
    def handler(a: Any, s: Any = None, axes: Any = axes, norm: Any = None, out: Any = None) -> Any:
        a = _array(a)
        lengths, over = _cook_nd_args(a, s, axes)
        a = _rfft(a, lengths[-1], over[-1], norm, out)
        for n, axis in zip(reversed(lengths[:-1]), reversed(list(over)[:-1]), strict=True):
            a = _fft(a, n, axis, norm, out)
        return a

    return handler


def _over_axes_to_real(axes: Any) -> Transform:
    def handler(a: Any, s: Any = None, axes: Any = axes, norm: Any = None, out: Any = None) -> Any:
        a = _array(a)
        lengths, over = _cook_nd_args(a, s, axes, invreal=1)
        for n, axis in zip(lengths[:-1], list(over)[:-1], strict=True):
            a = _ifft(a, n, axis, norm)
        return _irfft(a, lengths[-1], over[-1], norm, out)

    return handler


def _shifted(part: Callable[[int], int]) -> Transform:
    """Rolls axes by a part of their length: what comes behind that comes first."""

    def handler(x: Any, axes: Any = None) -> Any:
        node = node_of(x)
        ndim = node.aval.ndim
        given = range(ndim) if axes is None else axes if isinstance(axes, (tuple, list)) else (axes,)
        for axis, n in [(k % ndim, node.shape[k]) for k in given]:
            if n > 1:
                cut = part(n)
                node = concatenate(_piece(node, axis, cut, n), _piece(node, axis, 0, cut), axis=axis)
        return result(node, is_array=True)

    return handler


def _piece(node: Node, axis: int, start: int, stop: int) -> Node:
    starts = tuple(start if k == axis else 0 for k in range(node.aval.ndim))
    sizes = tuple(stop - start if k == axis else n for k, n in enumerate(node.shape))
    return slice_(node, starts=starts, steps=(1,) * len(sizes), sizes=sizes)


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.fft.fft: _fft,
    np.fft.ifft: _ifft,
    np.fft.rfft: _rfft,
    np.fft.irfft: _irfft,
    np.fft.hfft: _hfft,
    np.fft.ihfft: _ihfft,
    np.fft.fftn: _over_axes(_fft, None),
    np.fft.ifftn: _over_axes(_ifft, None),
    np.fft.fft2: _over_axes(_fft, (-2, -1)),
    np.fft.ifft2: _over_axes(_ifft, (-2, -1)),
    np.fft.rfftn: _over_axes_from_real(None),
    np.fft.rfft2: _over_axes_from_real((-2, -1)),
    np.fft.irfftn: _over_axes_to_real(None),
    np.fft.irfft2: _over_axes_to_real((-2, -1)),
    np.fft.fftshift: _shifted(lambda n: n - n // 2),
    np.fft.ifftshift: _shifted(lambda n: n // 2),
}
