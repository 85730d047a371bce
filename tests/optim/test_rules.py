"""Update rules: one table of rules and their formulas in plain NumPy, followed for some steps on one problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tracegraph import FeedError
from tracegraph.nn import DenseLayer, get_all_params
from tracegraph.optim import (
    adadelta,
    adagrad,
    adam,
    adamw,
    add_decayed_weights,
    chain,
    clip_by_global_norm,
    minimise,
    momentum,
    nesterov_momentum,
    rmsprop,
    scale,
    sgd,
)
from tracegraph.symbolic import Parameter, grad, matrix, mean, run, scalar, vector

Arrays = list[np.ndarray]
Formula = Callable[[Arrays, list[Arrays]], Arrays]

RNG = np.random.default_rng(0)
TARGETS = [RNG.normal(size=(3, 2)), RNG.normal(size=4)]
STARTS = [RNG.normal(size=(3, 2)), RNG.normal(size=4)]
STEPS = 7


def gradient(values: Arrays) -> Arrays:
    """Of sum((p - target) ** 4)."""
    return [4 * (p - target) ** 3 for p, target in zip(values, TARGETS, strict=True)]


def each(formula: Callable[..., Any]) -> Callable[[Arrays], Arrays]:
    """Follows a rule that treats each parameter on its own: ``formula(p, gradients so far) -> new p``, all steps."""

    def follow(values: Arrays) -> Arrays:
        history: list[Arrays] = []
        for _ in range(STEPS):
            history.append(gradient(values))
            values = [formula(p, [step[k] for step in history]) for k, p in enumerate(values)]
        return values

    return follow


def running(history: Sequence[np.ndarray], rho: float, power: int = 1) -> Any:
    """The running mean of gradients to a power, from zero."""
    total: Any = 0.0
    for g in history:
        total = rho * total + (1 - rho) * g**power
    return total


def velocity(history: Sequence[np.ndarray], rate: float, decay: float) -> Any:
    v: Any = 0.0
    for g in history:
        v = decay * v - rate * g
    return v


def adam_step(history: Sequence[np.ndarray]) -> Any:
    t = len(history)
    m, v = running(history, 0.9) / (1 - 0.9**t), running(history, 0.999, 2) / (1 - 0.999**t)
    return m / (np.sqrt(v) + 1e-8)


def follow_adadelta(values: Arrays) -> Arrays:
    squares, deltas = [0.0 * p for p in values], [0.0 * p for p in values]
    for _ in range(STEPS):
        for k, g in enumerate(gradient(values)):
            squares[k] = 0.95 * squares[k] + 0.05 * g**2
            step = g * np.sqrt(deltas[k] + 1e-6) / np.sqrt(squares[k] + 1e-6)
            deltas[k] = 0.95 * deltas[k] + 0.05 * step**2
            values = [p - step if i == k else p for i, p in enumerate(values)]
    return values


def follow_clipped(values: Arrays) -> Arrays:
    for _ in range(STEPS):
        steps = gradient(values)
        norm = np.sqrt(sum((g**2).sum() for g in steps))
        values = [p - 0.1 * g * min(1.0, 0.5 / norm) for p, g in zip(values, steps, strict=True)]
    return values


def clipped(loss: Any, parameters: Any) -> Any:
    return minimise(chain(clip_by_global_norm(0.5), scale(-0.1)), loss, parameters)


def decayed(loss: Any, parameters: Any) -> Any:
    return minimise(chain(add_decayed_weights(0.3), scale(-0.01)), loss, parameters)


#: Each rule, and the formula of its paper. The first parameter is tagged regularizable, the second is not.
RULES: dict[str, tuple[Callable[..., Any], Callable[[Arrays], Arrays]]] = {
    "sgd": (lambda loss, p: sgd(loss, p, 0.01), each(lambda p, g: p - 0.01 * g[-1])),
    "momentum": (lambda loss, p: momentum(loss, p, 0.01), each(lambda p, g: p + velocity(g, 0.01, 0.9))),
    "nesterov": (
        lambda loss, p: nesterov_momentum(loss, p, 0.01, 0.8),
        each(lambda p, g: p + 0.8 * velocity(g, 0.01, 0.8) - 0.01 * g[-1]),
    ),
    "adagrad": (
        lambda loss, p: adagrad(loss, p, 0.1),
        each(lambda p, g: p - 0.1 * g[-1] / np.sqrt(sum(x**2 for x in g) + 1e-6)),
    ),
    "rmsprop": (
        lambda loss, p: rmsprop(loss, p, 0.01),
        each(lambda p, g: p - 0.01 * g[-1] / np.sqrt(running(g, 0.9, 2) + 1e-6)),
    ),
    "adadelta": (adadelta, follow_adadelta),
    "adam": (lambda loss, p: adam(loss, p, 0.01), each(lambda p, g: p - 0.01 * adam_step(g))),
    "adamw": (
        lambda loss, p: adamw(loss, p[:1], 0.01, weight_decay=0.2),
        lambda values: [*each(lambda p, g: p - 0.01 * (adam_step(g) + 0.2 * p))(values)[:1], values[1]],
    ),
    "clip": (clipped, follow_clipped),
    "decay": (
        decayed,
        each(lambda p, g: p - 0.01 * (g[-1] + (0.3 * p if p.ndim == 2 else 0))),
    ),
}  # fmt: skip


def problem() -> tuple[Any, list[Parameter]]:
    parameters = [Parameter(STARTS[0], name="w", tags={"regularizable"}), Parameter(STARTS[1], name="b")]
    loss = sum(((p - target) ** 4).sum() for p, target in zip(parameters, TARGETS, strict=True))
    return loss, parameters


@pytest.mark.parametrize("rule", RULES)
def test_rules_follow_their_formulas(rule: str) -> None:
    """For some steps, to rounding."""
    make, follow = RULES[rule]
    loss, parameters = problem()
    step = make(loss, parameters)
    for _ in range(STEPS):
        assert run([step]) == [None]
    for parameter, expected in zip(parameters, follow(list(STARTS)), strict=True):
        np.testing.assert_allclose(parameter.get_value(), expected, rtol=1e-10)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rules_keep_the_dtype_and_wait_for_shapes(rule: str, dtype: str) -> None:
    """On a network whose shapes come with the first batch; state and parameters stay in its dtype, and the loss falls."""
    x, y = matrix(dtype=dtype), vector(dtype=dtype)
    net = DenseLayer(x, num_units=1, nonlinearity=None)
    loss = mean((net.expression[:, 0] - y) ** 2)
    parameters = get_all_params(net)
    step = RULES[rule][0](loss, parameters)
    rows = np.random.default_rng(1).normal(size=(20, 3)).astype(dtype)
    feed = {x: rows, y: rows.sum(axis=1)}
    first = run(loss, feed=feed)
    for _ in range(30):
        run(step, feed=feed)
    assert run(loss, feed=feed) < first
    assert {parameter.dtype for parameter in parameters} == {np.dtype(dtype)}


def test_settings_may_be_expressions() -> None:
    """A learning rate that is fed, even of a wider dtype, compiles nothing anew."""
    w, rate = Parameter(np.ones(2, np.float32)), scalar("rate")
    step = sgd((w * w).sum(), [w], rate)
    run(step, feed={rate: 0.25})
    assert w.get_value().tolist() == [0.5, 0.5]
    run(step, feed={rate: 0.5})
    assert w.get_value().tolist() == [0.0, 0.0]
    assert w.dtype == np.float32


def test_rules_take_gradients_or_a_loss() -> None:
    """Either gives the same update; gradients may be changed in between."""
    by_loss, by_gradients = Parameter(3.0), Parameter(3.0)
    run(sgd(by_loss * by_loss, [by_loss]))
    run(sgd([g * 1.0 for g in grad(by_gradients * by_gradients, [by_gradients])], [by_gradients]))
    assert by_loss.get_value() == by_gradients.get_value() == pytest.approx(2.4)


def test_clipping_leaves_small_and_zero_gradients() -> None:
    """Nor does it divide by a norm of zero."""
    w = Parameter(np.array([0.3, 0.4]))
    run(minimise(chain(clip_by_global_norm(10.0), scale(-1.0)), (w * w).sum() / 2, [w]))
    run(minimise(chain(clip_by_global_norm(10.0), scale(-1.0)), (w * w).sum() / 2, [w]))
    assert w.get_value().tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda w: sgd(grad, [w]), TypeError, r"expected a loss, or the list that grad\(loss, parameters\) gives"),
        (lambda w: sgd([w * 2, w], [w]), ValueError, "there are 2 gradients for 1 parameters"),
        (lambda w: sgd([w * 2], [w * 1]), TypeError, "only parameters can be updated, got <the expression mul"),
        (lambda w: run(sgd(w * w, [w, w])), FeedError, "parameter 'w' .* is updated twice"),
        (lambda w: run(sgd([w * np.ones(2)], [w])), FeedError, r"the update of parameter 'w' .* f64\[\], is f64\[2\]"),
    ],
)
def test_mistakes_are_named(make: Callable[[Any], Any], error: type[Exception], text: str) -> None:
    """As everywhere."""
    with pytest.raises(error, match=f"(?s){text}.*test_rules.py"):
        make(Parameter(1.0, name="w"))
