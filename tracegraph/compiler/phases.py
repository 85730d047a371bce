"""Operations that have kernels with a text of their own: an operation and how it reads its operands come in, the phases
that do it go out. Which text and how many tasks depends on sizes only, so that results do not depend on threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tracegraph.compiler.kernel import PhaseKernel
from tracegraph.compiler.materialise import Access
from tracegraph.compiler.schedule import MOST_PIECES, PIECE_NANOSECONDS
from tracegraph.ir import Node, aval_of
from tracegraph.ops.leaf import input_node

__all__ = ["phases"]

Phases = tuple[PhaseKernel, ...]
Place = tuple[Node, int]


def phases(node: Node, operands: Sequence[Access]) -> Phases:
    """The phases of an operation, first to last."""
    return _PHASES[node.op.name](node, [_place(operand) for operand in operands])


def _place(operand: Access) -> Place:
    """Where an operand begins; its elements lie one after another."""
    layout = operand.layout()
    assert layout is not None, "an operand that strides cannot express was copied"
    return operand.base, layout.offset


def _step(extent: int, nanoseconds: float) -> int:
    """How much of an extent makes a task."""
    pieces = int(min(MOST_PIECES, max(1.0, nanoseconds // PIECE_NANOSECONDS), max(extent, 1)))
    return max(1, -(-extent // pieces))


def _scratch(size: int, dtype: str, node: Node) -> Node:
    """Memory that phases share."""
    return input_node(aval_of((size,), np.dtype(dtype)), node.where)


def _lines(node: Node) -> tuple[int, int, int]:
    """How many arrays there are before an axis, its length, and how many elements behind it."""
    axis, shape = node.params["axis"], node.shape
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


# -- running results ---------------------------------------------------------------------------------------------------

#: Columns that are carried together.
STRIP = 512
#: What an element costs that waits for the one before, and one of several rows that are carried side by side.
CARRIED, SIDE_BY_SIDE = 1.4, 0.5
#: Long rows, where there are less than so many, are carried in blocks of so many elements.
FEW_ROWS, BLOCK, LEAST_BLOCKS = 8, 4096, 16
#: What accumulates over a block, and what that starts from, by ufunc. Kernels reorder these.
ACCUMULATED = {
    "add": "accumulate_add",
    "multiply": "accumulate_mul",
    "maximum": "accumulate_max",
    "minimum": "accumulate_min",
}


def _scan(node: Node, places: Sequence[Place]) -> Phases:
    outer, n, inner = _lines(node)
    if not node.aval.size:
        return ()
    is_recurrence = node.op.name == "recurrence"
    reads, buffers = tuple(base for base, _ in places), (*places, (node, 0))
    ufunc = node.params.get("ufunc")
    words = (("ufunc", ufunc),) if ufunc else ()
    if inner > 1:
        strips = -(-inner // STRIP)
        after = f"{ufunc}(total, load(x, i))" if ufunc else "add(multiply(load(factors, i), total), load(x, i))"
        cost = SIDE_BY_SIDE * node.aval.size
        text, extent, numbers = "columns", outer * strips, (n, inner, strips, STRIP)
        words = (("next", after),)
    elif _is_cut(node, outer, n):
        return _blocks(node, places[0], outer, n)
    else:
        cost = (CARRIED if is_recurrence or outer < 4 else SIDE_BY_SIDE) * node.aval.size
        text, extent, numbers = "rows", outer, (n,)
    text = f"recurrence_{text}" if is_recurrence else text
    return (PhaseKernel(node, text, buffers, numbers, reads, (node,), extent, _step(extent, cost), cost, words),)


def _is_cut(node: Node, rows: int, n: int) -> bool:
    """Whether rows are too few and long enough to be carried in blocks."""
    is_known = node.params.get("ufunc") in ACCUMULATED and node.dtype.kind != "b"
    return is_known and rows < FEW_ROWS and n >= LEAST_BLOCKS * BLOCK


def _blocks(node: Node, x: Place, rows: int, n: int) -> Phases:
    ufunc, blocks = node.params["ufunc"], -(-n // BLOCK)
    sums = _scratch(rows * blocks, str(node.dtype), node)
    numbers, extent = (n, blocks, BLOCK), rows * blocks
    first, second = 0.3 * node.aval.size, SIDE_BY_SIDE * node.aval.size
    step = max(4, -(-_step(extent, second) // 4) * 4)
    words = (("accumulate", ACCUMULATED[ufunc]), ("ufunc", ufunc), *_carried_words(node))
    buffers = (x, (sums, 0))
    return (
        PhaseKernel(
            node, "block_sums", buffers, numbers, (x[0],), (sums,), extent, _step(extent, first), first, words
        ),
        PhaseKernel(
            node, "blocks", (x, (node, 0), (sums, 0)), numbers, (x[0], sums), (node,), extent, step, second, words
        ),
    )  # fmt: skip


def _carried_words(node: Node) -> tuple[tuple[str, str], ...]:
    """What a running result starts from, and how it is told that it cannot be taken up in the middle of a row."""
    ufunc, dtype = node.params["ufunc"], str(node.dtype)
    if node.dtype.kind == "f":
        neutral = {"add": "-0.0", "multiply": "1.0", "maximum": "-inf", "minimum": "inf"}[ufunc]
        sums = "load(sums, k)"
        is_fine = {
            "add": f"isfinite({sums})",
            "multiply": f"logical_and(absolute({sums}) > {dtype}(1e-15), absolute({sums}) < {dtype}(1e15))",
        }.get(ufunc)
    else:
        info = np.iinfo(node.dtype)
        neutral = str({"add": 0, "multiply": 1, "maximum": info.min, "minimum": info.max}[ufunc])
        is_fine = None
    is_bad = "int64(0)" if is_fine is None else f"where({is_fine}, int64(0), int64(1))"
    return ("neutral", f"{dtype}({neutral})"), ("is_bad", is_bad)


_PHASES: Mapping[str, Callable[[Node, Sequence[Place]], Phases]] = {"cumulate": _scan, "recurrence": _scan}
