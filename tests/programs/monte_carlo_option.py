"""An Asian option and one with a barrier by simulation, with normal numbers that are given and their mirror images."""

import numpy as np


def paths(spot, rate, volatility, dt, normals):
    steps = (rate - 0.5 * volatility**2) * dt + volatility * np.sqrt(dt) * normals
    return spot * np.exp(np.cumsum(steps, axis=1))


def price(prices, strike, barrier, rate, years):
    asian = np.maximum(prices.mean(axis=1) - strike, 0)
    final = np.clip(prices[:, -1] - strike, 0, None)
    final[prices.max(axis=1) > barrier] = 0.0
    payoffs = np.exp(-rate * years) * np.vstack([asian, final])
    return payoffs.mean(axis=1), payoffs.std(axis=1, ddof=1) / np.sqrt(payoffs.shape[1])


def monte_carlo_option(spot, strike, barrier, rate, volatility, years, normals):
    both = np.concatenate([normals, -normals])
    prices = paths(spot, rate, volatility, years / normals.shape[1], both)
    value, error = price(prices, strike, barrier, rate, years)
    crossed = np.argmax(prices > barrier, axis=1)[np.any(prices > barrier, axis=1)]
    return value, error, np.bincount(crossed, minlength=normals.shape[1])


def arguments(size="small", seed=0):
    n, steps = {"small": (40, 10), "bench": (10_000, 60)}[size]
    return 100.0, 100.0, 125.0, 0.03, 0.25, 1.0, np.random.default_rng(seed).normal(size=(n, steps))


def loss(spot, strike, barrier, rate, volatility, years, normals):
    prices = paths(spot, rate, volatility, years / normals.shape[1], normals)
    return np.mean(np.maximum(prices.mean(axis=1) - strike, 0)) * np.exp(-rate * years)


differentiate = (0, 3, 4, 6)
