"""Functions that round more than once stay within a stated error of the exact result, over all floats."""

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import mpmath
import numpy as np
import pytest

from backends.numba.test_vecmath_cases import FLOATS, assert_same, errors, evaluate, loops, specials
from tracegraph.backends.numba.jit import compile_assembly, compile_ir
from tracegraph.backends.numba.loader import host_cpu

HAS_AVX = "+avx2" in host_cpu()[1].split(",")
EXTENDED = np.finfo(np.longdouble).nmant >= 63  # otherwise longdouble is no reference for doubles


class Function(NamedTuple):
    """A function with its exact counterpart, and the largest error in units in the last place (float32, float64)."""

    exact: Callable[..., np.ndarray]
    limits: tuple[float, float]
    count: int = 20_000


def precisely(function: Callable[..., mpmath.mpf]) -> Callable[..., np.ndarray]:
    """A function of mpmath on arrays, rounded to longdouble; where it is undefined it gives nan."""

    def one(*operands: float) -> np.longdouble:
        with mpmath.workdps(30):
            result = function(*map(mpmath.mpf, operands))
            high = np.longdouble(float(result))
            return high + np.longdouble(float(result - mpmath.mpf(float(high)))) if np.isfinite(high) else high

    return lambda *arrays: np.array([one(*map(float, each)) for each in zip(*arrays, strict=True)])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


UNARY: dict[str, Function] = {
    "exp": Function(np.exp, (1.1, 1.1)),
    "exp2": Function(np.exp2, (1.1, 1.1)),
    "expm1": Function(np.expm1, (1.1, 1.2)),
    "log": Function(np.log, (1, 1)),
    "log1p": Function(np.log1p, (1, 1)),
    "tanh": Function(np.tanh, (1.4, 1.4)),
    "sigmoid": Function(sigmoid, (1, 1)),
}
BINARY: dict[str, Function] = {
    "power": Function(np.power, (0.6, 1.2)),
}


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


@pytest.mark.skipif(not EXTENDED, reason="longdouble is no longer than double")
@pytest.mark.parametrize("dtype", FLOATS)
def test_functions_of_one_operand(call, dtype):
    """Errors stay below those stated, and special values are right, for operands of every size."""
    everything = operands(dtype, max(function.count for function in UNARY.values()))
    results = evaluate(call, dict.fromkeys(UNARY, dtype), everything)
    failures = {}
    for name, function in UNARY.items():
        chosen = np.resize(np.arange(everything.size), everything.size)
        with np.errstate(all="ignore"):
            found = errors(results[name][chosen], function.exact(everything[chosen].astype(np.longdouble)))
        worst = np.argmax(found)
        if not found[worst] <= function.limits[FLOATS.index(dtype)]:
            failures[name] = found[worst], everything[chosen][worst], results[name][chosen][worst]
    assert not failures
