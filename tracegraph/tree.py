"""Nested containers of arrays: flattened into a list of leaves and a hashable structure, and built again from them.

Containers are dicts, lists, tuples, named tuples and dataclasses. None is a container of nothing. Whatever else there is
counts as a leaf; what a leaf may be is for the caller to say.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

__all__ = [
    "LEAF",
    "MisfitError",
    "Structure",
    "builder",
    "count",
    "flatten",
    "flatten_as",
    "places",
    "prefix",
    "reader",
    "tree_map",
    "unflatten",
]


class Structure(NamedTuple):
    """What a value is without its leaves.

    Attributes:
        kind: the container's class, or None for a leaf.
        keys: the keys of a dict, the field names of a dataclass.
        children: the structures inside.
    """

    kind: type | None
    keys: tuple[Any, ...]
    children: tuple[Structure, ...]


LEAF = Structure(None, (), ())
_NONE = Structure(type(None), (), ())
_DICTS = (dict, OrderedDict)


def flatten(value: Any) -> tuple[list[Any], Structure]:
    """Leaves, in order, and structure.

    >>> flatten({"w": 1.0, "b": (2.0, None)})[0]
    [1.0, 2.0]
    """
    leaves: list[Any] = []
    return leaves, _flatten(value, leaves)


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The value of this structure that has these leaves.

    >>> leaves, structure = flatten([1.0, {"a": 2.0}])
    >>> unflatten(structure, [leaf * 10 for leaf in leaves])
    [10.0, {'a': 20.0}]
    """
    return _build(structure, iter(leaves))


def reader(structure: Structure) -> Callable[[Any, list[Any]], bool]:
    """A function that appends the leaves of a value to a list, if the value is of this structure, with its keys in the same
    order; else it says False. What stands in the place of a leaf is not looked at.

    >>> read, leaves = reader(flatten({"w": 1.0, "b": (2.0, None)})[1]), []
    >>> read({"w": 3.0, "b": (4.0, None)}, leaves), leaves
    (True, [3.0, 4.0])
    """
    kind: Any
    kind, keys, children = structure
    inner = None if all(child is LEAF for child in children) else [reader(child) for child in children]

    def leaf(value: Any, leaves: list[Any]) -> bool:
        leaves.append(value)
        return True

    def nothing(value: Any, leaves: list[Any]) -> bool:
        return value is None

    def mapping(value: Any, leaves: list[Any]) -> bool:
        if type(value) is not kind or tuple(value) != keys:
            return False
        return each(value.values(), leaves)

    def sequence(value: Any, leaves: list[Any]) -> bool:
        return type(value) is kind and len(value) == len(children) and each(value, leaves)

    def fields(value: Any, leaves: list[Any]) -> bool:
        return type(value) is kind and each([getattr(value, key) for key in keys], leaves)

    def each(parts: Iterable[Any], leaves: list[Any]) -> bool:
        if inner is None:
            leaves += parts
            return True
        for read, part in zip(inner, parts, strict=True):  # noqa: SIM110 (a generator costs more than the rest)
            if not read(part, leaves):
                return False
        return True

    if kind is None:
        return leaf
    if kind is type(None):
        return nothing
    return mapping if kind in _DICTS else sequence if issubclass(kind, (list, tuple)) else fields


def builder(structure: Structure) -> Callable[[Sequence[Any]], Any]:
    """`unflatten` for one structure, worked out once.

    >>> builder(flatten({"w": 1.0, "b": (2.0, None)})[1])([3.0, 4.0])
    {'w': 3.0, 'b': (4.0, None)}
    """
    kind, keys, children = structure
    if kind is None:
        return lambda leaves: leaves[0]
    if kind is type(None) or not (kind in _DICTS or kind in (list, tuple)):
        return lambda leaves: _build(structure, iter(leaves))
    pack: Callable[[Iterable[Any]], Any] = kind
    if all(child is LEAF for child in children):
        return (lambda leaves: kind(zip(keys, leaves, strict=True))) if kind in _DICTS else pack
    spans = pairwise(accumulate(map(count, children), initial=0))
    parts = [(builder(child), slice(*span)) for child, span in zip(children, spans, strict=True)]
    if kind in _DICTS:
        return lambda leaves: kind(zip(keys, [build(leaves[span]) for build, span in parts], strict=True))
    return lambda leaves: pack([build(leaves[span]) for build, span in parts])


def tree_map(function: Callable[..., Any], value: Any) -> Any:
    """The value with a function applied to each leaf."""
    leaves, structure = flatten(value)
    return unflatten(structure, map(function, leaves))


class MisfitError(ValueError):
    """A value has not the structure that it should have. Its text says where, what is there and what was expected."""


def count(structure: Structure) -> int:
    """How many leaves there are."""
    return 1 if structure.kind is None else sum(map(count, structure.children))


def places(structure: Structure) -> list[str]:
    """How each leaf is reached.

    >>> places(flatten({"w": 1.0, "b": (2.0, 3.0)})[1])
    ["['w']", "['b'][0]", "['b'][1]"]
    """
    if structure.kind is None:
        return [""]
    return [
        f"{step}{rest}"
        for k, child in enumerate(structure.children)
        for step in [_step(structure, k)]
        for rest in places(child)
    ]


def flatten_as(structure: Structure, value: Any) -> list[Any]:
    """The leaves of a value of a known structure, in its order: dicts may have their keys in another.

    >>> flatten_as(flatten({"w": 1.0, "b": 2.0})[1], {"b": 3.0, "w": 4.0})
    [4.0, 3.0]
    """
    return _fitted(structure, value, "", lambda value, rest, place: None)


def prefix(structure: Structure, value: Any, is_leaf: Callable[[Any], bool]) -> list[Any]:
    """For each leaf of a structure, what a tree that may end earlier has there. Lists and tuples are alike.

    >>> prefix(flatten(({"w": 1.0, "b": 2.0}, 3.0))[1], (0, None), lambda axis: axis is None or axis == 0)
    [0, 0, None]
    """
    return _fitted(structure, value, "", lambda value, rest, place: [value] * count(rest) if is_leaf(value) else None)


def _fitted(
    structure: Structure, value: Any, place: str, whole: Callable[[Any, Structure, str], list[Any] | None]
) -> list[Any]:
    """The leaves of a value; ``whole`` may take it for all leaves of what is expected there."""
    taken = whole(value, structure, place)
    if taken is not None:
        return taken
    kind, keys, children = structure
    found = flatten(value)[1] if not isinstance(value, dict) else None
    if kind is None:
        if found is None or found.kind is not None:
            raise _misfit(place, value, structure)
        return [value]
    if kind is dict:
        if type(value) is not dict or value.keys() != set(keys):
            raise _misfit(place, value, structure)
        parts = [value[key] for key in keys]
    else:
        sequences = (list, tuple)
        same = type(value) is kind or (kind in sequences and type(value) in sequences)
        if not same or (kind is not type(None) and len(children) != _length(value, keys)):
            raise _misfit(place, value, structure)
        parts = [] if value is None else [getattr(value, key) for key in keys] if keys else list(value)
    steps = [f"{place}{_step(structure, k)}" for k in range(len(children))]
    return [
        leaf
        for child, part, step in zip(children, parts, steps, strict=True)
        for leaf in _fitted(child, part, step, whole)
    ]


def _length(value: Any, keys: tuple[Any, ...]) -> int:
    return len(keys) or len(value)


def _step(structure: Structure, k: int) -> str:
    kind, keys, _ = structure
    if kind is not dict and keys:
        return f".{keys[k]}"
    return f"[{keys[k]!r}]" if keys else f"[{k}]"


class _Star:
    def __repr__(self) -> str:
        return "*"


def _misfit(place: str, value: Any, structure: Structure) -> MisfitError:
    found = flatten(value)[1]
    shown = [repr(unflatten(each, [_Star()] * count(each))) for each in (found, structure)]
    return MisfitError(f"{place or 'the whole'} is {shown[0]}, expected {shown[1]}")


def _flatten(value: Any, leaves: list[Any]) -> Structure:
    kind: Any = type(value)
    if value is None:
        return _NONE
    keys = _keys_of(kind)
    if keys is None:
        leaves.append(value)
        return LEAF
    if kind in _DICTS:
        keys, parts = tuple(value), value.values()
    else:
        parts = [getattr(value, key) for key in keys] if keys or not issubclass(kind, (list, tuple)) else value
    return Structure(kind, keys, tuple([_flatten(part, leaves) for part in parts]))


@lru_cache(maxsize=1024)
def _keys_of(kind: type) -> tuple[str, ...] | None:
    """The fields of a class of containers, if those are what its elements are found by; None if it is no container."""
    if kind in _DICTS or kind in (list, tuple) or _is_named_tuple(kind):
        return ()
    return tuple(field.name for field in dataclasses.fields(kind)) if dataclasses.is_dataclass(kind) else None


def _build(structure: Structure, leaves: Iterator[Any]) -> Any:
    kind, keys, children = structure
    if kind is None:
        return next(leaves)
    if kind is type(None):
        return None
    parts = [_build(child, leaves) for child in children]
    if kind in _DICTS:
        return kind(zip(keys, parts, strict=True))
    if kind in (list, tuple):
        return kind(parts)
    if dataclasses.is_dataclass(kind):
        return _rebuild_dataclass(kind, dict(zip(keys, parts, strict=True)))
    return kind(*parts)


def _rebuild_dataclass(kind: type, fields: dict[str, Any]) -> Any:
    """Sets the fields directly: an ``__init__`` may check or convert what a placeholder cannot satisfy."""
    value: Any = object.__new__(kind)
    for name, part in fields.items():
        object.__setattr__(value, name, part)
    return value


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")
