"""The generator that users call: NumPy's methods, their shapes and their errors."""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracegraph.api.compiled import Compiled, compile
from tracegraph.errors import TraceError, at
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
        borrow = getattr(trace, "borrow", None)
        if borrow is None:
            raise TraceError(
                at("a generator is drawn from that is no argument; pass the generator as an argument", user_where())
            )
        return borrow(self.state)

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

    def _numpy(self, law: str, size: Any, *params: Any, dtype: np.dtype = laws.F64) -> Any:
        """What NumPy's method gives, as `_draw`."""
        values = [_parameter(param) for param in params]
        value = self._run(laws.drawn, values, law=law, shape=_shape(size, values), dtype=dtype)
        return _finished(value, size, None, float if dtype == laws.F64 else int)

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
        _check(lambda low, high: high >= low, ValueError, "high < low", low, high)
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
                raise error(message)


def _check_not_negative(**params: Any) -> None:
    for name, value in params.items():
        _check(lambda x: np.isnan(x) | ~np.signbit(np.asarray(x, float)), ValueError, f"{name} < 0", value)


def _check_positive(**params: Any) -> None:
    for name, value in params.items():
        _check(lambda x: x > 0, ValueError, f"{name} <= 0", value)


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
