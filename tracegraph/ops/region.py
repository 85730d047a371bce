"""Regions: slice reads one, update writes one, concatenate lays several side by side. The compiler takes a slice as an
index map at no cost, and lets update and concatenate write into parts of one buffer. Slice and update are adjoint.

A strided region of an array is given, for each axis, by ``starts``, ``steps`` (which may be negative) and ``sizes``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tracegraph.ir import Aval, Node, Op, Shape
from tracegraph.ops.broadcast import expand_leading, zeros_like
from tracegraph.ops.rules import Ints, Params, batch_all, each

__all__ = ["OPS", "concatenate", "region", "slice_", "update"]


def region(starts: Ints, steps: Ints, sizes: Ints) -> tuple[slice, ...]:
    """The region as NumPy's slices.

    >>> region((0, 4), (2, -1), (3, 5))
    (slice(0, 5, 2), slice(4, None, -1))
    """
    return tuple(map(_axis_slice, starts, steps, sizes))


def _axis_slice(start: int, step: int, size: int) -> slice:
    if size == 0:
        return slice(0, 0, 1)
    stop = start + step * (size - 1) + (1 if step > 0 else -1)
    return slice(start, None if stop < 0 else stop, step)


def _check_region(shape: Shape, starts: Ints, steps: Ints, sizes: Ints) -> None:
    for n, start, step, size in zip(shape, starts, steps, sizes, strict=True):
        if size and not (0 <= start < n and 0 <= start + step * (size - 1) < n):
            raise ValueError(f"region {starts}, {steps}, {sizes} leaves an array of shape {shape}")


def _slice_rule(x: Aval, *, starts: Ints, steps: Ints, sizes: Ints) -> Aval:
    _check_region(x.shape, starts, steps, sizes)
    return Aval(sizes, x.dtype)


def _update_rule(x: Aval, v: Aval, *, starts: Ints, steps: Ints) -> Aval:
    if x.dtype != v.dtype:
        raise TypeError(f"update: {v.dtype} into {x.dtype}")
    _check_region(x.shape, starts, steps, v.shape)
    return x


def _concatenate_rule(*xs: Aval, axis: int) -> Aval:
    first = xs[0]
    for x in xs:
        if (
            x.dtype != first.dtype
            or x.shape[:axis] + x.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]
        ):
            raise ValueError(f"concatenate along axis {axis}: {', '.join(map(repr, xs))}")
    return Aval((*first.shape[:axis], sum(x.shape[axis] for x in xs), *first.shape[axis + 1 :]), first.dtype)


def _update_reference(x: np.ndarray, v: np.ndarray, *, starts: Ints, steps: Ints) -> np.ndarray:
    result = x.copy()
    result[region(starts, steps, v.shape)] = v
    return result


def _concatenate_vjp(ct: Node, out: Node, i: int) -> Node:
    axis, sizes = out.params["axis"], out.inputs[i].shape
    starts = [0] * len(sizes)
    starts[axis] = sum(x.shape[axis] for x in out.inputs[:i])
    return slice_(ct, starts=tuple(starts), steps=(1,) * len(sizes), sizes=sizes)


def _batch_slice(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    (x,) = inputs
    return slice_(x, starts=(0, *params["starts"]), steps=(1, *params["steps"]), sizes=(x.shape[0], *params["sizes"]))


def _batch_update(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    x, v = batch_all(update, inputs, axes, expand_leading)
    return update(x, v, starts=(0, *params["starts"]), steps=(1, *params["steps"]))


def _batch_concatenate(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    return concatenate(*batch_all(concatenate, inputs, axes, expand_leading), axis=params["axis"] + 1)


slice_: Op = Op(
    "slice", kind="view", rule=_slice_rule,
    reference=lambda x, *, starts, steps, sizes: x[region(starts, steps, sizes)],
    vjp=each(lambda ct, out, x: update(zeros_like(x), ct, starts=out.params["starts"], steps=out.params["steps"])),
    batch=_batch_slice,
)  # fmt: skip
#: ``x`` with the region of ``v``'s shape replaced by ``v``.
update: Op = Op(
    "update", kind="write", rule=_update_rule, reference=_update_reference, batch=_batch_update,
    vjp=each(
        lambda ct, out, x, v: update(ct, zeros_like(v), starts=out.params["starts"], steps=out.params["steps"]),
        lambda ct, out, x, v: slice_(ct, starts=out.params["starts"], steps=out.params["steps"], sizes=v.shape),
    ),
)  # fmt: skip
concatenate: Op = Op(
    "concatenate", kind="write", rule=_concatenate_rule, vjp=_concatenate_vjp, batch=_batch_concatenate,
    reference=lambda *xs, axis: np.concatenate(xs, axis=axis),
)  # fmt: skip


OPS: Sequence[Op] = (slice_, update, concatenate)
