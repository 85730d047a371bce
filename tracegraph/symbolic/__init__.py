"""The symbolic front end, with every name that a program on expressions needs: inputs, parameters, mathematical functions,
`grad`, updates and `run`; and the commonest layers and update rules, of which `tracegraph.nn` and `tracegraph.optim` have
more.

In reading order: `_expression` (recording), `_leaves` (inputs and parameters), `_functions`, `_replay` (values and
derivatives), `_updates`, `_program` (`run`).
"""

from tracegraph.nn._layers import DenseLayer, InputLayer
from tracegraph.nn._network import get_all_layers, get_all_param_values, get_all_params, set_all_param_values
from tracegraph.optim._rules import adam, momentum, sgd
from tracegraph.symbolic._expression import Expression, Symbol, grad, record
from tracegraph.symbolic._functions import (
    absolute,
    argmax,
    argmin,
    binary_crossentropy,
    broadcast_to,
    categorical_crossentropy,
    clip,
    concatenate,
    dot,
    elu,
    eq,
    exp,
    expand_dims,
    expm1,
    ge,
    gt,
    le,
    leaky_relu,
    log,
    log1p,
    logical_and,
    logical_not,
    logical_or,
    logsumexp,
    lt,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    neq,
    ones_like,
    outer,
    power,
    prod,
    relu,
    reshape,
    sigmoid,
    sign,
    softmax,
    softplus,
    sqrt,
    square,
    squared_error,
    squeeze,
    stack,
    std,
    sum,
    tanh,
    tensordot,
    transpose,
    var,
    where,
    zeros_like,
)  # fmt: skip
from tracegraph.symbolic._leaves import Input, Parameter, matrix, scalar, tensor3, tensor4, vector
from tracegraph.symbolic._program import Program, program, run
from tracegraph.symbolic._updates import Updates, updates

__all__ = [
    "DenseLayer", "Expression", "Input", "InputLayer", "Parameter", "Program", "Symbol", "Updates", "absolute", "adam",
    "argmax", "argmin", "binary_crossentropy", "broadcast_to", "categorical_crossentropy", "clip", "concatenate", "dot",
    "elu", "eq", "exp", "expand_dims", "expm1", "ge", "get_all_layers", "get_all_param_values", "get_all_params",
    "grad", "gt", "le", "leaky_relu", "log", "log1p", "logical_and", "logical_not", "logical_or", "logsumexp", "lt",
    "matmul", "matrix", "max", "maximum", "mean", "min", "minimum", "momentum", "neq", "ones_like", "outer", "power",
    "prod", "program", "record", "relu", "reshape", "run", "scalar", "set_all_param_values", "sgd", "sigmoid", "sign",
    "softmax", "softplus", "sqrt", "square", "squared_error", "squeeze", "stack", "std", "sum", "tanh", "tensor3",
    "tensor4", "tensordot", "transpose", "updates", "var", "vector", "where", "zeros_like",
]  # fmt: skip
