"""Decides which views get memory of their own. A graph goes in, one goes out in which every view can be read through
strides from a node that has a buffer: copies (`identity` nodes) are put where NumPy too would have to copy.

`concatenate` and `update` become parts that each write a region of one buffer, so that what computes a part can be fused
with the writing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tracegraph.ir import Aval, Graph, Node, Op
from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ops.leaf import identity, iota, is_literal
from tracegraph.ops.region import concatenate, region, update
from tracegraph.ops.scan import cumulate, recurrence

__all__ = ["Access", "access", "assemble", "is_scan", "materialise", "part"]


class Access(NamedTuple):
    """How a kernel reads a value: the node that has the buffer, and the views on the way from there."""

    base: Node
    views: tuple[Node, ...]

    def layout(self) -> Layout | None:
        """Where the elements lie in the base's buffer; None if no strides can say that."""
        layout: Layout | None = contiguous(self.base.shape)
        for node in self.views:
            if layout is None:
                return None
            layout = layout.view(node.op.name, node.params)
        return layout


def access(node: Node) -> Access:
    """Looks through views to the node that has the buffer."""
    views: list[Node] = []
    while node.op.kind == "view":
        views.append(node)
        (node,) = node.inputs
    return Access(node, tuple(reversed(views)))


def _part_reference(x: np.ndarray, **params: Any) -> np.ndarray:
    return x


def _assemble_reference(
    *parts: np.ndarray, shape: tuple[int, ...], dtype: np.dtype, regions: Any, is_ordered: bool
) -> np.ndarray:
    result = np.empty(shape, dtype)
    for value, (starts, steps) in zip(parts, regions, strict=True):
        result[region(starts, steps, value.shape)] = value
    return result


#: One region's worth of an `assemble`: the value on its way to its place in that buffer.
part = Op("part", rule=lambda x: x, reference=_part_reference, kind="part", loop="{0}")
#: A buffer that its parts have written. If ``is_ordered``, regions overlap and the later part wins.
assemble = Op(
    "assemble",
    rule=lambda *parts, shape, dtype, regions, is_ordered: Aval(shape, dtype),
    reference=_assemble_reference,
    kind="assemble",
)


def materialise(graph: Graph) -> Graph:
    """Graph to Graph: views that strides can express, copies and parts for the others.

    An output that only gives a computed value another shape is that value: the shape is the caller's to restore.
    """
    made: dict[Node, Node] = {node: node for node in graph.inputs}
    for node in graph.nodes[len(graph.inputs) :]:
        sources = tuple([made[source] for source in node.inputs])
        made[node] = _rebuild(node, sources)
    return Graph(graph.inputs, _owned([made[node] for node in graph.outputs]))


def _rebuild(node: Node, sources: tuple[Node, ...]) -> Node:
    op = node.op
    if op is concatenate:
        return _parts(node, sources, _concatenated(sources, node.params["axis"]), is_ordered=False)
    if op is update:
        whole = ((0,) * node.aval.ndim, (1,) * node.aval.ndim)
        return _parts(node, sources, (whole, (node.params["starts"], node.params["steps"])), is_ordered=True)
    if op.kind == "product":
        sources = tuple([source if _fits_product(source) else _copy(source) for source in sources])
    elif is_scan(node):
        sources = tuple([source if _is_plain(source) else _copy(source) for source in sources])
    elif op.name == "reshape" and _layout(node, sources) is None:
        sources = (_copy(sources[0]),)
    return node if all(a is b for a, b in zip(sources, node.inputs, strict=True)) else node.with_inputs(sources)


def _layout(node: Node, sources: tuple[Node, ...]) -> Layout | None:
    return access(node.with_inputs(sources)).layout()


def _parts(node: Node, sources: Sequence[Node], regions: Sequence[tuple[Any, Any]], *, is_ordered: bool) -> Node:
    pieces = tuple(Node(part, (source,), {}, source.aval, node.where) for source in sources)
    params = {"shape": node.shape, "dtype": node.dtype, "regions": tuple(regions), "is_ordered": is_ordered}
    return Node(assemble, pieces, params, node.aval, node.where)


def _concatenated(sources: Sequence[Node], axis: int) -> list[tuple[Any, Any]]:
    regions, start = [], 0
    for source in sources:
        starts = tuple(start if k == axis else 0 for k in range(source.aval.ndim))
        regions.append((starts, (1,) * source.aval.ndim))
        start += source.shape[axis]
    return regions


def _copy(node: Node) -> Node:
    return Node(identity, (node,), {}, node.aval, node.where)


def _fits_product(node: Node) -> bool:
    """Whether BLAS can read the matrices as they lie: rows or columns without gaps, and no literal in place of memory."""
    base, views = access(node)
    if base.op is iota or is_literal(base):
        return False
    layout = Access(base, views).layout()
    if layout is None:
        return False
    (m, n), (row, column) = layout.shape[-2:], layout.strides[-2:]
    lead = list(zip(layout.shape[:-2], layout.strides[:-2], strict=True))
    is_chain = all(outer[1] == inner[0] * inner[1] for outer, inner in pairwise(lead))
    return is_chain and ((column == 1 and row >= max(n, 1)) or (row == 1 and column >= max(m, 1)))


#: Ufuncs whose running results kernels have.
_SCANNED = frozenset({"add", "multiply", "maximum", "minimum", "fmax", "fmin"})


def is_scan(node: Node) -> bool:
    """Whether a kernel carries a value along an axis; other running results are NumPy's."""
    is_known = node.op is recurrence or (node.op is cumulate and node.params["ufunc"] in _SCANNED)
    return is_known and (node.dtype.kind in "biu" or node.dtype in (np.float32, np.float64))


def _is_plain(node: Node) -> bool:
    """Whether the elements lie one after another in memory."""
    base, views = access(node)
    if base.op is iota or is_literal(base):
        return False
    layout = Access(base, views).layout()
    return layout is not None and layout.is_contiguous()


def _owned(outputs: Sequence[Node]) -> list[Node]:
    """For every output a node that computes into a buffer of its own, in which the elements lie in the output's order."""
    result: list[Node] = []
    for node in outputs:
        base, views = access(node)
        layout = Access(base, views).layout()
        is_whole = layout == contiguous(node.shape) and base.aval.size == node.aval.size
        computed = is_whole and base.op.kind not in ("input", "leaf") and base not in result
        result.append(base if computed else _copy(node))
    return result
