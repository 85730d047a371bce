"""What slides along an axis: the product, of which convolution and correlation are views, and sums of windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracegraph.ir import Aval, Node, Op
from tracegraph.ops.broadcast import expand_leading, fill
from tracegraph.ops.convolution import padded, phases_of
from tracegraph.ops.region import concatenate, update
from tracegraph.ops.rules import REALS, batch_all, each
from tracegraph.ops.scan import along, flip

__all__ = ["OPS", "correlate", "padded_last", "window"]


def padded_last(x: Node, before: int, after: int) -> Node:
    """The array with zeros at both ends of its last axis."""
    *lead, _ = x.shape
    ends = [fill(0, (*lead, n), x.dtype) for n in (before, after)]
    return concatenate(ends[0], x, ends[1], axis=len(lead))


def _rule(x: Aval, w: Aval) -> Aval:
    if x.dtype != w.dtype or x.ndim != w.ndim or not x.ndim or x.shape[:-1] != w.shape[:-1]:
        raise TypeError(f"correlate: operands of a strict operation do not fit: {x}, {w}")
    n, m = x.shape[-1], w.shape[-1]
    if not 1 <= m <= n:
        raise ValueError(f"correlate: {m} weights over {n} elements")
    return Aval((*x.shape[:-1], n - m + 1), x.dtype)


def _reference(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    out = np.empty((*x.shape[:-1], x.shape[-1] - w.shape[-1] + 1), x.dtype)
    for place in np.ndindex(x.shape[:-1]):
        out[place] = np.correlate(x[place], np.conj(w[place]), "valid")
    return out


def _by_x(ct: Node, out: Node, x: Node, w: Node) -> Node:
    around = w.shape[-1] - 1
    return correlate(padded_last(ct, around, around), flip(w, w.aval.ndim - 1))


#: ``out[i] = sum of x[i + k] w[k]`` along the last axis, where all of w lies on x; over equal leading axes.
correlate: Op = Op(
    "correlate",
    rule=_rule,
    reference=_reference,
    vjp=each(_by_x, lambda ct, out, x, w: correlate(x, ct)),
    batch=lambda inputs, axes, params: correlate(*batch_all(correlate, inputs, axes, expand_leading)),
)


def _window_rule(x: Aval, *, axis: int, size: int, stride: int) -> Aval:
    if x.dtype not in REALS:
        raise TypeError(f"window does not take {x.dtype}")
    if not 0 <= axis < x.ndim or stride < 1:
        raise ValueError(f"window: along axis {axis} of an array of rank {x.ndim}, by steps of {stride}")
    n = x.shape[axis]
    if not 1 <= size <= n:
        raise ValueError(f"window: {size} of {n} elements")
    return Aval((*x.shape[:axis], (n - size) // stride + 1, *x.shape[axis + 1 :]), x.dtype)


def _window_reference(x: np.ndarray, *, axis: int, size: int, stride: int) -> np.ndarray:
    windows = np.moveaxis(np.lib.stride_tricks.sliding_window_view(x, size, axis), axis, 0)[::stride]
    return np.moveaxis(np.asarray(np.add.reduce(windows, axis=-1, dtype=x.dtype)), 0, axis)


def _window_vjp(ct: Node, node: Node, x: Node) -> Node:
    """Each element gets what flows back to the windows that it is in: the sums of windows of the cotangent, for each
    remainder of the stride."""
    axis, size, stride = (node.params[name] for name in ("axis", "size", "stride"))
    phases = phases_of(x.shape[axis], node.shape[axis], size, stride, 1)
    before, after = (max(getattr(phase, end) for phase in phases) for end in ("before", "after"))
    lows, highs, firsts, steps = ([rest] * x.aval.ndim for rest in (0, 0, 0, 1))
    lows[axis], highs[axis], steps[axis] = max(before, 0), max(after, 0), stride
    around = padded(ct, tuple(lows), tuple(highs))
    total = fill(0, x.shape, x.dtype)
    for phase in phases:
        seen = along(around, axis, lows[axis] - phase.before, phase.places + phase.taps - 1)
        part = window(seen, axis=axis, size=phase.taps, stride=1)
        firsts[axis] = phase.first
        total = part if part.shape == x.shape else update(total, part, starts=tuple(firsts), steps=tuple(steps))
    return total


#: The sums of windows along an axis, which begin every `stride` elements.
window: Op = Op(
    "window",
    rule=_window_rule,
    reference=_window_reference,
    vjp=each(_window_vjp),
    batch=lambda inputs, axes, params: window(*inputs, **{**params, "axis": params["axis"] + 1}),
)

OPS: Sequence[Op] = (correlate, window)
