"""Vertical advection, implicit: a tridiagonal system for each column, solved by Thomas' algorithm along the last axis."""

import numpy as np

WEIGHT_NEW, WEIGHT_OLD = 0.55, 0.45


def vertical_advection(velocity, tendency, position, dt):
    levels = position.shape[2]
    upper = np.zeros_like(position)
    right = np.empty_like(position)

    for k in range(levels):
        above = 0.25 * (velocity[:-1, :, k + 1] + velocity[1:, :, k + 1]) if k + 1 < levels else 0.0
        below = -0.25 * (velocity[:-1, :, k] + velocity[1:, :, k]) if k > 0 else 0.0
        explicit = position[:, :, k] / dt + tendency[:, :, k]
        diagonal = np.full(position.shape[:2], 1 / dt)
        if k > 0:
            explicit -= WEIGHT_OLD * below * (position[:, :, k - 1] - position[:, :, k])
            diagonal -= WEIGHT_NEW * below
        if k + 1 < levels:
            explicit -= WEIGHT_OLD * above * (position[:, :, k + 1] - position[:, :, k])
            diagonal -= WEIGHT_NEW * above
        if k > 0:
            lower = WEIGHT_NEW * below
            diagonal -= lower * upper[:, :, k - 1]
            explicit -= lower * right[:, :, k - 1]
        upper[:, :, k] = WEIGHT_NEW * above / diagonal
        right[:, :, k] = explicit / diagonal

    result = np.empty_like(position)
    result[:, :, -1] = right[:, :, -1]
    for k in range(levels - 2, -1, -1):
        result[:, :, k] = right[:, :, k] - upper[:, :, k] * result[:, :, k + 1]
    tendency += (result - position) / dt
    return result


def arguments(size="small", seed=0):
    nx, ny, nz = {"small": (5, 6, 5), "bench": (80, 80, 60)}[size]
    rng = np.random.default_rng(seed)
    velocity = 0.1 * rng.random((nx + 1, ny, nz + 1))
    return velocity, rng.random((nx, ny, nz)), rng.random((nx, ny, nz)), 0.8


def loss(velocity, tendency, position, dt):
    return np.sum(vertical_advection(velocity, tendency.copy(), position, dt) ** 2)


differentiate = (0, 1, 2)
