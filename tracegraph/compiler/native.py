"""Which operations kernels have: all others run as steps of NumPy between stretches of native code."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

import numpy as np

from tracegraph.ir import Node

__all__ = ["can_fail", "has_blas", "has_contraction", "has_direct", "has_kernel", "has_phases", "is_pool", "is_step"]

#: What kernels do of complex numbers, of operations that take or give them.
COMPLEX = frozenset(
    "part part_at pick identity again stop_gradient where convert reduce_sum "
    "absolute add conj cos cosh divide equal exp exp2 expm1 greater greater_equal imag isfinite isinf isnan less "
    "less_equal log log10 log2 make_complex maximum minimum multiply negative not_equal real rint sign sin sinh "
    "sqrt subtract".split()
)
#: What kernels, which compute halves as singles and round each result, do not do as NumPy does.
NOT_OF_HALVES = frozenset({"reduce_sum", "reduce_prod"})
#: Operations at indices, which may be out of bounds.
AT_INDICES = frozenset("gather pick scatter scatter_add part_at".split())
#: The dtypes that BLAS multiplies matrices of.
BLAS = frozenset(map(np.dtype, ("float32", "float64", "complex64", "complex128")))

#: The dtypes that kernels of our own multiply.
CONTRACTED = frozenset(map(np.dtype, ("float32", "float64")))
#: Ufuncs whose running results have kernels.
SCANNED = frozenset({"add", "multiply", "maximum", "minimum", "fmax", "fmin"})
#: Sorts that have kernels, and the longest line that they sort.
SORTED, LONGEST = frozenset({"sort", "argsort"}), 2**30
#: The least number of values that are shared out among threads to be added up at indices; how many places there are to each
#: of them at most; how long a row is at least.
LEAST_SCATTERED, SPARSEST, LEAST_ROW = 2**16, 4, 8
#: Products of fewer rows or columns, or fewer terms, are BLAS's, which need not pack them. Of several in one batch, which
#: threads divide among them, each may be small.
LEAST_SIDE, LEAST_TERMS, LEAST_TOTAL = 16, 2**18, 2**20
#: The same of a single product, which BLAS divides too: the least rows, of which a tile has many, columns, terms of each sum
#: and of all.
LEAST_SINGLE, LEAST_SINGLE_TOTAL = (192, 64, 64), 2**22
#: A product of up to so many columns and terms is not worth a call of BLAS, if there are many of them.
MOST_DIRECT = 4


class Settings:
    """What only the backend knows, and tells when it is loaded.

    Attributes:
        does_products: whether kernels of our own multiply single matrices of a dtype no slower than BLAS.
    """

    does_products: Callable[[np.dtype], bool] = staticmethod(lambda dtype: False)


def has_blas(node: Node) -> bool:
    """Whether a node is a product that BLAS does."""
    return node.op.name == "matmul" and node.dtype in BLAS and not has_contraction(node) and not has_direct(node)


def has_contraction(node: Node) -> bool:
    """Whether a node is a product that a kernel of our own does, where packing the matrices pays: of a batch of them, or a
    single one if that is measured to be no slower than BLAS's."""
    if node.op.kind != "product" or node.dtype not in CONTRACTED:
        return False
    if node.op.name != "matmul":
        return True
    (m, n), k = node.shape[-2:], node.inputs[0].shape[-1]
    items = math.prod(node.shape[:-2])
    if items == 1:
        is_large = all(map(operator.ge, (m, n, k), LEAST_SINGLE)) and m * n * k >= LEAST_SINGLE_TOTAL
        return is_large and Settings.does_products(node.dtype)
    return items > 1 and min(m, n) >= LEAST_SIDE and m * n * k >= LEAST_TERMS and items * m * n * k >= LEAST_TOTAL


def has_direct(node: Node) -> bool:
    """Whether a node is a product whose kernel reads the operands where they lie: of integers, or of many small matrices."""
    if node.op.name != "matmul" or not node.aval.size:
        return False
    n, k = node.shape[-1], node.inputs[0].shape[-1]
    is_small = node.dtype in BLAS and math.prod(node.shape[:-2]) > 1 and max(n, k) <= MOST_DIRECT
    return k > 0 and (is_small or node.dtype.kind in "iu")


def is_pool(node: Node) -> bool:
    """Whether a kernel goes over the windows of images."""
    return node.op.kind == "pool" and all(each.dtype != np.float16 for each in (node, *node.inputs))


def has_kernel(node: Node) -> bool:
    """Whether a loop nest can compute a node."""
    op = node.op
    if op.kind in ("product", "pool", "opaque", "call") or (op.kind == "elementwise" and op.loop is None):
        return False
    if op.name in NOT_OF_HALVES and any(each.dtype == np.float16 for each in (node, *node.inputs)):
        return False
    return op.name in COMPLEX or all(each.dtype.kind != "c" for each in (node, *node.inputs))


def can_fail(node: Node) -> bool:
    """Whether an operation may raise an error when it runs: an index out of bounds, or whatever a step of NumPy raises."""
    op = node.op
    if op.kind == "call":
        graphs = [plan.schedule.fused.graph for plan in node.params["plans"]]
        return any(can_fail(each) for graph in graphs for each in graph.nodes)
    return op.name in AT_INDICES or is_step(node)


def is_step(node: Node) -> bool:
    """Whether an operation is a step of NumPy, in Python."""
    if node.op.name in AT_INDICES or node.op.kind not in ("opaque", "elementwise", "reduce"):
        return False
    return not (has_kernel(node) or has_phases(node) or is_pool(node))


def has_phases(node: Node) -> bool:
    """Whether an operation has kernels with a text of their own, which read arrays that lie in C order."""
    name, dtypes = node.op.name, [each.dtype for each in (node, *node.inputs)]
    if any(dtype.kind not in "biuf" or dtype == np.float16 for dtype in dtypes):
        return False
    if name == "nonzero":
        return node.inputs[0].aval.ndim == 1
    if name == "scatter_add":
        return _is_scattered_alike(node)
    if name == "searchsorted":
        return node.inputs[0].dtype.kind != "b"
    if name == "histogram":
        return node.params.get("lead", 0) == 0 and _is_counted(node)
    if name in SORTED:
        return node.shape[node.params["axis"]] <= LONGEST and not (name == "sort" and _is_stable(node))
    return name == "recurrence" or (name == "cumulate" and node.params["ufunc"] in SCANNED)


def _is_scattered_alike(node: Node) -> bool:
    """Whether sums at indices along the first axis are so many that it pays to share them out among threads."""
    x, _, *indices = node.inputs
    values, inner = indices[0].aval.size, math.prod(x.shape[1:])
    enough = values * inner >= LEAST_SCATTERED and values * SPARSEST >= x.shape[0]
    return node.params["axes"] == (0,) and enough and (inner == 1 or inner >= LEAST_ROW)


def _is_counted(node: Node) -> bool:
    """Whether a histogram is the same if all is compared, and weighed, in double precision."""
    x, edges, *weights = (each.dtype for each in node.inputs)
    exact = all(dtype.kind in "iuf" and (dtype.kind == "f" or dtype.itemsize <= 4) for dtype in (x, edges))
    return exact and np.result_type(x, edges) == edges and all(dtype.kind == "f" for dtype in weights)


def _is_stable(node: Node) -> bool:
    """Whether it shows in which order a sort leaves what it takes for equal: of floats, which have two zeros."""
    return node.params["kind"] not in (None, "quicksort", "heapsort") and node.dtype.kind == "f"
