"""Contractions: ``C[i, j] = sum over k of A[i, k] B[k, j]``, where each of the indices i, j, k may stand for several.

Each index has a stride of its own in each array: where A's element lies is a sum of a part that depends on i and one that
depends on k. Matrix products of arrays in any order are such, and so are convolutions, whose patches overlap. An operation
and how its operands lie come in; the indices go out, and into how many tasks C is cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tracegraph.compiler.materialise import Access
from tracegraph.ir import Node
from tracegraph.ir.layout import Layout, contiguous

__all__ = ["Contraction", "Level", "block_limits", "contraction_of"]

#: The largest block of A that a task packs, and of B: both, and what of C belongs to them, are to stay in a
#: second-level cache. And how long a row of A's block is.
BLOCK_A_BYTES = 384 * 1024
BLOCK_B_BYTES = 512 * 1024
DEPTH_BYTES = 1024
#: Nanoseconds for a product and a sum of numbers of four bytes, on one core.
TERM = 0.015
#: Work of less than this is not cut up only to occupy more threads, nor is any cut into more tasks than that.
TASK_NANOSECONDS = 100_000.0
ENOUGH_TASKS = 4
#: Blocks have at least so many rows, and so many columns.
LEAST = 48, 64
#: So many neighbours make it worth while to read along the sum.
LONG = 16


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
    def nanoseconds(self) -> float:
        """About how long one core takes."""
        m, n, k = self.extents
        return float(_count(self.batch) * m * n * k) * TERM * np.dtype(self.dtype).itemsize / 4

    @property
    def grid(self) -> tuple[int, int]:
        """Into how many blocks rows and columns are cut."""
        m, n, _ = self.extents
        most_m, most_n, _ = block_limits(self.dtype)
        across = [-(-m // most_m), -(-n // most_n)]
        wanted = min(ENOUGH_TASKS, self.nanoseconds // TASK_NANOSECONDS)
        while _count(self.batch) * across[0] * across[1] < wanted:
            sizes = [extent / (pieces * least) for extent, pieces, least in zip((m, n), across, LEAST, strict=True)]
            if max(sizes) < 2:
                break
            across[sizes.index(max(sizes))] *= 2
        return across[0], across[1]

    @property
    def tasks(self) -> int:
        """How many there are.

        Task number t is of item ``t // (across * down)`` of the batch, block ``t // across % down`` of the columns, block
        ``t % across`` of the rows, for a grid of (across, down). A convolution's columns are the places of its images,
        images outermost, and its batch the groups: of one group, tasks in order go through the images in order, all
        channels of some places before the next places. So a range of tasks that begins and ends at multiples of
        ``across`` writes a range of places of consecutive images, and no other task writes any of those.
        """
        across, down = self.grid
        return _count(self.batch) * across * down


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
    (*lead, m, k), n = x.shape, y.shape[-1]
    out = contiguous(node.shape)
    levels = zip(lead, x.strides[:-2], y.strides[:-2], out.strides[:-2], strict=True)
    return _contraction(
        node,
        rows=[Level(m, a=x.strides[-2], c=n)],
        columns=[Level(n, b=y.strides[-1], c=1)],
        depth=[Level(k, a=x.strides[-1], b=y.strides[-2])],
        batch=[Level(*level) for level in levels],
        starts=(x.offset, y.offset),
    )


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


def _count(levels: Iterable[Level]) -> int:
    count = 1
    for level in levels:
        count *= level.extent
    return count
