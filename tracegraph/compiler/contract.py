"""Contractions: ``C[i, j] = sum over k of A[i, k] B[k, j]``, where each of the indices i, j, k may stand for several.

Each index has a stride of its own in each array: where A's element lies is a sum of a part that depends on i and one that
depends on k. Matrix products of arrays in any order are such, and so are convolutions, whose patches overlap. An operation
and how its operands lie come in; the indices go out, and where C is cut into tasks: a task is a range of
its rows (for a matrix product, of the rows of all items of the batch counted through) or of its columns (for a convolution,
of the places of all images counted through). Any range of lines can be computed by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tracegraph.compiler.materialise import Access
from tracegraph.ir import Node
from tracegraph.ir.layout import Layout, contiguous

__all__ = ["Contraction", "Level", "block_limits", "contraction_of"]

#: The largest block of A that a task packs, and of B: both, and what of C belongs to them, are to stay in a
#: second-level cache. And how long a row of A's block is.
BLOCK_A_BYTES = 512 * 1024
BLOCK_B_BYTES = 512 * 1024
DEPTH_BYTES = 1024
#: Nanoseconds for a product and a sum of numbers of four bytes, on one core.
TERM = 0.01
#: Work of less than this is not cut up only to occupy more threads, nor is any cut into more tasks for each core than that
#: unless a task's part of C were larger than so many bytes; into several only where each has so many lines.
TASK_NANOSECONDS = 30_000.0
TASKS_OF_CORE = 4
TASK_BYTES = 1 << 20
TASK_LINES = 96
CORES = os.cpu_count() or 1
#: So many neighbours make it worth while to read along the sum.
LONG = 16
#: Tasks begin at multiples of so many rows, or columns: whole tiles in the registers of most CPUs.
STEPS = 14, 96
#: The same for tasks that pack: whole tiles of every CPU.
PACKING_STEPS = 168, 480
#: From so much work on, an operand that every task needs whole is packed once, in a wave before.
SHARED_NANOSECONDS = 200_000.0
#: Elements that one task packs of it, at least.
PACKED_AT_ONCE = 1 << 15
#: The same where a panel of A is as wide as two vectors.
PLACES_STEP = 96
#: What kernels that read B where it lies do at a time, on most CPUs: places of a line, and rows, in bytes. How far apart
#: places may lie in B, and the most terms of the sum, of which each needs a word of scratch memory.
PLACES, PANEL_BYTES = 14, 128
MOST_APART, MOST_TERMS = 4, 1 << 15
#: The lowest tile, as a line of fewer places cannot be read without what lies behind it.
LEAST_PLACES = 4
#: What else they cost, in terms of a product: an element of C that is written, one of the images that is brought for a panel
#: of rows, from channels that lie so many bytes apart at the most or further. And what it costs to pack an element of B, and
#: by how much more terms of a product of packed panels cost.
WRITTEN, NEAR, FAR, NEAR_BYTES = 10, 2, 10, 1024
GATHERED, PANELLED = 10, 1.1
#: Rows of a convolution's tile that is packed.
CHANNELS = 8
#: By how much a side of an operand may grow as it is packed: to whole tiles.
SPARE = 96


class Level(NamedTuple):
    """One index: its extent, and its strides in elements in A, B and C."""

    extent: int
    a: int = 0
    b: int = 0
    c: int = 0


class Contraction(NamedTuple):
    """What is contracted.

    Attributes:
        dtype: of all arrays.
        rows, columns, depth, batch: the indices of C's rows and columns, of the sum, and of all arrays, outermost first.
        starts: where A and B begin in their buffers, in elements.
        channels: how many rows there are, if that is known of all examples of the operation; else 0.
        way_a, way_b: along which index neighbours in memory are read: "depth", "panel" (the other one), "pairs" (of its
            neighbours every other one), or "scattered".
    """

    dtype: str
    rows: tuple[Level, ...]
    columns: tuple[Level, ...]
    depth: tuple[Level, ...]
    batch: tuple[Level, ...]
    starts: tuple[int, int]
    channels: int
    way_a: str
    way_b: str

    @property
    def extents(self) -> tuple[int, int, int]:
        """Of all rows, all columns, all terms of the sum."""
        m, n, k = (_count(levels) for levels in (self.rows, self.columns, self.depth))
        return m, n, k

    @property
    def items(self) -> int:
        """Of the batch."""
        return _count(self.batch)

    @property
    def nanoseconds(self) -> float:
        """About how long one core takes."""
        m, n, k = self.extents
        return float(self.items * m * n * k) * TERM * np.dtype(self.dtype).itemsize / 4

    @property
    def reads_places(self) -> bool:
        """Whether B is read where it lies rather than packed: a convolution's places, if that takes less time."""
        if not self.channels or self.batch or len(self.rows) > 1 or self.nanoseconds < SHARED_NANOSECONDS:
            return False
        (m, _, k), last = self.extents, self.columns[-1]
        if not 0 < last.b <= MOST_APART or last.c != 1 or last.extent < LEAST_PLACES or not 0 < k <= MOST_TERMS:
            return False
        size, left = np.dtype(self.dtype).itemsize, last.extent % PLACES
        lanes = PANEL_BYTES // 2 // size
        places = last.extent - left + next(n for n in (0, -(-PLACES // 4), PLACES // 2, PLACES) if n >= left)
        outer = self.depth[0]
        touched = (NEAR if abs(outer.b) * size <= NEAR_BYTES else FAR) * outer.extent / k * -(-m // (2 * lanes))
        read = places / last.extent * _up(m, lanes) * (1 + WRITTEN / k) + touched
        return read < _up(m, CHANNELS) * PANELLED + GATHERED

    @property
    def is_by_rows(self) -> bool:
        """Whether a task computes whole rows of C, or else whole columns: rows unless columns are channels' places, if
        there are enough of them."""
        if self.reads_places:
            return False
        items, (m, n, _) = self.items, self.extents
        pieces = [items * m // STEPS[0], n // STEPS[1]]
        first, second = pieces if not self.channels else reversed(pieces)
        return (first >= min(self._wanted, second)) != bool(self.channels)

    @property
    def lines(self) -> int:
        """What a task is a range of: rows, those of all items of the batch counted through, or columns."""
        return self.items * self.extents[0] if self.is_by_rows else self.extents[1]

    @property
    def unit(self) -> tuple[int, int] | None:
        """How lines lie in C: each so many lines, from 0 on, are so many elements next to one another. None if they are
        scattered."""
        m, n, _ = self.extents
        if not self.is_by_rows:
            size, images = self.items * m * n, self.columns[0].extent
            return (n // images, size // images) if images and self.columns[0].c * images == size else None
        pace = _pace((level.extent, level.c) for level in self._row_levels)
        return (1, n) if pace == n or self.lines == 1 else None

    @property
    def pace(self) -> int:
        """How many elements apart in A rows begin, those of all items of the batch counted through; 0 if they are not evenly
        apart."""
        return _pace((level.extent, level.a) for level in self._row_levels)

    @property
    def cuts(self) -> tuple[int, ...]:
        """Where the lines of each task begin, and behind the last: about as many lines in each, in whole items or tiles."""
        m, n, _ = self.extents
        size = self.items * m * n * np.dtype(self.dtype).itemsize
        pieces = max(self._wanted, min(-(-size // TASK_BYTES), int(self.nanoseconds // TASK_NANOSECONDS)))
        if self.reads_places:
            line = self.columns[-1].extent
            return _cuts(n, self._wanted, line if n >= 2 * line * self._wanted else PACKING_STEPS[0])
        if self.is_by_rows:
            pieces = max(pieces, -(-m // block_limits(self.dtype)[0]))
            step = m if self.batch and m * pieces <= self.lines else STEPS[0]
        else:
            step = STEPS[1] if self.lines >= 4 * STEPS[1] * pieces else STEPS[1] // 6
        return _cuts(self.lines, pieces, step)

    @property
    def shared(self) -> str:
        """The operand that every task needs whole, "a" or "b", if it pays to pack that once before; else nothing."""
        if self.reads_places:
            return "a"
        if self.batch or self.nanoseconds < SHARED_NANOSECONDS or len(self.cuts) < 3:
            return ""
        return "b" if self.is_by_rows else "a"

    @property
    def packed_bytes(self) -> int:
        """The most memory that the shared operand takes."""
        m, n, k = self.extents
        return (SPARE + (n if self.shared == "b" else m)) * k * np.dtype(self.dtype).itemsize

    @property
    def packing_cuts(self) -> tuple[int, ...]:
        """The same for its packing: columns of B or rows of A."""
        m, n, k = self.extents
        side, step = (n, PACKING_STEPS[1]) if self.shared == "b" else (m, PACKING_STEPS[0])
        if self.reads_places:
            step = PLACES_STEP
        return _cuts(side, min(CORES * TASKS_OF_CORE, side * k // PACKED_AT_ONCE + 1), step)

    @property
    def _row_levels(self) -> tuple[Level, ...]:
        return (*self.batch, *self.rows)

    @property
    def _wanted(self) -> int:
        """How many tasks are enough to occupy all cores: one for each, as each packs an operand; several, so that all are
        done at about the same time, where that is packed once and lines are many."""
        lines = max(self.items * self.extents[0], self.extents[1])
        are_many = self.nanoseconds >= SHARED_NANOSECONDS and lines >= TASK_LINES * TASKS_OF_CORE * CORES
        most = CORES * TASKS_OF_CORE if are_many or self.batch else CORES
        return int(max(min(most, self.nanoseconds // TASK_NANOSECONDS), 1))


def _pace(levels: Iterable[tuple[int, int]]) -> int:
    """How far apart the places are to which indices lead, given by extent and stride, outermost first; 0 if not evenly."""
    pace, following = 0, 0
    for extent, stride in reversed([level for level in levels if level[0] != 1]):
        if pace and stride != following:
            return 0
        pace, following = pace or stride, extent * stride
    return pace


def _cuts(lines: int, pieces: int, step: int) -> tuple[int, ...]:
    steps = -(-lines // step)
    pieces = max(min(pieces, steps), 1)
    return tuple(min(k * steps // pieces * step, lines) for k in range(pieces + 1))


def block_limits(dtype: str) -> tuple[int, int, int]:
    """The most rows and columns of a block of C, and the most terms that are summed at a time."""
    size = np.dtype(dtype).itemsize
    return BLOCK_A_BYTES // DEPTH_BYTES, BLOCK_B_BYTES // DEPTH_BYTES, DEPTH_BYTES // size


def contraction_of(node: Node, operands: tuple[Access, ...]) -> Contraction:
    """How an operation is a contraction."""
    first, second = (_layout(operand) for operand in operands)
    if node.op.name == "matmul":
        return _matmul(node, first, second)
    return _conv(node, first, second)


def _layout(operand: Access) -> Layout:
    layout = operand.layout()
    assert layout is not None, "an operand that strides cannot express was copied"
    return layout


def _matmul(node: Node, x: Layout, y: Layout) -> Contraction:
    """Where all items have one matrix in common, their rows (or columns) are those of a single product."""
    (*lead, m, k), n = x.shape, y.shape[-1]
    out = contiguous(node.shape)
    batch = [Level(*level) for level in zip(lead, x.strides[:-2], y.strides[:-2], out.strides[:-2], strict=True)]
    batch = [level for level in batch if level.extent != 1]
    rows, columns = [Level(m, a=x.strides[-2], c=n)], [Level(n, b=y.strides[-1], c=1)]
    while batch and batch[-1].b == 0:
        rows.insert(0, batch.pop())
    if batch and all(level.a == 0 for level in batch):
        columns, batch = [*batch, *columns], []
    depth = [Level(k, a=x.strides[-1], b=y.strides[-2])]
    return _contraction(node, rows, columns, depth, batch, (x.offset, y.offset))


def _conv(node: Node, x: Layout, w: Layout) -> Contraction:
    """Weights are A, patches are B: each output channel is a row, each place of each image a column."""
    (images, groups, channels, *_), out = x.shape, contiguous(node.shape)
    if node.params["is_transposed"]:
        group, row, image = out.strides[:3]
    else:
        image, group, row = out.strides[:3]
    steps = list(zip(node.params["stride"], node.params["dilation"], x.strides[3:], strict=True))
    places = zip(node.shape[3:], steps, out.strides[3:], strict=True)
    taps = zip(w.shape[3:], w.strides[3:], steps, strict=True)
    return _contraction(
        node,
        rows=[Level(w.shape[1], a=w.strides[1], c=row)],
        columns=[Level(images, b=x.strides[0], c=image), *(Level(n, b=s * by, c=c) for n, (s, _, by), c in places)],
        depth=[
            Level(channels, a=w.strides[2], b=x.strides[2]),
            *(Level(n, a=a, b=d * by) for n, a, (_, d, by) in taps if n != 1),
        ],
        batch=[Level(groups, a=w.strides[0], b=x.strides[1], c=group)] if groups != 1 else [],
        starts=(w.offset, x.offset),
    )


def _contraction(
    node: Node, rows: list[Level], columns: list[Level], depth: list[Level], batch: list[Level], starts: tuple[int, int]
) -> Contraction:
    """With as few indices as can be, and those of the sum in an order in which A is read forwards."""
    start_a, start_b = starts
    for number, (extent, a, b, _) in enumerate(depth):
        if a < 0 < extent:
            depth[number] = Level(extent, -a, -b)
            start_a, start_b = start_a + (extent - 1) * a, start_b + (extent - 1) * b
    merged = _merged(depth)
    across = _merged(columns)
    return Contraction(
        str(node.dtype),
        _merged(rows),
        across,
        merged,
        _merged(batch),
        (start_a, start_b),
        0 if node.op.name == "matmul" else rows[0].extent,
        _way(merged[-1].a, rows[-1].a, merged[-1].extent >= rows[-1].extent or len(rows) == len(depth)),
        _way_of_patches(merged, across[-1], len(depth) > 1 and merged[-1].extent > across[-1].extent),
    )


def _way(along_depth: int, across: int, is_depth_first: bool) -> str:
    """Along which index neighbours are read."""
    ways = [way for way, stride in (("depth", along_depth), ("panel", across)) if stride == 1]
    if not ways:
        return "scattered"
    return ways[0] if is_depth_first else ways[-1]


def _way_of_patches(depth: Sequence[Level], across: Level, is_depth_first: bool) -> str:
    """The same for B, where places that lie two apart, of images with a stride, are read as well as ones side by side."""
    if across.b == 2 and (depth[-1].b != 1 or depth[-1].extent < LONG):
        return "pairs"
    return _way(depth[-1].b, across.b, is_depth_first)


def _merged(levels: Iterable[Level]) -> tuple[Level, ...]:
    """Two indices of which one goes on where the other ends, in all arrays, are one."""
    found: list[Level] = []
    for level in levels:
        if found and all(outer == inner * level.extent for outer, inner in zip(found[-1][1:], level[1:], strict=True)):
            found[-1] = Level(found[-1].extent * level.extent, *level[1:])
        else:
            found.append(level)
    return tuple(found)


def _up(count: int, step: int) -> int:
    return -(-count // step) * step


def _count(levels: Iterable[Level]) -> int:
    count = 1
    for level in levels:
        count *= level.extent
    return count
