"""The fuser: which nodes are computed together in one loop nest, and which values therefore never exist in memory.

A graph comes in (with views, copies and parts settled by `materialise`), a list of kernels in an order of execution goes
out. Nodes are visited from the outputs back, so that when a node is placed all its consumers have been: it is inlined
into the one kernel that needs it, or computed and stored along with a kernel of its own shape, or starts a new kernel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import NamedTuple

import numpy as np

from tracegraph.compiler.cost import weight_of
from tracegraph.compiler.inplace import are_apart, are_same
from tracegraph.compiler.kernel import CallKernel, Decision, Fused, Kernel, LibraryKernel
from tracegraph.compiler.materialise import (
    Access,
    access,
    assemble,
    materialise,
    operands,
    overwrite,
    part_at,
    pick,
    places_in,
    rest_of,
    shares_memory,
    through,
)
from tracegraph.compiler.native import has_kernel, has_phases
from tracegraph.compiler.nesting import Level, Membership, build_nest
from tracegraph.compiler.phases import phases
from tracegraph.compiler.split import split
from tracegraph.ir import Graph, Node, aval_of
from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ops.call import again, result, results
from tracegraph.ops.control import loop
from tracegraph.ops.leaf import input_node, is_literal
from tracegraph.ops.rules import Ints
from tracegraph.ops.shape import reshape

__all__ = ["fuse"]

#: No more instructions than this in one nest: what it takes to compile a kernel grows with its size.
LARGEST_NEST = 64
#: Values are worked out again, rather than kept, while that costs a nest no more than this many additions a point.
RECOMPUTE = 8
#: What is needed in several kernels, at most so many, is worked out in each: up to so many additions from one array.
MOST_COPIES, AGAIN = 8, 6
#: Groups that are looked at to find whether one leads to another.
FARTHEST = 500
#: Groups that are tried for a value that many groups need.
MOST_TRIED = 64
#: The last reductions of an array that are tried for a further one, and groups that are looked at between two of them.
MOST_BESIDE, FARTHEST_BESIDE = 8, 100
#: Values that are looked at to find which arrays two reductions share.
MOST_SOURCES = 32

# Why a value is computed in a kernel that needs it, or isn't.
ALONE = "needed nowhere else"
CHEAP = "cheap enough to be worked out more than once"
COPIED = "worked out in each kernel that needs it, which costs less than to keep it"
STORED = "stored too, as others need it"
REDUCED = "its result is used once it is complete"
NO_NEST = "that is no loop nest"
FULL = "that has as many values as a kernel may have"
AT_INDICES = "any element may be read there, at indices"
NO_STRIDES = "its operands cannot be read by strides there"
OVERWRITTEN = "what it reads may be overwritten there"
INCOMPLETE = "it has to be complete before it is read there"
OTHER_POINTS = "it is needed elsewhere too, and the points there are not its own"
DEAR = "it would be worked out too often"
IN_BETWEEN = "another kernel has to run between the two"


class _Use(NamedTuple):
    """How a value is used: by what, seen through which views, and whether any element may be needed at any point."""

    consumer: Node
    views: tuple[Node, ...]
    is_random: bool = False


class _Group:
    """A kernel in the making.

    Attributes:
        number: the order in which groups were started.
        rank: where it stands in an order in which the kernels can run, lowest first.
        root: the node to which all its nodes lead.
        members: what is computed in it, if it is a loop nest.
        followers: the groups that have to run after it, for they need what it computes or overwrite what it reads.
        leaders: the groups that it follows.
    """

    def __init__(self, number: int, root: Node, *, is_nest: bool) -> None:
        self.number = number
        self.rank = -number
        self.root = root
        self.is_nest = is_nest
        self.members = Membership(root.shape)
        self.followers: set[_Group] = set()
        self.leaders: set[_Group] = set()

    def lead(self, others: Iterable[_Group]) -> bool:
        """Makes others run after this group; False, and nothing is changed, if one of them has to run before it.

        The order is kept up to date as Pearce and Kelly do: only the groups between those in question are looked at and
        moved. Where those are very many the answer is no.
        """
        others = [other for other in others if other is not self]
        late = [other for other in others if other.rank < self.rank]
        if late:
            ahead = _reached(late, lambda group: group.followers, lambda group: group.rank <= self.rank)
            if ahead is None or self in ahead:
                return False
            first = min(other.rank for other in late)
            behind = _reached([self], lambda group: group.leaders, lambda group: group.rank > first)
            if behind is None:
                return False
            moved = [*sorted(behind, key=_rank), *sorted(ahead, key=_rank)]
            for group, rank in zip(moved, sorted(map(_rank, moved)), strict=True):
                group.rank = rank
        self.followers.update(others)
        for other in others:
            other.leaders.add(self)
        return True

    def can_absorb(self, other: _Group) -> bool:
        """Whether two groups can be one: neither leads to the other, and then what leads to one or follows it is made to
        lead to both, or follow both."""
        size = self.members.count + other.members.count
        if size > LARGEST_NEST or self.members.assembled is not None or other.members.assembled is not None:
            return False
        first, last = sorted((self, other), key=_rank)
        between = _reached(
            [first], lambda group: group.followers, lambda group: group.rank <= last.rank, FARTHEST_BESIDE, last
        )
        if between is None:
            return False
        return self.lead(other.followers) and all(leader.lead([self]) for leader in other.leaders)


def _rank(group: _Group) -> int:
    return group.rank


def _reached(
    starts: Iterable[_Group],
    step: Callable[[_Group], set[_Group]],
    within: Callable[[_Group], bool],
    farthest: int = FARTHEST,
    sought: _Group | None = None,
) -> set[_Group] | None:
    """The groups on all ways from some of them within a range; None if there are too many, or the one that is sought."""
    seen = set(starts)
    stack = list(seen)
    while stack:
        for group in step(stack.pop()):
            if group not in seen and within(group):
                seen.add(group)
                stack.append(group)
        if len(seen) > farthest or sought in seen:
            return None
    return seen


def fuse(graph: Graph) -> Fused:
    """Groups the graph's nodes into kernels."""
    settled = materialise(graph)
    fuser = _Fuser(settled)
    groups = fuser.run()
    memory = _shared(settled)
    taken = {(node.inputs[0], node.params["index"]): node for node in settled.nodes if node.op is result}
    kernels: list[Kernel] = []
    numbers: dict[_Group, int] = {}
    for group in groups:
        numbers[group] = len(kernels)
        kernels += _kernels(group, memory, taken, fuser.computed_before(group))
    return Fused(settled, tuple(kernels), tuple(node.aval for node in graph.outputs), fuser.decisions(numbers))


def _computes(node: Node) -> bool:
    return node.op.kind not in ("input", "leaf", "view", "assemble", "result")


class _Fuser:
    """The state of one run over one graph."""

    def __init__(self, graph: Graph) -> None:
        self.order = [node for node in graph.nodes if _computes(node)]
        self.outputs = frozenset(graph.outputs)
        self.uses: dict[Node, list[_Use]] = {node: [] for node in graph.nodes}
        self.later: dict[Node, list[Node]] = {}
        self.places: dict[Node, Layout] = {}
        for node in graph.nodes[len(graph.inputs) :]:
            if node.op.kind != "view":
                for k, source in enumerate(operands(node)):
                    base, views = access(source)
                    self.uses[base].append(_Use(node, views, node.op is pick and k == 0))
                if node.op in (assemble, overwrite):
                    self.places.update(places_in(node))
                if node.op.kind == "part" or node.op is again:
                    for each in node.inputs[len(operands(node)) :]:
                        self.later.setdefault(access(each).base, []).append(node)
        self.cones = _cones(self.order)
        self.group_of: dict[Node, _Group] = {}
        self.copies: dict[Node, list[_Group]] = {}
        self.groups: dict[_Group, None] = {}
        self.numbers = count()
        self.users_of: dict[Node, set[_Group]] = {}
        self.absorbed: dict[_Group, _Group] = {}
        self.reducing: dict[tuple[Node, Ints], deque[Node]] = {}
        self.tried: list[tuple[Node, Node, str]] = []

    def run(self) -> list[_Group]:
        for node in reversed(self.order):
            self._place(node)
        return sorted(self.groups, key=_rank)

    def computed_before(self, group: _Group) -> list[Node]:
        """What stands for other groups that a group has to wait for without reading from them."""
        waiting = [node for views in group.members.views.values() for node in views if node.op is again]
        before = [access(each).base for node in waiting for each in node.inputs[1:]]
        before = [each.inputs[0] if each.op is result else each for each in before]
        return list(dict.fromkeys(self.group_of[each].root for each in before if each in self.group_of))

    def decisions(self, numbers: Mapping[_Group, int]) -> tuple[Decision, ...]:
        """What was decided of values, with the numbers of the kernels."""
        return tuple(
            Decision(node, numbers[self.group_of.get(node, self.group_of[user])], numbers[self.group_of[user]], reason)
            for node, user, reason in self.tried
        )

    def _place(self, node: Node) -> None:
        users = self._users(node)
        followers = users | {self.group_of[each] for each in self.later.get(node, ())}
        if node.op.kind in ("elementwise", "identity", "reduce", "pick") and has_kernel(node):
            inside: dict[_Group, list[_Use]] = {group: [] for group in users}
            is_kept = node in self.outputs
            for use in self.uses[node]:
                if use.consumer.op.kind == "assemble":
                    is_kept = True
                else:
                    for group in self._groups_of(use.consumer):
                        inside[group].append(use)
            if len(users) > 1 and not is_kept and node not in self.later and self._copy(node, inside):
                return
            is_stored = is_kept or len(users) > 1
            for group in sorted(users, key=lambda each: each.number)[:MOST_TRIED]:
                is_done, reason = self._join(node, group, inside[group], followers, is_stored=is_stored)
                self.tried.append((node, group.root, reason))
                if is_done:
                    return
        self._start(node, followers)

    def _users(self, node: Node) -> set[_Group]:
        """The groups that need the node's value; those of a part are the ones that need the whole."""
        found: set[_Group] = set()
        for consumer, *_ in self.uses[node]:
            if consumer.op is result:
                found |= self._users(consumer)
            elif consumer.op.kind != "assemble":
                found.update(self._groups_of(consumer))
            elif node.op.kind == "part":
                if consumer not in self.users_of:
                    self.users_of[consumer] = self._users(consumer)
                found.update(map(self._living, self.users_of[consumer]))
        return found

    def _living(self, group: _Group) -> _Group:
        """A group, or the one that it is part of by now."""
        while group in self.absorbed:
            group = self.absorbed[group]
        return group

    def _groups_of(self, node: Node) -> Sequence[_Group]:
        """Those that compute a node: several if that is done again in each."""
        return self.copies.get(node) or (self.group_of[node],)

    def _copy(self, node: Node, inside: Mapping[_Group, Sequence[_Use]]) -> bool:
        """Computes the node anew in each group that needs it, if that is possible and costs less than to keep it."""
        if len(inside) > MOST_COPIES or node.op.kind != "elementwise":
            return False
        found: list[tuple[_Group, list[tuple[Level, tuple[Node, ...]]]]] = []
        for group, uses in inside.items():
            if not group.is_nest or group.members.count >= LARGEST_NEST or any(use.is_random for use in uses):
                return False
            positions = group.members.positions((use.consumer, use.views) for use in uses)
            if not self._readable(node, positions) or not self._reads_in_time(node, group, positions):
                return False
            found.append((group, positions))
        if self.cones[node] is None and not _are_elsewhere(node, [positions for _, positions in found]):
            return False
        if any(self._worth(node, group.members, positions) == DEAR for group, positions in found):
            return False
        for group, positions in found:
            for level, views in positions:
                group.members.add(node, level, {views})
            self.tried.append((node, group.root, COPIED))
        self.copies[node] = list(inside)
        return True

    def _start(self, node: Node, followers: set[_Group]) -> None:
        group = _Group(next(self.numbers), node, is_nest=has_kernel(node))
        group.members.add(node, Level.BODY, {()})
        group.members.store(node, Level.BODY)
        if node.op.kind == "part":
            group.members.assembled = self.uses[node][0].consumer, self.places.get(node)
        group.lead(followers)
        self.groups[group] = None
        self.group_of[node] = group
        if node.op.kind == "reduce" and group.is_nest:
            self._reduce(node, group)

    def _join(
        self, node: Node, group: _Group, uses: Sequence[_Use], followers: set[_Group], *, is_stored: bool
    ) -> tuple[bool, str]:
        """Computes the node inside a group that has uses of it, if that is possible and pays; and why, or why not."""
        members = group.members
        if not group.is_nest:
            return False, NO_NEST
        if members.count >= LARGEST_NEST:
            return False, FULL
        if any(use.is_random for use in uses) or (node.op.kind == "reduce" and group.root.op is part_at):
            return False, AT_INDICES
        positions = members.positions((use.consumer, use.views) for use in uses)
        if not self._readable(node, positions):
            return False, NO_STRIDES
        if not self._reads_in_time(node, group, positions):
            return False, OVERWRITTEN
        if node.op.kind == "reduce":
            reason = REDUCED if members.can_reduce(node, positions) else INCOMPLETE
        elif is_stored:
            is_alike = len(positions) == 1 and members.shape(positions[0][0]) == node.shape and not positions[0][1]
            reason = STORED if is_alike else OTHER_POINTS
        else:
            reason = self._worth(node, members, positions)
        if reason not in (ALONE, CHEAP, STORED, REDUCED):
            return False, reason
        if not group.lead(followers):
            return False, IN_BETWEEN
        for level, views in positions:
            members.add(node, level, {views})
        if is_stored:
            members.store(node, positions[0][0])
        self.group_of[node] = group
        if node.op.kind == "reduce":
            self._reduce(node, group)
        return True, reason

    def _reduce(self, node: Node, group: _Group) -> None:
        """Makes a node a reduction of its group, and of the group of another one over the same axes that reads some of the
        same arrays: they are read once."""
        group.members.reduce(node)
        self.group_of[node] = group
        others: dict[_Group, None] = {}
        for source in _sources(node):
            beside = self.reducing.setdefault((source, group.members.axes), deque(maxlen=MOST_BESIDE))
            others.update({self.group_of[each]: None for each in beside})
            beside.append(node)
        others.pop(group, None)
        for other in sorted(others, key=lambda each: abs(each.rank - group.rank))[:MOST_BESIDE]:
            if other.can_absorb(group):
                self._absorb(other, group)
                return

    def _absorb(self, group: _Group, other: _Group) -> None:
        """Makes one group of two."""
        group.members.absorb(other.members)
        for each in other.leaders:
            each.followers.remove(other)
        for each in other.followers:
            each.leaders.remove(other)
        for views in other.members.views.values():
            for node in views:
                if node in self.copies:
                    self.copies[node] = [each for each in self.copies[node] if each not in (group, other)] + [group]
                else:
                    self.group_of[node] = group
        self.absorbed[other] = group
        del self.groups[other]

    def _readable(self, node: Node, positions: Iterable[tuple[Level, tuple[Node, ...]]]) -> bool:
        """Whether strides can say how the node's own operands are read from where it is evaluated."""
        if node.op.kind == "reduce":
            return True
        if node.op is pick and any(rest_of(node, views) is None for _, views in positions):
            return False
        layouts = [source.layout for source in node.inputs[node.op is pick :]]
        return all(through(layout, views) is not None for _, views in positions for layout in layouts)

    def _reads_in_time(self, node: Node, group: _Group, positions: Sequence[tuple[Level, tuple[Node, ...]]]) -> bool:
        """Whether its own group has not overwritten an element before the node reads it: what the group writes into may be
        read at the very same point, and where nothing is written."""
        if group.members.assembled is None:
            return True
        whole, region = group.members.assembled
        if not shares_memory(whole):
            return True
        memory = whole.inputs[0].base
        if group.root.op is part_at:
            reads = memory in [source.base for source in operands(node)]
            return not reads or _is_same_place(node, group.root, whole, positions)
        assert region is not None, "what is written at indices was told apart"
        is_reduced = node.op.kind == "reduce" or bool(group.members.reductions)
        if node.op is pick and node.inputs[0].base is memory:
            return False
        for source in node.inputs:
            for level, views in positions if source.base is memory else ():
                seen = source.layout if node.op.kind == "reduce" else through(source.layout, views)
                at_point = not (is_reduced and level is Level.BODY)
                if seen is None or not (are_apart(seen, region, whole.shape) or (at_point and are_same(seen, region))):
                    return False
        return True

    def _worth(self, node: Node, members: Membership, positions: Sequence[tuple[Level, tuple[Node, ...]]]) -> str:
        """Whether it is cheaper to evaluate the node wherever it is needed than to keep it in memory.

        Extents have no say, or another size would be another kernel: what is needed once for each element is inlined; a
        value that is repeated, or needed in several places, is only if little arithmetic is then done again. Of what has to
        be kept anyway the last value is kept: there may be several that lead to it.
        """
        repeats = sum(_is_repeated(views) for _, views in positions)
        if not node.shape or (len(positions) == 1 and not repeats):
            return ALONE
        again = weight_of(node) * (repeats or len(positions) - 1)
        room = RECOMPUTE - members.repeated
        if again > room or (repeats and self._takes_more(node, room)):
            return DEAR
        members.repeated += again
        return CHEAP

    def _takes_more(self, node: Node, room: int) -> bool:
        """Whether there is more arithmetic behind an elementwise value, point by point and for nothing else."""
        found: set[Node] = set()
        waiting = {node.serial: node}
        while waiting:
            each = waiting.pop(max(waiting))
            if each is not node and (each in self.outputs or any(use.consumer not in found for use in self.uses[each])):
                continue
            found.add(each)
            room -= weight_of(each)
            if room < 0:
                return True
            for base in (access(source).base for source in each.inputs):
                if base.op.kind == "elementwise" and base.aval.size == node.aval.size and has_kernel(base):
                    waiting[base.serial] = base
        return False


def _cones(order: Sequence[Node]) -> dict[Node, frozenset[Node] | None]:
    """For each node that is worked out from one array (and numbers, and arrays that are repeated) by little arithmetic, all
    the nodes and that array; None for others. To work such a node out again is to read that array, not the node, which costs
    no more, and then it need not be written."""
    found: dict[Node, frozenset[Node] | None] = {}
    for node in order:
        cone: set[Node] = {node}
        for source in node.inputs if node.op.kind == "elementwise" else ():
            base, views = access(source)
            if not base.shape or is_literal(base) or _is_repeated(views):
                continue
            cone |= found.get(base) or {base}
        arrays = [each for each in cone if each is not node and found.get(each) is None]
        weight = sum(weight_of(each) for each in cone if each not in arrays)
        is_light = node.op.kind == "elementwise" and has_kernel(node) and weight <= AGAIN and len(arrays) <= 1
        is_light = is_light and all(each.dtype.itemsize <= node.dtype.itemsize for each in arrays)
        found[node] = frozenset(cone) if is_light else None
    return found


def _are_elsewhere(node: Node, positions: Sequence[Sequence[tuple[Level, tuple[Node, ...]]]]) -> bool:
    """Whether groups need different elements of a node, so that none is worked out twice."""
    layouts = [[through(contiguous(node.shape), views) for _, views in each] for each in positions]
    return all(
        one is not None and other is not None and are_apart(one, other, node.shape)
        for k, some in enumerate(layouts)
        for others in layouts[:k]
        for one in some
        for other in others
    )


def _sources(node: Node) -> list[Node]:
    """The arrays of a reduction's full shape that it reads or works out on the way."""
    shape = node.inputs[0].shape
    found = {node.inputs[0]: None}
    stack = [node.inputs[0]]
    while stack and len(found) < MOST_SOURCES:
        each = stack.pop()
        if each.op.kind == "elementwise":
            fresh = [source for source in each.inputs if source.shape == shape and source not in found]
            stack.extend(fresh)
            found.update(dict.fromkeys(fresh))
    return [each for each in found if each.op.name != "broadcast_to" and each.op.kind != "leaf"]


def _is_same_place(node: Node, piece: Node, whole: Node, positions: Sequence[tuple[Level, tuple[Node, ...]]]) -> bool:
    """Whether a `pick` reads just what is then written, at indices no two of which are the same."""
    if node.op is not pick or not piece.params["distinct"] or any(views for _, views in positions):
        return False
    same = [(each.base, each.layout) for each in node.inputs[1:]] == [
        (each.base, each.layout) for each in operands(piece)[1:]
    ]
    source, target = node.inputs[0].layout, whole.inputs[0].layout
    return same and node.shape == piece.shape and source == target and node.params["axes"] == piece.params["axes"]


def _is_repeated(views: Sequence[Node]) -> bool:
    """Whether a value is seen through a broadcast."""
    return any(view.op.name == "broadcast_to" for view in views)


def _shared(graph: Graph) -> dict[Node, Node]:
    """For each value whose memory others are written into, the last of those: it stands for the buffer."""
    first: dict[Node, Node] = {}
    last: dict[Node, Node] = {}
    for node in graph.nodes:
        if shares_memory(node):
            before = node.inputs[0].base
            first[node] = first.setdefault(before, before)
            last[first[node]] = node
    return {node: last[start] for node, start in first.items()}


def _kernels(
    group: _Group, memory: Mapping[Node, Node], taken: Mapping[tuple[Node, int], Node], before: Sequence[Node]
) -> tuple[Kernel, ...]:
    if group.is_nest:
        after = tuple(memory.get(node, node) for node in before)
        return tuple(each._replace(after=after) for each in split(build_nest(group.members, memory)))
    root = group.root
    operands = tuple([_in_memory(access(source), memory) for source in root.inputs])
    if has_phases(root):
        return phases(root, operands)
    return (_call(root, operands, taken),) if root.op.kind == "call" else _library(LibraryKernel(root, operands))


def _library(kernel: LibraryKernel) -> tuple[Kernel, ...]:
    """An operation of a library; of a contraction, first the packing of what its tasks share."""
    if not kernel.is_contraction or not kernel.contraction.shared:
        return (kernel,)
    packed = input_node(aval_of((kernel.contraction.packed_bytes,), np.uint8))
    return kernel._replace(packed=packed, packs=True), kernel._replace(packed=packed)


def _call(node: Node, operands: tuple[Access, ...], taken: Mapping[tuple[Node, int], Node]) -> CallKernel:
    """A call, with buffers for all its results, also for those that nobody takes."""
    buffers = [taken.get((node, k), each) for k, each in enumerate(results(node))]
    arenas = [input_node(aval_of((each.arena_bytes,), np.uint8)) for each in node.params["plans"]]
    in_place = dict(node.params["plans"][0].schedule.shared) if node.op is loop else {}
    carries = range(node.params.get("carries", 0))
    spares = [None if k in in_place else input_node(buffers[k].aval) for k in carries]
    return CallKernel(node, operands, tuple(buffers), tuple(arenas), tuple(spares))


def _in_memory(operand: Access, memory: Mapping[Node, Node]) -> Access:
    """How an operand is read from the buffer that it shares."""
    buffer = memory.get(operand.base)
    if buffer is None:
        return operand
    return Access(buffer, (reshape(buffer, shape=operand.base.shape), *operand.views))
