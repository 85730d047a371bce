"""What tracing and each pass cost a node, on graphs of about 10,000 nodes whose kernels are all in the disk cache.

Loops go over lists, so that they are written out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tracegraph
from benchmarks.run import Run
from benchmarks.workload import random

__all__ = ["STAGES", "pass_rows"]

#: What is timed, in order.
STAGES = ("trace", "optimise", "lower", "fuse", "schedule", "share", "sweep", "plan", "skew", "link")


def chain(x: Any, steps: int) -> Any:
    """Elementwise operations, three nodes a step."""
    for _ in [None] * steps:
        x = np.tanh(x + 1.5) * x
    return x


def row_updates(x: Any, y: Any, steps: int) -> Any:
    """Rows written in place, each from the one before."""
    for step in [*range(steps)]:
        i = 1 + step % (len(x) - 1)
        x[i] = x[i - 1] * y[i] + x[i, 0]
        x[i, 1:] -= y[i, :-1]
    return x


def network(x: Any, weights: Any, bias: Any, steps: int) -> Any:
    """Small layers, one after the other."""
    for _ in [None] * steps:
        x = np.tanh(x @ weights + bias)
        x = x - np.mean(x, axis=1, keepdims=True)
    return x


def solve(lower: Any, x: Any, b: Any, steps: int) -> Any:
    """A triangular system, element by element: slices of all lengths."""
    for i in [*range(steps)]:
        x[i] = (b[i] - lower[i, :i] @ x[:i]) / lower[i, i]
    return x


class Case(NamedTuple):
    """A function, the arguments for a number of steps, and how many steps make a graph of 10,000 nodes."""

    function: Callable[..., Any]
    arguments: Callable[[int], tuple[Any, ...]]
    steps: int


CASES: dict[str, Case] = {
    "elementwise chain": Case(chain, lambda steps: (random(64),), 2500),
    "row updates": Case(row_updates, lambda steps: (random(64, 64), random(64, 64, seed=1)), 770),
    "network": Case(network, lambda steps: (random(8, 16), random(16, 16) / 4, random(16)), 1000),
    "triangular system": Case(solve, lambda steps: (random(steps, steps), np.zeros(steps), random(steps)), 750),
}


def pass_rows(run: Run) -> list[dict[str, Any]]:
    """Seconds of each stage, the fastest of some runs."""
    rows = []
    for name, case in CASES.items():
        full_name = f"passes: {name}"
        if run.has(full_name):
            steps = 5 if run.effort.is_smoke else case.steps
            runs = [_stages(case, steps) for _ in range(min(run.effort.rounds, 4) + 1)]
            fastest = {stage: min(seconds[stage] for _, seconds in runs[1:]) for stage in STAGES}
            rows.append({"name": full_name, "nodes": runs[0][0], "seconds": fastest})
    return rows


def _stages(case: Case, steps: int) -> tuple[int, dict[str, float]]:
    """The nodes of the traced graph, and the seconds of each stage."""
    seconds: dict[str, float] = {}
    nodes = 0
    compiled = tracegraph.compile(lambda *given: case.function(*given, steps))
    start = time.perf_counter()

    def observe(stage: str, value: Any) -> None:
        nonlocal start, nodes
        seconds[stage] = time.perf_counter() - start
        if stage == "trace":
            nodes = len(value.nodes)
        start = time.perf_counter()

    compiled._path(case.arguments(steps), {}, observe)
    return nodes, seconds
