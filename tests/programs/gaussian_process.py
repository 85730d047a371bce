"""The likelihood of a Gaussian process by Cholesky's decomposition, and what it predicts with its uncertainty."""

import numpy as np


def covariance(a, b, scale, length):
    d = np.abs(a[:, None] - b[None, :]) / length
    root = np.sqrt(3.0) * d
    return scale**2 * (1 + root) * np.exp(-root)


def likelihood(t, y, scale, length, noise):
    factor = np.linalg.cholesky(covariance(t, t, scale, length) + noise**2 * np.eye(len(t)))
    alpha = np.linalg.solve(factor.T, np.linalg.solve(factor, y))
    value = -0.5 * y @ alpha - np.sum(np.log(np.diag(factor))) - 0.5 * len(t) * np.log(2 * np.pi)
    return value, factor, alpha


def gaussian_process(t, y, wanted, scale, length, noise):
    value, factor, alpha = likelihood(t, y, scale, length, noise)
    across = covariance(wanted, t, scale, length)
    mean = across @ alpha
    v = np.linalg.solve(factor, across.T)
    variance = scale**2 - np.einsum("ij,ij->j", v, v)
    return value, mean, np.sqrt(variance.clip(min=0))


def arguments(size="small", seed=0):
    n, m = {"small": (15, 8), "bench": (400, 300)}[size]
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 10, n))
    return t, np.sin(t) + 0.1 * rng.normal(size=n), np.linspace(0, 10, m), 1.1, 0.9, 0.2


def loss(t, y, wanted, scale, length, noise):
    return likelihood(t, y, scale, length, noise)[0]


differentiate = (1, 3, 4, 5)
tolerance = 1e-6
