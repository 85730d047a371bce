"""NumPy's own sorting of one line, which uses the CPU's vectors: a dtype comes in, the address of a C function goes out.

NumPy offers the functions of a dtype to extension modules through a table (`PyArray_API`) whose places are fixed. They need
no GIL for numbers.
"""

from __future__ import annotations

import ctypes
import importlib
from functools import cache
from typing import Any

import numpy as np

__all__ = ["sort_address"]

#: The place of `PyDataType_GetArrFuncs` in the table, and of `sort` in what it gives: an array by kind, quicksort first.
_GET_FUNCTIONS, _SORT = 365, 33


@cache
def sort_address(dtype: str) -> int:
    """The address of ``int sort(void *start, npy_intp n, void *unused)``.

    >>> sort_address("float64") != sort_address("int64") != 0
    True
    """
    capsule = ctypes.pythonapi.PyCapsule_GetPointer
    capsule.restype, capsule.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    words = ctypes.POINTER(ctypes.c_void_p)
    umath: Any = importlib.import_module("numpy._core._multiarray_umath")
    table = ctypes.cast(capsule(umath._ARRAY_API, None), words)
    functions = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object)(table[_GET_FUNCTIONS])(np.dtype(dtype))
    address: int | None = ctypes.cast(functions, words)[_SORT]
    if address is None:
        raise NotImplementedError(f"this NumPy offers no function that sorts {dtype}")
    return address
