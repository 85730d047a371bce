"""Newton's method for a system of equations, with a step that is halved until it helps."""

import math

import numpy as np


def residual(x, target):
    r = x + 0.3 * np.sin(x) * np.roll(x, 1) - target
    r[0] += 0.1 * x[-1] ** 3
    return r


def jacobian(x):
    n = len(x)
    j = np.eye(n) + np.diag(0.3 * np.cos(x) * np.roll(x, 1))
    rows = np.arange(n)
    j[rows, (rows - 1) % n] += 0.3 * np.sin(x)
    j[0, -1] += 0.3 * x[-1] ** 2
    return j


def newton_method(x, target, tolerance=1e-10):
    x = x.copy()
    r = residual(x, target)
    history = [np.linalg.norm(r)]
    while history[-1] > tolerance and len(history) < 30:
        step = np.linalg.solve(jacobian(x), r)
        scale = 1.0
        while True:
            candidate = x - scale * step
            new = residual(candidate, target)
            if np.linalg.norm(new) < history[-1] or scale < 1e-3:
                break
            scale /= 2
        x, r = candidate, new
        history.append(np.linalg.norm(r))
    return x, len(history), math.log10(history[0]), np.abs(r).max() < 1e-9


def arguments(size="small", seed=0):
    n = {"small": 8, "bench": 500}[size]
    rng = np.random.default_rng(seed)
    return np.zeros(n), rng.normal(size=n)
