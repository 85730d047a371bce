"""Two Gaussian processes on top of each other, the hidden values parameters too."""

import numpy as np
from scipy.stats import multivariate_normal, norm

from tracegraph import grad


def rbf(params, x, xp):
    scale, length = np.exp(params[0]), np.exp(params[1])
    return scale * np.exp(-0.5 * ((x[:, None] - xp[None, :]) / length) ** 2)


def layer(params, x, y):
    cov = rbf(params[:2], x, x) + (np.exp(params[2]) + 1e-3) * np.eye(len(x))
    return multivariate_normal.logpdf(y, np.full(len(y), 0.0), cov)


xs = np.linspace(-2, 2, 6)
ys = np.sign(xs) + 0.1 * np.cos(7 * xs)


def objective(params):
    first, second, hidden = params[:3], params[3:6], params[6:]
    prior = np.sum(norm.logpdf(params[:6], 0.0, 2.0))
    return -(prior + layer(first, xs, hidden) + layer(second, hidden, ys))


arguments = (np.concatenate([[0.1, 0.2, -2.0, 0.1, -0.3, -2.0], xs + 0.1]),)


def main():
    gradient = grad(objective)
    params = arguments[0]
    for _ in range(60):
        params = params - 0.01 * gradient(params)
    return objective(arguments[0]), objective(params)
