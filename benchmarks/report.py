"""Rows as tables to read: one function for each table, text out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.libraries import EAGER, OURS, PEERS
from benchmarks.programs import geometric_mean

__all__ = ["TABLES", "machine_text"]

Cells = Sequence[Sequence[str]]
MISSING = "-"


def machine_text(machine: Mapping[str, Any]) -> str:
    """The machine in four lines."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    triad = ", ".join(f"{name} {rate:.1f}" for name, rate in machine["triad GB/s"].items())
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads\n{machine['system']}\n"
        f"{versions}\ntriad, GB/s: {triad}"
    )


def workload_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Times of later calls with their ratios, then of first calls."""
    peers = [name for name in PEERS if name != "autograd" and any(name in row["seconds"] for row in rows)]
    compiling = [name for name in peers if any(name in row["first"] for row in rows)]
    head = ["workload", "eager", OURS, *peers, "eager/ours", "peer/ours", "first cold", "first warm", "new shape"]
    head += [f"{name} {column}" for name in compiling for column in ("first", "new shape")]
    lines = [[row["name"], *_later(row["seconds"], peers), *_first(row["first"], compiling)] for row in rows]
    return (
        _aligned([head, *lines])
        + "\n\neager: NumPy, for gradients autograd. peer/ours: the fastest peer. cold, warm: the disk cache of kernels;"
        + "\nof a fresh process, the import of Numba included where it is needed. (+n): n kernels were compiled for it."
    )


def _later(seconds: Mapping[str, float], peers: Sequence[str]) -> list[str]:
    ours = seconds[OURS]
    eager = seconds.get("numpy", seconds.get("autograd"))
    rival = min((seconds[name] for name in peers if name in seconds), default=None)
    times = [eager, ours, *(seconds.get(name) for name in peers)]
    return [*map(duration, times), _ratio(eager, ours), _ratio(rival, ours)]


def _first(first: Mapping[str, Mapping[str, Any]], compiling: Sequence[str]) -> list[str]:
    cold, warm = first[OURS]["cold"], first[OURS]["warm"]
    cells = [duration(cold["seconds"]), duration(warm["seconds"]) + _added(warm["compiled"])]
    cells += [duration(cold.get("new shape")) + _added(cold["compiled for new shape"])]
    for name in compiling:
        cells += [duration(first[name]["cold"]["seconds"]), duration(first[name]["cold"].get("new shape"))]
    return cells


def _added(kernels: int) -> str:
    return f" (+{kernels})" if kernels else ""


def program_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Times of whole programs, what is not computed and why, and the mean over the others."""
    lines = [["program", "eager", OURS, "eager/ours", "first call"]]
    for row in rows:
        eager, ours = row["seconds"][EAGER], row["seconds"].get(OURS)
        ratio = _ratio(eager, ours) if ours else MISSING
        lines.append([row["name"], duration(eager), duration(ours), ratio, duration(row.get("first"))])
    faults = "".join(f"\n{row['name']}: {row['fault']}" for row in rows if "fault" in row)
    done = [row for row in rows if OURS in row["seconds"]]
    slower = sum(row["seconds"][EAGER] < row["seconds"][OURS] for row in done)
    mean = geometric_mean(rows)
    summary = f"geometric mean of eager/ours: {mean:.2f}, " if mean else ""
    return f"{_aligned(lines)}\n{faults}\n{summary}{len(done)} of {len(rows)} programs, {slower} slower than eager"


def import_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """How long processes last that only import."""
    return _aligned([["a whole process", "time"], *([row["name"], duration(row["seconds"])] for row in rows)])


def compile_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Time for each node of large graphs."""
    lines = [
        [
            row["name"],
            f"{row['nodes']:,}",
            duration(row["seconds"]),
            duration(row["seconds"] / row["nodes"]),
            str(row["new kernels"]),
        ]
        for row in rows
    ]
    return _aligned([["trace, compile, run", "nodes", "time", "per node", "kernels compiled"], *lines])


def pass_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Microseconds a node, for each stage and together."""
    lines = []
    for row in rows:
        each = [1e6 * seconds / row["nodes"] for seconds in row["seconds"].values()]
        lines.append([row["name"], f"{row['nodes']:,}", *(f"{figure:.1f}" for figure in (*each, sum(each)))])
    return _aligned([["microseconds a node", "nodes", *rows[0]["seconds"], "together"], *lines])


def memory_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The highest memory of a process, and what of it came with the calls."""
    libraries = list(dict.fromkeys(name for row in rows for name in row["megabytes"]))
    lines = [[row["name"], *(_megabytes(row["megabytes"].get(name)) for name in libraries)] for row in rows]
    return _aligned([["peak MB (growth in the calls)", *libraries], *lines])


def _megabytes(found: Mapping[str, float] | None) -> str:
    return f"{found['peak']:.0f} ({found['calls']:.0f})" if found else MISSING


def duration(seconds: float | None) -> str:
    """A time in three digits and a unit."""
    if seconds is None:
        return MISSING
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{seconds / size:.3g} {unit}" if seconds < 999.5 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def _ratio(other: float | None, ours: float) -> str:
    return MISSING if other is None else f"{other / ours:.2f}"


def _aligned(cells: Cells) -> str:
    """Columns of text: names to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))])
        for line in cells
    )


#: The printer of each section of `rows`.
TABLES: dict[str, Callable[[Sequence[Mapping[str, Any]]], str]] = {
    "workloads": workload_table,
    "programs": program_table,
    "imports": import_table,
    "compile": compile_table,
    "passes": pass_table,
    "memory": memory_table,
}
