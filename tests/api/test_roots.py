"""`custom_root` and `fixed_point`: derivatives of solutions, against the straight way through and finite differences."""

from typing import Any

import numpy as np
import pytest

import tracegraph as tg

A = np.array([[2.0, 0.3], [0.1, 1.5]])
B = np.array([1.0, 2.0])


def newton(f, x):
    """Newton's method, with a loop that ends by the residual."""
    residual = f(x)
    while np.max(np.abs(residual)) > 1e-13:
        step = residual / tg.grad(f)(x) if np.ndim(x) == 0 else np.linalg.solve(tg.jacfwd(f)(x), residual)
        x = x - step
        residual = f(x)
    return x


def few_steps(f, x):
    """The same without a fork."""
    for _ in range(8):
        x = x - np.linalg.solve(tg.jacfwd(f)(x), f(x))
    return x


def square_root(a):
    return tg.custom_root(lambda x: x * x - a, 1.0, newton)


def system(p, solve=newton, **options):
    return tg.custom_root(lambda x: p["a"] @ x + 0.1 * x**3 - p["b"], np.zeros(2), solve, **options)


def test_a_newton_solver_straight_through_and_implicitly() -> None:
    """Both give the analytic derivative, to second order; so does it compiled."""
    straight = lambda a: newton(lambda x: x * x - a, 1.0)  # noqa: E731
    for root in (straight, square_root, tg.compile(square_root)):
        assert root(4.0) == pytest.approx(2.0)
        assert tg.grad(root)(4.0) == pytest.approx(0.25)
        assert tg.jvp(root, (4.0,), (1.0,))[1] == pytest.approx(0.25)
        assert tg.grad(tg.grad(root))(4.0) == pytest.approx(-1 / 32)
    assert tg.grad(tg.grad(tg.grad(square_root)))(4.0) == pytest.approx(3 / 8 * 4**-2.5)


SOLVERS = {
    "direct": None,
    "Jacobian": lambda g, y: np.linalg.solve(tg.jacobian(g)(y), y),
    "steps": lambda g, y: few_steps(lambda x: g(x) - y, np.zeros(2)),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_systems(name: str) -> None:
    """In both modes, to second order, however the linear equations are solved."""
    options = {} if SOLVERS[name] is None else {"tangent_solve": SOLVERS[name]}
    tg.check_grads(lambda p: system(p, **options), ({"a": A, "b": B},), order=2)


def test_numbers() -> None:
    """JAX's solver for them."""
    root = lambda a: tg.custom_root(lambda x: x**3 - a, 1.0, newton, lambda g, y: y / g(1.0))  # noqa: E731
    assert tg.grad(root)(8.0) == pytest.approx(1 / 12)


def test_trees() -> None:
    """Of unknowns."""

    def root(a):
        f = lambda t: {"x": t["x"] ** 2 - a, "y": t["y"] - t["x"] * a}  # noqa: E731
        solve = lambda f, guess: {"x": np.sqrt(a), "y": np.sqrt(a) * a}  # noqa: E731
        return tg.custom_root(f, {"x": np.ones(2), "y": np.ones(2)}, solve)

    found = tg.jacrev(root)(np.array([1.0, 4.0]))
    np.testing.assert_allclose(found["x"], np.diag([0.5, 0.25]))
    np.testing.assert_allclose(found["y"], np.diag([1.5, 3.0]))


def test_maps() -> None:
    """Of roots, of their derivatives, and derivatives of maps."""
    root = lambda b: system({"a": A, "b": b}, few_steps)  # noqa: E731
    rows = np.stack([B, 2 * B, -B])
    each = np.stack([tg.jacrev(root)(b) for b in rows])
    np.testing.assert_allclose(tg.vmap(root)(rows), np.stack([root(b) for b in rows]))
    np.testing.assert_allclose(tg.vmap(tg.jacrev(root))(rows), each)
    for transform in (tg.jacrev, tg.jacfwd):
        found = transform(tg.vmap(root))(rows)
        np.testing.assert_allclose(np.stack([found[k, :, k] for k in range(3)]), each, atol=1e-12)
    by_a = tg.grad(lambda a: np.sum(tg.vmap(lambda b: system({"a": a, "b": b}, few_steps))(rows)))(A)
    expected = sum(tg.grad(lambda a, b=b: np.sum(system({"a": a, "b": b}, few_steps)))(A) for b in rows)
    np.testing.assert_allclose(by_a, expected)


def test_aux() -> None:
    """A constant to derivatives."""

    def root(a):
        return tg.custom_root(lambda x: x * x - a, 1.0, lambda f, x: (newton(f, x), {"a": a}), has_aux=True)

    slope, aux = tg.grad(root, has_aux=True)(4.0)
    assert slope == pytest.approx(0.25)
    assert aux == {"a": 4.0}
    assert tg.grad(lambda a: root(a)[1]["a"])(4.0) == 0.0


def test_outside_of_traces() -> None:
    """It is what the solver gives."""
    assert tg.custom_root(lambda x: x, 1.0, lambda f, x: "anything") == "anything"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda a: tg.custom_root(lambda x: x - a, 1, lambda f, x: x), TypeError, r"the root is i64\[\]"),
        (
            lambda a: tg.custom_root(lambda x: (x, a), 1.0, lambda f, x: x),
            ValueError,
            r"f gives \('f64\[\]', 'f64\[\]'\), expected what the root is, f64\[\]",
        ),
        (lambda a: tg.custom_root(3, 1.0, lambda f, x: x), TypeError, "custom_root: expected a function"),
        (lambda a: tg.custom_root(lambda x: x, 1.0, lambda f, x: x, has_aux=True), TypeError, "must return a pair"),
        (
            lambda a: tg.custom_root(lambda x: x - a, 1.0, lambda f, x: x, lambda g, y: (y,)),
            ValueError,
            "what tangent_solve returned must be nested like the values",
        ),
    ],
)
def test_refusals(call: Any, error: type[Exception], text: str) -> None:
    """They name what was given and what was expected."""
    with pytest.raises(error, match=text):
        tg.grad(call)(1.0)


# -- fixed points ------------------------------------------------------------------------------------------------------


def layer(p, x):
    """A contraction."""
    return np.tanh(p["w"] @ x + p["b"])


def equilibrium(p):
    return tg.fixed_point(layer, p, np.zeros(4))


RNG = np.random.default_rng(0)
P = {"w": RNG.normal(size=(4, 4)) * 0.15, "b": RNG.normal(size=4)}


def test_fixed_points() -> None:
    """The equation holds; derivatives to second order, in both modes."""
    x = equilibrium(P)
    np.testing.assert_allclose(layer(P, x), x, rtol=1e-11)
    tg.check_grads(equilibrium, (P,), order=2)


def test_maps_of_fixed_points() -> None:
    """Each example iterates as long as it needs to."""
    f = lambda b: equilibrium({"w": P["w"], "b": b})  # noqa: E731
    rows = np.stack([P["b"], 3 * P["b"], 0 * P["b"]])
    np.testing.assert_allclose(tg.vmap(f)(rows), np.stack([f(b) for b in rows]), atol=1e-13)
    total = lambda b: np.sum(f(b) ** 2)  # noqa: E731
    each = np.stack([tg.grad(total)(b) for b in rows])
    np.testing.assert_allclose(tg.vmap(tg.grad(total))(rows), each, atol=1e-12)
    np.testing.assert_allclose(tg.grad(lambda r: np.sum(tg.vmap(total)(r)))(rows), each, atol=1e-12)


def test_closed_over_values_count() -> None:
    """As parameters do."""
    f = lambda a: tg.fixed_point(lambda _, x: (x + a / x) / 2, None, 1.0)  # noqa: E731
    assert tg.grad(f)(4.0) == pytest.approx(0.25)


def test_tolerance_and_steps() -> None:
    """As asked for; in single precision by default what that can give."""
    f = lambda a, x: (x + a) / 2  # noqa: E731
    assert tg.fixed_point(f, 1.0, 0.0, max_steps=3) == 0.875
    assert tg.fixed_point(f, 1.0, 0.0, tol=0.1) == pytest.approx(1.0, abs=0.25)
    x = tg.fixed_point(layer, {"w": P["w"].astype("f4"), "b": P["b"].astype("f4")}, np.zeros(4, "f4"))
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, equilibrium(P), atol=1e-3)


def test_refusals_of_fixed_points() -> None:
    """As of roots."""
    with pytest.raises(ValueError, match="they must be nested alike"):
        tg.fixed_point(lambda p, x: (x, x), 1.0, 1.0)
    with pytest.raises(TypeError, match="fixed_point: expected a function, got 3"):
        tg.fixed_point(3, 1.0, 1.0)
