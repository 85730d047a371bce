"""Matrix products by NumPy's BLAS agree with NumPy for every layout and for empty extents."""

import itertools

import numpy as np
import pytest

from tracegraph.backends.numba import blas
from tracegraph.backends.numba.blas import (
    Operand,
    find_blas,
    gemm_kernel,
    gemm_table,
    gemv_kernel,
    gemv_table,
)

pytestmark = pytest.mark.skipif(find_blas("sgemm") is None, reason="NumPy's BLAS has no known name here")

DTYPES = ["float32", "float64", "complex64", "complex128"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "complex64": 1e-5, "complex128": 1e-12}


def operand(array):
    """The operand of a batch of C-ordered matrices, or of vectors."""
    ld = array.strides[-2] if array.ndim == 3 else array.strides[-1]
    return Operand(array.ctypes.data, ld // array.itemsize, array.strides[0])


def random(shape, dtype):
    parts = np.random.default_rng(sum(shape)).standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1] if np.dtype(dtype).kind == "c" else parts[0]).astype(dtype)


def stored(array, transposed):
    """What a BLAS is given for an operand that it is to transpose."""
    return np.ascontiguousarray(array.swapaxes(1, 2)) if transposed else array


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("transpose_a", "transpose_b"), list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize("extents", [(3, 5, 4), (1, 7, 1), (33, 65, 17), (4, 4, 0), (0, 3, 2), (3, 0, 2)])
def test_gemm_agrees_with_numpy(call, dtype, transpose_a, transpose_b, extents):
    """C = op(A) @ op(B) for a batch of three, into memory that holds NaN."""
    m, n, k = extents
    a, b = random((3, m, k), dtype), random((3, k, n), dtype)
    given_a, given_b = stored(a, transpose_a), stored(b, transpose_b)
    c = np.full((3, m, n), np.nan, dtype)
    table = gemm_table(
        dtype,
        operand(given_a),
        operand(given_b),
        operand(c),
        m,
        n,
        k,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
    )
    name, source = gemm_kernel(dtype)
    call(source, name, table, 0, 3)
    np.testing.assert_allclose(c, a @ b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("k", [0, 4])
def test_gemm_scales_and_adds(call, dtype, k):
    """C = alpha * A @ B + beta * C, also where the product is a sum over nothing, unless it is complex."""
    if k == 0 and dtype.startswith("complex"):
        pytest.skip("not offered")
    a, b, c = random((1, 3, k), dtype), random((1, k, 5), dtype), random((1, 3, 5), dtype)
    expected = 0.5 * (a @ b) - 2 * c
    table = gemm_table(dtype, operand(a), operand(b), operand(c), 3, 5, k, alpha=0.5, beta=-2.0)
    name, source = gemm_kernel(dtype)
    call(source, name, table, 0, 1)
    np.testing.assert_allclose(c, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm_reads_rows_of_a_larger_array(call, dtype):
    """`ld` may exceed the row, as in a slice, and a batch may repeat one operand with a step of zero."""
    whole = random((4, 6, 9), dtype)
    a, b = whole[:, :, 2:7], random((1, 5, 3), dtype)
    c = np.zeros((4, 6, 3), dtype)
    table = gemm_table(dtype, operand(a), operand(b)._replace(step=0), operand(c), 6, 3, 5)
    name, source = gemm_kernel(dtype)
    call(source, name, table, 1, 4)
    np.testing.assert_allclose(c[1:], a[1:] @ b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert not c[0].any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("extents", [(3, 5), (1, 64), (64, 1), (0, 4), (4, 0), (0, 0)])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (2.0, 0.5)])
def test_gemv_agrees_with_numpy(call, dtype, transpose, extents, alpha, beta):
    """y = alpha * op(A) @ x + beta * y for a batch of two, with a stride in x."""
    m, n = extents
    if beta and not m * n and dtype.startswith("complex"):
        pytest.skip("not offered")
    a = random((2, m, n), dtype)
    op = a.swapaxes(1, 2) if transpose else a
    x = random((2, 2 * op.shape[2]), dtype)[:, ::2]
    y = random((2, op.shape[1]), dtype)
    expected = alpha * (op @ x[:, :, None])[:, :, 0] + beta * y
    if beta == 0:
        y[...] = np.nan
    table = gemv_table(dtype, operand(a), operand(x), operand(y), m, n, transpose_a=transpose, alpha=alpha, beta=beta)
    name, source = gemv_kernel(dtype)
    call(source, name, table, 0, 2)
    np.testing.assert_allclose(y, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_unknown_dtype_is_refused():
    """Only floats of single and double precision and complex numbers of them have a kernel."""
    with pytest.raises(ValueError, match="given dtype 'int32', expected one of 'float32', 'float64'"):
        gemm_kernel("int32")


def test_without_known_names_there_is_no_kernel(monkeypatch):
    """The caller is told to multiply by other means."""
    monkeypatch.setattr(blas, "find_blas", lambda name: None)
    assert gemm_kernel("float32") is None
    assert gemv_kernel("float64") is None
