"""A differential equation, fitted through its Euler steps."""

import numpy as np

from tracegraph import grad

steps, dt = 25, 0.1


def derivative(y, t, params):
    prey, predators = y
    growth, hunting, death = params
    return np.array([growth * prey - hunting * prey * predators, hunting * prey * predators - death * predators])


def solve(params, y0):
    y, path = y0, []
    for i in range(steps):
        y = y + dt * derivative(y, i * dt, params)
        path.append(y)
    return np.stack(path)


start = np.array([1.0, 0.5])
data = solve(np.array([1.1, 0.9, 0.6]), start)


def objective(params):
    return np.mean((solve(params, start) - data) ** 2)


arguments = (np.array([0.7, 0.6, 0.8]),)


def main():
    params = arguments[0]
    gradient = grad(objective)
    for _ in range(60):
        params = params - 0.2 * gradient(params)
    return objective(arguments[0]), objective(params)
