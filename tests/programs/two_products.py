"""Two products of matrices one after the other, and three of which the last takes the results of the others."""

import numpy as np


def two(alpha, beta, a, b, c, d):
    d *= beta
    d += alpha * a @ b @ c


def three(a, b, c, d):
    return a @ b @ (c @ d)


def two_products(alpha, beta, a, b, c, d):
    two(alpha, beta, a, b, c, d)
    return three(a, b, c, d)


def arguments(size="small", seed=0):
    n = {"small": 12, "bench": 700}[size]
    rng = np.random.default_rng(seed)
    shapes = [(n, n + 2), (n + 2, n + 4), (n + 4, n + 1), (n, n + 1)]
    a, b, c, d = (rng.random(shape) / n for shape in shapes)
    return 1.5, 1.2, a, b, c[:, :n].copy(), d[:, :n].copy()
