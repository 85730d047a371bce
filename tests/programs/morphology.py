"""Dilation, erosion, opening and closing of a mask, and the rim between them."""

import numpy as np

CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=bool)


def dilate(mask, shape):
    h, w = mask.shape
    padded = np.zeros((h + 2, w + 2), dtype=bool)
    padded[1:-1, 1:-1] = mask
    result = np.zeros_like(mask)
    for dy, dx in np.argwhere(shape):
        result |= padded[dy : dy + h, dx : dx + w]
    return result


def erode(mask, shape):
    return ~dilate(~mask, shape[::-1, ::-1])


def morphology(image, threshold, times):
    mask = image > threshold
    opened = dilate(erode(mask, CROSS), CROSS)
    closed = mask
    for _ in range(times):
        closed = dilate(closed, CROSS)
    for _ in range(times):
        closed = erode(closed, CROSS)
    rim = dilate(mask, CROSS) ^ mask
    return opened, closed, image[rim].mean() if rim.any() else 0.0


def arguments(size="small", seed=0):
    n, times = {"small": (16, 1), "bench": (1200, 10)}[size]
    return np.random.default_rng(seed).random((n, n)), 0.6, times
