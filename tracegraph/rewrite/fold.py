"""Computes once what is the same everywhere: elementwise operations on numbers are folded with NumPy, those on repeated
arrays are done before the repetition. Arrays are never folded, since they may change between calls."""

from __future__ import annotations

import math

import numpy as np

from tracegraph.ir import Node
from tracegraph.ops.broadcast import broadcast_to, fill, reduce_sum
from tracegraph.ops.elementwise import OPS as ELEMENTWISE
from tracegraph.ops.elementwise import power
from tracegraph.ops.leaf import is_literal, literal
from tracegraph.ops.reduce import reduce_max, reduce_min
from tracegraph.rewrite.engine import Rules, rule
from tracegraph.rewrite.match import number

__all__ = ["FOLD"]


@rule("fold", *ELEMENTWISE)
def fold(node: Node) -> Node | None:
    """``exp(0.0) -> 1.0``, silently and as NumPy does it; what NumPy refuses is left to be refused when it runs."""
    inputs = node.inputs
    if node.shape or not all(map(is_literal, inputs)):
        return None
    values = [source.params["value"] for source in inputs]
    if node.op is power and node.dtype.kind in "iu" and values[1] < 0:
        return None
    with np.errstate(all="ignore"):
        return literal(node.op.reference(*values, **node.params), node.dtype)


@rule("elementwise_of_broadcast", *ELEMENTWISE)
def elementwise_of_broadcast(node: Node) -> Node | None:
    """``exp(broadcast_to(x)) -> broadcast_to(exp(x))``, where the operands together have fewer elements, or axes, than the
    result."""
    for source in node.inputs:
        if source.op is not broadcast_to:
            return None
    sources = [source.inputs[0] for source in node.inputs]
    first = sources[0].shape
    same = all(source.shape == first for source in sources)
    small = first if same else np.broadcast_shapes(*(source.shape for source in sources))
    if len(small) == node.aval.ndim and math.prod(small) >= node.aval.size:
        return None
    operands = [x if x.shape == small else broadcast_to(x, shape=small) for x in sources]
    return broadcast_to(node.op(*operands, **node.params), shape=node.shape)


@rule("extreme_of_scalar", reduce_max, reduce_min)
def extreme_of_scalar(node: Node) -> Node | None:
    """The greatest of equal elements is any of them: ``reduce_max(broadcast_to(x)) -> broadcast_to(x)`` for a scalar x."""
    (source,) = node.inputs
    if source.op is not broadcast_to or source.inputs[0].shape:
        return None
    return broadcast_to(source.inputs[0], shape=node.shape)


@rule("sum_of_number", reduce_sum)
def sum_of_number(node: Node) -> Node | None:
    """``reduce_sum(fill(2, (3,)), axes=(0,)) -> 6``, where every partial sum is exact (integers wrap alike)."""
    (source,) = node.inputs
    value = number(source)
    if value is None or value.dtype.kind not in "iuf":
        return None
    count = math.prod(source.shape[axis] for axis in node.params["axes"])
    if value.dtype.kind == "f":
        largest = 1 / np.finfo(value.dtype).eps
        if value != np.rint(value) or abs(value) * count >= largest:
            return None
        total = float(value) * count + 0.0
    else:
        total = np.asarray(int(value) * count % 2**64, np.uint64).astype(node.dtype).item()
    return fill(total, node.shape, node.dtype)


FOLD: Rules = (fold, elementwise_of_broadcast, extreme_of_scalar, sum_of_number)
