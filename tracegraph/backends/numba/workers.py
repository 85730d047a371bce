"""Threads of Python for steps of NumPy that run without Python's lock: calls come in, they are all done on return."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import Any

from tracegraph.backends.numba.pool import get_num_threads

__all__ = ["side_by_side"]

#: Elements that make a part: to hand a call to another thread takes as long as a tenth of such a part.
PART = 2**15


def side_by_side(size: int, parts: Callable[..., Sequence[Callable[[], Any]]]) -> None:
    """Runs the parts of a step, whose result has so many elements; ``parts(count=)`` makes so many."""
    count = max(1, min(get_num_threads(), size // PART))
    first, *rest = parts(count=count)
    if not rest:
        first()
        return
    waiting = [_pool(count - 1).submit(copy_context().run, each) for each in rest]
    try:
        first()
    finally:
        for each in waiting:
            each.exception()
    for each in waiting:
        each.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="tracegraph")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
