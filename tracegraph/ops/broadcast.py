"""Broadcasting and summing, each other's adjoint; constants of any shape come from the first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tracegraph.ir import Aval, Node, Op, Shape
from tracegraph.ir.node import Vjp
from tracegraph.ops.leaf import is_literal, literal
from tracegraph.ops.rules import NUMBERS, Ints, Params, each
from tracegraph.ops.shape import reshape_to

__all__ = [
    "OPS",
    "broadcast_to",
    "expand_leading",
    "fill",
    "is_zero",
    "keep_axes",
    "reduce_sum",
    "reduced_shape",
    "reduction",
    "zeros_like",
]


def fill(value: complex, shape: Shape, dtype: np.dtype) -> Node:
    """An array with one value everywhere; costs no memory."""
    scalar = literal(value, dtype)
    return broadcast_to(scalar, shape=shape) if shape else scalar


def zeros_like(node: Node) -> Node:
    return fill(0, node.shape, node.dtype)


def is_zero(node: Node) -> bool:
    """Whether a value is plainly zero everywhere: it was written down so."""
    base = node.inputs[0] if node.op is broadcast_to else node
    return is_literal(base) and not base.params["value"]


def expand_leading(node: Node, size: int) -> Node:
    """The value repeated along a new leading axis."""
    return broadcast_to(node, shape=(size, *node.shape))


def reduce_to(node: Node, shape: Shape) -> Node:
    """The adjoint of broadcasting: sums over the axes along which ``shape`` was repeated."""
    lead = node.aval.ndim - len(shape)
    axes = (*range(lead), *(lead + k for k, n in enumerate(shape) if n == 1 and node.shape[lead + k] != 1))
    return reshape_to(reduce_sum(node, axes=axes), shape)


def reduced_shape(shape: Shape, axes: Ints) -> Shape:
    """The shape without the axes."""
    return tuple(n for k, n in enumerate(shape) if k not in axes)


def keep_axes(node: Node, shape: Shape, axes: Ints) -> Node:
    """A reduced value repeated again along the axes that it was reduced over.

    Leading axes are new ones to broadcasting; it would take one of extent 1 that is kept for no repetition at all.
    """
    if axes == tuple(range(len(axes))):
        return broadcast_to(node, shape=shape)
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    return broadcast_to(reshape_to(node, kept), shape=shape)


def reduction(name: str, ufunc: np.ufunc, vjp: Vjp, dtypes: Iterable[np.dtype], *, empty: bool) -> Op:
    """A row of the family: a ufunc over some axes, which the result loses. ``empty``: whether it has an identity."""
    allowed = frozenset(dtypes)

    def rule(x: Aval, *, axes: Ints) -> Aval:
        if x.dtype not in allowed:
            raise TypeError(f"{name} does not take {x.dtype}")
        if list(axes) != sorted(set(axes)) or any(not 0 <= axis < x.ndim for axis in axes):
            raise ValueError(f"{name}: bad axes {axes} for an array of rank {x.ndim}")
        if not empty and any(x.shape[axis] == 0 for axis in axes):
            raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
        return Aval(reduced_shape(x.shape, axes), x.dtype)

    def batch(inputs: Sequence[Node], batched: Sequence[bool], params: Params) -> Node:
        return op(*inputs, axes=tuple(axis + 1 for axis in params["axes"]))

    op: Op = Op(
        name,
        rule=rule,
        vjp=vjp,
        batch=batch,
        kind="reduce",
        reference=lambda x, *, axes: np.asarray(ufunc.reduce(x, axis=axes, dtype=x.dtype)),
    )
    return op


def _broadcast_rule(x: Aval, *, shape: Shape) -> Aval:
    lead = len(shape) - x.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape, shape[lead:], strict=True)):
        raise ValueError(f"could not broadcast an array of shape {x.shape} to shape {shape}")
    return Aval(shape, x.dtype)


def _batch_broadcast(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    (x,) = inputs
    shape = params["shape"]
    aligned = (x.shape[0], *(1,) * (len(shape) - x.aval.ndim + 1), *x.shape[1:])
    return broadcast_to(reshape_to(x, aligned), shape=(x.shape[0], *shape))


broadcast_to: Op = Op(
    "broadcast_to",
    kind="view",
    rule=_broadcast_rule,
    reference=lambda x, *, shape: np.broadcast_to(x, shape),
    vjp=each(lambda ct, out, x: reduce_to(ct, x.shape)),
    batch=_batch_broadcast,
)
reduce_sum: Op = reduction(
    "reduce_sum", np.add, each(lambda ct, out, x: keep_axes(ct, x.shape, out.params["axes"])), NUMBERS, empty=True
)

OPS: Sequence[Op] = (broadcast_to, reduce_sum)
