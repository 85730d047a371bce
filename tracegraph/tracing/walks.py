"""What Python's ``for`` goes over, so that a loop over it can be one of the graph: a range, the elements of an array, and
`enumerate`, `zip` and `reversed` of these. While a trace makes loops of Python's own, those names stand for what makes
*walks*, which act as Python's iterators do until a ``for`` asks for one.
"""

from __future__ import annotations

import builtins
import dis
import functools
import operator
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from tracegraph.ir import Node, Op
from tracegraph.ops.elementwise import greater, less, maximum, minimum, where
from tracegraph.tracing.lift import node_of
from tracegraph.tracing.nested import Leaf, common, placed
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.sites import Items, looped
from tracegraph.tracing.slots import UnrolledError, is_number
from tracegraph.tracing.trace import Trace, active_trace

__all__ = ["loop_names"]


def _items(value: Any) -> Items | None:
    """What a walk over a value goes over; None if that is not known, or not known to be the same each time."""
    if type(value) is Walk:
        return value.items if value.is_fresh else None
    if type(value) is builtins.range:
        return Items(len(value), lambda k: value.start + k * value.step)
    if type(value) is Placeholder and value.shape:
        return Items(value.shape[0], value.__getitem__)
    return None


class Walk:
    """An iterator over items; a ``for`` gets one from the trace that knows how to make a loop of it."""

    __slots__ = ("_place", "items")

    def __init__(self, items: Items) -> None:
        self.items = items
        self._place = 0

    @property
    def is_fresh(self) -> bool:
        """Whether it has given nothing yet."""
        return self._place == 0

    def __iter__(self) -> Iterator[Any]:
        found = looped(self.items, sys._getframe(1)) if self.is_fresh else None
        if found is None and type(self.items.length) is Placeholder:
            raise UnrolledError
        return found or self

    def __next__(self) -> Any:
        if self._place == self.items.length:
            raise StopIteration
        self._place += 1
        return self.items.at(self._place - 1)


@lru_cache(maxsize=4096)
def _goes_on_to_loop(code: CodeType, place: int) -> bool:
    """Whether what is called at a place goes straight to a ``for``."""
    after = next((each for each in dis.get_instructions(code) if each.offset > place), None)
    return after is not None and after.opname == "GET_ITER"


def _range(*args: Any) -> Any:
    """A range, which can do more than be walked over, unless it is asked for nothing else."""
    trace, frame = active_trace(), sys._getframe(2)
    goes_on = trace is not None and _goes_on_to_loop(frame.f_code, frame.f_lasti)
    traced = [each for each in args if type(each) is Placeholder and each.is_scalar and each.dtype.kind in "iu"]
    if trace is not None and goes_on and any(trace.is_rolled(each.node) for each in traced):
        return Walk(_between(trace, *args))
    made = builtins.range(*args)
    items = _items(made) if goes_on else None
    return made if items is None else Walk(items)


def _between(trace: Trace, first: Any, stop: Any = None, step: Any = 1) -> Items:
    """What a range goes over some of whose bounds are traced."""
    start, stop = (0, first) if stop is None else (first, stop)
    step = operator.index(step)
    if not step:
        raise ValueError("range() arg 3 must not be zero")
    ends: list[Any] = [
        each if type(each) is Placeholder else placed(trace, Leaf.of(each, "range")) for each in (start, stop)
    ]
    room = (ends[1] - ends[0] if step > 0 else ends[0] - ends[1]) + (abs(step) - 1)
    length = np.maximum(room // abs(step) if abs(step) > 1 else room, 0)
    (_, most), (low, _), (_, high) = (
        trace.spans.of(trace.spans.form(each.node)) for each in (length, *(ends if step > 0 else ends[::-1]))
    )

    def at(place: Any) -> Any:
        item = place * step + start
        trace.spans.bound(place.node, 0, most - 1)
        trace.spans.bound(item.node, low + (step < 0), high - (step > 0))
        return item.fresh(item.node, int)

    return Items(length, at)


def _enumerate(iterable: Iterable[Any], start: int = 0) -> Any:
    items = _items(iterable) if active_trace() else None
    if items is None or type(start) is not int:
        return builtins.enumerate(iterable, start)
    return Walk(Items(items.length, lambda k: (start + k, items.at(k))))


def _zip(*iterables: Iterable[Any], strict: bool = False) -> Any:
    found = [_items(each) for each in iterables] if active_trace() else []
    every = [each for each in found if each is not None]
    lengths = {each.length for each in every}
    if not every or len(every) < len(iterables) or (strict and len(lengths) > 1):
        return builtins.zip(*iterables, strict=strict)
    return Walk(Items(min(lengths), lambda k: tuple([each.at(k) for each in every])))


def _reversed(sequence: Any) -> Any:
    items = _items(sequence) if active_trace() and type(sequence) is not Walk else None
    if items is None:
        return builtins.reversed(sequence)
    return Walk(Items(items.length, lambda k: items.at(items.length - 1 - k)))


def _extreme(original: Callable[..., Any], whole: Op, compare: Op) -> Callable[..., Any]:
    """Python's `max` or `min`, which of traced numbers chooses one without going on in a way for each."""

    def choose(one: Node, other: Node) -> Node:
        return whole(one, other) if one.dtype.kind in "iu" else where(compare(other, one), other, one)

    def function(*args: Any, **kwargs: Any) -> Any:
        numbers = args[0] if len(args) == 1 and type(args[0]) in (list, tuple) else args
        trace = active_trace()
        traced = [each for each in numbers if type(each) is Placeholder and each.is_scalar] if trace else []
        if trace is None or kwargs or not any(trace.is_rolled(each.node) for each in traced):
            return original(*args, **kwargs)
        kind = common([Leaf.of(each, original.__name__) for each in numbers]) if all(map(is_number, numbers)) else None
        if kind is None:
            return original(*args, **kwargs)
        chosen = functools.reduce(choose, [node_of(each, kind.node.dtype) for each in numbers])
        return placed(trace, kind._replace(node=chosen))

    return function


class _Standin(type):
    """What a name of Python's stands for meanwhile: to be called, and for `isinstance`."""

    make: Callable[..., Any]
    original: type

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls.make(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.original)


_NAMES: dict[str, Any] = {
    original.__name__: _Standin(original.__name__, (), {"make": staticmethod(make), "original": original})
    for original, make in [(range, _range), (enumerate, _enumerate), (zip, _zip), (reversed, _reversed)]
}
_NAMES |= {"max": _extreme(builtins.max, maximum, greater), "min": _extreme(builtins.min, minimum, less)}
_lock = threading.Lock()
_users: Counter[int] = Counter()


@contextmanager
def loop_names(spaces: Iterable[dict[str, Any]]) -> Iterator[None]:
    """For the ``with`` block, Python's own names stand for what makes walks, in these modules' names."""
    spaces = list(spaces)
    with _lock:
        for space in spaces:
            _users[id(space)] += 1
            for name, function in _NAMES.items():
                space.setdefault(name, function)
    try:
        yield
    finally:
        with _lock:
            for space in spaces:
                _users[id(space)] -= 1
                if not _users[id(space)]:
                    for name, function in _NAMES.items():
                        if space.get(name) is function:
                            del space[name]
