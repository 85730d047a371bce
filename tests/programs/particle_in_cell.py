"""Charged particles and a field on a grid in one dimension: deposit, solve, gather, push."""

import numpy as np


def deposit(x, cells, dx):
    left = np.floor(x / dx).astype(int)
    weight = x / dx - left
    density = np.bincount(left % cells, weights=1 - weight, minlength=cells)
    np.add.at(density, (left + 1) % cells, weight)
    return density, left, weight


def field(density, dx):
    charge = density.mean() - density
    potential = np.zeros_like(charge)
    for _ in range(10):
        potential = 0.5 * (np.roll(potential, 1) + np.roll(potential, -1) + dx**2 * charge)
    return (np.roll(potential, 1) - np.roll(potential, -1)) / (2 * dx)


def particle_in_cell(x, v, cells, length, steps, dt):
    dx = length / cells
    energy = np.zeros(steps)
    for t in range(steps):
        density, left, weight = deposit(x, cells, dx)
        e = field(density, dx)
        pull = e[left % cells] * (1 - weight) + e[(left + 1) % cells] * weight
        v -= pull * dt
        x += v * dt
        x[x < 0] += length
        x[x >= length] -= length
        energy[t] = 0.5 * np.sum(e * e) * dx + 0.5 * np.dot(v, v)
    return energy, density


def arguments(size="small", seed=0):
    n, cells, steps = {"small": (60, 16, 3), "bench": (20_000, 128, 25)}[size]
    rng = np.random.default_rng(seed)
    return 10 * rng.random(n), 0.1 * rng.normal(size=n), cells, 10.0, steps, 0.05
