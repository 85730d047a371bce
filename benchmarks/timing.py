"""Times of calls that take turns: the best of several rounds, in each of which every contender runs once, so that a slow
moment of the machine hurts all alike."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["FULL", "SMOKE", "Effort", "TooSlow", "best", "elsewhere", "limited", "race"]


class Effort(NamedTuple):
    """How long to try.

    Attributes:
        seconds: for a whole race; and for one contender, once it has run a few times.
        rounds: at least so many, and at most twenty times that.
        batch: calls of a batch together last about so long.
        patience: what lasts longer runs once and no more.
        limit: seconds for the first call of a peer, compilation included; what lasts longer is given up.
        rest: seconds before each turn, so that the threads of whoever ran before have stopped spinning.
        warm: seconds of calls that are not timed after such a rest.
        is_smoke: whether this run only shows that everything works.
    """

    seconds: float
    rounds: int
    batch: float
    patience: float = 3.0
    limit: float = 60.0
    rest: float = 0.0
    warm: float = 0.0
    is_smoke: bool = False


FULL = Effort(seconds=4.0, rounds=7, batch=2e-3, rest=0.25, warm=0.02)
SMOKE = Effort(seconds=0.0, rounds=1, batch=0.0, is_smoke=True)
STATISTICS = Path("/proc/stat")
#: Rounds that even a slow contender takes part in.
FEW = 3
#: A call that is shorter than this many seconds runs once more before it is timed.
SHORT = 0.1


class TooSlow(Exception):
    """What was given up."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises TooSlow in what takes longer, as soon as Python has its turn; where there are signals, in the main thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(*_: Any) -> None:
        raise TooSlow(f"given up after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again, if it came where nothing can be raised
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def elsewhere() -> Iterator[list[float]]:
    """A list that afterwards holds how many cores other processes (and other guests of the host) had meanwhile; where the
    system does not say, nothing."""
    found: list[float] = []
    start, busy, own = time.perf_counter(), _busy_seconds(), time.process_time()
    yield found
    if busy is not None and (after := _busy_seconds()) is not None:
        spent = after - busy - (time.process_time() - own)
        found.append(max(0.0, spent / (time.perf_counter() - start)))


def _busy_seconds() -> float | None:
    """Of all cores, stolen ones included, since the system started."""
    if not STATISTICS.exists():
        return None
    user, nice, system, _, _, *others = (int(word) for word in STATISTICS.read_text().split("\n")[0].split()[1:9])
    return float((user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK"))


def race(calls: Mapping[str, Callable[[], Any]], effort: Effort) -> dict[str, float]:
    """Seconds for one call of each, the best of a number of rounds that follows from how long they last."""
    fastest = {name: _time(call, 1) for name, call in calls.items()}
    quick = {name: call for name, call in calls.items() if fastest[name] <= effort.patience}
    counts = {name: _batch_size(call, effort.batch) for name, call in quick.items()}
    spent = dict.fromkeys(quick, 0.0)
    start, rounds = time.perf_counter(), 0
    while rounds < effort.rounds or (rounds < 20 * effort.rounds and time.perf_counter() - start < effort.seconds):
        rounds += 1
        for name, call in quick.items():
            if rounds > FEW and spent[name] > effort.seconds:
                continue
            time.sleep(effort.rest)
            warm_until = time.perf_counter() + effort.warm
            while fastest[name] < SHORT and time.perf_counter() < warm_until:
                _time(call, counts[name])  # the caches still belong to whoever ran before, the threads sleep
            seconds = _time(call, counts[name])
            spent[name] += seconds * counts[name]
            fastest[name] = min(fastest[name], seconds)
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
