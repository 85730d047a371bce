"""The Mandelbrot set: only the points that are still inside are iterated, through a mask."""

import numpy as np


def mandelbrot_mask(xmin, xmax, ymin, ymax, xn, yn, maxiter, horizon=2.0):
    x = np.linspace(xmin, xmax, xn, dtype=np.float64)
    y = np.linspace(ymin, ymax, yn, dtype=np.float64)
    c = x + y[:, None] * 1j
    count = np.zeros(c.shape, dtype=np.int64)
    z = np.zeros(c.shape, dtype=np.complex128)
    for n in range(maxiter):
        inside = np.less(abs(z), horizon)
        count[inside] = n
        z[inside] = z[inside] ** 2 + c[inside]
    count[count == maxiter - 1] = 0
    return z, count


def arguments(size="small", seed=0):
    n, steps = {"small": (24, 8), "bench": (400, 50)}[size]
    return -2.0 + 0.01 * seed, 0.5, -1.25, 1.25, n, n + 2, steps
