"""A natural cubic spline through points, evaluated elsewhere, beside bilinear interpolation of an image that is turned."""

import math

import numpy as np


def spline_slopes(x, y):
    n = len(x)
    h = np.diff(x)
    a = np.zeros((n, n))
    a[0, 0] = a[-1, -1] = 1
    inner = np.arange(1, n - 1)
    a[inner, inner - 1] = h[:-1]
    a[inner, inner] = 2 * (h[:-1] + h[1:])
    a[inner, inner + 1] = h[1:]
    rhs = np.zeros(n)
    rhs[1:-1] = 6 * np.diff(np.diff(y) / h)
    return np.linalg.solve(a, rhs)


def spline(x, y, wanted):
    m = spline_slopes(x, y)
    k = np.clip(np.searchsorted(x, wanted) - 1, 0, len(x) - 2)
    h = x[k + 1] - x[k]
    left, right = (x[k + 1] - wanted) / h, (wanted - x[k]) / h
    curve = ((left**3 - left) * m[k] + (right**3 - right) * m[k + 1]) * h**2 / 6
    return left * y[k] + right * y[k + 1] + curve


def rotate(image, angle):
    h, w = image.shape
    rows, columns = np.mgrid[0:h, 0:w]
    y, x = rows - (h - 1) / 2, columns - (w - 1) / 2
    from_y = math.cos(angle) * y - math.sin(angle) * x + (h - 1) / 2
    from_x = math.sin(angle) * y + math.cos(angle) * x + (w - 1) / 2
    inside = (from_y >= 0) & (from_y <= h - 1) & (from_x >= 0) & (from_x <= w - 1)
    y0 = np.clip(np.floor(from_y).astype(int), 0, h - 2)
    x0 = np.clip(np.floor(from_x).astype(int), 0, w - 2)
    fy, fx = from_y - y0, from_x - x0
    top = image[y0, x0] * (1 - fx) + image[y0, x0 + 1] * fx
    bottom = image[y0 + 1, x0] * (1 - fx) + image[y0 + 1, x0 + 1] * fx
    return np.where(inside, top * (1 - fy) + bottom * fy, 0.0)


def interpolation(x, y, wanted, image, angle):
    return spline(x, y, wanted), rotate(image, angle)


def arguments(size="small", seed=0):
    n, m, side = {"small": (8, 20, 10), "bench": (300, 150_000, 600)}[size]
    rng = np.random.default_rng(seed)
    x = np.cumsum(0.2 + rng.random(n))
    return x, rng.normal(size=n), rng.uniform(x[0], x[-1], m), rng.random((side, side)), 0.4


def loss(x, y, wanted, image, angle):
    return np.sum(spline(x, y, wanted) ** 2) + np.sum(rotate(image, 0.4) ** 2)


differentiate = (1, 3)
