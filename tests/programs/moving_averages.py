"""Moving averages of a series, simple, exponential and weighted, and the days on which they cross."""

import numpy as np


def simple(x, width):
    total = np.cumsum(np.insert(x, 0, 0.0))
    return (total[width:] - total[:-width]) / width


def exponential(x, alpha):
    out = np.empty_like(x)
    out[0] = x[0]
    for t in range(1, len(x)):
        out[t] = alpha * x[t] + (1 - alpha) * out[t - 1]
    return out


def moving_averages(x, short, long):
    fast, slow = simple(x, short)[long - short :], simple(x, long)
    above = fast > slow
    crossings = np.flatnonzero(above[1:] != above[:-1]) + 1
    weights = np.arange(1, short + 1) / (short * (short + 1) / 2)
    weighted = np.convolve(x, weights[::-1], mode="valid")
    spread = np.full(x.shape, np.nan)
    spread[long - 1 :] = fast - slow
    return crossings, weighted, exponential(x, 2 / (short + 1)), spread


def arguments(size="small", seed=0):
    n, short, long = {"small": (50, 4, 9), "bench": (40_000, 20, 100)}[size]
    return np.cumsum(np.random.default_rng(seed).normal(size=n)), short, long


def loss(x, short, long):
    return np.sum(exponential(x, 0.3) ** 2) + np.sum(np.diff(x) ** 2)
