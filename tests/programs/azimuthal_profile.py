"""The mean and the spread of an image over rings around a point and over sectors, by masks."""

import numpy as np


def azimuthal_profile(image, centre, rings, sectors):
    rows, columns = np.indices(image.shape)
    dy, dx = rows - centre[0], columns - centre[1]
    radius = np.sqrt(dx**2 + dy**2)
    angle = np.arctan2(dy, dx) % (2 * np.pi)
    edges = np.linspace(0, radius.max(), rings + 1)
    mean, spread, count = np.zeros(rings), np.zeros(rings), np.zeros(rings, dtype=int)
    for k in range(rings):
        inside = (radius >= edges[k]) & (radius < edges[k + 1])
        count[k] = inside.sum()
        if count[k] > 0:
            values = image[inside]
            mean[k] = values.mean()
            spread[k] = values.std()
    sector = np.minimum((angle / (2 * np.pi) * sectors).astype(int), sectors - 1)
    bright = np.array([image[sector == s].mean() for s in range(sectors)])
    weighted = np.histogram(radius, bins=edges, weights=image)[0]
    return mean, spread, count, bright, weighted


def arguments(size="small", seed=0):
    n, rings, sectors = {"small": (16, 4, 3), "bench": (400, 25, 8)}[size]
    rng = np.random.default_rng(seed)
    return rng.random((n, n + 2)), (n / 2 + 0.3, n / 2 - 1.2), rings, sectors
