"""The matrix product, batched. Every other contraction is a view of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracegraph.ir import Aval, Node, Op
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.rules import Params, batch_all, each
from tracegraph.ops.shape import transpose

__all__ = ["OPS", "matmul", "swap_last"]


def swap_last(node: Node) -> Node:
    """The transpose of the last two axes."""
    n = node.aval.ndim
    return transpose(node, axes=(*range(n - 2), n - 1, n - 2))


def _matmul_rule(x: Aval, y: Aval) -> Aval:
    if x.dtype != y.dtype or x.ndim != y.ndim or x.ndim < 2:
        raise TypeError(f"matmul: operands of a strict operation do not fit: {x}, {y}")
    if x.shape[:-2] != y.shape[:-2] or x.shape[-1] != y.shape[-2]:
        raise ValueError(f"matmul: shapes {x.shape} and {y.shape} do not fit")
    return Aval((*x.shape[:-1], y.shape[-1]), x.dtype)


def _batch_matmul(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    return matmul(*batch_all(matmul, inputs, axes, expand_leading))


#: ``(..., m, k) @ (..., k, n)`` with equal leading axes.
matmul: Op = Op(
    "matmul",
    rule=_matmul_rule,
    reference=np.matmul,
    vjp=each(
        lambda ct, out, x, y: matmul(ct, swap_last(y)),
        lambda ct, out, x, y: matmul(swap_last(x), ct),
    ),
    batch=_batch_matmul,
    kind="product",
)

OPS: Sequence[Op] = (matmul,)
