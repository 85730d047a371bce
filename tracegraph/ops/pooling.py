"""The largest elements of windows, over the last two axes at once: values, where in its window each is, and both ways
between windows and elements. Outside of the images there is nothing, which is never the largest.

The derivative flows to the first of the largest elements of a window, by their places, which take a byte each: it reads
neither the images nor the results again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from tracegraph.ir import Aval, Node, Op, Shape
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.rules import REALS, Ints, Params, batch_all, each

__all__ = ["OPS", "max_pool", "pool_places", "pool_spread", "pool_take"]


def _places_dtype(sizes: Ints) -> np.dtype:
    return np.dtype(np.uint8 if math.prod(sizes) <= 256 else np.int32)


def _check(name: str, x: Aval) -> None:
    if x.dtype not in REALS or x.ndim < 2:
        raise TypeError(f"{name} does not take {x.dtype} of rank {x.ndim}")


def _rule(x: Aval, *, sizes: Ints, strides: Ints, before: Ints, after: Ints) -> Aval:
    _check("max_pool", x)
    if min(*sizes, *strides) < 1 or min(*before, *after) < 0:
        raise ValueError(f"max_pool: windows of {sizes} by steps of {strides}, {before} before and {after} after")
    axes = list(zip(x.shape[-2:], sizes, strides, before, after, strict=True))
    if any(max(low, high) >= size or n + low + high < size or n < 1 for n, size, _, low, high in axes):
        raise ValueError(f"max_pool: windows of {sizes}, {before} before and {after} after, over {x.shape[-2:]}")
    return Aval((*x.shape[:-2], *((n + low + high - size) // step + 1 for n, size, step, low, high in axes)), x.dtype)


def _around(x: np.ndarray, before: Ints, after: Ints, value: float) -> np.ndarray:
    ends = [(0, 0)] * (x.ndim - 2) + list(zip(before, after, strict=True))
    return np.pad(x, ends, constant_values=value)


def _each_tap(shape: Shape, sizes: Ints, strides: Ints) -> Iterator[tuple[slice, slice]]:
    """For each element of a window where it is, in all windows."""
    for tap in np.ndindex(*sizes):
        down, across = (slice(k, k + s * (n - 1) + 1, s) for k, s, n in zip(tap, strides, shape[-2:], strict=True))
        yield down, across


def _reference(x: np.ndarray, *, sizes: Ints, strides: Ints, before: Ints, after: Ints) -> np.ndarray:
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    around = _around(x, before, after, lowest)
    windows = np.lib.stride_tricks.sliding_window_view(around, sizes, (-2, -1))
    return np.asarray(windows[..., :: strides[0], :: strides[1], :, :].max((-2, -1)))


def _places_rule(x: Aval, largest: Aval, *, sizes: Ints, strides: Ints, before: Ints, after: Ints) -> Aval:
    _check("pool_places", x)
    shape = _rule(x, sizes=sizes, strides=strides, before=before, after=after).shape
    if largest != Aval(shape, x.dtype):
        raise TypeError(f"pool_places: {largest} are not the largest elements of {x}")
    return Aval(shape, _places_dtype(sizes))


def _places_reference(
    x: np.ndarray, largest: np.ndarray, *, sizes: Ints, strides: Ints, before: Ints, after: Ints
) -> np.ndarray:
    around, inside = _around(x, before, after, 0), _around(np.ones_like(x, bool), before, after, 0)
    found = np.zeros(largest.shape, _places_dtype(sizes))
    for number, place in reversed(list(enumerate(_each_tap(largest.shape, sizes, strides)))):
        seen = around[..., *place]
        found[inside[..., *place] & ((seen == largest) | (seen != seen))] = number
    return found


def _spread_rule(ct: Aval, places: Aval, *, sizes: Ints, strides: Ints, before: Ints, extents: Ints) -> Aval:
    _check("pool_spread", ct)
    if places != Aval(ct.shape, _places_dtype(sizes)):
        raise TypeError(f"pool_spread: operands of a strict operation do not fit: {ct}, {places}")
    return Aval((*ct.shape[:-2], *extents), ct.dtype)


def _past(shape: Shape, sizes: Ints, strides: Ints, before: Ints, extents: Ints) -> Ints:
    """How far the windows reach beyond the images."""
    axes = zip(shape[-2:], sizes, strides, before, extents, strict=True)
    return tuple(max((n - 1) * step + size - low - extent, 0) for n, size, step, low, extent in axes)


def _spread_reference(
    ct: np.ndarray, places: np.ndarray, *, sizes: Ints, strides: Ints, before: Ints, extents: Ints
) -> np.ndarray:
    past = _past(ct.shape, sizes, strides, before, extents)
    total = _around(np.zeros((*ct.shape[:-2], *extents), ct.dtype), before, past, 0)
    for number, place in enumerate(_each_tap(ct.shape, sizes, strides)):
        total[..., *place] += np.where(places == number, ct, ct.dtype.type(0))
    (top, left), (rows, columns) = before, extents
    return np.ascontiguousarray(total[..., top : top + rows, left : left + columns])


def _take_rule(x: Aval, places: Aval, *, sizes: Ints, strides: Ints, before: Ints) -> Aval:
    _check("pool_take", x)
    if places.shape[:-2] != x.shape[:-2] or places.dtype != _places_dtype(sizes):
        raise TypeError(f"pool_take: operands of a strict operation do not fit: {x}, {places}")
    return Aval(places.shape, x.dtype)


def _take_reference(x: np.ndarray, places: np.ndarray, *, sizes: Ints, strides: Ints, before: Ints) -> np.ndarray:
    around = _around(x, before, _past(places.shape, sizes, strides, before, x.shape[-2:]), 0)
    found = np.zeros(places.shape, x.dtype)
    for number, place in enumerate(_each_tap(places.shape, sizes, strides)):
        np.copyto(found, around[..., *place], where=places == number)
    return found


def _by_images(ct: Node, out: Node, x: Node) -> Node:
    sizes, strides, before, _ = (out.params[name] for name in ("sizes", "strides", "before", "after"))
    places = pool_places(x, out, **out.params)
    return pool_spread(ct, places, sizes=sizes, strides=strides, before=before, extents=x.shape[-2:])


def _by_spread(ct: Node, out: Node, x: Node, places: Node) -> Node:
    return pool_take(ct, places, **{name: out.params[name] for name in ("sizes", "strides", "before")})


def _by_taken(ct: Node, out: Node, x: Node, places: Node) -> Node:
    return pool_spread(ct, places, **out.params, extents=x.shape[-2:])


def _batch(inputs: Sequence[Node], axes: Sequence[bool], params: Params, op: Op) -> Node:
    return op(*batch_all(op, inputs, axes, expand_leading), **params)


#: ``out[..., p, q]``: the largest element of a window of `sizes` that begins at ``(p, q) * strides - before``.
max_pool: Op = Op(
    "max_pool",
    rule=_rule,
    reference=_reference,
    vjp=each(_by_images),
    batch=lambda inputs, axes, params: _batch(inputs, axes, params, max_pool),
    kind="pool",
)
#: Where in its window the largest element is, the first if there are several: its number, row by row.
pool_places: Op = Op(
    "pool_places",
    rule=_places_rule,
    reference=_places_reference,
    batch=lambda inputs, axes, params: _batch(inputs, axes, params, pool_places),
    kind="pool",
)
#: Each element of images, whose last two extents are given, the sum of the numbers of those windows whose place it is.
pool_spread: Op = Op(
    "pool_spread",
    rule=_spread_rule,
    reference=_spread_reference,
    vjp=each(_by_spread, None),
    batch=lambda inputs, axes, params: _batch(inputs, axes, params, pool_spread),
    kind="pool",
)
#: The element at the place of each window.
pool_take: Op = Op(
    "pool_take",
    rule=_take_rule,
    reference=_take_reference,
    vjp=each(_by_taken, None),
    batch=lambda inputs, axes, params: _batch(inputs, axes, params, pool_take),
)

OPS: Sequence[Op] = (max_pool, pool_places, pool_spread, pool_take)
