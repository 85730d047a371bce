"""The product of matrices that is added to a scaled third one."""

import numpy as np


def gemm(alpha, beta, c, a, b):
    c[:] = alpha * a @ b + beta * c
    return c


def arguments(size="small", seed=0):
    n = {"small": 20, "bench": 1100}[size]
    rng = np.random.default_rng(seed)
    return 1.5, 1.2, rng.random((n, n + 3)), rng.random((n, n - 5)), rng.random((n - 5, n + 3))


def loss(alpha, beta, c, a, b):
    return np.tanh(alpha * a @ b + beta * c).sum()


differentiate = (2, 3, 4)
