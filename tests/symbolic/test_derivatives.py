"""Derivatives of expressions: the slides' question, what is the derivative of any node by any node, to third order."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.symbolic import (
    Parameter,
    categorical_crossentropy,
    exp,
    grad,
    log,
    matrix,
    mean,
    program,
    run,
    scalar,
    sigmoid,
    softmax,
    vector,
)

POINT = {"a": 0.3, "x": 0.7, "b": -0.4, "y": 0.9, "c": 0.2}
#: The exponent of z is linear in each of these; what it is multiplied by, in terms of the inputs.
INNER = ("u", "v", "s", "t")


def formula() -> tuple[dict[str, Any], Any]:
    """z = exp(a*x + b*y + c), its inputs and its inner nodes."""
    nodes: dict[str, Any] = {name: scalar(name) for name in POINT}
    nodes["u"] = nodes["a"] * nodes["x"]
    nodes["v"] = nodes["b"] * nodes["y"]
    nodes["s"] = nodes["u"] + nodes["v"]
    nodes["t"] = nodes["s"] + nodes["c"]
    nodes["z"] = exp(nodes["t"])
    return nodes, {nodes[name]: value for name, value in POINT.items()}


def exponents(by: tuple[str, ...]) -> float:
    """The derivative of exp(a*x + b*y + c), over z, by inputs and inner nodes in any order: a sum over pairs {a, x}, {b, y}.

    In each pair the exponent p*q gives a polynomial: d/dp brings q down, d/dp d/dq brings 1 + p*q, and so on.
    """
    counts = {name: by.count(name) for name in POINT}
    return math.prod(_pair(POINT[p], POINT[q], counts[p], counts[q]) for p, q in ("ax", "by"))


def _pair(p: float, q: float, m: int, n: int) -> float:
    """d^m/dp^m d^n/dq^n exp(p q), over exp(p q)."""
    return sum(
        math.comb(n, k) * math.perm(m, k) * q ** (m - k) * p ** (n - k) for k in range(min(m, n) + 1)
    )  # Leibniz on q^m exp(p q)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_by_inputs_to_third_order(order: int) -> None:
    """Every mixed derivative by inputs, against the analytic value."""
    nodes, feed = formula()
    z = math.exp(POINT["a"] * POINT["x"] + POINT["b"] * POINT["y"] + POINT["c"])
    chosen = list(itertools.combinations_with_replacement(POINT, order))
    fetches = []
    for by in chosen:
        slope = nodes["z"]
        for name in by:
            slope = grad(slope, nodes[name])
        fetches.append(slope)
    expected = [z * exponents(by) for by in chosen]
    np.testing.assert_allclose([float(value) for value in run(fetches, feed=feed)], expected, rtol=1e-12)


@pytest.mark.parametrize("by", list(itertools.combinations_with_replacement(INNER, 3)))
def test_by_inner_nodes_to_third_order(by: tuple[str, ...]) -> None:
    """z is the exponential of a sum of them, so each derivative by an inner node is z, through whatever depends on it."""
    nodes, feed = formula()
    slope = nodes["z"]
    values = [slope := grad(slope, nodes[name]) for name in by]
    z = run(nodes["z"], feed=feed)
    np.testing.assert_allclose([float(each) for each in run(values, feed=feed)], [float(z)] * 3, rtol=1e-12)


def test_inner_nodes_by_inputs_and_both_mixed() -> None:
    """The derivative of an inner node, and of z by an inner node and then by an input below it, totals over all paths."""
    nodes, feed = formula()
    a, x, z = POINT["a"], POINT["x"], float(run(nodes["z"], feed=feed))
    cases = [
        (grad(nodes["s"], nodes["b"]), POINT["y"]),
        (grad(nodes["u"], nodes["b"]), 0.0),
        (grad(nodes["a"], nodes["z"]), 0.0),
        (grad(nodes["z"], nodes["z"]), 1.0),
        (grad(grad(nodes["z"], nodes["u"]), nodes["a"]), z * x),
        (grad(grad(nodes["z"], nodes["a"]), nodes["u"]), z * x),
        (grad(grad(grad(nodes["z"], nodes["a"]), nodes["t"]), nodes["x"]), z * (1 + a * x)),
    ]
    found = run([case for case, _ in cases], feed=feed)
    np.testing.assert_allclose([float(each) for each in found], [value for _, value in cases], rtol=1e-12)


def test_third_derivative_prints_as_a_graph() -> None:
    """One product more than z itself: the graph shares what z and its derivative have in common."""
    nodes, feed = formula()
    slope = grad(grad(grad(nodes["z"], nodes["a"]), nodes["u"]), nodes["t"])
    text = str(program([nodes["z"], slope]).graph(feed))
    assert text.count("exp(") == 1
    assert text.count("multiply(") == 3


def test_same_name_for_functions_and_expressions() -> None:
    """`tg.grad` takes both; a list gives a list, a tuple a tuple."""
    x, y = scalar(), scalar()
    z = x * y
    assert run(tg.grad(z, x), feed={x: 2.0, y: 3.0}) == 3.0
    assert type(tg.grad(z, [x, y])) is list
    assert type(grad(z, (x, y))) is tuple
    assert run(grad(z, [x, y]), feed={x: 2.0, y: 3.0}) == [3.0, 2.0]
    assert grad(z, []) == []


def test_where_nothing_depends_on_it_the_derivative_is_zeros() -> None:
    """Of the shape and dtype of what it is taken by."""
    x, w = vector(), Parameter(np.ones((2, 3), np.float32))
    found = run(grad(x.sum(), w), feed={x: np.ones(4)})
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.zeros((2, 3)))


def test_loss_must_be_a_scalar() -> None:
    """The error names the expression and the lines of both."""
    x = vector("x")
    squares = x * x
    slope = grad(squares, x)
    with pytest.raises(
        TypeError, match=r"the loss must be a float scalar, the expression mul .* is f64\[3\]; reduce it"
    ) as e:
        run(slope, feed={x: np.zeros(3)})
    first = test_loss_must_be_a_scalar.__code__.co_firstlineno
    assert f"(built at {__file__}:{first + 3} " in str(e.value)
    assert f"\n  at {__file__}:{first + 4} " in str(e.value)


def test_derivatives_are_by_floats_and_of_expressions() -> None:
    """Anything else is refused, at once where that can be seen."""
    n, x = scalar("n", dtype=int), scalar()
    with pytest.raises(
        TypeError, match=r"(?s)grad: input 'n' of int64 .* is i64\[\]; a derivative is by floats or complex numbers"
    ):
        run(grad(n * x, n), feed={n: 2, x: 1.0})
    with pytest.raises(TypeError, match="grad: expected expressions, got 'x' of str"):
        grad(x, "x")
    with pytest.raises(TypeError, match="loss must be a float scalar"):
        run(grad(n, x), feed={n: 2, x: 1.0})


def test_losses_are_differentiated_in_their_stable_form() -> None:
    """Where probabilities underflow, the cross-entropy and its derivatives of first and second order stay exact."""
    X, Y = matrix(), vector()
    loss = mean(categorical_crossentropy(softmax(X), Y))
    x, y = np.array([[1000.0, 0.0], [0.0, -1000.0]]), np.array([1, 1])
    slope = grad(loss, X)
    second = grad((slope * slope).sum(), X)
    value, first, more = run([loss, slope, second], feed={X: x, Y: y})
    assert value == 1000.0
    np.testing.assert_array_equal(first, [[0.5, -0.5], [0.5, -0.5]])
    assert np.isfinite(more).all()
    s = scalar()
    assert run(grad(log(sigmoid(s)), s), feed={s: -1000.0}) == 1.0


def test_by_an_inner_node_that_a_rewrite_would_absorb() -> None:
    """log(softmax) becomes one expression; by the softmax itself the derivative is still that of the logarithm."""
    x = vector()
    p = softmax(x)
    loss = -log(p)[0]
    inner, outer, value = run([grad(loss, p), grad(loss, x), p], feed={x: np.array([1.0, 2.0])})
    np.testing.assert_allclose(inner, [-1 / value[0], 0.0])
    np.testing.assert_allclose(outer, [value[0] - 1, value[1]])
