"""Reductions that keep too few elements to share out among threads, as two nests: slices of the reduced axis that run side
by side and leave partial results, and a nest that reduces those and goes on with the epilogue. How many slices there are
depends on sizes only, so that results do not depend on threads."""

from __future__ import annotations

import math

from tracegraph.compiler.kernel import NestKernel
from tracegraph.compiler.nest import Address, Axis, Fold, Index, Instruction, Load, Nest, Pick, Reduce, Store
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
    """One kernel, or two for long reductions that keep little."""
    slices = _slices(nest)
    if slices < 2:
        return (NestKernel(nest),)
    kept = nest.kept
    extents = tuple(nest.axes[k].extent for k in kept)
    nodes = [fold.node for fold in nest.folds]
    partials = tuple(input_node(Aval((slices, *extents), node.dtype), node.where) for node in nodes)
    inside = _strides(nest, extents)
    first = nest._replace(
        epilogue=tuple(map(Reduce, nodes)),
        stores=tuple(Store(Address(each, 0, inside), k) for k, each in enumerate(partials)),
        outer=nest.reduced_loops[0],
    )
    across = nest.reduced_loops[0]
    order = [-1 if k == across else k for k, axis in enumerate(nest.axes) if k == across or not axis.is_reduced]
    strides = tuple(math.prod(extents) if k < 0 else inside[k] for k in order)
    last = Nest(
        axes=tuple(Axis(slices, is_reduced=True) if k < 0 else nest.axes[k] for k in order),
        body=tuple(Load(Address(each, 0, strides)) for each in partials),
        body_stores=(),
        folds=tuple(Fold(node, k) for k, node in enumerate(nodes)),
        epilogue=tuple([_reordered(each, order) for each in nest.epilogue]),
        stores=tuple([store._replace(address=_along(store.address, order)) for store in nest.stores]),
        is_column=nest.is_column,
        is_ordered=nest.is_ordered,
        outer=next((place for place, k in enumerate(order) if k in nest.kept_loops), 0),
    )
    return NestKernel(first, slices, partials), NestKernel(last)


def _slices(nest: Nest) -> int:
    loops = nest.reduced_loops
    if not loops or nest.points < LEAST_POINTS:
        return 1
    tasks = nest.outer_extent if nest.kept_loops else 1
    if nest.is_column and len(nest.kept_loops) == 1:
        tasks = -(-tasks // COLUMNS)
    return 1 if tasks >= ENOUGH_TASKS else min(MOST_SLICES, nest.points // SLICE_POINTS, nest.axes[loops[0]].extent)


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
