"""Trigonometric, hyperbolic, inverse, root and error functions: stated errors over all floats, and vector loops."""

from collections.abc import Callable
from typing import NamedTuple

import mpmath
import numpy as np
import pytest
from backends.numba.test_vecmath_cases import FLOATS, Call, assert_same, errors, evaluate, pairs, specials

EXTENDED = np.finfo(np.longdouble).nmant >= 63  # otherwise longdouble is no reference for doubles


class Function(NamedTuple):
    """A function with its exact counterpart, and the largest error in units in the last place (float32, float64)."""

    exact: Callable[..., np.ndarray]
    limits: tuple[float, float]


def exactly(function: Callable[[mpmath.mpf], mpmath.mpf], bound: float) -> Callable[[np.ndarray], np.ndarray]:
    """A function of mpmath on arrays, rounded to longdouble; beyond +-bound it is taken for constant."""

    def one(x: np.longdouble) -> np.longdouble:
        if np.isnan(x):
            return x
        with mpmath.workdps(40):
            clipped = mpmath.mpf(float(np.clip(x, -bound, bound)))
            result = function(clipped)
            high = np.longdouble(float(result)) if result else x
            return high + np.longdouble(float(result - mpmath.mpf(float(high)))) if result else high

    return lambda x: np.array([one(each) for each in x], np.longdouble)


def whole_power(exponent: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.power(x, np.longdouble(exponent))


UNARY: dict[str, Function] = {
    "sin": Function(np.sin, (1.8, 0.9)),
    "cos": Function(np.cos, (1.8, 0.9)),
    "tan": Function(np.tan, (1.8, 1.2)),
    "arctan": Function(np.arctan, (1.4, 1.8)),
    "arcsin": Function(np.arcsin, (1.2, 1.2)),
    "arccos": Function(np.arccos, (1.2, 1.2)),
    "sinh": Function(np.sinh, (1.8, 1.8)),
    "cosh": Function(np.cosh, (1.9, 1.9)),
    "arcsinh": Function(np.arcsinh, (1.6, 1.6)),
    "arccosh": Function(np.arccosh, (2.0, 2.0)),
    "arctanh": Function(np.arctanh, (1.6, 1.6)),
    "log2": Function(np.log2, (1.8, 0.9)),
    "log10": Function(np.log10, (1.6, 0.9)),
    "cbrt": Function(np.cbrt, (2.0, 1.0)),
    "power_3": Function(whole_power(3), (1.1, 1.1)),
    "power_8": Function(whole_power(8), (1.8, 1.8)),
    "power_minus_2": Function(whole_power(-2), (1.6, 1.6)),
    "power_minus_7": Function(whole_power(-7), (1.5, 1.5)),
}
ERROR_FUNCTIONS: dict[str, Function] = {
    "erf": Function(exactly(mpmath.erf, 30), (1.3, 1.3)),
    "erfc": Function(exactly(mpmath.erfc, 30), (1.3, 1.4)),
}
BINARY: dict[str, Function] = {
    "hypot": Function(np.hypot, (1.2, 1.2)),
    "arctan2": Function(np.arctan2, (1.9, 1.7)),
}


def operands(dtype: str, count: int) -> np.ndarray:
    """Specials, random bits, spans where functions change, all sizes, and floats next to multiples of pi/2."""
    random = np.random.default_rng(3)
    bits = random.integers(0, 256, count * np.dtype(dtype).itemsize, np.uint8).view(dtype)
    spans = [(-1, 1), (-9, 9), (0.5, 2), (-30, 30), (-110, 100), (-760, 720), (-1e6, 1e6), (-2e9, 2e9)]
    dense = [random.uniform(*span, count) for span in spans]
    sizes = 10 ** random.uniform(-30, 30, count) * random.choice([-1, 1], count)
    quadrants = random.integers(1, 2**30, count) * (np.pi / 2)
    near_one = 1 + 10 ** random.uniform(-16, -1, count) * random.choice([-1, 1], count)
    with np.errstate(all="ignore"):
        parts = [each.astype(dtype) for each in (specials(dtype), bits, *dense, sizes, quadrants, near_one)]
    return np.concatenate(parts)


def assert_within(table: dict[str, Function], results: dict[str, np.ndarray], dtype: str, *given: np.ndarray) -> None:
    """No result is further from the exact one than the table allows."""
    failures = {}
    for name, function in table.items():
        with np.errstate(all="ignore"):
            exact_operands = [each.astype(np.longdouble) for each in given]
            found = errors(results[name], function.exact(*exact_operands))
        worst = np.argmax(found)
        if not found[worst] <= function.limits[FLOATS.index(dtype)]:
            failures[name] = found[worst], [each[worst] for each in given], results[name][worst]
    assert not failures


@pytest.mark.skipif(not EXTENDED, reason="longdouble is no longer than double")
@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_one_operand(call: Call, dtype: str) -> None:
    """Errors stay below those stated, and special values are right, for operands of every size."""
    x = operands(dtype, 10_000)
    assert_within(UNARY, evaluate(call, dict.fromkeys(UNARY, dtype), x), dtype, x)


@pytest.mark.skipif(not EXTENDED, reason="longdouble is no longer than double")
@pytest.mark.parametrize("dtype", FLOATS)
def test_error_functions(call: Call, dtype: str) -> None:
    """erf and erfc keep their precision in the tails, where erfc becomes subnormal and then 0."""
    x = np.concatenate([operands(dtype, 60), np.linspace(-7, 29, 600).astype(dtype)])
    assert_within(ERROR_FUNCTIONS, evaluate(call, dict.fromkeys(ERROR_FUNCTIONS, dtype), x), dtype, x)


@pytest.mark.skipif(not EXTENDED, reason="longdouble is no longer than double")
@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_two_operands(call: Call, dtype: str) -> None:
    """hypot neither overflows nor underflows on the way; arctan2 knows zeros and infinities of either sign."""
    x, y = pairs(dtype)
    assert_within(BINARY, evaluate(call, dict.fromkeys(BINARY, dtype), x, y), dtype, x, y)


@pytest.mark.parametrize("dtype", FLOATS)
def test_square_and_reciprocal_are_rounded_once(call: Call, dtype: str) -> None:
    """They are NumPy's, bit for bit."""
    x = operands(dtype, 1000)
    with np.errstate(all="ignore"):
        for name, got in evaluate(call, dict.fromkeys(["square", "reciprocal"], dtype), x).items():
            assert_same(got, getattr(np, name)(x), name, x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_rare_operands_are_right_in_vectors_and_in_remainders(call: Call, dtype: str) -> None:
    """Where only some of a vector's elements go to C's function, all are right, whatever the length of the loop."""
    for size in (1, 5, 16, 37, 64):
        x = np.linspace(-3, 3, size).astype(dtype)
        x[size // 2] = 1e30
        y = np.full(size, 0.7, dtype)
        got = evaluate(call, {"remainder": dtype}, x, y)["remainder"]
        assert_same(got, np.remainder(x, y), "remainder", x)
        sine = evaluate(call, {"sin": dtype}, x)["sin"]
        np.testing.assert_allclose(sine, np.sin(x.astype(np.longdouble)).astype(dtype), rtol=3e-7)


@pytest.mark.parametrize("step", [2, 3, 4, 8])
@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_in_loops_that_are_unrolled(call: Call, dtype: str, step: int) -> None:
    """What LLVM makes of several elements at once, as short rows have them, is what it makes of one."""
    x = np.resize(operands(dtype, 24), 24 * 24)
    names = dict.fromkeys([*UNARY, "exp", "log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "tanh"], dtype)
    expected = evaluate(call, names, x)
    for name, got in evaluate(call, names, x, step=step).items():
        assert_same(got, expected[name], name, x)
    y = np.roll(x, 7)
    expected = evaluate(call, {"power": dtype, "arctan2": dtype}, x, y)
    for name, got in evaluate(call, {"power": dtype, "arctan2": dtype}, x, y, step=step).items():
        assert_same(got, expected[name], name, x, y)
