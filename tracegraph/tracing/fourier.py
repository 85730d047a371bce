"""numpy.fft on placeholders: an axis is cut or padded, then transformed. What NumPy writes in Python on top of that, over
several axes and with shifts, runs as it stands."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.ir import Node, Op
from tracegraph.ops.broadcast import fill
from tracegraph.ops.elementwise import like, multiply
from tracegraph.ops.fourier import dft, hermitian_dft, real_dft
from tracegraph.ops.region import concatenate, slice_
from tracegraph.tracing.lift import cast, check_dtype, node_of, result
from tracegraph.tracing.ufuncs import write

__all__ = ["FUNCTIONS"]

Transform = Callable[..., Any]
HALF = np.dtype(np.float16)

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


def _transformed(op: Op, node: Node, k: int, n: int, scale: str, *, is_half: bool, **params: Any) -> Node:
    """A transform of n elements along an axis. For halves NumPy works out in halves what it scales by."""
    if not is_half or scale == "none":
        return op(node, axis=k, scale=scale, **params)
    root = np.sqrt(n, dtype=HALF) if scale == "ortho" else HALF.type(n)
    done = op(node, axis=k, scale="none", **params)
    return multiply(done, like(done, float(np.reciprocal(root))))


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
        is_half = node.dtype == HALF
        node = _fitted(cast(node, check_dtype(np.result_type(node.dtype, 1j))), k, n)
        return _finished(_transformed(dft, node, k, n, scale, is_half=is_half, forward=forward), out)

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
        is_half, wide = node.dtype == HALF, check_dtype(np.result_type(node.dtype, 1j))
        node = _fitted(cast(node, np.dtype(wide.char.lower())), k, n)
        return _finished(
            _transformed(real_dft, node, k, n, scale, is_half=is_half, forward=forward, doubled=False), out
        )

    return handler


def _to_real(forward: bool) -> Transform:
    def handler(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        node = node_of(a)
        scale = _scale(norm, forward=forward)
        n = _length((node.shape[axis] - 1) * 2 if n is None else n)
        k = normalize_axis_index(axis, node.aval.ndim)
        is_half = node.dtype == HALF
        node = _fitted(cast(node, check_dtype(np.result_type(node.dtype, 1j))), k, n // 2 + 1)
        params = {"length": n, "forward": forward, "halved": False}
        done = _transformed(hermitian_dft, node, k, n, scale, is_half=is_half, **params)
        return _finished(cast(done, HALF) if is_half else done, out)

    return handler


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.fft.fft: _complex(forward=True),
    np.fft.ifft: _complex(forward=False),
    np.fft.rfft: _from_real(forward=True),
    np.fft.irfft: _to_real(forward=False),
    np.fft.hfft: _to_real(forward=True),
    np.fft.ihfft: _from_real(forward=False),
}
