"""Conway's game of life on a torus."""

import numpy as np


def neighbours(alive):
    count = np.zeros(alive.shape, dtype=np.int8)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if dy or dx:
                count += np.roll(alive, (dy, dx), axis=(0, 1))
    return count


def game_of_life(alive, generations):
    alive = alive.copy()
    population = []
    for _ in range(generations):
        count = neighbours(alive)
        born = (count == 3) & ~alive
        stays = ((count == 2) | (count == 3)) & alive
        alive[...] = False
        alive[born | stays] = True
        population.append(alive.sum())
    return alive, np.array(population)


def arguments(size="small", seed=0):
    generations, n = {"small": (5, 24), "bench": (60, 400)}[size]
    return np.random.default_rng(seed).random((n, n)) < 0.3, generations
