"""The scheduler: kernels in order come in, waves of tasks go out.

A wave is a set of tasks that do not depend on one another: pieces of one large kernel and whole small kernels, side by
side. Parallelism inside an operation and between branches of the graph is one mechanism. `sweep` and `skew` later put
pieces of several kernels into one task.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import NamedTuple

from tracegraph.compiler.cost import nest_nanoseconds
from tracegraph.compiler.kernel import CallKernel, Fused, Kernel, LibraryKernel, NestKernel, PhaseKernel
from tracegraph.compiler.materialise import shares_memory
from tracegraph.compiler.nest import Nest
from tracegraph.ir import Node

__all__ = [
    "COLUMN_GRAIN", "GRAIN", "PIECE_NANOSECONDS", "Part", "Schedule", "Scratch", "Task", "Wave", "nanoseconds", "schedule",
]  # fmt: skip

#: Work of less than this is not cut into smaller pieces, nor given to other threads.
PIECE_NANOSECONDS = 20_000.0
#: What an element of images costs, or of what their windows give, whichever are more.
POOLED = 0.5
#: What a term of a product costs that is read where it lies.
DIRECT = 0.15
#: What a byte costs that is packed for a contraction.
PACKED = 0.1
#: The most pieces that one kernel is cut into.
MOST_PIECES = 64
#: Pieces of long loops begin at multiples of this, so that vectors stay aligned.
GRAIN = 64
#: Columns of a column reduction: with fewer at a time, memory is not read in long enough runs.
COLUMN_GRAIN = 512


class Part(NamedTuple):
    """A kernel's share of a task.

    Attributes:
        kernel: its number.
        lo: the first turn of its outermost loop.
        hi: the turn after the last.
        piece: which of its pieces that is.
        step: how many turns belong to each block of the task; all of them to the last.
        shift: by how many turns it stays behind.
    """

    kernel: int
    lo: int
    hi: int
    piece: int = 0
    step: int = 0
    shift: int = 0


class Task(NamedTuple):
    """What one thread runs: of each block in order, each part in order.

    Attributes:
        parts: the kernels' shares.
        first: the number of the first block.
        last: that after the last block.
        lane: which of the places for values that live within a block is this task's.
    """

    parts: tuple[Part, ...]
    first: int = 0
    last: int = 1
    lane: int = 0


class Scratch(NamedTuple):
    """Memory for values that live no longer than a block of rows: one lane for each task.

    Attributes:
        lanes: how many.
        nbytes: of each.
        places: where each value begins in a lane.
    """

    lanes: int
    nbytes: int
    places: dict[Node, int]


class Wave(NamedTuple):
    """Tasks that can run at the same time, whether that pays, and what memory they need for themselves."""

    tasks: tuple[Task, ...]
    is_parallel: bool
    scratch: tuple[Scratch, ...] = ()

    def __str__(self) -> str:
        counts = Counter(tuple(part.kernel for part in task.parts) for task in self.tasks)
        parts = [
            f"kernel{'s' * (len(kernels) > 1)} {', '.join(map(str, kernels))} in {count} piece{'s' * (count > 1)}"
            for kernels, count in counts.items()
        ]
        return f"{'; '.join(parts)}{', in parallel' if self.is_parallel else ''}"

    @property
    def kernels(self) -> tuple[int, ...]:
        """The numbers of its kernels."""
        return tuple(dict.fromkeys(part.kernel for task in self.tasks for part in task.parts))


class Schedule(NamedTuple):
    """Kernels and the waves that run them.

    Attributes:
        fused: the kernels.
        waves: in order.
        nanoseconds: about how long one core takes.
        shared: the outputs, by their numbers, that are computed in the memory of an input, and which input that is (see
            `sharing`). Kernels read such an input from the output's memory only.
    """

    fused: Fused
    waves: tuple[Wave, ...]
    nanoseconds: float
    shared: tuple[tuple[int, int], ...] = ()

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
    costs = list(map(nanoseconds, fused.kernels))
    for level in sorted(levels):
        for group in _apart(fused, levels[level]):
            cost = sum(costs[number] for number in group)
            parts = (part for number in group for part in _parts(number, fused.kernels[number], costs[number]))
            tasks = tuple(Task((part,)) for part in parts)
            if tasks:
                waves.append(Wave(tasks, len(tasks) > 1 and cost > PIECE_NANOSECONDS))
            total += cost
    return Schedule(fused, tuple(waves), total)


def _overwritten(kernel: Kernel) -> tuple[Node, ...]:
    """Buffers in which it may write over what an earlier kernel has written or reads."""
    return tuple(node for node in kernel.writes if shares_memory(node) or node.params.get("is_ordered", False))


def _apart(fused: Fused, numbers: list[int]) -> list[list[int]]:
    """Nests, phases, contractions and pools share a wave. A loop, a step of Python, and a product by BLAS, which has threads
    of its own, each have one to itself."""
    nests = [number for number in numbers if _is_shareable(fused.kernels[number])]
    others = [[number] for number in numbers if not _is_shareable(fused.kernels[number])]
    return ([nests] if nests else []) + others


def _is_shareable(kernel: Kernel) -> bool:
    if isinstance(kernel, LibraryKernel):
        return kernel.is_contraction or kernel.is_direct or kernel.is_pool
    return isinstance(kernel, (NestKernel, PhaseKernel))


def nanoseconds(kernel: Kernel) -> float:
    """About how long one core takes for a kernel."""
    if isinstance(kernel, NestKernel):
        return nest_nanoseconds(kernel.nest)
    if isinstance(kernel, (CallKernel, PhaseKernel)):
        return kernel.nanoseconds
    if kernel.is_contraction:
        if kernel.packs and kernel.packed is not None:
            return PACKED * kernel.packed.aval.nbytes
        return kernel.contraction.nanoseconds
    if kernel.is_direct:
        return DIRECT * kernel.node.aval.size * kernel.node.inputs[0].shape[-1]
    if kernel.is_pool:
        return POOLED * max(node.aval.size for node in (kernel.node, *kernel.reads))
    return 0.1 * kernel.node.aval.size


def _parts(number: int, kernel: Kernel, cost: float) -> list[Part]:
    if isinstance(kernel, CallKernel):
        return [Part(number, 0, 1, 0)]
    if isinstance(kernel, PhaseKernel):
        cuts = range(0, kernel.extent, kernel.step)
        return [Part(number, lo, min(lo + kernel.step, kernel.extent), k) for k, lo in enumerate(cuts)]
    if not isinstance(kernel, NestKernel):
        if kernel.is_contraction:
            return _contraction_parts(number, kernel)
        is_even = kernel.is_pool or kernel.is_direct
        return _even_parts(number, kernel, cost) if is_even else [Part(number, 0, _batch(kernel.node), 0)]
    nest = kernel.nest
    extent = nest.outer_extent
    pieces = kernel.pieces
    if pieces == 1 and nest.is_divisible:
        most = -(-extent // COLUMN_GRAIN) if nest.is_of_columns else extent
        pieces = int(min(MOST_PIECES, max(1.0, cost // PIECE_NANOSECONDS), max(most, 1)))
    if pieces == 1:
        return [Part(number, 0, extent, 0)] if _does_anything(nest) else []
    step = -(-extent // pieces)
    grain = COLUMN_GRAIN if nest.is_of_columns else GRAIN
    if extent > pieces * GRAIN:
        step = -(-step // grain) * grain
    starts = [min(k * step, extent) for k in range(pieces + 1)]
    needed = bool(kernel.partials)
    return [Part(number, lo, hi, k) for k, (lo, hi) in enumerate(pairwise(starts)) if needed or lo < hi]


def _contraction_parts(number: int, kernel: LibraryKernel) -> list[Part]:
    """Lines of the result; or of an operand, to be packed."""
    if not kernel.node.aval.size:
        return []
    cuts = kernel.contraction.packing_cuts if kernel.packs else kernel.contraction.cuts
    return [Part(number, lo, hi, k) for k, (lo, hi) in enumerate(pairwise(cuts))]


def _even_parts(number: int, kernel: LibraryKernel, cost: float) -> list[Part]:
    """Parts that are independent of each other, the same number to each task."""
    if not kernel.node.aval.size:
        return []
    extent = kernel.items
    pieces = int(min(MOST_PIECES, max(1.0, cost // PIECE_NANOSECONDS), extent))
    step = -(-extent // pieces)
    return [Part(number, lo, min(lo + step, extent), k) for k, lo in enumerate(range(0, extent, step))]


def _does_anything(nest: Nest) -> bool:
    """Whether there is a point to store anything at."""
    return all(nest.axes[k].extent for k in nest.kept)


def _batch(node: Node) -> int:
    count = 1
    for n in node.shape[:-2]:
        count *= n
    return count
