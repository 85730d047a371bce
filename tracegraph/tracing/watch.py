"""What a function reads besides its arguments: globals, closed-over variables, attributes of objects that it reaches.

A graph holds the values that these had when it was traced. A `Watch` notes them, and says at each later call whether one
has been bound anew or a container has changed, so that a stale answer is never given. Small arrays are compared, until it
has been seen that another trace after a change gave the same graph: then only kernels look at them, by reference
(`release`). A generator of random numbers that was drawn from has changed, so each call draws anew. Followed are the
functions that a function's code names, and of objects only the attributes whose names stand in that code; modules and
classes are taken as fixed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.slots import Growing, Spent, nested_codes

__all__ = ["Watch"]

#: Numbers and texts are compared by value; all else is the same only if it is the same object.
_PLAIN = (bool, int, float, complex, str, bytes)
#: Containers are followed to this depth, and their elements up to this many.
_DEPTH = 8
_ELEMENTS = 1024
#: Methods that have run before any call.
_MAKERS = ("__init__", "__new__", "__post_init__")
#: Arrays of up to this size are compared.
_ARRAY_BYTES = 1 << 15
_MISSING = object()
#: What means nothing once a trace has ended.
_TRACED = (Placeholder, Spent, Growing)
#: What holds nothing that could be bound anew, or is not expected to.
_FIXED = (*_PLAIN, type(None), np.ndarray, np.generic, np.ufunc, ModuleType, type, BuiltinFunctionType)


class Watch:
    """What a callable could read, as it was when the watch was made."""

    def __init__(self, function: Callable[..., Any], before: Watch | None = None) -> None:
        self._names: list[tuple[dict[Any, Any], Any, Any]] = []
        self._objects: list[tuple[str, dict[str, Any]]] = []
        self._cells: list[tuple[CellType, Any]] = []
        self._sequences: list[tuple[list[Any] | dict[Any, Any], tuple[Any, ...]]] = []
        self._generators: list[tuple[np.random.Generator, str]] = []
        self._arrays: dict[int, tuple[np.ndarray, bytes]] = {}
        self._seen: dict[int, Any] = {}
        self._words: set[str] = set()
        self._spaces: dict[int, dict[str, Any]] = {}
        for code in _codes(function, {}):
            self._words.update(code.co_names)
        self._released: WeakValueDictionary[int, np.ndarray] = (
            WeakValueDictionary() if before is None else before._released
        )
        self._follow(function, 0)
        self._note_idle()
        self._seen.clear()  # it kept ids from being used again; what was followed may be freed from now on

    def _note_idle(self) -> None:
        """Notes whether there is nothing to look at, as for most functions."""
        self._is_idle = not (self._names or self._cells or self._sequences or self._generators or self._arrays)

    def names(self, word: str) -> bool:
        """Whether the code that can be reached has this name in it."""
        return word in self._words

    @property
    def spaces(self) -> list[dict[str, Any]]:
        """The globals of the functions that can be reached."""
        return list(self._spaces.values())

    def is_current(self) -> bool:
        """Whether everything is as it was."""
        if self._is_idle:
            return True
        for namespace, name, value in self._names:
            found = namespace.get(name, _MISSING)
            if found is not value and not _same(found, value):
                return False
        for cell, value in self._cells:
            found = _contents(cell)
            if found is not value and not _same(found, value):
                return False
        # Loops rather than generators: this runs on every call, and most functions read little or nothing.
        for container, parts in self._sequences:
            if _elements(container) != parts:
                return False
        for generator, state in self._generators:
            if repr(generator.bit_generator.state) != state:
                return False
        for array, before in self._arrays.values():  # noqa: SIM110
            if array.tobytes() != before:
                return False
        return True

    def forget_traced(self) -> str | None:
        """Takes back traced values that the function has left where others will find them, in attributes, globals and
        containers, and says where it left one."""
        left = None
        for namespace, name, value in self._names:
            if type(namespace.get(name)) in _TRACED:
                left, namespace[name] = f"the name {name!r}", value
        for kind, attributes in self._objects:
            for name in [name for name, value in attributes.items() if type(value) in _TRACED]:
                left = f"the attribute {name!r} of a {kind}"
                del attributes[name]
        for container, _ in self._sequences:
            items = container.items() if isinstance(container, dict) else enumerate(container)
            for key in reversed([key for key, value in items if type(value) in _TRACED]):
                left = f"a {type(container).__name__} that it did not make"
                del container[key]
        return left

    def release(self, arrays: Iterable[int]) -> None:
        """Arrays (by their ids) that only kernels read, by reference, need not be compared from now on."""
        for each in arrays:
            array, _ = self._arrays.pop(each, (None, b""))
            if array is not None:
                self._released[each] = array
        self._note_idle()

    def _is_compared(self, array: np.ndarray) -> bool:
        return array.nbytes <= _ARRAY_BYTES and array.dtype != object and self._released.get(id(array)) is not array

    def _follow(self, value: Any, depth: int) -> None:
        """Notes what can be read through a value."""
        if isinstance(value, np.ndarray) and self._is_compared(value):
            self._arrays[id(value)] = value, value.tobytes()
        if isinstance(value, np.random.Generator):
            self._generators.append((value, repr(value.bit_generator.state)))
        if isinstance(value, _FIXED) or _is_library(value) or id(value) in self._seen or depth > _DEPTH:
            return
        self._seen[id(value)] = value
        if isinstance(value, FunctionType):
            self._function(value, depth)
        elif isinstance(value, (list, dict, tuple, set, frozenset)):
            self._container(value, depth)
        else:
            self._object(value, depth)

    def _function(self, function: FunctionType, depth: int) -> None:
        self._spaces[id(function.__globals__)] = function.__globals__
        for name in sorted({name for code in nested_codes(function.__code__) for name in code.co_names}):
            if name in function.__globals__:
                self._note(function.__globals__, name, depth)
        for cell in function.__closure__ or ():
            value = _contents(cell)
            self._cells.append((cell, value))
            self._follow(value, depth + 1)
        for value in (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self._follow(value, depth + 1)

    def _container(self, value: Any, depth: int) -> None:
        if len(value) > _ELEMENTS:
            return
        if isinstance(value, (list, dict)):
            self._sequences.append((value, _elements(value)))
        for part in value.values() if isinstance(value, dict) else value:
            self._follow(part, depth + 1)

    def _object(self, value: Any, depth: int) -> None:
        """The parts of methods and partial functions, and those attributes of an instance that the code names."""
        for part in _parts(value):
            self._follow(part, depth + 1)
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            self._objects.append((type(value).__name__, attributes))
            for name in sorted(self._words & attributes.keys()):
                self._note(attributes, name, depth)

    def _note(self, namespace: dict[str, Any], name: str, depth: int) -> None:
        value = namespace[name]
        if not isinstance(value, ModuleType):
            self._names.append((namespace, name, value))
            self._follow(value, depth + 1)


def _same(found: Any, value: Any) -> bool:
    """Whether a name still means the same; while another thread traces, it may be bound to what stands in for that."""
    if type(found) is type(value) and isinstance(found, _PLAIN):
        return bool(found == value)
    return getattr(found, "__stands_for__", found) is getattr(value, "__stands_for__", value)


def _elements(container: list[Any] | dict[Any, Any]) -> tuple[Any, ...]:
    """What tells whether a container still has the same elements: plain values, and the identities of all others."""
    parts = container if isinstance(container, list) else [part for item in container.items() for part in item]
    return tuple([part if isinstance(part, _PLAIN) else id(part) for part in parts])


def _contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _MISSING


def _parts(value: Any) -> tuple[Any, ...]:
    """What a callable that is no plain function is made of."""
    if isinstance(value, MethodType):
        return value.__func__, value.__self__
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    watched = getattr(value, "__tracegraph_watched__", None)
    if watched is not None:
        return (watched,)
    call = vars(type(value)).get("__call__")
    return (call,) if isinstance(call, FunctionType) else ()


def _codes(value: Any, seen: dict[int, Any]) -> Iterator[CodeType]:
    """The code of a callable, of what is nested in it, and of the functions and methods that it can reach."""
    if id(value) in seen or isinstance(value, _FIXED) or _is_library(value) or len(seen) > _ELEMENTS:
        return
    seen[id(value)] = value
    if isinstance(value, FunctionType):
        codes = list(nested_codes(value.__code__))
        yield from codes
        reached = [_contents(cell) for cell in value.__closure__ or ()]
        reached += [value.__globals__.get(name) for code in codes for name in code.co_names]
    elif isinstance(value, (list, tuple, set, frozenset, dict)):
        reached = list(value.values() if isinstance(value, dict) else value)
    else:
        reached = [*_parts(value), *getattr(value, "__dict__", {}).values()]
        members = vars(type(value)).items()
        reached += [member for name, member in members if isinstance(member, FunctionType) and name not in _MAKERS]
    for part in reached:
        yield from _codes(part, seen)


def _is_library(value: Any) -> bool:
    """NumPy's functions and our own are taken as fixed; what they are given to call (`_parts`) is not."""
    module = getattr(value, "__module__", None) or ""
    return isinstance(value, FunctionType) and module.split(".")[0] in ("numpy", "scipy", "tracegraph")
