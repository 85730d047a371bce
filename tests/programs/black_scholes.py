"""The price of options after Black, Scholes and Merton, with their sensitivities."""

import math

import numpy as np

_COEFFICIENTS = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)


def cdf(x):
    """Of the normal distribution, after Abramowitz and Stegun."""
    t = 1 / (1 + 0.2316419 * np.abs(x))
    poly = np.zeros_like(x)
    for c in reversed(_COEFFICIENTS):
        poly = (poly + c) * t
    tail = density(x) * poly
    return np.where(x > 0, 1 - tail, tail)


def density(x):
    return np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)


def black_scholes(spot, strike, years, rate, volatility, is_call):
    spread = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * years) / spread
    d2 = d1 - spread
    sign = np.where(is_call, 1.0, -1.0)
    discount = np.exp(-rate * years)
    price = sign * (spot * cdf(sign * d1) - strike * discount * cdf(sign * d2))
    delta = sign * cdf(sign * d1)
    vega = spot * density(d1) * np.sqrt(years)
    price[years <= 0.1] = np.maximum(sign * (spot - strike), 0)[years <= 0.1]
    return price, delta, vega


def arguments(size="small", seed=0):
    n = {"small": 50, "bench": 300_000}[size]
    rng = np.random.default_rng(seed)
    spot, strike = rng.uniform(80, 120, n), rng.uniform(80, 120, n)
    return spot, strike, rng.uniform(0.05, 2, n), 0.03, rng.uniform(0.1, 0.4, n), rng.random(n) < 0.5


def loss(spot, strike, years, rate, volatility, is_call):
    return np.mean(black_scholes(spot, strike, years, rate, volatility, is_call)[1])


differentiate = (0, 2, 3, 4)
