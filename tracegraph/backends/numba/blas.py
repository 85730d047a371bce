"""Matrix products by the BLAS that NumPy ships, as kernels: source text and tables come out.

The functions are found by name in the libraries that NumPy's own extension module has opened, so nothing
is needed beside NumPy; where the names are unknown the answer is None and the caller multiplies by
`np.matmul`. It knows nothing of graphs; who uses a kernel fills its table by `gemm_table` or `gemv_table`.
"""

import ctypes
import struct
import sys
from functools import cache
from typing import NamedTuple

import numpy as np

from .pool import c_address

# Prefix, suffix and width of integers, as various builds of NumPy name and compile them.
_SPELLINGS = (
    ("scipy_cblas_", "64_", 64),
    ("scipy_cblas_", "", 32),
    ("cblas_", "64_", 64),
    ("cblas_", "$NEWLAPACK$ILP64", 64),
    ("cblas_", "$NEWLAPACK", 32),
    ("cblas_", "", 32),
)
_LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
_ROW_MAJOR, _AS_IS, _TRANSPOSED = 101, 111, 112


class BlasFunction(NamedTuple):
    """A C function of the CBLAS interface: its address and the width of its integers."""

    address: int
    integer_bits: int


@cache
def find_blas(name: str) -> BlasFunction | None:
    """The CBLAS function `name`, say "sgemm"; None where NumPy's build does not offer it by a known name.

    >>> find_blas("no such function") is None
    True
    """
    library = ctypes.CDLL(sys.modules["numpy._core._multiarray_umath"].__file__)
    for prefix, suffix, bits in _SPELLINGS:
        function = getattr(library, f"{prefix}{name}{suffix}", None)
        if function is not None:
            return BlasFunction(c_address(function), bits)
    return None


_GEMM = """
FUNCTION, A, B, C, M, N, K, LDA, LDB, LDC = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
TRANSPOSE_A, TRANSPOSE_B, ALPHA, BETA, STEP_A, STEP_B, STEP_C = 10, 11, 12, 14, 16, 17, 18

def gemm_{dtype}(args, lo, hi):
    # For each item of a batch: C = alpha * op(A) @ op(B) + beta * C, all row-major.
    m, n, k, ldc = args[M], args[N], args[K], args[LDC]
    alpha = {alpha}
    beta = {beta}
    c = pointer(args, 3, {dtype})
    for item in range(lo, hi):
        if k > 0 and m > 0 and n > 0:
            call_c(args[FUNCTION], (
                int32({row_major}), int32(args[TRANSPOSE_A]), int32(args[TRANSPOSE_B]),
                {integer}(m), {integer}(n), {integer}(k),
                alpha, args[A] + item * args[STEP_A], {integer}(args[LDA]),
                args[B] + item * args[STEP_B], {integer}(args[LDB]),
                beta, args[C] + item * args[STEP_C], {integer}(ldc),
            ))
        else:
            # A sum over nothing, which not every BLAS treats alike.
            first = item * args[STEP_C] // {itemsize}
            for i in range(m):
                for j in range(n):
                    place = first + i * ldc + j
                    store(c, place, {rest_c})
"""

_GEMV = """
FUNCTION, A, X, Y, M, N, LDA, STEP_X, STEP_Y = 0, 1, 2, 3, 4, 5, 6, 7, 8
TRANSPOSE_A, ALPHA, BETA, NEXT_A, NEXT_X, NEXT_Y = 9, 10, 12, 14, 15, 16

def gemv_{dtype}(args, lo, hi):
    # For each item of a batch: y = alpha * op(A) @ x + beta * y; A, as it is stored, is row-major, M by N.
    m, n, step = args[M], args[N], args[STEP_Y]
    alpha = {alpha}
    beta = {beta}
    y = pointer(args, 3, {dtype})
    for item in range(lo, hi):
        if m > 0 and n > 0:
            call_c(args[FUNCTION], (
                int32({row_major}), int32(args[TRANSPOSE_A]), {integer}(m), {integer}(n),
                alpha, args[A] + item * args[NEXT_A], {integer}(args[LDA]),
                args[X] + item * args[NEXT_X], {integer}(args[STEP_X]),
                beta, args[Y] + item * args[NEXT_Y], {integer}(step),
            ))
        else:
            # BLAS returns at once and leaves y as it was.
            first = item * args[NEXT_Y] // {itemsize}
            for i in range(n if args[TRANSPOSE_A] == {transposed} else m):
                place = first + i * step
                store(y, place, {rest_y})
"""


def gemm_kernel(dtype: str) -> tuple[str, str] | None:
    """Name and source of the matrix product for a dtype that BLAS knows; None without a BLAS that is known."""
    return _kernel("gemm", _GEMM, dtype)


def gemv_kernel(dtype: str) -> tuple[str, str] | None:
    """The same for the product of a matrix and a vector."""
    return _kernel("gemv", _GEMV, dtype)


def _kernel(operation: str, template: str, dtype: str) -> tuple[str, str] | None:
    if dtype not in _LETTERS:
        raise ValueError(
            f"{operation}_kernel was given dtype {dtype!r}, expected one of {', '.join(map(repr, _LETTERS))}"
        )
    function = find_blas(_LETTERS[dtype] + operation)
    if function is None:
        return None
    source = template.format(
        dtype=dtype,
        integer=f"int{function.integer_bits}",
        itemsize=np.dtype(dtype).itemsize,
        row_major=_ROW_MAJOR,
        transposed=_TRANSPOSED,
        **_scalars(dtype),
    )
    return f"{operation}_{dtype}", source


def _scalars(dtype: str) -> dict[str, str]:
    """How a kernel passes alpha and beta, by address if they are complex, and what it stores for a sum over nothing."""
    if np.dtype(dtype).kind == "c":
        part = f"float{np.dtype(dtype).itemsize * 4}"
        names = {name.lower(): f"address_of(args) + 8 * {name}" for name in ("ALPHA", "BETA")}
        zero = f"make_complex({part}(0), {part}(0))"
        return {**names, "rest_c": zero, "rest_y": zero}
    names = {name.lower(): f"{dtype}(float_from_word(args[{name}]))" for name in ("ALPHA", "BETA")}
    rest = {f"rest_{out}": f"{dtype}(0) if beta == 0 else beta * reload({out}, place)" for out in "cy"}
    return {**names, **rest}


class Operand(NamedTuple):
    """An array by address and strides.

    `ld` is the stride of its rows (a vector's own stride) in elements, `step` that of a batch in bytes.
    """

    address: int
    ld: int
    step: int = 0


def gemm_table(
    dtype: str,
    a: Operand,
    b: Operand,
    c: Operand,
    m: int,
    n: int,
    k: int,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 0.0,
) -> list[int]:
    """The table of a `gemm_kernel`: op(A) is m by k, op(B) is k by n, C is m by n. Of complex sums over nothing beta is 0.

    A transposed operand is stored the other way round, so its `ld` is the row stride of what is stored.
    """
    flags = [_transposition(transpose_a), _transposition(transpose_b)]
    leading = [max(1, operand.ld) for operand in (a, b, c)]
    head = [_address(dtype, "gemm"), a.address, b.address, c.address, m, n, k]
    return [*head, *leading, *flags, *_words(dtype, alpha), *_words(dtype, beta), a.step, b.step, c.step]


def gemv_table(
    dtype: str,
    a: Operand,
    x: Operand,
    y: Operand,
    m: int,
    n: int,
    *,
    transpose_a: bool = False,
    alpha: float = 1.0,
    beta: float = 0.0,
) -> list[int]:
    """The table of a `gemv_kernel`; A as stored is m by n, so a transposed A takes m elements to n."""
    leading = [max(1, operand.ld) for operand in (a, x, y)]
    head = [_address(dtype, "gemv"), a.address, x.address, y.address, m, n, *leading]
    scalars = [*_words(dtype, alpha), *_words(dtype, beta)]
    return [*head, _transposition(transpose_a), *scalars, a.step, x.step, y.step]


def _transposition(transposed: bool) -> int:
    return _TRANSPOSED if transposed else _AS_IS


def _address(dtype: str, operation: str) -> int:
    function = find_blas(_LETTERS[dtype] + operation)
    return 0 if function is None else function.address


def _words(dtype: str, value: float) -> tuple[int, int]:
    """A number as two words of a table: a float64, or a complex number as BLAS reads it."""
    first, second = struct.unpack("<qq", struct.pack("<ffd" if dtype == "complex64" else "<dd", *_parts(dtype, value)))
    return int(first), int(second)


def _parts(dtype: str, value: float) -> tuple[float, ...]:
    return (value, 0.0, 0.0) if dtype == "complex64" else (value, 0.0)
