"""Confidence intervals for a mean, a median and a slope, from resampled rows whose numbers are given."""

import numpy as np


def slope(x, y):
    dx = x - x.mean(axis=-1, keepdims=True)
    return np.sum(dx * (y - y.mean(axis=-1, keepdims=True)), axis=-1) / np.sum(dx**2, axis=-1)


def interval(statistics, level):
    low, high = np.percentile(statistics, [100 * (1 - level) / 2, 100 * (1 + level) / 2])
    return np.array([low, statistics.mean(), high])


def bootstrap(x, y, picks, level):
    xs, ys = x[picks], y[picks]
    means = ys.mean(axis=1)
    medians = np.median(ys, axis=1)
    slopes = slope(xs, ys)
    bias = slopes.mean() - slope(x, y)
    return np.stack([interval(each, level) for each in (means, medians, slopes)]), bias


def arguments(size="small", seed=0):
    n, times = {"small": (20, 15), "bench": (200, 6000)}[size]
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return x, 2 * x + rng.normal(size=n), rng.integers(0, n, (times, n)), 0.9
