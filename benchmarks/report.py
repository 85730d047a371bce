"""Rows as tables to read: one function for each table, text out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.libraries import EAGER, LIBRARIES, OURS, PEERS
from benchmarks.programs import geometric_mean
from benchmarks.workloads import GROUPS

__all__ = ["TABLES", "machine_text"]

Cells = Sequence[Sequence[str]]
MISSING = "-"
#: Cores that other processes may have on average before a row is called disturbed.
DISTURBING = 0.1


def machine_text(machine: Mapping[str, Any]) -> str:
    """The machine in five lines."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    triad, limits = machine["triad GB/s"], machine["limits"]
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads\n{machine['system']}\n"
        f"{versions}\ntriad of all threads, three arrays counted, GB/s: {limits['triad']:.1f}"
        f" (by plain stores {limits['plain']:.1f}; only reading {limits['read']:.1f}; compiled by tracegraph"
        f" {triad['tracegraph']:.1f}; NumPy's two calls {triad['numpy']:.1f})\n"
        f"multiply-adds of all threads, GFLOP/s: f32 {limits['single']:.0f}, f64 {limits['double']:.0f}"
    )


def workload_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Times of later calls with their ratios and the share of the limit, then first calls and memory."""
    peers = [name for name in PEERS if any(name in row["seconds"] for row in rows)]
    head = ["workload", OURS, EAGER, *peers, "fastest peer", "peer/ours", "of limit", "bound"]
    lines = [[row["name"], *_later(row, peers)] for row in rows]
    text = f"{_aligned([head, *lines])}\n\n{_summary(rows)}"
    faults = [f"{row['name']}: {peer}: {fault}" for row in rows for peer, fault in row["faults"].items()]
    text += "".join(f"\nnot timed: {fault}" for fault in faults)
    disturbed = [row["name"] for row in rows if row["cores elsewhere"] > DISTURBING]
    text += f"\nother processes took part of the machine in: {', '.join(disturbed)}" if disturbed else ""
    return f"{text}\n\n{first_table(rows)}" if any(row["first"] for row in rows) else text


def rival(seconds: Mapping[str, float]) -> str | None:
    """The fastest of the others, eager NumPy among them."""
    return min((name for name in seconds if name != OURS), key=seconds.__getitem__, default=None)


def _later(row: Mapping[str, Any], peers: Sequence[str]) -> list[str]:
    seconds, limit = row["seconds"], row["limit"]
    fastest = rival(seconds)
    share = MISSING if limit["bound"] == "cache" else f"{100 * limit['seconds'] / seconds[OURS]:.0f} %"
    return [
        *(duration(seconds.get(name)) for name in (OURS, EAGER, *peers)),
        fastest or MISSING,
        MISSING if fastest is None else f"{seconds[fastest] / seconds[OURS]:.2f}",
        share,
        limit["bound"],
    ]


def _summary(rows: Sequence[Mapping[str, Any]]) -> str:
    ratios = {
        row["name"]: row["seconds"][rival(row["seconds"])] / row["seconds"][OURS]
        for row in rows
        if rival(row["seconds"])
    }
    if not ratios:
        return ""
    behind = sum(ratio < 1 for ratio in ratios.values())
    mean = math.exp(sum(map(math.log, ratios.values())) / len(ratios))
    return f"geometric mean of fastest peer / ours: {mean:.2f}; of {len(ratios)} rows, ours is slower in {behind}"


def first_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """First calls in a fresh process and its memory."""
    libraries = list(dict.fromkeys(name for row in rows for name in row["first"]))
    others = [name for name in libraries if name != OURS]
    timed = [name for name in others if LIBRARIES[name].compiles]
    head = ["first calls, peak MB (growth)", "cold", "warm", "new shape"]
    head += [f"{name} {column}" for name in timed for column in ("first", "new shape")]
    lines = [
        [row["name"], *_first(row["first"], timed), *(_megabytes(row["first"].get(name)) for name in (OURS, *others))]
        for row in rows
    ]
    return (
        _aligned([[*head, *(f"{name} MB" for name in (OURS, *others))], *lines])
        + "\n\ncold, warm: the disk cache of kernels; of a fresh process, the import of Numba included where it is needed."
        + "\n(+n): n kernels were compiled for it. Memory is a process's highest, and what of it came with the calls."
    )


def _first(first: Mapping[str, Mapping[str, Any]], timed: Sequence[str]) -> list[str]:
    if OURS not in first:
        return [MISSING] * (3 + 2 * len(timed))
    cold, warm = first[OURS]["cold"], first[OURS]["warm"]
    cells = [duration(cold["seconds"]), duration(warm["seconds"]) + _added(warm["compiled"])]
    cells += [duration(cold.get("new shape")) + _added(cold["compiled for new shape"])]
    for name in timed:
        found = first.get(name, {"cold": {}})["cold"]
        cells += [duration(found.get("seconds")), duration(found.get("new shape"))]
    return cells


def _added(kernels: int) -> str:
    return f" (+{kernels})" if kernels else ""


def _megabytes(found: Mapping[str, Any] | None) -> str:
    """With the kernels already on disk, where there are some."""
    run = found and found.get("warm", found["cold"])
    return f"{run['peak']:.0f} ({run['calls']:.0f})" if run else MISSING


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
    **dict.fromkeys(GROUPS, workload_table),
    "programs": program_table,
    "imports": import_table,
    "compile": compile_table,
    "passes": pass_table,
}
