"""Lasagne's update rules: a loss or gradients, parameters and settings come in, an update goes out, which `run` applies.
Each is a chain of links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracegraph.optim._links import (
    add_decayed_weights,
    scale,
    scale_by_adadelta,
    scale_by_adam,
    scale_by_rms,
    scale_by_rss,
    trace,
)  # fmt: skip
from tracegraph.optim._transform import chain, minimise
from tracegraph.symbolic._leaves import Parameter
from tracegraph.symbolic._updates import Updates

__all__ = ["adadelta", "adagrad", "adam", "adamw", "momentum", "nesterov_momentum", "rmsprop", "sgd"]

Params = Sequence[Parameter]


def sgd(loss_or_grads: Any, params: Params, learning_rate: Any = 0.1) -> Updates:
    """Gradient descent: ``p - learning_rate * g``.

    Args:
        loss_or_grads: a scalar expression, or one gradient for each parameter.
        params: what is updated.
        learning_rate: a number, or an expression, such as an input that is fed.

    Returns:
        An update; fetching it gives None and applies it.

    Raises:
        TypeError: what is to be updated is no parameter, or a gradient is no expression.
        ValueError: there are more or fewer gradients than parameters.

    Example:
        >>> from tracegraph.symbolic import Parameter, grad, run
        >>> w = Parameter(1.0)
        >>> run([sgd(grad(w * w, [w]), [w])])
        [None]
        >>> w.get_value()
        array(0.8)
    """
    return minimise(scale(-learning_rate), loss_or_grads, params)


def momentum(loss_or_grads: Any, params: Params, learning_rate: Any = 0.1, momentum: Any = 0.9) -> Updates:
    """``v = momentum * v - learning_rate * g``, ``p + v`` (Polyak, 1964). Arguments as for `sgd`."""
    return minimise(chain(trace(momentum), scale(-learning_rate)), loss_or_grads, params)


def nesterov_momentum(loss_or_grads: Any, params: Params, learning_rate: Any = 0.1, momentum: Any = 0.9) -> Updates:
    """``v = momentum * v - learning_rate * g``, ``p + momentum * v - learning_rate * g`` (Sutskever et al., 2013)."""
    return minimise(chain(trace(momentum, nesterov=True), scale(-learning_rate)), loss_or_grads, params)


def adagrad(loss_or_grads: Any, params: Params, learning_rate: Any = 1.0, epsilon: float = 1e-6) -> Updates:
    """Steps divided by the root of all squares so far (Duchi, Hazan and Singer, 2011). Arguments as for `sgd`."""
    return minimise(chain(scale_by_rss(epsilon), scale(-learning_rate)), loss_or_grads, params)


def rmsprop(
    loss_or_grads: Any, params: Params, learning_rate: Any = 0.001, rho: Any = 0.9, epsilon: float = 1e-6
) -> Updates:
    """Steps divided by the running root mean square (Tieleman and Hinton, 2012). Arguments as for `sgd`."""
    return minimise(chain(scale_by_rms(rho, epsilon), scale(-learning_rate)), loss_or_grads, params)


def adadelta(
    loss_or_grads: Any, params: Params, learning_rate: Any = 1.0, rho: Any = 0.95, epsilon: float = 1e-6
) -> Updates:
    """Steps of the size of recent steps (Zeiler, 2012). Arguments as for `sgd`."""
    return minimise(chain(scale_by_adadelta(rho, epsilon), scale(-learning_rate)), loss_or_grads, params)


def adam(
    loss_or_grads: Any,
    params: Params,
    learning_rate: Any = 0.001,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: float = 1e-8,
) -> Updates:
    """Running means of the gradient over those of its square (Kingma and Ba, 2014). Arguments as for `sgd`."""
    return minimise(chain(scale_by_adam(beta1, beta2, epsilon), scale(-learning_rate)), loss_or_grads, params)


def adamw(
    loss_or_grads: Any,
    params: Params,
    learning_rate: Any = 0.001,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: float = 1e-8,
    weight_decay: Any = 0.01,
) -> Updates:
    """`adam`, with weights decaying beside it (Loshchilov and Hutter, 2017). Arguments as for `sgd`."""
    links = chain(scale_by_adam(beta1, beta2, epsilon), add_decayed_weights(weight_decay), scale(-learning_rate))
    return minimise(links, loss_or_grads, params)
