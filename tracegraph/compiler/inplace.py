"""Which updates need no copy: they write into the memory of what they change, because all else has read that by then.

Whatever reads the old value has to come before such a write. That is an order in addition to the graph's own; an update
for which there is no such order keeps the old value apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tracegraph.compiler.native import can_fail, has_phases
from tracegraph.ir import Graph, Node, Shape
from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ops.gather import scatter, scatter_add
from tracegraph.ops.leaf import ANY
from tracegraph.ops.region import concatenate, update

__all__ = ["are_apart", "are_same", "chains_of", "find_in_place", "readers_of", "reusable"]

#: Nodes that may be visited again, for each node of the graph, because an order was tried in vain.
RETRIES = 4
_UPDATES = (update, scatter, scatter_add)


class _Visit:
    """A node before which others have to come: those that it takes, then the readers of what it overwrites."""

    __slots__ = ("awaits_readers", "left", "node")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.left: Iterator[Node] = iter(node.inputs)
        self.awaits_readers = False


def reusable(graph: Graph) -> dict[Node, int]:
    """The inputs that may be written over, and which output, or `ANY`, is to be in their memory at the end.

    An argument that the function changes has to be as it was if there is an error, so it may not be where one is possible.
    """
    found: dict[Node, int] = {node: node.params["reuse"] for node in graph.inputs if "reuse" in node.params}
    if any(node.params["is_lent"] for node in found) and any(map(can_fail, graph.nodes)):
        found = {node: reuse for node, reuse in found.items() if not node.params["is_lent"]}
    return found


def chains_of(graph: Graph) -> list[list[Node]]:
    """For inputs that may be written over, the updates one after another that make an output of them."""
    chains: dict[Node, list[Node]] = {}
    free = reusable(graph)
    for number, output in enumerate(graph.outputs if free else ()):
        chain: list[Node] = []
        node = output
        while _is_whole(node) and node.base.op in _UPDATES:
            chain.append(node.base)
            node = node.base.inputs[0]
        if chain and _is_whole(node) and free.get(node.base) in (number, ANY):
            chains.setdefault(node.base, chain[::-1])
    return list(chains.values())


def find_in_place(graph: Graph, chains: Iterable[list[Node]] = ()) -> tuple[list[Node], frozenset[Node]]:
    """The nodes in an order in which nothing reads a value after it was overwritten, and the updates that overwrite one.

    Inputs are overwritten only by these chains of updates.

    One depth-first walk. Where it comes back to a node that it has not left, the last update on the way there that was
    waiting for readers is done by copying instead.
    """
    first = {chain[0] for chain in chains}
    targets = {node: node.inputs[0].base for node in graph.nodes if node in first or _may_overwrite(node)}
    readers = readers_of(graph) if targets else {}
    order: dict[Node, None] = dict.fromkeys(graph.inputs)
    found: list[Node] = []
    retries = RETRIES * len(graph.nodes)
    for root in graph.nodes:
        if root not in targets and root not in order and all(source in order for source in root.inputs):
            order[root] = None
        stack = [] if root in order else [_Visit(root)]
        entered = {visit.node for visit in stack}
        while stack:
            visit = stack[-1]
            needed = next((each for each in visit.left if each not in order and each is not visit.node), None)
            if needed in entered:
                while not stack[-1].awaits_readers:
                    entered.remove(stack.pop().node)
                    retries -= 1
                del targets[stack[-1].node]
                stack[-1].left = iter(())
            elif needed is not None:
                stack.append(_Visit(needed))
                entered.add(needed)
            elif visit.node in targets and not visit.awaits_readers and retries > 0:
                visit.awaits_readers = True
                visit.left = iter(readers[targets[visit.node]])
            else:
                entered.remove(stack.pop().node)
                order[visit.node] = None
                if visit.awaits_readers and visit.node in targets:
                    found.append(visit.node)
    return list(order), frozenset(found)


def _may_overwrite(node: Node) -> bool:
    """Whether a node is an update of a buffer that was written piece by piece, in the order of that buffer."""
    if node.op not in _UPDATES or has_phases(node):
        return False
    old = node.inputs[0]
    return old.base.op in (update, concatenate, scatter, scatter_add) and _is_whole(old)


def _is_whole(node: Node) -> bool:
    """Whether a view shows all of its buffer, in the order of that."""
    return node.layout == contiguous(node.shape) and node.aval.size == node.base.aval.size


def readers_of(graph: Graph) -> dict[Node, list[Node]]:
    """For each node, what reads its value; for the views that are outputs, those."""
    readers: dict[Node, list[Node]] = {node: [] for node in graph.nodes}
    for node in graph.nodes[len(graph.inputs) :]:
        if node.op.kind != "view":
            for source in node.inputs:
                readers[source.base].append(node)
    for node in graph.outputs:
        readers[node.base].append(node)
    return readers


# -- regions of one buffer ---------------------------------------------------------------------------------------------


class _Span(NamedTuple):
    """The places of a layout along one axis of its buffer: from first to last, all at multiples of step from the first."""

    first: int
    last: int
    step: int


def are_same(one: Layout, other: Layout) -> bool:
    """Whether each element of the one lies where that of the other does."""
    axes = zip(one.shape, one.strides, other.strides, strict=False)
    return one.shape == other.shape and one.offset == other.offset and all(n == 1 or a == b for n, a, b in axes)


def are_apart(one: Layout, other: Layout, shape: Shape) -> bool:
    """Whether two layouts over a buffer of a shape share no element, as far as is plain to see."""
    if 0 in one.shape or 0 in other.shape:
        return True
    a, b = _reach(one), _reach(other)
    if a.last < b.first or b.last < a.first:
        return True
    spans = zip(_spans(one, shape) or (), _spans(other, shape) or (), strict=False)
    return any(_miss(a, b) for a, b in spans)


def _reach(layout: Layout) -> _Span:
    moves = [(n - 1) * stride for n, stride in zip(layout.shape, layout.strides, strict=True)]
    below, above = sum(move for move in moves if move < 0), sum(move for move in moves if move > 0)
    return _Span(layout.offset + below, layout.offset + above, 1)


def _spans(layout: Layout, shape: Shape) -> list[_Span] | None:
    """A span for each axis of the buffer; None if the layout crosses from one row of the buffer to another."""
    strides = contiguous(shape).strides
    at, rest = [], layout.offset
    for stride in strides:
        index, rest = divmod(rest, stride)
        at.append(_Span(index, index, 0))
    for n, stride in zip(layout.shape, layout.strides, strict=True):
        if n == 1 or stride == 0:
            continue
        k = next(k for k, whole in enumerate(strides) if abs(stride) >= whole)
        step, rest = divmod(abs(stride), strides[k])
        if rest:
            return None
        first, last, known = at[k]
        moved = (n - 1) * step
        at[k] = _Span(*((first, last + moved) if stride > 0 else (first - moved, last)), math.gcd(known, step))
    inside = all(span.first >= 0 and span.last < n for span, n in zip(at, shape, strict=True))
    return at if inside else None


def _miss(a: _Span, b: _Span) -> bool:
    """Whether two spans share no place: one ends before the other begins, or they interleave."""
    common = math.gcd(a.step, b.step)
    return a.last < b.first or b.last < a.first or (common > 1 and (a.first - b.first) % common != 0)
