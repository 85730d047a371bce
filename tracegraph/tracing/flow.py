"""Where the loops of some code are, and by which decisions they are left: by those of a ``while``, and by ``break``."""

from __future__ import annotations

import dis
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import CodeType
from typing import Any, NamedTuple

from tracegraph.tracing.trace import caught_in

__all__ = ["Exit", "Region", "regions"]

#: What a loop must not do if its body is to run other than as often as it says: leave, or give items to somebody.
_LEAVES = frozenset(
    {"RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE", "LIST_APPEND", "SET_ADD", "MAP_ADD", "RETURN_GENERATOR", "SEND"}
)
_RETURNS = frozenset({"RETURN_VALUE", "RETURN_CONST"})
_JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))
_ALWAYS = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_ABSOLUTE"})
_SUSPENDED = 0x20 | 0x80 | 0x200
#: So many instructions are compared to find that two places go on alike.
_MOST_ALIKE = 8


class Exit(NamedTuple):
    """A decision that goes to what comes after a loop.

    Attributes:
        outcome: what it is then.
        moves: names that are bound on the way, each to the value of another name or to a constant.
    """

    outcome: bool
    moves: tuple[tuple[str, str | None, Any], ...] = ()


class Region(NamedTuple):
    """A loop in some code.

    Attributes:
        head: its first instruction.
        end: what comes after its last one.
        place: where it asks for its iterator; of a ``while`` its head.
        is_for: whether it is a ``for``.
        exits: the decisions by which it is left, by their places.
        is_whole: whether it is left by these alone, and at its end, and catches no errors.
        names: the local names that are bound in it.
    """

    head: int
    end: int
    place: int
    is_for: bool
    exits: Mapping[int, Exit]
    is_whole: bool
    names: frozenset[str]

    def has(self, place: int) -> bool:
        return self.head <= place < self.end


@lru_cache(maxsize=4096)
def regions(code: CodeType) -> tuple[Region, ...]:
    """The loops in some code, inner ones first."""
    return tuple(_Code(code).regions())


class _Code:
    """Instructions, by their places."""

    def __init__(self, code: CodeType) -> None:
        self._code = code
        self._body = list(dis.get_instructions(code))
        self._number = {each.offset: k for k, each in enumerate(self._body)}

    def regions(self) -> Iterator[Region]:
        is_suspended = bool(self._code.co_flags & _SUSPENDED)
        spans = sorted(self._spans(), key=lambda span: span[1] - span[0])
        taken: set[int] = set()
        for head, end, place, is_for in spans:
            own = {each.offset for each in self._body if head <= each.offset < end} - taken
            taken |= own
            exits = self._exits(head, end, own, is_for=is_for)
            is_caught = any(start < end and head < stop for start, stop in caught_in(self._code))
            is_whole = not (is_suspended or is_caught) and self._stays(head, end, exits)
            inside = [each for each in self._body if head <= each.offset < end]
            names = frozenset(each.argval for each in inside if each.opname in ("STORE_FAST", "STORE_DEREF"))
            yield Region(head, end, place, is_for, exits, is_whole, names)

    def _spans(self) -> Iterator[tuple[int, int, int, bool]]:
        """The first instruction of each loop, what comes after it, where it begins, and whether it is a ``for``."""
        last: dict[int, int] = {}
        for k, each in enumerate(self._body):
            if each.opname == "FOR_ITER":
                while self._body[k - 1].opname == "EXTENDED_ARG":
                    k -= 1
                before = self._body[k - 1]
                if before.opname == "GET_ITER":
                    yield self._body[k].offset, each.argval, before.offset, True
            elif each.opcode in _JUMPS and each.argval <= each.offset:
                last[each.argval] = max(last.get(each.argval, 0), k)
        for head, k in last.items():
            if self._at(self._past(head)).opname != "FOR_ITER":
                yield head, self._body[k].offset + 1, head, False

    def _exits(self, head: int, end: int, own: set[int], *, is_for: bool) -> dict[int, Exit]:
        goal = end if is_for else None
        found = {}
        for place in sorted(own):
            outcomes = self._outcomes(place)
            if goal is None:
                goal = next((to for to in outcomes.values() if self._is_outside(to, head, end)), None)
            ways = {outcome: self._moves_to(to, goal, is_for=is_for) for outcome, to in outcomes.items()}
            leaving = [Exit(outcome, moves) for outcome, moves in ways.items() if moves is not None]
            if len(leaving) == 1:
                found[place] = leaving[0]
        return found

    def _moves_to(self, place: int, goal: int | None, *, is_for: bool) -> tuple[Any, ...] | None:
        """What names are bound to on the straight way to what comes after a loop, from a ``for`` having dropped the
        iterator; None if there is no such way."""
        moves: list[tuple[str, str | None, Any]] = []
        while goal is not None and len(moves) < _MOST_ALIKE:
            if not is_for and self._are_alike(place, goal):
                return tuple(moves)
            place = self._rest(place)
            first, then = self._at(place), self._at(self._next(place))
            if is_for and first.opname == "POP_TOP":
                return tuple(moves) if self._are_alike(then.offset, goal) else None
            if first.opname not in ("LOAD_FAST", "LOAD_CONST") or then.opname != "STORE_FAST":
                return None
            moves.append((then.argval, first.argval if first.opname == "LOAD_FAST" else None, first.argval))
            place = self._next(then.offset)
        return None

    def _stays(self, head: int, end: int, exits: Mapping[int, Exit]) -> bool:
        """Whether a loop is left by its exits and at its end alone."""
        begin = self._past(head)
        is_for = self._at(begin).opname == "FOR_ITER"
        seen: set[int] = {head, begin} if is_for else set()
        stack = [self._next(begin) if is_for else head]
        while stack:
            place = stack.pop()
            each = self._at(place)
            if place in seen:
                continue
            seen.add(place)
            if each.opname in _LEAVES or not head <= place < end:
                return False
            outcomes = self._outcomes(place)
            if outcomes:
                stack += [
                    to for outcome, to in outcomes.items() if place not in exits or exits[place].outcome is not outcome
                ]
            elif each.opname in _ALWAYS:
                stack.append(each.argval)
            else:
                stack += [self._next(place), *([each.argval] if each.opcode in _JUMPS else [])]
        return True

    def _outcomes(self, place: int) -> dict[bool, int]:
        """Where a decision goes; nothing for other instructions."""
        each = self._at(place)
        if not each.opname.startswith("POP_JUMP") or not each.opname.endswith(("IF_TRUE", "IF_FALSE")):
            return {}
        jumps = each.opname.endswith("IF_TRUE")
        return {jumps: each.argval, not jumps: self._next(place)}

    def _is_outside(self, place: int, head: int, end: int) -> bool:
        """Whether it goes straight out of a loop, or to a return."""
        for _ in range(_MOST_ALIKE):
            place = self._rest(place)
            each = self._at(place)
            if not head <= place < end or each.opname in _RETURNS:
                return True
            if each.opcode in _JUMPS:
                return False
            place = self._next(place)
        return False

    def _are_alike(self, one: int, other: int) -> bool:
        """Whether two places come to the same: short ways to a return are written twice."""
        for _ in range(_MOST_ALIKE):
            one, other = self._rest(one), self._rest(other)
            first, second = self._at(one), self._at(other)
            if one == other:
                return True
            if (first.opname, first.argrepr) != (second.opname, second.argrepr) or first.opcode in _JUMPS:
                return False
            if first.opname in _RETURNS:
                return True
            one, other = self._next(one), self._next(other)
        return False

    def _rest(self, place: int) -> int:
        """Where it goes on, past what does nothing but jump."""
        seen = set()
        while place not in seen:
            seen.add(place)
            each = self._at(place)
            if each.opname in _ALWAYS:
                place = each.argval
            elif each.opname in ("NOP", "EXTENDED_ARG", "END_FOR"):
                place = self._next(place)
        return place

    def _past(self, place: int) -> int:
        """Where the instruction is whose long argument begins at a place."""
        while self._at(place).opname == "EXTENDED_ARG":
            place = self._next(place)
        return place

    def _at(self, place: int) -> dis.Instruction:
        return self._body[self._number[place]]

    def _next(self, place: int) -> int:
        return self._body[min(self._number[place] + 1, len(self._body) - 1)].offset
