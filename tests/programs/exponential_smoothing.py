"""Holt and Winters' smoothing of a series with a trend and a season; what it forecasts, and how well it did."""

import numpy as np


def exponential_smoothing(y, period, alpha, beta, gamma, horizon):
    level = y[:period].mean()
    trend = (y[period : 2 * period].mean() - level) / period
    season = y[:period] - level
    fitted = np.zeros_like(y)
    for t, value in enumerate(y):
        s = season[t % period]
        fitted[t] = level + trend + s
        before = level
        level = alpha * (value - s) + (1 - alpha) * (level + trend)
        trend = beta * (level - before) + (1 - beta) * trend
        season[t % period] = gamma * (value - level) + (1 - gamma) * s
    ahead = np.arange(1, horizon + 1)
    forecast = level + trend * ahead + season[(len(y) + ahead - 1) % period]
    return forecast, fitted, np.sqrt(np.mean((y - fitted)[period:] ** 2))


def arguments(size="small", seed=0):
    n, period = {"small": (24, 6), "bench": (20_000, 12)}[size]
    t = np.arange(n)
    noise = np.random.default_rng(seed).normal(size=n)
    return 10 + 0.05 * t + 3 * np.sin(2 * np.pi * t / period) + 0.3 * noise, period, 0.3, 0.1, 0.2, 8


def loss(y, period, alpha, beta, gamma, horizon):
    return exponential_smoothing(y, 6, alpha, beta, gamma, 3)[2]


differentiate = (0, 2, 3, 4)
