"""Steps along the natural gradient of a Gaussian's parameters, its Fisher information by second derivatives."""

import numpy as np

from tracegraph import grad

data = np.array([0.3, 1.9, 1.1, 2.4, 0.8])


def log_likelihood(params, x):
    mean, log_std = params[0], params[1]
    return np.mean(-0.5 * ((x - mean) / np.exp(log_std)) ** 2 - log_std)


def kl(new, old):
    return new[1] - old[1] + 0.5 * (np.exp(2 * (old[1] - new[1])) + ((new[0] - old[0]) / np.exp(new[1])) ** 2 - 1)


def fisher(params):
    slope = grad(kl)
    return np.stack([grad(lambda p, k=k: slope(p, params)[k])(params) for k in range(2)])


def objective(params):
    return -log_likelihood(params, data)


arguments = (np.array([0.0, 0.8]),)


def main():
    params = arguments[0]
    for _ in range(12):
        params = params - 0.5 * np.linalg.solve(fisher(params), grad(objective)(params))
    assert np.isclose(params[0], np.mean(data), atol=1e-2)
    return objective(arguments[0]), objective(params)
