"""Memory for results and for intermediate values. A fresh large array costs more in page faults than most kernels take, so
memory that nobody uses any more is used again: that of a result only once no array, view or buffer of it is left."""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

import numpy as np

from tracegraph.ir import Aval

__all__ = ["Recycler", "has_own_memory", "recycler"]

#: Below this size a new array comes from the allocator's own store of used memory.
LARGE = 1 << 18
#: How many pieces of memory are kept for use again, and how many bytes in all.
MOST_PIECES = 16
MOST_BYTES = 1 << 30
#: Large arrays begin at multiples of a cache line.
ALIGNMENT = 64


class _Owner(np.ndarray):
    """Memory that results are views of."""


def _references(owner: _Owner) -> int:
    return sys.getrefcount(owner)


def _references_of_unused() -> int:
    owner = _Owner(0, np.uint8)
    return _references(owner)


#: The references to an owner that is in nobody's hands but a local variable's. Versions of Python count them differently.
UNUSED = _references_of_unused()


def has_own_memory(array: Any) -> bool:
    """Whether an array is no view of another one's memory: that of a large result is its own, though we keep hold of it."""
    return type(array) is np.ndarray and (array.base is None or type(array.base) is _Owner)


class Recycler:
    """Gives out large arrays: below `LARGE` bytes, NumPy's own do as well.

    Each is a view of an owner that it keeps. Whoever views the array again holds the array, and that its owner, so the
    owner's reference count says whether the memory is in use.
    """

    def __init__(self) -> None:
        self._owners: deque[_Owner] = deque()

    def take(self, aval: Aval) -> np.ndarray:
        """An array with arbitrary contents that nobody else uses."""
        owner = self._owner(aval.nbytes + ALIGNMENT)
        return np.ndarray(aval.shape, aval.dtype, owner, -owner.ctypes.data % ALIGNMENT)

    def _owner(self, nbytes: int) -> _Owner:
        """Memory of a size: used before, if there is such; it goes to the end of what is kept."""
        passed: list[_Owner] = []
        found = None
        while self._owners and found is None:
            owner = self._pop()
            if owner is not None and owner.nbytes == nbytes and _references(owner) == UNUSED:
                found = owner
            elif owner is not None:
                passed.append(owner)
        if found is None:
            found = _Owner(nbytes, np.uint8)
        self._owners.extendleft(reversed(passed))
        self._owners.append(found)
        self._trim()
        return found

    def _pop(self) -> _Owner | None:
        """Takes an owner out, so that no other thread looks at it meanwhile; None if one just took the last."""
        try:
            return self._owners.popleft()
        except IndexError:
            return None

    def _trim(self) -> None:
        """Lets go of what was not used for longest. Memory in use stays with its user; it is only not used again."""
        while len(self._owners) > MOST_PIECES or sum(owner.nbytes for owner in tuple(self._owners)) > MOST_BYTES:
            self._pop()


#: The one of this process: programs share memory that they do not use at the same time.
recycler = Recycler()
