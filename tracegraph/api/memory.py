"""What memory a call takes, told from its plan before it runs."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracegraph.api.paths import Segment
from tracegraph.backends.numba.contractions import scratch_bytes
from tracegraph.backends.numba.program import Executable
from tracegraph.compiler.kernel import CallKernel, LibraryKernel
from tracegraph.compiler.memory import Plan
from tracegraph.ir import Node, Where
from tracegraph.ops.leaf import iota, is_literal

__all__ = ["Buffer", "Memory", "memory_of", "table"]

#: How many of the largest intermediate buffers are listed.
LISTED = 10


class Buffer(NamedTuple):
    """An intermediate value that has memory of its own.

    Attributes:
        nbytes: its size.
        value: the operation that makes it, and its dtype and shape.
        where: the user's line that made it.
    """

    nbytes: int
    value: str
    where: Where | None


class Memory(NamedTuple):
    """What memory a call takes, in bytes. It prints as a table.

    Attributes:
        arguments: of the arrays that it is given.
        copies: of those that are copied first, because kernels read arrays in C order.
        constants: of the arrays that the function reads from outside, and of counters.
        results: of the arrays that it makes for what it returns, and for arguments that it changes if these can't be
            written to at once.
        held: of values that are kept from one stretch of the function to the next, where it goes on by a value.
        arena: of the intermediate values, those that are not needed at the same time in the same place.
        steps: the largest result of a step of NumPy, which is copied to its place.
        scratch: what all programs share for packing the operands of contractions.
        peak: the most that there is at one time, with arguments and constants.
        largest: the largest intermediate values.
    """

    arguments: int
    copies: int
    constants: int
    results: int
    held: int
    arena: int
    steps: int
    scratch: int
    peak: int
    largest: tuple[Buffer, ...]

    def __str__(self) -> str:
        parts = [(name, getattr(self, name)) for name in self._fields[:-2]]
        rows = [(_size(nbytes), name, "") for name, nbytes in parts if nbytes or name in ("arguments", "results")]
        rows.append((_size(self.peak), "peak", ""))
        if self.largest:
            rows.append(("", "", ""))
            rows += [(_size(each.nbytes), each.value, str(each.where or "")) for each in self.largest]
        return table(rows, right=(0,))


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows of texts in columns; ``right`` says which of these end at the same place rather than begin there."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = enumerate(zip(row, widths, strict=True))
        lines.append("  ".join(text.rjust(n) if k in right else text.ljust(n) for k, (text, n) in cells).rstrip())
    return "\n".join(lines)


def memory_of(segments: Sequence[Segment], leaves: Sequence[Any], values: Sequence[Any]) -> Memory:
    """The memory of a call with these argument leaves, which runs through these stretches."""
    arrays = [leaf for leaf in leaves if isinstance(leaf, np.ndarray)]
    programs = [segment.program for segment in segments if segment.program is not None]
    copies = sum(array.nbytes for array in arrays if not array.flags.c_contiguous or not array.flags.aligned)
    constants = {id(value): value.nbytes for program in programs for value in _constants(program.plan)}
    scratch = scratch_bytes() if any(_contracts(program.plan) for program in programs) else 0
    arguments, given = sum(array.nbytes for array in arrays), sum(constants.values()) + scratch
    results = arena = steps = held = most_held = peak = 0
    sizes = [0] * len(leaves)
    for segment in segments:
        program = segment.program
        if program is not None:
            results, own = _results(program, segment.into(leaves, values)), program.plan.arena_bytes
            step = max(_steps(program.plan), default=0)
            arena, steps = max(arena, own), max(steps, step)
            peak = max(peak, held + results + own + step)
            if segment.ending is None:
                sizes += [aval.nbytes for aval in program.plan.schedule.fused.outputs]
                held += results
        held -= sum(sizes[place] for place in segment.drops)
        most_held = max(most_held, held)
    whole = arguments + given + copies + peak
    largest = _largest(programs)
    return Memory(arguments, copies, given - scratch, results, most_held, arena, steps, scratch, whole, largest)


def _results(program: Executable, elsewhere: Container[int]) -> int:
    """The bytes of the new arrays for results; the others are in the memory of arguments."""
    avals = enumerate(program.plan.schedule.fused.outputs)
    return sum(aval.nbytes for number, aval in avals if number not in elsewhere)


def _plans(plan: Plan) -> Iterator[Plan]:
    """A plan, and those of the loops and branches in it."""
    yield plan
    for kernel in plan.schedule.kernels:
        for inner in kernel.plans if isinstance(kernel, CallKernel) else ():
            yield from _plans(inner)


def _constants(plan: Plan) -> Iterator[np.ndarray]:
    for each in _plans(plan):
        for node in each.schedule.fused.graph.nodes:
            if node.op is iota:
                yield np.broadcast_to(np.zeros(1, node.dtype), node.shape)
            elif "value" in node.params and not is_literal(node):
                yield node.params["value"]


def _contracts(plan: Plan) -> bool:
    return any(
        isinstance(kernel, LibraryKernel) and kernel.is_contraction
        for each in _plans(plan)
        for kernel in each.schedule.kernels
    )


def _steps(plan: Plan) -> Iterator[int]:
    """The sizes of the results of steps of NumPy."""
    for each in _plans(plan):
        for kernel in each.schedule.kernels:
            if isinstance(kernel, LibraryKernel) and not (kernel.is_contraction or kernel.is_product or kernel.is_pool):
                yield kernel.node.aval.nbytes


def _largest(programs: Sequence[Executable]) -> tuple[Buffer, ...]:
    found: dict[Node, Buffer] = {}
    for program in programs:
        for node in program.plan.offsets:
            what = "partial results" if node.op.kind == "input" else node.op.name
            found[node] = Buffer(node.aval.nbytes, f"{what} {node.aval}", node.where)
    return tuple(sorted(found.values(), key=lambda each: -each.nbytes)[:LISTED])


def _size(nbytes: int) -> str:
    """
    >>> _size(1536), _size(8_000_000)
    ('1536 B', '7.63 MiB')
    """
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if nbytes >= 4 * size or (nbytes >= size and unit != "KiB"):
            return f"{nbytes / size:.2f} {unit}"
    return f"{nbytes} B"
