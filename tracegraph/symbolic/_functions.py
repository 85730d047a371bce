"""The mathematical functions on expressions: NumPy's under their own names, and those that networks are made of, written in
plain NumPy. Each records; what it means is decided when it is replayed. Stable forms are the rewriter's business."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tracegraph.symbolic._expression import Expression, record

__all__ = [
    "absolute",
    "arccos",
    "arcsin",
    "arctan",
    "arctan2",
    "argmax",
    "argmin",
    "binary_crossentropy",
    "broadcast_to",
    "categorical_crossentropy",
    "ceil",
    "clip",
    "concatenate",
    "cos",
    "cosh",
    "dot",
    "elu",
    "eq",
    "exp",
    "exp2",
    "expand_dims",
    "expm1",
    "floor",
    "ge",
    "gt",
    "hypot",
    "le",
    "leaky_relu",
    "log",
    "log1p",
    "log2",
    "log10",
    "logical_and",
    "logical_not",
    "logical_or",
    "logsumexp",
    "lt",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "neq",
    "ones_like",
    "outer",
    "power",
    "prod",
    "relu",
    "reshape",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softmax",
    "softplus",
    "sqrt",
    "square",
    "squared_error",
    "squeeze",
    "stack",
    "std",
    "sum",
    "tan",
    "tanh",
    "tensordot",
    "transpose",
    "var",
    "where",
    "zeros_like",
]  # fmt: skip


def _recorded(function: Callable[..., Any]) -> Callable[..., Expression]:
    """The function that records this one. It is also a decorator of plain NumPy code."""

    @functools.wraps(function)
    def recorder(*args: Any, **kwargs: Any) -> Expression:
        return record(function, *args, **kwargs)

    return recorder


# -- NumPy's own, under NumPy's names ----------------------------------------------------------------------------------

absolute = _recorded(np.absolute)
arccos = _recorded(np.arccos)
arcsin = _recorded(np.arcsin)
arctan = _recorded(np.arctan)
arctan2 = _recorded(np.arctan2)
argmax = _recorded(np.argmax)
argmin = _recorded(np.argmin)
broadcast_to = _recorded(np.broadcast_to)
ceil = _recorded(np.ceil)
clip = _recorded(np.clip)
concatenate = _recorded(np.concatenate)
cos = _recorded(np.cos)
cosh = _recorded(np.cosh)
dot = _recorded(np.dot)
exp = _recorded(np.exp)
exp2 = _recorded(np.exp2)
expand_dims = _recorded(np.expand_dims)
expm1 = _recorded(np.expm1)
floor = _recorded(np.floor)
ge = _recorded(np.greater_equal)
gt = _recorded(np.greater)
hypot = _recorded(np.hypot)
le = _recorded(np.less_equal)
log = _recorded(np.log)
log10 = _recorded(np.log10)
log1p = _recorded(np.log1p)
log2 = _recorded(np.log2)
logical_and = _recorded(np.logical_and)
logical_not = _recorded(np.logical_not)
logical_or = _recorded(np.logical_or)
lt = _recorded(np.less)
matmul = _recorded(np.matmul)
max = _recorded(np.max)
maximum = _recorded(np.maximum)
mean = _recorded(np.mean)
min = _recorded(np.min)
minimum = _recorded(np.minimum)
ones_like = _recorded(np.ones_like)
outer = _recorded(np.outer)
power = _recorded(np.power)
prod = _recorded(np.prod)
reshape = _recorded(np.reshape)
sign = _recorded(np.sign)
sin = _recorded(np.sin)
sinh = _recorded(np.sinh)
sqrt = _recorded(np.sqrt)
square = _recorded(np.square)
squeeze = _recorded(np.squeeze)
stack = _recorded(np.stack)
std = _recorded(np.std)
sum = _recorded(np.sum)
tan = _recorded(np.tan)
tanh = _recorded(np.tanh)
tensordot = _recorded(np.tensordot)
transpose = _recorded(np.transpose)
var = _recorded(np.var)
where = _recorded(np.where)
zeros_like = _recorded(np.zeros_like)


# -- comparison with classes -------------------------------------------------------------------------------------------


@_recorded
def eq(x: Any, y: Any) -> Any:
    """Whether elements are equal; of scores with classes, whether the class of the greatest score is the one given.

    Args:
        x: any array, or scores, which have one axis more than ``y``, the last, for the classes.
        y: an array that broadcasts with x, or class indices of any dtype. (A vector is never repeated along the rows of a
            matrix: write ``x == y`` for that.)

    Raises:
        ValueError: there is not one class index for each row of scores.

    Example:
        >>> from tracegraph.symbolic import matrix, run, vector
        >>> scores, classes = matrix(), vector()
        >>> run(eq(scores, classes), feed={scores: np.array([[0.1, 0.9], [0.8, 0.2]]), classes: np.array([1, 1])})
        array([ True, False])
    """
    return _agree("eq", x, y)


@_recorded
def neq(x: Any, y: Any) -> Any:
    """Whether elements differ; of scores with classes, whether the class of the greatest score is another. See `eq`."""
    return np.logical_not(_agree("neq", x, y))


def _agree(name: str, x: Any, y: Any) -> Any:
    if np.ndim(x) != np.ndim(y) + 1:
        return np.equal(x, y)
    _check_classes(name, x, y)
    return np.equal(np.argmax(x, axis=-1), y)


def _check_classes(name: str, scores: Any, classes: Any) -> None:
    if np.shape(scores)[:-1] != np.shape(classes):
        raise ValueError(
            f"{name}: scores of shape {np.shape(scores)} and class indices of shape {np.shape(classes)} do not fit: "
            f"there must be one index for each row of scores, so shape {np.shape(scores)[:-1]}"
        )


# -- nonlinearities ----------------------------------------------------------------------------------------------------


@_recorded
def relu(x: Any) -> Any:
    """``max(x, 0)`` (Glorot, Bordes and Bengio, 2011)."""
    return np.maximum(x, 0)


@_recorded
def leaky_relu(x: Any, leakiness: float = 0.01) -> Any:
    """``x`` where it is positive, elsewhere a small part of it (Maas, Hannun and Ng, 2013)."""
    return np.where(x > 0, x, leakiness * x)


@_recorded
def elu(x: Any) -> Any:
    """``x`` where it is positive, elsewhere ``exp(x) - 1`` (Clevert, Unterthiner and Hochreiter, 2015)."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


@_recorded
def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``, without overflow."""
    return np.log1p(np.exp(x))


@_recorded
def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``, without overflow."""
    return 1 / (1 + np.exp(-x))


@_recorded
def softmax(x: Any, axis: Any = -1) -> Any:
    """``exp(x) / sum(exp(x))`` along an axis, without overflow."""
    e = np.exp(x)
    return e / np.sum(e, axis=axis, keepdims=True)


@_recorded
def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))`` over axes, without overflow."""
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


# -- costs, one for each row or element; take their mean ----------------------------------------------------------------


@_recorded
def squared_error(prediction: Any, target: Any) -> Any:
    """``(prediction - target) ** 2``, for each element."""
    return np.square(prediction - target)


@_recorded
def binary_crossentropy(prediction: Any, target: Any) -> Any:
    """``-t log(p) - (1 - t) log(1 - p)``, for each element. Exact where p is a `sigmoid`, however far it saturates.

    Args:
        prediction: probabilities.
        target: of the same shape, 0 or 1 or probabilities.
    """
    first = np.where(target == 0, 0, target * np.log(prediction))
    second = np.where(target == 1, 0, (1 - target) * np.log(1 - prediction))
    return -(first + second)


@_recorded
def categorical_crossentropy(prediction: Any, target: Any) -> Any:
    """``-log p`` of the class that is right, for each row. Exact where p is a `softmax`, however small it is.

    Args:
        prediction: probabilities, the last axis for the classes.
        target: class indices, of one axis less and any dtype; or probabilities of the prediction's shape, such as
            one-hot rows. An index that is no class makes the cost of its row NaN.

    Raises:
        ValueError: the shapes fit in neither way.

    Example:
        >>> from tracegraph.symbolic import matrix, run, vector
        >>> p, y = matrix(), vector()
        >>> run(categorical_crossentropy(p, y), feed={p: np.array([[0.5, 0.5], [0.75, 0.25]]), y: [0, 1]}).round(3)
        array([0.693, 1.386])
    """
    if np.shape(prediction) == np.shape(target):
        return -np.sum(np.where(target == 0, 0, target * np.log(prediction)), axis=-1)
    _check_classes("categorical_crossentropy", prediction, target)
    classes = np.arange(np.shape(prediction)[-1])
    is_right = np.expand_dims(target, -1) == classes
    costs = -np.sum(np.where(is_right, np.log(prediction), 0), axis=-1)
    return np.where(np.any(is_right, axis=-1), costs, np.nan)
