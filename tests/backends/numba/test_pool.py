"""Waves run on all threads, each task once; the pool sleeps when idle and survives forks and rivals."""

import os
import threading
import time

import numpy as np
import pytest

from tracegraph.backends.numba.cache import default_cache
from tracegraph.backends.numba.pool import Pool, get_num_threads, set_num_threads
from tracegraph.backends.numba.tape import Task, Wave, make_tape

pytestmark = pytest.mark.skipif(os.name != "posix", reason="there are POSIX threads only")

ADD_ONE = """
def add_one(args, lo, hi):
    x = pointer(args, 0, int64)
    for i in range(lo, hi):
        store(x, i, load(x, i) + 1)
"""
SUM_ALL = """
def sum_all(args, lo, hi):
    # Each task of this wave reads what all tasks of the wave before have written.
    x = pointer(args, 0, int64)
    out = pointer(args, 1, int64)
    acc = 0
    for i in range(args[2]):
        acc = accumulate_add(acc, load(x, i))
    store(out, lo, acc)
"""
WAIT_FOR_OTHERS = """
def wait_for_others(args, lo, hi):
    # The first task returns only when some other thread has done all the others.
    atomic_add(args, 0, 1)
    patience = 10 ** 9
    while lo == 0 and atomic_load(args, 0) < hi and patience > 0:
        pause()
        patience -= 1
    if lo == 0:
        args[1] = patience
"""


@pytest.fixture(autouse=True)
def two_threads():
    """Each test starts with two threads and leaves the number as it was."""
    before = get_num_threads()
    set_num_threads(2)
    yield
    set_num_threads(before)


def counting_waves(tasks, waves, **options):
    """A tape of parallel waves, each of which adds one to every element once; and the elements."""
    x = np.zeros(tasks * 8, np.int64)
    table = np.array([x.ctypes.data])
    kernel = default_cache.address(ADD_ONE, "add_one")
    wave = Wave([Task(kernel, table.ctypes.data, 8 * t, 8 * t + 8) for t in range(tasks)], parallel=True)
    run, _ = make_tape([wave] * waves, **options)
    return run, x, table


@pytest.mark.parametrize("tasks", [1, 2, 3, 17, 200])
def test_each_task_runs_once(tasks):
    """Many waves in a row leave each element with the number of waves."""
    run, x, _table = counting_waves(tasks, 300)
    for repeat in range(1, 4):
        assert run() is True
        assert set(x) == {300 * repeat}


def test_a_wave_sees_all_of_the_one_before():
    """Sums over the whole array, taken between increments, are those of a serial run."""
    n, waves = 16, 100
    x, out = np.zeros(n, np.int64), np.zeros((waves, n), np.int64)
    table = np.array([x.ctypes.data])
    tables = [np.array([x.ctypes.data, out[w].ctypes.data, n]) for w in range(waves)]
    add, total = default_cache.addresses([("add_one", ADD_ONE), ("sum_all", SUM_ALL)])
    program = []
    for w in range(waves):
        program.append(Wave([Task(add, table.ctypes.data, t, t + 1) for t in range(n)], True))
        program.append(Wave([Task(total, tables[w].ctypes.data, t, t + 1) for t in range(n)], True))
    run, _ = make_tape(program)
    for _ in range(20):
        x[:] = 0
        assert run() is True
        np.testing.assert_array_equal(out, np.repeat(n * np.arange(1, waves + 1)[:, None], n, axis=1))


def test_a_long_task_does_not_hold_up_the_others():
    """While one thread is in a long task the others take what is left."""
    words = np.zeros(2, np.int64)
    kernel = default_cache.address(WAIT_FOR_OTHERS, "wait_for_others")
    run, _ = make_tape([Wave([Task(kernel, words.ctypes.data, t, 50) for t in range(50)], True)])
    for _ in range(3):
        words[:] = 0
        assert run() is True
        assert words[0] == 50
        assert words[1] > 0


def test_idle_threads_sleep():
    """Shortly after the last wave the pool uses no processor time."""
    run, _x, _table = counting_waves(8, 10)
    run()
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


def test_sleeping_threads_wake_up():
    """Waves after a rest are run like those before it."""
    words = np.zeros(2, np.int64)
    kernel = default_cache.address(WAIT_FOR_OTHERS, "wait_for_others")
    run, _ = make_tape([Wave([Task(kernel, words.ctypes.data, t, 2) for t in range(2)], True)])
    for _ in range(5):
        time.sleep(0.01)
        words[:] = 0
        assert run() is True
        assert words[1] > 0


def test_two_python_threads_run_programs_at_once():
    """One gets the pool, the other runs serially; both are right."""
    programs = [counting_waves(9, 50, release_gil=True) for _ in range(3)]
    threads = [threading.Thread(target=lambda run=run: [run() for _ in range(200)]) for run, _, _ in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert [set(x) for _, x, _ in programs] == [{50 * 200}] * 3


def test_the_number_of_threads_can_change():
    """Threads come and go; every wave is complete."""
    run, x, _table = counting_waves(12, 20)
    for repeat, count in enumerate([1, 4, 2, 3, 1, 2] * 5, start=1):
        set_num_threads(count)
        assert get_num_threads() == count
        assert run() is True
        assert set(x) == {20 * repeat}


def test_a_pool_of_its_own():
    """Pools are independent of one another."""
    run, x, _table = counting_waves(6, 5, pool=Pool(threads=3))
    assert run() is True
    assert set(x) == {5}


@pytest.mark.parametrize("count", [0, -1, 1.5, None])
def test_nonsense_numbers_of_threads_are_refused(count):
    """The error repeats what was given."""
    with pytest.raises(ValueError, match=f"given {count}, expected a positive integer"):
        set_num_threads(count)


PROGRAM = """
import os, sys, threading, time
import numpy as np
from tracegraph.backends.numba.cache import default_cache
from tracegraph.backends.numba.pool import get_num_threads
from tracegraph.backends.numba.tape import Task, Wave, make_tape
words = np.zeros(1, np.int64)
count = default_cache.address("def count(args, lo, hi):\\n    atomic_add(args, 0, 1)\\n", "count")
run, _ = make_tape([Wave([Task(count, words.ctypes.data, 0, 1)] * 8, True)] * 50, release_gil=True)
run()
"""


def test_a_forked_child_runs_programs(python):
    """The child starts threads of its own, and so does its child."""
    code = (
        PROGRAM
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of any fork beside threads
def descend(generations):
    child = os.fork()
    if child != 0:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    words[0] = 0
    run()
    right = words[0] == 400 and (generations == 1 or descend(generations - 1))
    os._exit(0 if right else 1)
print(descend(2))
"""
    )
    assert python(code, NUMBA_NUM_THREADS="3") == "True"


def test_the_interpreter_exits_with_threads_at_work(python):
    """Neither sleeping workers nor a daemon thread inside a tape holds up the end."""
    code = PROGRAM + "threading.Thread(target=lambda: [run() for _ in range(10**9)], daemon=True).start()\n"
    assert python(code + "time.sleep(0.05)\nprint('end')", NUMBA_NUM_THREADS="2") == "end"


def test_the_environment_sets_the_number_of_threads(python):
    """NUMBA_NUM_THREADS is honoured; without it all usable CPUs are used."""
    assert python(PROGRAM + "print(words[0], get_num_threads())", NUMBA_NUM_THREADS="3") == "400 3"
    assert python(PROGRAM + "print(words[0], get_num_threads())", NUMBA_NUM_THREADS="1") == "400 1"
    code = "import os\nos.environ.pop('NUMBA_NUM_THREADS', None)\n" + PROGRAM
    assert python(code + "print(get_num_threads() == len(os.sched_getaffinity(0)))") == "True"
