"""Exponentials, logarithms, powers and gammaln stay within a stated error of the exact result, over all floats."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import mpmath
import numpy as np
import pytest
from backends.numba.test_vecmath_cases import FLOATS, Call, assert_same, errors, evaluate, specials

EXTENDED = np.finfo(np.longdouble).nmant >= 63  # otherwise longdouble is no reference for doubles
COUNT = 20_000


class Function(NamedTuple):
    """A function with its exact counterpart, and the largest error in units in the last place (float32, float64)."""

    exact: Callable[..., np.ndarray]
    limits: tuple[float, float]
    by_mpmath: Callable[[mpmath.mpf], mpmath.mpf]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


UNARY: dict[str, Function] = {
    "exp": Function(np.exp, (1.1, 1.1), mpmath.exp),
    "exp2": Function(np.exp2, (1.15, 1.15), lambda x: mpmath.mpf(2) ** x),
    "expm1": Function(np.expm1, (1.15, 1.3), mpmath.expm1),
    "log": Function(np.log, (1.0, 0.9), mpmath.log),
    "log1p": Function(np.log1p, (1.0, 1.05), mpmath.log1p),
    "tanh": Function(np.tanh, (1.6, 1.4), mpmath.tanh),
    "sigmoid": Function(sigmoid, (0.9, 0.9), lambda x: 1 / (1 + mpmath.exp(-x))),
}
POWER_LIMITS = (1.7, 1.4)
GAMMALN_LIMITS = (0.6, 1.7)
NEGATIVE_GAMMALN_LIMIT = 5.0  # that of C's lgamma


@cache
def operands(dtype: str, count: int) -> np.ndarray:
    """Specials, random bits, and numbers dense where functions change: about 0 and 1 and up to their limits."""
    random = np.random.default_rng(3)
    bits = random.integers(0, 256, count * np.dtype(dtype).itemsize, np.uint8).view(dtype)
    spans = [(-1, 1), (-9, 9), (0.5, 2), (-110, 100), (-760, 720), (0, 200)]
    dense = [random.uniform(*span, count) for span in spans]
    steps = [np.linspace(*span, count) for span in spans]
    sizes = 10 ** random.uniform(-30, 30, count) * random.choice([-1, 1], count)
    return np.concatenate([each.astype(dtype) for each in (specials(dtype), bits, *dense, *steps, sizes)])


def exactly(function: Callable[[mpmath.mpf], mpmath.mpf], x: np.ndarray) -> np.ndarray:
    """A function of mpmath on finite numbers, rounded to longdouble by way of two doubles."""

    def one(number: float) -> np.longdouble:
        with mpmath.workdps(60):
            result = function(mpmath.mpf(number))
            high = float(result)
            return np.longdouble(high) + (np.longdouble(float(result - high)) if np.isfinite(high) else 0)

    return np.array([one(float(each)) for each in x], np.longdouble)


def limit(limits: tuple[float, float], dtype: str) -> float:
    return limits[FLOATS.index(dtype)]


def worst(got: np.ndarray, exact: np.ndarray, *given: np.ndarray) -> tuple[float, str]:
    """The largest error, and where it is."""
    found = errors(got, exact)
    k = int(np.argmax(found))
    return found[k], f"of {[x[k] for x in given]}: got {got[k]!r}, expected {exact[k]!r}"


@pytest.mark.skipif(not EXTENDED, reason="longdouble is no longer than double")
@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_one_operand(call: Call, dtype: str) -> None:
    """Errors stay below those stated, and special values are right, for operands of every size."""
    x = operands(dtype, COUNT)
    results = evaluate(call, dict.fromkeys(UNARY, dtype), x)
    for name, function in UNARY.items():
        with np.errstate(all="ignore"):
            error, where = worst(results[name], function.exact(x.astype(np.longdouble)), x)
        assert error <= limit(function.limits, dtype), f"{name} {where}"


@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_one_operand_against_mpmath(call: Call, dtype: str) -> None:
    """The same against a reference that shares no code with C's libraries."""
    random = np.random.default_rng(5)
    x = np.concatenate([random.uniform(0, span, 100) for span in (1e-6, 0.1, 1, 5, 80)]).astype(dtype)
    results = evaluate(call, dict.fromkeys(UNARY, dtype), x)
    for name, function in UNARY.items():
        error, where = worst(results[name], exactly(function.by_mpmath, x), x)
        assert error <= limit(function.limits, dtype), f"{name} {where}"


@pytest.mark.skipif(not EXTENDED, reason="longdouble is no longer than double")
@pytest.mark.parametrize("dtype", FLOATS)
def test_powers(call: Call, dtype: str) -> None:
    """x**y keeps its precision where the exponent is large, at overflow and where the result is subnormal."""
    random, facts = np.random.default_rng(11), np.finfo(dtype)
    x = np.exp(np.concatenate([random.uniform(-span, span, COUNT) for span in (0.1, 5, 80)])).astype(dtype)
    logarithm = np.log(x.astype(np.longdouble))
    lowest, highest = np.log(np.longdouble(facts.smallest_subnormal)), np.log(np.longdouble(facts.max))
    with np.errstate(all="ignore"):
        y = (random.uniform(float(lowest), float(highest), x.size) / logarithm).astype(dtype)
        edge = (highest / logarithm * (1 + random.integers(-3, 4, x.size) * facts.eps)).astype(dtype)
    x, y = np.concatenate([x, x])[np.isfinite(logarithm).tolist() * 2], np.concatenate([y, edge])
    got = evaluate(call, {"power": dtype}, x, y)["power"]
    with np.errstate(all="ignore"):
        error, where = worst(got, np.power(x.astype(np.longdouble), y.astype(np.longdouble)), x, y)
    assert error <= limit(POWER_LIMITS, dtype), where


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_powers(call: Call, dtype: str) -> None:
    """Zeros, infinities, nan, one and odd exponents follow C99, as in NumPy."""
    values = np.concatenate([specials(dtype), np.array([-0.5, 1 / 3, 5, -5, 2.0**23 + 1, 2.0**24], dtype)])
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    is_special = ~np.isfinite(expected) | (expected == 0) | (np.abs(x) == 1) | (y == 0)
    got = evaluate(call, {"power": dtype}, x, y)["power"]
    assert_same(got[is_special], expected[is_special], "power", x[is_special], y[is_special])
    assert np.isfinite(got[~is_special]).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_gammaln(call: Call, dtype: str) -> None:
    """log|gamma(x)| keeps its precision about its zeros 1 and 2, and is infinite at 0 and the negative integers."""
    random = np.random.default_rng(13)
    near = 10 ** random.uniform(-12, -1, 150) * random.choice([-1, 1], 150)
    spans = [random.uniform(0, 5, 400), random.uniform(4, 60, 100), 10 ** random.uniform(-30, 30, 100)]
    x = np.concatenate([*spans, 1 + near, 2 + near, [0.5, 1, 1.5, 2, 2.5, 3.5, 4.5]]).astype(dtype)
    got = evaluate(call, {"gammaln": dtype}, x)["gammaln"]
    error, where = worst(got, exactly(mpmath.loggamma, x), x)
    assert error <= limit(GAMMALN_LIMITS, dtype), where
    below = -random.uniform(0, 30, 100).astype(dtype)
    got = evaluate(call, {"gammaln": dtype}, below)["gammaln"]
    error, where = worst(got, exactly(lambda number: mpmath.log(abs(mpmath.gamma(number))), below), below)
    assert error <= NEGATIVE_GAMMALN_LIMIT, where
    x = np.array([0, -0.0, -1, -2, np.inf, -np.inf, np.nan], dtype)
    expected = np.array([*[np.inf] * 6, np.nan], dtype)
    assert_same(evaluate(call, {"gammaln": dtype}, x)["gammaln"], expected, "gammaln", x)
