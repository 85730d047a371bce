"""What rules ask of nodes: the number that a node is everywhere, the views that lead to it, the reduction it repeats.
Nodes come in, answers go out; nothing here rewrites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracegraph.ir import Node, Op
from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ops.broadcast import broadcast_to, keep_axes
from tracegraph.ops.leaf import is_literal
from tracegraph.ops.shape import reshape, transpose

__all__ = ["bits", "is_number", "number", "repeated_reduction", "swaps_last", "under_views", "unview"]

VIEWS = frozenset({broadcast_to, reshape, transpose})


def number(node: Node) -> Any:
    """The NumPy scalar that the node is everywhere and always, or None."""
    if node.op is broadcast_to:
        node = node.inputs[0]
    if is_literal(node):
        return node.params["value"][()]
    return None


def is_number(node: Node, value: float) -> bool:
    """Whether the node is this number everywhere. Zero is of either sign."""
    found = number(node)
    return found is not None and bool(found == value)


def bits(dtype: np.dtype, value: float) -> bytes:
    """A number as its bytes, which tell 0.0 from -0.0; integers wrap, so -1 has all bits set."""
    if dtype.kind in "fc":
        return np.asarray(value, dtype).tobytes()
    return np.asarray(value, np.int64).astype(dtype).tobytes()


def unview(node: Node, views: frozenset[Op] = VIEWS) -> tuple[Node, list[Node]]:
    """The node that is seen through views, and these, the outermost first."""
    path = []
    while node.op in views:
        path.append(node)
        node = node.inputs[0]
    return node, path


def under_views(node: Node, path: Sequence[Node]) -> Node:
    """The node seen through the views of a path from `unview`."""
    for view in reversed(path):
        node = view.with_inputs((node,))
    return node


def swaps_last(node: Node) -> bool:
    """Whether matrices are transposed."""
    n = node.aval.ndim
    return node.op is transpose and node.params["axes"] == (*range(n - 2), n - 1, n - 2)


def repeated_reduction(node: Node, op: Op, source: Node) -> Node | None:
    """The reduction of ``source`` that the node repeats along the axes that it was reduced over, as ``keepdims`` does.

    Whichever views lead there, they must put each element where it belongs; strides tell.
    """
    core, path = unview(node)
    whole = source.shape
    if core.op is not op or core.inputs[0] is not source or node.shape != whole or 0 in whole:
        return None
    _, wanted = unview(keep_axes(core, whole, core.params["axes"]))
    return core if _strides(core, path) == _strides(core, wanted) else None


def _strides(core: Node, path: Sequence[Node]) -> tuple[int, ...] | None:
    """How far one moves in ``core`` along each axis of what is seen through views; None where no strides say it."""
    layout: Layout | None = contiguous(core.shape)
    for view in reversed(path):
        if layout is not None:
            layout = layout.view(view.op.name, view.params)
    if layout is None:
        return None
    return tuple(stride for n, stride in zip(layout.shape, layout.strides, strict=True) if n != 1)
