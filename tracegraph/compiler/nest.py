"""Loop nests: what a kernel computes, before it is source text. A nest is made of arrays of any size: extents and most
strides are arguments of the kernel, so one source serves all of them.

A nest runs over the axes of its space, some of them kept and some reduced. At each point it evaluates its instructions;
values that the reductions have taken up go on through a second list, the epilogue, at each point of the kept axes. Axes
of a few elements stand last and are written out in the text: there is no loop over them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tracegraph.ir import Node

__all__ = [
    "Address", "Apply", "Axis", "Fold", "Index", "Instruction", "Literal", "Load", "Nest", "Pick", "Place", "Reduce",
    "Store",
]  # fmt: skip


class Axis(NamedTuple):
    """One loop: its extent, whether a reduction runs over it, and whether it is written out instead of looped over."""

    extent: int
    is_reduced: bool
    is_unrolled: bool = False


class Address(NamedTuple):
    """An affine place in a buffer: the offset, and a stride for each axis of the nest (0 for those it does not have)."""

    buffer: Node
    offset: int
    strides: tuple[int, ...]


class Load(NamedTuple):
    """Reads one element."""

    address: Address


class Literal(NamedTuple):
    """A number known when the kernel is written."""

    value: Any
    dtype: np.dtype


class Index(NamedTuple):
    """A counter: an affine function of the loop indices."""

    address: Address
    dtype: np.dtype


class Apply(NamedTuple):
    """The scalar code of an operation, on earlier instructions."""

    node: Node
    operands: tuple[int, ...]


class Place(NamedTuple):
    """An index along one axis of a buffer: an earlier instruction, the axis's stride and its extent, which bounds it."""

    operand: int
    stride: int
    extent: int


class Pick(NamedTuple):
    """Reads one element at indices; the address says where it would be if they were 0."""

    node: Node
    address: Address
    places: tuple[Place, ...]


class Reduce(NamedTuple):
    """The result of one of the nest's reductions, in the epilogue."""

    node: Node


class Fold(NamedTuple):
    """One reduction of a nest: the reducing node, and the instruction of the body that it takes."""

    node: Node
    value: int


Instruction = Load | Pick | Literal | Index | Apply | Reduce


class Store(NamedTuple):
    """Writes an instruction's value; at indices, if there are any, and added to what is there if it is a sum."""

    address: Address
    value: int
    places: tuple[Place, ...] = ()
    is_sum: bool = False


class Nest(NamedTuple):
    """A kernel, all but its text.

    Attributes:
        axes: outer to inner, as the loops run; then those that are unrolled.
        body: instructions at each point.
        body_stores: what is written at each point.
        folds: its reductions, all over the same axes.
        epilogue: instructions at each point of the kept axes, once the reductions are done.
        stores: what is written there.
        is_column: the innermost loop runs over a kept axis, and partial results of the reductions wait in memory.
        is_ordered: what comes later may write over what came before, so that the loops must run in order.
        outer: the axis that is cut into slices for tasks; -1 if there are no axes.
    """

    axes: tuple[Axis, ...]
    body: tuple[Instruction, ...]
    body_stores: tuple[Store, ...]
    folds: tuple[Fold, ...]
    epilogue: tuple[Instruction, ...]
    stores: tuple[Store, ...]
    is_column: bool
    is_ordered: bool
    outer: int

    @property
    def nodes(self) -> list[Node]:
        """The nodes that it computes, in the order in which it does so."""
        body, epilogue = (
            [each.node for each in side if isinstance(each, (Apply, Pick))] for side in (self.body, self.epilogue)
        )
        return [*body, *(fold.node for fold in self.folds), *epilogue]

    @property
    def outer_extent(self) -> int:
        """The extent of what tasks are slices of."""
        return self.axes[self.outer].extent if self.axes else 1

    @property
    def is_divisible(self) -> bool:
        """Whether slices of the outer loop write different elements, so that they may run as tasks of their own."""
        return bool(self.axes) and not self.is_ordered and not self.axes[self.outer].is_reduced

    @property
    def kept(self) -> tuple[int, ...]:
        return tuple(k for k, axis in enumerate(self.axes) if not axis.is_reduced)

    @property
    def kept_loops(self) -> tuple[int, ...]:
        return tuple(k for k in self.kept if not self.axes[k].is_unrolled)

    @property
    def reduced_loops(self) -> tuple[int, ...]:
        return tuple(k for k, axis in enumerate(self.axes) if axis.is_reduced and not axis.is_unrolled)

    @property
    def loops(self) -> int:
        """How many axes are looped over."""
        return sum(not axis.is_unrolled for axis in self.axes)

    @property
    def is_of_columns(self) -> bool:
        """Whether tasks are slices of the innermost loop, a kept one, which must not be short."""
        return self.is_column and self.outer == self.loops - 1

    @property
    def addresses(self) -> list[Address]:
        """All that it reads and writes without looking at indices."""
        loads = [each.address for each in (*self.body, *self.epilogue) if isinstance(each, Load)]
        return loads + [store.address for store in (*self.body_stores, *self.stores) if not store.places]

    @property
    def overwritten(self) -> set[Address]:
        """What is read at each point just before something that depends on it is written there, and nowhere else."""
        sides = (self.body, self.body_stores, range(len(self.axes))), (self.epilogue, self.stores, self.kept)
        used = Counter(address.buffer for address in self.addresses)
        used.update(each.address.buffer for each in (*self.body, *self.epilogue) if isinstance(each, Pick))
        return {
            store.address
            for body, stores, axes in sides
            for store in stores
            if not (self.is_ordered or store.places or store.is_sum)
            and used[store.address.buffer] == 2
            and all(store.address.strides[k] for k in axes)
            and any(isinstance(body[k], Load) and body[k] == Load(store.address) for k in _behind(body, store.value))
        }

    def pace(self, buffer: Node) -> int:
        """How many bytes a turn of the outer loop moves on in a buffer."""
        address = next(each for each in self.addresses if each.buffer is buffer)
        return address.strides[self.outer] * buffer.dtype.itemsize

    @property
    def points(self) -> int:
        """How many times the body is evaluated."""
        count = 1
        for axis in self.axes:
            count *= axis.extent
        return count


def _behind(body: Sequence[Instruction], value: int) -> set[int]:
    """The instructions that one of a list depends on, and itself."""
    found: set[int] = set()
    stack = [value]
    while stack:
        number = stack.pop()
        if number not in found:
            found.add(number)
            each = body[number]
            stack += each.operands if isinstance(each, Apply) else ()
            stack += [place.operand for place in each.places] if isinstance(each, Pick) else ()
    return found
