"""Result memory is used again only when nobody can see it any more."""

import numpy as np

from tracegraph.backends.numba.results import LARGE, Recycler
from tracegraph.ir import aval_of

SIZE = LARGE // 8


def test_dropped_memory_is_used_again():
    """A result that the user has dropped gives its memory to a later one."""
    recycler = Recycler(aval_of((SIZE,), float))
    first = recycler.take().ctypes.data
    assert first == recycler.take().ctypes.data


def test_memory_in_use_is_left_alone():
    """No two living results share memory, whether the user holds the array, a view of a view, or a memoryview."""
    recycler = Recycler(aval_of((SIZE,), float))
    holders = [
        recycler.take(),
        recycler.take()[10:][::2],
        memoryview(recycler.take()),
        recycler.take().reshape(2, -1).T,
    ]
    for k, holder in enumerate(holders):
        np.asarray(holder)[...] = k
    for k, holder in enumerate(holders):
        assert np.all(np.asarray(holder) == k)


def test_a_small_result_is_an_ordinary_array():
    """Small results own their memory."""
    assert Recycler(aval_of((4,), float)).take().flags.owndata
