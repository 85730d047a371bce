"""`debug_print`: looking at values while a compiled function runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracegraph.ops.effect import debug_print as print_op
from tracegraph.tracing import active_trace, node_of
from tracegraph.tracing.lift import has_placeholder

__all__ = ["debug_print"]


def debug_print(*values: Any, sep: str = " ", end: str = "\n") -> None:
    """Prints like `print`, but when the compiled function runs: ``print`` itself runs once, while the function is traced,
    and shows of a traced value only what is known then. Outside of compiled functions it is `print`.

    Args:
        values: what to print; traced values are shown as NumPy shows them.
        sep: what stands between them.
        end: what stands at the end.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> @tg.compile
        ... def f(x):
        ...     tg.debug_print("x is", x)
        ...     return x * 2
        >>> y = f(np.arange(3.0))
        x is [0. 1. 2.]
    """
    trace = active_trace()
    if trace is None:
        print(*values, sep=sep, end=end)
        return
    traced = [has_placeholder(value) or isinstance(value, np.ndarray) for value in values]
    nodes = [node_of(value) for value, is_traced in zip(values, traced, strict=True) if is_traced]
    pieces = tuple(None if is_traced else str(value) for value, is_traced in zip(values, traced, strict=True))
    trace.effects.append(print_op(*trace.effects[-1:], *nodes, pieces=pieces, sep=sep, end=end))
