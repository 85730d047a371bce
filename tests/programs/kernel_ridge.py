"""Ridge regression with a Gaussian kernel, its width chosen by the error left out of each fit."""

import numpy as np


def kernel(a, b, width):
    squared = np.sum(a**2, axis=1)[:, None] + np.sum(b**2, axis=1)[None, :] - 2 * a @ b.T
    return np.exp(-np.maximum(squared, 0) / (2 * width**2))


def left_out_error(gram, y, ridge):
    inverse = np.linalg.inv(gram + ridge * np.eye(len(y)))
    return np.mean((inverse @ y / np.diag(inverse)) ** 2)


def kernel_ridge(x, y, queries, widths, ridge):
    errors = np.array([left_out_error(kernel(x, x, width), y, ridge) for width in widths])
    best = widths[np.argmin(errors)]
    weights = np.linalg.solve(kernel(x, x, best) + ridge * np.eye(len(y)), y)
    return kernel(queries, x, best) @ weights, best, errors


def arguments(size="small", seed=0):
    n, m = {"small": (20, 8), "bench": (350, 400)}[size]
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (n, 2))
    return x, np.sin(2 * x[:, 0]) + 0.1 * rng.normal(size=n), rng.uniform(-2, 2, (m, 2)), np.array([0.3, 0.8, 2.0]), 0.1


def loss(x, y, queries, widths, ridge):
    weights = np.linalg.solve(kernel(x, x, 0.8) + ridge * np.eye(len(y)), y)
    return np.sum((kernel(queries, x, 0.8) @ weights) ** 2)


differentiate = (0, 1)
tolerance = 1e-6
