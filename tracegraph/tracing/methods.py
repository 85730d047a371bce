"""The methods of NumPy's ufuncs on placeholders: `reduce`, `accumulate`, `reduceat`, `outer`, `at`; and the functions that
are one of them: running sums and products."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.errors import UnsupportedError
from tracegraph.ir import Node
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import fill, keep_axes, reduce_sum
from tracegraph.ops.elementwise import like
from tracegraph.ops.gather import add_at
from tracegraph.ops.leaf import constant
from tracegraph.ops.reduce import reduce_max, reduce_min
from tracegraph.ops.region import concatenate
from tracegraph.ops.scan import cumulate, is_closed, reduce_ufunc, reduceat, scatter_at
from tracegraph.ops.shape import reshape_to, transpose
from tracegraph.tracing.lift import (
    broadcast,
    cast,
    descriptor,
    has_placeholder,
    listed,
    loop_dtypes,
    node_of,
    result,
    spread,
)  # fmt: skip
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.reductions import FUNCTIONS as REDUCTIONS
from tracegraph.tracing.reductions import masked, reduced_into, reduction_dtype, ufunc_axes
from tracegraph.tracing.trace import active_trace
from tracegraph.tracing.ufuncs import call, write

__all__ = ["FUNCTIONS", "METHODS"]

NONE = np._NoValue
BOOL, INT64 = np.dtype(bool), np.dtype(np.int64)


def _only_binary(ufunc: np.ufunc, method: str) -> None:
    if ufunc.signature is not None:
        raise RuntimeError("Reduction not defined on ufunc with signature")
    if ufunc.nin != 2:
        raise ValueError(f"{method} only supported for binary functions")
    if ufunc.nout != 1:
        raise ValueError(f"{method} only supported for functions returning a single value")


def _single(out: Any) -> Any:
    return out[0] if isinstance(out, tuple) else out


def _finish(ufunc: np.ufunc, node: Node, out: Any) -> Any:
    return result(node) if out is None else write(out, node, ufunc=ufunc, casting="unsafe")


# -- reduce ------------------------------------------------------------------------------------------------------------

#: The NumPy function that is each ufunc's ``reduce``.
_REDUCE: Mapping[np.ufunc, Callable[..., Any]] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_or: np.any,
    np.logical_and: np.all,
}

#: What changes nothing when it is the second operand: masked elements count as that.
_NEUTRAL: Mapping[np.ufunc, float] = {
    np.subtract: 0,
    np.divide: 1,
    np.floor_divide: 1,
    np.power: 1,
    np.float_power: 1,
    np.left_shift: 0,
    np.right_shift: 0,
    np.lcm: 1,
}

#: Ufuncs that take any order of their operands, and so may reduce several axes.
_REORDERABLE = frozenset({
    np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.fmax, np.fmin, np.gcd, np.hypot, np.logaddexp,
    np.logaddexp2, np.logical_xor,
})  # fmt: skip


def _reduce(
    ufunc: np.ufunc,
    inputs: Sequence[Any],
    *,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = NONE,
    where: Any = True,
) -> Any:
    _only_binary(ufunc, "reduce")
    out = _single(out)
    node = node_of(inputs[0])
    to = reduction_dtype(ufunc, node, dtype, out)
    node = cast(node, to)
    axes = ufunc_axes(axis, node.aval.ndim)
    start = None if initial is NONE or initial is None else initial
    if ufunc in _REDUCE:
        return _known_reduce(ufunc, node, axes, out, keepdims=keepdims, initial=start, where=where)
    if len(axes) > 1 and ufunc not in _REORDERABLE:
        raise ValueError(
            f"reduction operation '{ufunc.__name__}' is not reorderable, so at most one axis may be specified"
        )
    kept = tuple(1 if k in axes else n for k, n in enumerate(node.shape))
    if where is not True:
        if start is None and ufunc.identity is None:
            raise ValueError(
                f"reduction operation '{ufunc.__name__}' does not have an identity, so to use a where mask one has to "
                "specify 'initial'"
            )
        node = _masked(ufunc, node, start, where)
    line, lead = _as_line(node, axes)
    if start is not None:
        line = concatenate(spread(node_of(start, to), (*lead, 1)), line, axis=len(lead))
    reduced = _reduced_line(ufunc, line)
    return reduced_into(reshape_to(reduced, kept) if keepdims else reduced, out, ufunc.__name__)


def _known_reduce(ufunc: np.ufunc, node: Node, axes: tuple[int, ...], out: Any, *, initial: Any, **kwargs: Any) -> Any:
    """By the function that NumPy has for it."""
    if initial is not None and node.dtype != BOOL and ufunc not in (np.logical_or, np.logical_and):
        kwargs["initial"] = initial
        initial = None
    if ufunc in (np.add, np.multiply):
        kwargs["dtype"] = node.dtype
    if kwargs["where"] is True:
        del kwargs["where"]
    if initial is None:
        return REDUCTIONS[_REDUCE[ufunc]](result(node), axis=axes, out=out, **kwargs)
    value = REDUCTIONS[_REDUCE[ufunc]](result(node), axis=axes, **kwargs)
    return call(ufunc, (value, bool(initial)), out=out)


def _masked(ufunc: np.ufunc, node: Node, initial: Any, where: Any) -> Node:
    neutral = initial if ufunc in (np.fmax, np.fmin) else _NEUTRAL.get(ufunc, ufunc.identity)
    if neutral is None:
        raise UnsupportedError(f"np.{ufunc.__name__}.reduce with where= is not traced; use np.where")
    values, mask = masked(node, where)
    return ew.where(mask, values, spread(node_of(neutral, node.dtype), values.shape))


def _as_line(node: Node, axes: tuple[int, ...]) -> tuple[Node, tuple[int, ...]]:
    """The axes as one, the last; and the extents of the others."""
    kept = tuple(k for k in range(node.aval.ndim) if k not in axes)
    lead = tuple(node.shape[k] for k in kept)
    order = (*kept, *axes)
    moved = node if order == tuple(range(len(order))) else transpose(node, axes=order)
    return reshape_to(moved, (*lead, math.prod(node.shape[k] for k in axes))), lead


def _reduced_line(ufunc: np.ufunc, line: Node) -> Node:
    """The reduction over the last axis, by the native reductions where these can say it."""
    axes = (line.aval.ndim - 1,)
    n, lead = line.shape[-1], line.shape[:-1]
    if n == 0 and ufunc.identity is not None:
        return fill(np.asarray(ufunc.identity).astype(line.dtype).item(), lead, line.dtype)
    if n == 0:
        raise ValueError(f"zero-size array to reduction operation {ufunc.__name__} which has no identity")
    if ufunc in (np.fmax, np.fmin):
        return _without_nan(line, axes, is_max=ufunc is np.fmax)
    if ufunc is np.logaddexp:
        return _log_sum_exp(line, axes)
    if line.dtype == BOOL and ufunc in (np.bitwise_and, np.bitwise_or):
        return (reduce_min if ufunc is np.bitwise_and else reduce_max)(line, axes=axes)
    if line.dtype == BOOL and ufunc in (np.bitwise_xor, np.logical_xor):
        count = reduce_sum(cast(line, INT64), axes=axes)
        return cast(ew.bitwise_and(count, like(count, 1)), BOOL)
    return reduce_ufunc(line, ufunc=ufunc.__name__, axis=axes[0])


def _without_nan(x: Node, axes: tuple[int, ...], *, is_max: bool) -> Node:
    reduce = reduce_max if is_max else reduce_min
    if x.dtype.kind != "f":
        return reduce(x, axes=axes)
    missing = ew.isnan(x)
    extreme = reduce(ew.where(missing, like(x, -math.inf if is_max else math.inf), x), axes=axes)
    return ew.where(reduce_min(missing, axes=axes), like(extreme, math.nan), extreme)


def _log_sum_exp(x: Node, axes: tuple[int, ...]) -> Node:
    largest = reduce_max(x, axes=axes)
    shift = ew.where(ew.isfinite(largest), largest, like(largest, 0))
    total = reduce_sum(ew.exp(ew.subtract(x, keep_axes(shift, x.shape, axes))), axes=axes)
    return ew.add(ew.log(total), shift)


# -- accumulate and reduceat -------------------------------------------------------------------------------------------


def _one_axis(axis: Any, ndim: int, method: str) -> int:
    if axis is None and ndim == 1:
        return 0
    if isinstance(axis, tuple) and len(axis) == 1:
        (axis,) = axis
    if ndim == 0 and axis in (None, 0, -1):
        raise TypeError(f"cannot {method} on a scalar")
    if axis is None or isinstance(axis, tuple):
        raise ValueError(f"{method} does not allow multiple axes")
    return normalize_axis_index(axis, ndim)


def _accumulate(ufunc: np.ufunc, inputs: Sequence[Any], *, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    _only_binary(ufunc, "accumulate")
    out = _single(out)
    node = node_of(inputs[0])
    k = _one_axis(axis, node.aval.ndim, "accumulate")
    node = cast(node, reduction_dtype(ufunc, node, dtype, out))
    return _finish(ufunc, cumulate(node, ufunc=ufunc.__name__, axis=k), out)


def _reduceat(
    ufunc: np.ufunc,
    inputs: Sequence[Any],
    *,
    indices: Any = None,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
) -> Any:
    _only_binary(ufunc, "reduceat")
    out = _single(out)
    node = node_of(inputs[0])
    places = node_of(inputs[1] if len(inputs) > 1 else indices, INT64)
    if places.aval.ndim > 1:
        raise ValueError("object too deep for desired array")
    k = _one_axis(axis, node.aval.ndim, "reduceat")
    _check_known(places, node.shape[k], f"{ufunc.__name__}.reduceat")
    node = cast(node, reduction_dtype(ufunc, node, dtype, out))
    places = reshape_to(places, (places.aval.size,))
    return _finish(ufunc, reduceat(node, places, ufunc=ufunc.__name__, axis=k), out)


def _check_known(places: Node, n: int, name: str) -> None:
    """Places that are the same at every call lie within an axis; of others, the run finds out."""
    trace = active_trace()
    known = None if trace is None else trace.known(places)
    for place in [] if known is None else known.ravel():
        if not 0 <= place < n:
            raise IndexError(f"index {place} out-of-bounds in {name} [0, {n})")


# -- outer -------------------------------------------------------------------------------------------------------------


def _outer(ufunc: np.ufunc, inputs: Sequence[Any], **kwargs: Any) -> Any:
    """Every element of the one with every element of the other: the first gets an axis for each of the second's."""
    if ufunc.signature is not None:
        raise TypeError("method outer is not allowed in ufunc with non-trivial signature")
    if ufunc.nin != 2:
        raise ValueError("outer product only supported for binary functions")
    a, b = inputs
    ndim = np.ndim(b)
    if ndim:
        x = node_of(a)
        a = result(reshape_to(x, (*x.shape, *(1,) * ndim)), is_array=True)
    return call(ufunc, (a, b), **kwargs)


# -- at ----------------------------------------------------------------------------------------------------------------


def _at(ufunc: np.ufunc, inputs: Sequence[Any]) -> None:
    """Changes an array at indices, once for each time that an index comes."""
    target, index, *operand = inputs
    if not isinstance(target, np.ndarray):
        raise TypeError("first operand must be array")
    if ufunc.nout != 1 or ufunc.signature is not None:
        raise ValueError("Only single output ufuncs supported at this time")
    if ufunc.nin == 1 and operand:
        raise ValueError("second operand provided when ufunc is unary")
    if ufunc.nin == 2 and not operand:
        raise ValueError("second operand needed for ufunc")
    node = node_of(target)
    operand = [listed(each) if isinstance(each, (list, tuple)) else each for each in operand]
    dtypes = loop_dtypes(ufunc, tuple(map(descriptor, (target, *operand))), None)
    if _is_mask(index, node.shape):
        if operand and np.ndim(operand[0]):
            raise UnsupportedError("ufunc.at with a mask and several values is not traced; use np.where")
        call(ufunc, (result(node, is_array=True), *operand), out=target, where=index, casting="unsafe")
        return
    indices = _indices(index, node.shape)
    if operand:
        changed = _binary_at(ufunc, node, node_of(operand[0], dtypes[1]), indices)
    else:
        changed = _unary_at(ufunc, node, indices)
    write(target, changed, casting="unsafe", ufunc=ufunc)


def _is_mask(index: Any, shape: tuple[int, ...]) -> bool:
    """Whether the index says of each element whether it is meant."""
    return isinstance(index, (Placeholder, np.ndarray)) and index.dtype == BOOL and index.shape == shape


def _binary_at(ufunc: np.ufunc, node: Node, value: Node, indices: Sequence[Node]) -> Node:
    shape = (*indices[0].shape, *node.shape[len(indices) :])
    try:
        value = spread(value, shape)
    except ValueError:
        _check_inside(indices, node.shape)
        raise ValueError("array is not broadcastable to correct shape") from None
    if not is_closed(ufunc.__name__, value.dtype):
        raise UnsupportedError(
            f"np.{ufunc.__name__}.at on {value.dtype} is not traced: its results are of another dtype"
        )
    if ufunc is np.add and value.dtype == node.dtype and value.dtype != BOOL:
        return add_at(node, value, *indices)
    return scatter_at(node, value, *indices, ufunc=ufunc.__name__)


def _check_inside(indices: Sequence[Node], shape: tuple[int, ...]) -> None:
    trace = active_trace()
    assert trace is not None
    for k, node in enumerate(indices):
        for place in trace.decide(node).ravel():
            if not -shape[k] <= place < shape[k]:
                raise IndexError(f"index {place} is out of bounds for axis {k} with size {shape[k]}")


def _unary_at(ufunc: np.ufunc, node: Node, indices: Sequence[Node]) -> Node:
    """As often as an index comes: where it is met at all, at least twice, and so on."""
    ones = fill(1, (*indices[0].shape, *node.shape[len(indices) :]), INT64)
    hits = add_at(fill(0, node.shape, INT64), ones, *indices)
    trace = active_trace()
    assert trace is not None
    for time in range(int(trace.decide(hits).max(initial=0))):
        changed = cast(call(ufunc, (result(node, is_array=True),)).node, node.dtype)
        node = ew.where(ew.greater(hits, like(hits, time)), changed, node)
    return node


def _indices(index: Any, shape: tuple[int, ...]) -> list[Node]:
    """An index as one array of places for each axis, all of the shape of what it picks.

    Lists, slices and numbers are worked out here and now; arrays, which may be other ones at the next call, are not.
    """
    parts = list(index) if isinstance(index, tuple) else [index]
    if not any(isinstance(part, (Placeholder, np.ndarray)) or has_placeholder(part) for part in parts):
        places = np.arange(math.prod(shape)).reshape(shape)[index]
        return [constant(np.int64(each) if not places.ndim else each) for each in np.unravel_index(places, shape)]
    given = [None if part is Ellipsis or isinstance(part, slice) else _index_node(part) for part in parts]
    if len(parts) - sum(part is Ellipsis for part in parts) > len(shape):
        raise IndexError(
            f"too many indices for array: array is {len(shape)}-dimensional, but {len(parts)} were indexed"
        )
    dots = next((k for k, part in enumerate(parts) if part is Ellipsis), len(parts))
    rest = len(shape) - len(parts) + (dots < len(parts))
    parts[dots : dots + 1] = [slice(None)] * rest
    given[dots : dots + 1] = [None] * rest
    return _spread_indices(parts, given, shape)


def _index_node(part: Any) -> Node:
    node = node_of(part)
    if node.dtype.kind == "b":
        raise UnsupportedError("ufunc.at with a mask among other indices is not traced; use np.nonzero of a known mask")
    if node.dtype.kind not in "iu":
        raise IndexError("arrays used as indices must be of integer (or boolean) type")
    return cast(node, INT64)


def _spread_indices(parts: Sequence[Any], given: Sequence[Node | None], shape: tuple[int, ...]) -> list[Node]:
    """Arrays and slices as arrays of one shape. The axes of the arrays come where the first of them is, or, if there are
    slices between them, in front."""
    arrays = [k for k, node in enumerate(given) if node is not None]
    leading = broadcast([node for node in given if node is not None])
    if arrays == list(range(len(arrays))) and all(part == slice(None) for part in parts[len(arrays) :]):
        return list(leading)
    common = iter(leading)
    nodes = [None if node is None else next(common) for node in given]
    own = next(node.shape for node in nodes if node is not None)
    steps = {
        k: np.arange(n)[part] for k, (n, part, node) in enumerate(zip(shape, parts, nodes, strict=True)) if node is None
    }
    is_together = arrays[-1] - arrays[0] == len(arrays) - 1
    before = [k for k in range(arrays[0]) if is_together]
    after = [k for k in steps if k not in before]
    axes = [*before, *(None for _ in own), *after]
    whole = (*(len(steps[k]) for k in before), *own, *(len(steps[k]) for k in after))
    found = []
    for k, node in enumerate(nodes):
        behind = len(after) if node is not None else len(axes) - axes.index(k) - 1
        places = constant(steps[k]) if node is None else node
        found.append(spread(reshape_to(places, (*places.shape, *(1,) * behind)), whole))
    return found


METHODS: Mapping[str, Callable[..., Any]] = {
    "__call__": call,
    "reduce": _reduce,
    "accumulate": _accumulate,
    "reduceat": _reduceat,
    "outer": _outer,
    "at": _at,
}

# -- running sums and products -----------------------------------------------------------------------------------------


def _running(ufunc: np.ufunc) -> Callable[..., Any]:
    """np.cumsum and np.cumprod."""

    def handler(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        node = node_of(a)
        if axis is None or not node.shape:
            if axis is not None:
                normalize_axis_index(axis, 1)
            node, axis = reshape_to(node, (node.aval.size,)), 0
        return _accumulate(ufunc, (result(node),), axis=axis, dtype=dtype, out=out)

    return handler


def _running_without_nan(ufunc: np.ufunc) -> Callable[..., Any]:
    """np.nancumsum and np.nancumprod: a NaN changes nothing."""

    def handler(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        node = node_of(a)
        if node.dtype.kind in "fc":
            node = ew.where(ew.isnan(node), like(node, ufunc.identity), node)
        return _running(ufunc)(result(node), axis, dtype, out)

    return handler


def _running_from(ufunc: np.ufunc) -> Callable[..., Any]:
    """np.cumulative_sum and np.cumulative_prod."""

    def handler(
        x: Any, /, *, axis: Any = None, dtype: Any = None, out: Any = None, include_initial: bool = False
    ) -> Any:
        node = node_of(x)
        if not node.shape:
            node = reshape_to(node, (1,))
        if axis is None:
            if node.aval.ndim > 1:
                raise ValueError("For arrays which have more than one dimension ``axis`` argument is required.")
            axis = 0
        done = _accumulate(ufunc, (result(node),), axis=axis, dtype=dtype, out=None if include_initial else out)
        if not include_initial:
            return done
        k = normalize_axis_index(axis, node.aval.ndim)
        shape = (*node.shape[:k], 1, *node.shape[k + 1 :])
        joined = concatenate(fill(ufunc.identity, shape, done.dtype), done.node, axis=k)
        return result(joined) if out is None else write(out, joined)

    return handler


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.cumsum: _running(np.add),
    np.cumprod: _running(np.multiply),
    np.nancumsum: _running_without_nan(np.add),
    np.nancumprod: _running_without_nan(np.multiply),
    np.cumulative_sum: _running_from(np.add),
    np.cumulative_prod: _running_from(np.multiply),
}
