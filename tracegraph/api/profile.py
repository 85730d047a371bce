"""Where the time of a call goes: measured for each kernel, and set against what the machine can do."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tracegraph.api.memory import table
from tracegraph.api.paths import Segment
from tracegraph.backends.numba.library_threads import library_threads
from tracegraph.backends.numba.machine import Limits, machine_limits
from tracegraph.backends.numba.pool import get_num_threads
from tracegraph.backends.numba.program import kernel_name
from tracegraph.compiler.kernel import CallKernel, Kernel, LibraryKernel
from tracegraph.compiler.memory import Plan
from tracegraph.compiler.schedule import nanoseconds
from tracegraph.compiler.traffic import in_all, lines_of, traffic_of
from tracegraph.ir import Where

__all__ = ["Profile", "Row", "profile_of"]

#: How many of its lines of source a row prints.
LINES = 3


class Row(NamedTuple):
    """One kernel of a profile.

    Attributes:
        name: of the kernel, as in `Compiled.source`; "BLAS ..." and "NumPy ..." are calls of those.
        lines: the user's lines that made what it computes.
        calls: how often one call of the function runs it; 0 if nobody knows.
        seconds: the time that all these take.
        share: of the whole function's time.
        nbytes: what they read and write: each element once a call.
        operations: their multiplications and additions; other functions count as many as they take the time of.
        of_limit: what the machine would need at the least, by its bandwidth and its rate of arithmetic, as a share of the
            time. What stays in the caches can take less than that.
        threads: the most that work on it.
        is_expected: the kernel is inside a loop, a branch or a sweep (of kernels that run block of rows by block of rows),
            whose time is shared out by the costs that the compiler expects.
    """

    name: str
    lines: tuple[Where, ...]
    calls: int
    seconds: float
    share: float
    nbytes: float
    operations: float
    of_limit: float
    threads: int
    is_expected: bool


class Profile(NamedTuple):
    """Where the time of a call goes. It prints as a table.

    Attributes:
        rows: the kernels in the order in which they run, each once; those inside a loop, branch or sweep come behind it.
        seconds: the time of all of them together. The call itself adds some microseconds.
        bandwidth: bytes per second that the machine's memory was measured to move.
        peak: multiplications and additions of float64 per second that it was measured to do.
    """

    rows: tuple[Row, ...]
    seconds: float
    bandwidth: float
    peak: float

    def __str__(self) -> str:
        head = ("time", "share", "calls", "bytes", "operations", "of limit", "threads", "kernel", "lines")
        body = [_cells(row) for row in self.rows]
        limits = f"limits: {self.bandwidth / 1e9:.1f} GB/s, {self.peak / 1e9:.0f} Gflop/s in float64"
        return f"{table([head, *body], right=range(7))}\n{_time(self.seconds)} in all; {limits}"


def _cells(row: Row) -> tuple[str, ...]:
    places = [f"{os.path.basename(where.file)}:{where.line}" for where in row.lines]
    more = [f"and {len(places) - LINES} more"] if len(places) > LINES else []
    return (
        f"{'~' if row.is_expected else ''}{_time(row.seconds)}",
        f"{row.share:.1%}",
        str(row.calls or "?"),
        _count(row.nbytes, "B"),
        _count(row.operations, ""),
        "" if row.is_expected else f"{row.of_limit:.0%}",
        str(row.threads),
        f"{'  ' if row.is_expected else ''}{row.name}",
        ", ".join([*places[:LINES], *more]),
    )


def _time(seconds: float) -> str:
    """
    >>> _time(0.0123), _time(4.5e-6)
    ('12.3 ms', '4.5 us')
    """
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def _count(value: float, unit: str) -> str:
    """
    >>> _count(24_000_000, "B"), _count(12, "")
    ('24 MB', '12')
    """
    for prefix, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.0f} {unit}".strip()


class _Total:
    """What all runs of one kernel, or of several that are swept together, come to."""

    def __init__(self, plan: Plan, numbers: tuple[int, ...]) -> None:
        self.plan = plan
        self.numbers = numbers
        self.calls = 0
        self.seconds = 0.0


def profile_of(segments: Sequence[Segment], leaves: Sequence[Any], runs: int) -> Profile:
    """Times the stretches of a call with these argument leaves, one after another."""
    values = list(leaves)
    limits = machine_limits()
    totals: dict[Any, _Total] = {}
    for segment in segments:
        if segment.program is not None:
            for numbers, seconds in segment.program.timed(segment.given(values), runs):
                key = id(segment.program), numbers
                total = totals.setdefault(key, _Total(segment.program.plan, numbers))
                total.calls += 1
                total.seconds += seconds
        if segment.ending is None:
            segment.run(values)
    whole = sum(total.seconds for total in totals.values()) or 1.0
    rows = [row for total in totals.values() for row in _rows(total, whole, limits)]
    return Profile(tuple(rows), sum(total.seconds for total in totals.values()), limits.bandwidth, limits.double)


def _rows(total: _Total, whole: float, limits: Limits) -> list[Row]:
    """The row of a kernel and those of the kernels inside; or that of a sweep, and those of its kernels."""
    kernels = [total.plan.schedule.kernels[number] for number in total.numbers]
    near = total.plan.shelves
    traffic = in_all([traffic_of(kernel, near) for kernel in kernels])
    least = total.calls * limits.seconds(traffic.nbytes, 2 * traffic.slots, traffic.dtype)
    row = Row(
        name=kernel_name(kernels[0]) if len(kernels) == 1 else f"sweep of {len(kernels)} kernels",
        lines=tuple(sorted({line for kernel in kernels for line in lines_of(kernel)})),
        calls=total.calls,
        seconds=total.seconds,
        share=total.seconds / whole,
        nbytes=total.calls * traffic.nbytes,
        operations=total.calls * traffic.operations,
        of_limit=least / total.seconds if total.seconds else 0.0,
        threads=max(_threads(total.plan, number) for number in total.numbers),
        is_expected=False,
    )
    if len(kernels) > 1:
        inside = list(_shared_out([(total.plan, number) for number in total.numbers], row, row.calls))
    else:
        inside = list(_inside(kernels[0], row))
    return [row._replace(threads=max([row.threads, *(each.threads for each in inside)])), *inside]


def _threads(plan: Plan, number: int) -> int:
    """How many threads a kernel's tasks can occupy, or those of BLAS."""
    kernel = plan.schedule.kernels[number]
    if isinstance(kernel, LibraryKernel) and kernel.is_product:
        return library_threads()
    counts = [
        sum(any(part.kernel == number for part in task.parts) for task in wave.tasks)
        for wave in plan.schedule.waves
        if wave.is_parallel
    ]
    return min(get_num_threads(), max([*counts, 1]))


def _inside(kernel: Kernel, outer: Row) -> Iterator[Row]:
    """The kernels inside a loop or branch."""
    if isinstance(kernel, CallKernel):
        inner = [(plan, number) for plan in kernel.plans for number in range(len(plan.schedule.kernels))]
        yield from _shared_out(inner, outer, outer.calls * (kernel.node.params.get("length") or 0))


def _shared_out(inner: Sequence[tuple[Plan, int]], outer: Row, calls: int) -> Iterator[Row]:
    """Kernels that share the time of a row as the compiler expects them to."""
    costs = [nanoseconds(plan.schedule.kernels[number]) for plan, number in inner]
    for (plan, number), cost in zip(inner, costs, strict=True):
        kernel = plan.schedule.kernels[number]
        traffic, part = traffic_of(kernel, plan.shelves), cost / (sum(costs) or 1.0)
        row = Row(
            name=kernel_name(kernel),
            lines=lines_of(kernel),
            calls=calls,
            seconds=outer.seconds * part,
            share=outer.share * part,
            nbytes=max(calls, 1) * traffic.nbytes,
            operations=max(calls, 1) * traffic.operations,
            of_limit=0.0,
            threads=_threads(plan, number),
            is_expected=True,
        )
        yield row
        yield from _inside(kernel, row)
