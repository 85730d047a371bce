"""Cotangents that are zero outside a mask, as those of the branches of ``where`` are: what is not taken contributes exactly
nothing, also where its own derivative is infinite or NaN, times which zero would be NaN.

A mask is followed through the elementwise operations, views and sums that stand before the choice. It is applied once,
behind the last elementwise step, so a choice costs what it did when it was applied first. A mask is given up, and with it
the care, where elements mix: in products of matrices (unless it leaves out whole rows or columns), running sums, sorts,
linear algebra and transforms of Fourier's kind; and at the border of a loop, for what goes into it from
outside or is kept of it for the derivative of its derivative.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tracegraph.ir import Node
from tracegraph.ops.broadcast import broadcast_to, fill, is_zero, keep_axes, reduce_sum
from tracegraph.ops.call import again
from tracegraph.ops.control import total
from tracegraph.ops.elementwise import (
    conj,
    convert,
    divide,
    imag,
    logical_and,
    logical_not,
    logical_or,
    make_complex,
    multiply,
    negative,
    real,
    where,
)  # fmt: skip
from tracegraph.ops.gather import gather, scatter
from tracegraph.ops.leaf import identity, is_literal
from tracegraph.ops.product import matmul, swap_last
from tracegraph.ops.reduce import reduce_max, reduce_min, reduce_prod
from tracegraph.ops.region import concatenate, slice_, update
from tracegraph.ops.rules import BOOL
from tracegraph.ops.shape import reshape, reshape_to, transpose
from tracegraph.ops.special import pointwise, polygamma

__all__ = ["Masked", "plus", "pulled", "settled"]

#: Elementwise, by whatever means they run.
_POINTWISE = frozenset({identity, again, pointwise, polygamma})
#: Their rules move elements, and do it to a mask too.
_MOVES = frozenset({reshape, transpose, reduce_sum, concatenate})
#: Zero for zero, in rules.
_LINEAR = frozenset({negative, convert, real, imag, conj, make_complex})


class Masked(NamedTuple):
    """A cotangent.

    Attributes:
        value: the node; anything may be in it where the mask is false, unless it ``is_clean``.
        mask: where the cotangent may be other than zero; None is everywhere.
        is_clean: whether the node itself is zero where the mask is false.
    """

    value: Node
    mask: Node | None = None
    is_clean: bool = True


def settled(ct: Masked) -> Node:
    """The cotangent as one node."""
    if ct.is_clean or ct.mask is None:
        return ct.value
    return where(ct.mask, ct.value, fill(0, ct.value.shape, ct.value.dtype))


def plus(a: Masked, b: Masked) -> Masked:
    """The sum of two cotangents of one value."""
    if a.mask is None or b.mask is None:
        return Masked(total(settled(a), settled(b)))
    if _are_same(a.mask, b.mask):
        return Masked(total(a.value, b.value), a.mask, a.is_clean and b.is_clean)
    for mask, other, x, y in ((a.mask, b.mask, a.value, b.value), (b.mask, a.mask, b.value, a.value)):
        if other.op is logical_not and other.inputs[0] is mask:
            return Masked(where(mask, x, y))
    value = total(settled(a), settled(b))
    is_part = a.mask.op in (update, scatter) or b.mask.op in (update, scatter)
    return Masked(value, None if is_part else logical_or(a.mask, b.mask))


def pulled(ct: Masked, node: Node, i: int) -> Masked | None:
    """What the rule of a node makes of its cotangent for its input i."""
    rule, mask = node.op.vjp, ct.mask
    assert rule is not None, "a derivative flows through differentiable operations only"
    if node.op.kind == "elementwise" or node.op in _POINTWISE:
        part = rule(ct.value, node, i)
        if part is None:
            return None
        found = _split(part)
        if mask is None:
            return found
        if found.mask is None:
            return Masked(part, mask, ct.is_clean and _keeps_zero(part, ct.value))
        return Masked(found.value, logical_and(mask, found.mask), is_clean=False)
    if node.op in _MOVES:
        part = rule(ct.value, node, i)
        return None if part is None else Masked(part, None if mask is None else rule(mask, node, i), ct.is_clean)
    value = settled(ct)
    if node.op is matmul and mask is not None:
        return _of_product(value, mask, node, i)
    part = rule(value, node, i)
    if part is None:
        return None
    found = _split(part)
    carried = _carried(mask, node, i)
    if carried is None:
        return found
    if found.mask is None:
        return Masked(part, carried)
    return Masked(found.value, logical_and(carried, found.mask), is_clean=False)


def _split(part: Node) -> Masked:
    """What a rule gave, as it is without the choice that it ends with."""
    if part.op is not where:
        return Masked(part)
    mask, x, y = part.inputs
    if is_zero(y):
        return Masked(x, mask, is_clean=False)
    if is_zero(x):
        return Masked(y, logical_not(mask), is_clean=False)
    return Masked(part)


def _keeps_zero(part: Node, ct: Node) -> bool:
    """Whether a rule gives zero for zero, whatever the values of the operation are."""
    if part is ct:
        return True
    if part.op in _LINEAR:
        return any(_keeps_zero(source, ct) for source in part.inputs)
    if part.op in (multiply, divide) and part.inputs[0] is ct:
        value = _literal(part.inputs[1])
        return value is not None and bool(np.isfinite(value)) and bool(value != 0)
    return False


def _literal(node: Node) -> np.ndarray | None:
    if node.op is broadcast_to:
        node = node.inputs[0]
    return node.params["value"] if is_literal(node) else None


def _are_same(a: Node, b: Node) -> bool:
    return a is b or (a.op is b.op is logical_not and a.inputs[0] is b.inputs[0])


# -- what mixes elements, or picks some --------------------------------------------------------------------------------


def _carried(mask: Node | None, node: Node, i: int) -> Node | None:
    """The mask of the cotangent of input i; None if it is not known, or everywhere."""
    params, shape = node.params, node.inputs[i].shape
    if node.op is slice_:
        params = {"starts": params["starts"], "steps": params["steps"]}
        return update(_truth(False, shape), _or_true(mask, node), **params)
    if node.op is gather:
        picked = _or_true(mask if params["distinct"] else None, node)
        return scatter(_truth(False, shape), picked, *node.inputs[1:], **params)
    if node.op in (update, scatter):
        rest = node.inputs[1:]
        if i == 0:
            return node.op(_or_true(mask, node), _truth(False, rest[0].shape), *rest[1:], **params)
        if mask is None:
            return None
        return slice_(mask, **params, sizes=shape) if node.op is update else gather(mask, *rest[1:], **params)
    if mask is None:
        return None
    if node.op is broadcast_to:
        return _any(mask, shape)
    if node.op in (reduce_max, reduce_min, reduce_prod):
        return keep_axes(mask, shape, params["axes"])
    return None


def _truth(value: bool, shape: tuple[int, ...]) -> Node:
    return fill(value, shape, BOOL)


def _or_true(mask: Node | None, node: Node) -> Node:
    return _truth(True, node.shape) if mask is None else mask


def _any(mask: Node, shape: tuple[int, ...]) -> Node | None:
    """Where any of what was repeated from one element is."""
    lead = mask.aval.ndim - len(shape)
    axes = (*range(lead), *(lead + k for k, n in enumerate(shape) if n == 1 and mask.shape[lead + k] != 1))
    if not math.prod(mask.shape):
        return None
    return reshape_to(reduce_max(mask, axes=axes) if axes else mask, shape)


def _of_product(ct: Node, mask: Node, node: Node, i: int) -> Masked:
    """Where whole rows (or columns) of a product are left out, so are those of what they come from."""
    n = node.aval.ndim
    x, y = node.inputs
    rows = mask if mask.shape[-1] == 1 else _repeated(mask, n - 1)
    columns = mask if _is_vector(x) else _repeated(mask, n - 2)
    if rows is not None:
        left = broadcast_to(rows, shape=x.shape)
        if i == 0:
            return Masked(matmul(ct, swap_last(y)), left)
        return Masked(matmul(swap_last(settled(Masked(x, left, is_clean=False))), ct))
    if columns is not None:
        right = broadcast_to(columns, shape=y.shape)
        if i == 1:
            return Masked(matmul(swap_last(x), ct), right)
        return Masked(matmul(ct, swap_last(settled(Masked(y, right, is_clean=False)))))
    part = node.op.vjp(ct, node, i) if node.op.vjp else None
    assert part is not None
    return Masked(part)


def _is_vector(node: Node) -> bool:
    """Whether a factor was made a row of a vector; a matrix that happens to have one row is a batch of one."""
    return node.op is reshape and node.inputs[0].aval.ndim < node.aval.ndim and node.shape[-2] == 1


def _repeated(mask: Node, axis: int) -> Node | None:
    """The mask with extent 1 along an axis, if it is repeated along it."""
    if mask.op is not broadcast_to:
        return None
    (source,) = mask.inputs
    lead = mask.aval.ndim - source.aval.ndim
    shape = (*(1,) * lead, *source.shape)
    return reshape_to(source, shape) if shape[axis] == 1 else None
