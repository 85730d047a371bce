"""The memory plan: where each intermediate value lies in one arena. A schedule comes in; values whose lives, counted in
waves, do not overlap may share memory."""

from __future__ import annotations

import bisect
from typing import NamedTuple

from tracegraph.compiler.schedule import Schedule
from tracegraph.ir import Node

__all__ = ["Heap", "Plan", "Shelf", "plan", "rounded"]

#: Buffers begin at multiples of a cache line.
ALIGNMENT = 64


class Shelf(NamedTuple):
    """Where a value that lives within blocks of rows lies: the offset in the arena of its place in the first lane, and how
    far the next lane is from there."""

    offset: int
    lane_bytes: int


class Plan(NamedTuple):
    """A schedule with its memory.

    Attributes:
        schedule: the waves.
        offsets: where each intermediate buffer begins, in bytes from the start of the arena.
        shelves: where those are of which there is never more than a block of rows for each task.
        arena_bytes: the size of the arena: the most that lives at one time, up to gaps.
    """

    schedule: Schedule
    offsets: dict[Node, int]
    shelves: dict[Node, Shelf]
    arena_bytes: int

    def __str__(self) -> str:
        kept = sum(node.aval.nbytes for node in self.offsets)
        return f"{len(self.offsets)} intermediate buffers of {kept} bytes in an arena of {self.arena_bytes}"


def plan(schedule: Schedule) -> Plan:
    """Places every intermediate buffer, first wave first, in the smallest gap that holds it."""
    births, deaths = _lives(schedule)
    heap = Heap()
    offsets: dict[Node, int] = {}
    shelves: dict[Node, Shelf] = {}
    starting: dict[int, list[Node]] = {}
    ending: dict[int, list[Node]] = {}
    for node, number in births.items():
        starting.setdefault(number, []).append(node)
        ending.setdefault(max(deaths.get(node, number), number), []).append(node)
    for number, wave in enumerate(schedule.waves):
        for node in starting.get(number, ()):
            offsets[node] = heap.take(rounded(node.aval.nbytes))
        lanes = [(heap.take(each.lanes * each.nbytes), each) for each in wave.scratch]
        for start, (count, nbytes, places) in lanes:
            shelves.update((node, Shelf(start + place, nbytes)) for node, place in places.items())
            heap.give(start, count * nbytes)
        for node in ending.get(number, ()):
            heap.give(offsets[node], rounded(node.aval.nbytes))
    return Plan(schedule, offsets, shelves, heap.size)


def rounded(nbytes: int) -> int:
    """The size of a buffer with the gap behind it."""
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT


def _lives(schedule: Schedule) -> tuple[dict[Node, int], dict[Node, int]]:
    """The waves in which each intermediate buffer is first written and last used."""
    births: dict[Node, int] = {}
    deaths: dict[Node, int] = {}
    outside = {*schedule.fused.graph.inputs, *schedule.fused.graph.outputs}
    outside.update(node for wave in schedule.waves for scratch in wave.scratch for node in scratch.places)
    for number, wave in enumerate(schedule.waves):
        for kernel in map(schedule.kernels.__getitem__, wave.kernels):
            for node in kernel.writes:
                if node not in outside:
                    births.setdefault(node, number)
                    deaths[node] = number
            for node in kernel.reads:
                deaths[node] = number
                if node not in outside and node.op.kind not in ("input", "leaf"):
                    births.setdefault(node, number)  # of no elements, so that nothing had to write it
    return births, deaths


class Heap:
    """Where to put what is taken and given back: the free gaps of an arena that grows at its end, as (offset, size) in order
    of offset, never adjacent; and by size."""

    def __init__(self) -> None:
        self.size = 0
        self._gaps: list[tuple[int, int]] = []
        self._by_size: list[tuple[int, int]] = []

    def take(self, size: int) -> int:
        at = bisect.bisect_left(self._by_size, (size, 0))
        if at < len(self._by_size):
            length, offset = self._by_size[at]
            self._remove(bisect.bisect_left(self._gaps, (offset, length)))
            if length > size:
                self._add(offset + size, length - size)
            return offset
        if self._gaps and sum(self._gaps[-1]) == self.size:
            offset, _ = self._remove(len(self._gaps) - 1)
        else:
            offset = self.size
        self.size = offset + size
        return offset

    def give(self, offset: int, size: int) -> None:
        at = bisect.bisect(self._gaps, (offset, size))
        if at < len(self._gaps) and self._gaps[at][0] == offset + size:
            size += self._remove(at)[1]
        if at > 0 and sum(self._gaps[at - 1]) == offset:
            offset, before = self._remove(at - 1)
            size += before
        self._add(offset, size)

    def _add(self, offset: int, size: int) -> None:
        bisect.insort(self._gaps, (offset, size))
        bisect.insort(self._by_size, (size, offset))

    def _remove(self, at: int) -> tuple[int, int]:
        offset, size = self._gaps.pop(at)
        del self._by_size[bisect.bisect_left(self._by_size, (size, offset))]
        return offset, size
