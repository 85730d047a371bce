"""Layers: what they take comes in, an expression, its shape as far as it is known, and parameters come out. The vocabulary
is Lasagne's (Dieleman et al., 2015). A layer knows how to record its output, not how anything is run."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tracegraph.errors import at
from tracegraph.ir import Shape
from tracegraph.nn._init import Constant, GlorotUniform
from tracegraph.symbolic._expression import Expression, Symbol, record
from tracegraph.symbolic._functions import relu
from tracegraph.symbolic._leaves import Initialiser, Input, Parameter
from tracegraph.tracing import user_where

__all__ = [
    "ConcatLayer", "DenseLayer", "ElemwiseSumLayer", "FlattenLayer", "Given", "InputLayer", "Layer", "Nonlinearity",
    "NonlinearityLayer", "PartialShape", "ReshapeLayer", "activated", "as_layer", "layer_parameter",
]  # fmt: skip

#: Extents, None where they are not known; None altogether if not even the rank is.
PartialShape = tuple[int | None, ...]
Nonlinearity = Callable[[Any], Any]
#: What a parameter of a layer is given as: how it begins, its value, or one that is shared with others.
Given = Initialiser | ArrayLike | Parameter

_WEIGHTS = GlorotUniform()
_BIAS = Constant(0.0)


class Layer(Symbol):
    """A part of a network. Abstract: subclasses say what is recorded, and its shape.

    A layer can stand where an expression is expected, and an expression where a layer is.

    Attributes:
        incomings: the layers that it takes.
        parameters: its own, in the order of creation.
        output_shape: the shape of its output, None for unknown extents; None if not even the rank is known.
    """

    def __init__(
        self, incomings: Sequence[Layer], parameters: Sequence[Parameter | None] = (), name: str | None = None
    ):
        self.incomings = tuple(incomings)
        self.parameters = tuple(parameter for parameter in parameters if parameter is not None)
        self.name = name
        known = [layer.output_shape for layer in self.incomings if layer.output_shape is not None]
        is_known = len(known) == len(self.incomings)
        self.output_shape: PartialShape | None = self.get_output_shape_for(known) if is_known else None
        self._expression = self.get_output_for([layer.expression for layer in self.incomings])
        if name is not None and self._expression.name is None:
            self._expression.name = name

    @property
    def expression(self) -> Expression:
        """Its output."""
        return self._expression

    @property
    def seeds(self) -> np.random.SeedSequence:
        """Where its parameters get their random numbers: from the input layer that the network begins with."""
        return self.incomings[0].seeds

    @abstractmethod
    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        """Records the output for these inputs."""

    @abstractmethod
    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        """The shape of the output for inputs of these shapes."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}{f' {self.name!r}' if self.name else ''} {self.output_shape}>"


def as_layer(value: Any) -> Layer:
    """A layer, or the layer of an expression."""
    if isinstance(value, Layer):
        return value
    if isinstance(value, Expression):
        return InputLayer(value)
    raise TypeError(
        at(
            f"expected a layer or an expression, got {value!r:.60} of {type(value).__name__}; see matrix()",
            user_where(),
        )
    )


class InputLayer(Layer):
    """The layer that a network begins with.

    Args:
        source: the expression whose values it passes on, an input as a rule.
        shape: its shape, where that cannot be seen from the expression.
        seed: of the random numbers with which the parameters of all layers above begin. Without one they are those of
            the expression, which are the same in every process.

    Example:
        >>> from tracegraph.symbolic import matrix
        >>> InputLayer(matrix(shape=(None, 64))).output_shape
        (None, 64)
    """

    def __init__(
        self, source: Symbol, *, shape: PartialShape | None = None, seed: int | None = None, name: str | None = None
    ) -> None:
        if not isinstance(source, Symbol):
            raise TypeError(at(f"InputLayer: expected an expression, got {source!r:.60}; see matrix()", user_where()))
        self._source = source.expression
        self._seeds = self._source.seeds if seed is None else np.random.SeedSequence(seed)
        self._shape = self._source.shape if shape is None and isinstance(self._source, Input) else shape
        super().__init__((), (), name)

    @property
    def seeds(self) -> np.random.SeedSequence:
        return self._seeds

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        return self._source

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        return self._shape


class DenseLayer(Layer):
    """``nonlinearity(x @ W + b)``, on all axes behind the first as one.

    Args:
        incoming: a layer or an expression, of shape (batch, ...).
        num_units: the number of outputs.
        W: the weights, of shape (inputs, units): how they begin, their value, or a parameter to share.
        b: the bias, of shape (units,), likewise; None for no bias.
        nonlinearity: any function on expressions, or of plain NumPy code; None for none.

    Raises:
        TypeError: of an incoming that is neither layer nor expression.
        ValueError: num_units is no positive integer, or a given value is of the wrong shape.

    Example:
        >>> from tracegraph.symbolic import matrix
        >>> layer = DenseLayer(matrix(shape=(None, 64)), num_units=10)
        >>> layer.output_shape, layer.W.shape
        ((None, 10), (64, 10))
    """

    def __init__(
        self,
        incoming: Symbol,
        num_units: int,
        W: Given = _WEIGHTS,
        b: Given | None = _BIAS,
        nonlinearity: Nonlinearity | None = relu,
        name: str | None = None,
    ) -> None:
        if not isinstance(num_units, (int, np.integer)) or num_units < 1:
            raise ValueError(
                at(f"DenseLayer: num_units must be a positive integer, got {num_units!r:.60}", user_where())
            )
        source = as_layer(incoming)
        self.num_units = int(num_units)
        self.nonlinearity = nonlinearity
        units = self.num_units
        self.W = layer_parameter(
            W, source, lambda shape: (math.prod(shape[1:]), units), name, "W", {"trainable", "regularizable"}
        )
        self.b = None if b is None else layer_parameter(b, source, lambda shape: (units,), name, "b", {"trainable"})
        super().__init__([source], [self.W, self.b], name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        return activated(record(_affine, inputs[0], self.W, self.b), self.nonlinearity)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        return (*shapes[0][:1], self.num_units)


def _affine(x: Any, weights: Any, bias: Any) -> Any:
    rows = x if x.ndim == 2 else np.reshape(x, (x.shape[0], -1))
    product = rows @ weights
    return product if bias is None else product + bias


def activated(value: Expression, nonlinearity: Nonlinearity | None) -> Expression:
    done = value if nonlinearity is None else nonlinearity(value)
    return done.expression if isinstance(done, Symbol) else record(np.positive, done)


class NonlinearityLayer(Layer):
    """A function of each element, or of each row, on its own.

    Args:
        incoming: a layer or an expression.
        nonlinearity: any function on expressions, or of plain NumPy code, that keeps the shape.
    """

    def __init__(self, incoming: Symbol, nonlinearity: Nonlinearity = relu, name: str | None = None) -> None:
        self.nonlinearity = nonlinearity
        super().__init__([as_layer(incoming)], (), name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        return activated(inputs[0], self.nonlinearity)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        return shapes[0]


class ReshapeLayer(Layer):
    """The same elements under another shape.

    Args:
        incoming: a layer or an expression.
        shape: extents; ``[i]`` for that of the incoming's axis i, -1 once for what is left.

    Example:
        >>> from tracegraph.symbolic import matrix
        >>> ReshapeLayer(matrix(shape=(None, 64)), ([0], 8, 8)).output_shape
        (None, 8, 8)
    """

    def __init__(self, incoming: Symbol, shape: Sequence[int | list[int]], name: str | None = None) -> None:
        self.shape = tuple(shape)
        if sum(extent == -1 for extent in self.shape) > 1:
            raise ValueError(at(f"ReshapeLayer: only one extent can be -1, got {self.shape}", user_where()))
        super().__init__([as_layer(incoming)], (), name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        return record(_reshape, inputs[0], self.shape)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        (old,) = shapes
        new = [old[extent[0]] if isinstance(extent, list) else extent for extent in self.shape]
        if -1 in new:
            rest = [extent for extent in new if extent != -1]
            new[new.index(-1)] = _rest(old, rest)
        return tuple(new)


def _rest(old: PartialShape, others: list[int | None]) -> int | None:
    """The extent that -1 stands for. An unknown one on either side counts as the same batch."""
    known = [n for n in old if n is not None]
    found = [n for n in others if n is not None]
    if len(old) - len(known) != len(others) - len(found) or 0 in found:
        return None
    return math.prod(known) // math.prod(found)


def _reshape(x: Any, shape: tuple[int | list[int], ...]) -> Any:
    return np.reshape(x, tuple(x.shape[extent[0]] if isinstance(extent, list) else extent for extent in shape))


class FlattenLayer(Layer):
    """The axes from ``outdim - 1`` on as one.

    Example:
        >>> from tracegraph.symbolic import tensor3
        >>> FlattenLayer(tensor3(shape=(None, 8, 8))).output_shape
        (None, 64)
    """

    def __init__(self, incoming: Symbol, outdim: int = 2, name: str | None = None) -> None:
        if outdim < 1:
            raise ValueError(at(f"FlattenLayer: outdim must be at least 1, got {outdim}", user_where()))
        self.outdim = outdim
        super().__init__([as_layer(incoming)], (), name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        return record(_flatten, inputs[0], self.outdim)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        (shape,) = shapes
        joined = [n for n in shape[self.outdim - 1 :] if n is not None]
        is_known = len(joined) == len(shape[self.outdim - 1 :])
        return (*shape[: self.outdim - 1], math.prod(joined) if is_known else None)


def _flatten(x: Any, outdim: int) -> Any:
    return np.reshape(x, (*x.shape[: outdim - 1], math.prod(x.shape[outdim - 1 :])))


class ConcatLayer(Layer):
    """Several layers side by side along an axis.

    Example:
        >>> from tracegraph.symbolic import matrix
        >>> ConcatLayer([matrix(shape=(None, 3)), matrix(shape=(None, 4))]).output_shape
        (None, 7)
    """

    def __init__(self, incomings: Sequence[Symbol], axis: int = 1, name: str | None = None) -> None:
        self.axis = axis
        super().__init__([as_layer(incoming) for incoming in incomings], (), name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        return record(np.concatenate, list(inputs), axis=self.axis)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        joined = [shape[self.axis] for shape in shapes]
        known = [n for n in joined if n is not None]
        merged = list(_merged("ConcatLayer", [_without(shape, self.axis) for shape in shapes]))
        merged[self.axis] = sum(known) if len(known) == len(joined) else None
        return tuple(merged)


class ElemwiseSumLayer(Layer):
    """The sum of several layers of one shape."""

    def __init__(self, incomings: Sequence[Symbol], name: str | None = None) -> None:
        super().__init__([as_layer(incoming) for incoming in incomings], (), name)

    def get_output_for(self, inputs: Sequence[Expression]) -> Expression:
        return record(_sum_of, *inputs)

    def get_output_shape_for(self, shapes: Sequence[PartialShape]) -> PartialShape | None:
        return _merged("ElemwiseSumLayer", shapes)


def _sum_of(first: Any, *others: Any) -> Any:
    for other in others:
        first = first + other
    return first


def _without(shape: PartialShape, axis: int) -> PartialShape:
    rest: list[int | None] = list(shape)
    rest[axis] = None
    return tuple(rest)


def _merged(name: str, shapes: Sequence[PartialShape]) -> PartialShape:
    """What is known of shapes that must be equal."""
    merged: list[int | None] = list(shapes[0])
    for shape in shapes[1:]:
        is_same = len(shape) == len(merged) and all(
            None in (n, m) or n == m for n, m in zip(shape, merged, strict=False)
        )
        if not is_same:
            raise ValueError(
                at(f"{name}: the incomings' shapes do not fit: {', '.join(map(str, shapes))}", user_where())
            )
        merged = [m if n is None else n for n, m in zip(shape, merged, strict=True)]
    return tuple(merged)


def layer_parameter(
    given: Given, source: Layer, shape_of: Callable[[Shape], Shape], layer: str | None, role: str, tags: set[str]
) -> Parameter:
    """A parameter of a layer: shared, of a given value, or initialised now or as soon as the incoming's shape is known."""
    if isinstance(given, Parameter):
        return given
    name = f"{layer}.{role}" if layer else role
    expression = source.expression
    if not callable(given):
        return Parameter(given, name=name, tags=tags)
    known = source.output_shape
    extents = None if known is None else [n for n in known[1:] if n is not None]
    if known is None or extents is None or len(extents) != len(known) - 1:
        return Parameter(given, shape=shape_of, source=expression, name=name, tags=tags, seeds=source.seeds)
    return Parameter(
        given, shape=shape_of((1, *extents)), dtype=_float_dtype(source), name=name, tags=tags, seeds=source.seeds
    )


def _float_dtype(layer: Layer) -> np.dtype:
    """float32 where the network's input is, else float64."""
    while layer.incomings:
        layer = layer.incomings[0]
    source = layer.expression
    is_float = isinstance(source, Input) and source.dtype.kind == "f"
    return source.dtype if is_float and isinstance(source, Input) else np.dtype(np.float64)
