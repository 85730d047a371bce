"""Views of views, and regions that are all, none or elsewhere: each becomes one view, or goes. No value changes."""

from __future__ import annotations

from tracegraph.ir import Node, Shape
from tracegraph.ops.broadcast import broadcast_to, reduce_sum
from tracegraph.ops.convolution import conv
from tracegraph.ops.elementwise import add, like
from tracegraph.ops.product import matmul, swap_last
from tracegraph.ops.reduce import reduce_max, reduce_min, reduce_prod
from tracegraph.ops.region import concatenate, slice_, update
from tracegraph.ops.rules import Ints, is_float
from tracegraph.ops.shape import inverse, reshape, reshape_to, transpose
from tracegraph.rewrite.engine import Rules, rule
from tracegraph.rewrite.match import swaps_last, unview

__all__ = ["VIEWS"]

#: Writes that a read looks through.
LOOKED_THROUGH = 8

REDUCTIONS = (reduce_sum, reduce_prod, reduce_max, reduce_min)


# -- reshape, transpose, broadcast -------------------------------------------------------------------------------------


@rule("same_shape", reshape, broadcast_to)
def same_shape(node: Node) -> Node | None:
    """A view to the shape that it has already."""
    (x,) = node.inputs
    return x if x.shape == node.shape else None


@rule("same_order", transpose)
def same_order(node: Node) -> Node | None:
    """A transpose that moves no axis."""
    axes = node.params["axes"]
    return node.inputs[0] if axes == tuple(range(len(axes))) else None


@rule("reshape_of_reshape", reshape)
def reshape_of_reshape(node: Node) -> Node | None:
    """Only the last shape counts."""
    (source,) = node.inputs
    return reshape(source.inputs[0], shape=node.shape) if source.op is reshape else None


@rule("transpose_of_transpose", transpose)
def transpose_of_transpose(node: Node) -> Node | None:
    """Two orders of axes are one."""
    (source,) = node.inputs
    if source.op is not transpose:
        return None
    first = source.params["axes"]
    return transpose(source.inputs[0], axes=tuple(first[axis] for axis in node.params["axes"]))


@rule("broadcast_of_broadcast", broadcast_to)
def broadcast_of_broadcast(node: Node) -> Node | None:
    """Only the last shape counts."""
    (source,) = node.inputs
    return broadcast_to(source.inputs[0], shape=node.shape) if source.op is broadcast_to else None


@rule("broadcast_of_new_axes", broadcast_to)
def broadcast_of_new_axes(node: Node) -> Node | None:
    """Broadcasting makes leading axes of extent 1 itself: ``broadcast_to(reshape(x, (1, 1, n)))`` for x of shape (n,).

    Not where an extent is 1 already: then the new axes may stand behind, as they would for any other extent.
    """
    (source,) = node.inputs
    if source.op is not reshape:
        return None
    (x,) = source.inputs
    lead = source.aval.ndim - x.aval.ndim
    expected = (*(1,) * lead, *x.shape)
    fits = lead >= 0 and source.shape == expected and 1 not in x.shape
    return broadcast_to(x, shape=node.shape) if fits else None


@rule("view_of_scalar", reshape, transpose)
def view_of_scalar(node: Node) -> Node | None:
    """A repeated scalar is the same in any order: ``reshape(broadcast_to(x, a), b) -> broadcast_to(x, b)``"""
    (source,) = node.inputs
    if source.op is not broadcast_to or source.inputs[0].shape:
        return None
    return broadcast_to(source.inputs[0], shape=node.shape)


@rule("transpose_of_product", transpose, lone=True)
def transpose_of_product(node: Node) -> Node | None:
    """``(x.T @ y).T -> y.T @ x``: where a factor is transposed already, so that there are fewer transposes than before."""
    (source,) = node.inputs
    if source.op is not matmul or not swaps_last(node):
        return None
    x, y = source.inputs
    return matmul(swap_last(y), swap_last(x)) if swaps_last(x) or swaps_last(y) else None


# -- regions -----------------------------------------------------------------------------------------------------------


@rule("slice_of_all", slice_)
def slice_of_all(node: Node) -> Node | None:
    """A region that is the whole."""
    (x,) = node.inputs
    return x if _is_all(x.shape, node.params["starts"], node.params["steps"], node.shape) else None


def _is_all(shape: Shape, starts: Ints, steps: Ints, sizes: Shape) -> bool:
    if sizes != shape:
        return False
    return all(n < 2 or (start == 0 and step == 1) for n, start, step in zip(shape, starts, steps, strict=True))


@rule("slice_of_slice", slice_)
def slice_of_slice(node: Node) -> Node | None:
    """A region of a region is a region."""
    (source,) = node.inputs
    if source.op is not slice_:
        return None
    outer, inner = node.params, source.params
    starts = [a + b * c for a, b, c in zip(inner["starts"], outer["starts"], inner["steps"], strict=True)]
    steps = [b * c for b, c in zip(outer["steps"], inner["steps"], strict=True)]
    return slice_(source.inputs[0], starts=tuple(starts), steps=tuple(steps), sizes=node.shape)


@rule("slice_of_broadcast", slice_)
def slice_of_broadcast(node: Node) -> Node | None:
    """Repeats the region instead: along an axis that is repeated only its size counts."""
    (source,) = node.inputs
    if source.op is not broadcast_to:
        return None
    (x,) = source.inputs
    lead = node.aval.ndim - x.aval.ndim
    axes = zip(x.shape, node.params["starts"][lead:], node.params["steps"][lead:], node.shape[lead:], strict=True)
    region = [(0, 1, 1) if n == 1 else (start, step, size) for n, start, step, size in axes]
    starts, steps, sizes = (tuple(part[k] for part in region) for k in range(3))
    return broadcast_to(slice_(x, starts=starts, steps=steps, sizes=sizes), shape=node.shape)


@rule("slice_of_update", slice_)
def slice_of_update(node: Node) -> Node | None:
    """Reads what was written, or what was there before, where the two regions are the same or apart."""
    (source,) = node.inputs
    found = _origin(source, node.params["starts"], node.params["steps"], node.shape)
    if found is None or found[0] is source:
        return None
    origin, is_written = found
    return origin if is_written else slice_(origin, **node.params)


def _origin(x: Node, starts: Ints, steps: Ints, sizes: Shape) -> tuple[Node, bool] | None:
    """Where a region of x has its value from: an earlier array that is the same there, or (True) what was written there.

    None if only a part of it was written, or if it was before many other writes: each read would look through all of them.
    None, too, for an array that was written itself, or an argument whose memory may be used: while that is needed, later
    writes cannot take its memory.
    """
    for _ in range(LOOKED_THROUGH):
        if x.op is not update:
            core, _ = unview(x)
            return None if core.op in (update, concatenate) or "reuse" in core.params else (x, False)
        before, v = x.inputs
        places = (x.params["starts"], x.params["steps"], v.shape)
        if (starts, steps, sizes) == places:
            return v, True
        if not any(map(_are_apart, starts, steps, sizes, *places)):
            return None
        x = before
    return None


def _are_apart(start: int, step: int, size: int, start2: int, step2: int, size2: int) -> bool:
    """Whether two ranges share no number: one ends before the other begins, or they interleave."""
    one, two = range(start, start + step * size, step), range(start2, start2 + step2 * size2, step2)
    if not one or not two:
        return True
    if max(one[0], one[-1]) < min(two[0], two[-1]) or max(two[0], two[-1]) < min(one[0], one[-1]):
        return True
    return abs(step) == abs(step2) and (start - start2) % step != 0


@rule("slice_of_conv", slice_, lone=True)
def slice_of_conv(node: Node) -> Node | None:
    """Only the places that are looked at are computed, as those of the derivative by images that were padded."""
    (source,) = node.inputs
    starts, steps = node.params["starts"], node.params["steps"]
    if source.op is not conv or source.params["is_transposed"] or 0 in node.shape or min(steps) < 1:
        return None
    if node.shape[:3] != source.shape[:3]:
        return None
    x, w = source.inputs
    stride, dilation = source.params["stride"], source.params["dilation"]
    moves = tuple(s * step for s, step in zip(stride, steps[3:], strict=True))
    axes = zip(moves, node.shape[3:], dilation, w.shape[3:], strict=True)
    seen = slice_(
        x,
        starts=(0, 0, 0, *(s * start for s, start in zip(stride, starts[3:], strict=True))),
        steps=(1,) * x.aval.ndim,
        sizes=(*x.shape[:3], *(s * (n - 1) + d * (k - 1) + 1 for s, n, d, k in axes)),
    )
    return conv(seen, w, stride=moves, dilation=dilation, is_transposed=False)


@rule("slice_of_concatenate", slice_)
def slice_of_concatenate(node: Node) -> Node | None:
    """Reads the one piece in which the region lies."""
    (source,) = node.inputs
    if source.op is not concatenate or not node.aval.size:
        return None
    axis = source.params["axis"]
    starts, steps = node.params["starts"], node.params["steps"]
    first, last = sorted((starts[axis], starts[axis] + steps[axis] * (node.shape[axis] - 1)))
    before = 0
    for piece in source.inputs:
        if before <= first and last < before + piece.shape[axis]:
            moved = (*starts[:axis], starts[axis] - before, *starts[axis + 1 :])
            return slice_(piece, starts=moved, steps=steps, sizes=node.shape)
        before += piece.shape[axis]
    return None


@rule("update_of_all", update)
def update_of_all(node: Node) -> Node | None:
    """What is overwritten entirely does not count; what is written nowhere does not either."""
    x, v = node.inputs
    if not v.aval.size:
        return x
    return v if _is_all(x.shape, node.params["starts"], node.params["steps"], v.shape) else None


@rule("updates_of_all", update)
def updates_of_all(node: Node) -> Node | None:
    """Writes side by side along one axis, which together cover everything, are a concatenation."""
    axis: int | None = None
    pieces: list[tuple[int, Node]] = []
    covered, each = 0, node
    while each.op is update and len(pieces) < LOOKED_THROUGH:
        starts, steps, sizes = each.params["starts"], each.params["steps"], each.inputs[1].shape
        cut = [k for k, n in enumerate(each.shape) if sizes[k] != n]
        if (
            len(cut) != 1
            or axis not in (None, cut[0])
            or any(step != 1 for step, n in zip(steps, sizes, strict=True) if n > 1)
        ):
            return None
        (axis,) = cut
        pieces.append((starts[axis], each.inputs[1]))
        covered += sizes[axis]
        (each, _) = each.inputs
        if covered >= node.shape[axis]:
            break
    if axis is None or covered != node.shape[axis]:
        return None
    pieces.sort(key=lambda piece: piece[0])
    ends = [start + piece.shape[axis] for start, piece in pieces]
    if [start for start, _ in pieces] != [0, *ends[:-1]]:
        return None
    return concatenate(*(piece for _, piece in pieces), axis=axis)


@rule("update_with_own", update)
def update_with_own(node: Node) -> Node | None:
    """Writes back what stands there."""
    x, v = node.inputs
    if v.op is slice_ and v.inputs[0] is x and v.params == {**node.params, "sizes": v.shape}:
        return x
    return x if x.op is update and x.inputs[1] is v and x.params == node.params else None


@rule("update_of_region", update)
def update_of_region(node: Node) -> Node | None:
    """Writes into a region of a region are writes into the whole: ``update(x, update(x[r], v, q), r)``, where axes of
    extent 1 may have gone or come in between."""
    x, value = node.inputs
    _, inner = unview(value, frozenset({reshape}))
    written = inner[-1].inputs[0] if inner else value
    if written.op is not update:
        return None
    part, v = written.inputs
    starts, steps = node.params["starts"], node.params["steps"]
    if not _shows(part, x, starts, steps, value.shape):
        return None
    places = zip(part.shape, written.params["starts"], written.params["steps"], v.shape, strict=True)
    axes = [axis for axis in places if axis[0] != 1]
    if [n for n in value.shape if n != 1] != [n for n, *_ in axes] or not v.aval.size:
        return None
    left = iter(axes)
    moves = [next(left) if n != 1 else (1, 0, 1, 1) for n in value.shape]
    return update(
        x,
        reshape_to(v, tuple(size for *_, size in moves)),
        starts=tuple(start + step * move[1] for start, step, move in zip(starts, steps, moves, strict=True)),
        steps=tuple(step * move[2] for step, move in zip(steps, moves, strict=True)),
    )


def _shows(seen: Node, x: Node, starts: Ints, steps: Ints, sizes: Shape) -> bool:
    """Whether a node is a region of x, but for its shape."""
    origin, is_written = _origin(x, starts, steps, sizes) or (x, False)
    core, _ = unview(seen, frozenset({reshape}))
    if is_written:
        return core is unview(origin, frozenset({reshape}))[0]
    whole = {"starts": starts, "steps": steps, "sizes": sizes}
    return core.op is slice_ and core.inputs[0] in (x, origin) and core.params == whole


@rule("update_of_transpose", transpose)
def update_of_transpose(node: Node) -> Node | None:
    """Writes into a transposed array are writes into the array: ``update(x.T, v).T -> update(x, v.T)``"""
    (source,) = node.inputs
    if source.op is not update or source.inputs[0].op is not transpose:
        return None
    seen, v = source.inputs
    axes, (x,) = node.params["axes"], seen.inputs
    if axes != inverse(seen.params["axes"]):
        return None
    starts, steps = (tuple(source.params[name][axis] for axis in axes) for name in ("starts", "steps"))
    return update(x, transpose(v, axes=axes), starts=starts, steps=steps)


@rule("concatenate_slices", concatenate)
def concatenate_slices(node: Node) -> Node | None:
    """Regions of one array that lie side by side are one region."""
    axis = node.params["axis"]
    pieces: list[Node] = []
    for each in node.inputs:
        if pieces and _goes_on(pieces[-1], each, axis):
            last = pieces.pop()
            sizes = tuple(n + each.shape[axis] if k == axis else n for k, n in enumerate(last.shape))
            each = slice_(each.inputs[0], starts=last.params["starts"], steps=last.params["steps"], sizes=sizes)
        pieces.append(each)
    if len(pieces) == len(node.inputs):
        return None
    return pieces[0] if len(pieces) == 1 else concatenate(*pieces, axis=axis)


def _goes_on(one: Node, other: Node, axis: int) -> bool:
    """Whether the second of two regions of one array begins, along an axis, where the first ends."""
    if one.op is not slice_ or other.op is not slice_ or one.inputs[0] is not other.inputs[0]:
        return False
    if any(step != 1 for each in (one, other) for step in each.params["steps"]):
        return False
    ends = [start + (one.shape[k] if k == axis else 0) for k, start in enumerate(one.params["starts"])]
    return bool(tuple(ends) == other.params["starts"])


@rule("concatenate_empty", concatenate)
def concatenate_empty(node: Node) -> Node | None:
    """Empty pieces add nothing, and a single piece is the whole."""
    axis = node.params["axis"]
    pieces = [x for x in node.inputs if x.shape[axis]] or list(node.inputs[:1])
    if len(pieces) == 1:
        return pieces[0]
    return concatenate(*pieces, axis=axis) if len(pieces) < len(node.inputs) else None


# -- reductions --------------------------------------------------------------------------------------------------------


@rule("reduce_no_axes", *REDUCTIONS)
def reduce_no_axes(node: Node) -> Node | None:
    """Along no axes there is nothing to reduce; but float sums start at 0.0, so add that.

    Axes of extent 1 are reduced like any others: a batch of one must run on the kernels of every other batch.
    """
    (x,) = node.inputs
    if node.params["axes"]:
        return None
    return add(x, like(x, 0.0)) if node.op is reduce_sum and is_float(x) else x


@rule("reduce_of_reduce", *REDUCTIONS)
def reduce_of_reduce(node: Node) -> Node | None:
    """Two reductions are one over all of their axes; not for float sums and products, which round in their order."""
    (source,) = node.inputs
    exact = node.dtype.kind not in "fc" or node.op in (reduce_max, reduce_min)
    if source.op is not node.op or not exact:
        return None
    (x,) = source.inputs
    left = [axis for axis in range(x.aval.ndim) if axis not in source.params["axes"]]
    axes = sorted((*source.params["axes"], *(left[axis] for axis in node.params["axes"])))
    return node.op(x, axes=tuple(axes))


VIEWS: Rules = (
    same_shape,
    same_order,
    reshape_of_reshape,
    transpose_of_transpose,
    broadcast_of_broadcast,
    broadcast_of_new_axes,
    view_of_scalar,
    transpose_of_product,
    slice_of_all,
    slice_of_slice,
    slice_of_broadcast,
    slice_of_update,
    slice_of_conv,
    slice_of_concatenate,
    update_of_all,
    updates_of_all,
    update_with_own,
    update_of_region,
    update_of_transpose,
    concatenate_slices,
    concatenate_empty,
    reduce_no_axes,
    reduce_of_reduce,
)
