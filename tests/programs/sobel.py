"""Edges by Sobel's operator, thinned by a threshold that follows the image."""

import numpy as np


def sobel(image, share):
    padded = np.pad(image, 1, mode="edge")
    smooth_y = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    smooth_x = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    gx = smooth_y[:, 2:] - smooth_y[:, :-2]
    gy = smooth_x[2:, :] - smooth_x[:-2, :]
    size = np.hypot(gx, gy)
    angle = np.arctan2(gy, gx)
    edges = np.zeros(image.shape, dtype=np.uint8)
    edges[size > share * size.max()] = 255
    return edges, angle, np.count_nonzero(edges)


def arguments(size="small", seed=0):
    n = {"small": 16, "bench": 900}[size]
    y, x = np.mgrid[:n, :n] / n
    return np.sin(9 * x * y) + 0.1 * np.random.default_rng(seed).random((n, n)), 0.4
