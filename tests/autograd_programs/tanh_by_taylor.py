"""Higher derivatives of a function whose loop stops by its values, and of one that calls itself."""

import numpy as np

from tracegraph import grad


def tanh(x):
    return (1.0 - np.exp(-2 * x)) / (1.0 + np.exp(-2 * x))


def taylor_sine(x):
    ans = currterm = x
    i = 0
    while np.abs(currterm) > 0.0000001:
        currterm = -currterm * x**2 / ((2 * i + 3) * (2 * i + 2))
        ans = ans + currterm
        i += 1
    return ans


def tree(x, depth):
    if depth == 0 or x > 2.0:
        return np.cos(x)
    return tree(x * 1.3, depth - 1) + 0.5 * tree(x - 0.4, depth - 1)


def objective(x):
    return tanh(x) * taylor_sine(x) + tree(x, 4)


arguments = (0.8,)


def main():
    d_fun = grad(tanh)
    assert np.isclose(d_fun(1.0), 1 - np.tanh(1.0) ** 2)
    derivatives = [tanh]
    for _ in range(4):
        derivatives.append(grad(derivatives[-1]))
    t = np.tanh(0.5)
    assert np.isclose(derivatives[3](0.5), (1 - t**2) * (6 * t**2 - 2))
    assert np.isclose(grad(taylor_sine)(np.pi), -1.0, atol=1e-6)
    assert np.isclose(grad(grad(taylor_sine))(1.3), -np.sin(1.3), atol=1e-5)
    x = 0.8
    for _ in range(20):
        x = x - 0.05 * grad(objective)(x)
    return objective(0.8), objective(x)
