"""Result memory is used again only when nobody can see it any more."""

import gc
import pickle
import random
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.backends.numba.results import LARGE, MOST_BYTES, MOST_PIECES, Recycler, has_own_memory
from tracegraph.ir import aval_of

LARGE_AVAL = aval_of((LARGE // 8,), float)


def test_dropped_memory_is_used_again():
    """A result that the user has dropped gives its memory to a later one."""
    recycler = Recycler()
    first = recycler.take(LARGE_AVAL).ctypes.data
    assert first == recycler.take(LARGE_AVAL).ctypes.data


#: What a user may keep of a result in place of the array: each sees the memory.
HOLDERS: dict[str, Callable[[np.ndarray], Any]] = {
    "array": lambda array: array,
    "slice": lambda array: array[10:][::2],
    "reshaped": lambda array: array.reshape(2, -1).T,
    "of another dtype": lambda array: array.view(np.int64)[5:],
    "memoryview": memoryview,
    "data": lambda array: array[3:].data,
    "from buffer": lambda array: np.frombuffer(array, float),
    "from interface": lambda array: np.asarray(_Interface(array)),
    "subclass": lambda array: array.view(np.recarray),
    "iterator": lambda array: array.flat,
    "list": lambda array: [array[:1]],
    "windows": lambda array: np.lib.stride_tricks.sliding_window_view(array, 3),
    "pointer": lambda array: array.ctypes,
    "object array": lambda array: np.array([array[1:], None], object),
    "closure": lambda array: lambda: array[-1],
    "cycle": lambda array: _cycle(array),
}


class _Interface:
    """What NumPy takes for an array."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.__array_interface__ = array.__array_interface__


def _cycle(array: np.ndarray) -> Any:
    held: list[Any] = [array]
    held.append(held)
    return held


@pytest.mark.parametrize("kind", HOLDERS)
def test_memory_in_use_is_left_alone(kind: str):
    """Whatever sees the memory keeps it; once that is dropped it is used again."""
    recycler = Recycler()
    array = recycler.take(LARGE_AVAL)
    address = array.ctypes.data
    holder = HOLDERS[kind](array)
    del array
    for _ in range(3):
        assert recycler.take(LARGE_AVAL).ctypes.data != address
    del holder
    gc.collect()
    found = [recycler.take(LARGE_AVAL) for _ in range(2)]
    assert address in [each.ctypes.data for each in found]


def test_copies_do_not_keep_it():
    """A pickle, a copy and a number taken from a result are apart from its memory."""
    recycler = Recycler()
    array = recycler.take(LARGE_AVAL)
    array[...] = 7
    address, kept = array.ctypes.data, (pickle.dumps(array), array.copy(), array[3], array.tolist())
    del array
    again = recycler.take(LARGE_AVAL)
    assert again.ctypes.data == address
    again[...] = 8
    text, copy, number, numbers = kept
    assert set(pickle.loads(text)) == set(copy) == {number} == set(numbers) == {7.0}


def test_what_is_kept_is_bounded():
    """Many sizes do not pile up, in number or in bytes, and arrays begin at a cache line."""
    recycler = Recycler()
    for extra in range(3 * MOST_PIECES):
        array = recycler.take(aval_of((LARGE // 8 + extra,), float))
        assert array.ctypes.data % 64 == 0
    assert len(recycler._owners) == MOST_PIECES
    recycler.take(aval_of((MOST_BYTES // 8 + 1,), float))
    assert len(recycler._owners) == 0


def test_memory_goes_on_to_another_shape_and_dtype():
    """What counts is the size in bytes."""
    recycler = Recycler()
    first = recycler.take(aval_of((LARGE // 8,), float)).ctypes.data
    assert first == recycler.take(aval_of((2, LARGE // 8), np.float32)).ctypes.data


def test_threads_never_share_memory():
    """Each thread keeps some results and views of them for a while; nobody else writes into those."""
    recycler, failures = Recycler(), []

    def work(seed: int) -> None:
        draw, held = random.Random(seed), []
        for step in range(300):
            array, number = recycler.take(LARGE_AVAL), 1000.0 * seed + step
            array[::512] = number
            held.append((draw.choice([array, array[512:], memoryview(array)]), number))
            if len(held) > draw.randrange(6):
                view, expected = held.pop(draw.randrange(len(held)))
                if set(np.asarray(view)[::512]) != {expected}:
                    failures.append(expected)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures


def test_results_of_calls_are_recycled():
    """A dropped result's memory is the next one's, a kept one's is not; nor is an argument's, which may be a result."""
    f = tg.compile(lambda x: x + 1)
    x = np.zeros(LARGE)
    y = f(x)
    kept = f(y)[1:]
    z = f(y)
    assert len({y.ctypes.data, kept.ctypes.data - 8, z.ctypes.data}) == 3
    assert (float(y[0]), float(kept[0]), float(z[0])) == (1, 2, 2)
    assert f(kept).ctypes.data != kept.ctypes.data - 8


def test_who_owns_memory():
    """A new array and a whole result do; views of either do not, nor does what is no plain array."""
    result = Recycler().take(LARGE_AVAL)
    assert has_own_memory(np.ones(3))
    assert has_own_memory(result)
    assert not has_own_memory(np.ones(3)[1:])
    assert not has_own_memory(result[:])
    assert not has_own_memory(result.reshape(2, -1))
    assert not has_own_memory(np.ones(3).view(np.recarray))
    assert not has_own_memory(2.0)
