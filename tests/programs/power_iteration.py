"""The largest eigenvalues of a symmetric matrix one after the other, each by iteration until it stands still."""

import numpy as np


def dominant(a, x, tolerance, limit):
    value = 0.0
    for step in range(limit):
        y = a @ x
        length = np.linalg.norm(y)
        y /= length
        new = y @ a @ y
        if abs(new - value) < tolerance * abs(new):
            return new, y, step
        value, x = new, y
    return value, x, limit


def power_iteration(a, start, count, tolerance=1e-12, limit=500):
    a = a.copy()
    values, vectors = np.zeros(count), np.zeros((len(a), count))
    total = 0
    for k in range(count):
        value, vector, steps = dominant(a, start, tolerance, limit)
        if vector[np.argmax(np.abs(vector))] < 0:
            vector = -vector
        values[k], vectors[:, k] = value, vector
        a -= value * np.outer(vector, vector)
        total += steps
    return values, vectors, total


def arguments(size="small", seed=0):
    n, count = {"small": (12, 2), "bench": (600, 8)}[size]
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    spectrum = 10 * 0.6 ** np.arange(n)
    return (q * spectrum) @ q.T, np.ones(n) / np.sqrt(n), count


tolerance = 1e-5
