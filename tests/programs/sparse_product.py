"""A sparse matrix by rows times a vector: by a loop over rows, by sums over stretches and by counting."""

import numpy as np


def by_rows(values, columns, starts, x):
    y = np.empty(len(starts) - 1, dtype=values.dtype)
    for i in range(len(starts) - 1):
        here = slice(starts[i], starts[i + 1])
        y[i] = values[here] @ x[columns[here]]
    return y


def by_stretches(values, columns, starts, x):
    return np.add.reduceat(values * x[columns], starts[:-1])


def by_counting(values, columns, starts, x):
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return np.bincount(rows, weights=values * x[columns], minlength=len(starts) - 1)


def sparse_product(values, columns, starts, x):
    first = by_rows(values, columns, starts, x)
    second = by_stretches(values, columns, starts, x)
    third = by_counting(values, columns, starts, x)
    transposed = np.zeros_like(x)
    np.add.at(transposed, columns, values * np.repeat(first, np.diff(starts)))
    return first, second, third, transposed


def arguments(size="small", seed=0):
    n, most = {"small": (10, 5), "bench": (8000, 250)}[size]
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, most, n)
    starts = np.concatenate([[0], np.cumsum(counts)])
    return rng.normal(size=starts[-1]), rng.integers(0, n, starts[-1]), starts, rng.normal(size=n)


def loss(values, columns, starts, x):
    return np.sum(by_counting(values, columns, starts, x) ** 2)


differentiate = (0, 3)
