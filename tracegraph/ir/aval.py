"""What is known of an array before it exists: its shape and its dtype. Knows nothing of operations."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["DTYPES", "Aval", "Shape", "aval_of", "canonical"]

Shape = tuple[int, ...]

#: Short name of every dtype that a graph may hold, as it shows in prints and in the names of generated functions.
DTYPES: dict[np.dtype, str] = {
    np.dtype(name): short
    for name, short in [
        ("bool", "bool"),
        ("int8", "i8"), ("int16", "i16"), ("int32", "i32"), ("int64", "i64"),
        ("uint8", "u8"), ("uint16", "u16"), ("uint32", "u32"), ("uint64", "u64"),
        ("float32", "f32"), ("float64", "f64"), ("complex64", "c64"), ("complex128", "c128"),
    ]
}  # fmt: skip


_CANONICAL = {dtype: dtype for dtype in DTYPES}


def canonical(dtype: np.dtype) -> np.dtype:
    """The one object that stands for a dtype in graphs; an array that was pickled brings an equal one of its own.

    >>> canonical(np.dtype("float64")) is np.dtype("float64")
    True
    """
    return _CANONICAL[dtype]


class Aval(NamedTuple):
    """The abstract value of an array.

    >>> Aval((2, 3), np.dtype("float32"))
    f32[2,3]
    """

    shape: Shape
    dtype: np.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"{DTYPES.get(self.dtype, self.dtype)}[{','.join(map(str, self.shape))}]"


def aval_of(shape: Shape, dtype: DTypeLike) -> Aval:
    """An `Aval` with the dtype spelled in any way that NumPy takes.

    >>> aval_of((), float)
    f64[]
    """
    return Aval(shape, np.dtype(dtype))
