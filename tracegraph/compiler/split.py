"""Reductions to very few elements, as two nests: pieces that run side by side and leave partial results, and one that
reduces those and goes on with the epilogue. How many pieces depends on sizes only, so results do not depend on threads."""

from __future__ import annotations

from tracegraph.compiler.kernel import NestKernel
from tracegraph.compiler.nest import Address, Axis, Index, Instruction, Load, Nest, Reduce, Store
from tracegraph.ir import Aval
from tracegraph.ops.leaf import input_node

__all__ = ["split"]

#: Points of a reduction that are worth a piece of their own, and the most pieces there are.
PIECE = 32768
MOST_PIECES = 64


def split(nest: Nest) -> tuple[NestKernel, ...]:
    """One kernel, or two for a reduction of many points that keeps no axis."""
    pieces = 1
    if nest.reduction is not None and nest.axes and not nest.kept:
        pieces = min(MOST_PIECES, nest.points // PIECE, nest.axes[0].extent)
    if pieces < 2 or nest.reduction is None:
        return (NestKernel(nest),)
    node, _ = nest.reduction
    partials = input_node(Aval((pieces,), node.dtype), node.where)
    here = Store(Address(partials, 0, (0,) * len(nest.axes)), 0)
    first = nest._replace(epilogue=(Reduce(node),), stores=(here,))
    last = Nest(
        axes=(Axis(pieces, is_reduced=True),),
        body=(Load(Address(partials, 0, (1,))),),
        body_stores=(),
        reduction=(node, 0),
        epilogue=tuple([_flat(each) for each in nest.epilogue]),
        stores=tuple([Store(_point(store.address), store.value) for store in nest.stores]),
        is_column=False,
    )
    return NestKernel(first, pieces, partials), NestKernel(last)


def _flat(each: Instruction) -> Instruction:
    """An epilogue instruction over the one axis of the partial results, along which it does not move."""
    return each._replace(address=_point(each.address)) if isinstance(each, (Load, Index)) else each


def _point(address: Address) -> Address:
    return Address(address.buffer, address.offset, (0,))
