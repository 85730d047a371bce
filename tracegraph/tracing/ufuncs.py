"""NumPy's ufuncs on placeholders. The table says which operation each one is; a ufunc that is no operation of its own
is a small expression of others. Promotion, broadcasting, ``out=``, ``where=`` and ``dtype=`` are the same for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracegraph.errors import UnsupportedError
from tracegraph.ir import Node
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import fill
from tracegraph.ops.elementwise import like
from tracegraph.ops.product import matmul
from tracegraph.ops.shape import reshape, reshape_to
from tracegraph.tracing.lift import (
    as_dtype,
    broadcast,
    cast,
    descriptor,
    listed,
    loop_dtypes,
    node_of,
    result,
    spread,
    tight,
)
from tracegraph.tracing.placeholder import Placeholder

__all__ = ["METHODS", "call", "product", "write"]

Emit = Callable[..., Node]


def _on_bool(op: Emit) -> Emit:
    """Logical ufuncs take any dtype: what is not zero is true."""
    return lambda *nodes: op(*[cast(node, np.dtype(bool)) for node in nodes])


def _by_dtype(for_bool: Emit, otherwise: Emit) -> Emit:
    return lambda *nodes: (for_bool if nodes[0].dtype.kind == "b" else otherwise)(*nodes)


def _reciprocal(x: Node) -> Node:
    if x.dtype.kind != "f":
        raise UnsupportedError("np.reciprocal of integers is not traced; write 1 // x")
    return ew.divide(like(x, 1), x)


def _logaddexp(x: Node, y: Node) -> Node:
    """max + log1p(exp(-|x - y|)); where both are the same infinity their difference is NaN and the maximum is right."""
    distance = ew.negative(ew.absolute(ew.subtract(x, y)))
    same = ew.equal(x, y)
    half = ew.log1p(ew.exp(ew.where(same, like(x, 0), distance)))
    return ew.add(ew.maximum(x, y), half)


#: Each ufunc as an operation, or as an expression of operations, on operands of its loop's dtype and one shape.
_EMIT: Mapping[np.ufunc, Emit] = {
    **{
        getattr(np, name): getattr(ew, name)
        for name in (
            "absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil copysign cos cosh divide "
            "equal exp exp2 expm1 floor floor_divide fmax fmin fmod greater greater_equal hypot isfinite isinf "
            "isnan left_shift less less_equal log log10 log1p log2 maximum minimum multiply negative not_equal "
            "power remainder right_shift rint sign signbit sin sinh sqrt subtract tan tanh trunc"
        ).split()
    },
    np.logical_and: _on_bool(ew.logical_and),
    np.logical_or: _on_bool(ew.logical_or),
    np.logical_xor: _on_bool(ew.logical_xor),
    np.logical_not: _on_bool(ew.logical_not),
    np.bitwise_and: _by_dtype(ew.logical_and, ew.bitwise_and),
    np.bitwise_or: _by_dtype(ew.logical_or, ew.bitwise_or),
    np.bitwise_xor: _by_dtype(ew.logical_xor, ew.bitwise_xor),
    np.invert: _by_dtype(ew.logical_not, ew.invert),
    np.positive: lambda x: x,
    np.square: lambda x: ew.multiply(x, x),
    np.fabs: ew.absolute,
    np.reciprocal: _reciprocal,
    np.logaddexp: _logaddexp,
    np.deg2rad: lambda x: ew.multiply(x, like(x, math.pi / 180)),
    np.radians: lambda x: ew.multiply(x, like(x, math.pi / 180)),
    np.rad2deg: lambda x: ew.multiply(x, like(x, 180 / math.pi)),
    np.degrees: lambda x: ew.multiply(x, like(x, 180 / math.pi)),
}  # fmt: skip

_COMPARISONS = frozenset({np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal})

#: Integers are always whole, finite and a number.
_ON_INTEGERS: Mapping[np.ufunc, Emit] = {
    np.floor: lambda x: x,
    np.ceil: lambda x: x,
    np.trunc: lambda x: x,
    np.rint: ew.rint,
    np.isnan: lambda x: ew.not_equal(x, x),
    np.isinf: lambda x: ew.not_equal(x, x),
    np.isfinite: lambda x: ew.equal(x, x),
}


def call(
    ufunc: np.ufunc,
    inputs: Sequence[Any],
    *,
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    casting: str = "same_kind",
    **kwargs: Any,
) -> Placeholder:
    """Applies a ufunc as NumPy does: promote, broadcast, compute, and write into ``out`` if it is given."""
    where = True if where is np._NoValue else where
    if kwargs:
        raise UnsupportedError(f"np.{ufunc.__name__}: the argument {', '.join(kwargs)} is not traced")
    inputs = [listed(value) if isinstance(value, (list, tuple)) else value for value in inputs]
    if ufunc is np.matmul:
        node = product(*inputs)
    else:
        node = _elementwise(ufunc, inputs, None if dtype is None else as_dtype(dtype))
    target = out[0] if isinstance(out, tuple) else out
    if target is ...:
        return result(node, is_array=True)
    if target is None:
        if where is not True:
            raise UnsupportedError(f"np.{ufunc.__name__}: where= without out= leaves elements undefined; use np.where")
        return result(node)
    return write(target, node, where=where, casting=casting, ufunc=ufunc)


def _elementwise(ufunc: np.ufunc, inputs: Sequence[Any], dtype: np.dtype | None) -> Node:
    if ufunc not in _EMIT:
        raise UnsupportedError(f"np.{ufunc.__name__} is not traced")
    dtypes = loop_dtypes(ufunc, tuple(map(descriptor, inputs)), dtype)
    if ufunc in _COMPARISONS and dtypes[0].kind in "iu":
        return _compare_integers(ufunc, inputs, dtypes[0])
    operands = broadcast([node_of(value, to) for value, to in zip(inputs, dtypes, strict=False)])
    emit = _EMIT[ufunc]
    if operands[0].dtype.kind != "f":
        emit = _ON_INTEGERS.get(ufunc, emit)
    return emit(*operands)


def _compare_integers(ufunc: np.ufunc, inputs: Sequence[Any], dtype: np.dtype) -> Node:
    """Python's integers compare by their value, be it beyond the other's dtype (NEP 50)."""
    limits = np.iinfo(dtype)
    for k, value in enumerate(inputs):
        if type(value) is int and not limits.min <= value <= limits.max:
            answer = ufunc(*((value, 0) if k == 0 else (0, value)))
            return fill(bool(answer), node_of(inputs[1 - k]).shape, np.dtype(bool))
    if any(isinstance(value, Placeholder) and value.weak is int for value in inputs) and dtype != np.uint64:
        dtype = np.dtype(np.int64)
    return _EMIT[ufunc](*broadcast([node_of(value, dtype) for value in inputs]))


def write(
    target: Any, node: Node, *, where: Any = True, casting: str = "same_kind", ufunc: np.ufunc | None = None
) -> Placeholder:
    """Writes into an array, with NumPy's checks of shape and casting.

    Raises:
        UFuncTypeError: the dtype does not fit under the casting rule.
        ValueError: the shape does not fit.
    """
    if not isinstance(target, Placeholder):
        raise UnsupportedError(
            "a traced value was to be written into a NumPy array made outside the trace; use np.zeros_like(x) of a "
            "traced x, or np.stack"
        )
    if not np.can_cast(node.dtype, target.dtype, casting):  # type: ignore[arg-type]
        if ufunc is None:
            rule = f"according to the rule {casting!r}"
            raise TypeError(f"Cannot cast array data from {node.dtype!r} to {target.dtype!r} {rule}")
        raise TypeError(
            f"Cannot cast ufunc {ufunc.__name__!r} output from {node.dtype!r} to {target.dtype!r} with casting rule "
            f"{casting!r}"
        )
    lead = target.ndim - len(node.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(node.shape, target.shape[lead:], strict=True)):
        shapes = f"from shape {tight(node.shape)} into shape {tight(target.shape)}"
        raise ValueError(f"could not broadcast input array {shapes}")
    value = spread(cast(node, target.dtype), target.shape)
    if where is not True:
        mask = spread(node_of(where, np.dtype(bool)), target.shape)
        value = ew.where(mask, value, target.node)
    if ufunc is not None and target.is_read_only:
        raise ValueError("output array is read-only")
    target.write(value)
    return target


# -- matrix products ---------------------------------------------------------------------------------------------------


def product(x: Any, y: Any) -> Node:
    """``x @ y`` with NumPy's treatment of vectors and of leading axes."""
    dtype = loop_dtypes(np.add, (descriptor(x), descriptor(y)), None)[0]
    a, b = node_of(x, dtype), node_of(y, dtype)
    if not a.shape or not b.shape:
        raise ValueError("matmul: Input operand does not have enough dimensions (has 0, gufunc core requires 1)")
    left = a if a.aval.ndim > 1 else reshape(a, shape=(1, *a.shape))
    right = b if b.aval.ndim > 1 else reshape(b, shape=(*b.shape, 1))
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(
            f"matmul: shapes {a.shape} and {b.shape} do not fit: "
            f"{left.shape[-1]} columns against {right.shape[-2]} rows"
        )
    lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    out = matmul(spread(left, (*lead, *left.shape[-2:])), spread(right, (*lead, *right.shape[-2:])))
    rows = (a.shape[-2],) if a.aval.ndim > 1 else ()
    columns = (b.shape[-1],) if b.aval.ndim > 1 else ()
    return reshape_to(out, (*lead, *rows, *columns))


# -- reductions --------------------------------------------------------------------------------------------------------

#: The NumPy function that is each ufunc's ``reduce``.
_REDUCE: Mapping[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_or: np.any,
    np.logical_and: np.all,
}


def _reduce(ufunc: np.ufunc, inputs: Sequence[Any], *, axis: Any = 0, **kwargs: Any) -> Any:
    if ufunc not in _REDUCE:
        raise UnsupportedError(f"np.{ufunc.__name__}.reduce is not traced")
    return _REDUCE[ufunc](*inputs, axis=axis, **kwargs)


METHODS: Mapping[str, Callable[..., Any]] = {"__call__": call, "reduce": _reduce}
