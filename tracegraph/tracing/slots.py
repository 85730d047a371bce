"""What a running function has in hand: its names, and what it reaches through them, in lists, dicts, objects, closures and
globals. Each of these places is a *slot*; two looks at them tell which were bound anew in between, and they can be bound
again to what they held.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CellType, CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, NoReturn

import numpy as np

from tracegraph.tracing.placeholder import Deferred, Placeholder
from tracegraph.tracing.sites import Site
from tracegraph.tracing.trace import LIBRARIES, active_trace, is_users

__all__ = [
    "Growing",
    "Key",
    "Slots",
    "Spent",
    "UnknownError",
    "UnrolledError",
    "are_same",
    "bind",
    "is_number",
    "nested_codes",
]

#: A slot: the id of what holds it, and the name or position in that.
Key = tuple[int, Any]

#: How many values are looked at.
MOST = 50_000
_NUMBERS = (bool, int, float, complex, np.generic)
#: What is not followed: it can't change, or changing it is refused anyway.
_FIXED = (
    *_NUMBERS, str, bytes, type(None), type(...), range, slice, np.dtype, np.ufunc, BuiltinFunctionType, Placeholder,
    Deferred,
)  # fmt: skip


class UnrolledError(BaseException):
    """A loop, or else the innermost one, can only be written out: the trace is told. No error of the user's, and not to be
    caught by the user's code."""

    def __init__(self, site: Site | None = None) -> None:
        super().__init__(site)
        trace = active_trace()
        if trace is not None and trace.rolling is not None:
            trace.rolling.failed.add(site or trace.rolling.open[-1].site)


class Spent:
    """Stands for what a turn does not take from the turn before it, and nobody takes from the last one."""

    def __init__(self, site: Site) -> None:
        object.__setattr__(self, "_site", site)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise UnrolledError(object.__getattribute__(self, "_site"))

    __class__ = property(_refuse)
    __array_ufunc__ = __array_function__ = __getattr__ = __setattr__ = __bool__ = __len__ = __iter__ = __call__ = (
        _refuse
    )
    __getitem__ = __setitem__ = __contains__ = __hash__ = __repr__ = __int__ = __float__ = __index__ = __array__ = (
        _refuse
    )
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __neg__ = __pos__ = __abs__ = __invert__ = _refuse
    __add__ = __radd__ = __iadd__ = __sub__ = __rsub__ = __isub__ = __mul__ = __rmul__ = __imul__ = _refuse
    __truediv__ = __rtruediv__ = __itruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _refuse
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _refuse


class Growing(Spent):
    """Stands for a list that the body of a loop, its owner, appends to, and does nothing else with."""

    def __init__(self, site: Site, owner: object) -> None:
        super().__init__(site)
        object.__setattr__(self, "_owner", owner)
        object.__setattr__(self, "_added", [])

    def append(self, value: Any) -> None:
        trace = active_trace()
        if trace is None or trace.rolling is None or not trace.rolling.open:
            self._refuse()
        innermost = trace.rolling.open[-1]
        if innermost is not object.__getattribute__(self, "_owner"):
            raise UnrolledError(innermost.site)
        self.added().append(value)

    def added(self) -> list[Any]:
        """What this run of the body has appended."""
        return object.__getattribute__(self, "_added")  # type: ignore[no-any-return]


_STANDS = (Spent, Growing)


class UnknownError(Exception):
    """The function holds something of which nobody can tell whether it has changed."""


def is_number(value: Any) -> bool:
    """Whether a value is a number, known or traced, that no one can change in place."""
    return value.is_scalar if type(value) is Placeholder else type(value) not in _STANDS and isinstance(value, _NUMBERS)


def are_same(one: Any, other: Any) -> bool:
    """Whether two looks at a slot have found the same object, or the same number or text."""
    if type(one) is not type(other) or (one is not other and type(one) is Placeholder):
        return False
    if one is other or type(one) is Spent:
        return True
    if type(one) is tuple:
        return len(one) == len(other) and all(map(are_same, one, other))
    return isinstance(one, (*_NUMBERS, str, bytes, range, slice)) and repr(one) == repr(other)


class Slots:
    """One look at all that the code of a frame can reach.

    Attributes:
        values: what each slot holds.
        marks: what tells, by the ids of sets, arrays and generators, and of lists and dicts as wholes, whether they have
            changed in a way that binding slots could not undo.

    Raises:
        UnknownError: there is something else that may change.
    """

    def __init__(self, frame: FrameType) -> None:
        self._frame = frame
        self._holders: dict[int, Any] = {id(frame): frame}
        self.values: dict[Key, Any] = {}
        self.marks: dict[int, Any] = {}
        self._seen: dict[int, Any] = {}
        self._left: list[Any] = []
        names = frame.f_locals
        for name, value in names.items():
            if not name.startswith("."):
                self._slot(frame, name, value)
        self.marks[id(frame)] = frozenset(names)
        self._globals(frame.f_code, frame.f_globals)
        while self._left:
            self._follow(self._left.pop())

    @property
    def unbound(self) -> list[Key]:
        """The slots of names of the running function that are not bound yet."""
        code = self._frame.f_code
        names = dict.fromkeys((*code.co_varnames, *code.co_cellvars))
        return [(id(self._frame), name) for name in names if (id(self._frame), name) not in self.values]

    def sequence(self, number: int) -> list[Any]:
        """The list that a mark is of, by its id.

        Raises:
            UnknownError: it is of something else.
        """
        found = self._seen.get(number)
        if type(found) is not list:
            raise UnknownError
        return found

    def put(self, values: Mapping[Key, Any]) -> None:
        """Binds slots to these values."""
        names = {}
        for (holder, name), value in values.items():
            target = self._holders[holder]
            if target is self._frame:
                names[name] = value
            elif isinstance(target, CellType):
                target.cell_contents = value
            elif isinstance(target, (list, dict)):
                target[name] = value
            else:
                object.__setattr__(target, name, value)
        if names:
            bind(self._frame, names)

    def _slot(self, holder: Any, name: Any, value: Any) -> None:
        self._holders[id(holder)] = holder
        self.values[id(holder), name] = value
        self._left.append(value)

    def _follow(self, value: Any) -> None:
        if type(value) in _STANDS or isinstance(value, _FIXED) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if len(self._seen) > MOST:
            raise UnknownError
        if isinstance(value, (type, ModuleType)):
            if is_users(value.__module__ if isinstance(value, type) else value.__name__):
                self.marks[id(value)] = tuple(map(id, vars(value).values()))
        elif isinstance(value, np.ndarray):
            if value.flags.writeable:
                self.marks[id(value)] = hash(value.tobytes())
        elif isinstance(value, (np.random.Generator, np.random.RandomState)):
            bits = value.bit_generator if isinstance(value, np.random.Generator) else value._bit_generator
            self.marks[id(value)] = repr(bits.state)
        elif isinstance(value, list):
            self.marks[id(value)] = len(value)
            for place, part in enumerate(value):
                self._slot(value, place, part)
        elif isinstance(value, dict):
            self.marks[id(value)] = tuple(map(id, value))
            for name, part in value.items():
                self._slot(value, name, part)
        elif isinstance(value, (tuple, set, frozenset)):
            self.marks[id(value)] = frozenset(map(id, value))
            self._left += value
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, MethodType):
            self._left += [value.__func__, value.__self__]
        elif isinstance(value, functools.partial):
            self._left += [value.func, *value.args, *value.keywords.values()]
        else:
            self._object(value)

    def _function(self, function: FunctionType) -> None:
        if not is_users(function.__module__):
            return
        own = self._frame.f_locals
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                contents = cell.cell_contents
            except ValueError:
                continue
            if name not in own or own[name] is not contents:
                self._slot(cell, None, contents)
        self._left += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        self._globals(function.__code__, function.__globals__)

    def _globals(self, code: CodeType, names: dict[str, Any]) -> None:
        for name in {name for each in nested_codes(code) for name in each.co_names}:
            if name in names:
                self._slot(names, name, names[name])

    def _object(self, value: Any) -> None:
        kind = type(value)
        if kind.__module__.split(".")[0] in LIBRARIES and kind.__name__ != "Generator":
            return
        self._left += kind.__mro__[:-1]
        attributes = getattr(value, "__dict__", None)
        slots = [name for each in kind.__mro__ for name in vars(each).get("__slots__", ())]
        if (attributes is None and not slots) or hasattr(value, "__next__"):
            raise UnknownError
        if attributes:
            self.marks[id(value)] = tuple(attributes)
            for name, part in attributes.items():
                self._slot(value, name, part)
        for name in slots:
            if hasattr(value, name):
                self._slot(value, name, getattr(value, name))
        if isinstance(vars(kind).get("__call__"), FunctionType):
            self._left.append(vars(kind)["__call__"])


def nested_codes(code: CodeType) -> Iterator[CodeType]:
    """Some code and all that is nested in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested_codes(constant)


def bind(frame: FrameType, names: Mapping[str, Any]) -> None:
    """Binds local names of a running function, as debuggers do."""
    found = frame.f_locals
    found.update(names)
    if sys.version_info < (3, 13):
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
