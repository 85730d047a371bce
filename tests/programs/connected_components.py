"""Labels of the connected parts of a mask: each pixel takes the smallest label around until nothing changes."""

import numpy as np


def connected_components(mask):
    h, w = mask.shape
    labels = np.where(mask, np.arange(1, h * w + 1).reshape(h, w), 0)
    big = h * w + 1
    changed = True
    rounds = 0
    while changed:
        best = np.where(mask, labels, big)
        best[1:] = np.minimum(best[1:], np.where(mask[:-1], labels[:-1], big))
        best[:-1] = np.minimum(best[:-1], np.where(mask[1:], labels[1:], big))
        best[:, 1:] = np.minimum(best[:, 1:], np.where(mask[:, :-1], labels[:, :-1], big))
        best[:, :-1] = np.minimum(best[:, :-1], np.where(mask[:, 1:], labels[:, 1:], big))
        new = np.where(mask, best, 0)
        changed = (new != labels).any()
        labels = new
        rounds += 1
    names, sizes = np.unique(labels[mask], return_counts=True)
    return labels, names, sizes, rounds


def arguments(size="small", seed=0):
    n = {"small": 10, "bench": 150}[size]
    return (np.random.default_rng(seed).random((n, n)) < 0.5,)
