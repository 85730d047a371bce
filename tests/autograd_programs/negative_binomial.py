"""Maximum likelihood of a negative binomial distribution, with observed information for its error."""

import numpy as np
import scipy.optimize
from scipy.special import gammaln

from tracegraph import grad

counts = np.array([0, 2, 1, 5, 3, 0, 7, 4, 2, 9, 1, 3])


def negbin_loglike(r, p, x):
    return gammaln(r + x) - gammaln(r) - gammaln(x + 1) + x * np.log(p) + r * np.log(1 - p)


def objective(params):
    r, p = np.exp(params[0]), 1 / (1 + np.exp(-params[1]))
    return -np.sum(negbin_loglike(r, p, counts))


arguments = (np.array([0.2, -0.1]),)


def main():
    result = scipy.optimize.minimize(objective, arguments[0], jac=grad(objective), method="BFGS")
    information = np.array([grad(lambda p, k=k: grad(objective)(p)[k])(result.x) for k in range(2)])
    assert np.all(np.linalg.eigvalsh(information) > 0)
    return objective(arguments[0]), result.fun
