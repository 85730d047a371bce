"""The distributions of scipy.stats on placeholders: densities, distribution functions and quantiles.

What a distribution of one variable says in formulas (`_logpdf`, `_cdf`, ...) runs as SciPy wrote it; around them SciPy
picks the elements for which they hold, which a graph does with `np.where`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tracegraph.errors import UnsupportedError
from tracegraph.tracing.bodies import Object
from tracegraph.tracing.creation import asarray

__all__ = ["METHODS"]

_LOG_TAU = float(np.log(2 * np.pi))


class _Standard:
    """A distribution with its parameters taken apart, and its argument brought to location 0 and scale 1."""

    def __init__(self, law: Any, x: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        self.law = Object(law)
        self.args, self.loc, self.scale = law._parse_args(*args, **kwargs)
        self.x = (asarray(x) - self.loc) / asarray(self.scale) if hasattr(law, "logpdf") else x - self.loc
        self.is_valid = (self.law._argcheck(*self.args) == 1) & (asarray(self.scale) > 0)
        self.low, self.high = self.law._get_support(*self.args)

    def formula(self, name: str, x: Any = None) -> Any:
        return getattr(self.law, name)(self.x if x is None else x, *self.args)

    def answer(self, value: Any) -> Any:
        """The value, or NaN where a parameter or the argument makes no sense; a number if it is one."""
        return np.where(self.is_valid & ~np.isnan(self.x), value, self.law.badvalue)[()]


def _density(name: str, outside: float) -> Callable[..., Any]:
    def method(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        at = _Standard(self, x, args, kwargs)
        value = at.formula(name)
        value = value - np.log(at.scale) if outside else value / at.scale
        return at.answer(np.where(at.formula("_support_mask"), value, outside))

    return method


def _mass(outside: float) -> Callable[..., Any]:
    def method(self: Any, k: Any, *args: Any, **kwargs: Any) -> Any:
        at = _Standard(self, k, args, kwargs)
        value = at.formula("_logpmf")
        is_inside = (at.x >= at.low) & (at.x <= at.high) & at.formula("_nonzero")
        return at.answer(np.where(is_inside, value if outside else np.exp(value), outside))

    return method


def _distribution(name: str, below: float, above: float) -> Callable[..., Any]:
    def method(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        at = _Standard(self, x, args, kwargs)
        is_discrete = hasattr(self, "logpmf")
        is_below = at.x < at.low if is_discrete else at.x <= at.low
        return at.answer(np.where(is_below, below, np.where(at.x >= at.high, above, at.formula(name))))

    return method


def _quantile(name: str, *, upper: bool) -> Callable[..., Any]:
    def method(self: Any, q: Any, *args: Any, **kwargs: Any) -> Any:
        at = _Standard(self, 0.0, args, kwargs)
        first, last = (at.high, at.low) if upper else (at.low, at.high)
        value = at.formula(name, np.where((q > 0) & (q < 1), q, 0.5))  # some formulas raise errors outside
        value = np.where(q == 0, first, np.where(q == 1, last, value)) * at.scale + at.loc
        return at.answer(np.where((q >= 0) & (q <= 1), value, np.nan))

    return method


_DISTRIBUTIONS: Mapping[str, Callable[..., Any]] = {
    "cdf": _distribution("_cdf", 0.0, 1.0),
    "logcdf": _distribution("_logcdf", -np.inf, 0.0),
    "sf": _distribution("_sf", 1.0, 0.0),
    "logsf": _distribution("_logsf", 0.0, -np.inf),
}


# -- of several variables ----------------------------------------------------------------------------------------------


def _normal_logpdf(self: Any, x: Any, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Any:
    if allow_singular:
        raise UnsupportedError("scipy.stats.multivariate_normal with allow_singular=True is not traced")
    mean, chol = _mean_and_root(mean, cov)
    size = chol.shape[-1]
    x = asarray(x)
    points = x[..., None] if x.ndim == 0 or (size == 1 and x.ndim == 1) else x
    white = np.linalg.solve(chol, np.reshape(points - mean, (-1, size)).T)
    value = -0.5 * (size * _LOG_TAU + np.sum(white**2, axis=0)) - np.sum(np.log(np.diagonal(chol)))
    return np.squeeze(np.reshape(value, points.shape[:-1]))[()]


def _mean_and_root(mean: Any, cov: Any) -> tuple[Any, Any]:
    """The mean, zeros if it is None, and the Cholesky factor of the covariance, of which one may give less than a matrix."""
    size = max(np.size(mean) if mean is not None else 1, np.shape(cov)[-1] if np.ndim(cov) else 1)
    full = cov if np.ndim(cov) == 2 else np.eye(size) * cov
    return np.zeros(size) if mean is None else mean, np.linalg.cholesky(full)


def _normal_entropy(self: Any, mean: Any = None, cov: Any = 1) -> Any:
    _, chol = _mean_and_root(mean, cov)
    return 0.5 * chol.shape[-1] * (1 + _LOG_TAU) + np.sum(np.log(np.diagonal(chol)))


def _dirichlet_logpdf(self: Any, x: Any, alpha: Any) -> Any:
    from scipy.special import gammaln, xlogy  # type: ignore[import-untyped,unused-ignore]

    if np.shape(x)[0] == np.shape(alpha)[0] - 1:
        x = np.concatenate([x, 1 - np.sum(x, axis=0, keepdims=True)])
    constant = np.sum(gammaln(alpha)) - gammaln(np.sum(alpha))
    return np.sum(xlogy((alpha - np.ones(np.shape(alpha))).T, x.T).T, axis=0) - constant


def _exp_of(logarithm: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: np.exp(logarithm(*args, **kwargs))


#: The methods of SciPy's classes, by module, class and name.
METHODS: Mapping[tuple[str, ...], Mapping[str, Callable[..., Any]]] = {
    ("scipy.stats._distn_infrastructure", "rv_continuous"): {
        "pdf": _density("_pdf", 0.0),
        "logpdf": _density("_logpdf", -np.inf),
        "ppf": _quantile("_ppf", upper=False),
        "isf": _quantile("_isf", upper=True),
        **_DISTRIBUTIONS,
    },
    ("scipy.stats._distn_infrastructure", "rv_discrete"): {
        "pmf": _mass(0.0),
        "logpmf": _mass(-np.inf),
        **_DISTRIBUTIONS,
    },
    ("scipy.stats._multivariate", "multivariate_normal_gen"): {
        "logpdf": _normal_logpdf,
        "pdf": _exp_of(_normal_logpdf),
        "entropy": _normal_entropy,
    },
    ("scipy.stats._multivariate", "dirichlet_gen"): {
        "logpdf": _dirichlet_logpdf,
        "pdf": _exp_of(_dirichlet_logpdf),
    },
}
