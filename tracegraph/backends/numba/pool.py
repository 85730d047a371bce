"""The pool of native threads that runs the tasks of one wave: task rows come in, they are all done on return.

Everything is one table of int64 words, shared by the threads, and kernels (compiled through the cache like
any other) that read it: no Python and no GIL on the way. Threads start at the first parallel wave, spin for
some tens of microseconds after work and then sleep. It knows nothing of graphs, tapes or what a task does.

A task is a row of four words: kernel address, args address, lo, hi. Workers claim tasks by counting
`REMAINING` down with compare-and-swap; a claim keeps the wave open, so that the rows may be read after it,
and a worker that wakes late finds either nothing or the next wave, both harmless.
"""

import ctypes
import os
import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from .cache import KernelCache, runtime_cache

Words = npt.NDArray[np.int64]

# The words of the table. Those that different threads write stand in cache lines (8 words) of their own.
WORDS = """
THREADS, SPINS, DRAIN, WAKE, WAVE, WORKER, REST = 0, 1, 2, 3, 4, 5, 6
CREATE, DETACH, LOCK, UNLOCK, WAIT, SIGNAL, BROADCAST, YIELD = 8, 9, 10, 11, 12, 13, 14, 15
BUSY, REMAINING, UNFINISHED, SLEEPERS, ALIVE = 16, 24, 32, 40, 48
TASKS, COUNT, NEW_THREAD = 56, 57, 58
MUTEX, CONDITION = 64, 80
"""

SOURCES = {
    "drain": """
def drain(pool, lo, hi):
    # Claim tasks and run them until none is left to claim.
    while True:
        remaining = atomic_load(pool, REMAINING)
        if remaining <= 0:
            return
        if atomic_replace(pool, REMAINING, remaining, remaining - 1):
            task = table(pool[TASKS] + 32 * (pool[COUNT] - remaining))
            call_kernel(task[0], task[1], task[2], task[3])
            atomic_add(pool, UNFINISHED, -1)
""",
    "wake": """
def wake(pool, wanted, hi):
    # Wake `wanted` sleeping workers or as many as there are; whoever wakes them counts them out.
    if atomic_load(pool, SLEEPERS) == 0:
        return
    mutex = address_of(pool) + 8 * MUTEX
    condition = address_of(pool) + 8 * CONDITION
    call_c(pool[LOCK], (mutex,))
    sleepers = atomic_load(pool, SLEEPERS)
    if wanted < sleepers:
        for _ in range(wanted):
            call_c(pool[SIGNAL], (condition,))
        atomic_add(pool, SLEEPERS, -wanted)
    else:
        call_c(pool[BROADCAST], (condition,))
        atomic_store(pool, SLEEPERS, 0)
    call_c(pool[UNLOCK], (mutex,))
""",
    "wave": """
def wave(pool, tasks, count):
    # Run `count` tasks on all threads, this one included. The caller holds BUSY.
    address = address_of(pool)
    while atomic_load(pool, ALIVE) < atomic_load(pool, THREADS) - 1:
        atomic_add(pool, ALIVE, 1)
        failed = call_c(pool[CREATE], (address + 8 * NEW_THREAD, 0, pool[WORKER], address))
        if failed & 0xFFFFFFFF != 0:
            # No more threads to be had: make do with those there are.
            atomic_store(pool, THREADS, atomic_add(pool, ALIVE, -1))
            break
        call_c(pool[DETACH], (pool[NEW_THREAD],))
    pool[TASKS] = tasks
    pool[COUNT] = count
    atomic_store(pool, UNFINISHED, count)
    atomic_store(pool, REMAINING, count)
    call_kernel(pool[WAKE], address, count - 1, 0)
    call_kernel(pool[DRAIN], address, 0, 0)
    spins = pool[SPINS]
    while atomic_load(pool, UNFINISHED) > 0:
        if spins > 0:
            pause()
            spins -= 1
        else:
            call_c(pool[YIELD], ())
""",
    "rest": """
def rest(pool, pauses, hi):
    for _ in range(pauses):
        pause()
""",
    "worker": """
def worker(pool, lo, hi):
    # The life of a thread: work, spin, sleep; leave when there are more workers than wanted.
    address = address_of(pool)
    while True:
        alive = atomic_load(pool, ALIVE)
        if alive >= atomic_load(pool, THREADS):
            if atomic_replace(pool, ALIVE, alive, alive - 1):
                return
            continue
        call_kernel(pool[DRAIN], address, 0, 0)
        spins = pool[SPINS]
        while spins > 0 and atomic_load(pool, REMAINING) == 0:
            pause()
            spins -= 1
        if spins == 0:
            call_c(pool[LOCK], (address + 8 * MUTEX,))
            # Counted before the last look: who publishes tasks after that look finds a sleeper to wake.
            atomic_add(pool, SLEEPERS, 1)
            if atomic_load(pool, REMAINING) == 0:
                call_c(pool[WAIT], (address + 8 * CONDITION, address + 8 * MUTEX))
            else:
                atomic_add(pool, SLEEPERS, -1)
            call_c(pool[UNLOCK], (address + 8 * MUTEX,))
""",
}

_SIZE = 96
_HAS_THREADS = os.name == "posix"
_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
_C_FUNCTIONS = {
    "CREATE": "pthread_create",
    "DETACH": "pthread_detach",
    "LOCK": "pthread_mutex_lock",
    "UNLOCK": "pthread_mutex_unlock",
    "WAIT": "pthread_cond_wait",
    "SIGNAL": "pthread_cond_signal",
    "BROADCAST": "pthread_cond_broadcast",
    "YIELD": "sched_yield",
}
_SPIN_NANOSECONDS = 50_000  # before a thread sleeps: long enough to bridge a serial stretch
_PAUSES = 500  # that are timed, since a pause takes 2 to 50 ns, by CPU


def _word_numbers() -> dict[str, int]:
    numbers: dict[str, int] = {}
    exec(WORDS, {}, numbers)
    return numbers


_WORD = _word_numbers()


def c_address(function: Callable[..., object]) -> int:
    """The address of a function of a library opened with ctypes."""
    address = ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]
    if address is None:
        raise ValueError(f"{function} has no address, expected a C function")
    return address


def _default_threads() -> int:
    """`$NUMBA_NUM_THREADS`, or else the number of CPUs that this process may use."""
    if chosen := os.environ.get("NUMBA_NUM_THREADS"):
        if not chosen.isdecimal() or int(chosen) < 1:
            raise ValueError(f"NUMBA_NUM_THREADS is {chosen!r}, expected a positive integer")
        return int(chosen)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Native threads in one process; they and their table stay until the process ends.

    Where the platform has no POSIX threads there is always one thread. After a fork the child starts its own.

    >>> pool = Pool(threads=2)
    >>> pool.get_num_threads()
    2
    """

    def __init__(self, threads: int | None = None, cache: KernelCache = runtime_cache) -> None:
        self._cache = cache
        self._threads = threads or _default_threads() if _HAS_THREADS else 1
        self._lock = threading.Lock()
        self._words: Words | None = None

    @property
    def address(self) -> int:
        """The address of the table, for tapes; 0 where there are no threads, so that waves run serially."""
        if not _HAS_THREADS:
            return 0
        with self._lock:
            if self._words is None:
                self._words = self._make_words()
        return int(self._words.ctypes.data)

    def get_num_threads(self) -> int:
        """How many threads a parallel wave may use, the caller's included."""
        return self._threads if self._words is None else int(self._words[_WORD["THREADS"]])

    def set_num_threads(self, count: int) -> None:
        """Use `count` threads from the next wave on; threads too many leave, threads too few are started."""
        if not isinstance(count, int) or count < 1:
            raise ValueError(f"set_num_threads was given {count!r}, expected a positive integer")
        if not _HAS_THREADS:
            return
        self._threads = count
        if self._words is not None:
            self._words[_WORD["THREADS"]] = count
            wake = _KERNEL(int(self._words[_WORD["WAKE"]]))
            wake(self.address, int(self._words[_WORD["ALIVE"]]), 0)

    def _make_words(self) -> Words:
        """The table, aligned to a cache line."""
        memory = np.zeros(_SIZE + 8, np.int64)
        words = memory[-(memory.ctypes.data // 8) % 8 :][:_SIZE]
        library = ctypes.CDLL(None)
        for word, function in _C_FUNCTIONS.items():
            words[_WORD[word]] = c_address(getattr(library, function))
        kernels = [(name, WORDS + source) for name, source in SOURCES.items()]
        for (name, _), address in zip(kernels, self._cache.addresses(kernels), strict=True):
            words[_WORD[name.upper()]] = address
        words[_WORD["THREADS"]] = self._threads
        words[_WORD["SPINS"]] = _spins(_KERNEL(int(words[_WORD["REST"]])))
        _reset(words)
        # This keeps table and code alive for as long as threads may be in them: for ever.
        os.register_at_fork(after_in_child=self._after_fork)
        return words

    def _after_fork(self) -> None:
        if self._words is not None:
            _reset(self._words)
        self._lock = threading.Lock()


def _spins(rest: Callable[[int, int, int], None]) -> int:
    """How many pauses a thread makes before it sleeps."""
    times = []
    for _ in range(3):
        start = time.perf_counter_ns()
        rest(0, _PAUSES, 0)
        times.append(time.perf_counter_ns() - start)
    return _PAUSES * _SPIN_NANOSECONDS // max(min(times), 1)


def _reset(words: Words) -> None:
    """No thread is alive and no task is waiting, as after a fork, which copies only the caller's thread."""
    for word in ("BUSY", "REMAINING", "UNFINISHED", "SLEEPERS", "ALIVE"):
        words[_WORD[word]] = 0
    library = ctypes.CDLL(None)
    library.pthread_mutex_init(ctypes.c_void_p(words[_WORD["MUTEX"] :].ctypes.data), None)
    library.pthread_cond_init(ctypes.c_void_p(words[_WORD["CONDITION"] :].ctypes.data), None)


default_pool = Pool()
set_num_threads = default_pool.set_num_threads
get_num_threads = default_pool.get_num_threads
