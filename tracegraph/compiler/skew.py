"""Skewed sweeps: kernels of which each needs rows around the one that it is at, as the steps of a stencil do, are run
together too, each some rows behind the one before. A plan comes in, one with fewer waves goes out.

Kernel ``k`` may run its row ``r`` as soon as each kernel ``j`` before it has done its rows up to ``r + d``: it stays
behind by the *lag* ``R_k = max(R_j + d)``. The rows are cut into segments, and each is swept as far as it can be without
its neighbours; what is left at the borders, in the same order of kernels, makes a second wave (split tiling: Grosser et
al., "Split tiling for GPUs", GPGPU-6, 2013). Only the memory that kernels touch is looked at, where the plan has put it:
it does not matter here why two of them depend on each other, and memory that is used again for another value is one
reason more.

A kernel that touches few rows at all, as one that sets a border, is taken whole, when the sweep comes to its row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from tracegraph.compiler.kernel import NestKernel
from tracegraph.compiler.memory import Plan
from tracegraph.compiler.reach import CACHE, Link, Member, Reach, can_sweep, grain_of, links, member
from tracegraph.compiler.schedule import PIECE_NANOSECONDS, Part, Task, Wave
from tracegraph.compiler.sweep import MOST_LANES
from tracegraph.ir import Node

__all__ = ["skew"]

#: Kernels in one sweep.
MOST_KERNELS = 64
#: Kernels that begin no more rows apart are taken to begin at the same row; lags keep them in order.
NEAR = 8
#: It must save so many times the cache in memory that is not read again.
LEAST_GAIN = 4
#: Rows of a segment for each row that has to wait for the second wave.
LEAST_ROWS = 4


class _Walk(NamedTuple):
    """How a member goes through the rows: its turns in one row, and the row of the band that is its first."""

    turns: int
    anchor: int


class _Band(NamedTuple):
    """Members that are swept together.

    Attributes:
        members: in order.
        walks: how each goes through the rows.
        lags: how many rows each stays behind.
        leads: how many rows each must leave out at the start of a segment, because rows before are not done yet.
        is_connected: whether it is known how all of them walk.
    """

    members: tuple[Member, ...]
    walks: tuple[_Walk, ...]
    lags: tuple[int, ...]
    leads: tuple[int, ...]
    is_connected: bool

    @property
    def rows(self) -> int:
        ends = [-(-each.turns // walk.turns) + walk.anchor for each, walk in zip(self.members, self.walks, strict=True)]
        return max(ends)

    @property
    def margin(self) -> int:
        """Rows on both sides of a border that wait for the second wave."""
        return max(self.lags) + max(self.leads)

    @property
    def cost(self) -> float:
        return sum(each.cost for each in self.members)

    @property
    def row_bytes(self) -> int:
        """What one row of all members touches, what several of them touch counted once."""
        most: dict[tuple[Node | None, int], int] = {}
        for each, walk in zip(self.members, self.walks, strict=True):
            if each.turns > walk.turns:
                for reach in each.reaches:
                    key = reach.space, reach.base
                    most[key] = max(most.get(key, 0), abs(reach.step) * walk.turns)
        return sum(most.values())

    @property
    def fits(self) -> bool:
        """Whether the rows under way fit the cache, and most rows are far from borders. More members only make it worse."""
        return 2 * (max(self.lags) + 1) * self.row_bytes <= CACHE and self.rows >= 2 * LEAST_ROWS * self.margin

    @property
    def pays(self) -> bool:
        """Whether memory is spared."""
        return self.is_connected and self.rows * self.row_bytes > LEAST_GAIN * CACHE

    def tasks(self) -> tuple[list[Task], list[Task]]:
        """Those of the first wave, and those of the second."""
        block = max(1, CACHE // self.row_bytes - max(self.lags))
        grain = max(-(-grain_of(each) // walk.turns) for each, walk in zip(self.members, self.walks, strict=True))
        block = -(-block // grain) * grain
        pieces = int(min(MOST_LANES, max(1.0, self.cost // PIECE_NANOSECONDS)))
        segments = min(pieces, max(1, self.rows // max(LEAST_ROWS * self.margin, block)))
        edges = [self.rows * k // segments for k in range(segments + 1)]
        first = [self._segment(lo, hi, block) for lo, hi in pairwise(edges)]
        second = [self._border(edge) for edge in edges[1:-1]] if self.margin else []
        return first, second

    def _segment(self, lo: int, hi: int, block: int) -> Task:
        parts = []
        for each, walk, lag, lead in zip(self.members, self.walks, self.lags, self.leads, strict=True):
            begin = lo + lead if lo else 0
            end = hi - lag if hi < self.rows else self.rows
            shift = (lag + walk.anchor - lo) * walk.turns
            parts.append(_part(each, walk, begin, end)._replace(step=block * walk.turns, shift=shift))
        return Task(tuple(parts), 0, -(-(hi - lo) // block))

    def _border(self, edge: int) -> Task:
        return Task(
            tuple(
                _part(each, walk, edge - lag, edge + lead)
                for each, walk, lag, lead in zip(self.members, self.walks, self.lags, self.leads, strict=True)
            )
        )


def _part(each: Member, walk: _Walk, begin: int, end: int) -> Part:
    """A member's turns in the rows from one to another."""
    lo, hi = (min(max((row - walk.anchor) * walk.turns, 0), each.turns) for row in (begin, end))
    return Part(each.number, lo, max(lo, hi))


def skew(plan: Plan) -> Plan:
    """Puts kernels of consecutive waves that walk near each other into common tasks."""
    old, new = plan.schedule.waves, []
    at = 0
    while at < len(old):
        found = _longest(plan, old[at : at + MOST_KERNELS])
        new += [old[at]] if found is None else found[1]
        at += 1 if found is None else found[0]
    return plan._replace(schedule=plan.schedule._replace(waves=tuple(new)))


def _longest(plan: Plan, waves: Sequence[Wave]) -> tuple[int, list[Wave]] | None:
    """The waves that take the place of the first few of those given, and how many these are; None if nothing is gained."""
    members: list[Member] = []
    found: list[Link] = []
    ends: list[tuple[int, int]] = []
    for wave in waves:
        kernels = [plan.schedule.kernels[number] for number in wave.kernels]
        are_nests = all(isinstance(each, NestKernel) and can_sweep(each) for each in kernels)
        is_possible = wave.is_parallel and not wave.scratch and are_nests
        if not is_possible or len(members) + len(kernels) > MOST_KERNELS:
            break
        for number in wave.kernels:
            one = member(number, plan.schedule.kernels[number], lambda buffer: _place(plan, buffer))
            found += links(members, one)
            members.append(one)
        ends.append((len(members), len(found)))
        if len(ends) in (2, 4, 8):
            band = _fitting(members, found, ends, len(ends))
            if band is None or (len(ends) == 8 and not band.pays):
                break
    best, least, most = None, 2, len(ends)
    while least <= most:
        count = (least + most + 1) // 2
        band = _fitting(members, found, ends, count)
        if band is None:
            most = count - 1
        else:
            best, least = (count, band) if band.pays else best, count + 1
    if best is None:
        return None
    return best[0], [Wave(tuple(tasks), len(tasks) > 1) for tasks in best[1].tasks() if tasks]


def _fitting(
    members: Sequence[Member], found: Sequence[Link], ends: Sequence[tuple[int, int]], count: int
) -> _Band | None:
    """The members of so many waves as one band, if that fits the cache."""
    last, last_link = ends[count - 1]
    band = _band(members[:last], found[:last_link])
    return band if band is not None and band.fits else None


def _place(plan: Plan, buffer: Node) -> tuple[Node | None, int]:
    offset = plan.offsets.get(buffer)
    return (buffer, 0) if offset is None else (None, offset)


def _band(members: Sequence[Member], found: Sequence[Link]) -> _Band | None:
    """All members as one band; None if they cannot be."""
    walks = _walks(members, found)
    lags, leads = [0] * len(members), [0] * len(members)
    for link in found:  # in the order of the second members
        j, k = link.before, link.after
        if link.is_conflict and j in walks and k in walks:
            distances = _distances(link, members, walks)
            if distances is None:
                return None
            behind, ahead = distances
            if behind <= ahead:
                lags[k] = max(lags[k], lags[j] + ahead)
                leads[k] = max(leads[k], leads[j] - behind)
    known = tuple(walks.get(n, _Walk(1, 0)) for n in range(len(members)))
    return _Band(tuple(members), known, tuple(lags), tuple(leads), len(walks) == len(members))


def _walks(members: Sequence[Member], found: Sequence[Link]) -> dict[int, _Walk]:
    """How each member walks that hangs together with the dearest one: in step with it, or whole."""
    dearest = max(range(len(members)), key=lambda n: members[n].cost)
    turns: dict[int, Fraction] = {dearest: Fraction(1)}
    whole: set[int] = set()
    ties: dict[int, tuple[int, Reach, Reach]] = {}
    for link in sorted(found, key=lambda link: not link.is_conflict) * 2:
        for known, fresh, one, other in (
            (link.before, link.after, link.first, link.second),
            (link.after, link.before, link.second, link.first),
        ):
            if known not in turns or fresh in whole:
                continue
            is_along = one.step * other.step > 0
            wanted = turns[known] if one.step == other.step else turns[known] * Fraction(one.step, other.step or 1)
            if is_along and fresh not in turns:
                turns[fresh] = wanted
                ties[fresh] = known, one, other
            elif not (is_along and turns[fresh] == wanted) and members[fresh].cost < members[known].cost:
                turns.pop(fresh, None)
                whole.add(fresh)
                ties[fresh] = known, one, other
    unit = Fraction(
        math.gcd(*(each.numerator for each in turns.values())), math.lcm(*(each.denominator for each in turns.values()))
    )
    count = {n: int(turns[n] / unit) if n in turns else members[n].turns for n in (*turns, *whole)}
    anchors = {dearest: 0}
    for n, (known, one, other) in [*ties.items()] * len(ties):
        if n not in anchors and known in anchors and one.step:
            apart = other.over(count[n])[0] - one.over(count[known])[0]
            rows = apart // (one.step * count[known])
            anchors[n] = anchors[known] + (rows if abs(rows) > NEAR else 0)
    first = min(anchors.values())
    return {n: _Walk(each, anchors.get(n, 0) - first) for n, each in count.items()}


def _distances(link: Link, members: Sequence[Member], walks: Mapping[int, _Walk]) -> tuple[int, int] | None:
    """For which differences of row numbers, first less second, rows of the two members have bytes in common: from, to. None
    if they do not walk at one pace."""
    one, other = walks[link.before], walks[link.after]
    paces = [
        reach.step * walk.turns
        for n, reach, walk in ((link.before, link.first, one), (link.after, link.second, other))
        if members[n].turns > walk.turns
    ]
    if not paces or (len(paces) == 2 and link.first.is_same(link.second)):
        return one.anchor - other.anchor, one.anchor - other.anchor
    pace = paces[0]
    if pace == 0 or paces[-1] != pace:
        return None
    low, high = (edge - pace * one.anchor for edge in link.first.over(one.turns))
    other_low, other_high = (edge - pace * other.anchor for edge in link.second.over(other.turns))
    least, most = other_low - high, other_high - low
    if pace < 0:
        pace, least, most = -pace, -most, -least
    return least // pace + 1, (most - 1) // pace
