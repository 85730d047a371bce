"""Flow in a square cavity that a moving lid drives: velocities step by step, the pressure from a Poisson equation."""

import numpy as np


def source(b, rho, dt, u, v, dx, dy):
    ux = (u[1:-1, 2:] - u[1:-1, :-2]) / (2 * dx)
    vy = (v[2:, 1:-1] - v[:-2, 1:-1]) / (2 * dy)
    uy = (u[2:, 1:-1] - u[:-2, 1:-1]) / (2 * dy)
    vx = (v[1:-1, 2:] - v[1:-1, :-2]) / (2 * dx)
    b[1:-1, 1:-1] = rho * ((ux + vy) / dt - ux**2 - 2 * uy * vx - vy**2)


def pressure(p, b, dx, dy, sweeps):
    old = np.empty_like(p)
    for _ in range(sweeps):
        old[:] = p
        p[1:-1, 1:-1] = (
            (old[1:-1, 2:] + old[1:-1, :-2]) * dy**2
            + (old[2:, 1:-1] + old[:-2, 1:-1]) * dx**2
            - dx**2 * dy**2 * b[1:-1, 1:-1]
        ) / (2 * (dx**2 + dy**2))
        p[:, -1] = p[:, -2]
        p[0, :] = p[1, :]
        p[:, 0] = p[:, 1]
        p[-1, :] = 0


def advance(w, u, v, p_slope, dt, dx, dy, viscosity):
    inner = w[1:-1, 1:-1]
    return (
        inner
        - u[1:-1, 1:-1] * dt / dx * (inner - w[1:-1, :-2])
        - v[1:-1, 1:-1] * dt / dy * (inner - w[:-2, 1:-1])
        - dt * p_slope
        + viscosity * dt / dx**2 * (w[1:-1, 2:] - 2 * inner + w[1:-1, :-2])
        + viscosity * dt / dy**2 * (w[2:, 1:-1] - 2 * inner + w[:-2, 1:-1])
    )


def cavity_flow(u, v, p, steps, sweeps, dt=0.0005, rho=1.0, viscosity=0.1):
    ny, nx = u.shape
    dx, dy = 2 / (nx - 1), 2 / (ny - 1)
    b = np.zeros((ny, nx))
    for _ in range(steps):
        un, vn = u.copy(), v.copy()
        source(b, rho, dt, u, v, dx, dy)
        pressure(p, b, dx, dy, sweeps)
        slope_x = (p[1:-1, 2:] - p[1:-1, :-2]) / (2 * rho * dx)
        slope_y = (p[2:, 1:-1] - p[:-2, 1:-1]) / (2 * rho * dy)
        u[1:-1, 1:-1] = advance(un, un, vn, slope_x, dt, dx, dy, viscosity)
        v[1:-1, 1:-1] = advance(vn, un, vn, slope_y, dt, dx, dy, viscosity)
        u[0, :] = u[:, 0] = 0
        u[:, -1] = 0
        u[-1, :] = 1
        v[0, :] = v[-1, :] = 0
        v[:, 0] = v[:, -1] = 0


def arguments(size="small", seed=0):
    n, steps, sweeps = {"small": (15, 2, 3), "bench": (61, 25, 30)}[size]
    rng = np.random.default_rng(seed)
    return *(0.01 * rng.random((n, n)) for _ in range(3)), steps, sweeps
