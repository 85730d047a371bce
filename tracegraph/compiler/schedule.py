"""The scheduler: kernels in order come in, waves of tasks go out.

A wave is a set of tasks that do not depend on one another: pieces of one large kernel and whole small kernels, side by
side. Parallelism inside an operation and between branches of the graph is one mechanism.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

from tracegraph.compiler.cost import nest_nanoseconds
from tracegraph.compiler.kernel import CallKernel, Fused, Kernel, LibraryKernel, NestKernel
from tracegraph.compiler.materialise import shares_memory
from tracegraph.compiler.nest import Nest
from tracegraph.ir import Node

__all__ = ["Schedule", "Task", "Wave", "schedule"]

#: Work of less than this is not cut into smaller pieces, nor given to other threads.
PIECE_NANOSECONDS = 20_000.0
#: What an element of a scan costs: each waits for the one before.
SCANNED = 1.0
#: What a byte costs that is packed for a contraction.
PACKED = 0.1
#: The most pieces that one kernel is cut into.
MOST_PIECES = 64
#: Pieces of long loops begin at multiples of this, so that vectors stay aligned.
GRAIN = 64
#: Columns of a column reduction: with fewer at a time, memory is not read in long enough runs.
COLUMN_GRAIN = 512


class Task(NamedTuple):
    """A slice of a kernel: the kernel's number, and the range of its outermost loop."""

    kernel: int
    lo: int
    hi: int
    piece: int


class Wave(NamedTuple):
    """Tasks that can run at the same time, and whether that pays."""

    tasks: tuple[Task, ...]
    is_parallel: bool

    def __str__(self) -> str:
        pieces = Counter(task.kernel for task in self.tasks)
        parts = ", ".join(f"kernel {kernel} in {count} piece{'s' * (count > 1)}" for kernel, count in pieces.items())
        return f"{parts}{', in parallel' if self.is_parallel else ''}"


class Schedule(NamedTuple):
    """Kernels and the waves that run them."""

    fused: Fused
    waves: tuple[Wave, ...]
    nanoseconds: float

    def __str__(self) -> str:
        return "\n".join(f"wave {number}: {wave}" for number, wave in enumerate(self.waves))

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return self.fused.kernels


def schedule(fused: Fused) -> Schedule:
    """Puts every kernel into the first wave in which all that it reads is there and nobody needs what it writes over."""
    levels: dict[int, list[int]] = {}
    written: dict[Node, int] = {}
    read: dict[Node, int] = {}
    for number, kernel in enumerate(fused.kernels):
        over = _overwritten(kernel)
        waits = kernel.after if isinstance(kernel, NestKernel) else ()
        before = [written.get(node, 0) for node in (*kernel.reads, *over, *waits)] + [
            read.get(node, 0) for node in over
        ]
        level = max(before, default=0)
        levels.setdefault(level, []).append(number)
        for node in kernel.writes:
            written[node] = max(written.get(node, 0), level + 1)
        for node in kernel.reads:
            read[node] = max(read.get(node, 0), level + 1)
    waves: list[Wave] = []
    total = 0.0
    costs = list(map(_nanoseconds, fused.kernels))
    for level in sorted(levels):
        for group in _apart(fused, levels[level]):
            cost = sum(costs[number] for number in group)
            tasks = tuple(task for number in group for task in _tasks(number, fused.kernels[number], costs[number]))
            if tasks:
                waves.append(Wave(tasks, len(tasks) > 1 and cost > PIECE_NANOSECONDS))
            total += cost
    return Schedule(fused, tuple(waves), total)


def _overwritten(kernel: Kernel) -> tuple[Node, ...]:
    """Buffers in which it may write over what an earlier kernel has written or reads."""
    return tuple(node for node in kernel.writes if shares_memory(node) or node.params.get("is_ordered", False))


def _apart(fused: Fused, numbers: list[int]) -> list[list[int]]:
    """Nests and contractions share a wave. A scan, a loop, a step of Python, and a product by BLAS, which has threads of its
    own, each have one to itself."""
    nests = [number for number in numbers if _is_shareable(fused.kernels[number])]
    others = [[number] for number in numbers if not _is_shareable(fused.kernels[number])]
    return ([nests] if nests else []) + others


def _is_shareable(kernel: Kernel) -> bool:
    return isinstance(kernel, NestKernel) or (isinstance(kernel, LibraryKernel) and kernel.is_contraction)


def _nanoseconds(kernel: Kernel) -> float:
    if isinstance(kernel, NestKernel):
        return nest_nanoseconds(kernel.nest)
    if isinstance(kernel, CallKernel):
        return kernel.nanoseconds
    if kernel.is_contraction:
        return (
            PACKED * kernel.packed.aval.nbytes
            if kernel.packed is not None and kernel.packs
            else kernel.contraction.nanoseconds
        )
    return (SCANNED if kernel.is_scan else 0.1) * kernel.node.aval.size


def _tasks(number: int, kernel: Kernel, cost: float) -> list[Task]:
    if isinstance(kernel, CallKernel):
        return [Task(number, 0, 1, 0)]
    if not isinstance(kernel, NestKernel):
        if kernel.is_contraction:
            return _contraction_tasks(number, kernel)
        return _scan_tasks(number, kernel, cost) if kernel.is_scan else [Task(number, 0, _batch(kernel.node), 0)]
    nest = kernel.nest
    extent = nest.outer_extent
    pieces = kernel.pieces
    if pieces == 1 and nest.is_divisible:
        pieces = int(min(MOST_PIECES, max(1.0, cost // PIECE_NANOSECONDS), max(extent, 1)))
    if pieces == 1:
        return [Task(number, 0, extent, 0)] if _does_anything(nest) else []
    step = -(-extent // pieces)
    grain = COLUMN_GRAIN if nest.is_column and nest.outer == len(nest.axes) - 1 else GRAIN
    if extent > pieces * GRAIN:
        step = -(-step // grain) * grain
    starts = [min(k * step, extent) for k in range(pieces + 1)]
    needed = kernel.partials is not None
    return [Task(number, lo, hi, k) for k, (lo, hi) in enumerate(pairwise(starts)) if needed or lo < hi]


def _contraction_tasks(number: int, kernel: LibraryKernel) -> list[Task]:
    """Lines of the result; or of an operand, to be packed."""
    if not kernel.node.aval.size:
        return []
    cuts = kernel.contraction.packing_cuts if kernel.packs else kernel.contraction.cuts
    return [Task(number, lo, hi, k) for k, (lo, hi) in enumerate(pairwise(cuts))]


def _scan_tasks(number: int, kernel: LibraryKernel, cost: float) -> list[Task]:
    """Rows, or strips of columns, are independent of each other."""
    if not kernel.node.aval.size:
        return []
    extent = kernel.extents[0] * kernel.strips
    pieces = int(min(MOST_PIECES, max(1.0, cost // PIECE_NANOSECONDS), extent))
    step = -(-extent // pieces)
    return [Task(number, lo, min(lo + step, extent), k) for k, lo in enumerate(range(0, extent, step))]


def _does_anything(nest: Nest) -> bool:
    """Whether there is a point to store anything at."""
    return all(nest.axes[k].extent for k in nest.kept)


def _batch(node: Node) -> int:
    count = 1
    for n in node.shape[:-2]:
        count *= n
    return count
