"""The rows of each table: workloads, imports, the compile time of large graphs. A row is a dict that goes to JSON
as it is; times are in seconds, and what a library cannot do is missing."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import tracegraph
from benchmarks.checking import WrongAnswer, faults_of
from benchmarks.demand import demand_of
from benchmarks.libraries import EAGER, LIBRARIES, OURS
from benchmarks.passes import pass_rows
from benchmarks.processes import first_calls, import_seconds
from benchmarks.programs import program_rows, said
from benchmarks.run import Run
from benchmarks.timing import Effort, elsewhere, limited, race
from benchmarks.workload import Arguments, Workload, random
from benchmarks.workloads import GROUPS

__all__ = ["SECTIONS", "Row"]

Row = dict[str, Any]

# -- workloads ---------------------------------------------------------------------------------------------------------


def workload_rows(group: Sequence[Workload], run: Run) -> Iterator[Row]:
    """Repeated calls of every library; first calls and memory, each in a fresh process."""
    chosen = [workload for workload in group if run.has(workload.name)]
    for some in [chosen] if run.effort.is_smoke else [[workload] for workload in chosen]:
        rows = {workload.name: _repeated(workload, run) for workload in some}
        for library in run.libraries if run.has_processes else ():
            able = [workload for workload in some if library in rows[workload.name]["seconds"]]
            firsts = first_calls(library, able, run.effort) if able else {}
            for name, first in firsts.items():
                rows[name]["first"][library] = first
        yield from rows.values()


def _repeated(workload: Workload, run: Run) -> Row:
    """Seconds for one call after the first, by library, once they are known to be right; why others are not timed; and
    what the machine would allow."""
    args = workload.arguments((workload.smoke if run.effort.is_smoke else workload.size) or 0)
    calls: dict[str, Callable[[], Any]] = {}
    answers: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name in run.libraries:
        if name in (EAGER, OURS):
            calls |= _call_of(name, workload, args)
            answers |= {each: calls[each]() for each in (name,) if each in calls}
            continue
        try:
            with limited(run.effort.limit):
                made = _call_of(name, workload, args)
                answers |= {each: call() for each, call in made.items()}
                calls |= made
        except Exception as error:
            faults[name] = said(error)
    wrong = faults_of(workload, args, answers)
    for name in (EAGER, OURS):
        if name in wrong:
            raise WrongAnswer(f"{workload.name}: {name} gives {wrong[name]}")
    demand = demand_of(workload, args, answers[OURS], run.limits, run.threads)
    answers.clear()
    with elsewhere() as others:
        seconds = race({name: call for name, call in calls.items() if name not in wrong}, run.effort)
    found: Row = {"seconds": seconds, "faults": faults | wrong, "limit": demand._asdict(), "first": {}}
    return {"name": workload.name, **found, "cores elsewhere": sum(others)}


def _call_of(library: str, workload: Workload, args: Arguments) -> dict[str, Callable[[], Any]]:
    """The call that is timed, by the name of the library; none if that has no way to compute the workload."""
    function = LIBRARIES[library].prepare(workload)
    return {} if function is None else {library: functools.partial(function, *LIBRARIES[library].arguments(args))}


# -- imports -----------------------------------------------------------------------------------------------------------


def import_rows(run: Run) -> list[Row]:
    """How long `python -c "import X"` takes."""
    packages = dict.fromkeys(LIBRARIES[name].package for name in run.libraries)
    names = [package for package in packages if run.has(f"import {package}")]
    return [{"name": f"import {name}", "seconds": import_seconds(name, run.effort)} for name in names]


# -- the compile time of large graphs ----------------------------------------------------------------------------------

#: Steps for a graph of so many nodes and for a smoke run: eight nodes each, once the rewriter has been over them.
STEPS = {"1,000": (125, 5), "10,000": (1250, 10)}


def deep_network(np: Any, steps: int, state: Any, weights: Any, bias: Any) -> Any:
    for _ in [None] * steps:  # a loop over a list is written out
        state = np.tanh(np.matmul(state, weights) + bias)
        state = state - np.mean(state, axis=1, keepdims=True)
    return state


def compile_rows(run: Run) -> list[Row]:
    """From a function to its first result where every kernel is in the cache, for graphs of growing length."""
    args = (random(8, 16), random(16, 16, seed=1) / 4, random(16, seed=2))
    named = {f"graph of {nodes} nodes": steps[run.effort.is_smoke] for nodes, steps in STEPS.items()}
    return [_compile_row(name, steps, args, run.effort) for name, steps in named.items() if run.has(name)]


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


#: The tables in the order in which they are printed.
SECTIONS: dict[str, Callable[[Run], Iterable[Row]]] = {
    **{name: functools.partial(workload_rows, group) for name, group in GROUPS.items()},
    "programs": program_rows,
    "imports": import_rows,
    "compile": compile_rows,
    "passes": pass_rows,
}
