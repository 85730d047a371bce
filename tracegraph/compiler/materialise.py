"""Decides which views get memory of their own. A graph goes in, one goes out in which every view can be read through
strides from a node that has a buffer: copies (`identity` nodes) are put where NumPy too would have to copy.

`concatenate` and `update` become parts that each write a region of one buffer, so that what computes a part can be fused
with the writing of it. An update that can be done in place is one part, written into the memory of the value before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from tracegraph.compiler.inplace import are_apart, are_same, chains_of, find_in_place, readers_of
from tracegraph.compiler.native import has_contraction, has_direct, has_phases, is_pool
from tracegraph.ir import Aval, Graph, Node, Op
from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ops.broadcast import broadcast_to
from tracegraph.ops.call import again
from tracegraph.ops.gather import check_bounds, gather, scatter, scatter_add
from tracegraph.ops.leaf import identity, iota, is_literal
from tracegraph.ops.region import concatenate, region, slice_, update
from tracegraph.ops.shape import reshape_to

__all__ = [
    "Access", "access", "assemble", "materialise", "operands", "overwrite", "overwrite_at", "part",
    "part_at", "pick", "places_in", "rest_along", "rest_of", "root_of", "shares_memory", "through",
]  # fmt: skip

#: Operations among which a stencil is looked for.
LARGEST_STENCIL = 64
#: A line of so many elements is sooner written whole, and in part again, than bit by bit.
SHORT_LINE = 24

Ints = tuple[int, ...]


class Access(NamedTuple):
    """How a kernel reads a value: the node that has the buffer, and the views on the way from there."""

    base: Node
    views: tuple[Node, ...]

    def layout(self) -> Layout | None:
        """Where the elements lie in the base's buffer; None if no strides can say that."""
        return through(contiguous(self.base.shape), self.views)


def through(layout: Layout | None, views: Iterable[Node]) -> Layout | None:
    """A layout seen through views; None if no strides can say that."""
    for view in views:
        if layout is None:
            return None
        layout = layout.view(view.op.name, view.params)
    return layout


def access(node: Node) -> Access:
    """Looks through views to the node that has the buffer."""
    if node.op.kind != "view":
        return Access(node, ())
    views: list[Node] = []
    while node.op.kind == "view":
        views.append(node)
        (node,) = node.inputs
    return Access(node, tuple(reversed(views)))


def _part_reference(x: np.ndarray, *before: np.ndarray) -> np.ndarray:
    return x


def _assemble_reference(
    *parts: np.ndarray, shape: tuple[int, ...], dtype: np.dtype, regions: Any, is_ordered: bool
) -> np.ndarray:
    result = np.empty(shape, dtype)
    for value, (starts, steps) in zip(parts, regions, strict=True):
        result[region(starts, steps, value.shape)] = value
    return result


#: One region's worth of an `assemble` or `overwrite`: the value on its way to its place in that buffer. Behind the value
#: stands what comes before that: nodes that read what is overwritten, parts that were written earlier.
part = Op("part", rule=lambda x, *before: x, reference=_part_reference, kind="part", loop="{0}")
#: A buffer that its parts have written. If ``is_ordered``, regions overlap and the later part wins.
assemble = Op(
    "assemble",
    rule=lambda *parts, shape, dtype, regions, is_ordered: Aval(shape, dtype),
    reference=_assemble_reference,
    kind="assemble",
)
#: The memory of its first input once its second, a part, has been written into it.
overwrite = Op("overwrite", rule=update.rule, reference=update.reference, kind="assemble")


def _rule_at(x: Aval, piece: Aval, *others: Aval, **params: Any) -> Aval:
    return x


def _reference_at(x: np.ndarray, *others: np.ndarray, is_sum: bool, **params: Any) -> np.ndarray:
    return (scatter_add if is_sum else scatter).reference(x, *others, **params)  # type: ignore[no-any-return]


#: The values of a scatter on their way to their places. Behind them stand the index arrays, of the same shape, then what
#: comes before that.
part_at = Op(
    "part_at", rule=lambda x, *others, **params: x, reference=lambda x, *others, **params: x, kind="part", loop="{0}"
)
#: The memory of its first input once its second, such a part, has been written into it at indices, which come next.
overwrite_at = Op("overwrite_at", rule=_rule_at, reference=_reference_at, kind="assemble")


def operands(node: Node) -> tuple[Node, ...]:
    """The inputs that a node reads; others only come before it."""
    if node.op in (part, again):
        return node.inputs[:1]
    if node.op is part_at:
        return node.inputs[: 1 + len(node.params["axes"])]
    return node.inputs[:2] if node.op is overwrite_at else node.inputs


def shares_memory(node: Node) -> bool:
    """Whether a value lies in the memory of one that was there before."""
    return node.op in (overwrite, overwrite_at)


def _pick_reference(x: np.ndarray, *indices: np.ndarray, axes: Ints) -> np.ndarray:
    rest = [k for k in range(x.ndim) if k not in axes]
    places = dict(zip(rest, np.ogrid[tuple(slice(x.shape[k]) for k in rest)], strict=True))
    for axis, index in zip(axes, indices, strict=True):
        check_bounds(index, axis, x.shape[axis])
        places[axis] = index
    return np.asarray(x[tuple(places[k] for k in range(x.ndim))])


#: A gather whose indices have the shape of its result, so that a kernel evaluates them at each point.
pick = Op(
    "pick", rule=lambda x, *indices, axes: Aval(indices[0].shape, x.dtype), reference=_pick_reference, kind="pick"
)


def rest_of(node: Node, views: Sequence[Node]) -> Layout | None:
    """Where a `pick`, seen through views, reads if all indices are 0; None if no strides can say that."""
    source = node.inputs[0].layout
    assert source is not None, "what is picked from was copied if it had no strides"
    return rest_along(source, node, views)


def rest_along(source: Layout, node: Node, views: Sequence[Node]) -> Layout | None:
    """Where a node with ``axes`` that has the shape of its indices, seen through views, is in an array if they are 0."""
    rest = [stride for k, stride in enumerate(source.strides) if k not in node.params["axes"]]
    return through(Layout(source.offset, node.shape, (*(0,) * (node.aval.ndim - len(rest)), *rest)), views)


def places_in(whole: Node) -> dict[Node, Layout]:
    """Where in the memory of an `assemble` or `overwrite` each of its parts lies."""
    if whole.op is overwrite:
        pieces: Iterable[Node] = whole.inputs[1:]
        regions = [(whole.params["starts"], whole.params["steps"])]
    else:
        pieces, regions = whole.inputs, whole.params["regions"]
    layout = contiguous(whole.shape)
    return {piece: layout.slice(*place, piece.shape) for piece, place in zip(pieces, regions, strict=True)}


def materialise(graph: Graph) -> Graph:
    """Graph to Graph: views that strides can express, copies and parts for the others.

    An output that only gives a computed value another shape is that value: the shape is the caller's to restore.
    """
    chains = chains_of(graph)
    order, in_place = find_in_place(graph, chains)
    for chain in chains:
        if any(node not in in_place or _shifts(node, *node.inputs) for node in chain):
            in_place -= {chain[0]}
    work = _Pass(graph)
    lasting = _read_while_they_last(graph, order, in_place)
    for node in order[len(graph.inputs) :]:
        sources = tuple([work.made[source] for source in node.inputs])
        is_written_over = node in in_place and not _shifts(node, *sources)
        work.made[node] = work.overwritten(node, sources) if is_written_over else work.rebuilt(node, sources)
        if node in lasting:
            work.read_back(node)
    return Graph(graph.inputs, _owned(graph, [work.copies.get(node, work.made[node]) for node in graph.outputs]))


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
            self.outputs.setdefault(node.base, []).append(node)

    def rebuilt(self, node: Node, sources: tuple[Node, ...]) -> Node:
        op = node.op
        if op is concatenate:
            return self._parts(node, sources, _concatenated(sources, node.params["axis"]), is_ordered=False)
        if op is update:
            return self._updated(node, *sources)
        if op is gather:
            return self._picked(node, *sources)
        if has_phases(node):
            is_usable = [_is_plain(source) or _is_repeated_literal(node, k) for k, source in enumerate(sources)]
            pairs = zip(sources, is_usable, strict=True)
            return self._noted(node.with_inputs(tuple([each if fits else self._copy(each) for each, fits in pairs])))
        if op in (scatter, scatter_add):
            old, *others = sources
            return self._scattered(node, self._copy(old), others)
        if op.kind == "product":
            fits = _is_strided if has_contraction(node) else _fits_product
            sources = tuple([source if fits(source) else self._copy(source) for source in sources])
            if has_direct(node) and not _has_rows(sources[1]):
                sources = (sources[0], self._copy(sources[1]))
        elif is_pool(node) or op.kind == "call":
            sources = tuple([source if _is_plain(source) else self._copy(source) for source in sources])
        settled = node.with_inputs(sources)
        if op.name == "reshape" and settled.layout is None:
            settled = node.with_inputs((self._copy(sources[0]),))
        return self._noted(settled)

    def _updated(self, node: Node, old: Node, value: Node) -> Node:
        """An update that keeps the old value apart: where the new one covers most of it, only the rest is copied, if that is
        not a few elements of each of many short lines."""
        ones, place = (1,) * node.aval.ndim, (node.params["starts"], node.params["steps"])
        rest, length = _rest(node), node.shape[-1:]
        is_cut = node.aval.ndim > 1 and length[0] <= SHORT_LINE and node.inputs[1].shape[-1:] != length
        if rest is None or is_cut or old.base.op.kind not in ("input", "leaf", "assemble"):
            return self._parts(node, (old, value), (((0,) * node.aval.ndim, ones), place), is_ordered=True)
        kept = [slice_(old, starts=starts, steps=ones, sizes=sizes) for starts, sizes in rest]
        return self._parts(node, (*kept, value), (*((starts, ones) for starts, _ in rest), place), is_ordered=False)

    def _picked(self, node: Node, x: Node, *indices: Node) -> Node:
        wide = _widened(indices, node.shape)
        source = x if _is_strided(x) else self._copy(x)
        return self._noted(Node(pick, (source, *wide), {"axes": node.params["axes"]}, node.aval, node.where))

    def _scattered(self, node: Node, old: Node, others: Sequence[Node]) -> Node:
        """A scatter into memory that nobody needs as it is."""
        memory = old.base
        value, *indices = [self._copy(each) if each.base is memory else each for each in others]
        params = {**node.params, "is_sum": node.op is scatter_add}
        before = dict.fromkeys([*self._before(memory), memory] if memory.op is identity else self._before(memory))
        inputs = (value, *_widened(indices, value.shape), *before)
        piece = self._noted(Node(part_at, inputs, params, value.aval, node.where))
        return Node(overwrite_at, (old, piece, *indices), params, node.aval, node.where)

    def _before(self, memory: Node) -> list[Node]:
        """What comes before memory is written to: all that reads it, and the parts that were written earlier."""
        return [*self.readers.pop(memory, ()), *(each for each in memory.inputs if each.op.kind == "part")]

    def overwritten(self, node: Node, sources: tuple[Node, ...]) -> Node:
        """An update in place: its part comes after all that reads what was there."""
        old, value, *indices = sources
        memory = old.base
        for output in self.outputs.get(node.inputs[0].base, ()):
            if output not in self.copies and self.made[output].base is memory:
                self.copies[output] = self._copy(self.made[output])
        if node.op is not update:
            return self._scattered(node, old, (value, *indices))
        if value.base is memory:
            seen = value.layout
            region = contiguous(node.shape).slice(node.params["starts"], node.params["steps"], value.shape)
            if seen is None or not are_apart(seen, region, node.shape):
                value = self._copy(value)
        piece = self._piece(value, self._before(memory), node)
        return Node(overwrite, (old, piece), node.params, node.aval, node.where)

    def read_back(self, node: Node) -> None:
        """From here on, who needs the value that an update has written reads it from where it was written."""
        written = self.made[node]
        value = node.inputs[1]
        seen = slice_(written, starts=node.params["starts"], steps=node.params["steps"], sizes=value.shape)
        while True:
            view = reshape_to(seen, value.shape)
            if view.layout is None:
                return
            self.made[value] = view
            if value.op.kind != "view":
                return
            (value,) = value.inputs

    def _parts(
        self, node: Node, sources: Sequence[Node], regions: Sequence[tuple[Any, Any]], *, is_ordered: bool
    ) -> Node:
        pieces: list[Node] = []
        for source in sources:
            pieces.append(self._piece(source, pieces[-1:] if is_ordered else (), node))
        params = {"shape": node.shape, "dtype": node.dtype, "regions": tuple(regions), "is_ordered": is_ordered}
        return Node(assemble, tuple(pieces), params, node.aval, node.where)

    def _piece(self, value: Node, before: Iterable[Node], node: Node) -> Node:
        return self._noted(Node(part, (value, *dict.fromkeys(before)), {}, value.aval, node.where))

    def _copy(self, node: Node) -> Node:
        return self._noted(_copy(node))

    def _noted(self, node: Node) -> Node:
        """A new node, now that it is known as a reader of its operands."""
        if node.op.kind != "view":
            for source in operands(node):
                base = source.base
                if base.op.kind == "assemble" or "reuse" in base.params:
                    self.readers.setdefault(base, []).append(node)
        return node


def _read_while_they_last(graph: Graph, order: Sequence[Node], in_place: frozenset[Node]) -> set[Node]:
    """The updates from whose memory the value that they write can be read whenever it is needed, so that it has no other."""
    updates = [node for node in order if node.op is update]
    readers = readers_of(graph) if updates else {}
    place = {node: k for k, node in enumerate(order)}
    overwritten = {node.inputs[0].base: place[node] for node in in_place}
    outputs = {node.base for node in graph.outputs}
    found = set()
    for node in updates:
        value, views = access(node.inputs[1])
        others = [reader for reader in readers[value] if reader is not node]
        computed = value.op.kind in ("elementwise", "identity", "reduce") and value not in outputs
        reshaped = all(view.op.name == "reshape" for view in views)
        until = overwritten.get(node, len(order))
        if others and computed and reshaped and all(place[node] < place[reader] < until for reader in others):
            found.add(node)
    return found


def _rest(node: Node) -> list[tuple[Ints, Ints]] | None:
    """The boxes around the region that an update writes, by starts and sizes; None if that is small or has gaps."""
    sizes = node.inputs[1].shape
    if 2 * node.inputs[1].aval.size < node.aval.size:
        return None
    boxes: list[tuple[Ints, Ints]] = []
    starts: list[int] = []
    axes = zip(node.shape, node.params["starts"], node.params["steps"], sizes, strict=True)
    for k, (n, start, step, size) in enumerate(axes):
        if abs(step) != 1 and size != 1:
            return None
        first = start if step > 0 else start - size + 1
        for low, high in ((0, first), (first + size, n)):
            if low < high:
                inner, outer = sizes[:k], node.shape[k + 1 :]
                boxes.append(((*starts, low, *(0,) * len(outer)), (*inner, high - low, *outer)))
        starts.append(first)
    return boxes


def _shifts(node: Node, old: Node, value: Node, *others: Node) -> bool:
    """Whether most of an array is replaced by what is read from other places of it, as a stencil does.

    In place that would take memory for the new values and a copy from there; a second array takes only a copy of the rest.
    """
    if node.op is not update or _rest(node) is None:
        return False
    memory = old.base
    region = contiguous(node.shape).slice(node.params["starts"], node.params["steps"], value.shape)
    left: list[tuple[Node, tuple[Node, ...]]] = [access(value)]
    for _ in range(LARGEST_STENCIL):
        if not left:
            break
        base, views = left.pop()
        seen = Access(base, views).layout() if base is memory else None
        if seen is not None and not are_same(seen, region) and not are_apart(seen, region, node.shape):
            return True
        if base.op.kind in ("elementwise", "identity"):
            left += [Access(inner.base, (*inner.views, *views)) for inner in map(access, base.inputs)]
    return False


def _concatenated(sources: Sequence[Node], axis: int) -> list[tuple[Any, Any]]:
    regions, start = [], 0
    for source in sources:
        starts = tuple(start if k == axis else 0 for k in range(source.aval.ndim))
        regions.append((starts, (1,) * source.aval.ndim))
        start += source.shape[axis]
    return regions


def _copy(node: Node) -> Node:
    return Node(identity, (node,), {}, node.aval, node.where)


def _is_strided(node: Node) -> bool:
    """Whether strides can say where the elements lie in memory."""
    return _has_memory(node.base) and node.layout is not None


def _fits_product(node: Node) -> bool:
    """Whether BLAS can read the matrices as they lie: rows or columns without gaps, and no literal in place of memory."""
    layout = node.layout if _has_memory(node.base) else None
    if layout is None:
        return False
    (m, n), (row, column) = layout.shape[-2:], layout.strides[-2:]
    lead = list(zip(layout.shape[:-2], layout.strides[:-2], strict=True))
    is_chain = all(outer[1] == inner[0] * inner[1] for outer, inner in pairwise(lead))
    return is_chain and ((column == 1 and row >= max(n, 1)) or (row == 1 and column >= max(m, 1)))


def _has_rows(node: Node) -> bool:
    """Whether the elements of a row lie one after another in memory."""
    layout = node.layout
    return layout is not None and (layout.strides[-1] == 1 or layout.shape[-1] == 1)


def _widened(indices: Sequence[Node], shape: Ints) -> list[Node]:
    """Index arrays repeated along the axes that come behind theirs."""
    ones = (1,) * (len(shape) - indices[0].aval.ndim)
    columns = [reshape_to(index, (*index.shape, *ones)) for index in indices]
    return [each if each.shape == shape else broadcast_to(each, shape=shape) for each in columns]


def _has_memory(base: Node) -> bool:
    return not (base.op is iota or is_literal(base))


def _is_plain(node: Node) -> bool:
    """Whether the elements lie one after another in memory."""
    layout = node.layout if _has_memory(node.base) else None
    return layout is not None and layout.is_contiguous()


def _is_repeated_literal(node: Node, k: int) -> bool:
    """Whether an operand is one number that a scatter adds at every index."""
    return node.op is scatter_add and k == 1 and is_literal(node.inputs[k].base)


def root_of(node: Node) -> Node:
    """The value in whose memory one was written."""
    node = node.base
    while shares_memory(node):
        node = node.inputs[0].base
    return node


def _owned(graph: Graph, outputs: Sequence[Node]) -> list[Node]:
    """For every output a node that computes into a buffer of its own, in which the elements lie in the output's order.

    Where one value is several outputs, the one whose memory it was written into has the first choice, then one that is to be
    in the memory of an input.
    """
    result: dict[int, Node] = {}
    given: set[Node] = set()
    meant = {node.params.get("reuse") for node in graph.inputs}
    for number in sorted(
        range(len(outputs)), key=lambda k: (root_of(outputs[k]).params.get("reuse") != k, k not in meant)
    ):
        node = outputs[number]
        base = node.base
        is_whole = node.layout == contiguous(node.shape) and base.aval.size == node.aval.size
        computed = is_whole and base.op.kind not in ("input", "leaf") and base not in given
        result[number] = base if computed else _copy(node)
        given.update([base] if computed else [])
    return [result[number] for number in range(len(outputs))]
