"""Lennard-Jones particles in a periodic box: velocity Verlet, forces only within a cutoff."""

import numpy as np


class Box:
    def __init__(self, side, cutoff):
        self.side = side
        self.cutoff = cutoff

    def displacements(self, x):
        d = x[:, None] - x[None, :]
        d -= self.side * np.rint(d / self.side)
        return d

    def forces(self, x):
        d = self.displacements(x)
        r2 = np.einsum("ijk,ijk->ij", d, d)
        np.fill_diagonal(r2, np.inf)
        near = r2 < self.cutoff**2
        inverse6 = np.zeros_like(r2)
        inverse6[near] = r2[near] ** -3
        strength = np.where(near, 24 * (2 * inverse6**2 - inverse6) / r2, 0.0)
        energy = 0.5 * np.sum(4 * (inverse6**2 - inverse6))
        return np.sum(strength[:, :, None] * d, axis=1), energy


def molecular_dynamics(x, v, side, steps, dt):
    box = Box(side, 0.45 * side)
    force, energy = box.forces(x)
    trace = [energy]
    for _ in range(steps):
        v += 0.5 * dt * force
        x += dt * v
        x %= side
        force, energy = box.forces(x)
        v += 0.5 * dt * force
        trace.append(energy + 0.5 * np.sum(v**2))
    return np.array(trace)


def arguments(size="small", seed=0):
    n, steps = {"small": (3, 3), "bench": (6, 8)}[size]
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    x = 1.2 * grid + 0.05 * rng.normal(size=grid.shape)
    return x % (1.2 * n), rng.normal(size=x.shape), 1.2 * n, steps, 0.002
