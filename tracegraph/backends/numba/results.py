"""Memory for results. A fresh large array costs more in page faults than most kernels take, so the memory of one that the
user has dropped is used again: only once no array, view or buffer of it is left."""

from __future__ import annotations

import sys
from collections import deque

import numpy as np

from tracegraph.ir import Aval

__all__ = ["Recycler"]

#: Below this size a new array comes from the allocator's own store of used memory.
LARGE = 1 << 18
#: How many arrays of one result are kept: one that the caller is about to replace, and the one it is replaced by.
KEPT = 2
#: The references to an owner that is in nobody's hands: the local variable, and the argument of `sys.getrefcount`.
UNUSED = 2


class Recycler:
    """Gives out arrays of one shape and dtype.

    What it gives is a view of an owner that it keeps. Whoever views the result again holds the owner itself (NumPy
    collapses chains of views), so the owner's reference count says whether the memory is in use.
    """

    def __init__(self, aval: Aval) -> None:
        self._aval = aval
        self._is_large = aval.nbytes >= LARGE
        self._owners: deque[np.ndarray] = deque(maxlen=KEPT)

    def take(self) -> np.ndarray:
        """An array with arbitrary contents that nobody else uses."""
        if not self._is_large:
            return np.empty(*self._aval)
        passed: list[np.ndarray] = []
        result = None
        while self._owners and result is None:
            owner = self._pop()
            if owner is not None:
                if sys.getrefcount(owner) == UNUSED:
                    result = owner.view()
                passed.append(owner)
        if result is None:
            passed.append(np.empty(*self._aval))
            result = passed[-1].view()
        self._owners.extend(passed)
        return result

    def _pop(self) -> np.ndarray | None:
        """Takes an owner out, so that no other thread looks at it meanwhile; None if one just took the last."""
        try:
            return self._owners.popleft()
        except IndexError:
            return None
