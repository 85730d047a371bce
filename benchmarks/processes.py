"""Fresh processes: how long they take to import a library, and what `child` measures in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES, OURS
from benchmarks.timing import Effort
from benchmarks.workload import Workload

__all__ = ["first_calls", "import_seconds", "peak_memory"]

ROOT = Path(__file__).resolve().parent.parent


def import_seconds(library: str, effort: Effort) -> float:
    """How long a process lasts that only imports a library."""
    command = [sys.executable, "-c", f"import {LIBRARIES[library].package}"]
    fastest = float("inf")
    for _ in range(effort.rounds):
        start = time.perf_counter()
        subprocess.run(command, check=True, cwd=ROOT)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def first_calls(library: str, workloads: Sequence[Workload], effort: Effort) -> dict[str, dict[str, Any]]:
    """First calls by the name of the workload: cold with an empty kernel cache, warm with what the cold one left.

    Each workload has processes and a cache of its own. In a smoke run all share one, which is quicker and less telling.
    """
    names = [workload.name for workload in workloads]
    groups = [names] if effort.is_smoke else [[name] for name in names]
    found: dict[str, dict[str, Any]] = {}
    for group in groups:
        with tempfile.TemporaryDirectory() as cache:
            cold = _child("first_call", library, group, cache, effort)
            found |= {name: {"cold": cold[name]} for name in group}
            if library == OURS:
                warm = [_child("first_call", library, group, cache, effort) for _ in range(min(effort.rounds, 2))]
                for name in group:
                    found[name]["warm"] = min((run[name] for run in warm), key=lambda run: run["seconds"])
    return found


def peak_memory(library: str, workload: Workload, effort: Effort) -> dict[str, float]:
    """Megabytes that a process needs for some calls, with the kernels already on disk."""
    with tempfile.TemporaryDirectory() as cache:
        if library == OURS:
            _child("first_call", library, [workload.name], cache, effort)
        return _child("peak_memory", library, [workload.name], cache, effort)[workload.name]


def _child(task: str, library: str, names: Sequence[str], cache: str, effort: Effort) -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.child", task, library, str(effort.is_smoke), *names]
    environment = {**os.environ, "TRACEGRAPH_CACHE_DIR": cache}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]
