"""The heat equation by alternating directions: implicit along one axis, explicit along the other, then the reverse."""

import numpy as np


def sweep(u, explicit, implicit, n):
    """Solves along the second axis for all rows at once."""
    a, b = -implicit / 2, 1 + implicit
    p = np.zeros((n, n))
    q = np.zeros((n, n))
    v = np.ones((n, n))
    q[1:-1, 0] = v[1:-1, 0]
    for j in range(1, n - 1):
        p[1:-1, j] = -a / (a * p[1:-1, j - 1] + b)
        q[1:-1, j] = (
            explicit / 2 * u[j, :-2] + (1 - explicit) * u[j, 1:-1] + explicit / 2 * u[j, 2:] - a * q[1:-1, j - 1]
        ) / (a * p[1:-1, j - 1] + b)
    for j in range(n - 2, 0, -1):
        v[1:-1, j] = p[1:-1, j] * v[1:-1, j + 1] + q[1:-1, j]
    return v


def adi(steps, u):
    n = u.shape[0]
    ratio = 0.5 * n / steps
    for _ in range(steps):
        v = sweep(u, ratio, 2 * ratio, n)
        u[1:-1, 1:-1] = sweep(v, 2 * ratio, ratio, n)[1:-1, 1:-1]
    return u


def arguments(size="small", seed=0):
    steps, n = {"small": (2, 10), "bench": (12, 120)}[size]
    return steps, np.random.default_rng(seed).random((n, n))
