"""Metropolis' algorithm for the Ising model, half of a chequerboard at a time, with random numbers that are given."""

import numpy as np


def flip(spins, draws, beta, colour):
    field = np.zeros_like(spins)
    field += np.roll(spins, 1, axis=0)
    field += np.roll(spins, -1, axis=0)
    field += np.roll(spins, 1, axis=1)
    field += np.roll(spins, -1, axis=1)
    cost = 2 * spins * field
    accept = (cost <= 0) | (draws < np.exp(-beta * cost))
    rows, columns = np.indices(spins.shape)
    accept &= (rows + columns) % 2 == colour
    spins[accept] *= -1


def ising(spins, draws, beta):
    magnetisation = np.empty(len(draws))
    energy = []
    for sweep, chance in enumerate(draws):
        for colour in (0, 1):
            flip(spins, chance[colour], beta, colour)
        magnetisation[sweep] = spins.mean()
        energy.append(-np.sum(spins * np.roll(spins, 1, 0)) - np.sum(spins * np.roll(spins, 1, 1)))
    return magnetisation, energy


def arguments(size="small", seed=0):
    n, sweeps = {"small": (12, 3), "bench": (150, 20)}[size]
    rng = np.random.default_rng(seed)
    spins = rng.choice(np.array([-1, 1]), (n, n))
    return spins, rng.random((sweeps, 2, n, n)), 0.4
