"""Result memory is used again only when nobody can see it any more."""

import numpy as np

from tracegraph.backends.numba.results import LARGE, MOST_PIECES, Recycler
from tracegraph.ir import aval_of

LARGE_AVAL = aval_of((LARGE // 8,), float)


def test_dropped_memory_is_used_again():
    """A result that the user has dropped gives its memory to a later one."""
    recycler = Recycler()
    first = recycler.take(LARGE_AVAL).ctypes.data
    assert first == recycler.take(LARGE_AVAL).ctypes.data


def test_memory_in_use_is_left_alone():
    """No two living results share memory, whether the user holds the array, a view of a view, or a memoryview."""
    recycler = Recycler()
    holders = [
        recycler.take(LARGE_AVAL),
        recycler.take(LARGE_AVAL)[10:][::2],
        memoryview(recycler.take(LARGE_AVAL)),
        recycler.take(LARGE_AVAL).reshape(2, -1).T,
    ]
    for k, holder in enumerate(holders):
        np.asarray(holder)[...] = k
    for k, holder in enumerate(holders):
        assert np.all(np.asarray(holder) == k)


def test_what_is_kept_is_bounded():
    """Many sizes do not pile up, and arrays begin at a cache line."""
    recycler = Recycler()
    for extra in range(3 * MOST_PIECES):
        array = recycler.take(aval_of((LARGE // 8 + extra,), float))
        assert array.ctypes.data % 64 == 0
    assert len(recycler._owners) == MOST_PIECES


def test_memory_goes_on_to_another_shape_and_dtype():
    """What counts is the size in bytes."""
    recycler = Recycler()
    first = recycler.take(aval_of((LARGE // 8,), float)).ctypes.data
    assert first == recycler.take(aval_of((2, LARGE // 8), np.float32)).ctypes.data
