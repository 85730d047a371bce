"""Maxwell's equations on a staggered grid in two dimensions (FDTD), with a source along one edge."""

import numpy as np


def fdtd_2d(ex, ey, hz, source):
    for strength in source:
        ey[0, :] = strength
        ey[1:, :] -= 0.5 * (hz[1:, :] - hz[:-1, :])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])


def arguments(size="small", seed=0):
    steps, n = {"small": (6, 20), "bench": (60, 250)}[size]
    rng = np.random.default_rng(seed)
    ex, ey, hz = (rng.random((n, n + 5)) for _ in range(3))
    return ex, ey, hz, np.sin(0.3 * np.arange(steps) + seed)


def loss(ex, ey, hz, source):
    ex, ey, hz = ex.copy(), ey.copy(), hz.copy()
    fdtd_2d(ex, ey, hz, source)
    return (hz * hz).sum()


differentiate = (0, 2, 3)
