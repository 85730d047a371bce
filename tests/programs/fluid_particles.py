"""Flow past an obstacle by the lattice Boltzmann method."""

import numpy as np

VELOCITIES = np.array([(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)])
WEIGHTS = np.array([4 / 9] + [1 / 9] * 4 + [1 / 36] * 4)
OPPOSITE = np.array([0, 2, 1, 4, 3, 8, 7, 6, 5])


def equilibrium(density, u, v):
    out = np.empty((9, *density.shape))
    square = 1.5 * (u**2 + v**2)
    for k, (cx, cy) in enumerate(VELOCITIES):
        along = 3 * (cx * u + cy * v)
        out[k] = WEIGHTS[k] * density * (1 + along + 0.5 * along**2 - square)
    return out


def fluid_particles(f, solid, steps, relaxation):
    drag = np.zeros(steps)
    for t in range(steps):
        for k, (cx, cy) in enumerate(VELOCITIES):
            f[k] = np.roll(np.roll(f[k], cx, axis=1), cy, axis=0)
        bounced = f[:, solid][OPPOSITE]
        density = f.sum(axis=0)
        u = np.tensordot(VELOCITIES[:, 0], f, axes=1) / density
        v = np.tensordot(VELOCITIES[:, 1], f, axes=1) / density
        drag[t] = np.sum(VELOCITIES[:, 0] @ bounced)
        f += relaxation * (equilibrium(density, u, v) - f)
        f[:, solid] = bounced
    vorticity = (np.roll(v, -1, 1) - np.roll(v, 1, 1)) - (np.roll(u, -1, 0) - np.roll(u, 1, 0))
    vorticity[solid] = np.nan
    return vorticity, drag


def arguments(size="small", seed=0):
    ny, nx, steps = {"small": (10, 14, 3), "bench": (60, 160, 25)}[size]
    rng = np.random.default_rng(seed)
    f = WEIGHTS[:, None, None] * (1 + 0.01 * rng.normal(size=(9, ny, nx)))
    f[5] *= 1.3
    y, x = np.ogrid[:ny, :nx]
    return f, (x - nx / 4) ** 2 + (y - ny / 2) ** 2 < (ny / 5) ** 2, steps, 0.6
