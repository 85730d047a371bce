"""A lower triangular system by forward substitution, then its transpose by backward substitution."""

import numpy as np


def trisolv(lower, x, b):
    n = len(x)
    for i in range(n):
        x[i] = (b[i] - lower[i, :i] @ x[:i]) / lower[i, i]
    y = np.zeros_like(x)
    for i in reversed(range(n)):
        y[i] = (x[i] - np.dot(lower[i + 1 :, i], y[i + 1 :])) / lower[i, i]
    return y


def arguments(size="small", seed=0):
    n = {"small": 16, "bench": 3000}[size]
    rng = np.random.default_rng(seed)
    lower = np.tril(rng.random((n, n)) / n) + np.eye(n)
    return lower, np.zeros(n), rng.random(n)


def loss(lower, x, b):
    return np.sum(trisolv(lower, x.copy(), b) ** 2)


differentiate = (0, 2)
