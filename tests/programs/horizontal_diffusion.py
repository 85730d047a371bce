"""Diffusion of fourth order with a flux limiter, as in models of the weather."""

import numpy as np


def horizontal_diffusion(field, out, coefficient):
    nx, ny, _ = out.shape
    laplacian = 4.0 * field[1 : nx + 3, 1 : ny + 3, :] - (
        field[2 : nx + 4, 1 : ny + 3, :]
        + field[0 : nx + 2, 1 : ny + 3, :]
        + field[1 : nx + 3, 2 : ny + 4, :]
        + field[1 : nx + 3, 0 : ny + 2, :]
    )
    flux = laplacian[1:, 1 : ny + 1, :] - laplacian[:-1, 1 : ny + 1, :]
    uphill = flux * (field[2 : nx + 3, 2 : ny + 2, :] - field[1 : nx + 2, 2 : ny + 2, :])
    flux_x = np.where(uphill > 0, 0, flux)
    flux = laplacian[1 : nx + 1, 1:, :] - laplacian[1 : nx + 1, :-1, :]
    uphill = flux * (field[2 : nx + 2, 2 : ny + 3, :] - field[2 : nx + 2, 1 : ny + 2, :])
    flux_y = np.where(uphill > 0, 0, flux)
    out[:] = field[2 : nx + 2, 2 : ny + 2, :] - coefficient * (
        flux_x[1:] - flux_x[:-1] + flux_y[:, 1:] - flux_y[:, :-1]
    )


def arguments(size="small", seed=0):
    nx, ny, nz = {"small": (8, 9, 4), "bench": (128, 128, 80)}[size]
    rng = np.random.default_rng(seed)
    return rng.random((nx + 4, ny + 4, nz)), np.zeros((nx, ny, nz)), rng.random((nx, ny, nz))
