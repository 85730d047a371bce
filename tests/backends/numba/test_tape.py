"""A tape runs its waves in order, and only on arguments that it was made for."""

import gc
import sys
import threading

import numpy as np
import pytest

from tracegraph.backends.numba.cache import default_cache
from tracegraph.backends.numba.tape import Argument, Task, Wave, make_tape, tape_task

APPEND = """
def append(args, lo, hi):
    # Write lo at the place that the first word counts.
    args[1 + atomic_add(args, 0, 1)] = lo
"""
ADD = """
def add(args, lo, hi):
    x = pointer(args, 0, float64)
    y = pointer(args, 1, float64)
    out = pointer(args, 2, float64)
    for i in range(lo, hi):
        store(out, i, load(x, i) + load(y, i))
"""


@pytest.fixture
def append():
    return default_cache.address(APPEND, "append")


def add_tape(**options):
    """A tape that adds two arrays of three float64 into a third; and its table."""
    table = np.zeros(3, np.int64)
    task = Task(default_cache.address(ADD, "add"), table.ctypes.data, 0, 3)
    specs = [Argument([(table.ctypes.data + 8 * k, 0)], np.dtype("f8"), (3,), (8,), writeable=k == 2) for k in range(3)]
    return *make_tape([Wave([task])], specs, **options), table


def test_serial_waves_run_in_order(append):
    """Tasks run one after the other, wave after wave; empty waves are nothing."""
    log = np.zeros(32, np.int64)
    waves = [Wave([Task(append, log.ctypes.data, 3 * w + t, 0) for t in range(w)]) for w in range(4)]
    run, _ = make_tape(waves)
    assert run() is True
    assert log[: log[0] + 1].tolist() == [6, 3, 6, 7, 9, 10, 11]


def test_arguments_are_bound_and_the_tape_run():
    """Each call sees the arrays that it was given."""
    run, _, table = add_tape()
    for k in range(3):
        x, y, out = np.arange(3.0) + k, np.ones(3), np.zeros(3)
        assert run(x, y, out) is True
        assert out.tolist() == [1.0 + k, 2.0 + k, 3.0 + k]
        assert table.tolist() == [a.ctypes.data for a in (x, y, out)]


class Subclass(np.ndarray):
    pass


def read_only(array):
    array.flags.writeable = False
    return array


def misaligned():
    return np.zeros(3 * 8 + 1, np.uint8)[1:].view(np.float64)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param((), id="too few"),
        pytest.param((np.ones(3),) * 4, id="too many"),
        pytest.param((np.ones(3), np.ones(4), np.ones(3)), id="extent"),
        pytest.param((np.ones(3), np.ones((3, 1)), np.ones(3)), id="rank"),
        pytest.param((np.ones(3), np.ones(3, "f4"), np.ones(3)), id="dtype"),
        pytest.param((np.ones(3), np.ones(3, ">f8"), np.ones(3)), id="byte order"),
        pytest.param((np.ones(3), np.ones(6)[::2], np.ones(3)), id="strides"),
        pytest.param((np.ones(3), np.ones(3).view(Subclass), np.ones(3)), id="subclass"),
        pytest.param((np.ones(3), [1.0, 2.0, 3.0], np.ones(3)), id="list"),
        pytest.param((np.ones(3), None, np.ones(3)), id="none"),
        pytest.param((np.ones(3), misaligned(), np.ones(3)), id="alignment"),
        pytest.param((np.ones(3), np.ones(3), read_only(np.ones(3))), id="read-only output"),
    ],
)
def test_what_does_not_fit_is_refused(given):
    """False comes back and nothing is run."""
    run, _, _ = add_tape()
    assert run(*given) is False
    if len(given) == 3:
        assert given[2].tolist() == [1, 1, 1]
    assert run(read_only(np.ones(3)), np.ones(3), np.zeros(3)) is True


def test_one_argument_may_have_many_targets_and_floats_are_values():
    """An address goes to every word that asks for it; of a float its bits go."""
    words = np.zeros(4)
    first = words.ctypes.data
    run, _ = make_tape([], [Argument([(first, 0), (first + 16, 0)]), Argument([(first + 24, 0)])])
    assert run(1.5, -2.0) is True
    assert words.tolist() == [1.5, 0.0, 1.5, -2.0]
    assert run(1, 2.0) is False


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4, 5)])
def test_any_rank_is_checked(shape):
    """Arrays of every rank fit their own description and no other."""
    array = np.zeros(shape, "i4")
    slot = np.zeros(1, np.int64)
    run, _ = make_tape([], [Argument([(slot.ctypes.data, 0)], array.dtype, array.shape, array.strides)])
    assert run(array) is True
    assert slot[0] == array.ctypes.data
    assert run(np.zeros((*shape, 1), "i4")) is False


def test_the_stride_of_a_single_index_is_free():
    """Arrays that differ only in a stride that is never used fit alike."""
    slot = np.zeros(1, np.int64)
    run, _ = make_tape([], [Argument([(slot.ctypes.data, 0)], np.dtype("f8"), (1, 4), (32, 8))])
    assert run(np.lib.stride_tricks.as_strided(np.zeros(4), (1, 4), (8, 8))) is True
    assert run(np.zeros((1, 8))[:, ::2]) is False


def test_foreign_dtypes_cannot_be_described():
    """A dtype without a single descriptor is refused when the tape is made."""
    with pytest.raises(ValueError, match="expected a built-in one in native byte order"):
        make_tape([], [Argument([], np.dtype(">f8"), (3,), (8,))])


def test_the_function_keeps_its_tape_alive():
    """The words live as long as the function does."""
    log = np.zeros(4, np.int64)
    run, words = make_tape([Wave([Task(default_cache.address(APPEND, "append"), log.ctypes.data, 5, 0)])])
    before = sys.getrefcount(words)
    del words
    gc.collect()
    assert before >= 3
    assert run() is True
    assert log[:2].tolist() == [1, 5]


def test_answers_are_counted():
    """True and False are returned with references of their own."""
    run, _ = make_tape([])
    assert [run() for _ in range(100_000)].count(True) == 100_000
    assert [run(0) for _ in range(100_000)].count(False) == 100_000


def test_the_gil_is_released_on_demand():
    """Another Python thread goes on while a tape that releases the GIL runs; the tape itself is then busy."""
    source = """
def wait(args, lo, hi):
    # Until another thread has set the first word, or for some seconds.
    patience = hi
    while atomic_load(args, 0) == 0 and patience > 0:
        pause()
        patience -= 1
    args[1] = patience
"""
    words = np.zeros(2, np.int64)
    task = Task(default_cache.address(source, "wait"), words.ctypes.data, 0, 10**9)
    run, _ = make_tape([Wave([task])], release_gil=True)
    again = []

    def set_word():
        again.append(run())
        words[0] = 1

    other = threading.Timer(0.05, set_word)
    other.start()
    assert run() is True
    other.join()
    assert words[1] > 0
    assert again == [False]


def test_a_task_may_walk_another_tape(append):
    """Tapes nest; parallel waves of the inner one run serially while the pool is busy."""
    log = np.zeros(64, np.int64)
    _inner, words = make_tape([Wave([Task(append, log.ctypes.data, t, 0) for t in range(5)], True)] * 2)
    outer, _ = make_tape([Wave([tape_task(words)] * 4, parallel=True)])
    assert outer() is True
    assert log[0] == 40
    assert sorted(log[1:41]) == sorted(list(range(5)) * 8)
