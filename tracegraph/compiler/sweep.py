"""Sweeps: kernels that walk the same rows are run block of rows by block of rows instead of one after the other, so that
what the one writes is still in the cache when the next one reads it. A schedule comes in, one with fewer waves goes out.

Values that nobody needs once their block is done never get memory of their full size: each task has a lane in which they
lie, block after block. So a chain of operations that is too long for one kernel, or a softmax of three, works in the
second-level cache and leaves only its result in memory.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tracegraph.compiler.memory import Heap, rounded
from tracegraph.compiler.reach import (
    CACHE,
    Link,
    Member,
    Reach,
    can_sweep,
    grain_of,
    in_conflict,
    links,
    member,
    touched,
)
from tracegraph.compiler.schedule import PIECE_NANOSECONDS, Part, Schedule, Scratch, Task, Wave, nanoseconds
from tracegraph.ir import Node

__all__ = ["sweep"]

#: Kernels in one sweep; how they are settled is looked at anew with each wave.
MOST_KERNELS = 32
#: Waves of less work are left as they are: it takes longer to see what could be gained.
LEAST_NANOSECONDS = 2000.0
#: Tasks of one sweep: a few for each core, so that all cores are done at about the same time.
MOST_LANES = 8 * (os.cpu_count() or 1)


class _Band(NamedTuple):
    """Members that are swept together, and for each the turns of its outer loop that make one row."""

    members: tuple[Member, ...]
    turns: tuple[int, ...]

    @property
    def rows(self) -> int:
        return max(-(-each.turns // turns) for each, turns in zip(self.members, self.turns, strict=True))

    @property
    def cost(self) -> float:
        return sum(each.cost for each in self.members)

    @property
    def row_bytes(self) -> int:
        """What one row of all members touches, what several of them touch counted once."""
        most: dict[Node | None, int] = {}
        for each, turns in zip(self.members, self.turns, strict=True):
            for reach in each.reaches:
                most[reach.space] = max(most.get(reach.space, 0), abs(reach.step) * turns)
        return sum(most.values())

    def lay_out(self, users: dict[Node, set[int]]) -> tuple[list[Task], list[Scratch]]:
        """Its tasks, and their lanes if they need any."""
        pieces = int(min(MOST_LANES, max(1.0, self.cost // PIECE_NANOSECONDS)))
        block = max(1, min(CACHE // max(self.row_bytes, 1), -(-self.rows // pieces)))
        grain = max(-(-grain_of(each) // turns) for each, turns in zip(self.members, self.turns, strict=True))
        block = -(-block // grain) * grain
        blocks = -(-self.rows // block)
        lanes = min(pieces, blocks)
        edges = [blocks * k // lanes for k in range(lanes + 1)]
        tasks = [
            Task(self._parts(block, first, last), first, last, k) for k, (first, last) in enumerate(pairwise(edges))
        ]
        places, nbytes = self._places(block, users)
        return tasks, [Scratch(lanes, nbytes, places)] if places else []

    def _parts(self, block: int, first: int, last: int) -> tuple[Part, ...]:
        ranges = [
            (each, turns * block, min(turns * block * first, each.turns), min(turns * block * last, each.turns))
            for each, turns in zip(self.members, self.turns, strict=True)
        ]
        return tuple(Part(each.number, lo, hi, step=step) for each, step, lo, hi in ranges if lo < hi)

    def _places(self, block: int, users: dict[Node, set[int]]) -> tuple[dict[Node, int], int]:
        """Where in a lane the values lie that only this band touches, and how long the lane is."""
        inside = {each.number for each in self.members}
        lives: dict[Node, list[int]] = {}
        paces: dict[Node, int] = {}
        for k, (each, turns) in enumerate(zip(self.members, self.turns, strict=True)):
            for reach in each.reaches:
                node = reach.space
                if node is None or not users.get(node, {-1}) <= inside:
                    continue
                pace = paces.setdefault(node, reach.step * turns)
                low, high = reach.over(turns)
                if pace != reach.step * turns or not 0 <= low <= high <= pace:
                    paces[node] = 0
                lives.setdefault(node, []).append(k)
        sizes = {node: rounded(pace * block) for node, pace in paces.items() if pace > 0}
        heap, places = Heap(), {}
        for k in range(len(self.members)):
            for node, size in sizes.items():
                if lives[node][0] == k:
                    places[node] = heap.take(size)
            for node, size in sizes.items():
                if lives[node][-1] == k:
                    heap.give(places[node], size)
        return places, heap.size


def sweep(schedule: Schedule) -> Schedule:
    """Puts kernels of consecutive waves that walk the same rows into common tasks."""
    users: dict[Node, set[int]] = {}
    for number, kernel in enumerate(schedule.kernels):
        for node in (*kernel.reads, *kernel.writes):
            users.setdefault(node, set()).add(number)
    for node in (*schedule.fused.graph.inputs, *schedule.fused.graph.outputs):
        users.setdefault(node, set()).add(-1)
    for node in [node for node in users if node.op.kind in ("input", "leaf")]:
        users[node].add(-1)
    waves: list[Wave] = []
    group = _Group(schedule)
    for wave in schedule.waves:
        if not group.add(wave):
            waves += group.waves(users)
            group = _Group(schedule)
            if not group.add(wave):
                waves.append(wave)
    waves += group.waves(users)
    return schedule._replace(waves=tuple(waves))


class _Group:
    """Consecutive waves whose kernels are swept, and those among them that cannot be but may as well run afterwards."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.whole: list[Wave] = []
        self.members: list[Member] = []
        self.links: list[Link] = []
        self.bands: list[_Band] = []
        self.later: list[Wave] = []
        self.touched_later: list[Reach] = []

    def add(self, wave: Wave) -> bool:
        """Takes a wave in, if that is possible; else nothing is changed."""
        kernels = self.schedule.kernels
        fresh = [number for number in wave.kernels if can_sweep(kernels[number])]
        if sum(nanoseconds(kernels[number]) for number in fresh) < LEAST_NANOSECONDS:
            return False
        if not (fresh or self.members) or len(self.members) + len(fresh) > MOST_KERNELS:
            return False
        members, found = list(self.members), list(self.links)
        left = [number for number in wave.kernels if number not in fresh]
        reaches = [each for number in left for each in touched(kernels[number], _place)]
        for number in fresh:
            one = member(number, kernels[number], _place)
            found += links(members, one)
            members.append(one)
            reaches += one.reaches
        if self.touched_later and in_conflict(self.touched_later, reaches):
            return False
        bands = _bands(members, found)
        if bands is None:
            return False
        self.whole.append(wave)
        self.members, self.links, self.bands = members, found, bands
        if left:
            rest = tuple(task for task in wave.tasks if task.parts[0].kernel in left)
            self.later.append(wave._replace(tasks=rest) if fresh else wave)
            self.touched_later += [each for number in left for each in touched(kernels[number], _place)]
        return True

    def waves(self, users: dict[Node, set[int]]) -> list[Wave]:
        """The wave of the sweeps and then the rest; or the waves as they came, if no two kernels walk together."""
        if all(len(band.members) == 1 for band in self.bands):
            return self.whole
        made = [band.lay_out(users) for band in self.bands]
        tasks = tuple(task for some, _ in made for task in some)
        scratch = tuple(each for _, some in made for each in some)
        cost = sum(band.cost for band in self.bands)
        return [Wave(tasks, len(tasks) > 1 and cost > PIECE_NANOSECONDS, scratch), *self.later]


def _place(buffer: Node) -> tuple[Node | None, int]:
    """Before memory is planned no two buffers overlap."""
    return buffer, 0


def _bands(members: Sequence[Member], found: Sequence[Link]) -> list[_Band] | None:
    """The members in bands; None if there are two that depend on each other and do not walk the same rows."""
    band_of = list(range(len(members)))
    turns = [Fraction(1)] * len(members)
    for link in sorted(found, key=lambda link: not link.is_conflict):
        j, k = link.before, link.after
        one, other = link.first.step, link.second.step
        if one == 0 or other == 0 or (one < 0) != (other < 0):
            if link.is_conflict:
                return None
        elif band_of[j] != band_of[k]:
            scale, old = turns[j] * Fraction(one, other) / turns[k], band_of[k]
            for n in range(len(members)):
                if band_of[n] == old:
                    band_of[n] = band_of[j]
                    turns[n] *= scale
        elif link.is_conflict and turns[k] * other != turns[j] * one:
            return None
    for band in set(band_of):
        inside = [n for n in range(len(members)) if band_of[n] == band]
        unit = Fraction(
            math.gcd(*(turns[n].numerator for n in inside)), math.lcm(*(turns[n].denominator for n in inside))
        )
        for n in inside:
            turns[n] /= unit
    if any(link.is_conflict and not _in_step(link, int(turns[link.before]), int(turns[link.after])) for link in found):
        return None
    groups = [[n for n in range(len(members)) if band_of[n] == band] for band in dict.fromkeys(band_of)]
    return [_Band(tuple(members[n] for n in some), tuple(int(turns[n]) for n in some)) for some in groups]


def _in_step(link: Link, first: int, second: int) -> bool:
    """Whether rows of two members, of so many turns, have bytes in common only if they have the same number."""
    if link.first.is_same(link.second):
        return True
    (low, high), (other_low, other_high) = link.first.over(first), link.second.over(second)
    pace = abs(link.first.step * first)
    return high - other_low <= pace and other_high - low <= pace
