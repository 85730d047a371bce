"""What update rules are made of: a transform is a pair of pure functions, one that makes the state for some parameters and
one from gradients and state to steps and new state (as in optax). Expressions come in and go out; state is parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracegraph.errors import at
from tracegraph.ir import Shape
from tracegraph.symbolic._expression import Expression, Symbol, grad, record
from tracegraph.symbolic._leaves import Parameter
from tracegraph.symbolic._updates import Updates
from tracegraph.tracing import user_where
from tracegraph.tree import flatten

__all__ = ["Steps", "Transform", "chain", "minimise", "slots"]

Steps = Sequence[Expression]
Parameters = Sequence[Parameter]


class Transform(NamedTuple):
    """One link of an update rule.

    Attributes:
        init: ``init(parameters) -> state``: parameters in nested containers.
        update: ``update(steps, state, parameters) -> (steps, new state)``, of the same structure, its leaves expressions.
    """

    init: Callable[[Parameters], Any]
    update: Callable[[Steps, Any, Parameters], tuple[Steps, Any]]


def chain(*transforms: Transform) -> Transform:
    """The transform that applies several, one after another.

    Example:
        >>> from tracegraph.optim import clip_by_global_norm, scale
        >>> rule = chain(clip_by_global_norm(1.0), scale(-0.1))
    """

    def update(steps: Steps, state: Any, parameters: Parameters) -> tuple[Steps, Any]:
        renewed = []
        for transform, part in zip(transforms, state, strict=True):
            steps, part = transform.update(steps, part, parameters)
            renewed.append(part)
        return steps, tuple(renewed)

    return Transform(lambda parameters: tuple(each.init(parameters) for each in transforms), update)


def minimise(transform: Transform, loss_or_grads: Any, params: Sequence[Parameter]) -> Updates:
    """The update of parameters, and of the transform's state, by the steps that a transform makes of gradients.

    Args:
        transform: the last link gives what is added to the parameters, so gradients with a factor below 0.
        loss_or_grads: a scalar expression, or one gradient for each parameter.
        params: what is updated.

    Raises:
        TypeError: what is to be updated is no parameter, or a gradient is no expression.
        ValueError: there are more or fewer gradients than parameters.
    """
    parameters = list(params)
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            raise TypeError(at(f"only parameters can be updated, got {parameter!r:.60}", user_where()))
    gradients = _gradients(loss_or_grads, parameters)
    state = transform.init(parameters)
    steps, renewed = transform.update(gradients, state, parameters)
    old, new = flatten(state)[0], flatten(renewed)[0]
    pairs = [(parameter, record(_moved, parameter, step)) for parameter, step in zip(parameters, steps, strict=True)]
    return Updates([*pairs, *((slot, record(_like, slot, value)) for slot, value in zip(old, new, strict=True))])


def _gradients(loss_or_grads: Any, parameters: list[Parameter]) -> list[Expression]:
    if isinstance(loss_or_grads, Symbol):
        return grad(loss_or_grads, parameters)  # type: ignore[no-any-return]
    if callable(loss_or_grads) or not all(isinstance(each, Symbol) for each in loss_or_grads):
        what = f"{loss_or_grads!r:.60}"
        raise TypeError(at(f"expected a loss, or the list that grad(loss, parameters) gives, got {what}", user_where()))
    if len(loss_or_grads) != len(parameters):
        message = f"there are {len(loss_or_grads)} gradients for {len(parameters)} parameters"
        raise ValueError(at(message, user_where()))
    return [each.expression for each in loss_or_grads]


def _moved(parameter: Any, step: Any) -> Any:
    """Steps whose factors are wider than the parameter do not widen it."""
    return parameter + _like(parameter, step)


def _like(old: Any, new: Any) -> Any:
    return np.astype(new, old.dtype, copy=False) if hasattr(new, "dtype") else new


def slots(parameters: Parameters, role: str, value: float = 0.0) -> list[Parameter]:
    """State of the shape and dtype of each parameter, as soon as that is known."""

    def initialise(shape: Shape, dtype: np.dtype, generator: np.random.Generator) -> np.ndarray:
        return np.full(shape, value, dtype)

    return [
        Parameter(initialise, shape=lambda shape: shape, source=each, name=f"{each.name or 'parameter'}.{role}")
        if each.value is None
        else Parameter(np.full_like(each.value, value), name=f"{each.name or 'parameter'}.{role}")
        for each in parameters
    ]
