"""Conjugate gradients for a Poisson problem, the matrix known only by what it does to a vector, with a preconditioner."""

import numpy as np


def laplacian(u):
    out = 4 * u
    out[1:] -= u[:-1]
    out[:-1] -= u[1:]
    out[:, 1:] -= u[:, :-1]
    out[:, :-1] -= u[:, 1:]
    return out


def conjugate_gradient(f, weight, tolerance=1e-8, limit=1000):
    x = np.zeros_like(f)
    r = f - laplacian(x) - weight * x
    z = r / (4 + weight)
    p = z.copy()
    rz = np.sum(r * z)
    steps = 0
    while np.sqrt(np.sum(r**2)) > tolerance * np.linalg.norm(f) and steps < limit:
        q = laplacian(p) + weight * p
        alpha = rz / np.sum(p * q)
        x += alpha * p
        r -= alpha * q
        z = r / (4 + weight)
        rz, before = np.sum(r * z), rz
        p = z + rz / before * p
        steps += 1
    return x, steps


def arguments(size="small", seed=0):
    n, weight = {"small": (8, 1.0), "bench": (300, 0.05)}[size]
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, n)), weight + rng.random((n, n))


tolerance = 1e-6
