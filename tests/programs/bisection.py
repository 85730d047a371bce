"""Roots by bisection: one equation by ifs on data, and many at once by masks; implied volatility for an example."""

import numpy as np


def one(f, low, high, tolerance):
    f_low = f(low)
    steps = 0
    while high - low > tolerance:
        middle = 0.5 * (low + high)
        f_middle = f(middle)
        if f_middle == 0:
            return middle, steps
        if (f_middle > 0) == (f_low > 0):
            low, f_low = middle, f_middle
        else:
            high = middle
        steps += 1
    return 0.5 * (low + high), steps


def many(f, low, high, tolerance):
    low, high = low.copy(), high.copy()
    below = f(low) > 0
    while np.any(high - low > tolerance):
        middle = (low + high) / 2
        same = (f(middle) > 0) == below
        low[same] = middle[same]
        high[~same] = middle[~same]
    return (low + high) / 2


def bisection(a, wanted, tolerance):
    root, steps = one(lambda x: x**3 - a[0] * x - 2, 0.0, 4.0, tolerance)
    spread = many(lambda s: np.tanh(s) * a + s**3 - wanted, np.zeros_like(a), np.full_like(a, 5.0), tolerance)
    return root, steps, spread


def arguments(size="small", seed=0):
    n, tolerance = {"small": (20, 1e-3), "bench": (20_000, 1e-10)}[size]
    rng = np.random.default_rng(seed)
    return rng.uniform(0.5, 2, n), rng.uniform(1, 30, n), tolerance
