"""What is measured in a process of its own: first calls, where whatever is already loaded would tell, and the peak of
memory. `processes` starts it as `python -m benchmarks.child LIBRARY IS_SMOKE NAME...`; it prints JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES, OURS, Library
from benchmarks.workload import Arguments, Workload
from benchmarks.workloads import WORKLOADS

__all__ = ["first_call"]

STATUS = Path("/proc/self/status")
#: Of one shape, before memory is looked at.
CALLS = 3


def first_call(library: Library, workload: Workload, size: int | None) -> dict[str, Any]:
    """Seconds for the first call and for the first one with another shape, how many kernels each of the two compiled, and
    megabytes: the highest after a few calls of the one shape, and how much of that came with them."""
    function = _prepared(library, workload)
    before = _compiled(library, function)
    args = library.arguments(workload.arguments(size or 0))
    memory = _peak_megabytes()
    seconds = [_time_call(function, args) for _ in range(CALLS)]
    peak = _peak_megabytes()
    between = _compiled(library, function)
    others = [_time_call(function, library.arguments(workload.arguments(n))) for n in workload.other_sizes(size)]
    return {
        "seconds": seconds[0],
        "compiled": between - before,
        "compiled for new shape": _compiled(library, function) - between,
        "peak": peak,
        "calls": peak - memory,
        **({"new shape": min(others)} if others else {}),
    }


def _prepared(library: Library, workload: Workload) -> Callable[..., Any]:
    function = library.prepare(workload)
    assert function is not None, f"{library.name} has no way to compute {workload.name}"
    return function


def _time_call(function: Callable[..., Any], args: Arguments) -> float:
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def _compiled(library: Library, function: Any) -> int:
    return function.cache_info().compiled if library.name == OURS else 0


def _peak_megabytes() -> float:
    """The high-water mark of this process. Linux hands getrusage's on from the parent, so that one is the second choice."""
    if STATUS.exists():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def main(library: str, is_smoke: str, *names: str) -> None:
    by_name = {workload.name: workload for workload in WORKLOADS}
    found = {}
    for name in names:
        workload = by_name[name]
        found[name] = first_call(LIBRARIES[library], workload, workload.smoke if is_smoke == "True" else workload.size)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
