"""Symmetric and triangular products that touch one triangle, row by row: syrk, syr2k, trmm and symm."""

import numpy as np


def syrk(alpha, beta, c, a):
    for i in range(a.shape[0]):
        c[i, : i + 1] *= beta
        for k in range(a.shape[1]):
            c[i, : i + 1] += alpha * a[i, k] * a[: i + 1, k]


def syr2k(alpha, beta, c, a, b):
    for i in range(a.shape[0]):
        c[i, : i + 1] *= beta
        c[i, : i + 1] += alpha * (a[: i + 1] @ b[i] + b[: i + 1] @ a[i])


def trmm(alpha, a, b):
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            b[i, j] += np.dot(a[i + 1 :, i], b[i + 1 :, j])
    b *= alpha


def symm(alpha, beta, c, a, b):
    for i in range(c.shape[0]):
        c[:i] += alpha * np.outer(a[i, :i], b[i])
        c[i] = beta * c[i] + alpha * (b[i] * a[i, i] + a[i, :i] @ b[:i])


def triangular_updates(alpha, beta, c, a, b):
    syrk(alpha, beta, c, a)
    syr2k(alpha, beta, c, a, b)
    trmm(alpha, c, a)
    symm(alpha, beta, b, c, a)


def arguments(size="small", seed=0):
    n, m = {"small": (8, 6), "bench": (100, 90)}[size]
    rng = np.random.default_rng(seed)
    return 1.1, 0.9, rng.random((n, n)) / n, rng.random((n, m)), rng.random((n, m))
