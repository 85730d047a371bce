"""A mixture of Gaussians by the truncated Newton method, its parameters flattened into a vector."""

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from tracegraph import grad, value_and_grad


def flatten(params):
    shapes = {name: np.shape(value) for name, value in params.items()}

    def unflatten(vector):
        found, start = {}, 0
        for name, shape in shapes.items():
            size = int(np.prod(shape))
            found[name] = vector[start : start + size].reshape(shape)
            start += size
        return found

    return np.concatenate([np.ravel(value) for value in params.values()]), unflatten


def mvn_logpdf(data, mean, cov_sqrt):
    covariance = np.dot(cov_sqrt.T, cov_sqrt) + 0.1 * np.eye(len(mean))
    _, logdet = np.linalg.slogdet(covariance)
    residual = data - mean
    return -0.5 * (np.sum(residual * np.linalg.solve(covariance, residual.T).T, axis=1) + logdet)


def log_marginal_likelihood(params, data):
    cluster_lls = []
    normalised = params["log proportions"] - logsumexp(params["log proportions"])
    for log_proportion, mean, cov_sqrt in zip(normalised, params["means"], params["cov sqrts"], strict=True):
        cluster_lls.append(log_proportion + mvn_logpdf(data, mean, cov_sqrt))
    cluster_lls = np.vstack(cluster_lls)
    return np.sum(logsumexp(cluster_lls, axis=0))


rs = np.random.RandomState(0)
data = np.concatenate([0.5 * rs.randn(12, 2) + center for center in ([-2, 0], [2, 1], [0, -2])])
initial, unflatten = flatten(
    {
        "log proportions": 0.1 * rs.randn(3),
        "means": rs.randn(3, 2),
        "cov sqrts": np.stack([np.eye(2) + 0.1 * rs.randn(2, 2)] * 3),
    }
)


def objective(vector):
    return -log_marginal_likelihood(unflatten(vector), data)


def hvp(vector, direction):
    return grad(lambda v: np.vdot(grad(objective)(v), direction))(vector)


arguments = (initial,)


def main():
    result = minimize(
        value_and_grad(objective), initial, jac=True, hessp=hvp, method="trust-ncg", options={"maxiter": 8}
    )
    return objective(initial), result.fun
