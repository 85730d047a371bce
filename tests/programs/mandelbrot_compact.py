"""The Mandelbrot set: points that escape are dropped, so the arrays shrink."""

import numpy as np


def mandelbrot_compact(c, maxiter, horizon=2.0):
    rows, columns = np.indices(c.shape)
    rows, columns = rows.ravel(), columns.ravel()
    count = np.zeros(c.shape, dtype=np.int64)
    last = np.zeros_like(c)
    point = c.ravel()
    z = np.zeros_like(point)
    for n in range(maxiter):
        if not len(z):
            break
        z = z * z + point
        escaped = abs(z) > horizon
        count[rows[escaped], columns[escaped]] = n + 1
        last[rows[escaped], columns[escaped]] = z[escaped]
        keep = ~escaped
        rows, columns = rows[keep], columns[keep]
        z, point = z[keep], point[keep]
    return count, last


def arguments(size="small", seed=0):
    n, steps = {"small": (20, 8), "bench": (500, 50)}[size]
    x = np.linspace(-2.0 + 0.01 * seed, 0.5, n)
    y = np.linspace(-1.25, 1.25, n)
    return x[None, :] + 1j * y[:, None], steps
