"""Sorting and searching along one axis, and picking elements by the indices that came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracegraph.ir import Aval, Node, Op
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.rules import NUMBERS, Ints, Params, batch_all, each
from tracegraph.ops.shape import reshape_to

__all__ = [
    "OPS", "argpartition", "argsort", "lexsort", "partition", "put_along_add", "searchsorted", "sort", "take_along",
]  # fmt: skip

INDEX = np.dtype(np.int64)


def _check_axis(name: str, x: Aval, axis: int) -> None:
    if not 0 <= axis < x.ndim:
        raise ValueError(f"{name}: bad axis {axis} for an array of rank {x.ndim}")


# -- picking along an axis ---------------------------------------------------------------------------------------------


def _check_indices(name: str, x: Aval, indices: Aval, axis: int) -> None:
    _check_axis(name, x, axis)
    if indices.dtype != INDEX:
        raise TypeError(f"{name}: indices are {indices.dtype}, expected {INDEX}")


def _without(shape: Ints, axis: int) -> Ints:
    return shape[:axis] + shape[axis + 1 :]


def _take_rule(x: Aval, indices: Aval, *, axis: int, distinct: bool) -> Aval:
    _check_indices("take_along", x, indices, axis)
    if _without(x.shape, axis) != _without(indices.shape, axis):
        raise ValueError(f"take_along: {indices} out of {x} along axis {axis}")
    return Aval(indices.shape, x.dtype)


def _put_rule(x: Aval, indices: Aval, *, axis: int, length: int, distinct: bool) -> Aval:
    _check_indices("put_along_add", x, indices, axis)
    if x.dtype not in NUMBERS:
        raise TypeError(f"put_along_add does not take {x.dtype}")
    if x.shape != indices.shape:
        raise ValueError(f"put_along_add: {x} at {indices}")
    return Aval((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype)


def _put_reference(x: np.ndarray, indices: np.ndarray, *, axis: int, length: int, distinct: bool) -> np.ndarray:
    result = np.zeros((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype)
    if distinct:
        np.put_along_axis(result, indices, x + 0, axis)  # -0.0 + 0.0 is 0.0
    else:
        places: list[Any] = list(np.indices(x.shape, sparse=True))
        places[axis] = indices
        np.add.at(result, tuple(places), x)
    return result


def _batch_along(op: Callable[..., Node]) -> Any:
    def batch(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
        both = batch_all(take_along, inputs, axes, expand_leading)
        return op(*both, **{**params, "axis": params["axis"] + 1})

    return batch


#: The elements at some indices along an axis; ``distinct``: no index comes twice in a row.
take_along: Op = Op(
    "take_along", rule=_take_rule, batch=_batch_along(lambda *inputs, **params: take_along(*inputs, **params)),
    reference=lambda x, indices, *, axis, distinct: np.take_along_axis(x, indices, axis),
    vjp=each(lambda ct, out, x, i: put_along_add(ct, i, length=x.shape[out.params["axis"]], **out.params), None),
)  # fmt: skip
#: Its adjoint: adds elements up at indices along an axis of a given length.
put_along_add: Op = Op(
    "put_along_add", rule=_put_rule, reference=_put_reference,
    batch=_batch_along(lambda *inputs, **params: put_along_add(*inputs, **params)),
    vjp=each(
        lambda ct, out, x, i: take_along(ct, i, axis=out.params["axis"], distinct=out.params["distinct"]), None
    ),
)  # fmt: skip


# -- sorting -----------------------------------------------------------------------------------------------------------


def _row(name: str, reference: Callable[..., Any], vjp: Any = None) -> Op:
    """A rearrangement along an axis; or, if it has no derivative, the indices that make it."""

    def rule(x: Aval, *, axis: int, **params: Any) -> Aval:
        _check_axis(name, x, axis)
        return x if vjp is not None else Aval(x.shape, INDEX)

    op: Op = Op(
        name, rule=rule, reference=reference, vjp=vjp,
        batch=lambda inputs, axes, params: op(*inputs, **{**params, "axis": params["axis"] + 1}),
    )  # fmt: skip
    return op


def _sort_vjp(ct: Node, out: Node, x: Node) -> Node:
    axis = out.params["axis"]
    return put_along_add(ct, argsort(x, **out.params), axis=axis, length=x.shape[axis], distinct=True)


def _partition_vjp(ct: Node, out: Node, x: Node) -> Node:
    """Which element went where is found by sorting both sides: NumPy does not say it."""
    axis = out.params["axis"]
    there = take_along(ct, argsort(out, axis=axis, kind=None), axis=axis, distinct=True)
    return put_along_add(there, argsort(x, axis=axis, kind=None), axis=axis, length=x.shape[axis], distinct=True)


sort: Op = _row("sort", lambda x, *, axis, kind: np.sort(x, axis, kind), each(_sort_vjp))
argsort: Op = _row("argsort", lambda x, *, axis, kind: np.argsort(x, axis, kind))
partition: Op = _row(
    "partition", lambda x, *, kth, axis: np.partition(x, np.array(kth, int), axis), each(_partition_vjp)
)
argpartition: Op = _row("argpartition", lambda x, *, kth, axis: np.argpartition(x, np.array(kth, int), axis))


def _lexsort_rule(*keys: Aval, axis: int) -> Aval:
    _check_axis("lexsort", keys[0], axis)
    if any(key.shape != keys[0].shape for key in keys):
        raise ValueError("lexsort: all keys need to be the same shape")
    return Aval(keys[0].shape, INDEX)


#: The indices that sort by the last key first, by the one before it where that ties, and so on.
lexsort: Op = Op(
    "lexsort", rule=_lexsort_rule, reference=lambda *keys, axis: np.lexsort(keys, axis),
    batch=lambda inputs, axes, params: lexsort(
        *batch_all(lexsort, inputs, axes, expand_leading), axis=params["axis"] + 1
    ),
)  # fmt: skip


# -- searching ---------------------------------------------------------------------------------------------------------


def _search_rule(a: Aval, v: Aval, *, side: str) -> Aval:
    if a.dtype != v.dtype or a.ndim < 1 or a.ndim != v.ndim or a.shape[:-1] != v.shape[:-1]:
        raise TypeError(f"searchsorted: operands of a strict operation do not fit: {a}, {v}")
    return Aval(v.shape, INDEX)


def _search_reference(a: np.ndarray, v: np.ndarray, *, side: Any) -> np.ndarray:
    result = np.empty(v.shape, INDEX)
    for at in np.ndindex(a.shape[:-1]):
        result[at] = np.searchsorted(a[at], v[at], side)
    return result


def _batch_search(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    """Examples that share one row are all looked up in it at once."""
    a, v = inputs
    if not axes[0] and a.aval.ndim == 1:
        return reshape_to(searchsorted(a, reshape_to(v, (v.aval.size,)), **params), v.shape)
    return searchsorted(*batch_all(searchsorted, inputs, axes, expand_leading), **params)


#: Where each element of a row of v would have to stand in the sorted row of a.
searchsorted: Op = Op("searchsorted", rule=_search_rule, reference=_search_reference, batch=_batch_search)

OPS: Sequence[Op] = (take_along, put_along_add, sort, argsort, partition, argpartition, lexsort, searchsorted)
