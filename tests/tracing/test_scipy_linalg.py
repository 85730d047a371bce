"""SciPy's linear algebra, where SciPy is installed."""

import numpy as np
import pytest
from support.running import check_error, check_traced

from tracegraph import grad

linalg = pytest.importorskip("scipy.linalg")


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 5.0])
def test_exponentials_of_matrices(scale: float) -> None:
    """As SciPy's, for real and complex matrices of either precision, whole numbers, stacks."""
    rng = np.random.default_rng(0)
    x = scale * rng.normal(size=(2, 4, 4))
    x -= x.swapaxes(-1, -2)
    slack = 1e-12 * np.exp(8 * scale)
    for array in (x, x + 1j * x.swapaxes(-1, -2), x[0], x[:, :1, :1], x[:0]):
        check_traced(lambda a: linalg.expm(a), array, slack=slack)
    check_traced(lambda a: linalg.expm(a), x.astype("f4"), slack=1e-4 * (1 + scale))
    check_traced(lambda a: linalg.expm(a), np.rint(x[0]).astype(int), slack=slack)
    check_traced(lambda a: linalg.expm(a), np.float64(scale), slack=slack)
    check_error(lambda a: linalg.expm(a), np.ones(3), start="The input array must be at least two-dimensional")
    check_error(lambda a: linalg.expm(a), np.ones((2, 3)), start="Last 2 dimensions of the array must be square")


def test_derivative_is_that_of_frechet() -> None:
    """SciPy's own derivative in a direction."""
    rng = np.random.default_rng(1)
    a, e, w = rng.normal(size=(3, 5, 5))
    slope = grad(lambda a: np.sum(linalg.expm(a) * w))(a)
    assert np.sum(slope * e) == pytest.approx(np.sum(linalg.expm_frechet(a, e)[1] * w), rel=1e-12)
