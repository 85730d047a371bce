"""A Julia set with a smooth count of steps."""

import numpy as np


def julia(z, c, steps):
    z = z.copy()
    count = np.zeros(z.shape)
    alive = np.ones(z.shape, dtype=bool)
    for _ in range(steps):
        z = np.where(alive, z * z + c, z)
        alive &= z.real**2 + z.imag**2 < 16.0
        count += alive
    outside = ~alive
    count[outside] += 1 - np.log2(np.log(np.abs(z[outside])))
    return count


def arguments(size="small", seed=0):
    n, steps = {"small": (20, 8), "bench": (400, 40)}[size]
    y, x = np.meshgrid(np.linspace(-1.5, 1.5, n), np.linspace(-1.5, 1.5, n), indexing="ij")
    return x + 1j * y, complex(-0.7 + 0.001 * seed, 0.27), steps
