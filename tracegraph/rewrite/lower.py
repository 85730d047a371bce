"""Operations that native kernels do not have, in terms of those that they do. Only for the final graph: it is larger, but
every part of it fuses, vectorises and splits over threads. Writes that nobody reads go, for it is known now who reads."""

from __future__ import annotations

import functools
import math

import numpy as np

from tracegraph.ir import Node
from tracegraph.ops.broadcast import broadcast_to, fill, keep_axes, reduce_sum
from tracegraph.ops.convolution import conv
from tracegraph.ops.count import interp
from tracegraph.ops.elementwise import (
    add,
    divide,
    equal,
    isnan,
    like,
    logical_and,
    logical_or,
    maximum,
    minimum,
    multiply,
    not_equal,
    subtract,
    where,
)
from tracegraph.ops.gather import gather, gather_at, scatter_add
from tracegraph.ops.leaf import iota
from tracegraph.ops.linalg import cholesky, solve, solve_triangular
from tracegraph.ops.product import matmul, swap_last
from tracegraph.ops.reduce import argmax, argmin, reduce_max, reduce_min
from tracegraph.ops.region import concatenate, slice_, update
from tracegraph.ops.rules import Ints, is_float
from tracegraph.ops.scan import along
from tracegraph.ops.shape import reshape, reshape_to, transpose
from tracegraph.ops.sorting import argsort, lexsort, put_along_add, searchsorted, sort, take_along
from tracegraph.ops.window import correlate, window
from tracegraph.rewrite.engine import Rules, rule
from tracegraph.rewrite.match import swaps_last

__all__ = ["LOWER"]

#: Up to so many weights of a sliding product are written out.
SHORT = 12
#: Up to so many weights of a channel, too.
SMALL = 32
#: Up to so many pieces of a sum of regions.
MOST_PIECES = 8


@rule("arg_reduction", argmax, argmin)
def arg_reduction(node: Node) -> Node | None:
    """``argmax(x) -> reduce_min(where(x == reduce_max(x), iota, n))``; for floats the first NaN wins, as in NumPy.

    Complex numbers, whose order kernels do not have, are left to NumPy."""
    (x,) = node.inputs
    axis = node.params["axis"]
    if x.dtype.kind == "c":
        return None
    extreme = (reduce_max if node.op is argmax else reduce_min)(x, axes=(axis,))
    match = equal(x, keep_axes(extreme, x.shape, (axis,)))
    if is_float(x):
        match = logical_or(match, not_equal(x, x))
    index = iota(length=x.shape[axis], dtype=np.dtype(np.int64))
    along = reshape(index, shape=(x.shape[axis], *(1,) * (x.aval.ndim - axis - 1)))
    places = broadcast_to(along, shape=x.shape)
    return reduce_min(where(match, places, like(places, x.shape[axis])), axes=(axis,))


@rule("whole_matmul", matmul)
def whole_matmul(node: Node) -> Node | None:
    """A product of bools is whether any pair is both; one of integers that has no terms is a sum of nothing."""
    x, y = node.inputs
    *lead, m, k = x.shape
    if is_float(node) or (node.dtype.kind in "iu" and k):
        return None
    n = y.shape[-1]
    is_bool = node.dtype.kind == "b"
    if is_bool and not k:
        return fill(False, node.shape, node.dtype)
    shape = (*lead, m, n, k)
    rows = broadcast_to(reshape(x, shape=(*lead, m, 1, k)), shape=shape)
    columns = broadcast_to(reshape(swap_last(y), shape=(*lead, 1, n, k)), shape=shape)
    combine, reduce = (logical_and, reduce_max) if is_bool else (multiply, reduce_sum)
    return reduce(combine(rows, columns), axes=(len(shape) - 1,))


@rule("shared_matrix", matmul)
def shared_matrix(node: Node) -> Node | None:
    """Many products with one and the same matrix are one product."""
    x, y = node.inputs
    if y.op is not broadcast_to or y.inputs[0].aval.ndim != 2:
        return None
    rows = reshape(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))
    return reshape(matmul(rows, y.inputs[0]), shape=node.shape)


@rule("vector_product", matmul)
def vector_product(node: Node) -> Node | None:
    """A product with a vector is bound by memory: as a sum of products it runs on all cores and fuses with what is around.

    Only for what was written as a vector: a matrix that happens to have one row is a batch of one, which must run on the
    kernels of every other batch.
    """
    x, y = node.inputs
    if node.dtype == np.float16:  # NumPy sums the products of halves in single precision
        return None
    if _is_vector(y, -1):
        shape, row, matrix, axis = x.shape, swap_last(y), x, len(x.shape) - 1
    elif _is_vector(x, -2):
        shape, row, matrix, axis = y.shape, swap_last(x), y, len(y.shape) - 2
    else:
        return None
    total = reduce_sum(multiply(matrix, broadcast_to(row, shape=shape)), axes=(axis,))
    return reshape(total, shape=node.shape)


@rule("outer_product", matmul)
def outer_product(node: Node) -> Node | None:
    """A column times a row is bound by memory as well: ``broadcast_to(x) * broadcast_to(y)``, but for the sign of zeros."""
    x, y = node.inputs
    if not (_is_vector(x, -1) or _is_vector(y, -2)):
        return None
    return multiply(broadcast_to(x, shape=node.shape), broadcast_to(y, shape=node.shape))


@rule("triangular_solve", solve)
def triangular_solve(node: Node) -> Node | None:
    """By a Cholesky factor, or its transpose, equations are solved by substitution."""
    a, b = node.inputs
    is_turned = swaps_last(a)
    factor = a.inputs[0] if is_turned else a
    if factor.op is not cholesky:
        return None
    return solve_triangular(a, b, lower=factor.params["upper"] == is_turned)


@rule("short_window", correlate)
def short_window(node: Node) -> Node | None:
    """A few weights slid over an array are a sum of shifted arrays, which fuses with what is around."""
    x, w = node.inputs
    axis, count = node.aval.ndim - 1, w.shape[-1]
    if count > SHORT or node.dtype.kind == "b":
        return None
    total: Node | None = None
    for k in range(count):
        weight = broadcast_to(along(w, axis, k, 1), shape=node.shape)
        term = multiply(along(x, axis, k, node.shape[-1]), weight)
        total = term if total is None else add(total, term)
    return total


@rule("window_sums", window)
def window_sums(node: Node) -> Node | None:
    """A few elements at a time are that many shifted arrays. More are sums of windows of half of them."""
    (x,), (axis, size, stride) = node.inputs, (node.params[name] for name in ("axis", "size", "stride"))
    if node.dtype == np.float16:
        return None
    if size <= SHORT:
        return functools.reduce(add, [along(x, axis, k, node.shape[axis], stride) for k in range(size)])
    half, length = size // 2, (node.shape[axis] - 1) * stride + size
    halves = window(along(x, axis, 0, length - size + half + half), axis=axis, size=half, stride=1)
    total = add(along(halves, axis, 0, node.shape[axis], stride), along(halves, axis, half, node.shape[axis], stride))
    return total if size == 2 * half else add(total, along(x, axis, size - 1, node.shape[axis], stride))


@rule("depthwise_conv", conv)
def depthwise_conv(node: Node) -> Node | None:
    """A convolution that does not mix channels is a sum of shifted images; its derivative by the weights is as many sums as
    there are of them. Both are bound by memory, and fuse with what is around."""
    x, w = node.inputs
    rank = x.aval.ndim - 3
    if w.shape[1] != 1 or node.dtype == np.float16:
        return None
    stride, dilation = node.params["stride"], node.params["dilation"]
    if x.shape[2] == 1 and math.prod(w.shape[3:]) <= SMALL:
        out = _over_taps(x, w, node, stride, dilation)
    elif x.shape[0] == 1 and math.prod(node.shape[3:]) <= SMALL:
        out = _over_places(x, w, node, stride, dilation)
    else:
        return None
    if node.params["is_transposed"]:
        out = transpose(out, axes=(1, 2, 0, *range(3, 3 + rank)))
    return out


def _over_taps(x: Node, w: Node, node: Node, stride: Ints, dilation: Ints) -> Node:
    """One term for each weight of a channel."""
    places = node.shape[3:]
    shape = (*x.shape[:3], *places)
    total: Node | None = None
    for tap in np.ndindex(*w.shape[3:]):
        starts = (0, 0, 0, *(t * d for t, d in zip(tap, dilation, strict=True)))
        seen = slice_(x, starts=starts, steps=(1, 1, 1, *stride), sizes=shape)
        sizes = (x.shape[1], *(1,) * (len(shape) - 1))
        weight = slice_(w, starts=(0, 0, 0, *tap), steps=(1,) * w.aval.ndim, sizes=sizes)
        weight = broadcast_to(reshape(weight, shape=(*sizes[:1], *sizes[2:])), shape=shape)
        term = multiply(seen, weight)
        total = term if total is None else add(total, term)
    assert total is not None, "there are weights"
    return total


def _over_places(x: Node, w: Node, node: Node, stride: Ints, dilation: Ints) -> Node:
    """One sum for each place of a channel."""
    weights = reshape(w, shape=(1, *w.shape[:1], *w.shape[2:]))
    sums = []
    for place in np.ndindex(*node.shape[3:]):
        starts = (0, 0, 0, *(p * s for p, s in zip(place, stride, strict=True)))
        seen = slice_(x, starts=starts, steps=(1, 1, 1, *dilation), sizes=weights.shape)
        total = reduce_sum(multiply(seen, weights), axes=tuple(range(2, weights.aval.ndim)))
        sums.append(reshape(total, shape=(1, x.shape[1], 1, 1)))
    return reshape(concatenate(*sums, axis=3), shape=(1, x.shape[1], 1, *node.shape[3:]))


def _is_vector(node: Node, axis: int, depth: int = 8) -> bool:
    """Whether an axis of extent 1 (-1 or -2) was only added to make a matrix of a vector, which may be a row or column that
    was picked from a matrix. So it is in what is computed of such element by element."""
    if node.shape[axis] != 1 or depth == 0:
        return False
    if node.op is reshape:
        (source,) = node.inputs
        picked = source.op is slice_ and sum(
            n == 1 != whole for n, whole in zip(source.shape, source.inputs[0].shape, strict=True)
        )
        return source.aval.ndim - picked < node.aval.ndim
    if swaps_last(node):
        return _is_vector(node.inputs[0], -3 - axis, depth - 1)
    if node.op is broadcast_to:
        (source,) = node.inputs
        return source.shape[-2:] == node.shape[-2:] and _is_vector(source, axis, depth - 1)
    return node.op.kind == "elementwise" and any(_is_vector(source, axis, depth - 1) for source in node.inputs)


@rule("update_of_update", update, lone=True)
def update_of_update(node: Node) -> Node | None:
    """Of two writes to one region only the second counts, unless someone reads in between."""
    x, v = node.inputs
    if x.op is not update or x.params != node.params or x.inputs[1].shape != v.shape:
        return None
    return update(x.inputs[0], v, **node.params)


@rule("take_along_as_gather", take_along)
def take_along_as_gather(node: Node) -> Node:
    """Picking along an axis is picking at indices along all of them."""
    x, indices = node.inputs
    places = _places_along(indices, node.params["axis"])
    return gather(x, *places, axes=tuple(range(x.aval.ndim)), distinct=node.params["distinct"])


@rule("put_along_as_scatter", put_along_add)
def put_along_as_scatter(node: Node) -> Node:
    """Its adjoint likewise."""
    x, indices = node.inputs
    places = _places_along(indices, node.params["axis"])
    zero = fill(0, node.shape, node.dtype)
    return scatter_add(zero, x, *places, axes=tuple(range(x.aval.ndim)), distinct=node.params["distinct"])


def _places_along(indices: Node, axis: int) -> list[Node]:
    """For each axis, where in it the elements are."""
    found = []
    for k, n in enumerate(indices.shape):
        if k == axis:
            found.append(indices)
        else:
            column = reshape_to(iota(length=n, dtype=indices.dtype), (n, *(1,) * (indices.aval.ndim - k - 1)))
            found.append(column if column.shape == indices.shape else broadcast_to(column, shape=indices.shape))
    return found


@rule("overlapping_sums", update)
def overlapping_sums(node: Node) -> Node | None:
    """Values added to regions of one value are a concatenation of sums: ``y = zeros; y[:-1] = a; y[1:] += b`` is
    ``[a[:1], a[1:] + b[:-1], b[-1:]]``. So it is written once, and what is added need not exist before."""
    y, total = node.inputs
    if total.op is not add or not node.aval.size:
        return None
    for seen, v in (total.inputs, reversed(total.inputs)):
        if seen.op is slice_ and seen.inputs[0] is y and seen.params == {**node.params, "sizes": v.shape}:
            break
    else:
        return None
    axis = _cut_axis(node)
    pieces = None if axis is None else _pieces(y, axis)
    if axis is None or pieces is None or len(pieces) > MOST_PIECES:
        return None
    first, last = node.params["starts"][axis], node.params["starts"][axis] + v.shape[axis]
    found, start = [], 0
    for piece in pieces:
        stop = start + piece.shape[axis]
        lo, hi = (min(max(edge, start), stop) for edge in (first, last))
        for a, b in ((start, lo), (lo, hi), (hi, stop)):
            if a < b:
                part = _range_of(piece, axis, a - start, b - start)
                is_sum = first <= a and b <= last
                found.append(add(part, _range_of(v, axis, a - first, b - first)) if is_sum else part)
        start = stop
    return concatenate(*found, axis=axis)


def _cut_axis(node: Node) -> int | None:
    """The one axis along which an update writes less than everything, element after element."""
    shape, v = node.shape, node.inputs[1]
    cut = [k for k, n in enumerate(shape) if v.shape[k] != n]
    is_plain = all(step == 1 for step, n in zip(node.params["steps"], v.shape, strict=True) if n > 1)
    return cut[0] if len(cut) == 1 and is_plain else None


def _pieces(y: Node, axis: int) -> list[Node] | None:
    """What lies side by side along an axis: of a concatenation, or of a number with something written into it."""
    if y.op is concatenate and y.params["axis"] == axis:
        return list(y.inputs)
    if y.op is not update or _cut_axis(y) != axis:
        return None
    x, v = y.inputs
    if x.op is not broadcast_to or x.inputs[0].shape:
        return None
    first, n = y.params["starts"][axis], v.shape[axis]
    return [_range_of(x, axis, 0, first), v, _range_of(x, axis, first + n, x.shape[axis])]


def _range_of(x: Node, axis: int, start: int, stop: int) -> Node:
    """A range along an axis."""
    if (start, stop) == (0, x.shape[axis]):
        return x
    sizes = (*x.shape[:axis], stop - start, *x.shape[axis + 1 :])
    if x.op is broadcast_to and not x.inputs[0].shape:
        return broadcast_to(x.inputs[0], shape=sizes)
    starts = tuple(start if k == axis else 0 for k in range(x.aval.ndim))
    return slice_(x, starts=starts, steps=(1,) * x.aval.ndim, sizes=sizes)


@rule("stable_sort", sort)
def stable_sort(node: Node) -> Node | None:
    """The zeros of floats have two signs: a sort that is stable leaves them in their order, as a sort of indices does."""
    (x,) = node.inputs
    if node.dtype not in (np.float32, np.float64) or node.params["kind"] in (None, "quicksort", "heapsort"):
        return None
    order = argsort(x, axis=node.params["axis"], kind="stable")
    return take_along(x, order, axis=node.params["axis"], distinct=True)


@rule("lexsort_key_by_key", lexsort)
def lexsort_key_by_key(node: Node) -> Node | None:
    """A sort by several keys is one after the other by each, the last key last, all of them stable."""
    if any(key.dtype.kind not in "biuf" or key.dtype == np.float16 for key in node.inputs):
        return None
    axis = node.params["axis"]
    first, *others = node.inputs
    order = argsort(first, axis=axis, kind="stable")
    for key in others:
        again = argsort(take_along(key, order, axis=axis, distinct=True), axis=axis, kind="stable")
        order = take_along(order, again, axis=axis, distinct=True)
    return order


@rule("interp_between_points", interp)
def interp_between_points(node: Node) -> Node | None:
    """The line through the two points around each value, as NumPy takes it: from the point before; from the one after where
    that is no number; and where they are equally high, their height. Beyond the ends it is the height of the end."""
    x, xp, fp = node.inputs
    if xp.aval.ndim != 1 or x.dtype != np.float64:
        return None
    if xp.shape == (1,):
        return broadcast_to(reshape(fp, shape=()), shape=x.shape)
    last = xp.shape[0] - 1
    passed = reshape_to(searchsorted(xp, reshape_to(x, (x.aval.size,)), side="right"), x.shape)
    before = minimum(maximum(subtract(passed, like(passed, 1)), like(passed, 0)), like(passed, last - 1))
    after = add(before, like(before, 1))
    left, right, low, high = (gather_at(table, place) for table in (xp, fp) for place in (before, after))
    slope = divide(subtract(high, low), subtract(right, left))
    value = add(multiply(slope, subtract(x, left)), low)
    value = where(isnan(value), add(multiply(slope, subtract(x, right)), high), value)
    is_flat = logical_or(logical_and(isnan(value), equal(low, high)), equal(x, left))
    value = where(logical_or(is_flat, equal(passed, like(passed, 0))), low, value)
    value = where(equal(passed, like(passed, last + 1)), high, value)
    return where(isnan(x), x, value)


LOWER: Rules = (
    arg_reduction, shared_matrix, whole_matmul, outer_product, vector_product, triangular_solve, update_of_update,
    short_window, window_sums, depthwise_conv, overlapping_sums, stable_sort, take_along_as_gather, put_along_as_scatter,
    lexsort_key_by_key, interp_between_points,
)  # fmt: skip
