"""The exceptions that a user meets. One class per kind of mistake; its docstring is the manual page.

Mistakes that NumPy itself would raise (a shape that does not broadcast, a bad axis) are raised as the same class
that NumPy raises, so that ``except ValueError`` in a user's program goes on working; the text then ends with the
line of the user's own code (see `at`).
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "FeedError", "GraphError", "LeakError", "TraceError", "TracegraphError", "TracegraphWarning", "UnsupportedError", "at",
]  # fmt: skip


class TracegraphError(Exception):
    """Base of all errors that are tracegraph's own."""


class TracegraphWarning(UserWarning):
    """A function runs, and rightly, but not as fast as it could."""


class TraceError(TracegraphError, TypeError):
    """A function did something that has no meaning while its values are not known yet.

    Wrong, because ``float`` would freeze the number of the first call::

        @tg.compile
        def f(x):
            return np.sum(x) * float(x[0])

    Right: leave it an array, ``np.sum(x) * x[0]``, or make the argument static with
    ``tg.compile(f, static_argnames="x")`` if it is a setting rather than data.
    """


class LeakError(TraceError):
    """A traced value was used after its function had returned, or in another thread.

    Wrong, because ``kept`` outlives the trace that it belongs to::

        kept = []

        @tg.compile
        def f(x):
            kept.append(x * 2)
            return x

    Right: return every value that is needed outside.
    """


class UnsupportedError(TracegraphError, NotImplementedError):
    """A NumPy function, keyword or dtype that is not traced. The text names it and what to write instead."""


class FeedError(TracegraphError, ValueError):
    """`tracegraph.symbolic.run` was fed something that does not fit its placeholders, or asked for no expression."""


class GraphError(TracegraphError, AssertionError):
    """A pass produced an ill-formed graph. Always a defect of tracegraph, never of the user's program."""


def at(message: str, where: Any) -> str:
    """Appends the user's file and line to a message, if they are known.

    >>> at("bad axis", None)
    'bad axis'
    """
    return message if where is None else f"{message}\n  at {where}"


def append_place(error: Exception, where: Any) -> None:
    """Appends the user's file and line to an error that is not tracegraph's own, unless it has one.

    >>> error = ValueError("bad axis")
    >>> append_place(error, "program.py:3")
    >>> print(error)
    bad axis
      at program.py:3
    """
    text = str(error)
    if "\n  at " in text:
        return
    if error.args and text == str(error.args[0]):
        error.args = (at(text, where), *error.args[1:])
    else:  # NumPy makes the text of some of its errors from other parts
        error.add_note(at("", where).strip())
