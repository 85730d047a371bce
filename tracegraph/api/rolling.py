"""Python's own ``for`` loops as loops of the graph, for functions that take too many steps to be written out.

The body of a loop runs once as it is, for the first item. Then it runs on placeholders for what one turn takes from the
turn before: each time that the loop asks for its next item, it is seen which names and elements the body has bound anew
since, and they are bound to what the next run is to see. `loops.looping` says when nothing changes any more; the loop is
then told that it has ended, and the function goes on with what the last turn leaves.

What a turn leaves and the next one does not take, like a view of an array at the turn's own place, is *spent*: to use it is
refused. A loop for which this is not possible is written out, as it is where nobody makes loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from types import FrameType
from typing import Any

from tracegraph.api.loops import INT, looping
from tracegraph.ops.elementwise import add
from tracegraph.ops.leaf import literal
from tracegraph.tracing import (
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
    is_number,
    placed,
)  # fmt: skip
from tracegraph.tree import flatten

__all__ = ["Rolling"]

#: A loop of fewer turns is written out.
LEAST_TURNS = 8


class Rolling:
    """Makes loops of the graph, in one trace.

    Args:
        refused: the loops that can only be written out.
        spaces: the names of the modules whose functions may run.

    Attributes:
        open: the loops whose bodies are running, outermost first.
    """

    def __init__(self, refused: set[Site], spaces: Sequence[dict[str, Any]]) -> None:
        self._refused = refused
        self.spaces = spaces
        self.open: list[Site] = []

    def __call__(self, trace: Trace, items: Items, frame: FrameType, site: Site) -> Iterator[Any] | None:
        """The iterator that a loop goes over."""
        if site in self._refused or items.length < LEAST_TURNS or trace.is_caught():
            return None
        return self._rolled(trace, items, frame, site)

    def refuse(self) -> None:
        """Ends the trace if a body is running, for which there is no loop of the graph."""
        if self.open:
            raise UnrolledError(self.open[-1])

    def _rolled(self, trace: Trace, items: Items, frame: FrameType, site: Site) -> Iterator[Any]:
        self.open.append(site)
        before = self._slots(frame)
        yield items.at(0)
        loop = _Loop(trace, items, site, before, self._slots(frame))
        while not loop.is_done:
            yield from loop.attempt(lambda: self._slots(frame))
        self.open.pop()

    def _slots(self, frame: FrameType) -> Slots:
        try:
            return Slots(frame)
        except UnknownError:
            raise UnrolledError(self.open[-1]) from None


class _Loop:
    """One loop, whose body is run until it is known what a turn takes from the one before.

    Attributes:
        is_done: whether that is so, and the loop is part of the graph.
    """

    def __init__(self, trace: Trace, items: Items, site: Site, before: Slots, start: Slots) -> None:
        self.is_done = False
        self._trace = trace
        self._items = items
        self._site = site
        self._start = start
        self._carried = [
            key
            for key, value in start.values.items()
            if key in before.values and is_number(value) and not are_same(value, before.values[key])
        ]
        self._spent: dict[Key, None] = {}
        self._given: dict[Key, tuple[int, ...]] = {}

    def attempt(self, look: Callable[[], Slots]) -> Iterator[Any]:
        """Runs the body until it gives what it takes, or turns out to take or leave more than was known."""
        start, site = self._start.values, self._site
        steps = looping("for", self._trace, [start[key] for key in self._carried], length=self._items.length - 1)
        with closing(steps):
            place, carry = self._advance(lambda: next(steps))
            while True:
                took = {**dict(zip(self._carried, carry, strict=True)), **dict.fromkeys(self._spent, Spent(site))}
                self._start.put(took)
                memory = self._trace.contents()
                item = self._items.at(placed(self._trace, Leaf(add(place, literal(1, INT)), int, is_scalar=True)))
                yield item
                left = look()
                self._check_marks(left)
                changed = self._changed(left, {**start, **took})
                known = len(self._carried) + len(self._spent) + len(self._given)
                self._sort(changed, left, item, memory)
                if len(self._carried) + len(self._spent) + len(self._given) > known or len(carry) < len(self._carried):
                    self._start.put({key: start[key] for key in {*changed, *took}})
                    return
                values = [left.values[key] for key in self._carried]
                try:
                    place, carry = self._advance(lambda values=values: steps.send((values, None)))  # type: ignore[misc]
                except StopIteration as end:
                    self._finish(end.value[0])
                    return

    def _advance(self, step: Callable[[], Any]) -> Any:
        """What to run the body on next; a body that gives something else than it takes is written out."""
        try:
            return step()
        except TypeError:
            raise UnrolledError(self._site) from None

    def _check_marks(self, left: Slots) -> None:
        for each, mark in self._start.marks.items():
            if left.marks.get(each, mark) != mark:
                raise UnrolledError(self._site)

    def _changed(self, left: Slots, expected: dict[Key, Any]) -> list[Key]:
        """The slots that are bound to something else than they were before the turn."""
        return [
            key
            for key, value in left.values.items()
            if self._start.holds(key) and not (key in expected and are_same(value, expected[key]))
        ]

    def _sort(self, changed: list[Key], left: Slots, item: Any, memory: dict[Storage, Any]) -> None:
        """What has changed is carried on, or is the turn's own item, or spent."""
        owners: dict[Storage, Key] = {}
        for key in changed:
            value = left.values[key]
            path = _path(item, value)
            if path is not None:
                self._given[key] = path
                continue
            self._given.pop(key, None)
            if key in self._spent:
                continue
            if key in self._start.values and _is_own(value, self._start.values[key], key, memory, owners):
                if key not in self._carried:
                    self._carried.append(key)
            else:
                self._spent[key] = None
                if key in self._carried:
                    self._carried.remove(key)

    def _finish(self, last: list[Any]) -> None:
        """Binds everything to what the last turn leaves."""
        item = self._items.at(self._items.length - 1)
        given = {}
        for key, path in self._given.items():
            part = item
            for place in path:
                part = part[place]
            given[key] = part
        spent = dict.fromkeys(self._spent, Spent(self._site))
        self._start.put({**dict(zip(self._carried, last, strict=True)), **spent, **given})
        self.is_done = True


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
    if Spent in (type(value), type(before)):
        return False
    leaves, structure = flatten(value)
    starts, kind = flatten(before)
    if structure != kind or not all(type(each) is Placeholder or is_number(each) for each in (*leaves, *starts)):
        return False
    arrays = [each.storage for each in leaves if type(each) is Placeholder and not each.is_scalar]
    return not any(storage in memory or owners.setdefault(storage, key) != key for storage in arrays)
