"""What is measured in a process of its own: first calls, where whatever is already loaded would tell, and the peak of
memory. `processes` starts it as `python -m benchmarks.child TASK LIBRARY IS_SMOKE NAME...`; it prints JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES, OURS, Library
from benchmarks.workload import Workload
from benchmarks.workloads import WORKLOADS

__all__ = ["first_call", "peak_memory"]

STATUS = Path("/proc/self/status")


def first_call(library: Library, workload: Workload, size: int | None) -> dict[str, Any]:
    """Seconds for the first call and for the first one with another shape; how many kernels each of the two compiled."""
    function = _prepared(library, workload)
    before = _compiled(library, function)
    found = {"seconds": _time_call(function, library, workload, size)}
    between = _compiled(library, function)
    others = [_time_call(function, library, workload, other) for other in workload.other_sizes(size)]
    found |= {"compiled": between - before, "compiled for new shape": _compiled(library, function) - between}
    return {**found, "new shape": min(others)} if others else found


def _prepared(library: Library, workload: Workload) -> Callable[..., Any]:
    function = library.prepare(workload)
    assert function is not None, f"{library.name} has no way to compute {workload.name}"
    return function


def _time_call(function: Callable[..., Any], library: Library, workload: Workload, size: int | None) -> float:
    args = library.arguments(workload.arguments(size or 0))
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def _compiled(library: Library, function: Any) -> int:
    return function.cache_info().compiled if library.name == OURS else 0


def peak_memory(library: Library, workload: Workload, size: int | None) -> dict[str, float]:
    """Megabytes at the highest, and how much of that came with the calls: arguments were there before."""
    function = _prepared(library, workload)
    args = library.arguments(workload.arguments(size or 0))
    before = _peak_megabytes()
    for _ in range(5):
        function(*args)
    peak = _peak_megabytes()
    return {"peak": peak, "calls": peak - before}


def _peak_megabytes() -> float:
    """The high-water mark of this process. Linux hands getrusage's on from the parent, so that one is the second choice."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


TASKS: dict[str, Callable[[Library, Workload, int | None], dict[str, Any]]] = {
    "first_call": first_call,
    "peak_memory": peak_memory,
}


def main(task: str, library: str, is_smoke: str, *names: str) -> None:
    by_name = {workload.name: workload for workload in WORKLOADS}
    found = {}
    for name in names:
        workload = by_name[name]
        size = workload.smoke if is_smoke == "True" else workload.size
        found[name] = TASKS[task](LIBRARIES[library], workload, size)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
