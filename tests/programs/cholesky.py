"""Cholesky's decomposition element by element, in place."""

import math

import numpy as np


def cholesky(a):
    n = a.shape[0]
    a[0, 0] = np.sqrt(a[0, 0])
    for i in range(1, n):
        for j in range(i):
            a[i, j] -= np.dot(a[i, :j], a[j, :j])
            a[i, j] /= a[j, j]
        a[i, i] -= np.dot(a[i, :i], a[i, :i])
        a[i, i] = np.sqrt(a[i, i])
    return 2 * np.sum(np.log(np.diagonal(a))) + n * math.log(2 * math.pi)


def arguments(size="small", seed=0):
    n = {"small": 10, "bench": 180}[size]
    half = np.random.default_rng(seed).random((n, n))
    return (half @ half.T / n + np.eye(n),)
