"""Independent component analysis by maximum likelihood."""

import numpy as np
import scipy.stats as stats

from tracegraph import grad

rs = np.random.RandomState(0)
sources = rs.laplace(size=(2, 40))
mixed = np.array([[1.0, 0.4], [-0.3, 0.9]]) @ sources


def log_likelihood(unmixing, x):
    projected = np.dot(unmixing, x)
    log_density = stats.logistic.logpdf(projected, scale=0.6)
    return np.sum(np.mean(log_density, axis=1)) + np.linalg.slogdet(unmixing)[1]


def objective(unmixing):
    return -log_likelihood(unmixing, mixed)


arguments = (np.eye(2) + 0.1,)


def main():
    w = arguments[0]
    for _ in range(30):
        w = w - 0.2 * grad(objective)(w)
    return objective(arguments[0]), objective(w)
