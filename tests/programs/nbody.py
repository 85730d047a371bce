"""Bodies under their own gravity by leapfrog, with the energies along the way."""

import numpy as np


def acceleration(position, mass, softening):
    x = position[:, 0:1]
    y = position[:, 1:2]
    z = position[:, 2:3]
    dx, dy, dz = x.T - x, y.T - y, z.T - z
    inverse = dx**2 + dy**2 + dz**2 + softening**2
    inverse[inverse > 0] = inverse[inverse > 0] ** (-1.5)
    return np.hstack(((dx * inverse) @ mass, (dy * inverse) @ mass, (dz * inverse) @ mass))


def energies(position, velocity, mass):
    kinetic = 0.5 * np.sum(mass * velocity**2)
    apart = position[None, :, :] - position[:, None, :]
    distance = np.sqrt(np.sum(apart**2, axis=-1))
    inverse = distance.copy()
    inverse[inverse > 0] = 1.0 / inverse[inverse > 0]
    potential = -np.sum(np.triu((mass * mass.T) * inverse, 1))
    return kinetic, potential


def nbody(mass, position, velocity, steps, dt, softening):
    velocity -= np.mean(mass * velocity, axis=0) / np.mean(mass)
    accel = acceleration(position, mass, softening)
    kinetic, potential = np.zeros(steps + 1), np.zeros(steps + 1)
    kinetic[0], potential[0] = energies(position, velocity, mass)
    for i in range(steps):
        velocity += accel * dt / 2
        position += velocity * dt
        accel = acceleration(position, mass, softening)
        velocity += accel * dt / 2
        kinetic[i + 1], potential[i + 1] = energies(position, velocity, mass)
    return kinetic, potential


def arguments(size="small", seed=0):
    n, steps = {"small": (10, 4), "bench": (200, 40)}[size]
    rng = np.random.default_rng(seed)
    mass = 20.0 * np.ones((n, 1)) / n
    return mass, rng.normal(size=(n, 3)), rng.normal(size=(n, 3)), steps, 0.01, 0.1
