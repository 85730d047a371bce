"""The places at which a ``for`` asks for its iterator, and which of these loops may be loops of the graph."""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

from tracegraph.tracing.trace import active_trace, caught_in

__all__ = ["Items", "Site", "looped", "targets"]


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
    if trace is None or trace.rolling is None or not _loops(frame.f_code).get(frame.f_lasti):
        return None
    return trace.rolling(trace, items, frame, Site(frame.f_code, frame.f_lasti))  # type: ignore[no-any-return]


#: What a loop must not do if its body is to run other than as often as it says: leave, or give items to somebody.
_LEAVES = frozenset(
    {"RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE", "LIST_APPEND", "SET_ADD", "MAP_ADD", "RETURN_GENERATOR", "SEND"}
)
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
_SUSPENDED = 0x20 | 0x80 | 0x200


@lru_cache(maxsize=4096)
def _loops(code: CodeType) -> dict[int, bool]:
    """Where in some code a ``for`` asks for its iterator, and whether it always goes on to its end, catching no errors."""
    found: dict[int, bool] = {}
    body = list(dis.get_instructions(code))
    for k, each in enumerate(body):
        if each.opname != "GET_ITER":
            continue
        rest = [after for after in body[k + 1 : k + 4] if after.opname not in ("EXTENDED_ARG", "CACHE")]
        if not rest or rest[0].opname != "FOR_ITER":
            continue
        first, last = rest[0].offset, rest[0].argval
        inside = [after for after in body[k + 1 :] if first < after.offset < last]
        found[each.offset] = (
            not code.co_flags & _SUSPENDED
            and not any(after.opname in _LEAVES for after in inside)
            and not any(start < last and each.offset < end for start, end in caught_in(code))
            and all(body[k + 1].offset <= after.argval < last for after in inside if after.opcode in _JUMPS)
        )
    return found


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
