"""Jacobi's iteration on a line: two arrays that take turns."""

import numpy as np


def jacobi_1d(steps, a, b):
    for _ in range(steps):
        b[1:-1] = (a[:-2] + a[1:-1] + a[2:]) / 3
        a[1:-1] = (b[:-2] + b[1:-1] + b[2:]) / 3


def arguments(size="small", seed=0):
    steps, n = {"small": (10, 100), "bench": (400, 20_000)}[size]
    rng = np.random.default_rng(seed)
    return steps, rng.random(n), np.zeros(n)


def loss(steps, a, b):
    a, b = a.copy(), b.copy()
    jacobi_1d(steps, a, b)
    return np.sum(a**2)


differentiate = (1,)
