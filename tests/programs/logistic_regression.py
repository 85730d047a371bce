"""Logistic regression by gradient descent that stops once the gradient is small, with a penalty on the weights."""

import numpy as np


def sigmoid(x):
    result = np.empty_like(x)
    positive = x >= 0
    result[positive] = 1 / (1 + np.exp(-x[positive]))
    e = np.exp(x[~positive])
    result[~positive] = e / (1 + e)
    return result


def objective(weights, x, y, penalty):
    margins = (2 * y - 1) * (x @ weights)
    return np.mean(np.logaddexp(0, -margins)) + 0.5 * penalty * weights @ weights


def logistic_regression(x, y, rate, penalty, steps, tolerance=1e-3):
    weights = np.zeros(x.shape[1])
    taken = 0
    for _ in range(steps):
        error = sigmoid(x @ weights) - y
        gradient = x.T @ error / len(y) + penalty * weights
        if np.linalg.norm(gradient) < tolerance:
            break
        weights -= rate * gradient
        taken += 1
    accuracy = np.mean((x @ weights > 0) == (y > 0.5))
    return weights, taken, accuracy, objective(weights, x, y, penalty)


def arguments(size="small", seed=0):
    n, d, steps = {"small": (40, 4, 12), "bench": (6000, 40, 200)}[size]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    y = (x @ rng.normal(size=d) + 0.3 * rng.normal(size=n) > 0).astype(float)
    return x, y, 0.5, 1e-2, steps


def loss(x, y, rate, penalty, steps):
    return objective(np.linspace(-1, 1, x.shape[1]), x, y, penalty)


differentiate = (0, 3)
