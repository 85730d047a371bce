"""Networks: convolution and pooling as functions of arrays (`_convolution`); and layers, in Lasagne's vocabulary: `_init`
(how parameters begin), `_nonlinearities`, `_layers`, `_images`, `_network` (what one asks of all layers together), in
reading order."""

import tracegraph.symbolic  # noqa: F401 - it re-exports layers, so whichever is asked for, it has to be loaded first
from tracegraph.nn._convolution import (
    avg_pool2d,
    conv,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose,
    conv_transpose2d,
    local_response_norm,
    max_pool2d,
)  # fmt: skip
from tracegraph.nn._images import (
    Conv2DLayer,
    GlobalPoolLayer,
    LocalResponseNormalization2DLayer,
    MaxPool2DLayer,
)  # fmt: skip
from tracegraph.nn._init import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Normal,
    Orthogonal,
    Uniform,
)  # fmt: skip
from tracegraph.nn._layers import (
    ConcatLayer,
    DenseLayer,
    ElemwiseSumLayer,
    FlattenLayer,
    InputLayer,
    Layer,
    NonlinearityLayer,
    ReshapeLayer,
)  # fmt: skip
from tracegraph.nn._network import (
    count_params,
    get_all_layers,
    get_all_param_values,
    get_all_params,
    get_output,
    set_all_param_values,
)  # fmt: skip
from tracegraph.nn._nonlinearities import (
    elu,
    leaky_rectify,
    linear,
    rectify,
    sigmoid,
    softmax,
    softplus,
    tanh,
)  # fmt: skip

__all__ = [
    "ConcatLayer", "Constant", "Conv2DLayer", "DenseLayer", "ElemwiseSumLayer", "FlattenLayer", "GlobalPoolLayer",
    "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "InputLayer", "Layer", "LocalResponseNormalization2DLayer",
    "MaxPool2DLayer", "NonlinearityLayer", "Normal", "Orthogonal", "ReshapeLayer", "Uniform", "avg_pool2d", "conv", "conv1d",
    "conv2d", "conv3d", "conv_transpose", "conv_transpose2d", "count_params", "elu", "get_all_layers",
    "get_all_param_values", "get_all_params", "get_output", "leaky_rectify", "linear", "local_response_norm", "max_pool2d",
    "rectify", "set_all_param_values", "sigmoid", "softmax", "softplus", "tanh",
]  # fmt: skip
