"""Functions of scipy.special that are written in Python and ask no argument what they should do, on placeholders. Its ufuncs
come through NumPy's protocol (`ufuncs`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tracegraph.errors import UnsupportedError
from tracegraph.tracing.lift import has_placeholder

__all__ = ["FUNCTIONS"]


def _shift(x: Any, axis: Any) -> Any:
    """The maximum, which may be taken off before exponentials; 0 where it is infinite or there is none."""
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(top), top, 0)


def _logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    if return_sign:
        raise UnsupportedError(
            "scipy.special.logsumexp with return_sign is not traced; write np.log(np.abs(np.sum(...)))"
        )
    top = _shift(a, axis)
    terms = np.exp(a - top) if b is None else b * np.exp(a - top)
    out = np.log(np.sum(terms, axis=axis, keepdims=True)) + top
    return out if keepdims else np.squeeze(out, axis=axis)[()]


def _softmax(x: Any, axis: Any = None) -> Any:
    terms = np.exp(x - _shift(x, axis))
    return terms / np.sum(terms, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: Any = None) -> Any:
    low = x - _shift(x, axis)
    return low - np.log(np.sum(np.exp(low), axis=axis, keepdims=True))


def _multigammaln(a: Any, d: int) -> Any:
    from scipy.special import gammaln  # type: ignore[import-untyped,unused-ignore]

    return d * (d - 1) / 4 * np.log(np.pi) + sum(gammaln(a - j / 2) for j in range(d))


def _polygamma(n: Any, x: Any) -> Any:
    from scipy.special import gamma, psi, zeta

    if has_placeholder(n):
        raise UnsupportedError("scipy.special.polygamma of a traced order is not traced")
    order = np.asarray(n)
    higher = (-1.0) ** (order + 1) * gamma(order + 1.0) * zeta(order + 1.0, x)
    return np.where(order == 0, psi(x), higher)[()] if np.any(order == 0) else higher


#: By name, for SciPy is not imported for their sake.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "multigammaln": _multigammaln,
    "polygamma": _polygamma,
}
