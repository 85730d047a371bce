"""Times of calls that take turns: the best of several rounds, in each of which every contender runs once, so that a slow
moment of the machine hurts all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["FULL", "SMOKE", "Effort", "best", "race"]


class Effort(NamedTuple):
    """How long to try.

    Attributes:
        seconds: for a whole race.
        rounds: at least so many, and at most twenty times that.
        batch: calls of a batch together last about so long.
        is_smoke: whether this run only shows that everything works.
    """

    seconds: float
    rounds: int
    batch: float
    is_smoke: bool = False


FULL = Effort(seconds=2.0, rounds=7, batch=2e-3)
SMOKE = Effort(seconds=0.0, rounds=1, batch=0.0, is_smoke=True)


def race(calls: Mapping[str, Callable[[], Any]], effort: Effort) -> dict[str, float]:
    """Seconds for one call of each, the best of a number of rounds that follows from how long they last."""
    counts = {name: _batch_size(call, effort.batch) for name, call in calls.items()}
    fastest = dict.fromkeys(calls, float("inf"))
    start, rounds = time.perf_counter(), 0
    while rounds < effort.rounds or (rounds < 20 * effort.rounds and time.perf_counter() - start < effort.seconds):
        rounds += 1
        for name, call in calls.items():
            call()  # untimed: the caches and the threads still belong to whoever ran before
            fastest[name] = min(fastest[name], _time(call, counts[name]))
    return fastest


def best(call: Callable[[], Any], effort: Effort) -> float:
    """Seconds for one call of a single contender."""
    return race({"": call}, effort)[""]


def _time(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def _batch_size(call: Callable[[], Any], seconds: float) -> int:
    """How many calls make a batch."""
    count = 1
    while (spent := _time(call, count) * count) < seconds:
        count = max(2 * count, int(count * seconds / max(spent, 1e-9)))
    return count
