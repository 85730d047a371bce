"""The heat equation in a box, with second differences along three axes."""

import numpy as np


def second_difference(u, axis):
    u = np.moveaxis(u, axis, 0)
    bent = u[2:] - 2.0 * u[1:-1] + u[:-2]
    return np.moveaxis(bent, 0, axis)


def heat_3d(steps, u, conductivity):
    for _ in range(steps):
        change = second_difference(u[:, 1:-1, 1:-1], 0)
        change = change + second_difference(u[1:-1, :, 1:-1], 1)
        change = change + second_difference(u[1:-1, 1:-1, :], 2)
        u[1:-1, 1:-1, 1:-1] += conductivity * change
    return u.mean(), u.max()


def arguments(size="small", seed=0):
    steps, n = {"small": (4, 10), "bench": (30, 60)}[size]
    return steps, np.random.default_rng(seed).random((n, n + 1, n + 2)), 0.12


def loss(steps, u, conductivity):
    u = u.copy()
    heat_3d(steps, u, conductivity)
    return np.sum(np.sin(u))


differentiate = (1, 2)
