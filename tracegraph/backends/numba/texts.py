"""The row type of texts for phases: what a kernel's pointers and numbers are called comes in, with what it does."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Text"]


class Text(NamedTuple):
    """A kernel's text with places to fill in.

    Attributes:
        buffers: the names of its pointers; in braces, each stands for its dtype. ``{name}_at`` is a pointer's address.
        numbers: the names of its other words.
        body: what it does.
        sorted: the pointer to what it has sorted by NumPy's function, at ``sort``.
    """

    buffers: str
    numbers: str
    body: str
    sorted: str = ""
