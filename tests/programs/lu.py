"""LU by elimination in place, and the solution of a system with it."""

import numpy as np


def decompose(a):
    n = a.shape[0]
    for k in range(n - 1):
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])


def lu(a, b):
    decompose(a)
    n = a.shape[0]
    x, y = np.zeros_like(b), np.zeros_like(b)
    for i in range(n):
        y[i] = b[i] - a[i, :i] @ y[:i]
    for i in range(n - 1, -1, -1):
        x[i] = (y[i] - a[i, i + 1 :] @ x[i + 1 :]) / a[i, i]
    return x


def arguments(size="small", seed=0):
    n = {"small": 12, "bench": 400}[size]
    rng = np.random.default_rng(seed)
    return rng.random((n, n)) + n * np.eye(n), rng.random(n)


def loss(a, b):
    return np.sum(lu(a.copy(), b) ** 2)


differentiate = (0, 1)
