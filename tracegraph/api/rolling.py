"""Python's own loops as loops of the graph, for functions that take too many steps to be written out.

The body of a loop runs once as it is, for the first item. Then it runs on placeholders for what one turn takes from the
turn before: each time that the loop asks for its next item, it is seen which names and elements the body has bound anew
since, and they are bound to what the next run is to see. `loops.looping` says when nothing changes any more; the loop is
then told that it has ended, and the function goes on with what the last turn leaves.

A ``while`` is run in the same way each time that its condition is asked for. Ways that leave a loop, by a ``break`` or by a
further condition of a ``while``, are never run: they leave what there is at their decision.

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
from tracegraph.api.loops import BOOL, INT, looping
from tracegraph.api.ways import Way, joined
from tracegraph.compiler.native import is_step
from tracegraph.ir import Graph, Node
from tracegraph.ops.call import results
from tracegraph.ops.elementwise import add, less, logical_not
from tracegraph.ops.leaf import literal
from tracegraph.tracing import (
    Decision,
    Enclosed,
    Exit,
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
    bind,
    common,
    decision,
    has_traced_bounds,
    is_number,
    pick,
    placed,
    targets,
    unknown,
)
from tracegraph.tracing.lift import cast
from tracegraph.tree import flatten

__all__ = ["Rolling"]

#: A loop of fewer turns is written out.
LEAST_TURNS = 8
#: A body that goes on by more values than this, or in more ways, is written out.
MOST_DECISIONS = 8
MOST_WAYS = 12
TRUE = literal(True, BOOL)


class Rolling:
    """Makes loops of the graph, in one trace.

    Args:
        refused: the loops that can only be written out.
        spaces: the names of the modules whose functions may run.

    Attributes:
        open: the loops whose bodies are running, outermost first, and those that were left meanwhile.
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

    def turn(self, trace: Trace, node: Node) -> np.ndarray | None:
        """What a decision by which a loop may be left is taken to be; None of other values.

        As long as the body of a loop is run, it is never left. That of a ``while`` is run once more each time that its first
        condition is asked for, and it is left there at last. The numbers that a body of such a loop binds are not known any
        more once it has made a decision: else a condition of these alone would be decided as long as they are.
        """
        here = decision() if node.dtype == bool else None
        if here is None or here.site in self._refused or trace.is_caught():
            return None
        loop = next((loop for loop in self.open if loop.is_of(here)), None)
        if here.exit is not None and loop is not None and not loop.begins_at(here):
            return loop.decide(node)
        if here.is_for:
            return None
        if loop is None:
            bind(here.frame, {name: unknown(trace, value) for name, value in here.numbers.items()})
        if here.exit is None or here.exit.moves:
            return None
        goes_on = logical_not(node) if here.exit.outcome else node
        if loop is None:
            loop = _Loop(trace, None, here, goes_on)
            loop.runs = self._made(loop)
        loop.goes_on = goes_on
        has_ended = next(loop.runs, self) is self
        return np.array(here.exit.outcome is has_ended)

    def is_growing(self, index: Any) -> bool:
        """Whether an index has a slice in it that is another one at each turn of an open loop."""
        return bool(self.open) and has_traced_bounds(index)

    pick = staticmethod(pick)
    assign = staticmethod(assign)

    def _rolled(self, trace: Trace, items: Items, frame: FrameType, site: Site) -> Iterator[Any]:
        if type(items.length) is int:
            yield items.at(0)  # as it is, in whatever runs around the loop
        yield from self._made(_Loop(trace, items, Decision(site, True, None, frame, site.place)))

    def _made(self, loop: _Loop) -> Iterator[Any]:
        """Runs the body of a loop until that is part of the graph. One that is left before then stays open."""
        self.open.append(loop)
        while not loop.is_done:
            yield from loop.attempt()
        self.open.remove(loop)
        self.made.add(loop.site)


class _Loop:
    """One loop, whose body is run until it is known what a turn takes from the one before.

    Attributes:
        site: the loop in the user's code.
        is_done: whether the loop is part of the graph.
    """

    def __init__(self, trace: Trace, items: Any, begin: Decision, goes_on: Node = TRUE) -> None:
        self.site = begin.site
        self.is_done = False
        self.runs: Iterator[Any] = iter(())
        self._begin = begin
        self._trace = trace
        self._items = items
        self._frame = begin.frame
        self._first = int(items is not None and type(items.length) is int)
        self._start = self._look()
        self._start.put(dict.fromkeys(self._start.unbound, Spent(self.site)))
        self._targets = {(id(self._frame), name) for name in targets(self.site)} if items is not None else set()
        self._start = self._look()
        self._carried: list[Key] = []
        self._spent: dict[Key, None] = {}
        self._given: dict[Key, tuple[int, ...]] = {}
        self._lists: dict[int, list[Any]] = {}
        self._kinds: list[tuple[int, Leaf]] = []
        self._forks = False
        self._leaves = items is None
        self._ahead: list[bool] = []
        self._way = Way([], set())
        self._left: Callable[[Callable[[], Node], Exit | None], list[Any]]
        self._leave: Callable[[list[tuple[Node, bool]], Exit], None] = lambda decisions, exit: None
        self._is_entered = self.goes_on = goes_on
        if items is not None:
            turns = literal(items.length - 1, INT) if self._first else cast(items.length.node, INT)
            self._turns, self._is_entered = turns, less(literal(0, INT), turns)

    def is_of(self, here: Decision) -> bool:
        """Whether a decision is made in it."""
        return here.frame is self._frame and here.site == self.site

    def begins_at(self, here: Decision) -> bool:
        """Whether that is where the turns of a ``while`` begin."""
        return here == self._begin

    def decide(self, node: Node) -> np.ndarray:
        """Goes one way after the other, if the body can go on in two. A way that leaves the loop is known at once."""
        here = decision()
        exit = here.exit if here is not None and self.is_of(here) else None
        decisions = self._way.decisions
        outcome = next((outcome for each, outcome in decisions if each is node), None)
        outcome = self._compared(node) if outcome is None else outcome
        if outcome is not None:
            if exit is not None and outcome is exit.outcome:
                raise UnrolledError(self.site)
            return np.array(outcome)
        if node.dtype != bool or len(decisions) == MOST_DECISIONS:
            raise UnrolledError(self.site)
        is_new = len(decisions) >= len(self._ahead)
        self._forks, self._leaves = True, self._leaves or exit is not None
        if exit is None:
            outcome = is_new or self._ahead[len(decisions)]
        else:
            outcome = not exit.outcome
            self._way.closed.add(len(decisions))
            if is_new:
                self._leave([*decisions, (node, exit.outcome)], exit)
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
        start, leaves = self._start.values, self._leaves
        if leaves and self._lists:
            raise UnrolledError(self.site)
        init = [start[key] for key in self._carried]
        if leaves:
            init = [placed(self._trace, Leaf(self._is_entered, None, is_scalar=True)), *init]
            steps = looping("while", self._trace, init, cond=operator.itemgetter(0))
        elif self._first:
            steps = looping("for", self._trace, init, length=self._items.length - 1)
        else:
            steps = looping("for", self._trace, init, turns=self._turns)
        with closing(steps):
            place, carry = self._advance(lambda: next(steps))
            while True:
                took = dict(zip(self._carried, carry[leaves:], strict=True)) | dict.fromkeys(
                    self._spent, Spent(self.site)
                )
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
                    self._finish(last[leaves:], stacks, results(node)[-1])
                    return

    def _restore(self, took: Iterable[Key]) -> None:
        """Binds everything to what it was before the first turn."""
        start = self._start.values
        self._start.put({key: start[key] for key in {*self._changed(self._look(), start), *took}})
        for number, kept in self._lists.items():
            self._start.sequence(number)[:] = kept

    def _straight(self, place: Node, took: dict[Key, Any]) -> Generator[Any, None, tuple[list[Any], list[Any]]]:
        """One run of the body; gives what is carried on, and what is appended to lists."""
        self._way = Way([], set())
        growing = {number: Growing(self.site, self) for number in self._lists}
        lists = {key: growing[id(value)] for key, value in self._start.values.items() if id(value) in growing}
        took = {**took, **lists}
        self._start.put(took)
        memory = self._trace.contents()
        item = self._item(place)

        def left(goes_on: Callable[[], Node], exit: Exit | None = None) -> list[Any]:
            found, own = self._look(), id(self._frame)
            for name, other, value in exit.moves if exit is not None else ():
                found.values[own, name] = value if other is None else found.values[own, other]
            self._check_marks(found)
            changed = self._changed(found, {**self._start.values, **took})
            if self._items is None and any(key[0] == own and key[1] not in self._begin.names for key in changed):
                raise UnrolledError(self.site)  # it was left, and entered again
            self._sort(changed, found, item, memory)
            flag = [placed(self._trace, Leaf(goes_on(), None, is_scalar=True))] if self._leaves else []
            return [*flag, *(found.values[key] for key in self._carried)]

        self._left = left
        yield item
        values = left(lambda: self._goes_on_after(place))
        added = [(number, value) for number, each in growing.items() for value in each.added()]
        self._kinds = [(number, self._element(value)) for number, value in added]
        return values, [value for _, value in added]

    def _item(self, place: Node) -> Any:
        """What the turn at a place goes over."""
        if self._items is None:
            return None
        if self._first:
            self._trace.spans.bound(place, 0, self._items.length - 2)
            place = add(place, literal(1, INT))
        return self._items.at(placed(self._trace, Leaf(place, int, is_scalar=True)))

    def _goes_on_after(self, place: Node) -> Node:
        """Whether there is a turn after that at a place."""
        return self.goes_on if self._items is None else less(add(place, literal(1, INT)), self._turns)

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

                def leave(decisions: list[tuple[Node, bool]], exit: Exit) -> None:
                    values: Any = self._left(lambda: literal(False, BOOL), exit), []
                    if self._known() == known:
                        gathered(values)
                        ways.append(Way(decisions, set()))

                self._leave = leave
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
        return slots, len(self._lists), self._forks, self._leaves

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
        """What has changed is the turn's own item under a name that the loop binds, or carried on, or spent; it only goes on
        in this order."""
        owners: dict[Storage, Key] = {}
        for key in changed:
            value = left.values[key]
            is_read = (
                type(value) is Placeholder and value.is_scalar and value.weak is None
            )  # from what may be written to
            path = _path(item, value) if key in self._targets and key not in self._carried and not is_read else None
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

    def _finish(self, last: list[Any], stacks: Sequence[Placeholder], count: Node) -> None:
        """Binds everything to what the last turn leaves; of a loop that may have none, not the items."""
        given = dict.fromkeys(self._given, Spent(self.site))
        if self._first and given:
            place: Any = self._items.length - 1
            if self._leaves:
                self._trace.spans.bound(count, 1, place)
                place = placed(self._trace, Leaf(count, int, is_scalar=True))
            item = self._items.at(place)
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
