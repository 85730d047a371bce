"""Gauss-Seidel by rows: each row uses the new values of the row above."""

import numpy as np


def gauss_seidel(steps, a):
    n = a.shape[0]
    for _ in range(steps):
        for i in range(1, n - 1):
            row = a[i]
            row[1:-1] += a[i - 1, :-2] + a[i - 1, 1:-1] + a[i - 1, 2:]
            row[1:-1] += row[2:] + a[i + 1, :-2] + a[i + 1, 1:-1] + a[i + 1, 2:]
            row[1:-1] /= 8
    return a


def arguments(size="small", seed=0):
    steps, n = {"small": (2, 16), "bench": (20, 250)}[size]
    return steps, np.random.default_rng(seed).random((n, n + 3))
