"""A product along the last axis of a three-dimensional array, in its place."""

import numpy as np


def doitgen(a, c4):
    nr, nq, np_ = a.shape
    a[:] = np.reshape(np.reshape(a, (nr, nq, 1, np_)) @ c4, (nr, nq, np_))


def arguments(size="small", seed=0):
    r, q, p = {"small": (4, 5, 6), "bench": (120, 100, 128)}[size]
    rng = np.random.default_rng(seed)
    return rng.random((r, q, p)), rng.random((p, p)) / p


def loss(a, c4):
    a = a.copy()
    doitgen(a, c4)
    return np.sum(a**3)


differentiate = (0, 1)
