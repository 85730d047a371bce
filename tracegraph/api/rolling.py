"""Python's own ``for`` loops as loops of the graph, for functions that take too many steps to be written out.

The body of a loop runs once as it is, for the first item. Then it runs on placeholders for what one turn takes from the
turn before: each time that the loop asks for its next item, it is seen which names and elements the body has bound anew
since, and they are bound to what the next run is to see. `loops.looping` says when nothing changes any more; the loop is
then told that it has ended, and the function goes on with what the last turn leaves.

What a turn leaves and the next one does not take, like a view of an array at the turn's own place, is *spent*: to use it is
refused. A loop for which this is not possible is written out, as it is where nobody makes loops.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from types import FrameType
from typing import Any

import numpy as np

from tracegraph import pipeline
from tracegraph.api.loops import INT, looping
from tracegraph.api.ways import Way, joined
from tracegraph.compiler.native import is_step
from tracegraph.ir import Graph, Node
from tracegraph.ops.elementwise import add
from tracegraph.ops.leaf import literal
from tracegraph.tracing import (
    Enclosed,
    Form,
    Growing,
    Items,
    Key,
    Leaf,
    Placeholder,
    Site,
    Slots,
    Spent,
    Storage,
    Trace,
    UnknownError,
    UnrolledError,
    are_same,
    assign,
    common,
    has_traced_bounds,
    is_number,
    pick,
    placed,
    targets,
)
from tracegraph.tracing.lift import cast
from tracegraph.tree import flatten

__all__ = ["Rolling"]

#: A loop of fewer turns is written out.
LEAST_TURNS = 8
#: A body that goes on by more values than this, or in more ways, is written out.
MOST_DECISIONS = 8
MOST_WAYS = 12


class Rolling:
    """Makes loops of the graph, in one trace.

    Args:
        refused: the loops that can only be written out.
        spaces: the names of the modules whose functions may run.

    Attributes:
        open: the loops whose bodies are running, outermost first.
        failed: the loops that turned out to be none, whoever has caught the error that said so.
        made: the loops that are part of the graph.
    """

    def __init__(self, refused: set[Site], spaces: Sequence[dict[str, Any]]) -> None:
        self._refused = refused
        self.spaces = spaces
        self.open: list[_Loop] = []
        self.failed: set[Site] = set()
        self.made: set[Site] = set()

    def __call__(self, trace: Trace, items: Items, frame: FrameType, site: Site) -> Iterator[Any] | None:
        """The iterator that a loop goes over."""
        is_short = type(items.length) is int and items.length < LEAST_TURNS
        if site in self._refused or is_short or trace.is_caught():
            return None
        return self._rolled(trace, items, frame, site)

    def decide(self, node: Node) -> np.ndarray:
        """What the body that runs takes a value of its own to be, by which it goes on."""
        return self.open[-1].decide(node)

    def is_growing(self, index: Any) -> bool:
        """Whether an index has a slice in it that is another one at each turn of an open loop."""
        return bool(self.open) and has_traced_bounds(index)

    pick = staticmethod(pick)
    assign = staticmethod(assign)

    def _rolled(self, trace: Trace, items: Items, frame: FrameType, site: Site) -> Iterator[Any]:
        if type(items.length) is int:
            yield items.at(0)  # as it is, in whatever runs around the loop
        loop = _Loop(trace, items, frame, site)
        self.open.append(loop)
        while not loop.is_done:
            yield from loop.attempt()
        self.open.pop()
        self.made.add(site)


class _Loop:
    """One loop, whose body is run until it is known what a turn takes from the one before.

    Attributes:
        site: the loop in the user's code.
        is_done: whether the loop is part of the graph.
    """

    def __init__(self, trace: Trace, items: Items, frame: FrameType, site: Site) -> None:
        self.site = site
        self.is_done = False
        self._trace = trace
        self._items = items
        self._frame = frame
        self._first = int(type(items.length) is int)
        self._start = self._look()
        self._start.put(dict.fromkeys(self._start.unbound, Spent(site)))
        self._targets = {(id(frame), name) for name in targets(site)}
        self._start = self._look()
        self._carried: list[Key] = []
        self._spent: dict[Key, None] = {}
        self._given: dict[Key, tuple[int, ...]] = {}
        self._lists: dict[int, list[Any]] = {}
        self._kinds: list[tuple[int, Leaf]] = []
        self._forks = False
        self._ahead: list[bool] = []
        self._way = Way([])

    def decide(self, node: Node) -> np.ndarray:
        """Goes one way after the other, if the body can go on in two."""
        decisions = self._way.decisions
        outcome = next((outcome for each, outcome in decisions if each is node), None)
        if outcome is None:
            outcome = self._compared(node)
        if outcome is None:
            if node.dtype != bool or len(decisions) == MOST_DECISIONS:
                raise UnrolledError(self.site)
            self._forks = True
            outcome = self._ahead[len(decisions)] if len(decisions) < len(self._ahead) else True
            decisions.append((node, outcome))
        return np.array(outcome)

    def _compared(self, node: Node) -> bool | None:
        """Whether a comparison of whole numbers holds, if their bounds, or another comparison on this way, tell."""
        spans = self._trace.spans
        margin = spans.margin(node)
        if margin is None:
            return None
        low, high = spans.of(margin)
        if low >= 0 or high < 0:
            return high < 0
        contrary = Form(-1, frozenset()).minus(margin)
        known = {spans.margin(each): outcome for each, outcome in self._way.decisions}
        return known[margin] if margin in known else None if contrary not in known else not known[contrary]

    def attempt(self) -> Iterator[Any]:
        """Runs the body until it gives what it takes, or turns out to take or leave more than was known."""
        start = self._start.values
        init = [start[key] for key in self._carried]
        if self._first:
            steps = looping("for", self._trace, init, length=self._items.length - 1)
        else:
            steps = looping("for", self._trace, init, turns=cast(self._items.length.node, INT))
        with closing(steps):
            place, carry = self._advance(lambda: next(steps))
            while True:
                took = {**dict(zip(self._carried, carry, strict=True)), **dict.fromkeys(self._spent, Spent(self.site))}
                known = self._known()
                turn = self._branching(place, took) if self._forks else self._straight(place, took)
                values = yield from turn
                if self._known() != known:
                    self._restore(took)
                    return
                try:
                    place, carry = self._advance(lambda values=values: steps.send(values))  # type: ignore[misc]
                except StopIteration as end:
                    last, stacks, node = end.value
                    if _has_steps(node.params["body"]):
                        raise UnrolledError(self.site) from None
                    self._restore(took)
                    self._finish(last, stacks)
                    return

    def _restore(self, took: Iterable[Key]) -> None:
        """Binds everything to what it was before the first turn."""
        start = self._start.values
        self._start.put({key: start[key] for key in {*self._changed(self._look(), start), *took}})
        for number, kept in self._lists.items():
            self._start.sequence(number)[:] = kept

    def _straight(self, place: Node, took: dict[Key, Any]) -> Generator[Any, None, tuple[list[Any], list[Any]]]:
        """One run of the body; gives what is carried on, and what is appended to lists."""
        self._way = Way([])
        growing = {number: Growing(self.site, self) for number in self._lists}
        lists = {key: growing[id(value)] for key, value in self._start.values.items() if id(value) in growing}
        took = {**took, **lists}
        self._start.put(took)
        memory = self._trace.contents()
        if self._first:
            self._trace.spans.bound(place, 0, self._items.length - 2)
            place = add(place, literal(1, INT))
        item = self._items.at(placed(self._trace, Leaf(place, int, is_scalar=True)))
        yield item
        left = self._look()
        self._check_marks(left)
        self._sort(self._changed(left, {**self._start.values, **took}), left, item, memory)
        added = [(number, value) for number, each in growing.items() for value in each.added()]
        self._kinds = [(number, self._element(value)) for number, value in added]
        return [left.values[key] for key in self._carried], [value for _, value in added]

    def _element(self, value: Any) -> Leaf:
        """What kind of an element a list gets."""
        if not (is_number(value) or (type(value) is Placeholder and value.shape)):
            raise UnrolledError(self.site)
        return Leaf.of(value, "for")

    def _branching(self, place: Node, took: dict[Key, Any]) -> Generator[Any, None, tuple[list[Any], list[Any]]]:
        """A run for each way through the body, and branches of the graph that choose between them."""
        turn = placed(self._trace, Leaf(place, int, is_scalar=True))
        known = self._known()
        ways: list[Way] = []
        ahead: list[bool] | None = []
        enclosed = Enclosed(self._trace, "for")
        while ahead is not None:
            self._ahead = ahead
            with enclosed.inside() as gathered:
                values = yield from self._straight(turn.node, took)
                if self._known() != known:
                    return [], []
                gathered(values)
            ways.append(self._way)
            ahead = self._way.after()
            if len(ways) > MOST_WAYS:
                raise UnrolledError(self.site)
        kinds = [common(column) for column in zip(*(each.leaves for each in enclosed.found), strict=True)]
        if None in kinds or any(each.structure != enclosed.found[0].structure for each in enclosed.found):
            raise UnrolledError(self.site)
        leaves = [kind for kind in kinds if kind is not None]
        added = leaves[len(leaves) - len(self._kinds) :]
        self._kinds = [(number, leaf) for (number, _), leaf in zip(self._kinds, added, strict=True)]
        results = [
            [cast(leaf.node, kind.node.dtype) for leaf, kind in zip(each.leaves, leaves, strict=True)]
            for each in enclosed.found
        ]
        made = joined(list(zip(ways, enclosed.outputs(results), strict=True)), 0, enclosed.inputs)
        return enclosed.settle(Graph(enclosed.inputs, made).splice(enclosed.sources), leaves)  # type: ignore[no-any-return]

    def _look(self) -> Slots:
        try:
            return Slots(self._frame)
        except UnknownError:
            raise UnrolledError(self.site) from None

    def _known(self) -> tuple[int, ...]:
        """Grows with what is known of the body."""
        slots = len(self._given) + 2 * len(self._carried) + 3 * len(self._spent)
        return slots, len(self._lists), self._forks

    def _advance(self, step: Callable[[], Any]) -> Any:
        """What to run the body on next; a body that gives something else than it takes is written out."""
        try:
            return step()
        except TypeError:
            raise UnrolledError(self.site) from None

    def _check_marks(self, left: Slots) -> None:
        """What has changed besides slots can only be a list that has got more elements."""
        for each, mark in self._start.marks.items():
            if left.marks.get(each, mark) != mark:
                grown = self._start.sequence(each)
                if len(grown) < mark or each in self._lists or not self._first:
                    raise UnrolledError(self.site)
                self._lists[each] = grown[:mark]

    def _changed(self, left: Slots, expected: dict[Key, Any]) -> list[Key]:
        """The slots that are bound to something else than they were before the turn."""
        return [k for k, value in left.values.items() if k in expected and not are_same(value, expected[k])]

    def _sort(self, changed: list[Key], left: Slots, item: Any, memory: dict[Storage, Any]) -> None:
        """What has changed is the turn's own item under a name that the loop binds, or carried on, or spent; it only ever goes
        on in this order."""
        owners: dict[Storage, Key] = {}
        for key in changed:
            value = left.values[key]
            path = _path(item, value) if key in self._targets and key not in self._carried else None
            if key in self._spent:
                continue
            if path is not None:
                self._given[key] = path
                continue
            self._given.pop(key, None)
            if _is_own(value, self._start.values[key], key, memory, owners):
                if key not in self._carried:
                    self._carried.append(key)
            else:
                self._spent[key] = None
                if key in self._carried:
                    self._carried.remove(key)

    def _finish(self, last: list[Any], stacks: Sequence[Placeholder]) -> None:
        """Binds everything to what the last turn leaves; of a loop that may have none, not the items."""
        given = dict.fromkeys(self._given, Spent(self.site))
        if self._first:
            item = self._items.at(self._items.length - 1)
            given = {key: functools.reduce(operator.getitem, path, item) for key, path in self._given.items()}
        spent = dict.fromkeys(self._spent, Spent(self.site))
        self._start.put({**dict(zip(self._carried, last, strict=True)), **spent, **given})
        for turn in range(self._items.length - 1 if self._lists else 0):
            for (number, kind), stack in zip(self._kinds, stacks, strict=True):
                element = stack[turn]
                self._start.sequence(number).append(
                    element.fresh(element.node, kind.weak) if kind.is_scalar else element
                )
        self.is_done = True


def _has_steps(body: Graph) -> bool:
    """Whether there are steps of Python in the body of a loop, which take more time there than in the function itself."""
    return any(map(_is_step, pipeline.lower(pipeline.optimise(body)).nodes))


def _is_step(node: Node) -> bool:
    inside = [each for each in (node.params.get("body"), *node.params.get("branches", ())) if each is not None]
    return any(_is_step(each) for graph in inside for each in graph.nodes) if inside else is_step(node)


def _path(item: Any, value: Any) -> tuple[int, ...] | None:
    """Where in the item of a turn a value is."""
    if value is item:
        return ()
    for place, part in enumerate(item if type(item) is tuple else ()):
        path = _path(part, value)
        if path is not None:
            return (place, *path)
    return None


def _is_own(value: Any, before: Any, key: Key, memory: dict[Storage, Any], owners: dict[Storage, Key]) -> bool:
    """Whether a value can be carried: arrays and numbers, nested as before, in memory that was made for this slot alone."""
    if {Spent, Growing} & {type(value), type(before)}:
        return False
    leaves, structure = flatten(value)
    starts, kind = flatten(before)
    if structure != kind or not all(type(each) is Placeholder or is_number(each) for each in (*leaves, *starts)):
        return False
    arrays = [each.storage for each in leaves if type(each) is Placeholder and not each.is_scalar]
    return not any(storage in memory or owners.setdefault(storage, key) != key for storage in arrays)
