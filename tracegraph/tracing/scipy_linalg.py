"""Functions of scipy.linalg on placeholders: those that NumPy has no name for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from tracegraph.errors import at
from tracegraph.ops import linalg
from tracegraph.tracing.lift import cast, node_of, result
from tracegraph.tracing.trace import user_where

__all__ = ["FUNCTIONS"]


def _expm(A: Any) -> Any:
    node = node_of(A)
    if node.aval.size == 1 and node.aval.ndim < 2:
        return np.reshape(np.exp(result(node)), (1, 1))
    if node.aval.ndim < 2:
        raise LinAlgError(at("The input array must be at least two-dimensional", user_where()))
    if node.shape[-1] != node.shape[-2]:
        raise LinAlgError(at("Last 2 dimensions of the array must be square", user_where()))
    dtype = np.result_type(node.dtype, np.float32) if node.dtype.kind in "fc" else np.dtype(float)
    return result(linalg.expm(cast(node, dtype)), is_array=True)


#: By name, for SciPy is not imported for their sake.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {"expm": _expm}
