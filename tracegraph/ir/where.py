"""Where in the user's program a node was made. The tracer says so once per operation; all nodes made until it says
something else take that place, and so do the nodes of a derivative, which take the place of their primal node."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

__all__ = ["Where", "current_where", "located", "set_where"]


class Where(NamedTuple):
    """A line of the user's program.

    >>> print(Where("model.py", 3, "loss"))
    model.py:3 in loss
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


class _Here(threading.local):
    where: Where | None = None


_here = _Here()


def current_where() -> Where | None:
    """The place that new nodes take in this thread."""
    return _here.where


def set_where(where: Where | None) -> None:
    """Sets the place that new nodes take in this thread."""
    _here.where = where


@contextmanager
def located(where: Where | None) -> Iterator[None]:
    """Sets the place for the duration of a ``with`` block."""
    before = _here.where
    _here.where = where
    try:
        yield
    finally:
        _here.where = before
