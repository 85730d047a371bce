"""Matrix products as BLAS calls, or by kernels that read the operands where they lie: how the operands of a product kernel
lie comes in, the kernel to run and the table that it wants go out. A product by a single column or row that is left to BLAS
is its product of a matrix and a vector."""

from __future__ import annotations

from typing import NamedTuple

from tracegraph.backends.numba import blas
from tracegraph.backends.numba.cache import runtime_cache
from tracegraph.backends.numba.direct import direct_kernel
from tracegraph.compiler.kernel import LibraryKernel
from tracegraph.compiler.materialise import Access
from tracegraph.compiler.native import has_direct
from tracegraph.ir import Node

__all__ = ["Call", "product_call", "product_code"]


class Call(NamedTuple):
    """A call without its addresses.

    Attributes:
        words: the table.
        places: for three words, the buffer and the element in it whose address belongs there.
        first: the first of these.
    """

    words: list[int]
    places: tuple[tuple[Node, int], ...]
    first: int = 1


class _Matrix(NamedTuple):
    """How BLAS reads an operand: counts in elements."""

    base: Node
    offset: int
    rows: int
    columns: int
    strides: tuple[int, int]
    step: int
    is_transposed: bool

    @property
    def ld(self) -> int:
        return self.strides[1] if self.is_transposed else self.strides[0]

    def operand(self, ld: int) -> blas.Operand:
        return blas.Operand(0, ld, self.step * self.base.dtype.itemsize)


def product_code(node: Node) -> int:
    """The address of the kernel for a product; 0 where NumPy ships no BLAS that is known.

    The kernels for matrices and for vectors come together, so that a batch of one finds its own when it is met.
    """
    dtype = str(node.dtype)
    if has_direct(node):
        name, source = direct_kernel(dtype, node.shape[-1], node.inputs[0].shape[-1])
        return runtime_cache.address(source, name)
    matrix, vector = blas.gemm_kernel(dtype), blas.gemv_kernel(dtype)
    if matrix is None or vector is None:
        return 0
    codes = runtime_cache.addresses([matrix, vector])
    return codes[1 in node.shape[-2:]]


def product_call(kernel: LibraryKernel) -> Call:
    """The table of a product kernel."""
    a, b = (_matrix(operand) for operand in kernel.operands)
    node = kernel.node
    m, n = node.shape[-2:]
    if kernel.is_direct:
        words = [0, 0, 0, m, n, a.columns, a.step, *a.strides, b.step, b.strides[0]]
        return Call(words, ((a.base, a.offset), (b.base, b.offset), (node, 0)), first=0)
    if n == 1:
        return _vector_call(node, a, b, b.strides[0], is_transposed=a.is_transposed)
    if m == 1:
        return _vector_call(node, b, a, a.strides[1], is_transposed=not b.is_transposed)
    words = blas.gemm_table(
        str(node.dtype),
        a.operand(a.ld),
        b.operand(b.ld),
        blas.Operand(0, n, m * n * node.dtype.itemsize),
        m,
        n,
        a.columns,
        transpose_a=a.is_transposed,
        transpose_b=b.is_transposed,
    )
    return Call(words, ((a.base, a.offset), (b.base, b.offset), (node, 0)))


def _vector_call(node: Node, matrix: _Matrix, vector: _Matrix, stride: int, *, is_transposed: bool) -> Call:
    """A matrix times a vector. BLAS is told the matrix as it is stored, and whether to transpose that."""
    stored = (matrix.columns, matrix.rows) if matrix.is_transposed else (matrix.rows, matrix.columns)
    words = blas.gemv_table(
        str(node.dtype),
        matrix.operand(matrix.ld),
        vector.operand(stride),
        blas.Operand(0, 1, node.shape[-2] * node.shape[-1] * node.dtype.itemsize),
        *stored,
        transpose_a=is_transposed,
    )
    return Call(words, ((matrix.base, matrix.offset), (vector.base, vector.offset), (node, 0)))


def _matrix(operand: Access) -> _Matrix:
    layout = operand.layout()
    assert layout is not None, "an operand that strides cannot express was copied"
    (rows, columns), strides = layout.shape[-2:], (layout.strides[-2], layout.strides[-1])
    step = layout.strides[-3] if len(layout.strides) > 2 else 0
    is_transposed = not (strides[1] == 1 and strides[0] >= max(columns, 1))
    return _Matrix(operand.base, layout.offset, rows, columns, strides, step, is_transposed)
