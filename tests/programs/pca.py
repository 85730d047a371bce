"""Principal components by the singular values, checked against the eigenvalues of the covariance."""

import numpy as np


def fix_signs(components):
    largest = np.argmax(np.abs(components), axis=1)
    signs = np.sign(components[np.arange(len(components)), largest])
    return components * signs[:, np.newaxis]


def pca(x, count):
    mean = x.mean(axis=0)
    centred = x - mean
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    components = fix_signs(vt[:count])
    variances = s[:count] ** 2 / (len(x) - 1)
    values = np.linalg.eigh(np.cov(x, rowvar=False))[0][::-1]
    scores = centred @ components.T
    rebuilt = scores @ components + mean
    error = np.sqrt(np.mean((x - rebuilt) ** 2))
    return components, variances, values[:count], scores, error


def arguments(size="small", seed=0):
    n, d, count = {"small": (30, 5, 2), "bench": (1500, 120, 10)}[size]
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ np.diag(np.linspace(3, 0.3, d)), count


def loss(x, count):
    return np.sum(np.linalg.svd(x - x.mean(axis=0), compute_uv=False)[:2] ** 3)


tolerance = 1e-7
