"""Picking by arrays of indices, and its adjoint: gather reads, scatter writes, scatter_add adds up. What a mask picks is an
array of indices too, once it is known how many there are.

Index arrays are int64, of one shape, one for each of some axes. The result of a gather, as the values of a scatter, has
the shape of the indices, then the remaining axes. Indices count from the end if they are negative; one that is out of
bounds is an IndexError when the operation runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracegraph.ir import Aval, Node, Op, Shape
from tracegraph.ops.broadcast import broadcast_to, expand_leading, fill, reduced_shape, zeros_like
from tracegraph.ops.elementwise import add, equal, like, multiply, where
from tracegraph.ops.leaf import iota
from tracegraph.ops.rules import BOOL, NUMBERS, Ints, Params, batch_all
from tracegraph.ops.shape import reshape_to, transpose

__all__ = [
    "INDEX",
    "OPS",
    "add_at",
    "check_bounds",
    "gather",
    "gather_at",
    "nonzero",
    "scatter",
    "scatter_add",
    "scatter_within",
]

INDEX = np.dtype(np.int64)


def check_bounds(indices: np.ndarray, axis: int, n: int) -> None:
    """Raises what NumPy raises for the first index that is out of bounds."""
    bad = (indices < -n) | (indices >= n)
    if bad.any():
        index = indices[bad].flat[0]
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")


# -- rules -------------------------------------------------------------------------------------------------------------


def _picked(name: str, x: Aval, indices: Sequence[Aval], axes: Ints) -> Shape:
    """The shape of what is picked."""
    if (
        not indices
        or len(indices) != len(axes)
        or list(axes) != sorted(set(axes))
        or not 0 <= axes[0] <= axes[-1] < x.ndim
    ):
        raise ValueError(f"{name}: bad axes {axes} of {x} for {len(indices)} index arrays")
    shape = indices[0].shape
    for index in indices:
        if index.dtype != INDEX or index.shape != shape:
            raise TypeError(f"{name}: an index array is {index}, expected {Aval(shape, INDEX)}")
    if math.prod(shape):
        for axis in axes:
            check_bounds(np.zeros(1, INDEX), axis, max(x.shape[axis], 0))
    return (*shape, *reduced_shape(x.shape, axes))


def _gather_rule(x: Aval, *indices: Aval, axes: Ints, distinct: bool) -> Aval:
    return Aval(_picked("gather", x, indices, axes), x.dtype)


def _scatter_rule(x: Aval, v: Aval, *indices: Aval, axes: Ints, distinct: bool) -> Aval:
    return _scattered("scatter", x, v, indices, axes)


def _scatter_add_rule(x: Aval, v: Aval, *indices: Aval, axes: Ints, distinct: bool) -> Aval:
    if x.dtype not in NUMBERS:
        raise TypeError(f"scatter_add does not take {x.dtype}")
    return _scattered("scatter_add", x, v, indices, axes)


def _scattered(name: str, x: Aval, v: Aval, indices: Sequence[Aval], axes: Ints) -> Aval:
    if v != Aval(_picked(name, x, indices, axes), x.dtype):
        raise TypeError(f"{name}: operands of a strict operation differ: {v} into {x} at {indices[0]} along {axes}")
    return x


# -- references --------------------------------------------------------------------------------------------------------


def _front(x: np.ndarray, axes: Ints) -> np.ndarray:
    """The array with some axes before the others."""
    return x.transpose(*axes, *(k for k in range(x.ndim) if k not in axes))


def _checked(x: np.ndarray, indices: Sequence[np.ndarray], axes: Ints) -> None:
    for index, axis in zip(indices, axes, strict=True):
        check_bounds(index, axis, x.shape[axis])


def _gather_reference(x: np.ndarray, *indices: np.ndarray, axes: Ints, distinct: bool) -> np.ndarray:
    _checked(x, indices, axes)
    return np.asarray(_front(x, axes)[indices])


def _scatter_reference(x: np.ndarray, v: np.ndarray, *indices: np.ndarray, axes: Ints, distinct: bool) -> np.ndarray:
    _checked(x, indices, axes)
    result = np.array(x)
    _front(result, axes)[indices] = v
    return result


def _scatter_add_reference(
    x: np.ndarray, v: np.ndarray, *indices: np.ndarray, axes: Ints, distinct: bool
) -> np.ndarray:
    _checked(x, indices, axes)
    result = np.array(x)
    np.add.at(_front(result, axes), indices, v)
    return result


# -- derivatives -------------------------------------------------------------------------------------------------------


def _scatter_vjp(ct: Node, node: Node, i: int) -> Node | None:
    x, v, *indices = node.inputs
    if i == 0:
        return scatter(ct, zeros_like(v), *indices, **node.params)
    if i > 1:
        return None
    picked = gather(ct, *indices, **node.params)
    return (
        picked
        if node.params["distinct"]
        else where(_lasting(x, v, indices, node.params["axes"]), picked, zeros_like(v))
    )


def _lasting(x: Node, v: Node, indices: Sequence[Node], axes: Ints) -> Node:
    """Where values are not overwritten by later ones: of equal indices the last counts."""
    shape = indices[0].shape
    order = reshape_to(iota(length=math.prod(shape), dtype=INDEX), shape)
    params = {"axes": tuple(range(len(axes))), "distinct": False}
    winners = scatter(fill(0, tuple(x.shape[axis] for axis in axes), INDEX), order, *indices, **params)
    lasts = equal(gather(winners, *indices, **params), order)
    return broadcast_to(reshape_to(lasts, shape + (1,) * (v.aval.ndim - len(shape))), shape=v.shape)


def _gather_vjp(ct: Node, node: Node, i: int) -> Node | None:
    x, *indices = node.inputs
    return None if i else scatter_add(zeros_like(x), ct, *indices, **node.params)


def _scatter_add_vjp(ct: Node, node: Node, i: int) -> Node | None:
    return ct if i == 0 else gather(ct, *node.inputs[2:], **node.params) if i == 1 else None


# -- batching ----------------------------------------------------------------------------------------------------------


def _moved(node: Node, old: int, new: int) -> Node:
    axes = [k for k in range(node.aval.ndim) if k != old]
    axes.insert(new, old)
    return transpose(node, axes=tuple(axes))


def _batch(op: Callable[..., Node], arrays: int) -> Callable[..., Node]:
    """The rule of an op whose first inputs are no indices."""

    def batch(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
        rank = inputs[-1].aval.ndim - axes[-1]
        later = tuple(axis + 1 for axis in params["axes"])
        if not any(axes[arrays:]):
            values, indices = batch_all(gather, inputs[:arrays], axes[:arrays], expand_leading), inputs[arrays:]
            out = op(values[0], *(_moved(v, 0, rank) for v in values[1:]), *indices, **{**params, "axes": later})
            return out if arrays > 1 else _moved(out, rank, 0)
        if arrays == 1 and not axes[0]:
            return op(inputs[0], *batch_all(gather, inputs[1:], axes[1:], expand_leading), **params)
        both = batch_all(gather, inputs, axes, expand_leading)
        size, *shape = both[-1].shape
        example = reshape_to(iota(length=size, dtype=INDEX), (size, *(1,) * rank))
        number = broadcast_to(example, shape=(size, *shape))
        return op(*both[:arrays], number, *both[arrays:], **{**params, "axes": (0, *later)})

    return batch


# -- masks -------------------------------------------------------------------------------------------------------------


def _nonzero_rule(mask: Aval, *, count: int) -> Aval:
    if mask.dtype != BOOL:
        raise TypeError(f"nonzero does not take {mask.dtype}")
    return Aval((*mask.shape[:-1], count), INDEX)


def _nonzero_reference(mask: np.ndarray, *, count: int) -> np.ndarray:
    found = np.flatnonzero(mask) if mask.ndim == 1 else np.nonzero(mask)[-1]
    if mask.ndim == 1 and found.size != count:
        raise ValueError(
            f"NumPy boolean array indexing assignment cannot assign {count} input values to the {found.size} output values "
            "where the mask is true"
        )
    return found.reshape(*mask.shape[:-1], count)


def _row(name: str, rule: Any, reference: Any, vjp: Any, arrays: int) -> Op:
    op: Op = Op(name, rule=rule, reference=reference, vjp=vjp, batch=_batch(lambda *a, **p: op(*a, **p), arrays))
    return op


#: The elements (or, with remaining axes, the subarrays) of ``x`` at some indices; ``distinct``: no two are the same.
gather: Op = _row("gather", _gather_rule, _gather_reference, _gather_vjp, 1)
#: ``x`` with ``v`` in place of what is at the indices; where indices are equal, the last one's value.
scatter: Op = _row("scatter", _scatter_rule, _scatter_reference, _scatter_vjp, 2)
#: ``x`` with ``v`` added at the indices, as often as they occur.
scatter_add: Op = _row("scatter_add", _scatter_add_rule, _scatter_add_reference, _scatter_add_vjp, 2)
#: Where a line of truth values is true. There must be ``count`` places of them in each line.
nonzero: Op = Op(
    "nonzero", rule=_nonzero_rule, reference=_nonzero_reference,
    batch=lambda inputs, axes, params: nonzero(*inputs, **params),
)  # fmt: skip


def scatter_within(
    x: Node, v: Node, *indices: Node, axes: Ints, starts: Ints, steps: Ints, sizes: Ints, distinct: bool
) -> Node | None:
    """`scatter` into a region of ``x``, as one into all of it: the axes that the region cuts get indices as well. None if it
    cuts one that has indices already."""
    cut = [k for k, n in enumerate(sizes) if (n, starts[k], steps[k]) != (x.shape[k], 0, 1)]
    if set(cut) & set(axes):
        return None
    rank, dtype = indices[0].aval.ndim, indices[0].dtype
    shape = (*indices[0].shape, *(sizes[k] for k in cut))
    places = {axis: reshape_to(each, (*each.shape, *(1,) * len(cut))) for axis, each in zip(axes, indices, strict=True)}
    for place, k in enumerate(cut):
        line = iota(length=sizes[k], dtype=dtype)
        line = add(multiply(line, like(line, steps[k])), like(line, starts[k]))
        places[k] = reshape_to(line, (sizes[k], *(1,) * (len(cut) - place - 1)))
    rest = [k for k in range(x.aval.ndim) if k not in axes]
    order = [*(rank + rest.index(k) for k in cut), *(rank + at for at, k in enumerate(rest) if k not in cut)]
    value = v if order == sorted(order) else transpose(v, axes=(*range(rank), *order))
    every = tuple(sorted(places))
    wide = [each if each.shape == shape else broadcast_to(each, shape=shape) for each in map(places.__getitem__, every)]
    return scatter(x, value, *wide, axes=every, distinct=distinct)


def gather_at(x: Node, *indices: Node) -> Node:
    """The elements at indices along the first axes."""
    return gather(x, *indices, axes=tuple(range(len(indices))), distinct=False)


def add_at(x: Node, v: Node, *indices: Node) -> Node:
    """``x`` with ``v`` added at indices along the first axes."""
    return scatter_add(x, v, *indices, axes=tuple(range(len(indices))), distinct=False)


OPS: Sequence[Op] = (gather, scatter, scatter_add, nonzero)
