"""The sliding product, of which convolution and correlation are views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracegraph.ir import Aval, Node, Op
from tracegraph.ops.broadcast import expand_leading, fill
from tracegraph.ops.region import concatenate
from tracegraph.ops.rules import batch_all, each
from tracegraph.ops.scan import flip

__all__ = ["OPS", "correlate", "padded"]


def padded(x: Node, before: int, after: int) -> Node:
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
    return correlate(padded(ct, around, around), flip(w, w.aval.ndim - 1))


#: ``out[i] = sum of x[i + k] w[k]`` along the last axis, where all of w lies on x; over equal leading axes.
correlate: Op = Op(
    "correlate",
    rule=_rule,
    reference=_reference,
    vjp=each(_by_x, lambda ct, out, x, w: correlate(x, ct)),
    batch=lambda inputs, axes, params: correlate(*batch_all(correlate, inputs, axes, expand_leading)),
)

OPS: Sequence[Op] = (correlate,)
