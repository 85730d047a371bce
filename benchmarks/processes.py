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

from benchmarks.libraries import OURS
from benchmarks.timing import Effort
from benchmarks.workload import Workload

__all__ = ["first_calls", "import_seconds"]

#: Where the libraries keep compiled code.
CACHES = ("TRACEGRAPH_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "NUMBA_CACHE_DIR")
ROOT = Path(__file__).resolve().parent.parent


def import_seconds(package: str, effort: Effort) -> float:
    """How long a process lasts that only imports a package."""
    command = [sys.executable, "-c", f"import {package}"]
    fastest = float("inf")
    for _ in range(effort.rounds):
        start = time.perf_counter()
        subprocess.run(command, check=True, cwd=ROOT)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def first_calls(library: str, workloads: Sequence[Workload], effort: Effort) -> dict[str, dict[str, Any]]:
    """First calls and memory by the name of the workload: cold with an empty kernel cache, warm with what the cold one left.

    Each workload has processes and a cache of its own. In a smoke run all share a process and the user's cache, which is
    quicker and tells nothing.
    """
    names = [workload.name for workload in workloads]
    if effort.is_smoke:
        found = _child(library, names, None, effort)
        return {name: {"cold": run, "warm": run} for name, run in found.items()}
    firsts: dict[str, dict[str, Any]] = {}
    for name in names:
        with tempfile.TemporaryDirectory() as cache:
            for run in _child(library, [name], cache, effort).values():
                firsts[name] = {"cold": run}
            if library == OURS:
                warm = [_child(library, [name], cache, effort)[name] for _ in range(2)]
                firsts[name]["warm"] = min(warm, key=lambda run: run["seconds"])
    return firsts


def _child(library: str, names: Sequence[str], cache: str | None, effort: Effort) -> dict[str, dict[str, Any]]:
    """What `child` measures; nothing for a peer that fails or takes too long."""
    command = [sys.executable, "-m", "benchmarks.child", library, str(effort.is_smoke), *names]
    caches = dict.fromkeys(CACHES, cache) if cache else {}
    limit = None if library == OURS else 3 * effort.limit * len(names)
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **caches},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=limit,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        if library == OURS:
            raise
        return {}
    return json.loads(done.stdout)  # type: ignore[no-any-return]
