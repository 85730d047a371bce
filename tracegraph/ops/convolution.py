"""The convolution of images with weights, as networks have it (a correlation, in truth): batched, in groups, with strides
and gaps, over any number of axes. Nothing is padded here. Both derivatives are convolutions again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from tracegraph.ir import Aval, Node, Op, Shape
from tracegraph.ops.broadcast import fill
from tracegraph.ops.region import slice_, update
from tracegraph.ops.rules import INEXACT, Ints, Params, each
from tracegraph.ops.shape import reshape, transpose

__all__ = ["OPS", "Phase", "conv", "padded", "phases_of", "spread_conv"]


#: What it costs to read a number of the images, in terms of the sum for one channel.
READING = 10


def padded(x: Node, before: Ints, after: Ints, value: float = 0) -> Node:
    """The array with so many zeros (or another value) before and after it along each axis; with less of it where the number
    is negative."""
    starts = tuple(max(-n, 0) for n in before)
    sizes = tuple(
        n - start - max(-end, 0) if n - start - max(-end, 0) > 0 else 0
        for n, start, end in zip(x.shape, starts, after, strict=True)
    )
    ones = (1,) * len(starts)
    shape = tuple(n + low + high for n, low, high in zip(x.shape, before, after, strict=True))
    if 0 in sizes:
        return fill(value, shape, x.dtype)
    if sizes != x.shape:
        x = slice_(x, starts=starts, steps=ones, sizes=sizes)
    if sizes == shape:
        return x
    return update(fill(value, shape, x.dtype), x, starts=tuple(max(n, 0) for n in before), steps=ones)


def _rule(x: Aval, w: Aval, *, stride: Ints, dilation: Ints, is_transposed: bool) -> Aval:
    if x.dtype not in INEXACT:
        raise TypeError(f"conv does not take {x.dtype}")
    if x.dtype != w.dtype or x.ndim != w.ndim or x.ndim != len(stride) + 3:
        raise TypeError(f"conv: operands of a strict operation do not fit: {x}, {w}")
    if len(stride) != len(dilation) or min(*stride, *dilation, 1) < 1:
        raise ValueError(f"conv: strides {stride} and dilations {dilation}")
    if x.shape[1:3] != (w.shape[0], w.shape[2]):
        raise ValueError(f"conv: weights of shape {w.shape} on images of shape {x.shape}")
    places = tuple(
        (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in zip(x.shape[3:], w.shape[3:], stride, dilation, strict=True)
    )
    if min(*places, *w.shape[3:], 1) < 1:
        raise ValueError(f"conv: weights of shape {w.shape} do not fit on images of shape {x.shape}")
    images, (groups, channels) = x.shape[0], w.shape[:2]
    lead = (groups, channels, images) if is_transposed else (images, groups, channels)
    return Aval((*lead, *places), x.dtype)


def _reference(x: np.ndarray, w: np.ndarray, *, stride: Ints, dilation: Ints, is_transposed: bool) -> np.ndarray:
    if x.dtype == np.float16:
        wide = _reference(x.astype("f4"), w.astype("f4"), stride=stride, dilation=dilation, is_transposed=is_transposed)
        return wide.astype(x.dtype)
    rank = len(stride)
    spans = tuple(d * (k - 1) + 1 for k, d in zip(w.shape[3:], dilation, strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, tuple(range(3, 3 + rank)))
    steps = (*(slice(None, None, s) for s in stride), *(slice(None, None, d) for d in dilation))
    windows = windows[(slice(None),) * 3 + steps]
    places, taps = list(range(4, 4 + rank)), list(range(4 + rank, 4 + 2 * rank))
    lead = [1, 3, 0] if is_transposed else [0, 1, 3]
    return np.asarray(np.einsum(windows, [0, 1, 2, *places, *taps], w, [1, 3, 2, *taps], [*lead, *places]))


class Phase(NamedTuple):
    """The places of an axis that lie at one remainder of the stride, and what reaches them: for the derivative.

    Attributes:
        first, places: the places: the first, and how many there are.
        tap, tap_step, taps: the weights that reach them.
        dilation: between what they are multiplied by, in the cotangent.
        before, after: how far the cotangent must be padded for that.
    """

    first: int
    places: int
    tap: int
    tap_step: int
    taps: int
    dilation: int
    before: int
    after: int


def phases_of(n: int, out: int, k: int, stride: int, dilation: int) -> list[Phase]:
    """By remainders: place ``first + stride * q`` gets the sum over t of ``ct[q - before + t * dilation]`` by a weight."""
    common = math.gcd(stride, dilation)
    found = []
    for first in range(min(stride, n)):
        tap = next((t for t in range(min(stride // common, k)) if (first - t * dilation) % stride == 0), None)
        if tap is None:
            continue
        places, tap_step = -(-(n - first) // stride), stride // common
        taps = -(-(k - tap) // tap_step)
        apart = dilation // common
        start = (first - tap * dilation) // stride - (taps - 1) * apart
        length = places + (taps - 1) * apart
        found.append(Phase(first, places, tap, tap_step, taps, apart, -start, start + length - out))
    return found


def spread_conv(ct: Node, w: Node, shape: Shape, stride: Ints, dilation: Ints) -> Node:
    """The transpose of a convolution over images of a shape: what flows back to them from ``ct`` (images, groups, channels
    that came out, *places). For each remainder of the stride a convolution of the padded cotangent with flipped weights; of
    few channels, one convolution for all remainders, as more channels."""
    rank = len(stride)
    w = transpose(w, axes=(0, 2, 1, *range(3, 3 + rank)))
    sizes = zip(shape[3:], ct.shape[3:], w.shape[3:], stride, dilation, strict=True)
    axes = [phases_of(*extents) for extents in sizes]
    if _are_joined(axes, stride, w.shape[1]):
        return _joined(ct, w, shape, stride, axes)
    total = fill(0, shape, ct.dtype)
    before = (0, 0, 0, *(max(phase.before for phase in phases) for phases in axes))
    around = padded(ct, before, (0, 0, 0, *(max(phase.after for phase in phases) for phases in axes)))
    for phases in product(*axes):
        seen = slice_(
            around,
            starts=(0, 0, 0, *(most - phase.before for most, phase in zip(before[3:], phases, strict=True))),
            steps=(1,) * (rank + 3),
            sizes=(*ct.shape[:3], *(phase.places + (phase.taps - 1) * phase.dilation for phase in phases)),
        )
        apart = tuple(phase.dilation for phase in phases)
        part = conv(seen, _flipped(w, phases), stride=(1,) * rank, dilation=apart, is_transposed=False)
        if part.shape == shape:
            return part
        firsts = (0, 0, 0, *(phase.first for phase in phases))
        total = update(total, part, starts=firsts, steps=(1, 1, 1, *stride))
    return total


def _flipped(w: Node, phases: Sequence[Phase]) -> Node:
    """The weights that reach some places, last one first."""
    return slice_(
        w,
        starts=(0, 0, 0, *(phase.tap + (phase.taps - 1) * phase.tap_step for phase in phases)),
        steps=(1, 1, 1, *(-phase.tap_step for phase in phases)),
        sizes=(*w.shape[:3], *(phase.taps for phase in phases)),
    )


def _reach(phases: Sequence[Phase]) -> tuple[int, int]:
    """How far before a place's own number the cotangent is read for any remainder, and how many in all."""
    before = max(phase.before for phase in phases)
    return before, before + max(phase.taps - phase.before for phase in phases)


def _are_joined(axes: Sequence[Sequence[Phase]], stride: Ints, channels: int) -> bool:
    """Whether one convolution costs less than one for each remainder. It has weights that are zero; but each reads all of
    the cotangent, which costs as much as some channels more."""
    count = math.prod(map(len, axes))
    if count < 2 or count < math.prod(stride) or any(phase.dilation > 1 for phases in axes for phase in phases):
        return False
    one = math.prod(_reach(phases)[1] for phases in axes) * (count * channels + READING)
    return one < math.prod(sum(phase.taps for phase in phases) for phases in axes) * (channels + READING)


def _joined(ct: Node, w: Node, shape: Shape, stride: Ints, axes: Sequence[Sequence[Phase]]) -> Node:
    """All remainders by one convolution, each of whose channels is one of one remainder; those are then put in turn."""
    rank, count = len(stride), math.prod(stride)
    groups, channels, taken = w.shape[:3]
    reaches = [_reach(phases) for phases in axes]
    places = [phases[0].places for phases in axes]
    weights = fill(0, (groups, count * channels, taken, *(taps for _, taps in reaches)), w.dtype)
    for number, phases in enumerate(product(*axes)):
        firsts = (before - phase.before for (before, _), phase in zip(reaches, phases, strict=True))
        starts = (0, number * channels, 0, *firsts)
        weights = update(weights, _flipped(w, phases), starts=starts, steps=(1,) * len(starts))
    lows = [before for before, _ in reaches]
    highs = [n + taps - 1 - before - out for n, (before, taps), out in zip(places, reaches, ct.shape[3:], strict=True)]
    around = padded(ct, (0, 0, 0, *lows), (0, 0, 0, *highs))
    out = conv(around, weights, stride=(1,) * rank, dilation=(1,) * rank, is_transposed=False)
    out = reshape(out, shape=(*out.shape[:2], *stride, channels, *places))
    turns = (axis for k in range(rank) for axis in (3 + rank + k, 2 + k))
    out = transpose(out, axes=(0, 1, 2 + rank, *turns))
    out = reshape(out, shape=(*shape[:3], *(n * s for n, s in zip(places, stride, strict=True))))
    if out.shape != shape:
        out = slice_(out, starts=(0,) * len(shape), steps=(1,) * len(shape), sizes=shape)
    return out


def _by_images(ct: Node, out: Node, x: Node, w: Node) -> Node:
    stride, dilation, is_transposed = (out.params[name] for name in ("stride", "dilation", "is_transposed"))
    if is_transposed:
        ct = transpose(ct, axes=(2, 0, 1, *range(3, ct.aval.ndim)))
    return spread_conv(ct, w, x.shape, stride, dilation)


def _by_weights(ct: Node, out: Node, x: Node, w: Node) -> Node:
    """A convolution whose weights are the cotangent; images and channels change places, and strides and dilations."""
    stride, dilation = out.params["stride"], out.params["dilation"]
    rank = len(stride)
    if not out.params["is_transposed"]:
        ct = transpose(ct, axes=(1, 2, 0, *range(3, 3 + rank)))
    spans = tuple(
        s * (p - 1) + d * (k - 1) + 1 for s, d, p, k in zip(stride, dilation, ct.shape[3:], w.shape[3:], strict=True)
    )
    sizes = (*x.shape[:3], *spans)
    if sizes != x.shape:
        x = slice_(x, starts=(0,) * len(sizes), steps=(1,) * len(sizes), sizes=sizes)
    x = transpose(x, axes=(2, 1, 0, *range(3, 3 + rank)))
    return conv(x, ct, stride=dilation, dilation=stride, is_transposed=True)


def _batch(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    """A batch of images is more images; one of weights is more channels; one of both is more groups."""
    (x, w), (has_x, has_w) = inputs, axes
    is_transposed = params["is_transposed"]
    many = (x if has_x else w).shape[0]
    if not has_w:
        images, rest = x.shape[1], x.shape[2:]
        out = conv(reshape(x, shape=(many * images, *rest)), w, **params)
        return _split(out, 2 if is_transposed else 0, many, images)
    groups, channels, rest = w.shape[1], w.shape[2], w.shape[3:]
    if not has_x:
        w = transpose(w, axes=(1, 0, *range(2, w.aval.ndim)))
        out = conv(x, reshape(w, shape=(groups, many * channels, *rest)), **params)
        return _split(out, 1 if is_transposed else 2, many, channels)
    x = transpose(x, axes=(1, 0, *range(2, x.aval.ndim)))
    x = reshape(x, shape=(x.shape[0], many * groups, *x.shape[3:]))
    out = conv(x, reshape(w, shape=(many * groups, channels, *rest)), **params)
    return _split(out, 0 if is_transposed else 1, many, groups)


def _split(node: Node, axis: int, many: int, few: int) -> Node:
    """The batch that an axis is made of, as the first axis."""
    shape: Shape = (*node.shape[:axis], many, few, *node.shape[axis + 1 :])
    axes = (axis, *(k for k in range(len(shape)) if k != axis))
    return transpose(reshape(node, shape=shape), axes=axes)


#: ``out[n, g, o, p] = sum over c, k of x[n, g, c, p * stride + k * dilation] w[g, o, c, k]``, where p and k stand for one
#: index an axis: of images x (images, groups, channels of a group, *places) with weights w (groups, channels that come out
#: of a group, channels that go in, *taps). If ``is_transposed``, the result is ``out[g, o, n, p]``.
conv: Op = Op("conv", rule=_rule, reference=_reference, vjp=each(_by_images, _by_weights), batch=_batch, kind="product")

OPS: Sequence[Op] = (conv,)
