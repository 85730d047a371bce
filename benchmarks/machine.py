"""What the figures were measured on, and how fast its memory is: without that nobody can compare them with others."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import tracegraph
from benchmarks.libraries import LIBRARIES, version
from benchmarks.limits import Limits
from benchmarks.timing import Effort, best
from benchmarks.workload import random

__all__ = ["describe", "thread_count"]


def describe(libraries: Sequence[str], limits: Limits, effort: Effort) -> dict[str, Any]:
    """The processor, the versions, and its limits."""
    packages = [*(LIBRARIES[name].package for name in libraries), "numba", "llvmlite"]
    return {
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "cores": os.cpu_count(),
        "threads": thread_count(),
        "versions": {package: version(package) for package in packages},
        "triad GB/s": _bandwidth(effort),
        "limits": limits._asdict(),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def thread_count() -> int:
    """How many threads a parallel kernel has."""
    return int(os.environ.get("NUMBA_NUM_THREADS") or len(_usable_cores()))


def _usable_cores() -> Sequence[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def _bandwidth(effort: Effort) -> dict[str, float]:
    """Triad: `x + 3 * y`, as one kernel on all threads and as NumPy's two calls into a reused array on one.

    Counted is what the code reads and writes: three arrays for the kernel, five for NumPy.
    """
    n = 1000 if effort.is_smoke else 8_000_000
    x, y, room = random(n), random(n, seed=1), np.empty(n)
    kernel = tracegraph.compile(lambda x, y: x + 3.0 * y)

    def in_two_calls() -> None:
        np.add(x, np.multiply(y, 3.0, out=room), out=room)

    kernel(x, y)
    return {
        "tracegraph": 3 * x.nbytes / best(lambda: kernel(x, y), effort) / 1e9,
        "numpy": 5 * x.nbytes / best(in_two_calls, effort) / 1e9,
    }
