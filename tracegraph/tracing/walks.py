"""What Python's ``for`` goes over, so that a loop over it can be one of the graph: a range, the elements of an array, and
`enumerate`, `zip` and `reversed` of these. While a trace makes loops of Python's own, those names stand for what makes
*walks*, which act as Python's iterators do until a ``for`` asks for one.
"""

from __future__ import annotations

import builtins
import dis
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType
from typing import Any

from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.sites import Items, looped
from tracegraph.tracing.trace import active_trace

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
        return (looped(self.items, sys._getframe(1)) if self.is_fresh else None) or self

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
    made = builtins.range(*args)
    frame = sys._getframe(2)
    items = _items(made) if active_trace() and _goes_on_to_loop(frame.f_code, frame.f_lasti) else None
    return made if items is None else Walk(items)


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


class _Standin(type):
    """What a name of Python's stands for meanwhile: to be called, and for `isinstance`."""

    make: Callable[..., Any]
    original: type

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls.make(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.original)


_NAMES = {
    original.__name__: _Standin(original.__name__, (), {"make": staticmethod(make), "original": original})
    for original, make in [(range, _range), (enumerate, _enumerate), (zip, _zip), (reversed, _reversed)]
}
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
