"""Whole programs as NumPy users write them, those of tests/programs: compiled as they are, against eager NumPy alone."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import tracegraph
from benchmarks.checking import first_difference
from benchmarks.libraries import EAGER, OURS
from benchmarks.run import Run
from benchmarks.timing import Effort, race
from benchmarks.workload import Arguments
from tests.programs import PROGRAMS, Program
from tracegraph.tree import flatten

__all__ = ["geometric_mean", "program_rows", "said"]

Row = dict[str, Any]


def program_rows(run: Run) -> list[Row]:
    """One row each; what is refused, or wrong, says so in place of a time. The tests run all of them, so a smoke run that is
    asked for nothing else takes a few."""
    few = 8 if run.effort.is_smoke and not run.only else 1
    named = {f"programs: {name}": program for name, program in list(PROGRAMS.items())[::few]}
    return [_row(name, program, run.effort) for name, program in named.items() if run.has(name)]


def _row(name: str, program: Program, effort: Effort) -> Row:
    args = program.arguments("small" if effort.is_smoke else "bench")
    compiled = tracegraph.compile(program.main)
    eager = _on_copies(program.main, args)
    start = time.perf_counter()
    try:
        found = _on_copies(compiled, args)()
    except Exception as error:
        return {"name": name, "seconds": race({EAGER: eager}, effort), "fault": said(error)}
    first = time.perf_counter() - start
    fault = first_difference(flatten(found)[0], flatten(eager())[0], program.stray, program.tolerance)
    if fault:
        return {"name": name, "seconds": race({EAGER: eager}, effort), "fault": f"wrong: {fault}"}
    prepared = _on_copies if _changes(eager()[1], args) else _on_same
    calls = {EAGER: prepared(program.main, args), OURS: prepared(compiled, args)}
    return {"name": name, "seconds": race(calls, effort), "first": first}


def _changes(after: Arguments, before: Arguments) -> bool:
    """Whether a call left its arguments other than they were, to the bit."""
    pairs = zip(flatten(after)[0], flatten(before)[0], strict=True)
    return any(np.asarray(left).tobytes() != np.asarray(right).tobytes() for left, right in pairs)


def _on_copies(function: Callable[..., Any], args: Arguments) -> Callable[[], Any]:
    """A call that gives the result and the arguments as it left them; each has arguments of its own, for functions that
    change them in place. Making those is timed for all alike."""

    def call() -> Any:
        given = copy.deepcopy(args)
        return function(*given), given

    return call


def _on_same(function: Callable[..., Any], args: Arguments) -> Callable[[], Any]:
    """A call on the arguments themselves, for functions that leave them as they are."""
    return lambda: function(*args)


def said(error: Exception) -> str:
    """An error in one short line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:100]


def geometric_mean(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Of how many times as long eager NumPy takes, over the rows that have both times."""
    ratios = [row["seconds"][EAGER] / row["seconds"][OURS] for row in rows if OURS in row["seconds"]]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None
