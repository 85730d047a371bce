"""NumPy's functions that are written in Python are run as they stand, on placeholders: np.pad, np.roll, np.cov
and their kin mean here what NumPy's own source says, errors included.

A body is copied with another namespace: the makers of arrays in it make placeholders, functions and modules of NumPy's
that it reaches are translated in the same way, lazily. Everything else is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tracegraph.errors import TraceError, UnsupportedError
from tracegraph.tracing.creation import asarray, maker_of
from tracegraph.tracing.lift import common_dtype, descriptor, listed
from tracegraph.tracing.scipy_special import FUNCTIONS as SPECIAL

__all__ = ["Object", "body_of", "translated"]


def body_of(function: Any) -> Callable[..., Any] | None:
    """NumPy's own implementation of a function, to be called on placeholders; None if it is not written in Python."""
    implementation = getattr(function, "_implementation", None)
    if not isinstance(implementation, FunctionType):
        return None
    body = translated(implementation)

    def run(*args: Any, **kwargs: Any) -> Any:
        if _running.count(function) > DEEPEST:
            raise UnsupportedError(f"{name_of(function)} is not traced")
        _running.append(function)
        try:
            return body(*args, **kwargs)
        except TraceError as error:
            raise UnsupportedError(f"{name_of(function)} is not traced here: {error}") from error
        finally:
            _running.pop()

    return run


def name_of(function: Any) -> str:
    """As users write it."""
    return f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)


#: The functions whose bodies are running. Some call themselves once or twice; one that goes on doing so only asks a method
#: of arrays, which asks the function.
_running: list[Any] = []
DEEPEST = 3


class _Converter:
    """Stands for the class by which NumPy's functions take any array-like and give back the caller's kind."""

    def __init__(self, *arrays: Any) -> None:
        self._given = arrays
        self._arrays = tuple(map(asarray, arrays))
        self.scalar_input = tuple(np.ndim(each) == 0 for each in arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __getitem__(self, k: Any) -> Any:
        return self._arrays[k]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._arrays)

    def as_arrays(self, *, subok: bool = True, pyscalars: str = "convert_if_no_array") -> tuple[Any, ...]:
        """The operands as arrays; Python's numbers stay what they are if asked to, or if there is an array."""
        keep = pyscalars == "preserve" or (
            pyscalars == "convert_if_no_array" and any(isinstance(descriptor(each), np.dtype) for each in self._given)
        )
        return tuple(
            given if keep and not isinstance(descriptor(given), np.dtype) else array
            for given, array in zip(self._given, self._arrays, strict=True)
        )

    def result_type(self, extra_dtype: Any = None, *, ensure_inexact: bool = False) -> np.dtype:
        extra = () if extra_dtype is None else (np.empty(0, extra_dtype),)
        return common_dtype([*self._given, *extra, *((1.0,) if ensure_inexact else ())])

    def wrap(self, array: Any, /, to_scalar: bool | None = None) -> Any:
        """A number where the caller gave one."""
        scalar = all(self.scalar_input) if to_scalar is None else to_scalar
        return array[()] if scalar and np.ndim(array) == 0 else array


class _Namespace(dict[str, Any]):
    """The globals of a module of NumPy's, translated as they are asked for."""

    def __init__(self, original: dict[str, Any]) -> None:
        super().__init__(__builtins__=original["__builtins__"], __name__=original["__name__"])
        self._original = original

    def __missing__(self, name: str) -> Any:
        value = self[name] = translated(self._original[name])
        return value


class _Module:
    """A module of NumPy's, its attributes translated."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return translated(getattr(self._module, name))


class Object:
    """An object of SciPy's, its methods translated."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._value, name)
        is_own = isinstance(found, MethodType) and found.__self__ is self._value
        return MethodType(translated(found.__func__), self) if is_own else found


#: The modules whose Python runs on placeholders.
_TRANSLATED = ("numpy", "scipy")
_namespaces: dict[int, _Namespace] = {}


def translated(value: Any) -> Any:
    """What stands for a value of NumPy's modules in a body that runs on placeholders."""
    value = getattr(value, "__stands_for__", value)
    maker = maker_of(value)
    if maker is not None:
        return maker
    if isinstance(value, FunctionType) and value.__module__.startswith(_TRANSLATED):
        return _HELPERS.get(value.__name__) or _copied(value)
    if isinstance(value, ModuleType) and value.__name__.startswith(_TRANSLATED):
        return _Module(value)
    if type(value).__module__.startswith("scipy.stats"):
        return Object(value)
    if isinstance(value, np.ufunc):
        return _Ufunc(value)
    if isinstance(value, BuiltinFunctionType):
        return _HELPERS.get(value.__name__) or _dispatchers().get(id(value), value)
    return _CLASSES.get(getattr(value, "__name__", ""), value)


class _Broadcast:
    """Stands for NumPy's object that says how operands broadcast, and goes over their elements."""

    def __init__(self, *args: Any) -> None:
        self._args = list(map(listed, args))
        self._known = np.broadcast(*[np.broadcast_to(np.empty(()), np.shape(a)) for a in self._args])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._known, name)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        whole = [np.broadcast_to(a, self._known.shape) for a in self._args]
        return (tuple([each[index] for each in whole]) for index in np.ndindex(self._known.shape))


class _Ufunc:
    """A ufunc, for which ``out=...`` asks for an array where there would be a number: NumPy keeps that to itself."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self._ufunc = ufunc

    def __call__(self, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        given = {} if out is None or out is ... else {"out": out}
        value = self._ufunc(*args, **given, **kwargs)
        return asarray(value) if out is ... else value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ufunc, name)


class _Coefficients:
    """Stands for `numpy.poly1d`, of which bodies use only that it leaves out leading zeros."""

    def __new__(cls, coefficients: Any) -> Any:
        if np.ndim(coefficients) > 1:
            raise ValueError("Polynomial must be 1d only.")
        kept = np.trim_zeros(np.atleast_1d(coefficients), "f")
        return kept if np.size(kept) else asarray([0], kept.dtype)


#: Classes of NumPy's that bodies make objects of.
_CLASSES: Mapping[str, Callable[..., Any]] = {
    "_array_converter": _Converter,
    "broadcast": _Broadcast,
    "poly1d": _Coefficients,
}


def _nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False) -> Any:
    """The mean of the two in the middle of those that are numbers, which sorting puts first."""
    lines = np.ravel(a) if axis is None else np.moveaxis(a, axis, -1)
    count = np.sum(~np.isnan(lines), axis=-1, keepdims=True)
    ordered = np.sort(lines, axis=-1)
    middle = [np.take_along_axis(ordered, np.maximum(count - k, 0) // 2, axis=-1)[..., 0] for k in (1, 0)]
    return np.mean(np.stack(middle), axis=0, out=out)


def _divide_by_count(a: Any, b: Any, out: Any = None) -> Any:
    return np.divide(a, b).astype(a.dtype) if out is None else np.divide(a, b, out=out, casting="unsafe")


@cache
def _dispatchers() -> dict[int, Any]:
    """NumPy's C functions behind the functions that ask their arguments, which bodies call directly to save time."""
    functions = [value for value in vars(np).values() if hasattr(value, "_implementation")]
    return {id(each._implementation): each for each in functions if type(each._implementation) is BuiltinFunctionType}


def _monotonicity(x: Any) -> int:
    """1 for what rises, -1 for what falls, 0 for what does neither."""
    if np.all(x[1:] >= x[:-1]):
        return 1
    return -1 if np.all(x[1:] <= x[:-1]) else 0


def _apply_where(
    cond: Any,
    args: Any,
    f1: Callable[..., Any],
    f2: Callable[..., Any] | None = None,
    /,
    *,
    fill_value: Any = None,
    **_: Any,
) -> Any:
    args = args if isinstance(args, tuple) else (args,)
    return np.where(cond, f1(*args), fill_value if f2 is None else f2(*args))


#: Helpers that ask for values: one that makes a number by calling its dtype's class, some in C, and SciPy's.
_HELPERS: Mapping[str, Callable[..., Any]] = {
    **SPECIAL,
    "apply_where": _apply_where,
    "_monotonicity": _monotonicity,
    "_unique_hash": lambda ar, *, equal_nan=True: NotImplemented,
    "_nanmedian": _nanmedian,
    "_divide_by_count": _divide_by_count,
}


def _copied(function: FunctionType) -> FunctionType:
    names = function.__globals__
    space = _namespaces.get(id(names))
    if space is None:
        space = _namespaces[id(names)] = _Namespace(names)
    copy = FunctionType(function.__code__, space, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
