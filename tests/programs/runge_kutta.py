"""Three ordinary differential equations (Lorenz') for many starting points, by Runge and Kutta's method of order four."""

import numpy as np


def lorenz(t, state, sigma=10.0, rho=28.0, beta=8 / 3):
    x, y, z = state
    return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])


def rk4_step(f, t, y, h):
    k1 = f(t, y)
    k2 = f(t + h / 2, y + h / 2 * k1)
    k3 = f(t + h / 2, y + h / 2 * k2)
    k4 = f(t + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def runge_kutta(start, steps, h):
    path = np.empty((steps + 1, *start.shape))
    path[0] = start
    for i in range(steps):
        path[i + 1] = rk4_step(lorenz, i * h, path[i], h)
    return path


def arguments(size="small", seed=0):
    n, steps = {"small": (5, 8), "bench": (10_000, 80)}[size]
    return np.random.default_rng(seed).normal(size=(3, n)) + np.array([[1.0], [1.0], [20.0]]), steps, 0.01


def loss(start, steps, h):
    return np.mean(runge_kutta(start, steps, h)[-1] ** 2)
