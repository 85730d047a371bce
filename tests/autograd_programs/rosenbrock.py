"""Rosenbrock's valley by several of SciPy's minimisers."""

import numpy as np
from scipy.optimize import check_grad, fmin_bfgs, minimize

from tracegraph import grad


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def hessian(x):
    return np.stack([grad(lambda x, k=k: grad(rosenbrock)(x)[k])(x) for k in range(2)])


objective = rosenbrock
arguments = (np.array([-0.4, 0.9]),)


def main():
    start = np.array([0.0, 0.0])
    for options in (
        {"method": "BFGS"}, {"method": "L-BFGS-B", "bounds": [(-2, 2), (-2, 2)]}, {"method": "SLSQP"}, {"method": "TNC"},
        {"method": "CG"}, {"method": "Newton-CG", "hess": hessian}, {"method": "trust-exact", "hess": hessian},
        {"method": "trust-constr", "hess": hessian},
    ):  # fmt: skip
        result = minimize(rosenbrock, start, jac=grad(rosenbrock), **options)
        assert np.allclose(result.x, 1.0, atol=2e-2), options
    assert check_grad(rosenbrock, grad(rosenbrock), start) < 1e-5
    return rosenbrock(start), rosenbrock(fmin_bfgs(rosenbrock, start, grad(rosenbrock), disp=False))
