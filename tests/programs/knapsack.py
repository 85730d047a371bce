"""The most valuable load of a knapsack row by row, and which things are in it."""

import numpy as np


def knapsack(weights, values, capacity):
    best = np.zeros(capacity + 1, dtype=np.int64)
    taken = np.zeros((len(weights), capacity + 1), dtype=bool)
    for i in range(len(weights)):
        w = weights[i]
        candidate = best[: capacity + 1 - w] + values[i]
        better = candidate > best[w:]
        taken[i, w:] = better
        best[w:] = np.where(better, candidate, best[w:])
    chosen = []
    room = capacity
    for i in range(len(weights) - 1, -1, -1):
        if taken[i, room]:
            chosen.append(i)
            room -= weights[i]
    return best, np.array(chosen[::-1]), room


def arguments(size="small", seed=0):
    n, capacity = {"small": (6, 30), "bench": (300, 60_000)}[size]
    rng = np.random.default_rng(seed)
    return rng.integers(1, capacity // 5, n), rng.integers(1, 100, n), capacity
