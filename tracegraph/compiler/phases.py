"""Operations that have kernels with a text of their own: an operation and how it reads its operands come in, the phases
that do it go out. Which text and how many tasks depends on sizes only, so that results do not depend on threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tracegraph.compiler.kernel import PhaseKernel
from tracegraph.compiler.materialise import Access
from tracegraph.compiler.schedule import MOST_PIECES, PIECE_NANOSECONDS
from tracegraph.ir import Node, aval_of
from tracegraph.ops.leaf import input_node, is_literal

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
    if inner == 1 and _is_cut(node, outer, n):
        return _blocks(node, places[0], outer, n)
    if inner == 1:
        cost = (CARRIED if is_recurrence or outer < 4 else SIDE_BY_SIDE) * node.aval.size
        text, extent, numbers = "rows", outer, [n]
    else:
        strips = -(-inner // STRIP)
        cost = SIDE_BY_SIDE * node.aval.size
        text, extent, numbers = "columns", outer * strips, [n, inner, strips, STRIP]
    after = f"{ufunc}(total, load(x, i))" if ufunc else "add(multiply(load(factors, i), total), load(x, i))"
    words = ("ufunc", ufunc or ""), ("next", after)
    text, step = f"recurrence_{text}" if is_recurrence else text, _step(extent, cost)
    return (PhaseKernel(node, text, buffers, tuple(numbers), reads, (node,), extent, step, cost, words),)


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


# -- sorting -----------------------------------------------------------------------------------------------------------

#: Lines of no more elements than this go through a network, so many side by side, where there are at least so many.
SHORT_LINE, LANES, LEAST_LINES = 32, 64, 16
#: A line of at least so many elements is sorted in pieces, where there are fewer lines than that.
LONG_LINE, PIECES = 2**15, 2
#: What an element costs for each doubling of the length of its line, with and without an index; in a network, for each
#: comparison; when two runs are merged; when something is done in passing.
DOUBLING, INDEXED, COMPARED, MERGED, PASSED = 0.35, 0.5, 0.25, 1.0, 0.5


def _sort(node: Node, places: Sequence[Place]) -> Phases:
    outer, n, inner = _lines(node)
    if not node.aval.size:
        return ()
    lines, name = outer * inner, node.op.name
    if n <= SHORT_LINE and lines >= LEAST_LINES:
        return (_network(node, places[0]),)
    if n >= LONG_LINE and lines < PIECES and inner == 1:
        return (_pieces if name == "sort" else _indexed_pieces)(node, places[0], outer, n)
    doublings = n.bit_length()
    if name == "sort":
        cost = node.aval.size * (PASSED + DOUBLING * doublings)
        step, size = _step(lines, cost), node.dtype.itemsize
        if inner == 1:
            return (_phase(node, "sort_rows", (places[0], (node, 0)), (n, size), lines, step, cost),)
        line = _scratch(-(-lines // step) * n, str(node.dtype), node)
        buffers, numbers = (places[0], (node, 0), (line, 0)), (n, inner, size, step)
        return (_phase(node, "sort_columns", buffers, numbers, lines, step, cost),)
    cost = node.aval.size * (4 * PASSED + INDEXED * doublings)
    step = _step(lines, cost)
    words = _scratch(-(-lines // step) * n, "int64", node)
    buffers, numbers = (places[0], (node, 0), (words, 0)), (n, inner, _bits(n), step)
    return (_phase(node, "argsort_lines", buffers, numbers, lines, step, cost),)


def _bits(n: int) -> int:
    """How many bits an index into a line takes."""
    return max(1, (n - 1).bit_length())


def _phase(
    node: Node,
    text: str,
    buffers: Sequence[Place],
    numbers: tuple[int, ...],
    extent: int,
    step: int,
    cost: float,
    words: Mapping[str, str] = MappingProxyType({}),
    written: int = 1,
) -> PhaseKernel:
    """A phase that reads its first buffers, and writes all that come after ``written``."""
    bases = [base for base, _ in buffers]
    reads, writes = tuple(bases[:written]), tuple(bases[written:])
    found = tuple(words.items())
    return PhaseKernel(node, text, tuple(buffers), numbers, reads, writes, extent, step, cost, found)


def _network(node: Node, x: Place) -> PhaseKernel:
    """Lines side by side: columns as they lie, rows with a gap of their length."""
    outer, n, inner = _lines(node)
    is_rows = inner == 1
    groups, width = (1, outer) if is_rows else (outer, inner)
    along, across, jump = (1, n, 0) if is_rows else (inner, 1, n * inner)
    strips = -(-width // LANES)
    extent, comparisons = groups * strips, n.bit_length() ** 2 / 4
    cost = node.aval.size * (PASSED + COMPARED * comparisons)
    step = _step(extent, cost)
    keys = _scratch(-(-extent // step) * LANES * n * (1 if node.op.name == "sort" else 2), "int64", node)
    numbers = (n, along, across, width, strips, jump, step)
    words = {"lanes": str(LANES), "across": "across" if is_rows else "1"}
    return _phase(node, f"{node.op.name}_network", (x, (node, 0), (keys, 0)), numbers, extent, step, cost, words)


def _pieces(node: Node, x: Place, lines: int, n: int) -> Phases:
    """Pieces that are sorted side by side, then merged two by two."""
    size, itemsize = node.aval.size, node.dtype.itemsize
    width = -(-n // PIECES)
    rounds = (PIECES - 1).bit_length()
    source, target = _scratch(size, str(node.dtype), node), node
    if rounds % 2 == 0:
        source, target = target, source
    cost = size * (PASSED + DOUBLING * width.bit_length())
    first = _phase(node, "sort_pieces", (x, (source, 0)), (n, PIECES, width, itemsize), lines * PIECES, 1, cost)
    return (first, *_merges(node, source, target, n, width, rounds))


def _merges(node: Node, source: Node, target: Node, n: int, width: int, rounds: int) -> Phases:
    """The rounds that merge runs of a width; the last one writes to the target if they are odd in number."""
    text, size = "merge_floats" if source.dtype.kind == "f" else "merge", node.aval.size
    cost = MERGED * size
    found = []
    for k in range(rounds):
        buffers = ((source, 0), (target, 0))
        found.append(_phase(node, text, buffers, (n, width << k), size, _step(size, cost), cost))
        source, target = target, source
    return tuple(found)


def _indexed_pieces(node: Node, x: Place, lines: int, n: int) -> Phases:
    """Words of values and indices, sorted in pieces and merged, from which the indices are taken."""
    size, bits = node.aval.size, _bits(n)
    width, extent = -(-n // PIECES), lines * PIECES
    rounds = (PIECES - 1).bit_length()
    words, spare = (_scratch(size, "int64", node) for _ in range(2))
    ranges = _scratch(2 * extent, "int64", node)
    cost = size * (PASSED + DOUBLING * width.bit_length())
    found = words if rounds % 2 == 0 else spare
    other = spare if found is words else words
    finish = (x, (found, 0), (ranges, 0), (node, 0), (other, 0))
    return (
        _phase(node, "argsort_ranges", (x, (ranges, 0)), (n, PIECES, width), extent, 1, PASSED * size),
        _phase(node, "argsort_pack", (x, (ranges, 0), (words, 0)), (n, PIECES, width, bits), extent, 1, cost, written=2),
        *_merges(node, words, spare, n, width, rounds),
        _phase(
            node, "argsort_finish", finish, (n, PIECES, bits), size, _step(size, MERGED * size), MERGED * size, written=3
        ),
    )  # fmt: skip


# -- searching and counting --------------------------------------------------------------------------------------------

#: Values that are looked up together; what one costs for each doubling of the line, in a cache and out of it.
LOOKED_UP, LOOKUP, FAR_LOOKUP, NEAR = 256, 0.7, 3.0, 2**17
#: What counting one value costs; how many make a piece, and how many pieces there are at most.
COUNTED, PIECE_VALUES, MOST_COUNTERS = 2.0, 2**16, 16


def _search(node: Node, places: Sequence[Place]) -> Phases:
    a, v = node.inputs
    n, m = a.shape[-1], v.shape[-1]
    if not v.aval.size:
        return ()
    strips, rows = -(-m // LOOKED_UP), math.prod(v.shape[:-1])
    cost = v.aval.size * n.bit_length() * (LOOKUP if n <= NEAR else FAR_LOOKUP)
    is_left = node.params["side"] == "left"
    words = {
        "block": str(LOOKED_UP),
        "before": "less" if is_left else "less_equal",
        "of_nan": "count" if is_left else "n",
    }
    text, extent = "search_floats" if a.dtype.kind == "f" else "search", rows * strips
    numbers, step = (n, m, strips), _step(extent, cost)
    return (_phase(node, text, (*places, (node, 0)), numbers, extent, step, cost, words, written=2),)


def _histogram(node: Node, places: Sequence[Place]) -> Phases:
    x, edges, *weights = node.inputs
    bins, size = edges.aval.size - 1, x.aval.size
    pieces = max(1, min(MOST_COUNTERS, size // PIECE_VALUES, size // (4 * max(bins, 1))))
    width = -(-size // pieces)
    counts = _scratch(pieces * (bins + 1), "float64" if weights else "int64", node)
    found = _scratch(pieces * LOOKED_UP, "int64", node)
    is_uniform = node.params["is_uniform"]
    text = "_".join(["histogram", "uniform" if is_uniform else "sought", *["weighted" for _ in weights]])
    cost = size * (COUNTED if is_uniform else COUNTED + LOOKUP * bins.bit_length())
    buffers, words = (*places, (counts, 0), (found, 0)), {"block": str(LOOKED_UP)}
    return (
        _phase(node, text, buffers, (bins, width, size), pieces, 1, cost, words, written=len(places)),
        _total(node, counts, bins, pieces, bins + 1),
    )


def _true_places(node: Node, places: Sequence[Place]) -> Phases:
    (mask,) = places
    n, cost = node.inputs[0].aval.size, 0.3 * node.inputs[0].aval.size
    width = max(LOOKED_UP, _step(n, 5 * cost))
    pieces = -(-n // width)
    counts, found = _scratch(pieces, "int64", node), _scratch(pieces * LOOKED_UP, "int64", node)
    numbers, buffers = (n, width, pieces, node.aval.size), (mask, (counts, 0), (node, 0), (found, 0))
    words = {"block": str(LOOKED_UP)}
    return (
        _phase(node, "true_counts", (mask, (counts, 0)), (n, width), pieces, _step(pieces, cost), cost),
        _phase(node, "true_places", buffers, numbers, pieces, 1, 5 * cost, words, written=2),
    )


def _total(node: Node, counts: Node, bins: int, pieces: int, stride: int) -> PhaseKernel:
    """What was counted in pieces, added up."""
    cost = 0.3 * bins * pieces
    return _phase(node, "total", ((counts, 0), (node, 0)), (pieces, stride), bins, _step(bins, cost), cost)


# -- sums at indices ---------------------------------------------------------------------------------------------------

#: Up to so many places, or where at least two tasks have so many times as many values, a task has all of them for itself; of
#: more, so many make a range that fits in a cache.
OWN_PLACES, OWN_VALUES, RANGE_BITS, MOST_RANGES_BITS = 2**15, 4, 14, 9
#: Values whose indices are looked at together.
IN_BLOCKS = {"block": str(LOOKED_UP)}
#: What it costs to add one value up, and to deal it out; by how many tasks rows are looked for.
ADDED, DEALT, ROW_TASKS = 1.5, 2.0, 4


def _scatter(node: Node, places: Sequence[Place]) -> Phases:
    n, inner = node.shape[0], math.prod(node.shape[1:])
    if not node.aval.size:
        return ()
    if inner > 1:
        return (_scattered_rows(node, places, inner),)
    is_own = n <= OWN_PLACES or 2 * OWN_VALUES * n <= node.inputs[2].aval.size
    return (_own_sums if is_own else _dealt_sums)(node, places)


def _value_words(node: Node, at: str) -> dict[str, str]:
    """Where a value is: a literal is at the same place for all."""
    return {"at": "0" if is_literal(node.inputs[1].base) else at}


def _scattered_rows(node: Node, places: Sequence[Place], inner: int) -> PhaseKernel:
    x, v, indices = places
    n, m = node.shape[0], node.inputs[2].aval.size
    cost = ADDED * m + 0.3 * m * inner
    step = max(1, -(-n // ROW_TASKS)) if cost > PIECE_NANOSECONDS else n
    words = _value_words(node, "i * inner + j")
    return _phase(node, "scatter_rows", (x, indices, v, (node, 0)), (n, m, inner), n, step, cost, words, written=3)


def _cut(m: int, places: int) -> tuple[int, int]:
    """Into how many pieces values are cut, and how long those are."""
    pieces = max(1, min(MOST_COUNTERS, m // PIECE_VALUES, m // (OWN_VALUES * places)))
    return pieces, -(-m // pieces)


def _own_sums(node: Node, places: Sequence[Place]) -> Phases:
    x, v, indices = places
    n, m = node.shape[0], node.inputs[2].aval.size
    pieces, width = _cut(m, n)
    sums, found = _scratch(pieces * n, str(node.dtype), node), _scratch(pieces * LOOKED_UP, "int64", node)
    words, cost = {**_value_words(node, "i"), **IN_BLOCKS}, ADDED * m
    buffers, after = (indices, v, (sums, 0), (found, 0)), 0.3 * n * pieces
    return (
        _phase(node, "scatter_own", buffers, (n, m, width), pieces, 1, cost, words, written=2),
        _phase(node, "scatter_total", (x, (sums, 0), (node, 0)), (n, pieces), n, _step(n, after), after, written=2),
    )


def _dealt_sums(node: Node, places: Sequence[Place]) -> Phases:
    x, v, indices = places
    n, m = node.shape[0], node.inputs[2].aval.size
    shift = max(RANGE_BITS, n.bit_length() - MOST_RANGES_BITS)
    ranges = -(-n // 2**shift)
    pieces, width = _cut(m, ranges)
    counts, ends = (_scratch(pieces * ranges, "int64", node) for _ in range(2))
    found = _scratch(pieces * LOOKED_UP, "int64", node)
    dealt = _scratch(m, "int32" if n < 2**31 else "int64", node)
    is_same = is_literal(node.inputs[1].base)
    values = v if is_same else (_scratch(m, str(node.dtype), node), 0)
    numbers = (n, m, width, shift, ranges)
    deal = _phase(
        node, "scatter_deal" if is_same else "scatter_deal_values",
        (
            indices, *(() if is_same else (v,)), (counts, 0), (ends, 0), (dealt, 0), *(() if is_same else (values,)),
            (found, 0),
        ),
        (*numbers, pieces), pieces, 1, DEALT * m, IN_BLOCKS, written=2 if is_same else 3,
    )  # fmt: skip
    add_up = (x, values, (ends, 0), (dealt, 0), (node, 0))
    words, cost = _value_words(node, "k"), ADDED * m
    return (
        _phase(node, "scatter_count", (indices, (counts, 0), (found, 0)), numbers, pieces, 1, 1.0 * m, IN_BLOCKS),
        deal,
        _phase(
            node, "scatter_gathered", add_up, (n, shift, ranges, pieces), ranges, _step(ranges, cost), cost, words, written=4
        ),
    )  # fmt: skip


_PHASES: Mapping[str, Callable[[Node, Sequence[Place]], Phases]] = {
    "cumulate": _scan, "recurrence": _scan, "sort": _sort, "argsort": _sort,
    "searchsorted": _search, "histogram": _histogram, "scatter_add": _scatter, "nonzero": _true_places
}  # fmt: skip
