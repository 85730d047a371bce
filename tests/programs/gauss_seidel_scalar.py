"""Gauss-Seidel with one element at a time: the loops of C, in Python."""

import numpy as np


def gauss_seidel_scalar(steps, a):
    rows, columns = a.shape
    for _ in range(steps):
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                total = a[i - 1, j] + a[i, j - 1] + a[i, j] + a[i, j + 1] + a[i + 1, j]
                a[i, j] = total / 5.0
    return a


def arguments(size="small", seed=0):
    steps, n = {"small": (2, 8), "bench": (6, 80)}[size]
    return steps, np.random.default_rng(seed).random((n, n))
