"""Which memory kernels touch as their outer loops go on: what decides whether they may be run row block by row block.

A *row* is one turn of a kernel's outer loop, or several where another kernel takes longer steps through the memory that both
touch. Two kernels walk together if that memory is touched by rows that lie near each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from tracegraph.compiler.kernel import Kernel, LibraryKernel, NestKernel
from tracegraph.compiler.nest import Address, Load, Pick
from tracegraph.compiler.schedule import COLUMN_GRAIN, GRAIN, nanoseconds
from tracegraph.ir import Node

__all__ = [
    "CACHE", "Link", "Member", "Place", "Reach", "can_sweep", "grain_of", "in_conflict", "links", "member", "touched",
]  # fmt: skip


def _cache_bytes() -> int:
    """The size of a core's second-level cache; a usual one where the system does not tell."""
    try:
        return max(os.sysconf("SC_LEVEL2_CACHE_SIZE"), 2**18)
    except (AttributeError, OSError, ValueError):
        return 2**20


#: Bytes that the rows under way may take: some of the cache is left for what else is read.
CACHE = _cache_bytes() // 2

#: Where a buffer lies: in which memory, and how far from its start.
Place = Callable[[Node], tuple[Node | None, int]]


class Reach(NamedTuple):
    """What a kernel touches of a buffer: at turn ``i`` the bytes from ``start + i * step + low`` to as far as ``high``.

    Attributes:
        space: the memory: the buffer, or None for the arena, in which buffers may overlap.
        base: where the buffer begins in it.
        address: which elements exactly, if that is known.
        turns: of the outer loop.
    """

    space: Node | None
    base: int
    address: Address | None
    start: int
    step: int
    low: int
    high: int
    turns: int
    is_written: bool

    def over(self, turns: int) -> tuple[int, int]:
        """From where to where the first so many turns reach."""
        moved = (turns - 1) * self.step
        return self.start + self.low + min(moved, 0), self.start + self.high + max(moved, 0)

    def joined(self, other: Reach) -> Reach:
        """Both of them, of one kernel in one buffer."""
        if self == other:
            return self
        apart = other.start - self.start
        return self._replace(
            address=None, low=min(self.low, apart + other.low), high=max(self.high, apart + other.high)
        )

    def meets(self, other: Reach) -> bool:
        """Whether they can have bytes in common."""
        if self.space is not other.space:
            return False
        (low, high), (other_low, other_high) = self.over(self.turns), other.over(other.turns)
        return low < other_high and other_low < high

    def is_same(self, other: Reach) -> bool:
        """Whether both touch one and the same element at each turn and point."""
        return self.address is not None and self.address == other.address and self.step == other.step


class Member(NamedTuple):
    """A kernel that is to walk with others.

    Attributes:
        number: in the schedule.
        reaches: what it touches.
        spans: from where to where each of those goes over all turns.
        cost: its work in nanoseconds.
    """

    number: int
    kernel: NestKernel | LibraryKernel
    reaches: tuple[Reach, ...]
    spans: tuple[tuple[int, int], ...]
    cost: float

    @property
    def turns(self) -> int:
        """Of its outer loop; rows of a contraction."""
        if isinstance(self.kernel, LibraryKernel):
            return self.kernel.contraction.lines
        return self.kernel.nest.outer_extent


class Link(NamedTuple):
    """Two members, by position, that touch the same memory; and whether their order matters, for one of them writes."""

    before: int
    after: int
    first: Reach
    second: Reach
    is_conflict: bool


def can_sweep(kernel: Kernel) -> bool:
    """Whether slices of its outer loop may be run in any order, each at another time."""
    if isinstance(kernel, LibraryKernel):
        return kernel.walks
    if not isinstance(kernel, NestKernel) or kernel.pieces > 1 or not kernel.nest.is_divisible:
        return False
    return kernel.nest.points > 0 and not any(store.places for store in kernel.nest.body_stores)


def member(number: int, kernel: Kernel, place: Place) -> Member:
    """A kernel with what it touches."""
    assert isinstance(kernel, (NestKernel, LibraryKernel)), "only nests and contractions are swept"
    found: dict[tuple[Any, ...], Reach] = {}
    for each in _reaches(kernel, place) if isinstance(kernel, NestKernel) else _of_rows(kernel, place):
        key = each.space, each.base, each.step, each.is_written
        found[key] = each if key not in found else found[key].joined(each)
    reaches = tuple(found.values())
    return Member(number, kernel, reaches, tuple([each.over(each.turns) for each in reaches]), nanoseconds(kernel))


def links(members: Sequence[Member], fresh: Member) -> Iterator[Link]:
    """How a kernel hangs together with those before it: as much of it as does not follow from how these do.

    What it may not touch before some kernel is done with it, it may not touch before an earlier kernel either that
    touches the same and that the former has to wait for.
    """
    for second, (low, high) in zip(fresh.reaches, fresh.spans, strict=True):
        met: set[tuple[Any, ...]] = set()
        for k in reversed(range(len(members))):
            for first, (start, end) in zip(members[k].reaches, members[k].spans, strict=True):
                if start >= high or low >= end or first.space is not second.space:
                    continue
                is_conflict = first.is_written or second.is_written
                key = (first.base, *first[3:8]) if is_conflict else (first.base,)
                if (key, True) in met or ((key, False) in met and (first.is_written or not is_conflict)):
                    continue
                met.add((key, first.is_written))
                yield Link(k, len(members), first, second, is_conflict)


def touched(kernel: Kernel, place: Place) -> list[Reach]:
    """The buffers that any kernel reads and writes, as wholes."""
    sides = ((kernel.reads, False), (kernel.writes, True))
    return [_all_of(node, place, is_written=is_written) for nodes, is_written in sides for node in nodes]


def in_conflict(some: Sequence[Reach], others: Sequence[Reach]) -> bool:
    """Whether the order of two kernels, or sets of them, matters."""
    return any((one.is_written or other.is_written) and one.meets(other) for one in some for other in others)


def grain_of(each: Member) -> int:
    """Of how many turns a block should consist at least: so that vectors stay aligned, or memory is read in long runs."""
    if isinstance(each.kernel, LibraryKernel):
        first, second, *_ = each.kernel.contraction.cuts
        return second - first
    nest = each.kernel.nest
    if nest.is_of_columns:
        return COLUMN_GRAIN
    return GRAIN if nest.loops == 1 else 1


def _reaches(kernel: NestKernel, place: Place) -> Iterator[Reach]:
    nest = kernel.nest
    for each in (*nest.body, *nest.epilogue):
        if isinstance(each, Load):
            yield _reach(kernel, each.address, place, is_written=False)
        elif isinstance(each, Pick):
            yield _all_of(each.address.buffer, place, is_written=False)
    for store in (*nest.body_stores, *nest.stores):
        yield _reach(kernel, store.address, place, is_written=True)


def _of_rows(kernel: LibraryKernel, place: Place) -> Iterator[Reach]:
    """What a contraction touches row by row, of its result and of its first operand."""
    yield from (_all_of(node, place, is_written=False) for node in kernel.reads if not kernel.pace(node))
    contraction, result, own = kernel.contraction, kernel.node, kernel.factors[0].base
    along = [(level.extent - 1) * level.a for level in contraction.depth]
    for node, first, moves in ((result, 0, [contraction.extents[1] - 1]), (own, contraction.starts[0], along)):
        pace, size, (space, base) = kernel.pace(node), node.dtype.itemsize, place(node)
        low, high = (sum(move for move in moves if (move > 0) == is_forward) * size for is_forward in (False, True))
        if pace:
            start = base + first * size
            yield Reach(space, base, None, start, pace, low, high + size, contraction.lines, is_written=node is result)


def _all_of(buffer: Node, place: Place, *, is_written: bool) -> Reach:
    space, start = place(buffer)
    return Reach(space, start, None, start, 0, 0, buffer.aval.nbytes, 1, is_written)


def _reach(kernel: NestKernel, address: Address, place: Place, *, is_written: bool) -> Reach:
    axes, outer, size = kernel.nest.axes, kernel.nest.outer, address.buffer.dtype.itemsize
    space, base = place(address.buffer)
    moves = [
        stride * (axis.extent - 1) * size
        for k, (stride, axis) in enumerate(zip(address.strides, axes, strict=True))
        if k != outer
    ]
    low, high = sum(move for move in moves if move < 0), sum(move for move in moves if move > 0) + size
    step = address.strides[outer] * size
    return Reach(space, base, address, base + address.offset * size, step, low, high, axes[outer].extent, is_written)
