"""NumPy's ufuncs on placeholders. The table says which operation each one is; a ufunc that is no operation of its own
is a small expression of others. Promotion, broadcasting, ``out=``, ``where=`` and ``dtype=`` are the same for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.errors import UnsupportedError
from tracegraph.ir import Node, Shape
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import fill, reduce_sum
from tracegraph.ops.elementwise import like
from tracegraph.ops.product import matmul
from tracegraph.ops.reduce import reduce_max
from tracegraph.ops.shape import reshape, reshape_to, transpose
from tracegraph.ops.special import erf, erfc, gammaln, known_name, pointwise
from tracegraph.tracing.lift import (
    as_dtype,
    broadcast,
    cast,
    converted,
    descriptor,
    listed,
    loop_dtypes,
    node_of,
    result,
    spread,
    tight,
)
from tracegraph.tracing.placeholder import NO_WRITING, Placeholder

__all__ = ["call", "product", "write"]

#: One node, or one for each result.
Emit = Callable[..., Any]


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


def _logaddexp(x: Node, y: Node) -> Node:
    """max + log1p(exp(-|x - y|)); where both are the same infinity their difference is NaN and the maximum is right."""
    first, apart = _greater_and_apart(x, y)
    return ew.add(first, ew.log1p(ew.exp(apart)))


def _logaddexp2(x: Node, y: Node) -> Node:
    first, apart = _greater_and_apart(x, y)
    return ew.add(first, _times(ew.log1p(ew.exp2(apart)), 1 / math.log(2)))


def _greater_and_apart(x: Node, y: Node) -> tuple[Node, Node]:
    """max(x, y), and -|x - y| or 0 where both are the same infinity; by choices, whose sum is smooth where x is y."""
    is_greater = ew.greater(x, y)
    is_same = ew.logical_and(ew.equal(x, y), ew.isinf(x))
    difference = ew.where(is_same, like(x, 0), ew.subtract(x, y))
    return ew.where(is_greater, x, y), ew.where(is_greater, ew.negative(difference), difference)


def _times(x: Node, number: float) -> Node:
    return ew.multiply(x, like(x, number))


def _by_factor(x: Node, number: float) -> Node:
    """Of halves by a single, as NumPy has it: the factor as a half would be a wrong one."""
    return cast(_times(cast(x, np.dtype(np.float32)), number), x.dtype) if x.dtype == np.float16 else _times(x, number)


def _heaviside(x: Node, y: Node) -> Node:
    step = ew.where(ew.greater(x, like(x, 0)), like(x, 1), like(x, 0))
    return ew.where(ew.not_equal(x, x), x, ew.where(ew.equal(x, like(x, 0)), y, step))


def _modf(x: Node) -> tuple[Node, Node]:
    """The parts behind and before the point, with the sign of the whole; nothing is behind that of an infinity."""
    whole = ew.trunc(x)
    part = ew.where(ew.isinf(x), like(x, 0), ew.subtract(x, whole))
    return ew.copysign(part, x), whole


def _xlogy(log: Emit, end: float) -> Emit:
    """x log(y), and 0 where x is 0 unless y is no number; its derivative by x is log(y) there, if that is finite.

    ``end``: of the domain of the logarithm."""

    def emit(x: Node, y: Node) -> Node:
        zero = ew.equal(x, like(x, 0))
        outside = (ew.equal if y.dtype.kind == "c" else ew.less_equal)(y, like(y, end))
        edge = ew.logical_and(zero, ew.logical_or(outside, ew.isinf(y)))
        product = ew.multiply(x, log(ew.where(edge, like(y, 1), y)))
        return ew.where(edge, like(x, 0), ew.add(product, ew.where(zero, like(x, 0), like(x, -0.0))))

    return emit


def _entr(x: Node) -> Node:
    """-x log(x); 0 at 0, minus infinity below."""
    below = ew.less(x, like(x, 0))
    value = ew.negative(_xlogy(ew.log, 0)(x, ew.where(below, like(x, 1), x)))
    return ew.where(below, like(x, -math.inf), value)


def _relative_entropy(rest: Callable[[Node, Node, Node], Node]) -> Emit:
    """From x log(x / y), x and y, for x, y > 0; infinite where x or y are below."""

    def emit(x: Node, y: Node) -> Node:
        zero = like(x, 0)
        inside = ew.logical_and(ew.greater(x, zero), ew.greater(y, zero))
        safe_x, safe_y = ew.where(inside, x, like(x, 1)), ew.where(inside, y, like(y, 1))
        value = rest(ew.multiply(safe_x, _log_ratio(safe_x, safe_y)), safe_x, safe_y)
        edge = ew.logical_and(ew.equal(x, zero), ew.greater_equal(y, zero))
        outside = ew.where(edge, rest(zero, zero, y), like(x, math.inf))
        is_number = ew.logical_and(ew.equal(x, x), ew.equal(y, y))
        return ew.where(is_number, ew.where(inside, value, outside), ew.add(x, y))

    return emit


def _log_ratio(x: Node, y: Node) -> Node:
    """log(x / y) for x, y > 0, as near where both are about the same."""
    ratio = ew.divide(x, y)
    is_near = ew.logical_and(ew.greater(ratio, like(x, 0.5)), ew.less(ratio, like(x, 2)))
    excess = ew.where(is_near, ew.divide(ew.subtract(x, y), y), like(x, 0))
    return ew.where(is_near, ew.log1p(excess), ew.log(ratio))


def _opaque(ufunc: np.ufunc) -> Emit:
    """A ufunc that NumPy runs: one node for each of its results."""

    def emit(*nodes: Node) -> Node | tuple[Node, ...]:
        if ufunc.nout == 1:
            return pointwise(*nodes, ufunc=ufunc)
        return tuple(pointwise(*nodes, ufunc=ufunc, output=k) for k in range(ufunc.nout))

    return emit


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
    np.positive: lambda x: x,
    np.square: lambda x: ew.multiply(x, x),
    np.fabs: ew.absolute,
    np.reciprocal: _reciprocal,
    np.logaddexp: _logaddexp,
    np.deg2rad: lambda x: _by_factor(x, math.pi / 180),
    np.radians: lambda x: _by_factor(x, math.pi / 180),
    np.rad2deg: lambda x: _by_factor(x, 180 / math.pi),
    np.degrees: lambda x: _by_factor(x, 180 / math.pi),
    np.conjugate: lambda x: ew.conj(x) if x.dtype.kind == "c" else x,
    np.float_power: ew.power,
    np.heaviside: _heaviside,
    np.logaddexp2: _logaddexp2,
    np.divmod: lambda x, y: (ew.floor_divide(x, y), ew.remainder(x, y)),
    np.modf: _modf,
    np.frexp: lambda x: (ew.frexp_mantissa(x), ew.frexp_exponent(x)),
}  # fmt: skip

#: SciPy's ufuncs, and the one behind np.clip, that are operations or expressions of them: by name, for neither is imported.
_BY_NAME: Mapping[str, Emit] = {
    **{name: getattr(ew, name) for name in ("cbrt", "exp2", "expm1", "log1p")},
    "clip": lambda x, low, high: ew.minimum(ew.maximum(x, low), high),
    "expit": ew.sigmoid,
    "erf": erf,
    "erfc": erfc,
    "gammaln": gammaln,
    "xlogy": _xlogy(ew.log, 0),
    "xlog1py": _xlogy(ew.log1p, -1),
    "entr": _entr,
    "rel_entr": _relative_entropy(lambda term, x, y: term),
    "kl_div": _relative_entropy(lambda term, x, y: ew.add(ew.subtract(term, x), y)),
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
    signature: Any = None,
    order: str = "K",
    subok: bool = True,
    **kwargs: Any,
) -> Any:
    """Applies a ufunc as NumPy does: promote, broadcast, compute, and write into ``out`` if it is given.

    Where ``where=`` leaves elements undefined, they are 0. ``order`` and ``subok`` change no value.
    """
    where = True if where is np._NoValue else where
    inputs = [listed(value) if isinstance(value, (list, tuple)) else value for value in inputs]
    loop = _signature(ufunc, dtype if signature is None else signature)
    targets = out if isinstance(out, tuple) else (out,) * ufunc.nout
    if ufunc in _PRODUCTS:
        _check_outputs(ufunc, loop_dtypes(np.add, tuple(map(descriptor, inputs)), loop), targets, casting)
        nodes: tuple[Node, ...] = (_PRODUCTS[ufunc](*inputs, loop=loop, **kwargs),)
        _check_core_of_output(ufunc, inputs, nodes[0].shape, targets[0])
    else:
        if kwargs:
            raise TypeError(f"{ufunc.__name__}() got an unexpected keyword argument '{next(iter(kwargs))}'")
        value = _elementwise(ufunc, inputs, loop, casting, targets)
        nodes = value if isinstance(value, tuple) else (value,)
    done = [_placed(node, target, where, casting, ufunc) for node, target in zip(nodes, targets, strict=True)]
    return done[0] if ufunc.nout == 1 else tuple(done)


def _check_outputs(ufunc: np.ufunc, dtypes: Sequence[np.dtype], targets: Sequence[Any], casting: str) -> None:
    """Whether results can be written as what they are to be is seen before whether the operands fit one another."""
    for dtype, target in zip(dtypes[-ufunc.nout :], targets, strict=True):
        if isinstance(target, Placeholder):
            _check_casting(dtype, target.dtype, casting, ufunc)
    shapes = {target.shape for target in targets if isinstance(target, Placeholder)}
    if len(shapes) > 1:
        whole = np.broadcast_shapes(*shapes)
        small = next(shape for shape in shapes if shape != whole)
        raise ValueError(
            f"non-broadcastable output operand with shape {tight(small)} doesn't match the broadcast shape {tight(whole)}"
        )


def _check_core_of_output(ufunc: np.ufunc, inputs: Sequence[Any], shape: Shape, target: Any) -> None:
    """Only over stacks of products is a product broadcast where it is written."""
    vectors = sum(np.ndim(value) < 2 for value in inputs)
    core = 2 - vectors if ufunc is np.matmul else int(ufunc is not np.vecdot)
    if isinstance(target, Placeholder) and core and target.shape[-core:] != shape[-core:]:
        raise ValueError(
            f"{ufunc.__name__}: Output operand 0 has a mismatch in its core dimensions, with gufunc signature "
            f"{ufunc.signature} ({tight(target.shape[-core:])} is different from {tight(shape[-core:])})"
        )


def _placed(node: Node, target: Any, where: Any, casting: str, ufunc: np.ufunc) -> Placeholder:
    if target is not None:
        return write(target, node, where=where, casting=casting, ufunc=ufunc)
    if where is True:
        return result(node)
    mask, value = broadcast([converted(where, np.dtype(bool)), node])
    return result(ew.where(mask, value, like(value, 0)))


def _signature(ufunc: np.ufunc, given: Any) -> np.dtype | tuple[np.dtype | None, ...] | None:
    """``dtype=`` or ``signature=`` as dtypes: of the results, or of all inputs and outputs."""
    if isinstance(given, str) and "->" in given:
        given = tuple(given.replace("->", ""))
    if isinstance(given, tuple):
        if len(given) != ufunc.nin + ufunc.nout:
            raise ValueError(
                f"a type-tuple must be specified of length 1 or 3 for ufunc '{ufunc.__name__}'".replace(
                    "3", str(ufunc.nin + ufunc.nout)
                )
            )
        return tuple(None if each is None else as_dtype(each) for each in given)
    return None if given is None else as_dtype(given)


def _elementwise(
    ufunc: np.ufunc,
    inputs: Sequence[Any],
    dtype: np.dtype | tuple[np.dtype | None, ...] | None,
    casting: str,
    targets: Sequence[Any],
) -> Node | tuple[Node, ...]:
    if ufunc.signature is not None:
        raise UnsupportedError(f"np.{ufunc.__name__} is not traced")
    emit = _EMIT.get(ufunc) or _BY_NAME.get(known_name(ufunc)) or _opaque(ufunc)
    dtypes = loop_dtypes(ufunc, tuple(map(descriptor, inputs)), dtype, casting)
    if targets[0] is not None or len(targets) > 1:
        _check_outputs(ufunc, dtypes, targets, casting)
    if ufunc in _COMPARISONS and dtypes[0].kind in "iu":
        return _compare_integers(ufunc, inputs, dtypes[0])
    operands = broadcast([node_of(value, to) for value, to in zip(inputs, dtypes, strict=False)])
    if operands[0].dtype.kind in "iub":
        emit = _ON_INTEGERS.get(ufunc, emit)
    value: Node | tuple[Node, ...] = emit(*operands)
    return value


def _compare_integers(ufunc: np.ufunc, inputs: Sequence[Any], dtype: np.dtype) -> Node:
    """Python's integers compare by their value, be it beyond the other's dtype (NEP 50)."""
    limits = np.iinfo(dtype)
    for k, value in enumerate(inputs):
        if type(value) is int and not limits.min <= value <= limits.max:
            answer = ufunc(*((value, 0) if k == 0 else (0, value)))
            return fill(bool(answer), node_of(inputs[1 - k]).shape, np.dtype(bool))
    if any(isinstance(value, Placeholder) and value.weak is int for value in inputs) and dtype != np.uint64:
        dtype = np.dtype(np.int64)
    compared: Node = _EMIT[ufunc](*broadcast([node_of(value, dtype) for value in inputs]))
    return compared


def write(
    target: Any, node: Node, *, where: Any = True, casting: str = "same_kind", ufunc: np.ufunc | None = None
) -> Placeholder:
    """Writes into an array, with NumPy's checks of shape and casting.

    Raises:
        UFuncTypeError: the dtype does not fit under the casting rule.
        ValueError: the shape does not fit.
    """
    if not isinstance(target, Placeholder):
        raise UnsupportedError(NO_WRITING)
    _check_casting(node.dtype, target.dtype, casting, ufunc)
    mask = None if where is True else converted(where, np.dtype(bool))
    _check_fits(node, target.shape, "input array")
    value = spread(cast(node, target.dtype), target.shape)
    if mask is not None:
        _check_fits(mask, target.shape, "where mask")
        value = ew.where(spread(mask, target.shape), value, target.node)
    if ufunc is not None and target.is_read_only:
        raise ValueError("output array is read-only")
    target.write(value)
    return target


def _check_casting(of: np.dtype, to: np.dtype, casting: Any, ufunc: np.ufunc | None) -> None:
    if np.can_cast(of, to, casting):
        return
    if ufunc is None:
        raise TypeError(f"Cannot cast array data from {of!r} to {to!r} according to the rule {casting!r}")
    raise TypeError(f"Cannot cast ufunc {ufunc.__name__!r} output from {of!r} to {to!r} with casting rule {casting!r}")


def _check_fits(node: Node, shape: Shape, what: str) -> None:
    lead = len(shape) - len(node.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(node.shape, shape[lead:], strict=True)):
        raise ValueError(f"could not broadcast {what} from shape {tight(node.shape)} into shape {tight(shape)}")


# -- matrix products ---------------------------------------------------------------------------------------------------


def product(x: Any, y: Any, *, loop: Any = None, **kwargs: Any) -> Node:
    """``x @ y`` with NumPy's treatment of vectors and of leading axes."""
    a, b = _operands(np.matmul, x, y, loop, kwargs)
    _check_core(np.matmul, a, b, 1, 1)
    left = a if a.aval.ndim > 1 else reshape(a, shape=(1, *a.shape))
    right = b if b.aval.ndim > 1 else reshape(b, shape=(*b.shape, 1))
    _check_inner(np.matmul, "(n?,k),(k,m?)->(n?,m?)", left.shape[-1], right.shape[-2])
    rows = (a.shape[-2],) if a.aval.ndim > 1 else ()
    columns = (b.shape[-1],) if b.aval.ndim > 1 else ()
    return _multiplied(left, right, (*rows, *columns))


def _operands(ufunc: np.ufunc, x: Any, y: Any, loop: Any, kwargs: Mapping[str, Any]) -> tuple[Node, Node]:
    if kwargs:
        raise UnsupportedError(f"np.{ufunc.__name__} with {', '.join(kwargs)} is not traced; move the axes to the end")
    dtype = loop_dtypes(np.add, (descriptor(x), descriptor(y)), loop)[0]
    return node_of(x, dtype), node_of(y, dtype)


def _check_core(ufunc: np.ufunc, a: Node, b: Node, *least: int) -> None:
    for k, (node, ndim) in enumerate(zip((a, b), least, strict=True)):
        if node.aval.ndim < ndim:
            raise ValueError(
                f"{ufunc.__name__}: Input operand {k} does not have enough dimensions "
                f"(has {node.aval.ndim}, gufunc core with signature {ufunc.signature} requires {ndim})"
            )


def _check_inner(ufunc: np.ufunc, signature: str, n: int, m: int, dimension: int = 0) -> None:
    if n != m:
        raise ValueError(
            f"{ufunc.__name__}: Input operand 1 has a mismatch in its core dimension {dimension}, with gufunc signature "
            f"{signature} (size {m} is different from {n})"
        )


def _multiplied(left: Node, right: Node, core: tuple[int, ...]) -> Node:
    """The products of two stacks of matrices, each in its own shape."""
    try:
        lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    except ValueError:
        shapes = " ".join(f"{tight(each.shape[:-2])[:-1]}".rstrip(",") + ",newaxis,newaxis)" for each in (left, right))
        raise ValueError(f"operands could not be broadcast together with remapped shapes: {shapes}") from None
    out = matmul(spread(left, (*lead, *left.shape[-2:])), spread(right, (*lead, *right.shape[-2:])))
    return reshape_to(out, (*lead, *core))


def _matvec(x: Any, y: Any, *, loop: Any = None, **kwargs: Any) -> Node:
    """Stacks of matrices times stacks of vectors."""
    a, b = _operands(np.matvec, x, y, loop, kwargs)
    _check_core(np.matvec, a, b, 2, 1)
    _check_inner(np.matvec, "(m,n),(n)->(m)", a.shape[-1], b.shape[-1])
    return _multiplied(a, reshape(b, shape=(*b.shape, 1)), (a.shape[-2],))


def _vecmat(x: Any, y: Any, *, loop: Any = None, **kwargs: Any) -> Node:
    """Stacks of vectors times stacks of matrices."""
    a, b = _operands(np.vecmat, x, y, loop, kwargs)
    _check_core(np.vecmat, a, b, 1, 2)
    _check_inner(np.vecmat, "(n),(n,m)->(m)", a.shape[-1], b.shape[-2])
    row = reshape(_EMIT[np.conjugate](a), shape=(*a.shape[:-1], 1, a.shape[-1]))
    return _multiplied(row, b, (b.shape[-1],))


def _vecdot(x: Any, y: Any, *, loop: Any = None, axis: int = -1, keepdims: bool = False, **kwargs: Any) -> Node:
    """Scalar products along one axis of each."""
    a, b = _operands(np.vecdot, x, y, loop, kwargs)
    _check_core(np.vecdot, a, b, 1, 1)
    a, b = (_axis_last(node, axis) for node in (a, b))
    _check_inner(np.vecdot, "(n),(n)->()", a.shape[-1], b.shape[-1])
    products = _EMIT[np.multiply](*broadcast([_EMIT[np.conjugate](a), b]))
    last = (len(products.shape) - 1,)
    if products.dtype.kind == "b":
        total = (
            reduce_max(products, axes=last) if products.shape[-1] else fill(False, products.shape[:-1], products.dtype)
        )
    else:
        total = reduce_sum(products, axes=last)
    if not keepdims:
        return total
    k = normalize_axis_index(axis, total.aval.ndim + 1)
    return reshape(total, shape=(*total.shape[:k], 1, *total.shape[k:]))


def _axis_last(node: Node, axis: int) -> Node:
    ndim = node.aval.ndim
    k = normalize_axis_index(axis, ndim)
    return node if k == ndim - 1 else transpose(node, axes=(*range(k), *range(k + 1, ndim), k))


_PRODUCTS: Mapping[np.ufunc, Callable[..., Node]] = {
    np.matmul: product,
    np.matvec: _matvec,
    np.vecmat: _vecmat,
    np.vecdot: _vecdot,
}
