"""Decides which views get memory of their own. A graph goes in, one goes out in which every view can be read through
strides from a node that has a buffer: copies (`identity` nodes) are put where NumPy too would have to copy.

`concatenate` and `update` become parts that each write a region of one buffer, so that what computes a part can be fused
with the writing of it. An update that can be done in place is one part, written into the memory of the value before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tracegraph.compiler.inplace import are_apart, find_in_place, readers_of
from tracegraph.ir import Aval, Graph, Node, Op
from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ops.leaf import identity, iota, is_literal
from tracegraph.ops.region import concatenate, region, slice_, update
from tracegraph.ops.shape import reshape_to

__all__ = ["Access", "access", "assemble", "materialise", "overwrite", "part", "place_of"]


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


def _part_reference(x: np.ndarray, *readers: np.ndarray) -> np.ndarray:
    return x


def _assemble_reference(
    *parts: np.ndarray, shape: tuple[int, ...], dtype: np.dtype, regions: Any, is_ordered: bool
) -> np.ndarray:
    result = np.empty(shape, dtype)
    for value, (starts, steps) in zip(parts, regions, strict=True):
        result[region(starts, steps, value.shape)] = value
    return result


#: One region's worth of an `assemble` or `overwrite`: the value on its way to its place in that buffer. Behind the value
#: stands what reads the buffer before that.
part = Op("part", rule=lambda x, *readers: x, reference=_part_reference, kind="part", loop="{0}")
#: A buffer that its parts have written. If ``is_ordered``, regions overlap and the later part wins.
assemble = Op(
    "assemble",
    rule=lambda *parts, shape, dtype, regions, is_ordered: Aval(shape, dtype),
    reference=_assemble_reference,
    kind="assemble",
)
#: The memory of its first input once its second, a part, has been written into it.
overwrite = Op("overwrite", rule=update.rule, reference=update.reference, kind="assemble")


def place_of(piece: Node, whole: Node) -> Layout:
    """Where in the memory of an `assemble` or `overwrite` one of its parts lies."""
    if whole.op is overwrite:
        starts, steps = whole.params["starts"], whole.params["steps"]
    else:
        starts, steps = whole.params["regions"][whole.inputs.index(piece)]
    return contiguous(whole.shape).slice(starts, steps, piece.shape)


def materialise(graph: Graph) -> Graph:
    """Graph to Graph: views that strides can express, copies and parts for the others.

    An output that only gives a computed value another shape is that value: the shape is the caller's to restore.
    """
    order, in_place = find_in_place(graph)
    work = _Pass(graph)
    lasting = _read_while_they_last(graph, order, in_place)
    for node in order[len(graph.inputs) :]:
        sources = tuple([work.made[source] for source in node.inputs])
        work.made[node] = work.overwritten(node, sources) if node in in_place else work.rebuilt(node, sources)
        if node in lasting:
            work.read_back(node)
    return Graph(graph.inputs, _owned([work.copies.get(node, work.made[node]) for node in graph.outputs]))


class _Pass:
    """The state of one walk.

    Attributes:
        made: the new node of each node.
        readers: what reads each buffer that is written in parts.
        copies: the outputs that had to be copied because their memory is overwritten.
    """

    def __init__(self, graph: Graph) -> None:
        self.made: dict[Node, Node] = {node: node for node in graph.inputs}
        self.readers: dict[Node, list[Node]] = {}
        self.copies: dict[Node, Node] = {}
        self.outputs: dict[Node, list[Node]] = {}
        for node in graph.outputs:
            self.outputs.setdefault(access(node).base, []).append(node)

    def rebuilt(self, node: Node, sources: tuple[Node, ...]) -> Node:
        op = node.op
        if op is concatenate:
            return self._parts(node, sources, _concatenated(sources, node.params["axis"]), is_ordered=False)
        if op is update:
            whole = ((0,) * node.aval.ndim, (1,) * node.aval.ndim)
            regions = (whole, (node.params["starts"], node.params["steps"]))
            return self._parts(node, sources, regions, is_ordered=True)
        if op.kind == "product":
            sources = tuple([source if _fits_product(source) else self._copy(source) for source in sources])
        elif op.name == "reshape" and _layout(node, sources) is None:
            sources = (self._copy(sources[0]),)
        same = all(a is b for a, b in zip(sources, node.inputs, strict=True))
        return self._noted(node if same else node.with_inputs(sources))

    def overwritten(self, node: Node, sources: tuple[Node, ...]) -> Node:
        """An update in place: its part comes after all that reads what was there."""
        old, value = sources
        memory = access(old).base
        base, views = access(value)
        if base is memory:
            seen = Access(base, views).layout()
            region = contiguous(node.shape).slice(node.params["starts"], node.params["steps"], value.shape)
            if seen is None or not are_apart(seen, region, node.shape):
                value = self._copy(value)
        for output in self.outputs.get(access(node.inputs[0]).base, ()):
            if output not in self.copies and access(self.made[output]).base is memory:
                self.copies[output] = self._copy(self.made[output])
        piece = Node(part, (value, *dict.fromkeys(self.readers.pop(memory, ()))), {}, value.aval, node.where)
        self._noted(piece)
        return Node(overwrite, (old, piece), node.params, node.aval, node.where)

    def read_back(self, node: Node) -> None:
        """From here on, who needs the value that an update has written reads it from where it was written."""
        written = self.made[node]
        value = node.inputs[1]
        seen = slice_(written, starts=node.params["starts"], steps=node.params["steps"], sizes=value.shape)
        while True:
            view = reshape_to(seen, value.shape)
            if access(view).layout() is None:
                return
            self.made[value] = view
            if value.op.kind != "view":
                return
            (value,) = value.inputs

    def _parts(
        self, node: Node, sources: Sequence[Node], regions: Sequence[tuple[Any, Any]], *, is_ordered: bool
    ) -> Node:
        pieces = tuple(self._noted(Node(part, (source,), {}, source.aval, node.where)) for source in sources)
        params = {"shape": node.shape, "dtype": node.dtype, "regions": tuple(regions), "is_ordered": is_ordered}
        return Node(assemble, pieces, params, node.aval, node.where)

    def _copy(self, node: Node) -> Node:
        return self._noted(_copy(node))

    def _noted(self, node: Node) -> Node:
        """A new node, now that it is known as a reader of its operands."""
        if node.op.kind != "view":
            for source in node.inputs[: 1 if node.op is part else None]:
                base, _ = access(source)
                if base.op.kind == "assemble":
                    self.readers.setdefault(base, []).append(node)
        return node


def _read_while_they_last(graph: Graph, order: Sequence[Node], in_place: frozenset[Node]) -> set[Node]:
    """The updates from whose memory the value that they write can be read whenever it is needed, so that it has no other."""
    readers = readers_of(graph)
    place = {node: k for k, node in enumerate(order)}
    overwritten = {access(node.inputs[0]).base: place[node] for node in in_place}
    outputs = {access(node).base for node in graph.outputs}
    found = set()
    for node in order:
        if node.op is not update:
            continue
        value, views = access(node.inputs[1])
        others = [reader for reader in readers[value] if reader is not node]
        computed = value.op.kind in ("elementwise", "identity", "reduce") and value not in outputs
        reshaped = all(view.op.name == "reshape" for view in views)
        until = overwritten.get(node, len(order))
        if others and computed and reshaped and all(place[node] < place[reader] < until for reader in others):
            found.add(node)
    return found


def _layout(node: Node, sources: tuple[Node, ...]) -> Layout | None:
    return access(node.with_inputs(sources)).layout()


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
