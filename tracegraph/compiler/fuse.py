"""The fuser: which nodes are computed together in one loop nest, and which values therefore never exist in memory.

A graph comes in (with views, copies and parts settled by `materialise`), a list of kernels in an order of execution goes
out. Nodes are visited from the outputs back, so that when a node is placed all its consumers have been: it is inlined
into the one kernel that needs it, or computed and stored along with a kernel of its own shape, or starts a new kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tracegraph.compiler.cost import weight_of
from tracegraph.compiler.kernel import Fused, Kernel, LibraryKernel
from tracegraph.compiler.materialise import Access, access, materialise
from tracegraph.compiler.native import has_kernel
from tracegraph.compiler.nesting import Level, Membership, build_nest
from tracegraph.compiler.split import split
from tracegraph.ir import Graph, Node

__all__ = ["fuse"]

#: No more instructions than this in one nest: what it takes to compile a kernel grows with its size.
LARGEST_NEST = 64
#: Values are worked out again, rather than kept, while that costs a nest no more than this many additions a point.
RECOMPUTE = 8


class _Use(NamedTuple):
    consumer: Node
    views: tuple[Node, ...]


class _Group:
    """A kernel in the making.

    Attributes:
        number: the order in which groups were started.
        first, last: where its first and its last node (its root, to which all its nodes lead) stand in the graph.
        members: what is computed in it, if it is a loop nest.
        followers: the groups that need what it computes.
    """

    def __init__(self, number: int, root: Node, place: int, *, is_nest: bool) -> None:
        self.number = number
        self.root = root
        self.first = self.last = place
        self.is_nest = is_nest
        self.members = Membership(root.shape)
        self.followers: set[_Group] = set()

    def reaches(self, goal: _Group) -> bool:
        """Whether the goal needs, directly or not, what this group computes."""
        seen: set[_Group] = set()
        stack = [self]
        while stack:
            group = stack.pop()
            if goal in group.followers:
                return True
            for follower in group.followers:
                # What begins behind the goal's end leads nowhere near it; without this, long graphs take quadratic time.
                if follower.first < goal.last and follower not in seen:
                    seen.add(follower)
                    stack.append(follower)
        return False


def fuse(graph: Graph) -> Fused:
    """Groups the graph's nodes into kernels."""
    settled = materialise(graph)
    groups = _Fuser(settled).run()
    kernels = tuple(kernel for group in groups for kernel in _kernels(group))
    return Fused(settled, kernels, tuple(node.aval for node in graph.outputs))


def _computes(node: Node) -> bool:
    return node.op.kind not in ("input", "leaf", "view", "assemble")


class _Fuser:
    """The state of one run over one graph."""

    def __init__(self, graph: Graph) -> None:
        self.order = [node for node in graph.nodes if _computes(node)]
        self.place = {node: place for place, node in enumerate(self.order)}
        self.outputs = frozenset(graph.outputs)
        self.uses: dict[Node, list[_Use]] = {node: [] for node in graph.nodes}
        for node in graph.nodes[len(graph.inputs) :]:
            if node.op.kind != "view":
                for source in node.inputs:
                    base, views = access(source)
                    self.uses[base].append(_Use(node, views))
        self.group_of: dict[Node, _Group] = {}
        self.groups: list[_Group] = []

    def run(self) -> list[_Group]:
        for node in reversed(self.order):
            self._place(node)
        return _in_order(self.groups)

    def _place(self, node: Node) -> None:
        uses = self.uses[node]
        followers = self._followers(node)
        if node.op.kind in ("elementwise", "identity", "reduce") and has_kernel(node):
            for group in sorted(followers, key=lambda each: each.number):
                if self._join(node, group, uses, followers):
                    return
        self._start(node, followers)

    def _followers(self, node: Node) -> set[_Group]:
        """The groups that need the node's value; those of a part are the ones that need the whole."""
        found: set[_Group] = set()
        for consumer, _ in self.uses[node]:
            if consumer.op.kind == "assemble":
                found |= self._followers(consumer)
                if node.op.kind == "part" and consumer.params["is_ordered"]:
                    found |= {self.group_of[piece] for piece in consumer.inputs[consumer.inputs.index(node) + 1 :]}
            else:
                found.add(self.group_of[consumer])
        return found

    def _start(self, node: Node, followers: set[_Group]) -> None:
        group = _Group(len(self.groups), node, self.place[node], is_nest=has_kernel(node))
        group.members.add(node, Level.BODY, {()})
        group.members.store(node, Level.BODY)
        if node.op.kind == "reduce" and group.is_nest:
            group.members.reduce(node)
        elif node.op.kind == "part":
            group.members.assembled = self.uses[node][0].consumer
        group.followers = followers
        self.groups.append(group)
        self.group_of[node] = group

    def _join(self, node: Node, group: _Group, uses: Sequence[_Use], followers: set[_Group]) -> bool:
        """Computes the node inside a group of its consumers, if that is possible and pays."""
        if not group.is_nest or group.members.count >= LARGEST_NEST:
            return False
        members = group.members
        positions = members.positions((use.consumer, use.views) for use in uses)
        if not self._readable(node, positions):
            return False
        stored = node in self.outputs or len(followers) > 1 or any(use.consumer.op.kind == "assemble" for use in uses)
        if node.op.kind == "reduce":
            possible = members.can_reduce(node, positions)
        elif stored:
            possible = len(positions) == 1 and members.shape(positions[0][0]) == node.shape and not positions[0][1]
        else:
            possible = self._pays(node, members, positions)
        if not possible or (stored and self._entangled(group, followers)):
            return False
        for level, views in positions:
            members.add(node, level, {views})
        if stored:
            members.store(node, positions[0][0])
        if node.op.kind == "reduce":
            members.reduce(node)
        group.followers |= followers - {group}
        group.first = self.place[node]
        self.group_of[node] = group
        return True

    def _entangled(self, group: _Group, followers: set[_Group]) -> bool:
        """Whether another kernel that needs the value has to run before this group."""
        return any(other is not group and other.reaches(group) for other in followers)

    def _readable(self, node: Node, positions: Iterable[tuple[Level, tuple[Node, ...]]]) -> bool:
        """Whether strides can say how the node's own operands are read from where it is evaluated."""
        if node.op.kind == "reduce":
            return True
        sources = [access(source) for source in node.inputs]
        return all(
            Access(base, (*inner, *views)).layout() is not None for _, views in positions for base, inner in sources
        )

    def _pays(self, node: Node, members: Membership, positions: Sequence[tuple[Level, tuple[Node, ...]]]) -> bool:
        """Whether it is cheaper to evaluate the node wherever it is needed than to keep it in memory.

        Extents have no say, or another size would be another kernel: what is needed once for each element is inlined; a
        value that is repeated, or needed in several places, is only if little arithmetic is then done again.
        """
        repeats = sum(_is_repeated(views) for _, views in positions)
        if not node.shape or (len(positions) == 1 and not repeats):
            return True
        again = weight_of(node) * (repeats or len(positions) - 1)
        if members.repeated + again > RECOMPUTE:
            return False
        members.repeated += again
        return True


def _is_repeated(views: Sequence[Node]) -> bool:
    """Whether a value is seen through a broadcast."""
    return any(view.op.name == "broadcast_to" for view in views)


def _in_order(groups: Sequence[_Group]) -> list[_Group]:
    """The groups, each after those whose values it needs; otherwise as their nodes came in the graph."""
    waiting = [0] * len(groups)
    for group in groups:
        for follower in group.followers:
            waiting[follower.number] += 1
    ready = [group for group in groups if waiting[group.number] == 0]
    result: list[_Group] = []
    while ready:
        group = ready.pop()
        result.append(group)
        for follower in sorted(group.followers, key=lambda each: each.number):
            waiting[follower.number] -= 1
            if waiting[follower.number] == 0:
                ready.append(follower)
    return result


def _kernels(group: _Group) -> tuple[Kernel, ...]:
    if group.is_nest:
        return split(build_nest(group.members))
    return (LibraryKernel(group.root, tuple([access(source) for source in group.root.inputs])),)
