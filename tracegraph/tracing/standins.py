"""The names in the `numpy` and `math` modules that mean something else to a function that is being traced.

NumPy's makers of arrays ask no argument what they should do. So while a trace is open, their names stand for functions that
look first who calls: a user's line, in a thread that is tracing, gets a placeholder; everybody else, NumPy's own code and
other threads among them, gets what NumPy gives. The functions of `math`, which take known numbers only, are NumPy's for a
traced number. So it is with the names that users' modules have imported, ``from numpy import zeros`` as well as
``from scipy.special import logsumexp``. When the last trace has ended the names stand for what they stood for.
"""

from __future__ import annotations

import dis
import functools
import math
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from tracegraph.errors import TraceError, at
from tracegraph.tracing.bodies import translated
from tracegraph.tracing.creation import MAKERS, made, plain
from tracegraph.tracing.functions import as_strided
from tracegraph.tracing.lift import has_placeholder, listed, node_of, result
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.scipy_linalg import FUNCTIONS as LINALG
from tracegraph.tracing.scipy_special import FUNCTIONS as SPECIAL
from tracegraph.tracing.scipy_stats import METHODS
from tracegraph.tracing.trace import LIBRARIES, active_trace, is_users, user_where

__all__ = ["standins"]

_LOADS = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF"})


def _is_traced_user() -> bool:
    """Whether the code that asked a stand-in is the user's, in a thread that is tracing."""
    name = sys._getframe(2).f_globals.get("__name__")
    return active_trace() is not None and str(name).split(".")[0] not in LIBRARIES


@lru_cache(maxsize=4096)
def _called_name(code: CodeType, place: int) -> str | None:
    """The name by which the call at a place in some code calls what it calls."""
    start, name = None, None
    for each in reversed([each for each in dis.get_instructions(code) if each.offset <= place]):
        here = each.positions and (each.positions.lineno, each.positions.col_offset)
        if start is None:
            start = here
        elif each.opname in _LOADS and here == start:
            name = each.argval
            break
    return name


def _stands_for(original: Any) -> Callable[[Callable[..., Any]], Any]:
    def mark(standin: Callable[..., Any]) -> Any:
        functools.update_wrapper(standin, original)
        standin.__stands_for__ = original  # type: ignore[attr-defined]
        return standin

    return mark


def _function(original: Any, maker: Callable[..., Any], name: str) -> Any:
    """Compiled extensions too ask NumPy by these names, behind the user's back, and could not live with a placeholder; so
    the user's code must be calling this very name."""

    @_stands_for(original)
    def standin(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        is_asked = _is_traced_user() and _called_name(frame.f_code, frame.f_lasti) == name
        return (maker if is_asked else original)(*args, **kwargs)

    return standin


def _of_lists(original: Any) -> Any:
    """NumPy asks the arguments of most functions what they should do, but not what is in lists."""

    @_stands_for(original)
    def standin(*args: Any, **kwargs: Any) -> Any:
        if active_trace() is not None and any(type(each) in (list, tuple) for each in (*args, *kwargs.values())):
            args = tuple(map(_gathered, args))
            kwargs = {name: _gathered(value) for name, value in kwargs.items()}
        return original(*args, **kwargs)

    return standin


def _of_placeholders(original: Any, function: Callable[..., Any]) -> Any:
    @_stands_for(original)
    def standin(*args: Any, **kwargs: Any) -> Any:
        is_traced = active_trace() is not None and has_placeholder([*args, *kwargs.values()])
        return (function if is_traced else original)(*args, **kwargs)

    return standin


def _gathered(value: Any) -> Any:
    return listed(value) if type(value) in (list, tuple) and has_placeholder(value) else value


#: Functions that take sequences of arrays as such.
_OF_SEQUENCES = frozenset(
    "array_split atleast_1d atleast_2d atleast_3d block broadcast_arrays broadcast_to choose column_stack concat "
    "concatenate "
    "dstack einsum einsum_path empty_like expand_dims full_like histogram2d histogramdd hstack ix_ lexsort meshgrid "
    "multi_dot pad piecewise ravel_multi_index reshape select stack transpose unravel_index unstack vstack".split()
)


def _functions_of_lists() -> Iterator[tuple[Any, str, Any, Any]]:
    for module in (np, np.linalg, np.fft):
        for name, function in vars(module).items():
            if hasattr(function, "_implementation") and function not in MAKERS and name not in _OF_SEQUENCES:
                yield module, name, function, _of_lists(function)


#: Functions written in Python that ask no argument how, for they take numbers.
_OF_NUMBERS: Mapping[ModuleType, str] = {
    np: "diag_indices mask_indices tril_indices triu_indices",
    np.fft: "fftfreq rfftfreq",
}


def _functions_of_numbers() -> Iterator[tuple[Any, str, Any, Any]]:
    for module, names in _OF_NUMBERS.items():
        for name in names.split():
            original = getattr(module, name)
            yield module, name, original, _of_placeholders(original, translated(original))


class _Indexed:
    """Stands for ``np.r_`` and its kin, which make arrays of what they are indexed by."""

    def __init__(self, original: Any, maker: Callable[[Any], Any]) -> None:
        self.__stands_for__ = self._original = original
        self._maker = maker

    def __getitem__(self, key: Any) -> Any:
        return self._maker(key) if _is_traced_user() else self._original[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def _joining(original: Any) -> _Indexed:
    body = translated(type(original).__getitem__)
    return _Indexed(original, lambda key: made(body(original, key)))


def _grid(original: Any) -> _Indexed:
    return _Indexed(original, lambda key: made(original[_plain(key)]))


def _plain(key: Any) -> Any:
    """What a grid goes over, traced numbers as the numbers that they are at this call."""
    if isinstance(key, tuple):
        return tuple(map(_plain, key))
    return slice(*map(plain, (key.start, key.stop, key.step))) if isinstance(key, slice) else plain(key)


def _refused(is_wrong: Any, error: Exception) -> None:
    if is_wrong:
        raise error


def _within(function: Callable[..., Any], is_wrong: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `math` that raises where NumPy would give NaN or infinity."""

    def checked(*args: Any) -> Any:
        _refused(is_wrong(*args), ValueError("math domain error"))
        return function(*args)

    return checked


def _log(x: Any, base: Any = None) -> Any:
    _refused(x <= 0, ValueError("math domain error"))
    return np.log(x) if base is None else np.log(x) / math.log(base)


def _bounded(function: Callable[..., Any], largest: float) -> Callable[..., Any]:
    def checked(x: Any) -> Any:
        _refused(abs(x) > largest, OverflowError("math range error"))
        return function(x)

    return checked


_MATH: dict[str, Callable[..., Any]] = {
    "sqrt": _within(np.sqrt, lambda x: x < 0),
    "log": _log,
    "log2": _within(np.log2, lambda x: x <= 0),
    "log10": _within(np.log10, lambda x: x <= 0),
    "log1p": _within(np.log1p, lambda x: x <= -1),
    "exp": _bounded(np.exp, 709.782712893384),
    "expm1": _bounded(np.expm1, 709.782712893384),
    "sinh": _bounded(np.sinh, 710.4758600739439),
    "cosh": _bounded(np.cosh, 710.4758600739439),
    "asin": _within(np.arcsin, lambda x: abs(x) > 1),
    "acos": _within(np.arccos, lambda x: abs(x) > 1),
    "acosh": _within(np.arccosh, lambda x: x < 1),
    "atanh": _within(np.arctanh, lambda x: abs(x) >= 1),
    "pow": _within(np.float_power, lambda x, y: ((x < 0) & (y != np.floor(y))) | ((x == 0) & (y < 0))),
    "fmod": _within(np.fmod, lambda x, y: y == 0),
    "hypot": lambda *xs: functools.reduce(np.hypot, xs, 0.0),
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "atan": np.arctan, "atan2": np.arctan2, "tanh": np.tanh,
    "asinh": np.arcsinh, "cbrt": np.cbrt, "fabs": np.fabs, "copysign": np.copysign, "degrees": np.degrees,
    "radians": np.radians, "isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite,
}  # fmt: skip


def _of_number(original: Callable[..., Any], function: Callable[..., Any]) -> Any:
    @_stands_for(original)
    def standin(*args: Any) -> Any:
        if not any(isinstance(each, Placeholder) for each in args):
            return original(*args)
        for each in args:
            if isinstance(each, Placeholder) and each.shape:
                raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
            if isinstance(each, Placeholder) and each.dtype.kind == "c" and (each.weak or not each.is_scalar):
                raise TypeError("float() argument must be a string or a real number, not 'complex'")
        value = function(*[result(node_of(each, np.dtype(float)), float) for each in args])
        return value.fresh(value.node, bool if value.dtype == bool else float)

    return standin


#: Module, name, what it stands for, and what stands in for that.
_STANDINS: list[tuple[Any, str, Any, Any]] = [
    *(
        (np, original.__name__, original, _function(original, maker, original.__name__))
        for original, maker in MAKERS.items()
    ),
    *((np, name, getattr(np, name), _joining(getattr(np, name))) for name in ("r_", "c_")),
    *((np, name, getattr(np, name), _grid(getattr(np, name))) for name in ("mgrid", "ogrid")),
    *_functions_of_lists(),
    *_functions_of_numbers(),
    *((math, name, getattr(math, name), _of_number(getattr(math, name), function)) for name, function in _MATH.items()),
]
_lock = threading.Lock()
_traces = 0


def _generator(original: Any) -> Any:
    @_stands_for(original)
    def standin(seed: Any = None) -> Any:
        if seed is None and _is_traced_user():
            message = (
                "np.random.default_rng() was called inside a compiled function, which would freeze its numbers; draw from a "
                "generator that is an argument or comes from outside, rng = tg.random.default_rng(seed)"
            )
            raise TraceError(at(message, user_where()))
        return original(seed)

    return standin


#: Where functions are found that ask no argument, SciPy's among them, a module or a class in it, and what stands for them.
_TABLES: Mapping[tuple[str, ...], Mapping[str, Callable[..., Any]]] = {
    ("numpy.lib.stride_tricks",): {"as_strided": as_strided},
    ("scipy.special",): SPECIAL,
    ("scipy.linalg",): LINALG,
    **METHODS,
}


def _loaded() -> tuple[Any, ...]:
    """numpy.random, and the modules and classes of `_TABLES`; None for each that is not loaded."""
    holders = [functools.reduce(_part, names, sys.modules.get(module)) for module, *names in _TABLES]
    return (sys.modules.get("numpy.random"), *holders)


def _part(holder: Any, name: str) -> Any:
    return getattr(holder, name, None)


@cache
def _rows(random: Any, *holders: Any) -> tuple[list[tuple[Any, str, Any, Any]], Mapping[int, Any]]:
    """All that stands in for something given what is loaded, and the stand-ins by the ids of what they stand for."""
    rows = list(_STANDINS)
    if random is not None:
        rows.append((random, "default_rng", random.default_rng, _generator(random.default_rng)))
    for holder, functions in zip(holders, _TABLES.values(), strict=True):
        if holder is not None:
            originals = [(name, vars(holder)[name], function) for name, function in functions.items()]
            rows += [(holder, name, original, _of_placeholders(original, f)) for name, original, f in originals]
    return rows, {id(original): standin for _, _, original, standin in rows}


class _Imports:
    """The names in users' modules that are bound to what has a stand-in; a module with more names is looked through anew."""

    def __init__(self) -> None:
        self._loaded = 0
        self._modules: list[ModuleType] = []
        self._found: dict[int, tuple[int, list[tuple[str, Any]]]] = {}

    def rows(self, standins: Mapping[int, Any]) -> Iterator[tuple[ModuleType, str, Any, Any]]:
        """Module, name, what it is bound to, and what stands in for that, given the stand-ins by the ids of originals."""
        if len(sys.modules) != self._loaded:
            self._loaded = len(sys.modules)
            modules = [module for name, module in tuple(sys.modules.items()) if is_users(name)]
            self._modules = [module for module in modules if isinstance(module, ModuleType)]
            self._found.clear()
        for module in self._modules:
            namespace = vars(module)
            size, names = self._found.get(id(module), (-1, []))
            if size != len(namespace):
                names = [(name, value) for name, value in tuple(namespace.items()) if id(value) in standins]
                self._found[id(module)] = len(namespace), names
            for name, value in names:
                if id(value) in standins and namespace.get(name) is value:
                    is_renamed = id(value) in _MAKER_IDS and name != getattr(value, "__name__", name)
                    yield module, name, value, _renamed(value, name) if is_renamed else standins[id(value)]


@cache
def _renamed(original: Any, name: str) -> Any:
    """Stands for a maker of arrays that was imported by another name."""
    return _function(original, MAKERS[original], name)


_MAKER_IDS = frozenset(map(id, MAKERS))
_imports = _Imports()
_in_place: list[tuple[Any, str, Any, Any]] = []


def _put_in_place() -> None:
    rows, standins = _rows(*_loaded())
    _in_place[:] = [*rows, *_imports.rows(standins)]
    for holder, name, _, standin in _in_place:
        setattr(holder, name, standin)


class _Ufunc:
    """Stands for a ufunc, and makes one array of a list of traced values."""

    def __init__(self, original: np.ufunc) -> None:
        self.__stands_for__ = self._original = original

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _of_lists(self._original)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._original, name)
        return _of_lists(found) if name in ("reduce", "accumulate", "reduceat", "outer", "at") else found

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return np.ufunc


@contextmanager
def standins(ufuncs: Iterable[str] = ()) -> Iterator[None]:
    """For the ``with`` block, the names stand for what looks who calls.

    Args:
        ufuncs: the names of those that are given lists; all others stand for what they are.
    """
    global _traces
    with _lock:
        _traces += 1
        if _traces == 1:
            _put_in_place()
        for name in ufuncs:
            original = getattr(np, name)
            if type(original) is np.ufunc:
                _in_place.append((np, name, original, _Ufunc(original)))
                setattr(np, name, _in_place[-1][-1])
    try:
        yield
    finally:
        with _lock:
            _traces -= 1
            if _traces == 0:
                for holder, name, original, standin in _in_place:
                    if getattr(holder, name, None) is standin:
                        setattr(holder, name, original)
