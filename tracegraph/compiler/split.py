"""Reductions that keep too few elements to share out among threads, as two nests: slices of the reduced axis that run side
by side and leave partial results, and a nest that reduces those and goes on with the epilogue. How many slices there are
depends on sizes only, so that results do not depend on threads."""

from __future__ import annotations

import math

from tracegraph.compiler.kernel import NestKernel
from tracegraph.compiler.nest import Address, Axis, Index, Instruction, Load, Nest, Pick, Reduce, Store
from tracegraph.ir import Aval
from tracegraph.ops.leaf import input_node

__all__ = ["split"]

#: Points of a reduction that are worth a slice of their own, how many there must be at all, and the most slices there are.
SLICE_POINTS = 65536
LEAST_POINTS = 4 * SLICE_POINTS
MOST_SLICES = 64
#: With so many tasks along the kept axes no other cut is needed, and so many columns make a task.
ENOUGH_TASKS = 8
COLUMNS = 512


def split(nest: Nest) -> tuple[NestKernel, ...]:
    """One kernel, or two for a long reduction that keeps little."""
    slices = _slices(nest)
    if slices < 2 or nest.reduction is None:
        return (NestKernel(nest),)
    node, _ = nest.reduction
    kept = nest.kept
    extents = tuple(nest.axes[k].extent for k in kept)
    partials = input_node(Aval((slices, *extents), node.dtype), node.where)
    inside = _strides(nest, extents)
    first = nest._replace(
        epilogue=(Reduce(node),),
        stores=(Store(Address(partials, 0, inside), 0),),
        outer=next(k for k, axis in enumerate(nest.axes) if axis.is_reduced),
    )
    order = [*kept[:-1], -1, *kept[-1:]] if nest.is_column else [*kept, -1]
    last = Nest(
        axes=tuple(Axis(slices, is_reduced=True) if k < 0 else nest.axes[k] for k in order),
        body=(Load(Address(partials, 0, tuple(math.prod(extents) if k < 0 else inside[k] for k in order))),),
        body_stores=(),
        reduction=(node, 0),
        epilogue=tuple([_reordered(each, order) for each in nest.epilogue]),
        stores=tuple([store._replace(address=_along(store.address, order)) for store in nest.stores]),
        is_column=nest.is_column,
        is_ordered=nest.is_ordered,
        outer=1 if order[0] < 0 and kept else 0,
    )
    return NestKernel(first, slices, partials), NestKernel(last)


def _slices(nest: Nest) -> int:
    reduced = [axis.extent for axis in nest.axes if axis.is_reduced]
    if nest.reduction is None or not reduced or nest.points < LEAST_POINTS:
        return 1
    tasks = nest.outer_extent if nest.kept else 1
    if nest.is_column and len(nest.kept) == 1:
        tasks = -(-tasks // COLUMNS)
    return 1 if tasks >= ENOUGH_TASKS else min(MOST_SLICES, nest.points // SLICE_POINTS, reduced[0])


def _strides(nest: Nest, extents: tuple[int, ...]) -> tuple[int, ...]:
    """Where one slice's results lie: in C order over the kept axes."""
    strides = [0] * len(nest.axes)
    step = 1
    for k, extent in zip(reversed(nest.kept), reversed(extents), strict=True):
        strides[k] = step
        step *= extent
    return tuple(strides)


def _reordered(each: Instruction, order: list[int]) -> Instruction:
    return each._replace(address=_along(each.address, order)) if isinstance(each, (Load, Pick, Index)) else each


def _along(address: Address, order: list[int]) -> Address:
    """An epilogue address over the loops of the last nest; it does not move along the slices."""
    return Address(address.buffer, address.offset, tuple(0 if k < 0 else address.strides[k] for k in order))
