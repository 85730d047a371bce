"""`vmap` against a loop over the examples, with trees of axes, other transforms, writes, forks and effects."""

from typing import Any

import numpy as np
import pytest
from support.compare import assert_same

import tracegraph as tg

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
W = RNG.normal(size=(3, 2))


def norm(x):
    return np.sqrt(np.sum(x * x))


def layer(params, x):
    return {"y": np.tanh(x @ params["w"] + params["b"]), "n": norm(x)}


# -- axes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "args", "in_axes"),
    [
        (norm, (X,), 0),
        (norm, (X,), 1),
        (norm, (X,), -1),
        (np.dot, (X, W[:, 0]), (0, None)),
        (np.dot, (X, X.T), (0, 1)),
        (np.outer, (X, X[:, :2]), 0),
        (lambda x, i: x[i], (X, np.array([0, 2, 1, 1])), 0),
        (lambda x: np.sort(x)[::-1], (X,), 1),
        (lambda x, y: np.where(x > y, x, y), (X[:, 0], 0.5), (0, None)),
        (lambda x: np.linalg.inv(np.outer(x, x) + np.eye(3)), (X,), 0),
    ],
)
def test_a_loop_over_examples(f: Any, args: Any, in_axes: Any) -> None:
    """What stacking the results of the single examples gives, of the same dtype."""
    axes = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
    size = next(np.shape(arg)[axis] for arg, axis in zip(args, axes, strict=True) if axis is not None)
    expected = np.stack([
        f(*[arg if axis is None else np.take(arg, k, axis) for arg, axis in zip(args, axes, strict=True)])
        for k in range(size)
    ])  # fmt: skip
    found = tg.vmap(f, in_axes)(*args)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(tg.compile(lambda *args: tg.vmap(f, in_axes)(*args))(*args), expected, rtol=1e-12)


def test_trees_of_axes() -> None:
    """In and out; as deep as they say; None for what is shared."""
    params = {"w": np.stack([W, 2 * W, 3 * W, 4 * W], axis=1), "b": 0.5}
    found = tg.vmap(layer, in_axes=({"w": 1, "b": None}, 0), out_axes={"y": 1, "n": 0})(params, X)
    assert found["y"].shape == (2, 4)
    for k in range(4):
        one = layer({"w": params["w"][:, k], "b": 0.5}, X[k])
        np.testing.assert_allclose(found["y"][:, k], one["y"])
        np.testing.assert_allclose(found["n"][k], one["n"])
    shared, mapped = tg.vmap(lambda p, x: (p, x), (None, 0), (None, -1))({"b": 2.0, "w": W}, X)
    assert_same({"b": 2.0, "w": W}, shared)
    assert_same(X.T, mapped)


def test_keyword_arguments_are_mapped_along_their_first_axis() -> None:
    """As in JAX."""
    assert tg.vmap(lambda x, scale: x * scale)(np.ones(3), scale=np.arange(3.0)).tolist() == [0, 1, 2]


def test_axis_size() -> None:
    """Says how many where no argument does."""
    assert tg.vmap(lambda: np.ones(2), axis_size=3)().shape == (3, 2)
    assert tg.vmap(lambda x: x + 1, None, axis_size=2)(1.0).tolist() == [2.0, 2.0]


def test_results_that_do_not_depend_on_the_example_are_repeated() -> None:
    """Constants too; dtypes are kept."""
    assert tg.vmap(lambda x: 1)(X).tolist() == [1, 1, 1, 1]
    assert tg.vmap(lambda x: x)(X.astype("f4")).dtype == np.float32
    assert tg.vmap(lambda x: x * 2.0)(X[:, 0].astype("f4")).dtype == np.float32


def test_no_examples() -> None:
    """Give empty results."""
    assert tg.vmap(norm)(np.zeros((0, 3))).shape == (0,)


def test_nested() -> None:
    """Two axes at once, also of what lies outside."""
    outer = tg.vmap(tg.vmap(lambda x, y: x * y, (None, 0)), (0, None))
    np.testing.assert_allclose(outer(X[:, 0], X[:, 1]), np.outer(X[:, 0], X[:, 1]))
    pairs = tg.vmap(lambda a: tg.vmap(lambda b: norm(a - b))(X))(X)
    np.testing.assert_allclose(pairs, np.linalg.norm(X[:, None] - X, axis=-1), atol=1e-15)
    np.testing.assert_allclose(tg.vmap(tg.vmap(tg.vmap(np.sin)))(X[None]), np.sin(X)[None])


# -- with other transforms ---------------------------------------------------------------------------------------------


def test_gradients() -> None:
    """Of maps, of what is mapped, and of both, to second order."""
    f = lambda x: np.sum(np.sin(x) * x[0])  # noqa: E731
    expected = np.stack([tg.grad(f)(x) for x in X])
    np.testing.assert_allclose(tg.vmap(tg.grad(f))(X), expected)
    np.testing.assert_allclose(tg.grad(lambda X: np.sum(tg.vmap(f)(X)))(X), expected)
    np.testing.assert_allclose(tg.jvp(tg.vmap(f), (X,), (X,))[1], np.sum(expected * X, axis=1))
    second = np.stack([tg.hessian(f)(x) for x in X])
    np.testing.assert_allclose(tg.vmap(tg.hessian(f))(X), second)
    np.testing.assert_allclose(tg.vmap(lambda x, v: tg.hvp(f, (x,), (v,)))(X, X), np.einsum("kij,kj->ki", second, X))
    by_w = tg.grad(lambda w: np.sum(tg.vmap(lambda x: np.tanh(x @ w))(X)))(W)
    np.testing.assert_allclose(by_w, tg.grad(lambda w: np.sum(np.tanh(X @ w)))(W))


def test_per_example_gradients() -> None:
    """Of shared parameters."""
    loss = lambda w, x: np.sum(np.tanh(x @ w) ** 2)  # noqa: E731
    found = tg.vmap(tg.grad(loss), (None, 0))(W, X)
    np.testing.assert_allclose(found, np.stack([tg.grad(loss)(W, x) for x in X]))


# -- writes ------------------------------------------------------------------------------------------------------------


def test_writes_to_mapped_arguments() -> None:
    """Go to the caller's array, along whichever axis."""

    def f(x):
        x[0] = 9.0
        x[1:] *= 2
        return np.sum(x)

    for axis in (0, 1):
        expected, found = X.copy(), X.copy()
        values = [f(row) for row in (expected if axis == 0 else expected.T)]
        np.testing.assert_allclose(tg.vmap(f, axis)(found), values)
        np.testing.assert_allclose(found, expected)


def test_writes_inside() -> None:
    """To arrays that the function makes."""

    def f(x):
        y = np.zeros(3)
        y[:2] = x[1:]
        y[2] += x[0]
        return y

    np.testing.assert_allclose(tg.vmap(f)(X), X[:, [1, 2, 0]])


def test_writes_to_shared_arrays_are_refused() -> None:
    """Which example would have the last word?"""

    def f(x, total):
        total += x
        return x

    with pytest.raises(tg.TraceError, match=r"under vmap changed an array of f64\[3\] from outside"):
        tg.vmap(f, (0, None))(X, np.zeros(3))

    @tg.compile
    def g(X):
        total = np.zeros(3)
        tg.vmap(lambda x: f(x, total))(X)
        return total

    with pytest.raises(tg.TraceError, match=r"under vmap changed an array of f64\[3\] from outside"):
        g(X)


def test_generators_are_shared() -> None:
    """Which draws belong to which example would depend on the order."""
    rng = tg.random.default_rng(0)
    with pytest.raises(tg.TraceError, match="random numbers: draw them for all examples before"):
        tg.vmap(lambda x: x + rng.normal())(X)


# -- forks and effects -------------------------------------------------------------------------------------------------


def test_forks_on_shared_values() -> None:
    """Are taken, each way of its own, before or after values of examples are there."""

    def f(x, sign):
        y = np.exp(x)
        return y if sign > 0 else -y

    g = tg.vmap(f, (0, None))
    for sign in (1.0, -1.0, 2.0):
        np.testing.assert_allclose(g(X, sign), np.sign(sign) * np.exp(X))


@pytest.mark.parametrize("f", [lambda x: x if x > 0 else -x, lambda x: X[int(x)], lambda x: np.zeros(range(5)[x])])
def test_forks_on_examples_are_refused(f: Any) -> None:
    """With the line and what to write."""
    with pytest.raises(tg.TraceError, match=r"is another one for each example of a vmap.*\n.*test_mapping.py"):
        tg.vmap(f)(np.arange(3))


def test_forks_on_examples_of_an_outer_map_are_refused() -> None:
    """Inside of an inner one too."""
    with pytest.raises(tg.TraceError, match="is another one for each example of a vmap"):
        tg.vmap(lambda x: tg.vmap(lambda y: y if x > 0 else -y)(X))(X[:, 0])


def test_effects(capsys: pytest.CaptureFixture[str]) -> None:
    """Happen once, with the values of all examples."""

    def f(x):
        tg.debug_print("x is", x)
        tg.debug_print("done")
        return x

    tg.vmap(f)(np.arange(3.0))
    assert capsys.readouterr().out == "x is [0. 1. 2.]\ndone\n"


def test_values_of_one_example_are_not_kept() -> None:
    """Outside of the function there is no one example."""
    kept = []

    @tg.compile
    def f(X):
        tg.vmap(kept.append)(X)
        return kept.pop() * 2

    with pytest.raises(tg.LeakError):
        f(X)


def test_loops_and_checkpoints() -> None:
    """Go with it in any order."""
    looped = lambda x: tg.scan(lambda c, t: (np.sin(c) * t, c * x), x[0], x)  # noqa: E731
    carry, ys = tg.vmap(looped)(X)
    for k in range(4):
        np.testing.assert_allclose(carry[k], looped(X[k])[0])
        np.testing.assert_allclose(ys[k], looped(X[k])[1])
    power = lambda x, n: tg.while_loop(lambda s: s[1] < n, lambda s: (s[0] * x, s[1] + 1), (x * 0 + 1, 0))[0]  # noqa: E731
    x, n = np.array([1.5, 2.0, 3.0]), np.array([2, 0, 3])
    np.testing.assert_allclose(tg.vmap(power)(x, n), x**n)
    np.testing.assert_allclose(tg.vmap(tg.grad(power))(x, n), n * x ** (n - 1))
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(tg.vmap(power)(x, n)))(x), n * x ** (n - 1))
    kept = tg.checkpoint(lambda x: np.tanh(np.sin(x) * x))
    np.testing.assert_allclose(tg.vmap(tg.hessian(lambda x: np.sum(kept(x))))(X)[1], tg.hessian(
        lambda x: np.sum(np.tanh(np.sin(x) * x)))(X[1]), atol=1e-14)  # fmt: skip


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: tg.vmap(norm, 2)(X), ValueError, r"argument 0 is f64\[4,3\], which has no axis 2 to be mapped"),
        (lambda: tg.vmap(norm)(1.0), ValueError, r"argument 0 is f64\[\], which has no axis 0"),
        (
            lambda: tg.vmap(norm, (0, 1))(X),
            ValueError,
            r"in_axes must be .*: the whole is \(\*, \*\), expected \(\*,\)",
        ),
        (lambda: tg.vmap(norm, ("a",))(X), TypeError, "in_axes must be an axis, None, or nested.*; 'a' is no axis"),
        (lambda: tg.vmap(layer, ({"v": 0}, 0))({"w": W}, X), ValueError, r"\[0\] is \{'v': \*\}, expected \{'w': \*\}"),
        (
            lambda: tg.vmap(np.dot)(X, W),
            ValueError,
            "different numbers of examples: axis 0 of argument 0 is 4, axis 0 of argument 1 is 3",
        ),
        (lambda: tg.vmap(norm, axis_size=3)(X), ValueError, "axis 0 of argument 0 is 4, axis_size is 3"),
        (lambda: tg.vmap(norm, None)(X), ValueError, "no argument is mapped, so axis_size must say"),
        (lambda: tg.vmap(norm, out_axes=3)(X), ValueError, r"out_axes is 3 for result, which is f64\[\] for each"),
        (lambda: tg.vmap(norm, out_axes=None)(X), ValueError, "out_axes is None for result, which differs between"),
        (lambda: tg.vmap(lambda x: (x, x), out_axes=(0,))(X), ValueError, "out_axes must be an axis, None, or nested"),
        (lambda: tg.vmap(lambda x: "text")(X), TypeError, "the function returned 'text' of str"),
        (lambda: tg.vmap(3), TypeError, "vmap: expected a function, got 3"),
    ],
)
def test_refusals(call: Any, error: type[Exception], text: str) -> None:
    """They name the argument, what was given and what was expected."""
    with pytest.raises(error, match=text):
        call()
