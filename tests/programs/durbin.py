"""Levinson and Durbin's recursion for a Toeplitz system."""

import numpy as np


def durbin(r):
    y = np.empty_like(r)
    alpha = -r[0]
    beta = 1.0
    y[0] = -r[0]
    for k in range(1, r.shape[0]):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.dot(np.flip(r[:k]), y[:k])) / beta
        y[:k] += alpha * np.flip(y[:k])
        y[k] = alpha
    return y


def arguments(size="small", seed=0):
    n = {"small": 16, "bench": 3000}[size]
    noise = np.random.default_rng(seed).random(n)
    return (0.5 ** np.arange(1, n + 1) * (0.9 + 0.05 * noise),)


def loss(r):
    return np.sum(np.sin(durbin(r)))
