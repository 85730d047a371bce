"""Layers: shapes, parameters that wait for the first batch, values, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tracegraph.nn import (
    ConcatLayer,
    Constant,
    Conv2DLayer,
    DenseLayer,
    ElemwiseSumLayer,
    FlattenLayer,
    GlobalPoolLayer,
    InputLayer,
    Layer,
    LocalResponseNormalization2DLayer,
    MaxPool2DLayer,
    NonlinearityLayer,
    Normal,
    ReshapeLayer,
    conv2d,
    count_params,
    elu,
    get_all_layers,
    get_all_param_values,
    get_all_params,
    get_output,
    leaky_rectify,
    linear,
    rectify,
    set_all_param_values,
    sigmoid,
    softmax,
    softplus,
    tanh,
)
from tracegraph.symbolic import Parameter, exp, grad, matrix, mean, run, tensor3, tensor4

X = np.random.default_rng(0).normal(size=(5, 6))
ONES = np.ones((6, 2))


def two_layers(source: Any, **options: Any) -> Layer:
    net = DenseLayer(source, num_units=4, **options)
    return DenseLayer(net, num_units=3, nonlinearity=softmax, **options)


SHAPES: dict[str, tuple[Callable[[], Layer], tuple[int | None, ...] | None]] = {
    "input": (lambda: InputLayer(matrix()), (None, None)),
    "input of an expression": (lambda: InputLayer(exp(matrix())), None),
    "input with a shape": (lambda: InputLayer(exp(matrix()), shape=(None, 3)), (None, 3)),
    "dense": (lambda: DenseLayer(matrix(), 7), (None, 7)),
    "dense on an expression": (lambda: DenseLayer(exp(matrix()), 7), None),
    "dense on images": (lambda: DenseLayer(tensor4(shape=(5, 3, 2, 2)), 7), (5, 7)),
    "convolution": (lambda: Conv2DLayer(tensor4(shape=(None, 3, 9, 8)), 7, 3), (None, 7, 7, 6)),
    "convolution, same": (lambda: Conv2DLayer(tensor4(shape=(5, 3, 9, 8)), 7, 3, stride=2, pad="same"), (5, 7, 5, 4)),
    "convolution, unknown": (lambda: Conv2DLayer(tensor4(), 7, (3, 1)), (None, 7, None, None)),
    "pool": (lambda: MaxPool2DLayer(tensor4(shape=(None, 3, 9, 8)), 3, stride=2, pad=1), (None, 3, 5, 4)),
    "global pool": (lambda: GlobalPoolLayer(tensor4(shape=(None, 3, 9, 8))), (None, 3)),
    "normalised": (lambda: LocalResponseNormalization2DLayer(tensor4(shape=(2, 3, 9, 8))), (2, 3, 9, 8)),
    "nonlinearity": (lambda: NonlinearityLayer(tensor3(), tanh), (None, None, None)),
    "reshape": (lambda: ReshapeLayer(matrix(shape=(None, 6)), ([0], 3, 2)), (None, 3, 2)),
    "reshape, rest": (lambda: ReshapeLayer(matrix(shape=(None, 6)), ([0], -1, 2)), (None, 3, 2)),
    "reshape, rest unknown": (lambda: ReshapeLayer(matrix(), ([0], -1, 2)), (None, None, 2)),
    "flatten": (lambda: FlattenLayer(tensor3(shape=(None, 8, 9))), (None, 72)),
    "flatten all": (lambda: FlattenLayer(tensor3(shape=(2, 8, 9)), outdim=1), (144,)),
    "flatten, unknown": (lambda: FlattenLayer(tensor3()), (None, None)),
    "concat": (lambda: ConcatLayer([matrix(shape=(None, 3)), matrix(shape=(5, 4))]), (5, 7)),
    "concat, unknown": (lambda: ConcatLayer([matrix(shape=(None, 3)), matrix()]), (None, None)),
    "sum": (lambda: ElemwiseSumLayer([matrix(shape=(None, 3)), matrix(shape=(5, None))]), (5, 3)),
}


@pytest.mark.parametrize("case", SHAPES)
def test_output_shapes_are_known_as_far_as_inputs_are(case: str) -> None:
    """None for each unknown extent; None altogether where not even the rank is known."""
    build, expected = SHAPES[case]
    assert build().output_shape == expected


VALUES: dict[str, tuple[Callable[[Any], Layer], Callable[[np.ndarray], np.ndarray]]] = {
    "dense": (lambda x: DenseLayer(x, 2, W=ONES, b=Constant(0.5)), lambda x: rectified(x @ ONES + 0.5)),
    "no bias": (lambda x: DenseLayer(x, 2, W=ONES, b=None, nonlinearity=None), lambda x: x @ ONES),
    "plain NumPy": (lambda x: NonlinearityLayer(x, np.tanh), np.tanh),
    "linear": (lambda x: NonlinearityLayer(x, linear), lambda x: x),
    "rectify": (lambda x: NonlinearityLayer(x, rectify), lambda x: rectified(x)),
    "leaky_rectify": (lambda x: NonlinearityLayer(x, leaky_rectify), lambda x: np.where(x > 0, x, 0.01 * x)),
    "elu": (lambda x: NonlinearityLayer(x, elu), lambda x: np.where(x > 0, x, np.expm1(x))),
    "softplus": (lambda x: NonlinearityLayer(x, softplus), lambda x: np.logaddexp(x, 0)),
    "sigmoid": (lambda x: NonlinearityLayer(x, sigmoid), lambda x: 1 / (1 + np.exp(-x))),
    "softmax": (lambda x: NonlinearityLayer(x, softmax), lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)),
    "reshape": (lambda x: ReshapeLayer(x, ([0], 2, -1)), lambda x: x.reshape(5, 2, 3)),
    "flatten": (lambda x: FlattenLayer(ReshapeLayer(x, ([0], 2, 3))), lambda x: x),
    "concat": (lambda x: ConcatLayer([x, x * 2]), lambda x: np.concatenate([x, x * 2], axis=1)),
    "sum": (lambda x: ElemwiseSumLayer([x, x * 2, x]), lambda x: x * 4),
}  # fmt: skip


def rectified(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


@pytest.mark.parametrize("case", VALUES)
def test_layers_compute(case: str) -> None:
    """What their documentation says, on an input of unknown extents."""
    build, expected = VALUES[case]
    x = matrix()
    np.testing.assert_allclose(run(build(x), feed={x: X}), expected(X), rtol=1e-12)


def test_parameters_wait_for_the_first_batch() -> None:
    """They are there at once, but without shapes where those hang on it; then other features are refused."""
    x = matrix()
    net = two_layers(x)
    parameters = get_all_params(net)
    assert [parameter.name for parameter in parameters] == ["W", "b", "W", "b"]
    assert [parameter.shape for parameter in parameters] == [None, None, (4, 3), (3,)]
    with pytest.raises(ValueError, match=r"parameter 'W' \(built at .*\) has no value yet: its shape is known when"):
        get_all_param_values(net)
    run(net, feed={x: X})
    assert [parameter.shape for parameter in parameters] == [(6, 4), (4,), (4, 3), (3,)]
    assert count_params(net) == 43
    with pytest.raises(ValueError, match=r"core dimension 0, .*size 6 is different from 5"):
        run(net, feed={x: X[:, :5]})


def test_a_parameter_alone_can_be_the_first_fetch() -> None:
    """It still needs the batch once, and takes it ever after."""
    x = matrix()
    layer = DenseLayer(x, 2)
    first = run(layer.W, feed={x: X})
    assert first.shape == (6, 2)
    np.testing.assert_array_equal(run(layer.W), first)
    np.testing.assert_array_equal(run(layer.W, feed={x: X}), first)


def test_parameters_begin_at_once_where_the_shape_is_given() -> None:
    """And with the same numbers as if they had waited."""
    known, unknown = matrix(shape=(None, 6)), matrix()
    early, late = two_layers(known), two_layers(unknown)
    assert [parameter.shape for parameter in get_all_params(early)] == [(6, 4), (4,), (4, 3), (3,)]
    np.testing.assert_array_equal(run(early, feed={known: X}), run(late, feed={unknown: X}))


def test_random_numbers_are_those_of_the_seed() -> None:
    """Networks of one seed begin alike, of two seeds differently; so do two layers of one network, and of one expression."""
    x = matrix(shape=(None, 6))
    one, same, other = (get_all_param_values(two_layers(InputLayer(x, seed=seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one[0], same[0])
    np.testing.assert_array_equal(one[2], same[2])
    assert not np.any(one[0] == other[0])
    left, right = DenseLayer(x, 4), DenseLayer(x, 4)
    assert not np.any(left.W.get_value() == right.W.get_value())
    fixed = [DenseLayer(x, 4, W=Normal(seed=3)).W.get_value() for _ in range(2)]
    np.testing.assert_array_equal(*fixed)


@pytest.mark.parametrize("shape", [None, (None, 6)])
def test_parameters_take_the_dtype_of_the_input(shape: Any) -> None:
    """A float32 network is float32 throughout, and so are its gradients."""
    x = matrix(shape=shape, dtype="float32")
    net = two_layers(x)
    parameters = get_all_params(net)
    results = run([net, *grad(mean(net), parameters)], feed={x: X.astype("float32")})
    assert {result.dtype for result in results} == {np.dtype("float32")}
    assert {parameter.dtype for parameter in parameters} == {np.dtype("float32")}


def test_parameters_are_chosen_by_tags() -> None:
    """Biases are not regularizable; expressions have parameters too."""
    x = matrix(shape=(None, 6))
    net = two_layers(x)
    assert [parameter.name for parameter in get_all_params(net, regularizable=True)] == ["W", "W"]
    assert [parameter.name for parameter in get_all_params(net, trainable=True, regularizable=False)] == ["b", "b"]
    assert all(one is other for one, other in zip(get_all_params(exp(net) * 2), get_all_params(net), strict=True))
    assert count_params(net, regularizable=True) == 36


def test_values_are_set_all_or_none() -> None:
    """They can be saved and restored; a bad one leaves the others."""
    x = matrix(shape=(None, 6))
    net = two_layers(x)
    saved = get_all_param_values(net)
    set_all_param_values(net, [value * 0 for value in saved])
    assert not any(value.any() for value in get_all_param_values(net))
    with pytest.raises(ValueError, match=r"parameter 'W' .* has shape \(4, 3\), it was given \(3, 4\)"):
        set_all_param_values(net, [saved[0], saved[1], saved[2].T, saved[3]])
    with pytest.raises(ValueError, match="the network has 4 parameters, 3 values were given"):
        set_all_param_values(net, saved[:3])
    with pytest.raises(TypeError, match="is of dtype float64, it was given complex128"):
        set_all_param_values(net, [saved[0], saved[1], saved[2], saved[3] * 1j])
    assert not any(value.any() for value in get_all_param_values(net))
    set_all_param_values(net, saved)
    assert all(map(np.array_equal, get_all_param_values(net), saved))


def test_layers_share_parameters() -> None:
    """One given to two layers is one parameter."""
    x = matrix(shape=(None, 6))
    first = DenseLayer(x, 6)
    second = DenseLayer(first, 6, W=first.W, b=Parameter(np.zeros(6)))
    assert second.W is first.W
    assert len(get_all_params(second)) == 3


def test_output_for_another_input() -> None:
    """The same parameters on another expression; which, must be said where there are two."""
    x, other = matrix(shape=(None, 6)), matrix()
    net = two_layers(x)
    np.testing.assert_array_equal(run(get_output(net, other * 1.0), feed={other: X}), run(net, feed={x: X}))
    assert get_output(net) is net.expression
    both = ConcatLayer([InputLayer(x), InputLayer(other)])
    with pytest.raises(ValueError, match="has 2 input layers; say which by"):
        get_output(both, x)
    assert [type(layer).__name__ for layer in get_all_layers(both)] == ["InputLayer", "InputLayer", "ConcatLayer"]


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda x: DenseLayer(3, 2), TypeError, "expected a layer or an expression, got 3 of int"),
        (lambda x: InputLayer(X), TypeError, "InputLayer: expected an expression"),
        (lambda x: DenseLayer(x, 0), ValueError, "DenseLayer: num_units must be a positive integer, got 0"),
        (lambda x: DenseLayer(x, 2.0), ValueError, "num_units must be a positive integer, got 2.0"),
        (lambda x: ReshapeLayer(x, (-1, -1)), ValueError, "only one extent can be -1"),
        (lambda x: FlattenLayer(x, 0), ValueError, "outdim must be at least 1, got 0"),
        (lambda x: ElemwiseSumLayer([x, tensor3()]), ValueError, "the incomings' shapes do not fit: "),
        (lambda x: ConcatLayer([x, tensor3()]), ValueError, "ConcatLayer: the incomings' shapes do not fit: "),
    ],
)
def test_mistakes_are_named_where_they_are_made(build: Callable[[Any], Any], error: type[Exception], text: str) -> None:
    """With the user's line."""
    with pytest.raises(error, match=f"(?s){text}.*test_layers.py"):
        build(matrix())


def test_layers_of_images():
    """They are the functions of the same names, on parameters of their own."""
    images = np.random.default_rng(1).normal(size=(2, 3, 6, 5))
    x = tensor4(shape=(None, 3, 6, 5))
    conv = Conv2DLayer(x, 4, 3, stride=2, pad="same", b=Normal(1.0))
    weights, bias = get_all_param_values(conv)
    expected = np.maximum(conv2d(images, weights, stride=2, padding="same") + bias[:, None, None], 0)
    np.testing.assert_allclose(run(conv, {x: images}), expected)
    pool = GlobalPoolLayer(MaxPool2DLayer(conv, 2, stride=1), np.max)
    np.testing.assert_allclose(run(pool, {x: images}), expected.max((2, 3)))
    layer = LocalResponseNormalization2DLayer(x, alpha=0.5, n=3)
    squares = np.pad(images**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    total = squares[:, :3] + squares[:, 1:4] + squares[:, 2:]
    np.testing.assert_allclose(run(layer, {x: images}), images / (2 + 0.5 * total) ** 0.75)


def test_parameters_of_a_convolution_wait_for_the_channels():
    x = tensor4()
    layer = Conv2DLayer(x, 4, 2, b=None, nonlinearity=None)
    assert [each.name for each in get_all_params(layer)] == ["W"]
    assert run(layer, {x: np.ones((1, 3, 5, 5))}).shape == (1, 4, 4, 4)
    assert get_all_param_values(layer)[0].shape == (4, 3, 2, 2)
    with pytest.raises(ValueError, match="num_filters must be a positive integer"):
        Conv2DLayer(x, 0, 3)
