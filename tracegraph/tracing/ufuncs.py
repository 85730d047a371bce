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
from tracegraph.tracing.lift import broadcast, cast, descriptor, listed, loop_dtypes, node_of, result, spread, tight
from tracegraph.tracing.placeholder import Placeholder

__all__ = ["METHODS", "call", "product", "write"]

Emit = Callable[..., Node]
EmitSeveral = Callable[..., tuple[Node, ...]]


def _on_bool(op: Emit) -> Emit:
    """Logical ufuncs take any dtype: what is not zero is true."""
    return lambda *nodes: op(*[cast(node, np.dtype(bool)) for node in nodes])


def _by_dtype(for_bool: Emit, otherwise: Emit) -> Emit:
    return lambda *nodes: (for_bool if nodes[0].dtype.kind == "b" else otherwise)(*nodes)


def _reciprocal(x: Node) -> Node:
    """Of an integer, NumPy cuts the float that it is."""
    if x.dtype.kind in "iu":
        return cast(_reciprocal(cast(x, np.dtype(float))), x.dtype)
    return ew.divide(like(x, 1), x)


def _log_sum(x: Node, y: Node, exp: Emit, unit: float) -> Node:
    """max + log1p(exp(-|x - y|)); where both are the same infinity their difference is NaN and the maximum is right."""
    distance = ew.negative(ew.absolute(ew.subtract(x, y)))
    same = ew.equal(x, y)
    half = ew.log1p(exp(ew.where(same, like(x, 0), distance)))
    return ew.add(ew.maximum(x, y), half if unit == 1 else ew.multiply(half, like(half, unit)))


def _heaviside(x: Node, at_zero: Node) -> Node:
    step = ew.where(ew.less(x, like(x, 0)), like(x, 0), like(x, 1))
    return ew.where(ew.isnan(x), x, ew.where(ew.equal(x, like(x, 0)), at_zero, step))


def _modf(x: Node) -> tuple[Node, Node]:
    """Both parts have the sign of x."""
    whole = ew.trunc(x)
    return ew.copysign(ew.where(ew.isinf(x), like(x, 0), ew.subtract(x, whole)), x), whole


#: Each ufunc as an operation, or as an expression of operations, on operands of its loop's dtype and one shape.
_EMIT: Mapping[np.ufunc, Emit] = {
    **{
        getattr(np, name): getattr(ew, name)
        for name in (
            "absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_count cbrt ceil copysign cos "
            "cosh divide equal exp exp2 expm1 floor floor_divide fmax fmin fmod gcd greater greater_equal hypot "
            "isfinite isinf isnan lcm ldexp left_shift less less_equal log log10 log1p log2 maximum minimum multiply "
            "negative nextafter not_equal power remainder right_shift rint sign signbit sin sinh spacing sqrt subtract tan "
            "tanh trunc"
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
    np.conjugate: lambda x: ew.conj(x) if x.dtype.kind == "c" else x,
    np.positive: lambda x: x,
    np.square: lambda x: ew.multiply(x, x),
    np.fabs: ew.absolute,
    np.reciprocal: _reciprocal,
    np.heaviside: _heaviside,
    np.float_power: ew.power,
    np.logaddexp: lambda x, y: _log_sum(x, y, ew.exp, 1),
    np.logaddexp2: lambda x, y: _log_sum(x, y, ew.exp2, 1 / math.log(2)),
    np.deg2rad: lambda x: ew.multiply(x, like(x, math.pi / 180)),
    np.radians: lambda x: ew.multiply(x, like(x, math.pi / 180)),
    np.rad2deg: lambda x: ew.multiply(x, like(x, 180 / math.pi)),
    np.degrees: lambda x: ew.multiply(x, like(x, 180 / math.pi)),
}  # fmt: skip

#: The same for ufuncs of several results.
_EMIT_SEVERAL: Mapping[np.ufunc, EmitSeveral] = {
    np.divmod: lambda x, y: (ew.floor_divide(x, y), ew.remainder(x, y)),
    np.frexp: lambda x: (ew.frexp_mantissa(x), ew.frexp_exponent(x)),
    np.modf: _modf,
}

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
) -> Any:
    """Applies a ufunc as NumPy does: promote, broadcast, compute, and write into ``out`` if it is given.

    The result is a tuple for a ufunc of several.
    """
    if kwargs:
        raise UnsupportedError(f"np.{ufunc.__name__}: the argument {', '.join(kwargs)} is not traced")
    inputs = [listed(value) if isinstance(value, (list, tuple)) else value for value in inputs]
    if ufunc in _PRODUCTS:
        nodes: tuple[Node, ...] = (_PRODUCTS[ufunc](*inputs),)
    else:
        nodes = _elementwise(ufunc, inputs, None if dtype is None else np.dtype(dtype))
    targets = out if isinstance(out, tuple) else (out,) * ufunc.nout
    values = []
    for node, target in zip(nodes, targets, strict=True):
        if target is not None:
            values.append(write(target, node, where=where, casting=casting, ufunc=ufunc))
        elif where is True:
            values.append(result(node))
        else:
            raise UnsupportedError(f"np.{ufunc.__name__}: where= without out= leaves elements undefined; use np.where")
    return values[0] if ufunc.nout == 1 else tuple(values)


def _elementwise(ufunc: np.ufunc, inputs: Sequence[Any], dtype: np.dtype | None) -> tuple[Node, ...]:
    if ufunc not in _EMIT and ufunc not in _EMIT_SEVERAL and ufunc is not np.isnat:
        raise UnsupportedError(f"np.{ufunc.__name__} is not traced")
    dtypes = loop_dtypes(ufunc, tuple(map(descriptor, inputs)), dtype)
    if ufunc in _COMPARISONS and dtypes[0].kind in "iu":
        return (_compare_integers(ufunc, inputs, dtypes[0]),)
    operands = broadcast([node_of(value, to) for value, to in zip(inputs, dtypes, strict=False)])
    if ufunc in _EMIT_SEVERAL:
        return _EMIT_SEVERAL[ufunc](*operands)
    emit = _EMIT[ufunc]
    if operands[0].dtype.kind in "iub":
        emit = _ON_INTEGERS.get(ufunc, emit)
    return (emit(*operands),)


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


def _rows_by_columns(name: str, rows: bool, columns: bool) -> Emit:
    """A product of stacks of vectors: rows of the first, which may be conjugated, or columns of the second are vectors."""

    def emit(x: Any, y: Any) -> Node:
        dtype = loop_dtypes(np.add, (descriptor(x), descriptor(y)), None)[0]
        a, b = node_of(x, dtype), node_of(y, dtype)
        for k, node, needed in ((0, a, 2 - rows), (1, b, 2 - columns)):
            if node.aval.ndim < needed:
                raise ValueError(
                    f"{name}: Input operand {k} does not have enough dimensions (has {node.aval.ndim}, gufunc core with "
                    f"signature requires {needed})"
                )
        if rows:
            a = reshape(ew.conj(a) if dtype.kind == "c" else a, shape=(*a.shape[:-1], 1, a.shape[-1]))
        if columns:
            b = reshape(b, shape=(*b.shape, 1))
        if a.shape[-1] != b.shape[-2]:
            raise ValueError(
                f"{name}: Input operand 1 has a mismatch in its core dimension 0: {b.shape[-2]} != {a.shape[-1]}"
            )
        out = product(result(a), result(b))
        kept = (*out.shape[:-2], *(() if rows else out.shape[-2:-1]), *(() if columns else out.shape[-1:]))
        return reshape_to(out, kept)

    return emit


_PRODUCTS: Mapping[np.ufunc, Emit] = {
    np.matmul: product,
    np.vecdot: _rows_by_columns("vecdot", True, True),
    np.matvec: _rows_by_columns("matvec", False, True),
    np.vecmat: _rows_by_columns("vecmat", True, False),
}

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
