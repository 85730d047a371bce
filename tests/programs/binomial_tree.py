"""An American put on a binomial tree, from the leaves back to the root in one array."""

import math

import numpy as np


def binomial_tree(spot, strike, rate, volatility, years, steps):
    dt = years / steps
    up = math.exp(volatility * math.sqrt(dt))
    chance = (math.exp(rate * dt) - 1 / up) / (up - 1 / up)
    discount = math.exp(-rate * dt)
    prices = spot * up ** np.arange(-steps, steps + 1, 2)
    values = np.maximum(strike - prices, 0.0)
    early = 0
    for step in range(steps - 1, -1, -1):
        values[: step + 1] = discount * (chance * values[1 : step + 2] + (1 - chance) * values[: step + 1])
        prices = prices[: step + 1] * up
        exercise = strike - prices
        early += np.count_nonzero(exercise > values[: step + 1])
        np.maximum(values[: step + 1], exercise, out=values[: step + 1])
    return values[0], early


def arguments(size="small", seed=0):
    steps = {"small": 12, "bench": 2500}[size]
    return 100.0 + seed, 105.0, 0.04, 0.3, 1.0, steps
