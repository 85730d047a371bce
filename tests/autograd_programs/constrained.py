"""SciPy's other callers of gradients: constraints, least squares, roots, scalar Newton."""

import numpy as np
from scipy.optimize import fsolve, least_squares, minimize, newton, root

from tracegraph import grad

times = np.linspace(0, 2, 7)
data = 1.5 * np.exp(-0.8 * times) + 0.3


def objective(params):
    scale, rate, offset = params
    return np.sum((scale * np.exp(-rate * times) + offset - data) ** 2)


def residuals(params):
    scale, rate, offset = params
    return scale * np.exp(-rate * times) + offset - data


def jacobian(params):
    return np.array([grad(lambda p, k=k: residuals(p)[k])(params) for k in range(len(times))])


def equations(x):
    return np.array([x[0] * np.cos(x[1]) - 4.0, x[0] * x[1] - x[1] - 5.0])


arguments = (np.array([1.0, 1.0, 0.0]),)


def main():
    start = arguments[0]
    fitted = least_squares(residuals, start, jac=jacobian)
    assert np.allclose(fitted.x, [1.5, 0.8, 0.3])
    constraint = {"type": "eq", "fun": lambda p: np.sum(p) - 2.0, "jac": grad(lambda p: np.sum(p) - 2.0)}
    bound = minimize(objective, start, jac=grad(objective), constraints=[constraint], method="SLSQP")
    assert np.isclose(np.sum(bound.x), 2.0)
    slopes = lambda x: np.array([grad(lambda x, k=k: equations(x)[k])(x) for k in range(2)])  # noqa: E731
    found = root(equations, np.array([6.0, 1.0]), jac=slopes).x
    assert np.allclose(equations(found), 0, atol=1e-8)
    assert np.allclose(fsolve(equations, np.array([6.0, 1.0]), fprime=slopes), found)
    cubic = lambda x: x**3 - 2 * x - 5  # noqa: E731
    assert np.isclose(newton(cubic, 2.0, fprime=grad(cubic), fprime2=grad(grad(cubic))), 2.0945514815423265)
    return objective(start), objective(bound.x)
