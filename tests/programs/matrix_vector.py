"""Products of a matrix with vectors: atax, bicg, mvt, gesummv and gemver."""

import numpy as np


def atax(a, x):
    return (a @ x) @ a


def bicg(a, p, r):
    return r @ a, a @ p


def mvt(x1, x2, y1, y2, a):
    x1 += a @ y1
    x2 += y2 @ a


def gesummv(alpha, beta, a, b, x):
    return alpha * a @ x + beta * b @ x


def gemver(alpha, beta, a, u1, v1, u2, v2, w, x, y, z):
    a += np.outer(u1, v1) + np.outer(u2, v2)
    x += beta * y @ a + z
    w += alpha * a @ x


def matrix_vector(alpha, beta, a, b, vectors):
    u, v, w, x, y, z = vectors
    first = atax(a, x)
    second = bicg(a, y, z)
    mvt(u, v, w, x, b)
    third = gesummv(alpha, beta, a, b, u)
    gemver(alpha, beta, a, u, v, w, x, y, z, first, second[0])
    return first, second, third


def arguments(size="small", seed=0):
    n = {"small": 15, "bench": 2000}[size]
    rng = np.random.default_rng(seed)
    a, b = rng.random((n, n)) / n, rng.random((n, n)) / n
    return 1.5, 1.2, a, b, list(rng.random((6, n)))
