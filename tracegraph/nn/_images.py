"""Layers of images, (images, channels, rows, columns): convolution, pools and normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracegraph.errors import at
from tracegraph.nn._convolution import Each, Padding, conv2d, for_each, local_response_norm, max_pool2d, results_along
from tracegraph.nn._init import Constant, GlorotUniform
from tracegraph.nn._layers import Given, Layer, Nonlinearity, PartialShape, activated, as_layer, layer_parameter
from tracegraph.symbolic._expression import Expression, Symbol, record
from tracegraph.symbolic._functions import relu
from tracegraph.tracing import user_where

__all__ = ["Conv2DLayer", "GlobalPoolLayer", "LocalResponseNormalization2DLayer", "MaxPool2DLayer"]

_WEIGHTS = GlorotUniform()
_BIAS = Constant(0.0)


def _after_windows(shape: PartialShape, channels: int | None, size: Each, stride: Each, pad: Padding) -> PartialShape:
    """The shape of what windows over images give."""
    sizes, strides = for_each("size", size, 2), for_each("stride", stride, 2)
    return (*shape[:1], channels, *results_along(shape[2:], sizes, strides, pad))


class Conv2DLayer(Layer):
    """``nonlinearity(conv2d(x, W) + b)``: a correlation, whose weights are not flipped.

    Args:
        incoming: a layer or an expression, of shape (images, channels, rows, columns).
        num_filters: the number of channels that come out.
        filter_size: rows and columns of the weights, one number if they are as many.
        stride: between places that a result is computed for.
        pad: how far images are continued with zeros; "same" or "valid", or as for `conv`.
        W: the weights, of shape (filters, channels, rows, columns): how they begin, their value, or a parameter to share.
        b: the bias, of shape (filters,), likewise; None for no bias.
        nonlinearity: any function on expressions, or of plain NumPy code; None for none.

    Example:
        >>> from tracegraph.symbolic import tensor4
        >>> layer = Conv2DLayer(tensor4(shape=(None, 3, 32, 32)), num_filters=16, filter_size=5, stride=2, pad="same")
        >>> layer.output_shape, layer.W.shape
        ((None, 16, 16, 16), (16, 3, 5, 5))
    """

    def __init__(
        self,
        incoming: Symbol,
        num_filters: int,
        filter_size: Each,
        stride: Each = 1,
        pad: Padding = 0,
        W: Given = _WEIGHTS,
        b: Given | None = _BIAS,
        nonlinearity: Nonlinearity | None = relu,
        name: str | None = None,
    ) -> None:
        if not isinstance(num_filters, (int, np.integer)) or num_filters < 1:
            message = f"Conv2DLayer: num_filters must be a positive integer, got {num_filters!r:.60}"
            raise ValueError(at(message, user_where()))
        source = as_layer(incoming)
        self.num_filters, self.filter_size = int(num_filters), for_each("filter_size", filter_size, 2)
        self.stride, self.pad, self.nonlinearity = stride, pad, nonlinearity
        filters, sizes = self.num_filters, self.filter_size
        tags = {"trainable", "regularizable"}
        self.W = layer_parameter(W, source, lambda shape: (filters, shape[1], *sizes), name, "W", tags)
        self.b = None if b is None else layer_parameter(b, source, lambda shape: (filters,), name, "b", {"trainable"})
        super().__init__([source], [self.W, self.b], name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        value = record(conv2d, inputs[0], self.W, stride=self.stride, padding=self.pad)
        return activated(value if self.b is None else record(_with_bias, value, self.b), self.nonlinearity)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        return _after_windows(shapes[0], self.num_filters, self.filter_size, self.stride, self.pad)


def _with_bias(x: Any, bias: Any) -> Any:
    return x + bias[:, None, None]


class MaxPool2DLayer(Layer):
    """The largest value of each window.

    Args:
        incoming: a layer or an expression, of shape (images, channels, rows, columns).
        pool_size: of a window.
        stride: between windows, their size where nothing is said.
        pad: how far images are continued, with values that are never the largest; as for `conv`.

    Example:
        >>> from tracegraph.symbolic import tensor4
        >>> MaxPool2DLayer(tensor4(shape=(None, 3, 32, 32)), 2).output_shape
        (None, 3, 16, 16)
    """

    def __init__(
        self, incoming: Symbol, pool_size: Each, stride: Each | None = None, pad: Padding = 0, name: str | None = None
    ) -> None:
        self.pool_size, self.stride, self.pad = pool_size, pool_size if stride is None else stride, pad
        super().__init__([as_layer(incoming)], (), name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        return record(max_pool2d, inputs[0], self.pool_size, stride=self.stride, padding=self.pad)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        return _after_windows(shapes[0], shapes[0][1], self.pool_size, self.stride, self.pad)


class GlobalPoolLayer(Layer):
    """One value for each channel of each image.

    Args:
        incoming: a layer or an expression, of shape (images, channels, ...).
        pool_function: of NumPy's, or another that takes ``axis``.

    Example:
        >>> from tracegraph.symbolic import tensor4
        >>> GlobalPoolLayer(tensor4(shape=(None, 3, 7, 7))).output_shape
        (None, 3)
    """

    def __init__(self, incoming: Symbol, pool_function: Callable[..., Any] = np.mean, name: str | None = None) -> None:
        self.pool_function = pool_function
        super().__init__([as_layer(incoming)], (), name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        return record(_pooled, inputs[0], self.pool_function)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        return shapes[0][:2]


def _pooled(x: Any, function: Callable[..., Any]) -> Any:
    return function(x, axis=tuple(range(2, x.ndim)))


class LocalResponseNormalization2DLayer(Layer):
    """``x / (k + alpha * s) ** beta``, s the sum of the squares of the n channels around (Krizhevsky et al., 2012).

    Example:
        >>> from tracegraph.symbolic import run, tensor4
        >>> x = np.ones((1, 2, 1, 1))
        >>> layer = LocalResponseNormalization2DLayer(tensor4(), alpha=1.0, k=0, beta=1, n=3)
        >>> run(layer, {layer.incomings[0].expression: x}).ravel()
        array([0.5, 0.5])
    """

    def __init__(
        self,
        incoming: Symbol,
        alpha: float = 1e-4,
        k: float = 2,
        beta: float = 0.75,
        n: int = 5,
        name: str | None = None,
    ) -> None:
        self.alpha, self.k, self.beta, self.n = alpha, k, beta, n
        super().__init__([as_layer(incoming)], (), name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        options = {"alpha": self.alpha * self.n, "beta": self.beta, "k": self.k}
        return record(local_response_norm, inputs[0], self.n, **options)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        return shapes[0]
