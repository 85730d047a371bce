"""What a function does to the dicts, lists and dataclasses that it is given.

It is called on containers built anew, around other leaves. If it binds an element, a key or an attribute of one to
something else, what it returns is wrapped: a `Renewed` goes through the graph like any value, and the caller's own
containers are brought to the same contents once the call has succeeded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tracegraph.api.tracer import Given
from tracegraph.errors import TraceError

__all__ = ["Contents", "Renewed"]


class Renewed(NamedTuple):
    """What a function returns, and what it left in containers among its arguments.

    Attributes:
        value: what it returns.
        numbers: the places of the changed containers among all parts of the arguments.
        contents: a list of the elements, or a dict of keys or attributes, of each.
    """

    value: Any
    numbers: Any
    contents: list[Any]

    def put_back(self, values: Iterable[Any]) -> Any:
        """Brings the caller's containers to what they hold now, and gives what the function returned."""
        parts = list(_parts(values))
        numbers = _own_value(self.numbers)
        for number in numbers:
            if sum(part is parts[number] for part in parts) > 1:
                raise TraceError(
                    f"a {type(parts[number]).__name__} that the function changes is among its arguments twice; pass a copy"
                )
        for number, contents in zip(numbers, self.contents, strict=True):
            _fill(parts[number], contents, parts)
        return self.value


class Contents:
    """What the containers among some values hold, before a function is called on them."""

    def __init__(self, values: Iterable[Any]) -> None:
        self._parts = list(_parts(values))
        self._number = {id(part): number for number, part in enumerate(self._parts)}
        self._before = {number: _held(part) for number, part in enumerate(self._parts) if _is_open(part)}

    def __bool__(self) -> bool:
        return bool(self._before)

    def after(self, value: Any) -> Any:
        """What the function returned, with what it has changed."""
        held = {number: _held(self._parts[number]) for number in self._before}
        changed = tuple(number for number, before in self._before.items() if not _are_same(before, held[number]))
        if not changed:
            return value
        return Renewed(value, Given(changed), [self._marked(held[number]) for number in changed])

    def _marked(self, held: dict[Any, Any] | list[Any]) -> Any:
        """The contents of a container, with marks for what the caller has himself."""
        if isinstance(held, list):
            return [self._mark(part) for part in held]
        return {key: self._mark(part) for key, part in held.items()}

    def _mark(self, part: Any) -> Any:
        number = self._number.get(id(part))
        return part if number is None else Given(_Own(number))


class _Own:
    """Stands for one of the parts of the caller's arguments."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


def _parts(values: Iterable[Any]) -> Iterator[Any]:
    """All containers and leaves that there are, in a fixed order."""
    for value in values:
        yield value
        if isinstance(value, (dict, list, tuple)):
            yield from _parts(value.values() if isinstance(value, dict) else value)
        elif _is_dataclass(value):
            yield from _parts([getattr(value, field.name) for field in dataclasses.fields(value)])


def _is_dataclass(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _is_open(value: Any) -> bool:
    """Whether a value is a container that can be changed."""
    return isinstance(value, (dict, list)) or _is_dataclass(value)


def _held(container: Any) -> dict[Any, Any] | list[Any]:
    """The elements of a container, or its attributes."""
    if isinstance(container, (dict, list)):
        return container.copy()
    fields = {field.name: getattr(container, field.name) for field in dataclasses.fields(container)}
    return {**fields, **getattr(container, "__dict__", {})}


def _are_same(before: dict[Any, Any] | list[Any], after: dict[Any, Any] | list[Any]) -> bool:
    if len(before) != len(after):
        return False
    if isinstance(before, list) or isinstance(after, list):
        return all(one is other for one, other in zip(before, after, strict=True))
    pairs = zip(before.items(), after.items(), strict=True)
    return all(key == other and one is another for (key, one), (other, another) in pairs)


def _own_value(part: Any) -> Any:
    """What was given as such, also where the function has run as it is."""
    return part.value if type(part) is Given else part


def _fill(container: Any, contents: Any, parts: Sequence[Any]) -> None:
    def own(part: Any) -> Any:
        part = _own_value(part)
        return parts[part.number] if type(part) is _Own else part

    if isinstance(container, list):
        container[:] = map(own, contents)
        return
    found = {key: own(part) for key, part in contents.items()}
    if isinstance(container, dict):
        container.clear()
        container.update(found)
        return
    for name, part in found.items():
        object.__setattr__(container, name, part)
