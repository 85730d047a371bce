"""Discrete Fourier transforms along one axis, by NumPy: of complex arrays, of real ones, and to real ones.

Their matrices are symmetric, so the derivative of each is one of them again: cotangents are transposed without conjugation,
and those of real arrays are real parts. ``forward`` is the sign of NumPy's fft; ``scale`` is "none", "ortho" (by the root of
the length) or "full" (by the length). Lines are transformed one by one, so parts of an array may be side by side.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tracegraph.ir import DTYPES, Aval, Node, Op, Shape, aval_of
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


def _row(name: str, rule: Callable[..., Aval], into: Callable[..., None], vjp: Callable[..., Node]) -> Op:
    """An op by what writes its result: ``into(out, x, **params)``."""

    def reference(x: np.ndarray, **params: Any) -> np.ndarray:
        out: np.ndarray = np.empty(*rule(aval_of(x.shape, x.dtype), **params))
        into(out, x, **params)
        return out

    def parts(out: np.ndarray, x: np.ndarray, *, count: int, **params: Any) -> list[Callable[[], None]]:
        cuts = _cuts(x.shape, params["axis"], count)
        return [functools.partial(into, out[each], x[each], **params) for each in cuts]

    op: Op = Op(
        name, rule=rule, reference=reference, vjp=each(vjp), parts=parts,
        batch=lambda inputs, axes, params: op(*inputs, **{**params, "axis": params["axis"] + 1}),
    )  # fmt: skip
    return op


def _cuts(shape: Shape, axis: int, count: int) -> list[tuple[slice, ...]]:
    """Parts of an array that cut no line along an axis."""
    across = max((k for k in range(len(shape)) if k != axis), key=lambda k: shape[k], default=None)
    if across is None:
        return [()]
    edges = [shape[across] * k // count for k in range(count + 1)]
    return [(*(slice(None),) * across, slice(*pair)) for pair in pairwise(edges)]


def _dft_rule(x: Aval, *, axis: int, forward: bool, scale: str) -> Aval:
    _check("dft", x, axis, _REAL)
    return x


def _dft_into(out: np.ndarray, x: np.ndarray, *, axis: int, forward: bool, scale: str) -> None:
    transform = np.fft.fft if forward else np.fft.ifft
    transform(x, axis=axis, norm=_NORMS[scale, forward], out=out)


def _real_rule(x: Aval, *, axis: int, forward: bool, scale: str, doubled: bool) -> Aval:
    _check("real_dft", x, axis, _COMPLEX)
    return _with_length(x, axis, x.shape[axis] // 2 + 1, _COMPLEX[x.dtype])


def _real_into(out: np.ndarray, x: np.ndarray, *, axis: int, forward: bool, scale: str, doubled: bool) -> None:
    np.fft.rfft(x, axis=axis, norm=_NORMS[scale, True], out=out)
    if not forward:
        np.conjugate(out, out=out)
    if doubled:
        out[_interior(x.shape[axis], axis)] *= 2


def _hermitian_rule(x: Aval, *, axis: int, length: int, forward: bool, scale: str, halved: bool) -> Aval:
    _check("hermitian_dft", x, axis, _REAL)
    if x.shape[axis] != length // 2 + 1:
        raise ValueError(f"hermitian_dft: {x} has not the frequencies of length {length}")
    return _with_length(x, axis, length, _REAL[x.dtype])


def _hermitian_into(
    out: np.ndarray, x: np.ndarray, *, axis: int, length: int, forward: bool, scale: str, halved: bool
) -> None:
    if forward or halved:
        x = np.conjugate(x) if forward else x.copy()
    if halved:
        x[_interior(length, axis)] /= 2
    np.fft.irfft(x, length, axis, _NORMS[scale, False], out=out)


def _real_vjp(ct: Node, out: Node, x: Node) -> Node:
    params = dict(out.params)
    return hermitian_dft(ct, length=x.shape[params["axis"]], halved=not params.pop("doubled"), **params)


def _hermitian_vjp(ct: Node, out: Node, x: Node) -> Node:
    params = dict(out.params)
    del params["length"]
    return real_dft(ct, doubled=not params.pop("halved"), **params)


dft: Op = _row("dft", _dft_rule, _dft_into, lambda ct, out, x: dft(ct, **out.params))
#: The first half of the frequencies of a real array; ``doubled``: those that stand for two count twice.
real_dft: Op = _row("real_dft", _real_rule, _real_into, _real_vjp)
#: The real array with such frequencies; ``halved``: those that stand for two count once.
hermitian_dft: Op = _row("hermitian_dft", _hermitian_rule, _hermitian_into, _hermitian_vjp)

OPS: Sequence[Op] = (dft, real_dft, hermitian_dft)
