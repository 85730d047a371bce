"""The links that rules are chained from; each a function of its settings that gives a `Transform`. A setting may be an
expression: an input that is fed, or a parameter that another update changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tracegraph.optim._transform import Parameters, Steps, Transform, slots
from tracegraph.symbolic._expression import record
from tracegraph.symbolic._leaves import Parameter

__all__ = [
    "add_decayed_weights", "clip_by_global_norm", "scale", "scale_by_adadelta", "scale_by_adam", "scale_by_rms",
    "scale_by_rss", "trace",
]  # fmt: skip


def _stateless(step: Callable[[Steps, Parameters], Steps]) -> Transform:
    return Transform(lambda parameters: (), lambda steps, state, parameters: (step(steps, parameters), state))


def scale(factor: Any) -> Transform:
    """``factor * g``"""
    return _stateless(lambda steps, parameters: [factor * g for g in steps])


def add_decayed_weights(rate: Any) -> Transform:
    """``g + rate * p`` for the parameters tagged regularizable: weights, but not biases (Loshchilov and Hutter, 2017)."""
    return _stateless(
        lambda steps, parameters: [
            g + rate * p if "regularizable" in p.tags else g for g, p in zip(steps, parameters, strict=True)
        ]
    )


def clip_by_global_norm(limit: Any) -> Transform:
    """All steps times ``limit / norm`` where their norm, taken over all of them, exceeds it (Pascanu et al., 2012)."""
    return _stateless(
        lambda steps, parameters: [g * record(_shrink, limit, list(steps)) for g in steps] if steps else []
    )


def _shrink(limit: Any, steps: Any) -> Any:
    squares = sum(np.sum(np.square(g)) for g in steps)
    norm = np.sqrt(squares)
    return np.where(norm > limit, limit / np.where(norm > 0, norm, 1), 1)


def trace(decay: Any, *, nesterov: bool = False) -> Transform:
    """``t = g + decay * t``, which is momentum (Polyak, 1964); with ``nesterov``, ``g + decay * t`` of that t."""

    def update(steps: Steps, state: Any, parameters: Parameters) -> tuple[Steps, Any]:
        traces = [g + decay * t for g, t in zip(steps, state, strict=True)]
        ahead = [g + decay * t for g, t in zip(steps, traces, strict=True)] if nesterov else traces
        return ahead, traces

    return Transform(lambda parameters: slots(parameters, "trace"), update)


def scale_by_rss(epsilon: float = 1e-6) -> Transform:
    """``g / sqrt(a + epsilon)``, a the sum of all squares so far (Duchi, Hazan and Singer, 2011)."""

    def update(steps: Steps, state: Any, parameters: Parameters) -> tuple[Steps, Any]:
        sums = [a + g * g for g, a in zip(steps, state, strict=True)]
        return [g / np.sqrt(a + epsilon) for g, a in zip(steps, sums, strict=True)], sums

    return Transform(lambda parameters: slots(parameters, "squares"), update)


def scale_by_rms(rho: Any = 0.9, epsilon: float = 1e-6) -> Transform:
    """``g / sqrt(a + epsilon)``, a the running mean of squares (Tieleman and Hinton, 2012)."""

    def update(steps: Steps, state: Any, parameters: Parameters) -> tuple[Steps, Any]:
        means = [rho * a + (1 - rho) * g * g for g, a in zip(steps, state, strict=True)]
        return [g / np.sqrt(a + epsilon) for g, a in zip(steps, means, strict=True)], means

    return Transform(lambda parameters: slots(parameters, "squares"), update)


def scale_by_adadelta(rho: Any = 0.95, epsilon: float = 1e-6) -> Transform:
    """``g * sqrt(d + epsilon) / sqrt(a + epsilon)``, a and d the running mean squares of g and of steps (Zeiler, 2012)."""

    def update(steps: Steps, state: Any, parameters: Parameters) -> tuple[Steps, Any]:
        squares, deltas = state
        squares = [rho * a + (1 - rho) * g * g for g, a in zip(steps, squares, strict=True)]
        moved = [
            g * np.sqrt(d + epsilon) / np.sqrt(a + epsilon) for g, a, d in zip(steps, squares, deltas, strict=True)
        ]
        return moved, (squares, [rho * d + (1 - rho) * u * u for u, d in zip(moved, deltas, strict=True)])

    return Transform(lambda parameters: (slots(parameters, "squares"), slots(parameters, "deltas")), update)


def scale_by_adam(beta1: Any = 0.9, beta2: Any = 0.999, epsilon: float = 1e-8) -> Transform:
    """``m / (sqrt(v) + epsilon)``, the running means of g and of its square, freed of their bias (Kingma and Ba, 2014)."""

    def init(parameters: Parameters) -> Any:
        return Parameter(0.0, name="adam.count"), slots(parameters, "mean"), slots(parameters, "squares")

    def update(steps: Steps, state: Any, parameters: Parameters) -> tuple[Steps, Any]:
        count, means, squares = state
        count = count + 1.0
        means = [beta1 * m + (1 - beta1) * g for g, m in zip(steps, means, strict=True)]
        squares = [beta2 * v + (1 - beta2) * g * g for g, v in zip(steps, squares, strict=True)]
        unbias_mean, unbias_square = 1 - beta1**count, 1 - beta2**count
        moved = [m / unbias_mean / (np.sqrt(v / unbias_square) + epsilon) for m, v in zip(means, squares, strict=True)]
        return moved, (count, means, squares)

    return Transform(init, update)
