"""Gaussian process regression: hyperparameters by the marginal likelihood, through `scipy.optimize.minimize`."""

import numpy as np
from numpy.linalg import solve
from scipy.optimize import minimize

from tracegraph import value_and_grad


def make_gp_funs(cov_func, num_cov_params):
    def unpack_params(params):
        mean = params[0]
        cov_params = params[2:]
        noise_scale = np.exp(params[1]) + 0.0001
        return mean, cov_params, noise_scale

    def predict(params, x, y, xstar):
        mean, cov_params, noise_scale = unpack_params(params)
        cov_f_f = cov_func(cov_params, xstar, xstar)
        cov_y_f = cov_func(cov_params, x, xstar)
        cov_y_y = cov_func(cov_params, x, x) + noise_scale * np.eye(len(y))
        pred_mean = mean + np.dot(solve(cov_y_y, cov_y_f).T, y - mean)
        pred_cov = cov_f_f - np.dot(solve(cov_y_y, cov_y_f).T, cov_y_f)
        return pred_mean, pred_cov

    def log_marginal_likelihood(params, x, y):
        mean, cov_params, noise_scale = unpack_params(params)
        cov_y_y = cov_func(cov_params, x, x) + noise_scale * np.eye(len(y))
        chol = np.linalg.cholesky(cov_y_y)
        residual = np.linalg.solve(chol, y - mean)
        return -0.5 * residual @ residual - np.sum(np.log(np.diag(chol))) - 0.5 * len(y) * np.log(2 * np.pi)

    return num_cov_params + 2, predict, log_marginal_likelihood


def rbf_covariance(kernel_params, x, xp):
    output_scale = np.exp(kernel_params[0])
    lengthscales = np.exp(kernel_params[1:])
    diffs = np.expand_dims(x / lengthscales, 1) - np.expand_dims(xp / lengthscales, 0)
    return output_scale * np.exp(-0.5 * np.sum(diffs**2, axis=2))


rs = np.random.RandomState(0)
X = np.concatenate([np.linspace(0, 3, num=8), np.linspace(6, 8, num=8)]).reshape(-1, 1)
y = np.cos(X[:, 0]) + 0.05 * rs.randn(16)
num_params, predict, log_marginal_likelihood = make_gp_funs(rbf_covariance, 2)


def objective(params):
    return -log_marginal_likelihood(params, X, y)


arguments = (0.1 * rs.randn(num_params),)


def main():
    result = minimize(value_and_grad(objective), arguments[0], jac=True, method="CG")
    mean, _ = predict(result.x, X, y, X)
    assert np.mean((mean - y) ** 2) < 0.05
    return objective(arguments[0]), result.fun
