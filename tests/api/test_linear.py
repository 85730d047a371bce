"""`vjp`, `jvp` and `linearize`: eagerly, inside other transforms, of trees and complex numbers, and what they refuse."""

import itertools
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same

import tracegraph as tg

X = np.array([0.5, -1.25, 2.0])
W = np.arange(6.0).reshape(2, 3) / 4
H = 1e-6


def network(params, x):
    """A tree of arrays to a tree of arrays."""
    hidden = np.tanh(params["w"] @ x + params["b"])
    return {"out": hidden * x[0], "norm": np.sum(hidden**2)}


def slope(f: Any, x: Any, v: Any) -> Any:
    """The central difference along a direction."""
    return (f(x + H * v) - f(x - H * v)) / (2 * H)


# -- eager -------------------------------------------------------------------------------------------------------------


def test_pullback_and_pushforward_are_transposes() -> None:
    """<ct, J v> = <J' ct, v>, and J v is the difference quotient; for trees."""
    rng = np.random.default_rng(0)
    args = ({"w": W, "b": 0.5}, X)
    tangents = ({"w": rng.normal(size=(2, 3)), "b": 0.25}, rng.normal(size=3))
    ct = {"out": rng.normal(size=2), "norm": 0.75}
    value, pullback = tg.vjp(network, *args)
    again, pushed = tg.jvp(network, args, tangents)
    third, pushforward = tg.linearize(network, *args)
    expected = network(*args)
    for each in (value, again, third):
        assert_same(expected, each, ulps=4)
    assert_same(pushed, pushforward(*tangents), ulps=4)
    params, x = pullback(ct)
    assert params["w"].shape == (2, 3)
    assert type(params["b"]) is float
    dual = np.sum(params["w"] * tangents[0]["w"]) + params["b"] * tangents[0]["b"] + np.sum(x * tangents[1])
    assert dual == pytest.approx(np.sum(ct["out"] * pushed["out"]) + ct["norm"] * pushed["norm"])
    moved = [
        network({"w": W + h * tangents[0]["w"], "b": 0.5 + h * tangents[0]["b"]}, X + h * tangents[1]) for h in (H, -H)
    ]
    np.testing.assert_allclose(pushed["out"], (moved[0]["out"] - moved[1]["out"]) / (2 * H), rtol=1e-6)


def test_the_order_of_keys_does_not_matter() -> None:
    """Of a dict that is given for another."""
    _, pullback = tg.vjp(lambda x: {"a": x, "b": 2 * x}, 1.0)
    assert pullback({"b": 1.0, "a": 10.0}) == (12.0,)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_dtypes(dtype: str) -> None:
    """Values and tangents have the result's, cotangents the argument's; Python's numbers fit any."""
    x = X.astype(dtype)
    for f in (lambda x: x * 2, lambda x: np.exp(x.astype("f8")), lambda x: x * np.float32(3)):
        value, pullback = tg.vjp(f, x)
        (ct,) = pullback(np.ones(3, value.dtype))
        out, tangent = tg.jvp(f, (x,), (np.ones(3, dtype),))
        assert (value.dtype, out.dtype, tangent.dtype, ct.dtype) == (f(x).dtype, f(x).dtype, f(x).dtype, x.dtype)
    _, tangent = tg.jvp(lambda x: x * x, (np.float32(3),), (1,))
    assert_same(np.float32(6), tangent)


def test_kinds_of_numbers() -> None:
    """Python's numbers have Python's for cotangents, 0-d arrays 0-d arrays."""
    for x, kind in ((2.0, float), (np.float32(2), np.float32), (np.array(2.0), np.ndarray)):
        _, pullback = tg.vjp(lambda x: x * x, x)
        assert type(pullback(1.0)[0]) is kind


def test_the_linear_map_outlives_its_arguments() -> None:
    """Whatever is done to the arguments, the value and arrays from outside afterwards, it is that of the point."""
    outside = np.array([1.0, 2.0, 3.0])
    x = X.copy()
    value, pullback = tg.vjp(lambda x: np.exp(x) * outside * x, x)
    _, pushforward = tg.linearize(lambda x: np.exp(x) * outside * x, x)
    expected = np.exp(X) * (1 + X) * outside
    x[:], value[:], outside[:] = 0, 0, 0
    for _ in range(2):
        np.testing.assert_allclose(pullback(np.ones(3))[0], expected)
        np.testing.assert_allclose(pushforward(np.ones(3)), expected)


def test_tracing_is_done_once() -> None:
    """For a function, and for its linear map."""
    calls = itertools.count()

    def f(x):
        next(calls)
        return np.sin(x)

    for _ in range(3):
        _, pullback = tg.vjp(f, X)
        pullback(np.ones(3))
        pullback(np.zeros(3))
        tg.jvp(f, (X,), (X,))
    assert next(calls) == 2


def test_forks() -> None:
    """Each way through the function has a linear map of its own."""

    def f(x):
        return x * x if x > 0 else -3 * x

    assert [tg.vjp(f, x)[1](1.0)[0] for x in (2.0, -2.0, 5.0)] == [4.0, -3.0, 10.0]
    assert [tg.linearize(f, x)[1](1.0) for x in (2.0, -2.0, 5.0)] == [4.0, -3.0, 10.0]
    assert [tg.jvp(f, (x,), (1.0,))[1] for x in (2.0, -2.0, 5.0)] == [4.0, -3.0, 10.0]


def test_closures_are_read_anew() -> None:
    """A value from outside may change between calls."""
    scale = 2.0
    f = lambda x: scale * x  # noqa: E731
    assert tg.vjp(f, 1.0)[1](1.0) == (2.0,)
    scale = 3.0
    assert tg.vjp(f, 1.0)[1](1.0) == (3.0,)


def test_aux() -> None:
    """The second part of a pair goes by the side."""
    f = lambda x: (x * x, {"twice": 2 * x, "n": 3})  # noqa: E731
    value, pullback, aux = tg.vjp(f, X, has_aux=True)
    assert_same({"twice": 2 * X, "n": 3}, aux)
    np.testing.assert_allclose(pullback(np.ones(3))[0], 2 * X)
    value, tangent, aux = tg.jvp(f, (X,), (X,), has_aux=True)
    assert_same((X * X, 2 * X * X, {"twice": 2 * X, "n": 3}), (value, tangent, aux))
    assert_same({"twice": 2 * X, "n": 3}, tg.linearize(f, X, has_aux=True)[2])


def test_integer_results() -> None:
    """Have zero tangents, and cotangents without effect."""
    f = lambda x: (x * x, np.argsort(x))  # noqa: E731
    _, pullback = tg.vjp(f, X)
    np.testing.assert_allclose(pullback((np.ones(3), np.ones(3)))[0], 2 * X)
    assert_same((2 * X, np.zeros(3, int)), tg.jvp(f, (X,), (np.ones(3),))[1])


def test_independent_results() -> None:
    """Have zero derivatives."""
    assert tg.vjp(lambda x: 3.0, X)[1](1.0)[0].tolist() == [0, 0, 0]
    assert tg.jvp(lambda x: np.ones(2), (X,), (X,))[1].tolist() == [0, 0]
    assert tg.linearize(lambda x: np.ones(2), X)[1](X).tolist() == [0, 0]


# -- with other transforms ---------------------------------------------------------------------------------------------


def test_inside_of_other_transforms() -> None:
    """In compiled functions, gradients and maps, of traced values."""
    f = lambda x: np.sin(x) * x  # noqa: E731
    first = np.cos(X) * X + np.sin(X)
    second = 2 * np.cos(X) - np.sin(X) * X
    by_vjp = lambda x: tg.vjp(f, x)[1](np.ones(3))[0]  # noqa: E731
    by_jvp = lambda x: tg.jvp(f, (x,), (np.ones(3),))[1]  # noqa: E731
    by_linearize = lambda x: tg.linearize(f, x)[1](np.ones(3))  # noqa: E731
    for g in (by_vjp, by_jvp, by_linearize):
        np.testing.assert_allclose(g(X), first)
        np.testing.assert_allclose(tg.compile(g)(X), first)
        np.testing.assert_allclose(tg.grad(lambda x, g=g: np.sum(g(x)))(X), second)
        np.testing.assert_allclose(tg.jvp(g, (X,), (np.ones(3),))[1], second)
        np.testing.assert_allclose(tg.vmap(g)(np.stack([X, X]))[1], first)


def test_perturbations_are_kept_apart() -> None:
    """The inner derivative takes the outer variable for a constant."""
    f = lambda x: x * tg.jvp(lambda y: x + y, (1.0,), (1.0,))[1]  # noqa: E731
    assert tg.jvp(f, (3.0,), (1.0,))[1] == 1.0
    assert tg.vjp(f, 3.0)[1](1.0) == (1.0,)


def test_a_linear_map_inside_of_compiled_functions() -> None:
    """It is part of their graph, and has a derivative by what it is applied to."""
    _, pullback = tg.vjp(lambda x: x**3, X)
    np.testing.assert_allclose(tg.compile(lambda ct: pullback(2 * ct)[0] + 1)(X), 6 * X**3 + 1)
    np.testing.assert_allclose(tg.grad(lambda ct: np.sum(pullback(ct)[0] * ct))(X), 6 * X**3)
    np.testing.assert_allclose(tg.vmap(lambda ct: pullback(ct)[0])(np.eye(3)), np.diag(3 * X**2))


def test_through_loops() -> None:
    """Known and unknown lengths; what the linear map needs of the turns is there, or is found again."""
    scanned = lambda x: tg.scan(lambda c, t: (np.sin(c) * t + x, c * x), x, np.arange(1.0, 4.0))  # noqa: E731
    tg.check_grads(scanned, (0.5,), order=2)
    power = lambda x: tg.while_loop(lambda s: s[1] < 5, lambda s: (s[0] * x, s[1] + 1), (x, 0))[0]  # noqa: E731
    assert tg.vjp(power, 1.1)[1](1.0)[0] == pytest.approx(6 * 1.1**5)
    assert tg.linearize(power, 1.1)[1](1.0) == pytest.approx(6 * 1.1**5)
    assert tg.hessian(power)(1.1) == pytest.approx(30 * 1.1**4)


def test_checkpoints_of_values_that_depend_on_each_other() -> None:
    """Each tangent counts once."""
    f = tg.checkpoint(lambda a, b: a * b)
    assert tg.jvp(lambda x: f(x, np.sin(x)), (0.7,), (1.0,))[1] == pytest.approx(np.sin(0.7) + 0.7 * np.cos(0.7))


def test_a_linear_map_does_not_leave_its_trace() -> None:
    """It is made of traced values."""
    kept = []

    @tg.compile
    def f(x):
        kept.append(tg.vjp(np.sin, x)[1])
        return x

    f(X)
    with pytest.raises(tg.LeakError, match="linear map of a vjp was used after its function had returned"):
        kept[0](X)


def test_a_function_that_writes_to_its_argument() -> None:
    """The derivative is by what was given; the caller's array is left alone."""

    def f(x):
        x *= x
        x[0] = 1
        return x

    x = X.copy()
    np.testing.assert_allclose(tg.vjp(f, x)[1](np.ones(3))[0], [0, 2 * X[1], 2 * X[2]])
    np.testing.assert_allclose(tg.jvp(f, (x,), (np.ones(3),))[1], [0, 2 * X[1], 2 * X[2]])
    assert_same(X, x)


# -- complex numbers ---------------------------------------------------------------------------------------------------


def test_complex_numbers() -> None:
    """Pushforwards are derivatives along a direction; pullbacks are their transposes, without conjugation."""
    z, v, ct = X + 1j * X[::-1], np.array([1 + 2j, -1j, 0.5]), np.array([1j, 2.0, 1 - 1j])
    for f in (lambda z: np.exp(z) * z, lambda z: np.conj(z) * z * 1j, lambda z: np.abs(z) ** 2 + 0j * z):
        _, tangent = tg.jvp(f, (z,), (v,))
        np.testing.assert_allclose(tangent, slope(f, z, v), rtol=1e-6)
        (pulled,) = tg.vjp(f, z)[1](ct)
        assert np.sum(pulled * v).real == pytest.approx(np.sum(ct * tangent).real)
    (pulled,) = tg.vjp(np.exp, z)[1](ct)
    np.testing.assert_allclose(pulled, ct * np.exp(z))
    np.testing.assert_allclose(tg.vjp(lambda x: x * 1j, X)[1](ct)[0], (ct * 1j).real)


# -- refusals ----------------------------------------------------------------------------------------------------------

PULLBACK = lambda ct, f=np.sin, x=X: tg.vjp(f, x)[1](ct)  # noqa: E731


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tg.vjp(np.sin, np.arange(3)), TypeError, r"vjp: argument 0 is i64\[3\]; a derivative is by floats"),
        (lambda: tg.jvp(np.sin, (1,), (1,)), TypeError, r"jvp: argument 0 is i64\[\]; .*pass 1.0 for 1"),
        (lambda: tg.linearize(lambda x, y: x, 1.0, {"a": True}), TypeError, r"argument 1\['a'\] is bool\[\]"),
        (lambda: tg.vjp(lambda x: "text", X), TypeError, "the function returned 'text' of str; expected arrays or num"),
        (lambda: tg.vjp(3, X), TypeError, "vjp: expected a function, got 3"),
        (lambda: PULLBACK(np.ones(2)), ValueError, r"cotangent has shape \(2,\), the value .* has \(3,\)"),
        (lambda: PULLBACK(np.ones(3, "f4")), TypeError, r"cotangent is f32\[3\], expected f64\[3\]"),
        (lambda: PULLBACK(np.ones(3, complex)), TypeError, r"cotangent is c128\[3\], expected f64\[3\]"),
        (lambda: PULLBACK([X]), ValueError, r"cotangent must be nested like the values: the whole is \[\*\], expected \*"),
        (lambda: PULLBACK("a"), TypeError, r"argument \(1, 0\) is 'a'|is 'a' of str"),
        (
            lambda: PULLBACK({"b": X}, lambda x: {"a": x}),
            ValueError,
            r"the whole is \{'b': \*\}, expected \{'a': \*\}",
        ),
        (
            lambda: PULLBACK({"a": (X, X)}, lambda x: {"a": (x, np.sum(x))}),
            ValueError,
            r"cotangent\['a'\]\[1\] has shape \(3,\)",
        ),
        (lambda: tg.vjp(np.sin, X)[1](X, X), TypeError, "takes 1 argument.*it was given 2"),
        (lambda: tg.linearize(np.sin, X)[1](), TypeError, "takes 1 argument.*it was given 0"),
        (lambda: tg.jvp(np.sin, X, X), TypeError, "primals must be a tuple or a list"),
        (lambda: tg.jvp(np.sin, (X,), X), TypeError, "tangents must be a tuple or a list"),
        (lambda: tg.jvp(np.sin, (X,), (X, X)), ValueError, "1 primals, but 2 tangents"),
        (lambda: tg.jvp(np.sin, (X,), (1.0,)), ValueError, r"tangents\[0\] has shape \(\)"),
        (lambda: tg.jvp(np.sin, (X,), (X.astype(int),)), TypeError, r"tangents\[0\] is i64\[3\], expected f64\[3\]"),
        (lambda: tg.jvp(lambda x: x, (X,), (X,), has_aux=True), TypeError, r"must return a pair \(value, aux\)"),
    ],
)  # fmt: skip
def test_refusals(call: Any, error: type[Exception], text: str) -> None:
    """They name the argument, what was given and what was expected."""
    with pytest.raises(error, match=text):
        call()


def test_refusals_name_the_users_line() -> None:
    """This one."""
    _, pullback = tg.vjp(np.sin, X)
    with pytest.raises(ValueError, match=r"test_linear\.py:\d+ in test_refusals_name_the_users_line"):
        pullback(np.ones(2))
