"""From a set of nodes that are computed together to their loop nest.

`Membership` says which nodes those are, at which level and through which views each is evaluated. `build_nest` writes down
the instructions, reads the index maps off the views, and brings the loops into canonical form: axes that all arrays walk
as one are merged, reduced axes go inside or outside according to how memory lies, and axes of a few elements are written
out.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping, Sequence

from tracegraph.compiler.materialise import access, operands, part_at, pick, rest_along, rest_of, through
from tracegraph.compiler.nest import (
    Address,
    Apply,
    Axis,
    Fold,
    Index,
    Instruction,
    Literal,
    Load,
    Nest,
    Pick,
    Place,
    Reduce,
    Store,
)
from tracegraph.ir import Node, Shape
from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ops.broadcast import reduced_shape
from tracegraph.ops.leaf import iota, is_literal

__all__ = ["Level", "Membership", "build_nest"]

Views = tuple[Node, ...]

#: Axes of so few elements are written out, as long as there are no more instructions than that: a loop would take longer to
#: begin and to end than to run, and of the loop around it, then the innermost one, whole vectors are computed.
UNROLLED, MOST_UNROLLED = 8, 64


class Level(enum.IntEnum):
    """Where in a nest a node is evaluated: at every point, or once the reductions are done."""

    BODY = 0
    EPILOGUE = 1


class Membership:
    """The nodes of one kernel, as the fuser collects them.

    Attributes:
        space: the shape that the loops run over.
        reductions: the nodes that reduce it, all over the same axes.
        views: for each level and node, the chains of views through which its value is needed there.
        stored: the nodes whose values are kept, with the level at which they are written.
        assembled: the buffer that a stored `part` is a region of, and, unless it is written at indices, where it lies there.
        count: about how many instructions there are.
        repeated: arithmetic, in additions, of nodes that are worked out again for every element that they are repeated to.
    """

    def __init__(self, space: Shape) -> None:
        self.space = space
        self.reductions: list[Node] = []
        self.views: dict[Level, dict[Node, set[Views]]] = {Level.BODY: {}, Level.EPILOGUE: {}}
        self.stored: dict[Node, Level] = {}
        self.assembled: tuple[Node, Layout | None] | None = None
        self.count = 0
        self.repeated = 0

    @property
    def axes(self) -> tuple[int, ...]:
        """The reduced axes of the space."""
        return self.reductions[0].params["axes"] if self.reductions else ()

    def shape(self, level: Level) -> Shape:
        """The shape over which a level is evaluated."""
        return self.space if level is Level.BODY else reduced_shape(self.space, self.axes)

    def add(self, node: Node, level: Level, chains: set[Views]) -> None:
        self.views[level].setdefault(node, set()).update(chains)
        self.count += len(chains)

    def store(self, node: Node, level: Level) -> None:
        self.stored[node] = level

    def reduce(self, node: Node) -> None:
        """Makes a member a reduction of the nest. With the first one, what was the body becomes the epilogue."""
        if not self.reductions:
            self.space = node.inputs[0].shape
            self.views = {Level.BODY: {}, Level.EPILOGUE: self.views[Level.BODY]}
            self.stored = dict.fromkeys(self.stored, Level.EPILOGUE)
        self.reductions.append(node)

    def can_reduce(self, node: Node, positions: Sequence[tuple[Level, Views]]) -> bool:
        """Whether a reduction can take this nest as its epilogue, or join those that it has."""
        level = Level.EPILOGUE if self.reductions else Level.BODY
        if any(position != (level, ()) for position in positions):
            return False
        if self.reductions:
            return self.space == node.inputs[0].shape and self.axes == node.params["axes"]
        return self.space == node.shape

    def absorb(self, other: Membership) -> None:
        """Takes in the nodes of another kernel, which reduces the same axes of the same space."""
        for level, views in self.views.items():
            views.update(other.views[level])
        self.reductions += other.reductions
        self.stored.update(other.stored)
        self.count += other.count
        self.repeated += other.repeated

    def positions(self, uses: Iterable[tuple[Node, Views]]) -> list[tuple[Level, Views]]:
        """The levels and chains of views through which some consumers, as far as they are members, need a value."""
        found: dict[tuple[Level, Views], None] = {}
        for consumer, views in uses:
            if consumer in self.reductions:
                found[Level.BODY, views] = None
                continue
            for level, members in self.views.items():
                chains = members.get(consumer)
                if chains is not None:
                    for outer in sorted(chains, key=len):
                        found[level, (*views, *outer)] = None
        return list(found)


def build_nest(members: Membership, memory: Mapping[Node, Node]) -> Nest:
    """The loop nest of a kernel's nodes.

    Args:
        members: which nodes those are.
        memory: for nodes that share a buffer, the one that stands for it.
    """
    body, epilogue = (_Emitter(members, level, memory) for level in Level)
    folds = tuple(Fold(node, body.value(node.inputs[0], ())) for node in members.reductions)
    for node, level in members.stored.items():
        (body if level is Level.BODY else epilogue).store(node)
    axes, place = _loops(members, body, epilogue)
    return Nest(
        axes=axes,
        body=tuple(_instruction(each, place) for each in body.instructions),
        body_stores=tuple(_store(each, place) for each in body.stores),
        folds=folds,
        epilogue=tuple(_instruction(each, place) for each in epilogue.instructions),
        stores=tuple(_store(each, place) for each in epilogue.stores),
        is_column=_is_column(axes),
        is_ordered=any(node.op is part_at and not node.params["distinct"] for node in members.stored),
        outer=next(
            (k for k, axis in enumerate(axes) if not axis.is_reduced and not axis.is_unrolled), 0 if axes else -1
        ),
    )


class _Emitter:
    """Writes the instructions of one level. Addresses are over all axes of the space."""

    def __init__(self, members: Membership, level: Level, memory: Mapping[Node, Node]) -> None:
        self.members = members
        self.level = level
        self.memory = memory
        self.instructions: list[Instruction] = []
        self.stores: list[Store] = []
        self._known: dict[tuple[Node, Layout | None], int] = {}

    @property
    def loads(self) -> list[Address]:
        return [each.address for each in self.instructions if isinstance(each, Load)]

    @property
    def addresses(self) -> list[Address]:
        """Of all that it reads and writes."""
        read = [each.address for each in self.instructions if isinstance(each, (Load, Pick, Index))]
        return [*read, *(each.address for each in self.stores)]

    def value(self, node: Node, views: Views) -> int:
        """The instruction that has the node's value as it is seen through views."""
        base, inner = access(node)
        if is_literal(base):
            # A number of its own for each use: two that are equal at this size need not be at the next.
            return self._append(Literal(base.params["value"], base.dtype))
        layout = through(node.layout, views)
        assert layout is not None, "the fuser joins only what strides can express"
        key = (base, layout)
        if key not in self._known:
            self._known[key] = self._emit(base, (*inner, *views), layout)
        return self._known[key]

    def _emit(self, node: Node, views: Views, layout: Layout) -> int:
        if node.op is iota:
            return self._append(Index(self._address(node, layout), node.dtype))
        if node in self.members.reductions and self.level is Level.EPILOGUE:
            return self._append(Reduce(node))
        if node not in self.members.views[self.level]:
            return self._append(Load(self._address(node, layout)))
        if node.op is pick:
            return self._pick(node, views)
        values = tuple([self.value(source, views) for source in operands(node)])
        return values[0] if node.op.loop == "{0}" or node.op.loop is None else self._append(Apply(node, values))

    def _pick(self, node: Node, views: Views) -> int:
        """Reads an element at indices. Those that only count along axes move the address instead."""
        x, *indices = node.inputs
        source, rest = x.layout, rest_of(node, views)
        assert source is not None, "what is picked from was copied if it had no strides"
        assert rest is not None, "the fuser joins only what strides can express"
        address, places = self._placed(node, indices, views, source, self._address(x.base, rest))
        return self._append(Pick(node, address, places) if places else Load(address))

    def _placed(
        self, node: Node, indices: Sequence[Node], views: Views, whole: Layout, address: Address
    ) -> tuple[Address, tuple[Place, ...]]:
        """An address in an array, and the places that indices add to it."""
        places = []
        for axis, index in zip(node.params["axes"], indices, strict=True):
            stride, extent = whole.strides[axis], whole.shape[axis]
            value = self.value(index, views)
            counter = self.instructions[value]
            if isinstance(counter, Index) and counter.address.buffer.shape[0] <= extent:
                moves = tuple(a + b * stride for a, b in zip(address.strides, counter.address.strides, strict=True))
                address = Address(address.buffer, address.offset + counter.address.offset * stride, moves)
            else:
                places.append(Place(value, stride, extent))
        return address, tuple(places)

    def store(self, node: Node) -> None:
        """Keeps a member's value: in a buffer of its own, or in its region of an assembled one.

        What is read at the points where it is written has one address for both: strides along axes of extent 1 might differ,
        and then the loop would not vectorise.
        """
        value = self.value(node, ())
        if node.op is part_at:
            self.stores.append(self._store_at(node, value))
            return
        address = self._address(*_target(node, self.members))
        read = next((each for each in self.loads if each[:2] == address[:2]), address)
        self.stores.append(Store(read, value))

    def _store_at(self, node: Node, value: int) -> Store:
        """Writes at indices into the memory that the node is a part of."""
        assert self.members.assembled is not None, "a part belongs to a buffer"
        buffer, _ = self.members.assembled
        whole = contiguous(buffer.shape)
        rest = rest_along(whole, node, ())
        assert rest is not None, "there are no views"
        address, places = self._placed(node, operands(node)[1:], (), whole, self._address(buffer, rest))
        return Store(address, value, places, node.params["is_sum"])

    def _append(self, instruction: Instruction) -> int:
        self.instructions.append(instruction)
        return len(self.instructions) - 1

    def _address(self, buffer: Node, layout: Layout) -> Address:
        """Over all axes of the space: a value of the epilogue does not move along reduced axes."""
        along = layout.strides
        if self.level is Level.EPILOGUE:
            strides, reduced = iter(along), self.members.axes
            along = tuple([0 if k in reduced else next(strides) for k in range(len(self.members.space))])
        return Address(self.memory.get(buffer, buffer), layout.offset, along)


def _target(node: Node, members: Membership) -> tuple[Node, Layout]:
    """The buffer that holds a stored node, and where in it."""
    if node.op.kind != "part" or members.assembled is None:
        return node, contiguous(node.shape)
    buffer, place = members.assembled
    assert place is not None, "what is written at indices is stored otherwise"
    return buffer, place


# -- canonical loops ---------------------------------------------------------------------------------------------------


def _loops(members: Membership, body: _Emitter, epilogue: _Emitter) -> tuple[tuple[Axis, ...], list[list[int]]]:
    """The loops, outer to inner, and for each the axes of the space that it runs over; the last of those gives strides."""
    addresses = [*body.addresses, *epilogue.addresses]
    merged: list[list[int]] = []
    for k in range(len(members.space)):
        if merged and _walk_as_one(members, addresses, merged[-1][-1], k):
            merged[-1].append(k)
        else:
            merged.append([k])
    axes = [Axis(math.prod(members.space[k] for k in group), group[0] in members.axes) for group in merged]
    unrolled = _unrolled(axes, len(body.instructions))
    axes = [axis._replace(is_unrolled=k in unrolled) for k, axis in enumerate(axes)]
    order = _loop_order(axes, [_over_loops(each, merged).strides for each in body.loads])
    return tuple(axes[k] for k in order), [merged[k] for k in order]


def _walk_as_one(members: Membership, addresses: Iterable[Address], outer: int, inner: int) -> bool:
    if (outer in members.axes) != (inner in members.axes):
        return False
    extent = members.space[inner]
    return all(address.strides[outer] == address.strides[inner] * extent for address in addresses)


def _unrolled(axes: Sequence[Axis], instructions: int) -> list[int]:
    """The axes that are written out: the last ones, which are coordinates or channels, but never the first, which may be of
    any length."""
    room = min(UNROLLED, MOST_UNROLLED // max(instructions, 1))
    found: list[int] = []
    for k in range(len(axes) - 1, 0, -1):
        if not 1 < axes[k].extent <= room:
            break
        room //= axes[k].extent
        found.append(k)
    return found


def _loop_order(axes: Sequence[Axis], loads: Sequence[tuple[int, ...]]) -> list[int]:
    """Kept axes outside, reduced ones inside; of a column reduction the last kept axis goes innermost of all loops."""
    kept, reduced, unrolled = (
        [k for k, axis in enumerate(axes) if (axis.is_unrolled, axis.is_reduced) in kinds]
        for kinds in (((False, False),), ((False, True),), ((True, False), (True, True)))
    )
    if not kept or not reduced or _is_row(axes, loads):
        return kept + reduced + unrolled
    return kept[:-1] + reduced + kept[-1:] + unrolled


def _is_row(axes: Sequence[Axis], loads: Sequence[tuple[int, ...]]) -> bool:
    """Whether more of the largest arrays lie along the reduced loops than along the kept ones.

    The largest are those that move along the most loops: extents must have no say, or another size would be another kernel.
    """
    loops = [k for k, axis in enumerate(axes) if not axis.is_unrolled]
    moving = [[k for k in loops if strides[k]] for strides in loads]
    most = max(map(len, moving), default=0)
    along = [
        axes[min(reversed(moves), key=lambda k: abs(strides[k]))].is_reduced
        for moves, strides in zip(moving, loads, strict=True)
        if moves and len(moves) == most
    ]
    return 2 * sum(along) >= len(along)


def _is_column(axes: Sequence[Axis]) -> bool:
    """Whether a kept loop runs inside a reduced one."""
    loops = [axis.is_reduced for axis in axes if not axis.is_unrolled]
    return any(loops) and not loops[-1]


def _over_loops(address: Address, place: Sequence[Sequence[int]]) -> Address:
    """An address with a stride for each loop in place of each axis."""
    return Address(address.buffer, address.offset, tuple([address.strides[group[-1]] for group in place]))


def _instruction(each: Instruction, place: Sequence[Sequence[int]]) -> Instruction:
    return each._replace(address=_over_loops(each.address, place)) if isinstance(each, (Load, Pick, Index)) else each


def _store(each: Store, place: Sequence[Sequence[int]]) -> Store:
    return each._replace(address=_over_loops(each.address, place))
