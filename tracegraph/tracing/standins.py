"""The names in the `numpy` module that mean something else to a function that is being traced.

NumPy's makers of arrays ask no argument what they should do. So while a trace is open, their names stand for functions that
look first who calls: a user's line, in a thread that is tracing, gets a placeholder; everybody else, NumPy's own code and
other threads among them, gets what NumPy gives. When the last trace has ended the names stand for NumPy's functions again.
"""

from __future__ import annotations

import dis
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from tracegraph.tracing.bodies import translated
from tracegraph.tracing.creation import MAKERS, made
from tracegraph.tracing.trace import active_trace

__all__ = ["standins"]

#: Code that is not the user's: it is not asked to work on placeholders.
_LIBRARIES = frozenset({"numpy", "scipy", "tracegraph"})


_LOADS = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_FAST", "LOAD_DEREF"})


def _is_traced_user() -> bool:
    """Whether the code that asked a stand-in is the user's, in a thread that is tracing."""
    name = sys._getframe(2).f_globals.get("__name__")
    return active_trace() is not None and str(name).split(".")[0] not in _LIBRARIES


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


def _function(original: Any, maker: Callable[..., Any]) -> Any:
    """Compiled extensions too ask NumPy by these names, behind the user's back, and could not live with a placeholder; so
    the user's code must be calling this very name."""

    @functools.wraps(original)
    def standin(*args: Any, **kwargs: Any) -> Any:
        frame = sys._getframe(1)
        is_asked = _is_traced_user() and _called_name(frame.f_code, frame.f_lasti) == original.__name__
        return (maker if is_asked else original)(*args, **kwargs)

    return standin


class _Indexed:
    """Stands for ``np.r_`` and its kin, which make arrays of what they are indexed by."""

    def __init__(self, original: Any, maker: Callable[[Any], Any]) -> None:
        self._original = original
        self._maker = maker

    def __getitem__(self, key: Any) -> Any:
        return self._maker(key) if _is_traced_user() else self._original[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def _joining(original: Any) -> _Indexed:
    body = translated(type(original).__getitem__)
    return _Indexed(original, lambda key: made(body(original, key)))


def _grid(original: Any) -> _Indexed:
    return _Indexed(original, lambda key: made(original[key]))


_STANDINS: dict[str, tuple[Any, Any]] = {
    **{original.__name__: (original, _function(original, maker)) for original, maker in MAKERS.items()},
    "r_": (np.r_, _joining(np.r_)),
    "c_": (np.c_, _joining(np.c_)),
    "mgrid": (np.mgrid, _grid(np.mgrid)),
    "ogrid": (np.ogrid, _grid(np.ogrid)),
}
_lock = threading.Lock()
_traces = 0


@contextmanager
def standins() -> Iterator[None]:
    """For the ``with`` block, the names stand for what looks who calls."""
    global _traces
    with _lock:
        _traces += 1
        if _traces == 1:
            for name, (_, standin) in _STANDINS.items():
                setattr(np, name, standin)
    try:
        yield
    finally:
        with _lock:
            _traces -= 1
            if _traces == 0:
                for name, (original, _) in _STANDINS.items():
                    setattr(np, name, original)
