"""Reductions over axes, without keeping the reduced axes. Sums and products stay in their dtype: the NumPy layer
converts first where NumPy would.

Subgradients: a tie for the maximum or minimum shares the cotangent equally.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracegraph.ir import Aval, Node, Op
from tracegraph.ops.broadcast import fill, keep_axes, reduce_sum, reduced_shape, reduction, zeros_like
from tracegraph.ops.elementwise import convert, divide, equal, multiply, where
from tracegraph.ops.region import concatenate, slice_
from tracegraph.ops.rules import ANY, NUMBERS, each
from tracegraph.ops.shape import inverse, reshape_to, transpose

__all__ = ["OPS", "argmax", "argmin", "reduce_max", "reduce_min", "reduce_prod"]


def _share_ties(ct: Node, out: Node, x: Node) -> Node:
    """The cotangent of a maximum or minimum, in equal parts to every element that attains it."""
    axes = out.params["axes"]
    attained = equal(x, keep_axes(out, x.shape, axes))
    count = reduce_sum(convert(attained, dtype=x.dtype), axes=axes)
    return where(attained, keep_axes(divide(ct, count), x.shape, axes), zeros_like(x))


def _prod_vjp(ct: Node, out: Node, x: Node) -> Node:
    """The product of all the others, by products from both ends: right at zeros, and to every order.

    The running products are found by doubling (Hillis and Steele, 1986) in log2(n) steps.
    """
    axes = out.params["axes"]
    kept = tuple(k for k in range(x.aval.ndim) if k not in axes)
    order = (*kept, *axes)
    moved = transpose(x, axes=order)
    flat = reshape_to(moved, (*reduced_shape(x.shape, axes), math.prod(x.shape[axis] for axis in axes)))
    others = multiply(_running_product(flat, forward=True), _running_product(flat, forward=False))
    back = transpose(reshape_to(others, moved.shape), axes=inverse(order))
    return multiply(keep_axes(ct, x.shape, axes), back)


def _running_product(x: Node, *, forward: bool) -> Node:
    """For each position of the last axis, the product of all the elements before it (or behind it)."""
    n = x.shape[-1]
    result = _shift(x, 1, forward=forward)
    distance = 1
    while distance < n:
        result = multiply(result, _shift(result, distance, forward=forward))
        distance *= 2
    return result


def _shift(x: Node, distance: int, *, forward: bool) -> Node:
    """Moves elements along the last axis, with ones coming in."""
    *lead, n = x.shape
    moved = min(distance, n)
    ones = fill(1, (*lead, moved), x.dtype)
    starts = (*(0,) * len(lead), 0 if forward else moved)
    rest = slice_(x, starts=starts, steps=(1,) * x.aval.ndim, sizes=(*lead, n - moved))
    return concatenate(*((ones, rest) if forward else (rest, ones)), axis=len(lead))


reduce_prod: Op = reduction("reduce_prod", np.multiply, each(_prod_vjp), NUMBERS, empty=True)
reduce_max: Op = reduction("reduce_max", np.maximum, each(_share_ties), ANY, empty=False)
reduce_min: Op = reduction("reduce_min", np.minimum, each(_share_ties), ANY, empty=False)


def _arg_reduction(name: str, reference: Callable[..., Any]) -> Op:
    """The index of the first extreme element (the first NaN, if there is one) along one axis, as int64."""

    def rule(x: Aval, *, axis: int) -> Aval:
        if not 0 <= axis < x.ndim:
            raise ValueError(f"{name}: bad axis {axis} for an array of rank {x.ndim}")
        if x.shape[axis] == 0:
            raise ValueError(f"attempt to get {name} of an empty sequence")
        return Aval(reduced_shape(x.shape, (axis,)), np.dtype(np.int64))

    op: Op = Op(
        name, rule=rule, reference=lambda x, *, axis: np.asarray(reference(x, axis=axis), np.int64),
        batch=lambda inputs, axes, params: op(*inputs, axis=params["axis"] + 1),
    )  # fmt: skip
    return op


argmax: Op = _arg_reduction("argmax", np.argmax)
argmin: Op = _arg_reduction("argmin", np.argmin)

OPS: Sequence[Op] = (reduce_prod, reduce_max, reduce_min, argmax, argmin)
