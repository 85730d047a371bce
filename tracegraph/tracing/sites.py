"""The places at which a ``for`` asks for its iterator, and which of these loops may be loops of the graph."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

from tracegraph.tracing.flow import Exit, regions
from tracegraph.tracing.trace import active_trace, users_frame

__all__ = ["Decision", "Items", "Site", "decision", "looped", "targets"]


class Site(NamedTuple):
    """A ``for`` in some code, and where in it that asks for its iterator."""

    code: CodeType
    place: int


class Items(NamedTuple):
    """What a loop goes over.

    Attributes:
        length: how many items there are, known or traced.
        at: the item at a place, known or traced.
    """

    length: Any
    at: Callable[[Any], Any]


def looped(items: Items, frame: FrameType) -> Iterator[Any] | None:
    """The iterator by which a ``for`` in a frame becomes a loop of the graph; None if it does not."""
    trace = active_trace()
    if trace is None or trace.rolling is None:
        return None
    if not any(each.is_for and each.place == frame.f_lasti and each.is_whole for each in regions(frame.f_code)):
        return None
    return trace.rolling(trace, items, frame, Site(frame.f_code, frame.f_lasti))  # type: ignore[no-any-return]


class Decision(NamedTuple):
    """A decision that the user's code makes in a loop that runs as often as it says.

    Attributes:
        site: the loop.
        is_for: whether that is a ``for``.
        exit: how it leaves the loop, if it does on one way.
        frame: what runs.
        place: where in that the decision is made.
    """

    site: Site
    is_for: bool
    exit: Exit | None
    frame: FrameType
    place: int

    @property
    def names(self) -> frozenset[str]:
        """The local names that the loop binds."""
        return next(each.names for each in regions(self.site.code) if each.place == self.site.place)

    @property
    def numbers(self) -> dict[str, Any]:
        """Those of them that stand for numbers that are known."""
        values = self.frame.f_locals
        return {name: values[name] for name in self.names if type(values.get(name)) in (bool, int, float)}


def decision() -> Decision | None:
    """The decision that is being made in the innermost loop."""
    frame = users_frame()
    if frame is None:
        return None
    region = next((each for each in regions(frame.f_code) if each.has(frame.f_lasti)), None)
    if region is None or not region.is_whole:
        return None
    site = Site(frame.f_code, region.place)
    return Decision(site, region.is_for, region.exits.get(frame.f_lasti), frame, frame.f_lasti)


@lru_cache(maxsize=4096)
def targets(site: Site) -> frozenset[str]:
    """The names that a ``for`` binds at each turn before its body runs."""
    names: list[str] = []
    body = iter(dis.get_instructions(site.code))
    waiting = next((1 for each in body if each.offset > site.place and each.opname == "FOR_ITER"), 0)
    for each in body:
        if each.opname == "UNPACK_SEQUENCE":
            waiting += each.argval - 1
        elif each.opname in ("STORE_FAST", "STORE_DEREF", "STORE_NAME", "STORE_GLOBAL"):
            names.append(each.argval)
            waiting -= 1
        elif each.opname == "STORE_FAST_STORE_FAST":
            names += each.argval
            waiting -= 2
        elif each.opname == "STORE_FAST_LOAD_FAST":
            names.append(each.argval[0])
            waiting -= 1
        elif each.opname not in ("EXTENDED_ARG", "CACHE"):
            break
        if waiting <= 0:
            break
    return frozenset(names)
