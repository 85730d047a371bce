"""Lloyd's algorithm: points go to their nearest centre, centres to the mean of their points, until no point moves."""

import numpy as np


def assign(points, centres):
    squared = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return np.argmin(squared, axis=1), squared


def kmeans(points, centres, limit=50):
    centres = centres.copy()
    labels, squared = assign(points, centres)
    rounds = 0
    while rounds < limit:
        sums = np.zeros_like(centres)
        np.add.at(sums, labels, points)
        counts = np.bincount(labels, minlength=len(centres))
        filled = counts > 0
        centres[filled] = sums[filled] / counts[filled, None]
        new, squared = assign(points, centres)
        rounds += 1
        if np.array_equal(new, labels):
            break
        labels = new
    inertia = squared[np.arange(len(points)), labels].sum()
    return centres, labels, inertia, rounds


def arguments(size="small", seed=0):
    n, k = {"small": (60, 3), "bench": (6000, 8)}[size]
    rng = np.random.default_rng(seed)
    middles = rng.uniform(-5, 5, (k, 2))
    points = middles[rng.integers(0, k, n)] + rng.normal(size=(n, 2))
    return points, points[:: n // k][:k].copy()
