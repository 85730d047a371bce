"""Naive formulas become stable ones: right values where the naive ones overflow, and right derivatives of both orders."""

from __future__ import annotations

import numpy as np
import pytest
from support import rewriting as support

import tracegraph as tg
from tracegraph.backends.reference import run
from tracegraph.ir import Graph
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import keep_axes, reduce_sum
from tracegraph.ops.elementwise import like
from tracegraph.ops.leaf import input_node
from tracegraph.ops.reduce import reduce_max
from tracegraph.ops.shape import transpose
from tracegraph.rewrite import OPTIMISE, STABILISE, rewrite
from tracegraph.transforms.autodiff import vjp

BIG = np.array(
    [
        [1000.0, 1001, 1002, -1000],
        [-1000, -1001, -1002, -1003],
        [-np.inf, 0, 1, 800],
        [-np.inf, -np.inf, -np.inf, -np.inf],
        [np.inf, 0, 1, 2],
        [np.nan, 0, 1, 2],
        [0.5, -0.5, 0, -0.0],
    ]
)
INF, NAN = np.inf, np.nan


def _softmax(x):
    e = ew.exp(x)
    return ew.divide(e, keep_axes(reduce_sum(e, axes=(1,)), x.shape, (1,)))


def _logsumexp(x):
    return ew.log(reduce_sum(ew.exp(x), axes=(1,)))


def _logistic(x):
    return ew.divide(like(x, 1), ew.add(like(x, 1), ew.exp(ew.negative(x))))


def _softplus(x):
    return ew.log(ew.add(like(x, 1), ew.exp(x)))


def _log_logistic(x):
    return ew.log(_logistic(x))


def _log_one_minus_logistic(x):
    return ew.log(ew.subtract(like(x, 1), _logistic(x)))


def _log_softmax(x):
    return ew.log(_softmax(x))


def _value(build, array, *passes):
    x = input_node(support.aval(f"f64[{','.join(map(str, array.shape))}]"))
    graph = Graph([x], [build(x)])
    for rules in passes:
        graph = rewrite(graph, rules)
    return run(graph, [array])[0]


PASSES = [(STABILISE,), (OPTIMISE,), (STABILISE, OPTIMISE), (STABILISE, OPTIMISE, OPTIMISE, STABILISE)]


@pytest.mark.parametrize("passes", PASSES, ids=lambda passes: str(len(passes)))
def test_values_where_the_naive_formula_overflows(passes):
    e = np.exp(-np.arange(4.0))
    lse = _value(_logsumexp, BIG, *passes)
    tail = np.log(np.exp([0.5, -0.5, 0, 0]).sum())
    expected = [1002 + np.log(e[:3].sum()), -1000 + np.log(e.sum()), 800, -INF, INF, NAN, tail]
    np.testing.assert_allclose(lse, expected, rtol=1e-15)
    p = _value(_softmax, BIG, *passes)
    np.testing.assert_allclose(p[0], [*(e[:3] / e[:3].sum())[::-1], 0], rtol=1e-15)
    np.testing.assert_allclose(p[1], e / e.sum(), rtol=1e-15)
    np.testing.assert_allclose(p[2:6], [[0, 0, 0, 1], [NAN] * 4, [NAN, 0, 0, 0], [NAN] * 4], atol=1e-300)
    np.testing.assert_allclose(_value(_log_softmax, BIG[:3], *passes), BIG[:3] - lse[:3, None], rtol=1e-12)


LINE = np.array([-INF, -1e308, -800, -40, -1, -0.0, 0, 1, 40, 800, 1e308, INF, NAN])


@pytest.mark.parametrize("passes", PASSES, ids=lambda passes: str(len(passes)))
def test_logistic_values(passes):
    def expect(build, values):
        np.testing.assert_allclose(_value(build, LINE, *passes), values, rtol=1e-15)

    with np.errstate(all="ignore"):
        plus = np.logaddexp(0, LINE)
        minus = np.logaddexp(0, -LINE)
        logistic = np.where(LINE < 0, np.exp(LINE), 1) / (1 + np.exp(-np.abs(LINE)))
    expect(_softplus, plus)
    expect(_log_logistic, -minus)
    expect(_log_one_minus_logistic, -plus)
    expect(_logistic, logistic)


def _slopes(build, array):
    """Stabilised derivatives: the first, and the product of the second with a fixed direction."""
    x = input_node(support.aval(f"f64[{','.join(map(str, array.shape))}]"))
    out, _ = rewrite(Graph([], [build(x)]), STABILISE, keep=[x]).outputs
    weights = np.linspace(0.5, 1.5, out.aval.size).reshape(out.shape)
    ct, direction = input_node(out.aval), input_node(x.aval)
    (first,) = vjp([out], [ct], [x]).wrt
    first, _ = rewrite(Graph([], [first]), STABILISE, keep=[x]).outputs
    (second,) = vjp([first], [direction], [x]).wrt
    graph = rewrite(Graph([x, ct, direction], [first, second]), OPTIMISE)
    return run(graph, [array, weights, np.cos(np.arange(array.size)).reshape(array.shape)]), weights


def _differences(build, array, weights):
    """The same by central differences of the naive formula in extended precision."""
    wide = array.astype(np.longdouble)
    step = np.longdouble(1e-5)

    def value(shifted):
        return np.sum(weights * build(shifted))

    def gradient(at):
        parts = []
        for k in np.ndindex(at.shape):
            d = np.zeros_like(at)
            d[k] = step
            parts.append((value(at + d) - value(at - d)) / (2 * step))
        return np.array(parts).reshape(at.shape)

    direction = np.cos(np.arange(array.size)).reshape(array.shape)
    return gradient(wide), (gradient(wide + step * direction) - gradient(wide - step * direction)) / (2 * step)


def _wide_softmax(x):
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


def _log1mexp(x):
    return ew.log(ew.subtract(like(x, 1), ew.exp(_below_zero(x))))


def _log1mexp_by_log1p(x):
    return ew.log1p(ew.negative(ew.exp(_below_zero(x))))


def _log1mexp_by_expm1(x):
    return ew.log(ew.negative(ew.expm1(_below_zero(x))))


def _below_zero(x):
    return ew.subtract(ew.negative(ew.multiply(x, x)), like(x, 1e-3))


def _wide_log1mexp(x):
    return np.log(-np.expm1(-x * x - np.longdouble(1e-3)))


def _softplus_in_parts(x):
    return ew.add(ew.log1p(ew.exp(ew.negative(ew.absolute(x)))), ew.maximum(x, like(x, 0)))


FORMULAS = {
    "softmax": (_softmax, _wide_softmax),
    "logsumexp": (_logsumexp, lambda x: np.log(np.exp(x).sum(1))),
    "log_softmax": (_log_softmax, lambda x: np.log(_wide_softmax(x))),
    "logistic": (_logistic, lambda x: 1 / (1 + np.exp(-x))),
    "softplus": (_softplus, lambda x: np.log1p(np.exp(x))),
    "log_logistic": (_log_logistic, lambda x: -np.log1p(np.exp(-x))),
    "softplus in parts": (_softplus_in_parts, lambda x: np.log1p(np.exp(x))),
    "log_one_minus_logistic": (_log_one_minus_logistic, lambda x: -np.log1p(np.exp(x))),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_of_both_orders(name):
    """At 0 too, where a formula with ``maximum`` has no second derivative, and where greatest elements tie."""
    build, wide = FORMULAS[name]
    array = np.array([[0.0, 0.0, 1.0], [-0.0, 2.0, -3.0], [1.5, 1.5, 1.5]])
    (first, second), weights = _slopes(build, array)
    expected_first, expected_second = _differences(wide, array, weights)
    np.testing.assert_allclose(first, expected_first.astype(float), atol=1e-8)
    np.testing.assert_allclose(second, expected_second.astype(float), atol=1e-6)


@pytest.mark.parametrize("build", [_log1mexp, _log1mexp_by_log1p, _log1mexp_by_expm1])
def test_log_of_one_minus_exp(build):
    """However it is written, to full precision near 0 and far below."""
    array = np.array([[0.01, 0.3, 0.8, 0.9, 2.0]])
    np.testing.assert_allclose(
        _value(build, array, STABILISE), _wide_log1mexp(array.astype("g")).astype(float), rtol=1e-14
    )
    (first, second), weights = _slopes(build, array)
    expected_first, expected_second = _differences(_wide_log1mexp, array, weights)
    np.testing.assert_allclose(first, expected_first.astype(float), rtol=1e-5, atol=1e-18)
    np.testing.assert_allclose(second, expected_second.astype(float), rtol=1e-4, atol=1e-16)


@pytest.mark.parametrize("name", FORMULAS)
def test_derivatives_are_finite_far_out(name):
    (first, second), _ = _slopes(FORMULAS[name][0], np.array([[1000.0, -1000, 0], [-1000, 999, 1000]]))
    assert np.isfinite(first).all()
    assert np.isfinite(second).all()


@pytest.mark.parametrize("rules", [STABILISE, OPTIMISE])
def test_a_softmax_that_is_stable_is_left_alone(rules):
    x = input_node(support.aval("f64[3,4]"))
    shifted = ew.subtract(x, keep_axes(reduce_max(x, axes=(1,)), x.shape, (1,)))
    fired = []
    rewrite(Graph([x], [_softmax(shifted), _logsumexp(ew.subtract(x, x))]), STABILISE, fired=fired)
    assert [name for name, _ in fired] == ["logsumexp"]
    graph, again = Graph([x], [_softmax(x), _logsumexp(x), _softplus(x), _log_logistic(x), _log_softmax(x)]), []
    rewrite(rewrite(graph, rules), rules, fired=again)
    assert again == []


NORMS = {
    "root of a sum of squares": lambda x: np.sqrt(np.sum(x**2)),
    "root of a square": lambda x: np.sum(np.sqrt(x * x)),
    "weighted": lambda x: np.sqrt(2 * np.sum(x[:2] ** 2) / 3 + np.sum(x[2:] * x[2:]) * 0.5),
    "norm": np.linalg.norm,
    "3-norm": lambda x: np.linalg.norm(x, 3),
    "1/2-norm": lambda x: np.linalg.norm(x, 0.5),
    "norms": lambda x: np.sum(np.linalg.norm(x.reshape(1, 4), axis=1)),
    "Frobenius": lambda x: np.linalg.norm(x.reshape(2, 2)),
    "standard deviation": np.std,
    "distances": lambda x: np.sum(np.sqrt(np.sum((x[:, None, None] - x[None, :, None]) ** 2, axis=-1))),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_at_zero_have_derivative_zero(name):
    """And a finite second one; anywhere else, that of the formula."""
    f = NORMS[name]
    zero, some = np.zeros(4), np.array([0.3, -0.4, 1.2, 2.0])
    value, slope = tg.value_and_grad(f)(zero)
    assert value == 0
    np.testing.assert_array_equal(slope, 0)
    np.testing.assert_array_equal(tg.grad(lambda x: np.sum(tg.grad(f)(x) * some))(zero), 0)
    steps = 1e-6 * np.eye(4)
    expected = [(f(some + step) - f(some - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(tg.grad(f)(some), expected, rtol=1e-8)


@pytest.mark.parametrize("build", ["s + 1e-3", "x", "x**3"])
def test_roots_of_anything_else_are_left_alone(build):
    """What may be below zero, or is never zero."""
    x = input_node(support.aval("f64[4]"))
    s = {"s + 1e-3": ew.add(ew.multiply(x, x), like(x, 1e-3)), "x": x, "x**3": ew.power(x, like(x, 3))}[build]
    fired = []
    rewrite(
        Graph([x], [ew.sqrt(s), ew.power(s, like(x, 0.5)), ew.power(ew.absolute(x), like(x, 2.5))]),
        STABILISE,
        fired=fired,
    )
    assert fired == []


def test_sinc_near_zero():
    """Its second derivative is exact where sin(x) / x cancels, and its values are NumPy's."""
    x = np.array([0.0, 1e-9, 1e-3, 0.1, -0.4, 0.49, 0.51, 2.0])
    np.testing.assert_allclose(
        tg.value_and_grad(lambda x: np.sum(np.sinc(x) ** 2))(x)[0], np.sum(np.sinc(x) ** 2), rtol=1e-14
    )
    second = tg.grad(lambda x: np.sum(tg.grad(lambda x: np.sum(np.sinc(x / np.pi)))(x)))(x)
    with np.errstate(invalid="ignore"):
        formula = ((2 - x**2) * np.sin(x) - 2 * x * np.cos(x)) / x**3
    np.testing.assert_allclose(second[4:], formula[4:], rtol=1e-10)
    np.testing.assert_allclose(second[:4], -1 / 3 + x[:4] ** 2 / 10, rtol=1e-5)
    assert np.isnan(tg.value_and_grad(lambda x: np.sin(x) / x)(0.0)[0])


def test_softmax_through_other_views():
    """The axis may be brought to the end and back; what counts is where each element comes from."""
    x = input_node(support.aval("f64[3,3]"))
    e = ew.exp(x)
    turned = transpose(keep_axes(reduce_sum(e, axes=(0,)), x.shape, (0,)), axes=(1, 0))
    right = keep_axes(reduce_sum(e, axes=(1,)), x.shape, (1,))
    for bottom, names in [(turned, []), (right, ["softmax"]), (transpose(turned, axes=(1, 0)), ["softmax"])]:
        fired = []
        rewrite(Graph([x], [ew.divide(e, bottom)]), STABILISE, fired=fired)
        assert [name for name, _ in fired] == names
