"""What NumPy's ufuncs do besides being called: running results, reductions by any ufunc, reductions over segments, and
updates at indices that may repeat. They take the ufunc by its name.

A running result is differentiated as the recurrence that it is, through the ufunc's own derivative; that needs one more
row, `recurrence`, the linear case, which is its own adjoint backward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from tracegraph.errors import UnsupportedError
from tracegraph.ir import Aval, Node, Op
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import broadcast_to, expand_leading, fill, reduce_sum, zeros_like
from tracegraph.ops.elementwise import convert, divide, equal, like, multiply, negative, where
from tracegraph.ops.gather import add_at, gather_at
from tracegraph.ops.leaf import iota
from tracegraph.ops.region import concatenate, slice_, update
from tracegraph.ops.rules import Params, batch_all, each
from tracegraph.ops.shape import reshape, reshape_to

__all__ = [
    "OPS", "along", "cumulate", "flip", "is_closed", "recurrence", "reduce_ufunc", "reduceat", "scatter_at",
    "spread_segments",
]  # fmt: skip

INT64 = np.dtype(np.int64)
_ROWS = {op.name: op for op in ew.OPS}


@cache
def is_closed(ufunc: str, dtype: np.dtype) -> bool:
    """Whether the ufunc makes one element of a dtype out of two."""
    function = getattr(np, ufunc)
    try:
        return bool(set(function.resolve_dtypes((dtype, dtype, None))) == {dtype})
    except TypeError:
        return False


def _check_closed(name: str, ufunc: str, dtype: np.dtype) -> None:
    if not is_closed(ufunc, dtype):
        raise TypeError(f"{name} does not take {dtype}")


def _check_axis(name: str, x: Aval, axis: int) -> None:
    if not 0 <= axis < x.ndim:
        raise ValueError(f"{name}: bad axis {axis} for an array of rank {x.ndim}")


# -- parts along one axis ----------------------------------------------------------------------------------------------


def along(x: Node, axis: int, start: int, size: int, step: int = 1) -> Node:
    """Some elements along one axis, and all along the others."""
    starts, steps, sizes = [0] * x.aval.ndim, [1] * x.aval.ndim, list(x.shape)
    starts[axis], steps[axis], sizes[axis] = start, step, size
    return slice_(x, starts=tuple(starts), steps=tuple(steps), sizes=tuple(sizes))


def flip(x: Node, axis: int) -> Node:
    n = x.shape[axis]
    return along(x, axis, n - 1, n, -1) if n > 1 else x


def _head(x: Node, axis: int) -> Node:
    return along(x, axis, 0, x.shape[axis] - 1)


def _tail(x: Node, axis: int) -> Node:
    return along(x, axis, 1, x.shape[axis] - 1)


# -- running results ---------------------------------------------------------------------------------------------------


def _cumulate_rule(x: Aval, *, ufunc: str, axis: int) -> Aval:
    _check_closed("cumulate", ufunc, x.dtype)
    _check_axis("cumulate", x, axis)
    return x


def _cumulate_vjp(ct: Node, out: Node, x: Node) -> Node:
    axis, ufunc = out.params["axis"], out.params["ufunc"]
    if ufunc == "add":
        return flip(cumulate(flip(ct, axis), ufunc="add", axis=axis), axis)
    if x.shape[axis] < 2:
        return ct
    before, element = _partials(ufunc, _head(out, axis), _tail(x, axis), _tail(out, axis))
    total = _backward(before, ct, axis)
    return concatenate(along(total, axis, 0, 1), multiply(_tail(total, axis), element), axis=axis)


def _partials(ufunc: str, before: Node, x: Node, out: Node) -> tuple[Node, Node]:
    """The derivatives of ``out = ufunc(before, x)``; an extreme's goes to the first element that attained it."""
    if ufunc in _IS_NEW:
        chosen = convert(_IS_NEW[ufunc](before, x), dtype=x.dtype)
        return ew.subtract(like(x, 1), chosen), chosen
    if ufunc in ("logaddexp", "logaddexp2"):
        power = ew.exp if ufunc == "logaddexp" else ew.exp2
        return power(ew.subtract(before, out)), power(ew.subtract(x, out))
    if ufunc == "floor_divide":
        return zeros_like(x), zeros_like(x)
    if ufunc == "heaviside":
        return zeros_like(x), convert(equal(before, zeros_like(x)), dtype=x.dtype)
    row = _ROWS.get({"float_power": "power"}.get(ufunc, ufunc))
    if row is None or row.vjp is None:
        raise UnsupportedError(f"np.{ufunc}.accumulate has no derivative here; write its steps as a loop")
    node = row(before, x)
    parts = [row.vjp(like(x, 1), node, i) for i in range(2)]
    first, second = (zeros_like(x) if part is None else part for part in parts)
    return first, second


#: Whether an element is the new extreme.
_IS_NEW: dict[str, Callable[[Node, Node], Node]] = {
    "maximum": lambda before, x: ew.greater(x, before),
    "minimum": lambda before, x: ew.less(x, before),
    "fmax": lambda before, x: ew.logical_or(ew.greater(x, before), ew.not_equal(before, before)),
    "fmin": lambda before, x: ew.logical_or(ew.less(x, before), ew.not_equal(before, before)),
}


def _backward(factors: Node, ct: Node, axis: int) -> Node:
    """Every element's cotangent with what comes from the elements behind it: ``g[k] = ct[k] + factors[k] g[k + 1]``."""
    first = zeros_like(along(ct, axis, 0, 1))
    factors = concatenate(first, flip(factors, axis), axis=axis)
    return flip(recurrence(factors, flip(ct, axis), axis=axis), axis)


#: ``out[k] = ufunc(out[k - 1], x[k])`` along an axis.
cumulate: Op = Op(
    "cumulate",
    rule=_cumulate_rule,
    reference=lambda x, *, ufunc, axis: getattr(np, ufunc).accumulate(x, axis=axis, dtype=x.dtype),
    vjp=each(_cumulate_vjp),
    batch=lambda inputs, axes, params: cumulate(*inputs, ufunc=params["ufunc"], axis=params["axis"] + 1),
)


def _recurrence_rule(a: Aval, b: Aval, *, axis: int) -> Aval:
    if a.dtype.kind not in "fc":
        raise TypeError(f"recurrence does not take {a.dtype}")
    if a != b:
        raise TypeError(f"recurrence: operands of a strict operation differ: {a!r}, {b!r}")
    _check_axis("recurrence", a, axis)
    return a


def _recurrence_reference(a: np.ndarray, b: np.ndarray, *, axis: int) -> np.ndarray:
    out = np.array(b)
    factors, values = np.moveaxis(a, axis, 0), np.moveaxis(out, axis, 0)
    for k in range(1, len(values)):
        values[k] += factors[k] * values[k - 1]
    return out


def _recurrence_vjp(ct: Node, out: Node, i: int) -> Node:
    axis = out.params["axis"]
    if out.shape[axis] < 2:
        return ct if i else zeros_like(ct)
    total = _backward(_tail(out.inputs[0], axis), ct, axis)
    if i:
        return total
    part = multiply(_tail(total, axis), _head(out, axis))
    return concatenate(zeros_like(along(ct, axis, 0, 1)), part, axis=axis)


#: ``out[k] = a[k] out[k - 1] + b[k]`` along an axis; ``out[0] = b[0]``.
recurrence: Op = Op(
    "recurrence",
    rule=_recurrence_rule,
    reference=_recurrence_reference,
    vjp=_recurrence_vjp,
    batch=lambda inputs, axes, params: recurrence(
        *batch_all(recurrence, inputs, axes, expand_leading), axis=params["axis"] + 1
    ),
)

# -- reductions by any ufunc -------------------------------------------------------------------------------------------


def _reduce_ufunc_rule(x: Aval, *, ufunc: str, axis: int) -> Aval:
    _check_closed("reduce_ufunc", ufunc, x.dtype)
    _check_axis("reduce_ufunc", x, axis)
    if x.shape[axis] == 0 and getattr(np, ufunc).identity is None:
        raise ValueError(f"zero-size array to reduction operation {ufunc} which has no identity")
    return Aval((*x.shape[:axis], *x.shape[axis + 1 :]), x.dtype)


def _reduce_ufunc_vjp(ct: Node, out: Node, x: Node) -> Node:
    """That of the last running result, which begins with the identity."""
    axis, ufunc = out.params["axis"], out.params["ufunc"]
    identity = getattr(np, ufunc).identity
    lead = fill(identity or 0, (*x.shape[:axis], 1, *x.shape[axis + 1 :]), x.dtype)
    begun = concatenate(lead, x, axis=axis) if identity is not None else x
    starts = tuple(n - 1 if k == axis else 0 for k, n in enumerate(begun.shape))
    last = update(zeros_like(begun), reshape(ct, shape=lead.shape), starts=starts, steps=(1,) * x.aval.ndim)
    part = _cumulate_vjp(last, cumulate(begun, ufunc=ufunc, axis=axis), begun)
    return part if identity is None else _tail(part, axis)


#: The reduction by a ufunc along one axis, which the result loses: for the ufuncs that are no family of their own.
reduce_ufunc: Op = Op(
    "reduce_ufunc",
    rule=_reduce_ufunc_rule,
    reference=lambda x, *, ufunc, axis: np.asarray(getattr(np, ufunc).reduce(x, axis=axis, dtype=x.dtype)),
    vjp=each(_reduce_ufunc_vjp),
    batch=lambda inputs, axes, params: reduce_ufunc(*inputs, ufunc=params["ufunc"], axis=params["axis"] + 1),
)

# -- segments ----------------------------------------------------------------------------------------------------------
# The indices may have leading axes, which are then leading axes of the array too.


def _check_segments(name: str, x: Aval, indices: Aval, axis: int) -> None:
    _check_axis(name, x, axis)
    lead = indices.ndim - 1
    if indices.dtype != INT64 or not 0 <= lead <= axis or indices.shape[:lead] != x.shape[:lead]:
        raise TypeError(f"{name}: the indices into {x} along axis {axis} are {indices}")


def _with_extent(x: Aval, axis: int, extent: int) -> Aval:
    return Aval((*x.shape[:axis], extent, *x.shape[axis + 1 :]), x.dtype)


def _reduceat_rule(x: Aval, indices: Aval, *, ufunc: str, axis: int) -> Aval:
    _check_closed("reduceat", ufunc, x.dtype)
    _check_segments("reduceat", x, indices, axis)
    return _with_extent(x, axis, indices.shape[-1])


def _spread_rule(x: Aval, indices: Aval, *, length: int, axis: int) -> Aval:
    if x.dtype.kind not in "fc":
        raise TypeError(f"spread_segments does not take {x.dtype}")
    _check_segments("spread_segments", x, indices, axis)
    return _with_extent(x, axis, length)


def _for_each_lead(
    one: Callable[..., np.ndarray], x: np.ndarray, indices: np.ndarray, extent: int, axis: int
) -> np.ndarray:
    """A function of an array and a vector of indices, for every place in the leading axes of the indices."""
    out = np.empty((*x.shape[:axis], extent, *x.shape[axis + 1 :]), x.dtype)
    for place in np.ndindex(indices.shape[:-1]):
        out[place] = one(x[place], indices[place], axis - len(place))
    return out


def _reduceat_reference(x: np.ndarray, indices: np.ndarray, *, ufunc: str, axis: int) -> np.ndarray:
    def one(x: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
        return np.asarray(getattr(np, ufunc).reduceat(x, indices, axis=axis, dtype=x.dtype))

    return _for_each_lead(one, x, indices, indices.shape[-1], axis)


def _spread_reference(x: np.ndarray, indices: np.ndarray, *, length: int, axis: int) -> np.ndarray:
    def one(x: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
        out = np.zeros((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype)
        to, values = np.moveaxis(out, axis, 0), np.moveaxis(x, axis, 0)
        for value, start, stop in zip(values, indices, [*indices[1:], length], strict=True):
            to[start : max(stop, start + 1)] += value
        return out

    return _for_each_lead(one, x, indices, length, axis)


def _reduceat_vjp(ct: Node, out: Node, i: int) -> Node | None:
    if i:
        return None
    ufunc, axis = out.params["ufunc"], out.params["axis"]
    x, indices = out.inputs
    if ufunc == "add":
        return spread_segments(ct, indices, length=x.shape[axis], axis=axis)
    if ufunc in _IS_NEW:
        return _extreme_of_segments(ct, out, x, indices)
    raise UnsupportedError(
        f"np.{ufunc}.reduceat has no derivative here; write np.{ufunc}.reduce of each segment, which has one"
    )


def _extreme_of_segments(ct: Node, out: Node, x: Node, indices: Node) -> Node:
    """Shares the cotangent of each segment among the elements that attain its extreme; segments may overlap."""
    axis, n, m = out.params["axis"], x.shape[out.params["axis"]], out.shape[out.params["axis"]]
    lead = indices.aval.ndim - 1
    shape = (*out.shape[:axis], m, n, *out.shape[axis + 1 :])

    def placed(node: Node, *own: int) -> Node:
        """An array over the axes ``own`` of the common shape, repeated along the others."""
        return broadcast_to(reshape_to(node, tuple(e if k in own else 1 for k, e in enumerate(shape))), shape=shape)

    every = tuple(range(len(shape)))
    of_out, of_x = ([k for k in every if k != axis + more] for more in (1, 0))
    start = placed(indices, *range(lead), axis)
    after = concatenate(
        along(indices, lead, 1, m - 1), fill(n, (*indices.shape[:-1], 1), INT64), axis=lead
    ) if m else indices  # fmt: skip
    place = placed(iota(length=n, dtype=INT64), axis + 1)
    stop = ew.maximum(placed(after, *range(lead), axis), ew.add(start, like(start, 1)))
    inside = ew.logical_and(ew.greater_equal(place, start), ew.less(place, stop))
    attained = ew.logical_and(inside, equal(placed(out, *of_out), placed(x, *of_x)))
    count = reduce_sum(convert(attained, dtype=x.dtype), axes=(axis + 1,))
    share = placed(divide(ct, count), *of_out)
    return reduce_sum(where(attained, share, zeros_like(share)), axes=(axis,))


def _batch_segments(inputs: Sequence[Node], axes: Sequence[bool], params: Params, op: Op) -> Node:
    x, indices = inputs
    if axes[1] or indices.aval.ndim > 1:
        x, indices = batch_all(op, inputs, axes, expand_leading)
    return op(x, indices, **{**params, "axis": params["axis"] + 1})


#: ``ufunc.reduceat``.
reduceat: Op = Op(
    "reduceat",
    rule=_reduceat_rule,
    reference=_reduceat_reference,
    vjp=_reduceat_vjp,
    batch=lambda inputs, axes, params: _batch_segments(inputs, axes, params, reduceat),
)
#: Gives each element of a segment the segment's value; where segments overlap, their sum. The adjoint of a sum over each.
spread_segments: Op = Op(
    "spread_segments",
    rule=_spread_rule,
    reference=_spread_reference,
    vjp=each(lambda ct, out, x, indices: reduceat(ct, indices, ufunc="add", axis=out.params["axis"]), None),
    batch=lambda inputs, axes, params: _batch_segments(inputs, axes, params, spread_segments),
)

# -- updates at indices ------------------------------------------------------------------------------------------------
# One array of indices for each of the first axes, all of one shape.


def _check_indices(name: str, x: Aval, indices: Sequence[Aval]) -> None:
    first = indices[0] if indices else None
    if first is None or len(indices) > x.ndim or any(each != Aval(first.shape, INT64) for each in indices):
        raise TypeError(f"{name}: the indices into {x} are {', '.join(map(repr, indices))}")


def _scatter_rule(x: Aval, v: Aval, *indices: Aval, ufunc: str) -> Aval:
    _check_closed("scatter_at", ufunc, v.dtype)
    _check_indices("scatter_at", x, indices)
    if v.shape != (*indices[0].shape, *x.shape[len(indices) :]):
        raise TypeError(f"scatter_at: {v} into {x} at {indices[0]}")
    return x


def _scatter_reference(x: np.ndarray, v: np.ndarray, *indices: np.ndarray, ufunc: str) -> np.ndarray:
    out = np.array(x)
    getattr(np, ufunc).at(out, indices, v)
    return out


def _scatter_vjp(ct: Node, out: Node, i: int) -> Node | None:
    x, v, *indices = out.inputs
    ufunc = out.params["ufunc"]
    if i > 1:
        return None
    if ufunc in ("add", "subtract"):
        if i == 0:
            return ct
        given = convert(gather_at(ct, *indices), dtype=v.dtype)
        return given if ufunc == "add" else negative(given)
    if ufunc in _IS_NEW:
        return _scatter_extreme(ct, out, x, v, indices)[i]
    raise UnsupportedError(
        f"np.{ufunc}.at has no derivative here, as indices may repeat; if they do not, write x[i] = np.{ufunc}(x[i], y)"
    )


def _scatter_extreme(ct: Node, out: Node, x: Node, v: Node, indices: Sequence[Node]) -> tuple[Node, Node]:
    """In equal parts to what attains the extreme."""
    kept, given = equal(x, out), equal(v, convert(gather_at(out, *indices), dtype=v.dtype))
    count = add_at(convert(kept, dtype=x.dtype), convert(given, dtype=x.dtype), *indices)
    share = divide(ct, count)
    part = convert(gather_at(share, *indices), dtype=v.dtype)
    return where(kept, share, zeros_like(share)), where(given, part, zeros_like(v))


def _batch_at(inputs: Sequence[Node], axes: Sequence[bool], params: Params, op: Op, given: int) -> Node:
    """The place in the batch is one more index in front."""
    values = batch_all(op, inputs, axes, expand_leading)
    size, shape = values[0].shape[0], values[given].shape
    column = reshape_to(iota(length=size, dtype=INT64), (size, *(1,) * (len(shape) - 1)))
    place = broadcast_to(column, shape=shape) if column.shape != shape else column
    return op(*values[:given], place, *values[given:], **params)


#: ``ufunc.at(x, indices, v)`` on a copy of x. Every step is rounded to x's dtype, which may be another than v's.
scatter_at: Op = Op(
    "scatter_at",
    rule=_scatter_rule,
    reference=_scatter_reference,
    vjp=_scatter_vjp,
    batch=lambda inputs, axes, params: _batch_at(inputs, axes, params, scatter_at, 2),
)

OPS: Sequence[Op] = (cumulate, recurrence, reduce_ufunc, reduceat, spread_segments, scatter_at)
