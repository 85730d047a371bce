"""The generator that users call: NumPy's methods, their shapes and their errors."""

from __future__ import annotations

import functools
import inspect
import math
import operator
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.api.compiled import Compiled, compile
from tracegraph.errors import TraceError, UnsupportedError, at
from tracegraph.ir import Shape
from tracegraph.ops.leaf import constant
from tracegraph.random import _laws as laws
from tracegraph.tracing import Placeholder, active_trace, user_where
from tracegraph.tracing.lift import check_dtype, has_placeholder, listed, result

__all__ = ["Generator", "default_rng"]

I64 = np.dtype(np.int64)
#: How far apart the streams of `Generator.jumped` begin.
_JUMP = 1 << 48
_MASK = (1 << 64) - 1
_NARROW = np.uint64(1 << 32)


@dataclass(eq=False, repr=False)
class Generator:
    """A generator of random numbers that are a function of its key and of how many were drawn before.

    It has the methods of `numpy.random.Generator`, and other numbers than NumPy's for the same seed. The methods may be
    called in compiled functions: of a generator that is an argument, or one that a function reads from outside, the caller's
    object has then gone on as if the function had run in NumPy. The same state gives the same numbers to the bit, compiled
    or not.

    Attributes:
        state: the key and the counter, uint64.

    Example:
        >>> import numpy as np
        >>> rng = default_rng(0)
        >>> rng.normal(size=(2, 3)).shape
        (2, 3)
        >>> rng.state[1]  # a normal takes two words
        np.uint64(12)
    """

    state: Any

    def __repr__(self) -> str:
        return f"Generator({self.state!r})"

    def spawn(self, n_children: int) -> list[Generator]:
        """Generators whose streams have nothing to do with this one's, nor with those of earlier calls."""
        states = self._run(laws.children, shape=(operator.index(n_children),))
        return [Generator(state if isinstance(state, Placeholder) else state.copy()) for state in states]

    def jumped(self, jumps: int = 1) -> Generator:
        """A generator that is where this one will be when 2**48 words more have been drawn, ``jumps`` times."""
        state = self._live().copy()
        state[1] = state[1] + np.uint64(jumps * _JUMP & _MASK)
        return Generator(state)

    # -- how a draw is made --------------------------------------------------------------------------------------------

    def _live(self) -> Any:
        """The state, as the open trace sees it if there is one."""
        trace = active_trace()
        if trace is None or isinstance(self.state, Placeholder):
            return self.state
        return Placeholder(trace, trace.borrow(self.state))

    def _run(self, law: Callable[..., Any], /, *params: Any, **static: Any) -> Any:
        return _compiled(law)(self._live(), *params, **static)

    def _draw(
        self,
        law: Callable[..., Any],
        size: Any,
        *params: Any,
        out: Any = None,
        number: type | None = float,
        **static: Any,
    ) -> Any:
        """What a law gives for each element of ``size``, or of the parameters broadcast; a number if that is one."""
        values = [_parameter(param) for param in params]
        shape = _shape(size, values) if out is None else _shape_of(out, size, static["dtype"])
        value = self._run(law, *values, shape=shape, **static)
        return _finished(value, size, out, number)

    def _numpy(
        self, law: str, size: Any, *params: Any, dtype: np.dtype = laws.F64, out: Any = None, scale: Any = None
    ) -> Any:
        """What NumPy's method gives, as `_draw`; ``scale``: multiplied by what has derivatives."""
        values = [_parameter(param) for param in params]
        factors = [] if scale is None else [_parameter(scale)]
        shape = _shape(size, [*values, *factors]) if out is None else _shape_of(out, size, dtype)
        value = self._run(laws.drawn, values, *factors, law=law, shape=shape, dtype=dtype)
        return _finished(value, size, out, float if dtype.kind == "f" else int)

    def _events(self, law: str, size: Any, event: Shape, *params: Any, dtype: np.dtype = laws.F64) -> Any:
        """Draws that are arrays themselves."""
        shape = () if size is None else _extents(size)
        return self._run(
            laws.drawn, [_parameter(param) for param in params], law=law, shape=shape, event=event, dtype=dtype
        )

    # -- standard distributions ----------------------------------------------------------------------------------------

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Uniform over [0, 1)."""
        return self._draw(laws.random, size, out=out, dtype=_float_dtype(dtype, "random"))

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Normal with mean 0 and variance 1."""
        return self._draw(laws.standard_normal, size, out=out, dtype=_float_dtype(dtype, "standard_normal"))

    def standard_exponential(
        self, size: Any = None, dtype: Any = np.float64, method: str = "inv", out: Any = None
    ) -> Any:
        """Exponential with mean 1, always by inversion."""
        return self._draw(laws.standard_exponential, size, out=out, dtype=_float_dtype(dtype, "standard_exponential"))

    def standard_cauchy(self, size: Any = None) -> Any:
        """Cauchy's distribution around 0."""
        return self._draw(laws.standard_cauchy, size)

    # -- continuous distributions with parameters ----------------------------------------------------------------------

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """Uniform over [low, high).

        Example:
            >>> import tracegraph as tg
            >>> mean = lambda high, rng: np.mean(rng.uniform(0.0, high, 1000))
            >>> bool(abs(tg.grad(mean)(3.0, default_rng(0)) - 0.5) < 0.05)
            True
        """
        _check(
            lambda low, high: np.isfinite(high - low), OverflowError, "high - low range exceeds valid bounds", low, high
        )
        _check(lambda low, high: high >= low, ValueError, "high - low < 0", low, high)
        return self._draw(laws.uniform, size, low, high)

    def normal(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Normal with a mean and a standard deviation."""
        _check_not_negative(scale=scale)
        return self._draw(laws.normal, size, loc, scale)

    def lognormal(self, mean: Any = 0.0, sigma: Any = 1.0, size: Any = None) -> Any:
        """The exponential of a normal."""
        _check_not_negative(sigma=sigma)
        return self._draw(laws.lognormal, size, mean, sigma)

    def exponential(self, scale: Any = 1.0, size: Any = None) -> Any:
        """Exponential with a mean."""
        _check_not_negative(scale=scale)
        return self._draw(laws.exponential, size, scale)

    def laplace(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """The double exponential distribution."""
        _check_not_negative(scale=scale)
        return self._draw(laws.laplace, size, loc, scale)

    def logistic(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """The logistic distribution."""
        _check_not_negative(scale=scale)
        return self._draw(laws.logistic, size, loc, scale)

    def gumbel(self, loc: Any = 0.0, scale: Any = 1.0, size: Any = None) -> Any:
        """Gumbel's distribution of extremes."""
        _check_not_negative(scale=scale)
        return self._draw(laws.gumbel, size, loc, scale)

    def rayleigh(self, scale: Any = 1.0, size: Any = None) -> Any:
        """The length of a vector of two normals."""
        _check_not_negative(scale=scale)
        return self._draw(laws.rayleigh, size, scale)

    def weibull(self, a: Any, size: Any = None) -> Any:
        """A power of an exponential."""
        _check_not_negative(a=a)
        return self._draw(laws.weibull, size, a)

    def pareto(self, a: Any, size: Any = None) -> Any:
        """Pareto's second distribution (Lomax's)."""
        _check_positive(a=a)
        return self._draw(laws.pareto, size, a)

    def power(self, a: Any, size: Any = None) -> Any:
        """Of density a x**(a - 1) over [0, 1]."""
        _check_positive(a=a)
        return self._draw(laws.power, size, a)

    def triangular(self, left: Any, mode: Any, right: Any, size: Any = None) -> Any:
        """Of a density that rises from left to mode and falls to right."""
        _check(lambda left, mode: left <= mode, ValueError, "left > mode", left, mode)
        _check(lambda mode, right: mode <= right, ValueError, "mode > right", mode, right)
        _check(lambda left, right: left != right, ValueError, "left == right", left, right)
        return self._draw(laws.triangular, size, left, mode, right)

    def wald(self, mean: Any, scale: Any, size: Any = None) -> Any:
        """The inverse Gaussian distribution."""
        _check_positive(mean=mean, scale=scale)
        return self._draw(laws.wald, size, mean, scale)

    # -- drawn by NumPy, by rejection: no derivatives by these parameters ----------------------------------------------

    def standard_gamma(self, shape: Any, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Gamma with scale 1."""
        _check_not_negative(shape=shape)
        return self._numpy("standard_gamma", size, shape, dtype=_float_dtype(dtype, "standard_gamma"), out=out)

    def gamma(self, shape: Any, scale: Any = 1.0, size: Any = None) -> Any:
        """Gamma, differentiable by its scale."""
        _check_not_negative(shape=shape, scale=scale)
        return self._numpy("standard_gamma", size, shape, scale=scale)

    def beta(self, a: Any, b: Any, size: Any = None) -> Any:
        """The beta distribution."""
        _check_positive(a=a, b=b)
        return self._numpy("beta", size, a, b)

    def chisquare(self, df: Any, size: Any = None) -> Any:
        """The sum of the squares of ``df`` normals."""
        _check_positive(df=df)
        return self._numpy("chisquare", size, df)

    def noncentral_chisquare(self, df: Any, nonc: Any, size: Any = None) -> Any:
        """The same of normals whose means are not 0."""
        _check_positive(df=df)
        _check_not_negative(nonc=nonc)
        return self._numpy("noncentral_chisquare", size, df, nonc)

    def f(self, dfnum: Any, dfden: Any, size: Any = None) -> Any:
        """Fisher's distribution."""
        _check_positive(dfnum=dfnum, dfden=dfden)
        return self._numpy("f", size, dfnum, dfden)

    def noncentral_f(self, dfnum: Any, dfden: Any, nonc: Any, size: Any = None) -> Any:
        """Fisher's distribution with a noncentral numerator."""
        _check_positive(dfnum=dfnum, dfden=dfden)
        _check_not_negative(nonc=nonc)
        return self._numpy("noncentral_f", size, dfnum, dfden, nonc)

    def standard_t(self, df: Any, size: Any = None) -> Any:
        """Student's distribution."""
        _check_positive(df=df)
        return self._numpy("standard_t", size, df)

    def vonmises(self, mu: Any, kappa: Any, size: Any = None) -> Any:
        """Von Mises' distribution on the circle."""
        _check_not_negative(kappa=kappa)
        return self._numpy("vonmises", size, mu, kappa)

    def binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        """How many of ``n`` trials succeed."""
        _check_not_negative(n=n)
        _check_probability(p=p)
        return self._numpy("binomial", size, n, p, dtype=I64)

    def negative_binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        """How many trials fail before ``n`` succeed."""
        _check_positive(n=n)
        _check_probability(p=p)
        return self._numpy("negative_binomial", size, n, p, dtype=I64)

    def poisson(self, lam: Any = 1.0, size: Any = None) -> Any:
        """How many events there are where ``lam`` are expected."""
        _check(lambda x: x >= 0, ValueError, "lam < 0 or lam {nan}", lam)
        return self._numpy("poisson", size, lam, dtype=I64)

    def geometric(self, p: Any, size: Any = None) -> Any:
        """How many trials there are up to the first success."""
        _check(lambda x: (x > 0) & (x <= 1), ValueError, "p <= 0, p > 1 or p contains NaNs", p)
        return self._numpy("geometric", size, p, dtype=I64)

    def hypergeometric(self, ngood: Any, nbad: Any, nsample: Any, size: Any = None) -> Any:
        """How many of a sample without replacement are good."""
        _check_not_negative(ngood=ngood, nbad=nbad, nsample=nsample)
        _check(lambda a, b, n: a + b >= n, ValueError, "ngood + nbad < nsample", ngood, nbad, nsample)
        return self._numpy("hypergeometric", size, ngood, nbad, nsample, dtype=I64)

    def logseries(self, p: Any, size: Any = None) -> Any:
        """The logarithmic distribution."""
        _check(lambda x: (x >= 0) & (x < 1), ValueError, "p < 0, p >= 1 or p {nan}", p)
        return self._numpy("logseries", size, p, dtype=I64)

    def zipf(self, a: Any, size: Any = None) -> Any:
        """Zipf's distribution."""
        _check(lambda x: x > 1, ValueError, "a <= 1 or a {nan}", a)
        return self._numpy("zipf", size, a, dtype=I64)

    def dirichlet(self, alpha: Any, size: Any = None) -> Any:
        """Probabilities that add up to 1."""
        _check(lambda x: x >= 0, ValueError, "alpha < 0", alpha)
        weights = _parameter(alpha)
        return self._events("dirichlet", size, weights.shape, weights)

    def multinomial(self, n: Any, pvals: Any, size: Any = None) -> Any:
        """How often each of several outcomes comes in ``n`` trials."""
        trials, weights = _parameter(n), _parameter(pvals)
        shape = _shape(size, [trials, weights[..., 0]])
        return self._events("multinomial", shape, weights.shape[-1:], trials, weights, dtype=I64)

    def multivariate_hypergeometric(self, colors: Any, nsample: int, size: Any = None) -> Any:
        """How many of each color there are in a sample without replacement."""
        counts = _parameter(colors)
        return self._events("multivariate_hypergeometric", size, counts.shape, counts, nsample, dtype=I64)

    def multivariate_normal(
        self,
        mean: Any,
        cov: Any,
        size: Any = None,
        check_valid: str = "warn",
        tol: float = 1e-8,
        *,
        method: str = "svd",
    ) -> Any:
        """Normals with a covariance, which is taken apart by ``np.linalg.svd``, ``eigh`` or ``cholesky``."""
        center, spread = _parameter(mean), _parameter(cov)
        if center.ndim != 1:
            raise ValueError("mean must be 1 dimensional")
        if spread.ndim != 2 or spread.shape[0] != spread.shape[1]:
            raise ValueError("cov must be 2 dimensional and square")
        if center.shape[0] != spread.shape[0]:
            raise ValueError("mean and cov must have same length")
        if check_valid not in ("warn", "raise", "ignore"):
            raise ValueError("check_valid must equal 'warn', 'raise', or 'ignore'")
        factor = _factor(spread, method)
        if check_valid != "ignore" and not isinstance(factor, Placeholder):
            _check_covariance(spread, factor, tol, check_valid)
        value = self._run(laws.multivariate_normal, center, factor, shape=() if size is None else _extents(size))
        return _finished(value, (), None, None)

    # -- integers and choice -------------------------------------------------------------------------------------------

    def integers(
        self, low: Any, high: Any = None, size: Any = None, dtype: Any = np.int64, endpoint: bool = False
    ) -> Any:
        """Uniform over the integers from low to high, which is left out unless ``endpoint`` is set."""
        if high is None:
            low, high = 0, low
        to = np.dtype(dtype)
        if to.kind not in "iub":
            raise TypeError(f"Unsupported dtype {to!r} for integers")
        is_known = not (has_placeholder(low) or has_placeholder(high))
        if is_known:
            _check_range(low, high, to, endpoint)
        first, last = _word(low), _word(high)
        if not endpoint:
            with np.errstate(over="ignore"):
                last = last - np.uint64(1)
        is_narrow = to.itemsize < 8 or (is_known and bool(np.all(last - first < _NARROW)))
        number = dtype if dtype in (int, bool) else None
        return self._draw(laws.integers, size, first, last, number=number, dtype=check_dtype(to), is_narrow=is_narrow)

    def bytes(self, length: int) -> bytes:
        """Random bytes; not in compiled functions, which know no bytes."""
        if active_trace() is not None:
            raise UnsupportedError(at("rng.bytes is not traced; draw rng.integers(0, 256, n, np.uint8)", user_where()))
        drawn: np.ndarray = self._run(laws.raw, shape=(-(-length // 8),))
        return drawn.tobytes()[:length]

    def choice(
        self, a: Any, size: Any = None, replace: bool = True, p: Any = None, axis: int = 0, shuffle: bool = True
    ) -> Any:
        """Elements of ``a``, or of ``range(a)``, along an axis."""
        population: Any = a if isinstance(a, (int, np.integer)) else _parameter(a)
        is_count = not np.ndim(population)
        if is_count and not hasattr(population, "__index__"):
            raise ValueError(f"a must be a sequence or an integer, not {type(a)}")
        count = operator.index(population) if is_count else population.shape[axis]
        shape = () if size is None else _extents(size)
        wanted = math.prod(shape)
        if count <= 0 and wanted:
            raise ValueError(
                "a must be a positive integer unless no samples are taken"
                if is_count
                else "a cannot be empty unless no samples are taken"
            )
        if p is not None:
            _check_weights(p, count, 0 if replace else wanted)
        if not replace and wanted > count:
            raise ValueError("Cannot take a larger sample than population when replace is False")
        if p is not None:
            law = "choice" if replace else "choice without replacement"
            chosen = self._events(law, shape, (), p, dtype=I64)
        elif replace:
            chosen = self.integers(0, count, shape) if count else np.zeros(shape, I64)
        else:
            chosen = np.reshape(self.permutation(count)[:wanted], shape)
        if not is_count:
            return np.take(population, chosen, axis=axis)
        return _finished(chosen, size, None, None)

    def permutation(self, x: Any, axis: int = 0) -> Any:
        """``range(x)``, or a copy of ``x``, with what lies along an axis in random order."""
        if isinstance(x, (int, np.integer)):
            return self._events("permutation", int(x), (), dtype=I64)
        array = listed(x)
        normalize_axis_index(axis, array.ndim)
        return np.take(array, self.permutation(array.shape[axis]), axis=axis)

    def shuffle(self, x: Any, axis: int = 0) -> None:
        """Puts what lies along an axis of ``x`` into random order, in place."""
        if isinstance(x, (np.ndarray, Placeholder)):
            x[...] = self.permutation(x, axis)
        else:
            x[:] = [x[k] for k in self.permutation(len(x))]

    def permuted(self, x: Any, axis: int | None = None, out: Any = None) -> Any:
        """A copy of ``x`` in which each row along an axis has an order of its own."""
        array = _parameter(x)
        if axis is None:
            value = np.reshape(self.permutation(np.ravel(array)), array.shape)
        else:
            shape = np.moveaxis(array, axis, -1).shape
            order = self._events("permuted", shape, (), dtype=I64)
            value = np.take_along_axis(array, np.moveaxis(order, -1, axis), axis)
        if out is None:
            return value
        out[...] = value
        return out


# -- arguments ---------------------------------------------------------------------------------------------------------


@functools.cache
def _compiled(law: Callable[..., Any]) -> Compiled[..., Any]:
    names = [each.name for each in inspect.signature(law).parameters.values() if each.kind is each.KEYWORD_ONLY]
    return compile(law, static_argnames=names)


def _parameter(value: Any) -> Any:
    if isinstance(value, (int, float, Placeholder)):
        return value
    return listed(value) if has_placeholder(value) else np.asarray(value)


def _extents(size: Any) -> Shape:
    if not isinstance(size, (Sequence, np.ndarray)) and not hasattr(size, "__index__"):
        raise TypeError(f"expected a sequence of integers or a single integer, got {str(size)!r}")
    shape = tuple(map(operator.index, size)) if isinstance(size, (Sequence, np.ndarray)) else (operator.index(size),)
    if min(shape, default=0) < 0:
        raise ValueError("negative dimensions are not allowed")
    return shape


def _shape(size: Any, params: Sequence[Any]) -> Shape:
    shapes = [getattr(param, "shape", ()) for param in params]
    together = np.broadcast_shapes(*shapes)
    if size is None:
        return together
    shape = _extents(size)
    if np.broadcast_shapes(shape, together) != shape:
        raise ValueError(f"Output size {shape} is not compatible with broadcast dimensions of inputs {together}.")
    return shape


def _shape_of(out: Any, size: Any, dtype: np.dtype) -> Shape:
    """The shape of the array that is to be filled."""
    if out.dtype != dtype:
        raise TypeError(f"Supplied output array has the wrong type. Expected {dtype}, got {out.dtype}")
    if size is not None and _extents(size) != out.shape:
        raise ValueError("size must match out.shape when used together")
    shape: Shape = out.shape
    return shape


def _finished(value: Any, size: Any, out: Any, number: type | None) -> Any:
    """What NumPy gives: ``out`` filled, an array, or a number where neither size nor parameters have a shape."""
    if out is not None:
        out[...] = value
        return out
    if isinstance(value, Placeholder):
        is_array = size is not None or bool(value.shape)
        return result(value.node, None if is_array else number, is_array=is_array)
    if size is not None or np.ndim(value):
        return np.asarray(value)
    return np.asarray(value)[()] if number is None else number(value)


def _float_dtype(dtype: Any, name: str) -> np.dtype:
    found = np.dtype(dtype)
    if found not in (laws.F32, laws.F64):
        raise TypeError(f"Unsupported dtype {found!r} for {name}")
    return check_dtype(found)


def _check(holds: Callable[..., Any], error: type[Exception], message: str, *params: Any) -> None:
    """Raises an error unless a condition holds everywhere; nothing can be said of values that are not known yet."""
    if not any(map(has_placeholder, params)):
        with np.errstate(all="ignore"):
            if not np.all(holds(*map(np.asarray, params))):
                raise error(message.format(nan="contains NaNs" if any(map(np.ndim, params)) else "is NaN"))


def _check_not_negative(**params: Any) -> None:
    for name, value in params.items():
        _check(lambda x: np.isnan(x) | ~np.signbit(np.asarray(x, float)), ValueError, f"{name} < 0", value)


def _check_positive(**params: Any) -> None:
    for name, value in params.items():
        _check(lambda x: x > 0, ValueError, f"{name} <= 0", value)


def _check_probability(**params: Any) -> None:
    for name, value in params.items():
        _check(lambda x: (x >= 0) & (x <= 1), ValueError, f"{name} < 0, {name} > 1 or {name} {{nan}}", value)


def _check_range(low: Any, high: Any, dtype: np.dtype, endpoint: bool) -> None:
    limits = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    _check(lambda x: x >= limits[0], ValueError, f"low is out of bounds for {dtype}", low)
    _check(lambda x: x <= limits[1] + (not endpoint), ValueError, f"high is out of bounds for {dtype}", high)
    name = "high" if type(low) is int and low == 0 else "low"
    sign = {"low": (">", ">="), "high": ("<", "<=")}[name][not endpoint]
    message = f"{name} {sign} {'high' if name == 'low' else 0}"
    _check(lambda a, b: a <= b if endpoint else a < b, ValueError, message, low, high)


def _word(value: Any) -> Any:
    """A bound modulo 2**64."""
    if has_placeholder(value):
        return np.astype(np.astype(_parameter(value), I64), np.uint64)
    array = np.asarray(value)
    if array.dtype == object:
        return np.asarray(array % (1 << 64), np.uint64)
    return (array.astype(I64) if array.dtype.kind == "f" else array).astype(np.uint64)


def _check_weights(p: Any, count: int, wanted: int) -> None:
    """As NumPy checks them; of those that are not known yet, only their shape."""
    weights = _parameter(p)
    if weights.ndim != 1:
        raise ValueError("p must be 1-dimensional")
    if weights.shape[0] != count:
        raise ValueError("a and p must have same size")
    _check(lambda x: x >= 0, ValueError, "Probabilities are not non-negative", weights)
    _check(
        lambda x: abs(np.sum(x) - 1) <= 1e-8,
        ValueError,
        "Probabilities do not sum to 1. See Notes section of docstring for more information.",
        weights,
    )
    _check(lambda x: np.count_nonzero(x) >= wanted, ValueError, "Fewer non-zero entries in p than size", weights)


def _factor(cov: Any, method: str) -> Any:
    """A matrix that gives the covariance when it is multiplied by its own transpose."""
    if method == "cholesky":
        return np.linalg.cholesky(cov)
    if method == "eigh":
        values, vectors = np.linalg.eigh(cov)
    elif method == "svd":
        vectors, values, _ = np.linalg.svd(cov)
    else:
        raise ValueError("method must be one of {'eigh', 'svd', 'cholesky'}")
    return vectors * np.sqrt(np.abs(values))


def _check_covariance(cov: np.ndarray, factor: np.ndarray, tol: float, check_valid: str) -> None:
    if not np.allclose(factor @ factor.T, cov, rtol=tol, atol=tol):
        if check_valid == "raise":
            raise ValueError("covariance is not symmetric positive-semidefinite.")
        warnings.warn("covariance is not symmetric positive-semidefinite.", RuntimeWarning, stacklevel=3)


def default_rng(seed: Any = None) -> Generator:
    """A generator of random numbers.

    Args:
        seed: an integer or a sequence of them, a `numpy.random.SeedSequence`, None for one that the operating system gives,
            or a generator, which is returned as it is.

    Raises:
        TraceError: without a seed, inside a compiled function: the numbers would be the same at every call.

    Example:
        >>> default_rng(7).random() == default_rng(7).random()
        True
    """
    if isinstance(seed, Generator):
        return seed
    trace = active_trace()
    if trace is not None and (seed is None or has_placeholder(seed)):
        raise TraceError(
            at(
                "default_rng() inside a compiled function needs a seed that is known; make the generator outside and pass "
                "it as an argument",
                user_where(),
            )
        )
    source = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    state = np.array([source.generate_state(1, np.uint64)[0], 0], np.uint64)
    return Generator(state if trace is None else result(constant(state)))
