"""The rows of each table: workloads, imports, the compile time of large graphs, memory. A row is a dict that goes to JSON
as it is; times are in seconds, and what a library cannot do is missing."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tracegraph
from benchmarks.checking import check
from benchmarks.libraries import LIBRARIES
from benchmarks.passes import pass_rows
from benchmarks.processes import first_calls, import_seconds, peak_memory
from benchmarks.programs import program_rows
from benchmarks.timing import Effort, race
from benchmarks.workload import Arguments, Workload, is_chosen, random
from benchmarks.workloads import WORKLOADS

__all__ = ["SECTIONS", "Row"]

Row = dict[str, Any]

# -- workloads ---------------------------------------------------------------------------------------------------------


def workload_rows(libraries: Sequence[str], only: str, effort: Effort) -> list[Row]:
    """Repeated calls of every library, and first calls of those that compile."""
    chosen = [workload for workload in WORKLOADS if is_chosen(workload.name, only)]
    rows: list[Row] = [
        {"name": workload.name, "seconds": _repeated(workload, libraries, effort)} for workload in chosen
    ]
    for library in libraries:
        if LIBRARIES[library].compiles and chosen:
            firsts = first_calls(library, chosen, effort)
            for row in rows:
                row.setdefault("first", {})[library] = firsts[row["name"]]
    return rows


def _repeated(workload: Workload, libraries: Sequence[str], effort: Effort) -> dict[str, float]:
    """Seconds for one call after the first, by library, once all are known to be right."""
    args = workload.arguments((workload.smoke if effort.is_smoke else workload.size) or 0)
    calls: dict[str, Callable[[], Any]] = {}
    for name in libraries:
        function = LIBRARIES[name].prepare(workload)
        if function is not None:
            calls[name] = functools.partial(function, *LIBRARIES[name].arguments(args))
    check(workload, args, {name: call() for name, call in calls.items()})
    return race(calls, effort)


# -- imports -----------------------------------------------------------------------------------------------------------


def import_rows(libraries: Sequence[str], only: str, effort: Effort) -> list[Row]:
    """How long `python -c "import X"` takes."""
    names = [name for name in libraries if is_chosen(f"import {name}", only)]
    return [{"name": f"import {name}", "seconds": import_seconds(name, effort)} for name in names]


# -- the compile time of large graphs ----------------------------------------------------------------------------------

#: Steps for a graph of so many nodes and for a smoke run: eight nodes each, once the rewriter has been over them.
STEPS = {"1,000": (125, 5), "10,000": (1250, 10)}


def deep_network(np: Any, steps: int, state: Any, weights: Any, bias: Any) -> Any:
    for _ in range(steps):
        state = np.tanh(np.matmul(state, weights) + bias)
        state = state - np.mean(state, axis=1, keepdims=True)
    return state


def compile_rows(libraries: Sequence[str], only: str, effort: Effort) -> list[Row]:
    """From a function to its first result where every kernel is in the cache, for graphs of growing length."""
    args = (random(8, 16), random(16, 16, seed=1) / 4, random(16, seed=2))
    named = {f"graph of {nodes} nodes": steps[effort.is_smoke] for nodes, steps in STEPS.items()}
    return [_compile_row(name, steps, args, effort) for name, steps in named.items() if is_chosen(name, only)]


def _compile_row(name: str, steps: int, args: Arguments, effort: Effort) -> Row:
    def make() -> Any:
        return tracegraph.compile(lambda *given: deep_network(np, steps, *given))

    known = make()
    np.testing.assert_allclose(known(*args), deep_network(np, steps, *args), rtol=1e-9, atol=1e-9, err_msg=name)
    nodes, compiled = len(known.graph(*args).nodes), known.cache_info().compiled
    seconds = []
    for _ in range(min(effort.rounds, 3)):
        fresh = make()
        start = time.perf_counter()
        fresh(*args)
        seconds.append(time.perf_counter() - start)
    new_kernels = fresh.cache_info().compiled - compiled
    return {"name": name, "nodes": nodes, "seconds": min(seconds), "new kernels": new_kernels}


# -- memory ------------------------------------------------------------------------------------------------------------

MEMORY = ("layernorm + gelu 4096x1024 f32", "gradient: MLP 784-512-256-10, n=128 f32")


def memory_rows(libraries: Sequence[str], only: str, effort: Effort) -> list[Row]:
    """Peak memory of a process that makes a few calls."""
    rows = []
    for workload in WORKLOADS:
        name = f"memory: {workload.name}"
        if workload.name in MEMORY and is_chosen(name, only):
            able = [library for library in libraries if LIBRARIES[library].prepare(workload) is not None]
            rows.append({"name": name, "megabytes": {each: peak_memory(each, workload, effort) for each in able}})
    return rows


#: The tables in the order in which they are printed.
SECTIONS: dict[str, Callable[[Sequence[str], str, Effort], list[Row]]] = {
    "workloads": workload_rows,
    "programs": program_rows,
    "imports": import_rows,
    "compile": compile_rows,
    "passes": pass_rows,
    "memory": memory_rows,
}
