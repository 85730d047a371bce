"""Deriche's recursive smoothing of an image, along rows and then along columns."""

import math

import numpy as np


def coefficients(alpha):
    decay = math.exp(-alpha)
    k = (1 - decay) * (1 - decay) / (1 + alpha * decay * 2 - math.exp(2 * -alpha))
    feed = (k, k * decay * (alpha - 1.0), k * decay * (alpha + 1.0), -k * decay * decay)
    return feed, (2.0**-alpha, -math.exp(-2 * alpha))


def smooth(image, feed, back):
    """Causal and anticausal passes along the second axis."""
    a1, a2, a3, a4 = feed
    b1, b2 = back
    n = image.shape[1]
    forth, behind = np.empty_like(image), np.empty_like(image)
    forth[:, 0] = a1 * image[:, 0]
    forth[:, 1] = a1 * image[:, 1] + a2 * image[:, 0] + b1 * forth[:, 0]
    for j in range(2, n):
        forth[:, j] = a1 * image[:, j] + a2 * image[:, j - 1] + b1 * forth[:, j - 1] + b2 * forth[:, j - 2]
    behind[:, -1] = 0.0
    behind[:, -2] = a3 * image[:, -1]
    for j in range(n - 3, -1, -1):
        behind[:, j] = a3 * image[:, j + 1] + a4 * image[:, j + 2] + b1 * behind[:, j + 1] + b2 * behind[:, j + 2]
    return forth + behind


def deriche(image, alpha):
    feed, back = coefficients(alpha)
    return smooth(smooth(image, feed, back).T, feed, back).T


def arguments(size="small", seed=0):
    h, w = {"small": (10, 12), "bench": (800, 900)}[size]
    return np.random.default_rng(seed).random((h, w)), 0.25


def loss(image, alpha):
    return np.sum(deriche(image, 0.25) ** 2)
