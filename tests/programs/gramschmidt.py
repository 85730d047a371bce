"""QR by Gram and Schmidt's modified process."""

import numpy as np


def gramschmidt(a):
    q = np.zeros_like(a)
    r = np.zeros((a.shape[1], a.shape[1]), dtype=a.dtype)
    for k in range(a.shape[1]):
        length = np.dot(a[:, k], a[:, k])
        r[k, k] = np.sqrt(length)
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, a.shape[1]):
            r[k, j] = np.dot(q[:, k], a[:, j])
            a[:, j] -= q[:, k] * r[k, j]
    return q, r


def arguments(size="small", seed=0):
    m, n = {"small": (10, 6), "bench": (400, 150)}[size]
    return (np.random.default_rng(seed).random((m, n)) + np.eye(m, n),)


def loss(a):
    q, r = gramschmidt(a.copy())
    return np.sum(q**3) + np.sum(np.tanh(r))
