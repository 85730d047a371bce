"""Equality of what two runs of a whole function gave, to within a share of the largest element of each array."""

from typing import Any

import numpy as np

from support.compare import kind_of
from tracegraph.tree import flatten

__all__ = ["difference"]

#: The largest error allowed, relative to the largest finite element of the same array.
TOLERANCE = {"float16": 1e-2, "float32": 1e-4, "float64": 1e-9, "complex64": 1e-4, "complex128": 1e-9}


def difference(expected: Any, actual: Any, tolerance: float | None = None, stray: float = 0.0) -> str | None:
    """What differs in containers, kinds, dtypes, shapes or values; None if nothing does.

    Args:
        tolerance: in place of the usual one.
        stray: the share of elements that may be quite other ones.
    """
    wanted, structure = flatten(expected)
    have, other = flatten(actual)
    if structure != other:
        return f"{type(expected).__name__} eagerly, {type(actual).__name__} compiled, with other leaves"
    for want, got in zip(wanted, have, strict=True):
        if not isinstance(want, (np.ndarray, np.generic, int, float, complex)):
            if type(want) is not type(got) or want != got:
                return f"{want!r:.40} eagerly, {got!r:.40} compiled"
        elif kind_of(want) != kind_of(got):
            return f"{kind_of(want)} eagerly, {kind_of(got)} compiled"
        elif text := _value_difference(np.asarray(want), np.asarray(got), tolerance, stray):
            return text
    return None


def _value_difference(want: np.ndarray, got: np.ndarray, tolerance: float | None, stray: float) -> str | None:
    if want.dtype.name not in TOLERANCE:
        right = np.asarray(want == got)
    else:
        with np.errstate(all="ignore"):
            finite = np.isfinite(want)
            size = np.max(np.abs(want[finite]), initial=0)
            close = np.abs(want - got) <= (tolerance or TOLERANCE[want.dtype.name]) * size
            right = (want == got) | (np.isnan(want) & np.isnan(got)) | (finite & close)
    wrong = np.count_nonzero(~right)
    if wrong <= stray * right.size:
        return None
    return f"{wrong} of {right.size} elements differ, {want[~right][:3]} eagerly, {got[~right][:3]} compiled"
