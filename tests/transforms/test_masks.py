"""What a choice leaves out contributes an exact zero to derivatives, whatever its own derivative is there."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.backends import reference
from tracegraph.ir import Graph, Node, check
from tracegraph.ops.broadcast import zeros_like
from tracegraph.ops.leaf import constant
from tracegraph.pipeline import optimise
from tracegraph.transforms.autodiff import jvp
from tracegraph.transforms.batching import batch

INF, NAN = np.inf, np.nan
ROWS = np.array([[1.0, NAN], [3.0, 4.0]])


def overwritten(x):
    y = np.sqrt(x)
    y[x <= 0] = 0
    return y


def first_overwritten(x):
    y = np.log(x)
    y[:2] = 1
    y[[0]] = 2
    return y


def normed(x):
    norm = np.sqrt(np.sum(x * x, axis=1, keepdims=True))
    return np.where(norm > 0, x / norm, 0) * np.array([1.0, 2.0, 3.0])


def sqrt_into(x):
    return np.sqrt(x, where=x > 0, out=np.zeros_like(x))


#: A function, where it is tried, its derivative there (of the sum of its values).
CHOICES: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    "sqrt": (lambda x: np.where(x > 0, np.sqrt(x), 0.0), [-1.0, 0.0, 4.0], [0, 0, 0.25]),
    "log": (lambda x: np.where(x > 0, np.log(x), 0), [-1.0, 0.0, 4.0], [0, 0, 0.25]),
    "sinc": (lambda x: np.where(x != 0, np.sin(x) / x, 1.0), [0.0, np.pi], [0, -1 / np.pi]),
    "reciprocal": (lambda x: np.where(x == 0, x, 1 / x), [0.0, 2.0], [1, -0.25]),
    "overflow": (lambda x: np.where(x < 1, np.exp(x), x), [0.0, 3000.0], [1, 1]),
    "power": (lambda x: np.where(x > 0, x**0.5, x**2), [-3.0, 0.0, 4.0], [-6, 0, 0.25]),
    "many steps": (
        lambda x: np.where(x > 0, np.log(np.sqrt(x) * np.sqrt(x)) * np.tanh(1 / x) / np.tanh(1 / x), 0),
        [-1.0, 0.0, 2.0], [0, 0, 0.5],
    ),
    "nested": (lambda x: np.where(x > -5, np.where(x > 0, np.log(x), 0), x), [-9.0, 0.0, 2.0], [1, 0, 0.5]),
    "select": (lambda x: np.select([x > 1, x > 0], [np.sqrt(x), np.log(x)], 0.0), [-1.0, 0.5, 4.0], [0, 2, 0.25]),
    "piecewise": (
        lambda x: np.piecewise(x, [x > 0, x <= 0], [np.sqrt, lambda x: x * 3]), [-1.0, 0.0, 4.0], [3, 3, 0.25],
    ),
    "maximum": (lambda x: np.maximum(np.sqrt(x), 1.0), [0.0, 4.0], [0, 0.25]),
    "minimum": (lambda x: np.minimum(1 / x, 2.0), [0.0, 2.0], [0, -0.25]),
    "clip": (lambda x: np.clip(np.cbrt(x), 0.5, 10), [0.0, 8.0], [0, 1 / 12]),
    "where and out": (sqrt_into, [-1.0, 0.0, 4.0], [0, 0, 0.25]),
    "sum with where": (lambda x: np.sum(np.log(x), where=x > 0), [-1.0, 0.0, 4.0], [0, 0, 0.25]),
    "sum without NaN": (lambda x: np.nansum(np.log(x)), [-1.0, 4.0], [0, 0.25]),
    "writes by a mask": (overwritten, [-1.0, 0.0, 4.0], [0, 0, 0.25]),
    "writes": (first_overwritten, [-1.0, 0.0, 4.0], [0, 0, 0.25]),
    "a slice": (lambda x: np.sqrt(x)[1:], [0.0, 4.0], [0, 0.25]),
    "indices": (lambda x: np.sqrt(x)[np.array([1, 1])], [0.0, 4.0], [0, 0.5]),
    "a mask as index": (lambda x: np.sqrt(x)[np.array([False, True])], [0.0, 4.0], [0, 0.25]),
    "one number": (lambda x: np.where(x > 0, 1 / x, 0.0), 0.0, 0),
    "a number for many": (lambda x: np.where(x > 0, np.ones(3) / np.sqrt(x), 0.0), 0.0, 0),
    "behind a sum": (
        lambda x: np.where(np.array([False, True]), np.sum(np.sqrt(x).reshape(2, 2), axis=1), 0),
        [0.0, 0.0, 1.0, 4.0], [0, 0, 0.5, 0.25],
    ),
    "norms": (normed, [[0.0, 0.0, 0.0], [2.0, 2.0, 2.0]], [[0, 0, 0], [-1 / 12**0.5, 0, 1 / 12**0.5]]),
    "rows of a product": (
        lambda x: np.where((x > 0)[:, None], np.sqrt(x)[:, None] @ np.ones((1, 2)), 0), [0.0, 4.0], [0, 0.5],
    ),
    "columns of a product": (
        lambda x: np.where(x > 0, np.ones((2, 1)) @ np.sqrt(x)[None], 0), [0.0, 4.0], [0, 0.5],
    ),
    "missing data": (
        lambda w: np.where(np.array([False, True])[:, None], ROWS @ w, 0), [[1.0], [2.0]], [[3.0], [4.0]],
    ),
    "loops": (
        lambda x: tg.fori_loop(0, 2, lambda i, y: np.where(y > 0, np.sqrt(y), 3 * y), x), [0.0, 16.0], [9, 1 / 32],
    ),
}  # fmt: skip


def total(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda x: np.sum(f(x))


over_choices = pytest.mark.parametrize("name", CHOICES)


@pytest.fixture(autouse=True)
def quiet():
    """Branches that are not taken overflow and divide by zero."""
    with np.errstate(all="ignore"):
        yield


@over_choices
def test_reverse_mode(name: str) -> None:
    """Exactly zero where the mask leaves out, and the derivative elsewhere."""
    f, x, expected = CHOICES[name]
    x = np.asarray(x)
    slope = tg.grad(total(f))(x)
    np.testing.assert_allclose(slope, expected, rtol=1e-12, atol=1e-16)


def tangent(graph: Graph, step: np.ndarray) -> Node:
    """The derivative of a graph in a direction."""
    (x,), (value,) = graph.inputs, graph.outputs
    (pushed,) = jvp([value], [x], [constant(step)])
    return zeros_like(value) if pushed is None else pushed


@over_choices
def test_forward_mode(name: str) -> None:
    """The same derivatives, one direction at a time."""
    f, x, expected = CHOICES[name]
    x = np.asarray(x)
    graph = tg.compile(total(f)).graph(x)
    for k in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[k] = 1
        (slope,) = reference.run(check(Graph(graph.inputs, [tangent(graph, step)])), [x])
        assert slope == pytest.approx(np.asarray(expected, float)[k], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("name", [name for name in CHOICES if name != "loops"])
def test_second_order(name: str) -> None:
    """Reverse over reverse, and forward over reverse, agree and are those of the taken branch."""
    f, x, expected = CHOICES[name]
    x = np.asarray(x)
    weights = np.arange(1.0, x.size + 1).reshape(x.shape)
    twice = tg.grad(lambda x: np.sum(tg.grad(total(f))(x) * weights))(x)
    assert np.isfinite(twice).all()
    h = 1e-5
    taken = np.asarray(np.equal(expected, 0) == 0)
    slope = lambda x: np.sum(tg.grad(total(f))(x) * weights)  # noqa: E731
    for k in np.ndindex(x.shape):
        if taken[k] and abs(x[k]) > 0:
            step = np.zeros_like(x)
            step[k] = h
            assert twice[k] == pytest.approx((slope(x + step) - slope(x - step)) / (2 * h), rel=1e-5, abs=1e-6)
    graph = tg.grad(total(f)).graph(x)
    (curved,) = reference.run(check(Graph(graph.inputs, [tangent(graph, weights)])), [x])
    np.testing.assert_allclose(curved, twice, rtol=1e-10, atol=1e-12)


@over_choices
def test_batched(name: str) -> None:
    """Over a leading batch axis."""
    f, x, expected = CHOICES[name]
    x = np.asarray(x)
    try:
        graph = batch(tg.grad(total(f)).graph(x), 2, [True])
    except NotImplementedError:
        pytest.skip("has no batching rule yet")
    (slopes,) = reference.run(check(graph), [np.stack([x, x])])
    np.testing.assert_allclose(slopes, np.stack([expected, expected]), rtol=1e-12)


def wheres(f: Callable[[Any], Any], *args: Any) -> int:
    """How many choices the optimised gradient makes."""
    return sum(node.op.name == "where" for node in optimise(tg.grad(total(f)).graph(*args)).nodes)


def test_a_choice_costs_one_choice() -> None:
    """One for the function's own, one behind the last step of the gradient, however many steps there are; none for what
    is linear, or for both branches of one value."""
    x = np.ones(3)
    chain = lambda x: np.where(x > 0, np.log(np.sin(np.exp(x) * np.tanh(x))), 0)  # noqa: E731
    assert wheres(chain, x) == 1
    assert wheres(lambda x: np.where(x > 0, -2 * x, 0), x) == 1
    assert wheres(lambda x: np.where(x > 0, np.sin(x), np.cos(x)), x) == 1
    assert wheres(lambda x: np.log(np.sin(np.exp(x))), x) == 0


def test_a_network_has_no_masks_but_its_own() -> None:
    """Rectified layers need no care: nothing in front of them has a derivative that is not finite."""

    def network(w, x):
        for _ in range(3):
            x = np.maximum(x @ w, 0)
        return np.sum(x)

    for batch_size in (1, 4):
        graph = tg.grad(network).graph(np.ones((8, 8)), np.ones((batch_size, 8)))
        names = [node.op.name for node in optimise(graph).nodes]
        assert "logical_and" not in names
        assert "reduce_max" not in names
        assert names.count("where") == 6


# -- random programs -----------------------------------------------------------------------------------------------------

UNARY: tuple[Callable[[Any], Any], ...] = (
    np.log, np.sqrt, np.sin, np.tanh, np.arcsin, np.log1p, np.abs, np.negative, lambda y: 1 / y, lambda y: y**2,
    lambda y: y**0.5, lambda y: np.exp(300 * y), lambda y: np.maximum(y, 0.3), lambda y: np.clip(y, -1, 1),
)  # fmt: skip
BINARY: tuple[Callable[[Any, Any], Any], ...] = (np.add, np.subtract, np.multiply, np.divide, np.hypot, np.arctan2)
CONDITIONS: tuple[Callable[[Any], Any], ...] = (
    lambda x: x > 0, lambda x: x != 0, lambda x: x < 0.5, lambda x: np.abs(x) < 1, lambda x: x >= -1,
)  # fmt: skip
#: ``choose(condition, this, that)``, of functions of x.
Choose = Callable[[Any, Callable[[], Any], Callable[[], Any]], Any]


def program(rng: np.random.Generator, depth: int) -> Callable[[Any, Choose], Any]:
    """An expression of x full of choices, given how to choose."""
    kind = rng.integers(10) if depth else 9
    if kind == 9:
        return lambda x, choose: x
    first, second = (program(rng, depth - 1) for _ in range(2))
    if kind < 4:
        unary = UNARY[rng.integers(len(UNARY))]
        return lambda x, choose: unary(first(x, choose))
    if kind < 6:
        binary = BINARY[rng.integers(len(BINARY))]
        return lambda x, choose: binary(first(x, choose), second(x, choose))
    condition = CONDITIONS[rng.integers(len(CONDITIONS))]
    return lambda x, choose: choose(condition(x), lambda: first(x, choose), lambda: second(x, choose))


def interpreted_slope(f: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    return np.asarray(reference.run(tg.grad(f).graph(x), [x])[0])


@pytest.mark.parametrize("seed", range(40))
def test_choices_have_the_derivatives_of_branches(seed: int) -> None:
    """What ``np.where`` chooses for each element has the gradient of a Python program with an ``if`` in its place."""
    f = program(np.random.default_rng(seed), 5)
    xs = np.array([-2.0, -0.7, 0.0, 0.3, 0.8, 1.7])
    slopes = interpreted_slope(lambda x: np.sum(f(x, lambda c, this, that: np.where(c, this(), that()))), xs)
    for x, slope in zip(xs, slopes, strict=True):
        outcomes: list[bool] = []

        def note(c: Any, this: Callable[[], Any], that: Callable[[], Any], outcomes: list[bool] = outcomes) -> Any:
            outcomes.append(bool(c))
            return this() if c else that()

        if not np.isfinite(f(x, note)):
            continue

        def taken(x: Any, outcomes: list[bool] = outcomes) -> Any:
            rest = iter(outcomes)
            return f(x, lambda c, this, that: this() if next(rest) else that())

        expected = interpreted_slope(taken, x)
        if np.isfinite(expected) and not np.isinf(slope):  # a root of what underflows has either
            assert slope == pytest.approx(expected, rel=1e-9, abs=1e-12)
