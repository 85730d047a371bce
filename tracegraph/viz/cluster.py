"""Fewer boxes for large graphs: a drawing and a group name per box come in, a drawing with one box per group goes out.

A group that computation leaves and enters again is split into parts, so that arrows still all point one way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from tracegraph.ir import Node
from tracegraph.viz.model import Arrow, Box, Drawing

__all__ = ["Cluster", "collapse", "group_names"]

#: How to group: by the user's ``"function"`` or ``"line"``, or by a name for each node that belongs to a group.
Cluster = str | Mapping[Node, str]

_PLACES: Mapping[str, Callable[[Node], str]] = {
    "function": lambda node: node.where.function if node.where else "",
    "line": lambda node: f"{node.where.function}:{node.where.line}" if node.where else "",
}

_INPUTS = frozenset(["input", "parameter"])
_MOST_LINES = 40


def group_names(drawing: Drawing, nodes: Sequence[Node], cluster: Cluster) -> list[str]:
    """The group of each box, empty where it stays alone. Derivatives form groups of their own, marked ``∂``.

    Inputs stay alone unless a mapping says otherwise.
    """
    if not isinstance(cluster, str):
        return [cluster.get(node, "") for node in nodes]
    if cluster not in _PLACES:
        raise ValueError(f'cluster={cluster!r}: expected "function", "line" or a mapping from nodes to group names')
    names = []
    for box, node in zip(drawing.boxes, nodes, strict=True):
        name = "" if box.kind in _INPUTS else _PLACES[cluster](node)
        names.append(f"∂ {name}" if name and box.adjoint else name)
    return names


def collapse(drawing: Drawing, names: Sequence[str]) -> Drawing:
    """Draws each group as one box; boxes whose name is empty, and groups of one, stay as they are.

    >>> a, b = Box("input", "", "x", "", ""), Box("elementwise", "", "+", "f64[]", "")
    >>> chain = Drawing((a, b, b), (Arrow(0, 1), Arrow(1, 2)))
    >>> collapse(chain, ["", "f", "f"]).boxes[1][:4]
    ('group', '', 'f', '2 operations')
    >>> len(collapse(chain, ["f", "", "f"]).boxes)
    3
    """
    part_of = _acyclic_parts(drawing, names)
    members: dict[int, list[int]] = {}
    for k, part in enumerate(part_of):
        members.setdefault(part, []).append(k)
    rank = _by_computation(members, drawing.arrows, part_of)
    repeated = Counter(names[ks[0]] for ks in members.values() if len(ks) > 1)
    numbers = {name: count(1) for name, times in repeated.items() if times > 1}
    boxes = []
    for part in sorted(members, key=rank.__getitem__):
        ks = members[part]
        name = names[ks[0]]
        suffix = f" #{next(numbers[name])}" if len(ks) > 1 and name in numbers else ""
        boxes.append(_group_box(name + suffix, [drawing.boxes[k] for k in ks]))
    return Drawing(tuple(boxes), _arrows_between(drawing, part_of, members, rank), drawing.title)


def _acyclic_parts(drawing: Drawing, names: Sequence[str]) -> list[int]:
    """The part of each box: the latest part of its group that it can join without making a cycle of parts.

    Joining part p makes a cycle just if p lies before another part that the box takes from. ``before[p]`` is the set
    of all parts before p, as the bits of an integer.
    """
    sources = _sources(drawing)
    part_of: list[int] = []
    before: list[int] = []
    latest: dict[str, int] = {}
    for k, name in enumerate(names):
        taken = {part_of[source] for source in sources[k]}
        part = latest.get(name, -1) if name else -1
        if part < 0 or any(before[other] >> part & 1 for other in taken - {part}):
            part = len(before)
            before.append(0)
        if name:
            latest[name] = part
        part_of.append(part)
        new = before[part]
        for other in taken - {part}:
            new |= before[other] | 1 << other
        if before[part] != new:
            joined = len(before) > part + 1
            before[part] = new
            for other in range(len(before)) if joined else ():
                if before[other] >> part & 1:
                    before[other] |= new
    return part_of


def _sources(drawing: Drawing) -> list[list[int]]:
    sources: list[list[int]] = [[] for _ in drawing.boxes]
    for arrow in drawing.arrows:
        sources[arrow.target].append(arrow.source)
    return sources


def _by_computation(
    members: Mapping[int, Sequence[int]], arrows: Sequence[Arrow], part_of: Sequence[int]
) -> dict[int, int]:
    """The place of each part in an order in which every part comes after those it takes from."""
    targets: dict[int, set[int]] = {part: set() for part in members}
    for arrow in arrows:
        if part_of[arrow.source] != part_of[arrow.target]:
            targets[part_of[arrow.source]].add(part_of[arrow.target])
    waiting = Counter(target for several in targets.values() for target in several)
    ready = [part for part in members if not waiting[part]]
    for part in ready:
        for target in sorted(targets[part]):
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return {part: k for k, part in enumerate(ready)}


def _group_box(name: str, boxes: Sequence[Box]) -> Box:
    if len(boxes) == 1:
        return boxes[0]
    lines = [box.tooltip.partition("\n")[0] for box in boxes]
    more = [f"… and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    headings = dict.fromkeys(box.heading for box in boxes if box.heading and box.output)
    return Box(
        "group", ", ".join(headings), name, f"{len(boxes)} operations", "\n".join([name, *lines[:_MOST_LINES], *more]),
        adjoint=any(box.adjoint for box in boxes), output=any(box.output for box in boxes),
    )  # fmt: skip


def _arrows_between(
    drawing: Drawing, part_of: Sequence[int], members: Mapping[int, Sequence[int]], rank: Mapping[int, int]
) -> tuple[Arrow, ...]:
    """One arrow between two parts, however many values go that way; all arrows into a box that stays as it was."""
    arrows: dict[Arrow, None] = {}
    kept = []
    for arrow in drawing.arrows:
        source, target = part_of[arrow.source], part_of[arrow.target]
        if len(members[target]) == 1:
            kept.append(Arrow(rank[source], rank[target], arrow.operand))
        elif source != target:
            arrows[Arrow(rank[source], rank[target])] = None
    return (*kept, *arrows)
