"""Reshape and transpose, which the compiler takes as index maps at no cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tracegraph.ir import Aval, Node, Op, Shape
from tracegraph.ops.rules import Ints, each

__all__ = ["OPS", "inverse", "reshape", "reshape_to", "transpose"]


def reshape_to(node: Node, shape: Shape) -> Node:
    """`reshape`, unless the shape is that already."""
    return node if node.shape == shape else reshape(node, shape=shape)


def inverse(axes: Ints) -> Ints:
    """The permutation that undoes ``axes``.

    >>> inverse((2, 0, 1))
    (1, 2, 0)
    """
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _reshape_rule(x: Aval, *, shape: Shape) -> Aval:
    if math.prod(shape) != x.size:
        raise ValueError(f"cannot reshape array of size {x.size} into shape {shape}")
    return Aval(shape, x.dtype)


def _transpose_rule(x: Aval, *, axes: Ints) -> Aval:
    if sorted(axes) != list(range(x.ndim)):
        raise ValueError(f"axes {axes} do not match an array of rank {x.ndim}")
    return Aval(tuple(x.shape[axis] for axis in axes), x.dtype)


reshape: Op = Op(
    "reshape", kind="view", rule=_reshape_rule, reference=lambda x, *, shape: x.reshape(shape),
    vjp=each(lambda ct, out, x: reshape(ct, shape=x.shape)),
    batch=lambda inputs, axes, params: reshape(*inputs, shape=(inputs[0].shape[0], *params["shape"])),
)  # fmt: skip
transpose: Op = Op(
    "transpose", kind="view", rule=_transpose_rule, reference=lambda x, *, axes: x.transpose(axes),
    vjp=each(lambda ct, out, x: transpose(ct, axes=inverse(out.params["axes"]))),
    batch=lambda inputs, axes, params: transpose(*inputs, axes=(0, *(axis + 1 for axis in params["axes"]))),
)  # fmt: skip

OPS: Sequence[Op] = (reshape, transpose)
