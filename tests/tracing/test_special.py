"""SciPy's special functions, where SciPy is installed: values, dtypes and derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_traced

from tracegraph import compile, grad
from tracegraph.errors import UnsupportedError

special = pytest.importorskip("scipy.special")
over = pytest.mark.parametrize

#: name: where each operand is taken from, and which operands it is differentiated by.
TABLE: dict[str, tuple[tuple[tuple[float, float], ...], tuple[int, ...]]] = {
    **dict.fromkeys(
        "expit log_expit erf erfc erfcx dawsn ndtr log_ndtr i0 i1 i0e i1e j0 j1 exprel exp2 exp10 expm1".split(),
        (((-2, 2),), (0,)),
    ),
    **dict.fromkeys("logit entr ndtri erfcinv".split(), (((0.1, 0.9),), (0,))),
    **dict.fromkeys("gammaln gamma rgamma psi digamma y0 y1 cbrt log1p".split(), (((0.4, 4),), (0,))),
    "erfinv": (((-0.8, 0.8),), (0,)),
    **dict.fromkeys(
        "beta betaln xlogy xlog1py rel_entr kl_div boxcox boxcox1p".split(), (((0.4, 3), (0.4, 3)), (0, 1))
    ),
    "inv_boxcox": (((0.4, 3), (0.4, 3)), (0,)),
    **dict.fromkeys("gammainc gammaincc zeta".split(), (((1.4, 3), (0.4, 3)), (1,))),
    **dict.fromkeys("jv yv iv kv".split(), (((0.4, 2.5), (0.4, 3)), (1,))),
    "poch": (((0.4, 3), (0.4, 3)), (0, 1)),
    "betainc": (((0.4, 3), (0.4, 3), (0.2, 0.8)), (2,)),
}


def operands(name: str, shape: tuple[int, ...] = (7,)) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.uniform(low, high, shape) for low, high in TABLE[name][0]]


@over("name", TABLE)
def test_values(name: str) -> None:
    """In double and single precision, of integers, of numbers, broadcast."""
    function, args = getattr(special, name), operands(name)
    slack = 4 * np.finfo(float).eps if name == "kl_div" else 0.0  # a small difference of larger terms
    check_traced(lambda *xs: function(*xs), *args, ulps=16, slack=slack)
    check_traced(lambda *xs: function(*xs), *[x.astype("f4") for x in args], ulps=16, slack=2**29 * slack)
    check_traced(lambda *xs: function(*xs), *[np.ceil(x).astype("i8") for x in args], ulps=16)
    check_traced(lambda *xs: function(*[x[0] for x in xs]), *args, ulps=16, slack=slack)
    check_traced(lambda *xs: function(xs[0][:, None], *xs[1:]), *args, ulps=16, slack=slack)


@over("name", TABLE)
def test_gradients(name: str) -> None:
    """Against differences."""
    function, args = getattr(special, name), operands(name)
    for k in TABLE[name][1]:

        def loss(x: np.ndarray, k: int = k) -> Any:
            return np.sum(function(*args[:k], x, *args[k + 1 :]))

        expected = [(loss(args[k] + step) - loss(args[k] - step)) / 2e-6 for step in 1e-6 * np.eye(7)]
        np.testing.assert_allclose(grad(loss)(args[k]), expected, rtol=1e-5, atol=1e-7)


EDGES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("xlogy", ([0, 0, 1, 2, np.nan, 0], [0, np.nan, 0, -1, 1, -1])),
    ("xlog1py", ([0, 0, 1, 2, np.nan, 0], [-1, np.nan, -1, -2, 1, -2])),
    ("entr", ([0, -1, np.nan, np.inf, 1],)),
    ("rel_entr", ([0, 0, 1, -1, 1, np.nan, 1], [0, 1, 0, 1, -1, 1, np.nan])),
    ("kl_div", ([0, 0, 1, -1, 1, np.nan, 1], [0, 1, 0, 1, -1, 1, np.nan])),
    ("expit", ([-800, 800, np.inf, -np.inf, np.nan],)),
    ("gammaln", ([0, -1, -0.5, np.inf, np.nan],)),
    ("erf", ([0, -0.0, np.inf, -np.inf, np.nan],)),
)


@over(("name", "given"), EDGES, ids=[name for name, _ in EDGES])
def test_edges(name: str, given: Any) -> None:
    """Zeros, infinities, what is no number."""
    check_traced(lambda *xs: getattr(special, name)(*xs), *[np.array(x, float) for x in given], ulps=4)


def test_derivatives_at_the_edge_of_the_domain() -> None:
    """0 log(0) is 0, and neither part of its derivative is NaN by the other."""
    xlogy: Callable[..., Any] = special.xlogy
    assert grad(lambda y: np.sum(xlogy(np.zeros(2), y)))(np.zeros(2)).tolist() == [0, 0]
    np.testing.assert_allclose(
        grad(lambda x: np.sum(special.rel_entr(x, np.ones(2))))(np.array([1.0, 2.0])), 1 + np.log([1, 2])
    )


def test_without_a_derivative() -> None:
    """What has none says so; what needs none runs."""
    x = np.array([0.5, 1.5])
    np.testing.assert_allclose(compile(lambda x: special.struve(0, x) + 1)(x), special.struve(0, x) + 1)
    with pytest.raises(UnsupportedError, match="struve has no derivative here"):
        grad(lambda x: np.sum(special.struve(0, x)))(x)


def test_kernels() -> None:
    """Through compiled code."""
    x = np.linspace(0.1, 3, 200)
    check_traced(lambda x: special.erf(x) + special.gammaln(x) * special.expit(x), x, native=True, ulps=8, slack=1e-14)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_functions_that_scipy_writes_in_python(axis: Any) -> None:
    """logsumexp and softmax, with infinities among the values, and their gradients."""
    x = np.array([[-np.inf, 2.0, 900.0], [1.0, -3.0, 0.5]])
    check_traced(lambda x: special.logsumexp(x, axis=axis), x, ulps=4)
    check_traced(lambda x: special.logsumexp(x, axis=axis, b=np.abs(x) > 1, keepdims=True), x, ulps=4)
    check_traced(lambda x: (special.softmax(x, axis=axis), special.log_softmax(x, axis=axis)), x, ulps=8)
    tame = np.array([0.5, -1.0, 2.0])
    slope = grad(lambda x: special.logsumexp(x))(tame)
    np.testing.assert_allclose(slope, special.softmax(tame), rtol=1e-14)
