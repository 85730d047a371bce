"""Nested containers of arrays: flattened into a list of leaves and a hashable structure, and built again from them.

Containers are dicts, lists, tuples, named tuples and dataclasses. None is a container of nothing. Whatever else there is
counts as a leaf; what a leaf may be is for the caller to say.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

__all__ = ["LEAF", "Structure", "flatten", "tree_map", "unflatten"]


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


def tree_map(function: Callable[..., Any], value: Any) -> Any:
    """The value with a function applied to each leaf."""
    leaves, structure = flatten(value)
    return unflatten(structure, map(function, leaves))


def _flatten(value: Any, leaves: list[Any]) -> Structure:
    kind = type(value)
    if value is None:
        return _NONE
    if kind in _DICTS:
        keys, parts = tuple(value), value.values()
    elif kind in (list, tuple) or _is_named_tuple(kind):
        keys, parts = (), value
    elif dataclasses.is_dataclass(kind):
        keys = tuple(field.name for field in dataclasses.fields(kind))
        parts = [getattr(value, key) for key in keys]
    else:
        leaves.append(value)
        return LEAF
    return Structure(kind, keys, tuple([_flatten(part, leaves) for part in parts]))


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
