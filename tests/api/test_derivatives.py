"""`grad` and `value_and_grad`: of what, by what, nested, inside and around `compile`, and what they refuse."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same

import tracegraph as tg

X = np.array([0.5, -1.25, 2.0])
W = np.arange(6.0).reshape(3, 2) / 4


@dataclasses.dataclass
class Layer:
    weights: Any
    bias: Any


def z(a, x, b, y, c):
    """The slides' function."""
    return np.exp(a * x + b * y + c)


def loss(params, x):
    return np.sum(np.tanh(x @ params["w"] + params["b"]) ** 2)


# -- by what -----------------------------------------------------------------------------------------------------------


def test_the_slides_example() -> None:
    """By any argument: the derivative of exp(a*x + b*y + c) is its factor times itself."""
    args = (0.3, -1.2, 0.7, 0.4, 0.1)
    factors = np.array([-1.2, 0.3, 0.4, 0.7, 1.0])
    np.testing.assert_allclose(tg.grad(z, argnums=range(5))(*args), factors * z(*args), rtol=1e-14)
    assert tg.grad(z)(*args) == pytest.approx(-1.2 * z(*args), rel=1e-14)
    assert tg.grad(z, argnums=-1)(*args) == pytest.approx(z(*args), rel=1e-14)


def test_argnums_and_argnames() -> None:
    """One gives a gradient, a sequence a tuple; names may be mixed with positions."""
    f = lambda x, y, k=1.0: x * x * y * k  # noqa: E731
    assert_same(np.float64(12.0), tg.grad(f, 0)(3.0, 2.0))
    assert_same((np.float64(12.0),), tg.grad(f, (0,))(3.0, 2.0))
    assert_same((np.float64(9.0), np.float64(12.0)), tg.grad(f, [1, 0])(3.0, 2.0))
    assert_same(np.float64(18.0), tg.grad(f, argnames="k")(3.0, 2.0, k=1.0))
    assert_same((np.float64(18.0),), tg.grad(f, argnames=["k"])(3.0, 2.0, k=1.0))
    assert_same((np.float64(12.0), np.float64(18.0)), tg.grad(f, 0, argnames="k")(3.0, 2.0, k=1.0))


def test_gradients_have_the_structure_of_their_argument() -> None:
    """Dicts, tuples, dataclasses, None; shapes and dtypes leaf by leaf."""
    params = {"w": W, "b": np.float32(0.5)}
    slope = tg.grad(loss)(params, np.ones((4, 3)))
    assert {key: (np.shape(value), value.dtype) for key, value in slope.items()} == {
        "w": ((3, 2), np.dtype("f8")), "b": ((), np.dtype("f4"))
    }  # fmt: skip
    layer = tg.grad(lambda layer: np.sum(layer.weights) * layer.bias[0])(Layer(W, (2.0, None)))
    assert_same(Layer(np.full((3, 2), 2.0), (np.float64(W.sum()), None)), layer)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_gradients_have_the_dtype_of_their_primal(dtype: str) -> None:
    """In single precision too, also where the function goes through another dtype."""
    x = X.astype(dtype)
    for f in (lambda x: np.sum(x * x), lambda x: np.sum(np.exp(x.astype("f8"))), lambda x: np.mean(x * np.arange(3))):
        value, slope = tg.value_and_grad(f)(x)
        assert slope.dtype == dtype
        assert value.dtype == f(x).dtype


def test_kinds_of_primals() -> None:
    """Python's and NumPy's numbers have number gradients, 0-d arrays have 0-d arrays."""
    for x, kind in ((2.0, float), (np.float32(2), np.float32), (np.array(2.0), np.ndarray)):
        slope = tg.grad(lambda x: x * x)(x)
        assert type(slope) is kind
        assert slope == 4.0


def test_value_and_grad() -> None:
    """Both from one graph; with an auxiliary result."""
    value, slope = tg.value_and_grad(loss)({"w": W, "b": 0.5}, np.ones((4, 3)))
    assert value == pytest.approx(loss({"w": W, "b": 0.5}, np.ones((4, 3))), rel=1e-14)
    assert_same(tg.grad(loss)({"w": W, "b": 0.5}, np.ones((4, 3))), slope, ulps=4)
    f = lambda x: (np.sum(x * x), {"twice": x * 2, "n": 3})  # noqa: E731
    (value, aux), slope = tg.value_and_grad(f, has_aux=True)(X)
    assert_same({"twice": X * 2, "n": 3}, aux)
    assert (value, list(slope)) == (np.sum(X * X), list(2 * X))
    slope, aux = tg.grad(f, has_aux=True)(X)
    assert_same({"twice": X * 2, "n": 3}, aux)


def test_independent_values_have_zero_gradients() -> None:
    """A constant, another argument, comparisons, rounding, integers in between."""
    for f in (lambda x: 3.0, lambda x: np.float64(1), lambda x: np.sum(x > 0) * 1.0, lambda x: np.sum(np.floor(x)),
              lambda x: np.sum(x.astype(int)) + 0.5):  # fmt: skip
        assert_same(np.zeros(3), tg.grad(f)(X))
    assert_same((np.zeros(3), np.float64(1.0)), tg.grad(lambda x, y: y, argnums=(0, 1))(X, 2.0))


# -- nesting -----------------------------------------------------------------------------------------------------------


def test_third_order() -> None:
    """Gradients of gradients of gradients."""
    f = lambda x: np.exp(2 * x) * x  # noqa: E731
    third = tg.grad(tg.grad(tg.grad(f)))
    assert third(0.3) == pytest.approx(np.exp(0.6) * (8 * 0.3 + 12), rel=1e-13)


PERTURBATIONS: tuple[tuple[Callable[[Any], Any], Callable[[float], float]], ...] = (
    (lambda x: x * tg.grad(lambda y: x + y)(1.0), lambda x: 1.0),
    (lambda x: x * tg.grad(lambda y: x * y)(1.0), lambda x: 2 * x),
    (lambda x: tg.grad(lambda y: x * y * y)(x), lambda x: 4 * x),
    (lambda x: tg.grad(lambda y: tg.grad(lambda w: x * y * w)(y) * y)(x), lambda x: 4 * x),
    (lambda x: tg.grad(lambda x: x**3)(x) + x, lambda x: 6 * x + 1),
    (lambda x: tg.grad(lambda y: y * tg.grad(lambda w: w * x)(y))(2.0), lambda x: 1.0),
    (lambda x: tg.value_and_grad(lambda y: y * x)(x)[0], lambda x: 2 * x),
    (lambda x: tg.compile(tg.grad(lambda y: np.sin(1.0) * y * x))(x) * x, lambda x: 2 * x * np.sin(1.0)),
)


@pytest.mark.parametrize("k", range(len(PERTURBATIONS)))
def test_no_perturbation_confusion(k: int) -> None:
    """An inner derivative takes the outer variable for a constant, and the outer one does not."""
    f, expected = PERTURBATIONS[k]
    assert tg.grad(f)(3.0) == pytest.approx(expected(3.0), rel=1e-14)
    assert tg.compile(tg.grad(f))(3.0) == pytest.approx(expected(3.0), rel=1e-14)
    assert tg.grad(tg.compile(f))(3.0) == pytest.approx(expected(3.0), rel=1e-14)


def test_grad_and_compile_in_any_order() -> None:
    """Inside, around, and inside of what is around."""
    f = lambda x: np.sum(np.exp(x) * x)  # noqa: E731
    expected = np.exp(X) * (1 + X)
    step = tg.compile(lambda x: x - 0.5 * tg.grad(tg.compile(f))(x))
    np.testing.assert_allclose(tg.grad(tg.compile(f))(X), expected, rtol=1e-14)
    np.testing.assert_allclose(tg.compile(tg.grad(f))(X), expected, rtol=1e-14)
    np.testing.assert_allclose(step(X), X - 0.5 * expected, rtol=1e-14)
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(step(x)))(X), 1 - 0.5 * np.exp(X) * (2 + X), rtol=1e-13)


# -- writes ------------------------------------------------------------------------------------------------------------


def writes(x):
    y = np.zeros_like(x)
    y[::2] = x[::2] ** 2
    y[1] += 3 * x[1]
    view = y[::-1]
    view *= 2
    return np.sum(y * x)


def test_gradients_go_through_writes() -> None:
    """Assignments, views and augmented operators on arrays that the function makes."""
    expected = np.array([6 * X[0] ** 2, 12 * X[1], 6 * X[2] ** 2])
    np.testing.assert_allclose(tg.grad(writes)(X), expected, rtol=1e-14)


def test_an_argument_changed_in_place() -> None:
    """Changed by the function, its gradient is by what was given; the caller's array is left alone."""

    def f(x):
        x *= x
        x[0] = 0
        return np.sum(x)

    x = X.copy()
    np.testing.assert_allclose(tg.grad(f)(x), [0, 2 * X[1], 2 * X[2]], rtol=1e-14)
    np.testing.assert_array_equal(x, X)


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "args", "options", "error", "text"),
    [
        (lambda x: x, (X,), {}, TypeError, r"the function must return a float scalar, it returned f64\[3\]; reduce it"),
        (lambda x: np.sum(x).astype(int), (X,), {}, TypeError, r"must return a float scalar, it returned i64\[\]"),
        (lambda x: np.sum(x) > 0, (X,), {}, TypeError, r"must return a float scalar, it returned bool\[\]"),
        (lambda x: None, (X,), {}, TypeError, "must return a float scalar, it returned None"),
        (lambda x: (x, x), (1.0,), {}, TypeError, "must return a float scalar, it returned \\("),
        (
            lambda x: x * 1.0,
            (1,),
            {},
            TypeError,
            r"argument 0 is i64\[\]; a derivative is by floats or complex numbers, pass 1.0 for 1",
        ),
        (
            lambda x: np.sum(x * 1.0),
            (np.arange(3),),
            {},
            TypeError,
            r"argument 0 is i64\[3\]; a derivative is by floats",
        ),
        (
            lambda x: np.sum(x["a"]),
            ({"a": X, "b": True},),
            {},
            TypeError,
            r"argument 0\['b'\] is bool\[\]; a derivative is by",
        ),
        (lambda x: x, (1.0,), {"argnums": 1}, ValueError, "argnums names argument 1, the call has 0"),
        (lambda x: x, (1.0,), {"argnames": "y"}, ValueError, "argnames names argument 'y', the call has 0"),
        (lambda x: x, (1.0,), {"argnums": -2}, ValueError, "argnums names argument -2, the call has 0"),
    ],
)
@pytest.mark.parametrize("transform", [tg.grad, tg.value_and_grad])
def test_refusals(transform: Any, f: Any, args: Any, options: Any, error: type[Exception], text: str) -> None:
    """They begin with the transform's name and say what to do instead."""
    with pytest.raises(error, match=f"^{transform.__name__}: .*{text}"):
        transform(f, **options)(*args)


def test_what_is_no_function_is_refused() -> None:
    """At once."""
    with pytest.raises(TypeError, match=r"^grad: expected a function, got 3"):
        tg.grad(3)


def test_metadata() -> None:
    """The name says what it is, documentation and signature are the function's."""
    slope = tg.grad(z)
    assert slope.__name__ == "grad(z)"
    assert slope.__doc__ == "grad of z.\n\nThe slides' function."
    assert list(inspect.signature(slope).parameters) == ["a", "x", "b", "y", "c"]


def test_gradient_graphs_print() -> None:
    """A derivative is a compiled function: its graph can be looked at."""
    text = str(tg.grad(z).graph(1.0, 2.0, 3.0, 4.0, 5.0))
    assert text.count("exp(") == 1


# -- complex numbers ---------------------------------------------------------------------------------------------------


def test_gradient_by_a_complex_argument_points_up() -> None:
    """It is df/dx + i df/dy, so that a step against it descends; for single and double precision and Python's numbers."""
    rng = np.random.default_rng(0)
    for dtype in ("c8", "c16"):
        z = (rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))).astype(dtype)
        f = lambda z: np.sum(np.abs(np.exp(z) - 1j * z[::-1]) ** 2) + np.sum(z.real * z.imag)  # noqa: E731
        slope = tg.grad(f)(z)
        assert slope.dtype == z.dtype
        h, wide = 1e-6, z.astype(complex)
        for k in ((0, 0), (2, 3)):
            step = np.zeros_like(wide)
            step[k] = h
            by_x = (f(wide + step) - f(wide - step)) / (2 * h)
            by_y = (f(wide + 1j * step) - f(wide - 1j * step)) / (2 * h)
            assert slope[k] == pytest.approx(by_x + 1j * by_y, rel=1e-6 if dtype == "c16" else 1e-4)
        assert f(z - 1e-3 * slope) < f(z)
    assert tg.grad(lambda z: abs(z) ** 2)(3 + 4j) == pytest.approx(6 + 8j)


def test_complex_derivatives_of_holomorphic_functions() -> None:
    """The plain derivative, to any order."""
    z = 0.3 - 0.7j
    f = lambda z: np.sin(z) * z**3  # noqa: E731
    first = np.cos(z) * z**3 + 3 * np.sin(z) * z**2
    second = -np.sin(z) * z**3 + 6 * np.cos(z) * z**2 + 6 * np.sin(z) * z
    by_z = tg.grad(f, holomorphic=True)
    assert by_z(z) == pytest.approx(first)
    assert tg.grad(by_z, holomorphic=True)(z) == pytest.approx(second)
    value, slope = tg.value_and_grad(f, holomorphic=True)(np.complex128(z))
    assert (value, slope) == (pytest.approx(f(z)), pytest.approx(first))


def test_real_arguments_of_complex_functions_have_real_gradients() -> None:
    """Through complex numbers and back: a discrete Fourier transform's power."""
    x = np.array([0.3, -1.2, 0.5])
    w = np.exp(-2j * np.pi * np.outer(range(3), range(3)) / 3)
    slope = tg.grad(lambda x: np.sum(np.abs(w @ x) ** 2 * np.array([1, 2, 3])))(x)
    expected = [2 * np.sum(np.array([1, 2, 3]) * np.real(np.conj(w @ x) * w[:, k])) for k in range(3)]
    np.testing.assert_allclose(slope, expected)
    assert slope.dtype == float


@pytest.mark.parametrize("transform", [tg.grad, tg.value_and_grad])
@pytest.mark.parametrize(
    ("f", "args", "options", "text"),
    [
        (lambda z: z**2, (1j,), {}, r"returned c128\[\]; a gradient is of a real value.*holomorphic=True"),
        (lambda x: x * 1j, (1.0,), {}, r"returned c128\[\]; a gradient is of a real value.*holomorphic=True"),
        (lambda z: abs(z), (1j,), {"holomorphic": True}, r"the function returned f64\[\], which is real"),
        (lambda x: x * 1j, (1.0,), {"holomorphic": True}, r"an argument is f64\[\], which is real"),
    ],
)
def test_refusals_of_complex_values(transform: Any, f: Any, args: Any, options: Any, text: str) -> None:
    """Which derivative of a complex value is meant must be said."""
    with pytest.raises(TypeError, match=f"^{transform.__name__}: .*{text}"):
        transform(f, **options)(*args)
