"""Discrete Fourier transforms along one axis, by NumPy: of complex arrays, of real ones, and to real ones.

Their matrices are symmetric, so the derivative of each is one of them again: cotangents are transposed without conjugation,
and those of real arrays are real parts. ``forward`` is the sign of NumPy's fft; ``scale`` is "none", "ortho" (by the root of
the length) or "full" (by the length).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracegraph.ir import DTYPES, Aval, Node, Op
from tracegraph.ops.rules import each

__all__ = ["OPS", "dft", "hermitian_dft", "real_dft"]

#: The complex dtype of each real one.
_COMPLEX = {dtype: np.result_type(dtype, np.complex64) for dtype in DTYPES if dtype.char in "fd"}
_REAL = {wide: dtype for dtype, wide in _COMPLEX.items()}

#: How NumPy says the scale, of a forward and of a backward transform.
_NORMS: Mapping[tuple[str, bool], Any] = {
    ("none", True): "backward", ("ortho", True): "ortho", ("full", True): "forward",
    ("none", False): "forward", ("ortho", False): "ortho", ("full", False): "backward",
}  # fmt: skip


def _interior(length: int, axis: int) -> tuple[slice, ...]:
    """The frequencies that stand for two: themselves and their mirror images, which are not stored."""
    return (*(slice(None),) * axis, slice(1, (length + 1) // 2))


def _check(name: str, x: Aval, axis: int, allowed: Mapping[np.dtype, np.dtype]) -> None:
    if x.dtype not in allowed:
        raise TypeError(f"{name} does not take {x.dtype}")
    if not 0 <= axis < x.ndim or x.shape[axis] < 1:
        raise ValueError(f"{name}: bad axis {axis} for {x}")


def _with_length(x: Aval, axis: int, length: int, dtype: np.dtype) -> Aval:
    return Aval((*x.shape[:axis], length, *x.shape[axis + 1 :]), dtype)


def _row(name: str, rule: Callable[..., Aval], reference: Callable[..., Any], vjp: Callable[..., Node]) -> Op:
    op: Op = Op(
        name, rule=rule, reference=reference, vjp=each(vjp),
        batch=lambda inputs, axes, params: op(*inputs, **{**params, "axis": params["axis"] + 1}),
    )  # fmt: skip
    return op


def _dft_rule(x: Aval, *, axis: int, forward: bool, scale: str) -> Aval:
    _check("dft", x, axis, _REAL)
    return x


def _dft_reference(x: np.ndarray, *, axis: int, forward: bool, scale: str) -> np.ndarray:
    transform = np.fft.fft if forward else np.fft.ifft
    return np.asarray(transform(x, axis=axis, norm=_NORMS[scale, forward]))


def _real_rule(x: Aval, *, axis: int, forward: bool, scale: str, doubled: bool) -> Aval:
    _check("real_dft", x, axis, _COMPLEX)
    return _with_length(x, axis, x.shape[axis] // 2 + 1, _COMPLEX[x.dtype])


def _real_reference(x: np.ndarray, *, axis: int, forward: bool, scale: str, doubled: bool) -> np.ndarray:
    y = np.fft.rfft(x, axis=axis, norm=_NORMS[scale, True])
    if not forward:
        np.conjugate(y, out=y)
    if doubled:
        y[_interior(x.shape[axis], axis)] *= 2
    return y


def _hermitian_rule(x: Aval, *, axis: int, length: int, forward: bool, scale: str, halved: bool) -> Aval:
    _check("hermitian_dft", x, axis, _REAL)
    if x.shape[axis] != length // 2 + 1:
        raise ValueError(f"hermitian_dft: {x} has not the frequencies of length {length}")
    return _with_length(x, axis, length, _REAL[x.dtype])


def _hermitian_reference(
    x: np.ndarray, *, axis: int, length: int, forward: bool, scale: str, halved: bool
) -> np.ndarray:
    if forward or halved:
        x = np.conjugate(x) if forward else x.copy()
    if halved:
        x[_interior(length, axis)] /= 2
    return np.fft.irfft(x, length, axis, _NORMS[scale, False])


def _real_vjp(ct: Node, out: Node, x: Node) -> Node:
    params = dict(out.params)
    return hermitian_dft(ct, length=x.shape[params["axis"]], halved=not params.pop("doubled"), **params)


def _hermitian_vjp(ct: Node, out: Node, x: Node) -> Node:
    params = dict(out.params)
    del params["length"]
    return real_dft(ct, doubled=not params.pop("halved"), **params)


dft: Op = _row("dft", _dft_rule, _dft_reference, lambda ct, out, x: dft(ct, **out.params))
#: The first half of the frequencies of a real array; ``doubled``: those that stand for two count twice.
real_dft: Op = _row("real_dft", _real_rule, _real_reference, _real_vjp)
#: The real array with such frequencies; ``halved``: those that stand for two count once.
hermitian_dft: Op = _row("hermitian_dft", _hermitian_rule, _hermitian_reference, _hermitian_vjp)

OPS: Sequence[Op] = (dft, real_dft, hermitian_dft)
