"""Jacobians and Hessians against finite differences and each other, of trees, sparse, complex; and what they refuse."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from support.compare import assert_same

import tracegraph as tg
from tracegraph.api.jacobians import colouring
from tracegraph.tree import flatten

X = np.array([0.5, -1.25, 2.0])
W = np.arange(6.0).reshape(2, 3) / 4
H = 1e-6


def differences(f: Any, x: np.ndarray) -> np.ndarray:
    """The Jacobian by central differences."""
    columns = [(f(x + H * e.reshape(x.shape)) - f(x - H * e.reshape(x.shape))) / (2 * H) for e in np.eye(x.size)]
    return np.stack(columns, axis=-1).reshape(np.shape(columns[0]) + x.shape)


def energy(x):
    return np.sum(np.exp(x[:-1] * x[1:])) + np.prod(np.sin(x))


FUNCTIONS = (
    (lambda x: np.stack([x[0] * x[1], np.sin(x[2])]), X),
    (lambda x: np.outer(x, np.tanh(x)), X),
    (energy, X),
    (lambda w: w @ X, W),
    (lambda w: np.linalg.inv(w @ w.T), W + np.eye(2, 3)),
    (lambda x: np.cumsum(np.sort(x)), X),
)


@pytest.mark.parametrize("k", range(len(FUNCTIONS)))
@pytest.mark.parametrize("transform", [tg.jacfwd, tg.jacrev, tg.jacobian])
def test_against_finite_differences(transform: Any, k: int) -> None:
    """All shapes: that of the result, then that of the argument."""
    f, x = FUNCTIONS[k]
    found = transform(f)(x)
    assert found.shape == np.shape(f(x)) + x.shape
    np.testing.assert_allclose(found, differences(f, x), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(tg.compile(transform(f))(x), found)


def test_trees() -> None:
    """Nested like the results, and in each place like the arguments."""
    f = lambda p, x: {"y": p["w"] @ x + p["b"], "n": np.sum(x)}  # noqa: E731
    args = ({"w": W, "b": 0.5}, X)
    forward, backward = tg.jacfwd(f, (0, 1))(*args), tg.jacrev(f, (0, 1))(*args)
    one, other = flatten(forward), flatten(backward)
    assert one[1] == other[1]
    for a, b in zip(one[0], other[0], strict=True):
        np.testing.assert_allclose(a, b)
    assert forward["y"][0]["w"].shape == (2, 2, 3)
    assert_same(W, forward["y"][1])
    assert_same(np.zeros((2, 3)), forward["n"][0]["w"])
    assert_same({"w": np.zeros((2, 3)), "b": np.float64(0)}, tg.jacrev(f)(*args)["n"])


@pytest.mark.parametrize("transform", [tg.jacfwd, tg.jacrev, tg.jacobian])
def test_dtypes_and_kinds(transform: Any) -> None:
    """Single precision stays; numbers by numbers are numbers."""
    assert transform(lambda x: x * 2)(X.astype("f4")).dtype == np.float32
    assert type(transform(lambda x: x**3)(2.0)) is float
    assert_same(np.float32(12), transform(lambda x: x**3)(np.float32(2)))
    assert transform(lambda x: x)(np.zeros(0)).shape == (0, 0)


@pytest.mark.parametrize("transform", [tg.jacfwd, tg.jacrev, tg.jacobian, tg.hessian])
def test_aux(transform: Any) -> None:
    """Goes by the side."""
    derivative, aux = transform(lambda x: (np.sum(x**3), {"twice": 2 * x}), has_aux=True)(X)
    expected = np.diag(6 * X) if transform is tg.hessian else 3 * X**2
    np.testing.assert_allclose(derivative, expected)
    assert_same({"twice": 2 * X}, aux)


# -- second order ------------------------------------------------------------------------------------------------------


def test_hessians_by_all_orders_of_modes() -> None:
    """Forward over reverse is what `hessian` does."""
    expected = differences(lambda x: tg.grad(energy)(x), X)
    modes = (tg.jacfwd, tg.jacrev)
    for found in [tg.hessian(energy), *(outer(inner(energy)) for outer in modes for inner in modes)]:
        np.testing.assert_allclose(found(X), expected, rtol=1e-6, atol=1e-8)


def test_hessians_of_trees() -> None:
    """Argument by argument."""
    found = tg.hessian(lambda a, b: np.sum(a * a * b), (0, 1))(X, X[::-1].copy())
    np.testing.assert_allclose(found[0][0], np.diag(2 * X[::-1]))
    np.testing.assert_allclose(found[0][1], np.diag(2 * X))
    np.testing.assert_allclose(found[1][1], np.zeros((3, 3)))


def test_hessian_vector_products() -> None:
    """What the Hessian gives; for one argument and for several."""
    v = np.array([1.0, -2.0, 0.5])
    expected = tg.hessian(energy)(X) @ v
    np.testing.assert_allclose(tg.hvp(energy, (X,), (v,)), expected)
    np.testing.assert_allclose(tg.compile(lambda x, v: tg.hvp(energy, (x,), (v,)))(X, v), expected)
    f = lambda p, s: energy(p["x"] * s)  # noqa: E731
    of_p, of_s = tg.hvp(f, ({"x": X}, 2.0), ({"x": v}, 0.5))
    h = 1e-5
    ahead, behind = (tg.grad(f, (0, 1))({"x": X + t * v}, 2.0 + t * 0.5) for t in (h, -h))
    np.testing.assert_allclose(of_p["x"], (ahead[0]["x"] - behind[0]["x"]) / (2 * h), rtol=1e-6)
    assert of_s == pytest.approx((ahead[1] - behind[1]) / (2 * h), rel=1e-6)


def network(weights, x):
    for w in weights:
        x = np.tanh(x @ w)
    return np.sum(x**2)


def test_the_cost_of_hessian_vector_products() -> None:
    """In matrix products: twice a gradient by the input; by weights no more than the tangents of both factors ask for."""
    weights, x = [np.eye(5)] * 4, np.ones((3, 5))
    products = lambda graph: sum(node.op.name == "matmul" for node in graph.nodes)  # noqa: E731
    by_x = tg.compile(lambda p, x, v: tg.hvp(lambda x: network(p, x), (x,), (v,)))
    by_p = tg.compile(lambda p, x, v: tg.hvp(lambda p: network(p, x), (p,), (v,)))
    assert products(tg.grad(network, 1).graph(weights, x)) == 8
    assert products(by_x.graph(weights, x, x)) <= 2 * 8
    assert products(tg.grad(network).graph(weights, x)) == 4 + 3 + 4
    assert products(by_p.graph(weights, x, weights)) == 4 + 7 + 3 + 6 + 7


# -- complex numbers ---------------------------------------------------------------------------------------------------


def test_complex_numbers() -> None:
    """Complex results of real arguments, real results of complex arguments as `grad` has them, holomorphic functions."""
    np.testing.assert_allclose(tg.jacfwd(lambda x: np.exp(1j * x))(X), np.diag(1j * np.exp(1j * X)))
    z = X + 1j * X[::-1]
    np.testing.assert_allclose(tg.jacrev(lambda z: np.abs(z) ** 2)(z), np.diag(2 * z))
    np.testing.assert_allclose(tg.jacobian(lambda z: np.abs(z) ** 2)(z), np.diag(2 * z))
    np.testing.assert_allclose(tg.jacobian(lambda x: np.exp(1j * x))(X), np.diag(1j * np.exp(1j * X)))
    for transform in (tg.jacfwd, tg.jacrev, tg.jacobian):
        np.testing.assert_allclose(transform(lambda z: z**3, holomorphic=True)(z), np.diag(3 * z**2))


# -- sparsity ----------------------------------------------------------------------------------------------------------

N = 40
BAND = np.abs(np.subtract.outer(np.arange(N), np.arange(N))) <= 1
Y = np.random.default_rng(0).normal(size=N)


def banded(y):
    padded = np.concatenate([y[:1], y, y[-1:]])
    return np.sin(y) * padded[2:] + padded[:-2] ** 2


def test_sparse_jacobians() -> None:
    """A pattern gives an array, a matrix of SciPy's one in compressed rows."""
    expected = tg.jacfwd(banded)(Y)
    np.testing.assert_allclose(tg.jacobian(banded, sparsity=BAND)(Y), expected)
    np.testing.assert_allclose(tg.compile(tg.jacobian(banded, sparsity=BAND))(Y), expected)
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.coo_array):
        found = tg.jacobian(banded, sparsity=kind(BAND))(Y)
        assert scipy.sparse.issparse(found)
        assert found.format == "csr"
        np.testing.assert_allclose(found.toarray(), expected)
    found, aux = tg.jacobian(lambda y: (banded(y), 3), has_aux=True, sparsity=scipy.sparse.csr_matrix(BAND))(Y)
    assert aux == 3
    np.testing.assert_allclose(found.toarray(), expected)


def test_the_cost_is_the_number_of_colours() -> None:
    """Three for a tridiagonal matrix, one for a diagonal one, however long it is."""
    for pattern, f, colours in ((BAND, banded, 3), (np.eye(N, dtype=bool), np.sin, 1)):
        graph = tg.jacobian(f, sparsity=scipy.sparse.csr_matrix(pattern)).__wrapped__.graph(Y)
        batched = [node.shape for node in graph.nodes if len(node.shape) == 2 and node.op.kind == "elementwise"]
        assert batched
        assert max(np.prod(shape) for shape in batched) <= colours * (N + 2)


def test_colouring() -> None:
    """No two columns of a colour meet in a row."""
    rng = np.random.default_rng(0)
    pattern = rng.random((30, 50)) < 0.05
    rows, columns = np.nonzero(pattern)
    colours = colouring(rows, columns, pattern.shape)
    for colour in range(colours.max() + 1):
        assert pattern[:, colours == colour].sum(axis=1).max() <= 1
    assert colouring(*np.nonzero(BAND), BAND.shape).max() == 2


def test_sparsity_of_arrays_of_more_axes() -> None:
    """Flattened, or in the Jacobian's own shape."""
    x = Y.reshape(4, 10)
    pattern = np.eye(N, dtype=bool)
    expected = tg.jacfwd(np.sin)(x)
    np.testing.assert_allclose(tg.jacobian(np.sin, sparsity=pattern)(x), expected)
    np.testing.assert_allclose(tg.jacobian(np.sin, sparsity=pattern.reshape(4, 10, 4, 10))(x), expected)


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tg.jacfwd(np.sin)(1j), TypeError, r"jacfwd: an argument is c128\[\]; say holomorphic=True"),
        (lambda: tg.jacrev(np.sin)(1j), TypeError, r"jacrev: the function returned c128\[\]; say holomorphic=True"),
        (lambda: tg.jacfwd(np.sin, holomorphic=True)(X), TypeError, r"holomorphic=True, but an argument is f64\[3\]"),
        (lambda: tg.jacrev(np.argsort)(X), TypeError, r"the function returned i64\[3\]; only floats"),
        (lambda: tg.jacrev(np.sin)(np.arange(3)), TypeError, r"argument 0 is i64\[3\]; a derivative is by floats"),
        (lambda: tg.jacfwd(np.sin, 1)(X), ValueError, "argnums names argument 1, the call has 0"),
        (lambda: tg.jacfwd(3), TypeError, "jacfwd: expected a function"),
        (lambda: tg.hvp(np.sin, (X,), (X,)), TypeError, "must return a float scalar"),
        (lambda: tg.hvp(np.sum, X, X), TypeError, "primals must be a tuple or a list"),
        (lambda: tg.hvp(np.sum, (X,), (W,)), ValueError, r"tangents\[0\] has shape \(2, 3\)"),
        (
            lambda: tg.jacobian(np.sin, sparsity=BAND)(X),
            ValueError,
            r"sparsity has shape \(40, 40\), expected \(3, 3\)",
        ),
        (lambda: tg.jacobian(np.sin, (0,), sparsity=BAND), TypeError, "argnums must be one position"),
        (lambda: tg.jacobian(lambda x: (x, x), sparsity=BAND)(X), TypeError, "of one array by one array"),
        (
            lambda: tg.compile(tg.jacobian(np.sin, sparsity=scipy.sparse.csr_matrix(BAND)))(Y),
            tg.UnsupportedError,
            "can't be made inside a compiled function",
        ),
    ],
)
def test_refusals(call: Any, error: type[Exception], text: str) -> None:
    """They name the argument, what was given and what was expected."""
    with pytest.raises(error, match=text):
        call()
