"""`checkpoint`: a function of which reverse mode keeps only the arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from tracegraph.ops.call import call, results
from tracegraph.tracing import Enclosed, active_trace

__all__ = ["checkpoint"]

F = TypeVar("F", bound=Callable[..., Any])


def checkpoint(function: F) -> F:
    """The function, of which reverse mode keeps only the arguments: what else it needs is computed again.

    That costs one more forward pass of the function, and saves the memory of all that is computed inside (T. Chen et al.,
    "Training deep nets with sublinear memory cost", 2016).

    Args:
        function: a NumPy function, which may also read and change arrays from outside.

    Returns:
        A function of the same signature, value and derivatives.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> layer = tg.checkpoint(lambda x: np.tanh(np.sin(x)))
        >>> float(tg.grad(lambda x: layer(layer(x)))(0.0))
        1.0
    """

    @functools.wraps(function)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        trace = active_trace()
        if trace is None:
            return function(*args, **kwargs)
        enclosed = Enclosed(trace, "checkpoint")
        enclosed.run(lambda: function(*args, **kwargs))
        (nested,) = enclosed.found
        (body,), sources = enclosed.graphs([[leaf.node for leaf in nested.leaves]])
        made = results(call(*sources, body=body, rule=None))
        return enclosed.settle(made, nested.leaves)

    return checkpointed  # type: ignore[return-value]
