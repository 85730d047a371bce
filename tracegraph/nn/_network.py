"""What one asks of a whole network: its layers, its parameters, their values. Layers or expressions come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tracegraph.errors import at
from tracegraph.nn._layers import InputLayer, Layer
from tracegraph.symbolic._expression import Expression, Symbol, as_expression, postorder
from tracegraph.symbolic._leaves import Parameter
from tracegraph.tracing import user_where

__all__ = [
    "count_params", "get_all_layers", "get_all_param_values", "get_all_params", "get_output", "set_all_param_values",
]  # fmt: skip

Network = Symbol | Iterable[Symbol]


def get_all_layers(network: Layer | Iterable[Layer]) -> list[Layer]:
    """All layers below one or several, those first that others take.

    Example:
        >>> from tracegraph.nn import DenseLayer
        >>> from tracegraph.symbolic import matrix
        >>> [type(layer).__name__ for layer in get_all_layers(DenseLayer(matrix(), 3))]
        ['InputLayer', 'DenseLayer']
    """
    order: dict[Layer, None] = {}
    stack = [network] if isinstance(network, Layer) else list(network)[::-1]
    while stack:
        layer = stack[-1]
        waiting = [] if layer in order else [each for each in layer.incomings if each not in order]
        if waiting:
            stack.extend(reversed(waiting))
        else:
            order[stack.pop()] = None
    return list(order)


def get_all_params(network: Network, **tags: bool) -> list[Parameter]:
    """All parameters of layers or expressions, each once, those of lower layers first; also before shapes are known.

    Args:
        network: a layer, an expression, or several.
        tags: which to choose: ``trainable=True``, ``regularizable=False``.

    Example:
        >>> from tracegraph.nn import DenseLayer
        >>> from tracegraph.symbolic import matrix
        >>> [parameter.name for parameter in get_all_params(DenseLayer(matrix(), 3))]
        ['W', 'b']
    """
    symbols = [network] if isinstance(network, Symbol) else list(network)
    layers = get_all_layers([symbol for symbol in symbols if isinstance(symbol, Layer)])
    found = dict.fromkeys(parameter for layer in layers for parameter in layer.parameters)
    expressions = postorder(symbol.expression for symbol in symbols)
    found.update(dict.fromkeys(each for each in expressions if isinstance(each, Parameter)))
    return [each for each in found if all((tag in each.tags) == wanted for tag, wanted in tags.items())]


def get_all_param_values(network: Network, **tags: bool) -> list[np.ndarray]:
    """Copies of the values of `get_all_params`.

    Raises:
        ValueError: the shape of one is not known yet.
    """
    return [parameter.get_value() for parameter in get_all_params(network, **tags)]


def set_all_param_values(network: Network, values: Sequence[Any], **tags: bool) -> None:
    """Sets the values of `get_all_params`: all, or on any error none.

    Raises:
        ValueError: there are more or fewer values than parameters, or one is of another shape.
    """
    parameters = get_all_params(network, **tags)
    if len(values) != len(parameters):
        message = f"set_all_param_values: the network has {len(parameters)} parameters, {len(values)} values were given"
        raise ValueError(at(message, user_where()))
    converted = [parameter.converted(value) for parameter, value in zip(parameters, values, strict=True)]
    for parameter, value in zip(parameters, converted, strict=True):
        parameter.value = value


def count_params(network: Network, **tags: bool) -> int:
    """The number of all elements of the parameters.

    Raises:
        ValueError: the shape of one is not known yet.
    """
    return sum(value.size for value in get_all_param_values(network, **tags))


def get_output(network: Layer, inputs: Any = None) -> Expression:
    """The output of a layer, also for other inputs than those it was built on.

    Args:
        network: a layer.
        inputs: an expression or array in place of the only input layer's, or ``{input layer: expression}``.

    Raises:
        ValueError: one expression for a network of several input layers.

    Example:
        >>> from tracegraph.nn import DenseLayer
        >>> from tracegraph.symbolic import matrix, run
        >>> layer, other = DenseLayer(matrix(shape=(None, 2)), 1, W=np.ones((2, 1))), matrix()
        >>> run(get_output(layer, other), feed={other: np.array([[1.0, 2.0]])})
        array([[3.]])
    """
    if inputs is None:
        return network.expression
    layers = get_all_layers(network)
    outputs: dict[Layer, Expression] = {}
    for layer, given in _by_layer(layers, inputs).items():
        outputs[layer] = as_expression(given)
    for layer in layers:
        if layer not in outputs:
            sources = [outputs[each] for each in layer.incomings]
            outputs[layer] = layer.get_output_for(sources)
    return outputs[network]


def _by_layer(layers: Sequence[Layer], inputs: Any) -> Mapping[Layer, Any]:
    if isinstance(inputs, Mapping):
        return inputs
    bottom = [layer for layer in layers if isinstance(layer, InputLayer)]
    if len(bottom) != 1:
        message = f"get_output: the network has {len(bottom)} input layers; say which by {{layer: expression}}"
        raise ValueError(at(message, user_where()))
    return {bottom[0]: inputs}
