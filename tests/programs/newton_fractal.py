"""Which root of z**3 - 1 Newton's method runs to, and in how many steps."""

import numpy as np


def newton_fractal(z, steps, tolerance=1e-6):
    roots = np.exp(2j * np.pi * np.arange(3) / 3)
    z = z.astype(np.complex128)
    taken = np.full(z.shape, -1, dtype=np.int32)
    for step in range(steps):
        z -= (z**3 - 1) / (3 * z**2)
        close = np.any(np.abs(z[..., None] - roots) < tolerance, axis=-1)
        taken[close & (taken < 0)] = step
    nearest = np.argmin(np.abs(z[..., None] - roots), axis=-1)
    nearest[taken < 0] = -1
    return nearest, taken


def arguments(size="small", seed=0):
    n, steps = {"small": (16, 12), "bench": (140, 25)}[size]
    axis = np.linspace(-1.51 - 0.01 * seed, 1.5, n)
    return axis + 1j * axis[:, np.newaxis] + 0.013, steps
