"""Returns, risk and drawdowns of assets, and the weights of least variance."""

import numpy as np


def drawdown(wealth):
    peak = np.maximum.accumulate(wealth, axis=0)
    return (wealth / peak - 1).min(axis=0)


def least_variance(cov):
    ones = np.ones(len(cov))
    raw = np.linalg.solve(cov, ones)
    return raw / raw.sum()


def portfolio(prices, level):
    returns = np.diff(prices, axis=0) / prices[:-1]
    mean, risk = returns.mean(axis=0) * 252, returns.std(axis=0, ddof=1) * np.sqrt(252)
    cov = np.cov(returns, rowvar=False)
    weights = least_variance(cov)
    whole = returns @ weights
    cutoff = np.percentile(whole, level)
    ranking = np.argsort(mean / risk)[::-1]
    return {
        "sharpe": (mean / risk)[ranking],
        "ranking": ranking,
        "weights": weights,
        "value at risk": cutoff,
        "shortfall": whole[whole <= cutoff].mean(),
        "drawdown": drawdown(np.cumprod(1 + returns, axis=0)),
        "correlation": np.corrcoef(returns.T),
        "quartiles": np.quantile(returns, [0.25, 0.5, 0.75], axis=0),
    }


def arguments(size="small", seed=0):
    days, assets = {"small": (60, 4), "bench": (8000, 80)}[size]
    rng = np.random.default_rng(seed)
    return 100 * np.exp(np.cumsum(0.01 * rng.normal(size=(days, assets)), axis=0)), 5


def loss(prices, level):
    returns = np.diff(np.log(prices), axis=0)
    weights = least_variance(np.cov(returns, rowvar=False))
    return 1e4 * weights @ np.cov(returns, rowvar=False) @ weights


tolerance = 1e-7
