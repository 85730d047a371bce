"""NumPy's sorting and searching on placeholders. What NumPy would refuse, it refuses itself, of a small array."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.ir import Node
from tracegraph.ops import sorting
from tracegraph.ops.broadcast import zeros_like
from tracegraph.ops.elementwise import add, less, where
from tracegraph.ops.shape import reshape_to
from tracegraph.tracing.lift import broadcast, cast, common_dtype, has_placeholder, listed, node_of, result
from tracegraph.tracing.placeholder import Placeholder

__all__ = ["FUNCTIONS"]


def _line(a: Any, axis: Any) -> tuple[Node, int]:
    """An operand and its axis; all its elements in one line if the axis is None."""
    node = node_of(a)
    if axis is None:
        return reshape_to(node, (node.aval.size,)), 0
    return node, normalize_axis_index(axis, node.aval.ndim)


def _one_line(node: Node, axis: int) -> Any:
    """An array that is no longer than it must be for NumPy to judge places along an axis."""
    return np.zeros([n if k == axis else min(n, 1) for k, n in enumerate(node.shape)], node.dtype)


def _kind(node: Node, kind: Any, order: Any, stable: Any) -> str | None:
    np.empty(0, node.dtype).sort(kind=kind, order=order, stable=stable)
    return "stable" if stable else kind


def _at_least_1d(a: Any, axis: Any) -> tuple[Node, int]:
    """As `_line`; a number counts as a line of one."""
    node = node_of(a)
    return _line(result(node if node.shape else reshape_to(node, (1,))), axis)


def _sorting(op: Callable[..., Node], line: Callable[[Any, Any], tuple[Node, int]]) -> Callable[..., Placeholder]:
    def handler(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Placeholder:
        node, k = line(a, axis)
        return result(op(node, axis=k, kind=_kind(node, kind, order, stable)), is_array=True)

    return handler


def _partitioning(op: Callable[..., Node], line: Callable[[Any, Any], tuple[Node, int]]) -> Callable[..., Placeholder]:
    def handler(a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None) -> Placeholder:
        node, k = line(a, axis)
        kth = [operator.index(each) for each in np.ravel(kth)] if has_placeholder(kth) else kth
        _one_line(node, k).partition(kth, k, kind, order)
        n = node.shape[k]
        places = tuple(sorted({int(each) % n for each in np.ravel(kth)})) if n else ()
        return result(op(node, axis=k, kth=places), is_array=True)

    return handler


def _searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Placeholder:
    np.searchsorted(np.empty(0), 0.0, side)  # type: ignore[call-overload]
    row, wanted = listed(a), v if type(v) in (int, float) else listed(v)
    dtype = common_dtype([row, wanted])
    line, values = node_of(row, dtype), node_of(wanted, dtype)
    if line.aval.ndim != 1:
        raise ValueError(
            "object of too small depth for desired array" if line.aval.ndim < 1 else "object too deep for desired array"
        )
    if sorter is not None:
        line = _in_order(line, node_of(sorter))
    found = sorting.searchsorted(line, reshape_to(values, (values.aval.size,)), side=side)
    return result(reshape_to(found, values.shape))


def _in_order(line: Node, sorter: Node) -> Node:
    if sorter.dtype.kind not in "iu":
        raise TypeError("sorter must only contain integers")
    if sorter.shape != line.shape:
        raise ValueError("sorter.size must equal len(a)")
    indices = cast(sorter, np.dtype(np.int64))
    n = node_of(np.full(line.shape, line.shape[0]))
    indices = where(less(indices, zeros_like(indices)), add(indices, n), indices)
    return sorting.take_along(line, indices, axis=0, distinct=True)


def _lexsort(keys: Any, axis: int = -1) -> Placeholder:
    if isinstance(keys, Placeholder):
        keys = list(keys)
    nodes = [node_of(listed(key)) for key in keys]
    if any(node.shape != nodes[0].shape for node in nodes):
        raise ValueError("all keys need to be the same shape")
    nodes = broadcast(nodes)
    if not nodes[0].shape:
        return result(zeros_like(cast(nodes[0], np.dtype(np.int64))))
    return result(sorting.lexsort(*nodes, axis=normalize_axis_index(axis, nodes[0].aval.ndim)), is_array=True)


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.sort: _sorting(sorting.sort, _line),
    np.argsort: _sorting(sorting.argsort, _at_least_1d),
    np.partition: _partitioning(sorting.partition, _line),
    np.argpartition: _partitioning(sorting.argpartition, _at_least_1d),
    np.searchsorted: _searchsorted,
    np.lexsort: _lexsort,
}
