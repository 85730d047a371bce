"""`custom_vjp` and `custom_jvp`: the rule is used in both modes, to any order, batched, in loops; what they refuse."""

from typing import Any

import numpy as np
import pytest
from support.compare import assert_same

import tracegraph as tg

X = np.array([0.5, -1.25, 2.0])


def with_vjp(factor: float = 2.0) -> Any:
    """A sine whose derivative is said to be a multiple of the cosine."""
    f = tg.custom_vjp(lambda x: np.sin(x))
    f.defvjp(lambda x: (np.sin(x), x), lambda x, ct: (factor * ct * np.cos(x),))
    return f


def with_jvp(factor: float = 2.0) -> Any:
    """The same, in forward mode."""
    f = tg.custom_jvp(lambda x: np.sin(x))
    f.defjvp(lambda primals, tangents: (np.sin(primals[0]), factor * tangents[0] * np.cos(primals[0])))
    return f


@pytest.mark.parametrize("make", [with_vjp, with_jvp])
class TestBoth:
    """What holds for both."""

    def test_values_are_the_functions(self, make: Any) -> None:
        assert_same(np.sin(X), make()(X))
        np.testing.assert_allclose(tg.compile(make())(X), np.sin(X), rtol=1e-14)

    def test_the_rule_is_used_in_both_modes(self, make: Any) -> None:
        f, expected = make(), 2 * np.cos(X)
        np.testing.assert_allclose(tg.grad(lambda x: np.sum(f(x)))(X), expected)
        np.testing.assert_allclose(tg.vjp(f, X)[1](np.ones(3))[0], expected)
        np.testing.assert_allclose(tg.jvp(f, (X,), (np.ones(3),))[1], expected)
        np.testing.assert_allclose(tg.linearize(f, X)[1](np.ones(3)), expected)
        np.testing.assert_allclose(tg.jacfwd(f)(X), np.diag(expected))
        np.testing.assert_allclose(tg.jacrev(f)(X), np.diag(expected))

    def test_the_rule_is_differentiated(self, make: Any) -> None:
        f = make()
        expected = -2 * np.sin(X)
        np.testing.assert_allclose(np.diag(tg.hessian(lambda x: np.sum(f(x)))(X)), expected)
        np.testing.assert_allclose(tg.hvp(lambda x: np.sum(f(x)), (X,), (np.ones(3),)), expected)
        np.testing.assert_allclose(tg.vmap(tg.grad(tg.grad(f)))(X), expected)

    def test_right_rules_pass_the_check(self, make: Any) -> None:
        tg.check_grads(make(1.0), (X,), order=3)
        tg.check_grads(lambda x: tg.vmap(make(1.0))(x) * x, (X,), order=2)
        with pytest.raises(AssertionError, match="differs from finite differences"):
            tg.check_grads(make(2.0), (X,))

    def test_maps(self, make: Any) -> None:
        """The derivative of a map is the rule of each example."""
        f = make()
        rows = np.stack([X, 2 * X])
        np.testing.assert_allclose(tg.vmap(tg.grad(lambda x: np.sum(f(x))))(rows), 2 * np.cos(rows))
        np.testing.assert_allclose(tg.grad(lambda x: np.sum(tg.vmap(f)(x)))(rows), 2 * np.cos(rows))
        shared = tg.grad(lambda y: np.sum(tg.vmap(lambda x: x * f(y))(X)))(0.5)
        assert shared == pytest.approx(2 * np.cos(0.5) * X.sum())

    def test_loops(self, make: Any) -> None:
        f = make()
        looped = lambda x: tg.scan(lambda c, t: (f(c) * t * x, None), x, np.arange(1.0, 4.0))[0]  # noqa: E731
        unrolled = lambda x: f(f(f(x) * x) * 2 * x) * 3 * x  # noqa: E731
        for transform in (tg.grad, tg.hessian):
            assert transform(looped)(0.5) == pytest.approx(transform(unrolled)(0.5))

    def test_forks(self, make: Any) -> None:
        """The function may go on by values."""
        inner = make()

        @tg.custom_jvp
        def f(x):
            return np.sin(x) if x > 0 else -x

        f.defjvps(lambda t, value, x: t * 10)
        assert tg.grad(lambda x: f(x) + inner(x))(1.0) == pytest.approx(10 + 2 * np.cos(1))
        assert tg.grad(lambda x: f(x) + inner(x))(-1.0) == pytest.approx(10 + 2 * np.cos(1))

    def test_metadata(self, make: Any) -> None:
        def sine(x):
            """Of an angle."""
            return np.sin(x)

        f = type(make())(sine)
        assert (f.__name__, f.__doc__) == ("sine", "Of an angle.")

    def test_single_precision_stays(self, make: Any) -> None:
        slope = tg.grad(lambda x: np.sum(make()(x)))(X.astype("f4"))
        assert slope.dtype == np.float32

    def test_without_a_rule(self, make: Any) -> None:
        f = type(make())(lambda x: x)
        assert f(1.0) == 1.0
        with pytest.raises(TypeError, match="has no derivative yet; call def"):
            tg.grad(f)(1.0)


def test_rules_that_fork() -> None:
    """May go on by values that are at hand: not by those of one example of many."""
    f = tg.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, x), lambda x, ct: (ct if x > 1 else -ct,))
    assert [tg.grad(f)(x) for x in (2.0, 0.0)] == [1.0, -1.0]
    for g in (tg.vmap(tg.grad(f)), tg.grad(lambda x: np.sum(tg.vmap(f)(x)))):
        with pytest.raises(tg.TraceError, match=r"write np\.where, tg\.cond or tg\.while_loop instead"):
            g(X)


def test_rules_that_read_from_outside() -> None:
    """Constants to derivatives; under a map, only what is the same for all examples."""

    def scaled(x, s):
        f = tg.custom_vjp(lambda x: x * s)
        f.defvjp(lambda x: (x * s, None), lambda _, ct: (10 * ct * s,))
        return f(x)

    assert tg.grad(scaled, (0, 1))(1.0, 2.0) == (20.0, 0.0)
    np.testing.assert_allclose(tg.vmap(tg.grad(scaled))(X, 2 * X), 20 * X)
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(tg.vmap(lambda x: scaled(x, 2.0))(x)))(X), 20)
    with pytest.raises(tg.LeakError):
        tg.grad(lambda x: np.sum(tg.vmap(scaled)(x, x)))(X)


# -- custom_vjp --------------------------------------------------------------------------------------------------------


def test_trees_and_none() -> None:
    """Arguments and results are nested; None stands for zeros."""

    @tg.custom_vjp
    def f(p, x, n):
        return {"a": p["w"] * x, "b": np.sum(x) * n}

    f.defvjp(
        lambda p, x, n: (f(p, x, n), (p, x)),
        lambda res, ct: ({"b": None, "w": ct["a"] * 100}, res[1] * ct["b"], None),
    )
    loss = lambda p, x: np.sum(f(p, x, 3)["a"]) + f(p, x, n=3)["b"]  # noqa: E731
    by_p, by_x = tg.grad(loss, (0, 1))({"w": X, "b": 2.0}, X)
    assert_same({"w": np.full(3, 100.0), "b": np.float64(0)}, by_p)
    assert_same(X, by_x)


def test_nondiff_argnums() -> None:
    """Any objects; the rule gets them first."""
    f = tg.custom_vjp(lambda power, x, name: x**power, nondiff_argnums=(0, -1))
    f.defvjp(lambda power, x, name: (x**power, x), lambda power, name, x, ct: (ct * power * len(name),))
    assert tg.grad(lambda x: f(3, x, "four"))(2.0) == 12.0


def test_clipped_gradients() -> None:
    """A common use: the value as it is, the cotangent clipped."""
    f = tg.custom_vjp(lambda x: x)
    f.defvjp(lambda x: (x, None), lambda _, ct: (np.clip(ct, -1, 1),))
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(f(x) ** 2))(X), np.clip(2 * X, -1, 1))


@pytest.mark.parametrize(
    ("fwd", "bwd", "error", "text"),
    [
        (lambda x: x, lambda r, ct: (ct,), TypeError, r"fwd must return a pair \(value, residuals\)"),
        (lambda x: (x, x), lambda r, ct: ct, TypeError, "bwd must return a tuple with 1 entries"),
        (lambda x: (x, x), lambda r, ct: (ct, ct), TypeError, "bwd must return a tuple with 1 entries"),
        (lambda x: (x, x), lambda r, ct: (ct[:2],), ValueError, r"what bwd returned.* has shape \(2,\)"),
        (lambda x: (x, x), lambda r, ct: ([ct],), ValueError, "what bwd returned must be nested like the values"),
        (lambda x: (x, x), lambda r, ct: (ct.astype("f4"),), TypeError, r"is f32\[3\], expected f64\[3\]"),
    ],
)
def test_refusals_of_vjp(fwd: Any, bwd: Any, error: type[Exception], text: str) -> None:
    """They say which of the two gave what."""
    f = tg.custom_vjp(lambda x: x)
    f.defvjp(fwd, bwd)
    with pytest.raises(error, match=text):
        tg.grad(lambda x: np.sum(f(x)))(X)


def test_refusals_of_arguments() -> None:
    """What is no array has to be named."""
    f = with_vjp()
    with pytest.raises(TypeError, match=r"argument 0 is 'a' of str; name what is no array in nondiff_argnums"):
        tg.compile(lambda x: f("a"))(X)
    with pytest.raises(TypeError, match="custom_vjp: expected a function, got 3"):
        tg.custom_vjp(3)


# -- custom_jvp --------------------------------------------------------------------------------------------------------


def test_defjvps() -> None:
    """One rule for each argument; None for zero."""
    f = tg.custom_jvp(lambda x, y, z: x * y * z)
    f.defjvps(lambda t, value, x, y, z: 10 * t * y * z, None, lambda t, value, x, y, z: t * value / z)
    assert tg.grad(f, (0, 1, 2))(2.0, 3.0, 5.0) == (150.0, 0.0, 6.0)
    assert tg.jvp(f, (2.0, 3.0, 5.0), (1.0, 1.0, 0.5))[1] == 153.0


def test_a_stable_rule() -> None:
    """The classical example, where the plain derivative overflows."""

    @tg.custom_jvp
    def log1pexp(x):
        return np.log1p(np.exp(x))

    @log1pexp.defjvp
    def rule(primals, tangents):
        (x,), (t,) = primals, tangents
        return log1pexp(x), (1 - 1 / (1 + np.exp(x))) * t

    with np.errstate(over="ignore"):
        assert tg.grad(log1pexp)(1000.0) == 1.0


@pytest.mark.parametrize(
    ("rule", "error", "text"),
    [
        (lambda p, t: t[0], TypeError, r"the rule must return a pair \(value, tangent\)"),
        (lambda p, t: (p[0], t[0][:2]), ValueError, r"the tangent that the rule returned.* has shape \(2,\)"),
        (lambda p, t: (p[0], (t[0],)), ValueError, "the tangent that the rule returned must be nested like"),
    ],
)
def test_refusals_of_jvp(rule: Any, error: type[Exception], text: str) -> None:
    """They say what was wrong."""
    f = tg.custom_jvp(lambda x: x)
    f.defjvp(rule)
    with pytest.raises(error, match=text):
        tg.jvp(f, (X,), (X,))
