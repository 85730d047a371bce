"""Convolution and pooling: plain functions of NumPy arrays, traced or not. Images are (images, channels, *places), as many
places as there are axes; weights are (channels that come out, channels that go in, *taps)."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from tracegraph.api import compile
from tracegraph.ir import Node
from tracegraph.ops.convolution import conv as conv_op
from tracegraph.ops.convolution import padded, spread_conv
from tracegraph.ops.pooling import max_pool
from tracegraph.ops.region import slice_
from tracegraph.ops.rules import INEXACT
from tracegraph.ops.shape import reshape_to
from tracegraph.ops.window import window
from tracegraph.symbolic._expression import Symbol, record
from tracegraph.tracing.lift import common_dtype, has_placeholder, node_of, result
from tracegraph.tracing.trace import active_trace

__all__ = [
    "Each", "Padding", "avg_pool2d", "conv", "conv1d", "conv2d", "conv3d", "conv_transpose", "conv_transpose2d", "for_each",
    "local_response_norm", "max_pool2d", "results_along",
]  # fmt: skip

#: The maxima of windows of more elements are taken along one axis after the other.
LARGEST_WINDOW = 16
#: The power of `local_response_norm` that is found by square roots.
USUAL_BETA = 0.75
#: One number for all axes, or one for each.
Each = int | Sequence[int]
#: How far images are padded: the same at all ends, or for each axis at both ends or at each; "same" is so far that there are
#: as many places as before (divided by the stride), "valid" is not at all.
Padding = int | Sequence[int | tuple[int, int]] | Literal["same", "valid"]


def _anywhere(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which needs an open trace, for arrays as well, and for expressions."""
    compiled = functools.cache(lambda names: compile(function, static_argnames=names))

    @functools.wraps(function)
    def run(*args: Any, **options: Any) -> Any:
        if any(isinstance(arg, Symbol) for arg in args):
            return record(run, *args, **options)
        if active_trace() is not None or has_placeholder(args):
            return function(*args, **options)
        frozen = {name: _frozen(value) for name, value in options.items()}
        return compiled(tuple(frozen))(*map(np.asarray, args), **frozen)

    return run


def _frozen(value: Any) -> Any:
    """Lists as tuples, which can be part of a signature."""
    return tuple(map(_frozen, value)) if isinstance(value, (list, tuple)) else value


@_anywhere
def _conv(x: Any, w: Any, *, stride: Each, padding: Padding, dilation: Each, groups: int) -> Any:
    images, weights = _operands("conv", x, w)
    rank = images.aval.ndim - 2
    strides, dilations = for_each("stride", stride, rank), for_each("dilation", dilation, rank)
    channels, taken = images.shape[1], weights.shape[1]
    _check_groups("conv", groups, channels, taken, weights.shape[0])
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, weights.shape[2:], strict=True)]
    ends = _ends(padding, images.shape[2:], spans, strides)
    images = reshape_to(images, (images.shape[0], groups, taken, *images.shape[2:]))
    images = padded(images, (0, 0, 0, *(low for low, _ in ends)), (0, 0, 0, *(high for _, high in ends)))
    for axis, (n, span) in enumerate(zip(images.shape[3:], spans, strict=True), start=2):
        if span > n or span < 1:
            raise ValueError(f"conv: weights that span {span} along axis {axis} of images with {n} places there")
    weights = reshape_to(weights, (groups, weights.shape[0] // groups, *weights.shape[1:]))
    out = conv_op(images, weights, stride=strides, dilation=dilations, is_transposed=False)
    return result(reshape_to(out, (out.shape[0], out.shape[1] * out.shape[2], *out.shape[3:])), is_array=True)


@_anywhere
def _conv_transpose(
    x: Any, w: Any, *, stride: Each, padding: Padding, dilation: Each, output_padding: Each, groups: int
) -> Any:
    images, weights = _operands("conv_transpose", x, w)
    rank = images.aval.ndim - 2
    strides, dilations = for_each("stride", stride, rank), for_each("dilation", dilation, rank)
    more = for_each("output_padding", output_padding, rank)
    channels = images.shape[1]
    _check_groups("conv_transpose", groups, channels, weights.shape[0] // max(groups, 1), channels)
    steps = zip(images.shape[2:], weights.shape[2:], strides, dilations, strict=True)
    whole = [(n - 1) * s + d * (k - 1) + 1 for n, k, s, d in steps]
    if padding == "same":
        wanted = [n * s for n, s in zip(images.shape[2:], strides, strict=True)]
        cuts = [(max(n - w, 0) // 2, max(n - w, 0) - max(n - w, 0) // 2) for n, w in zip(whole, wanted, strict=True)]
    else:
        cuts = _ends(padding, tuple(whole), [1] * rank, strides)
    reached = [max(n, n + extra - high) for n, extra, (_, high) in zip(whole, more, cuts, strict=True)]
    sizes = [n + extra - low - high for n, extra, (low, high) in zip(whole, more, cuts, strict=True)]
    if min(sizes) < 1:
        raise ValueError(f"conv_transpose: with padding {padding!r} nothing is left of {tuple(whole)} places")
    images = reshape_to(images, (images.shape[0], groups, channels // groups, *images.shape[2:]))
    weights = reshape_to(weights, (groups, channels // groups, *weights.shape[1:]))
    shape = (images.shape[0], groups, weights.shape[2], *reached)
    out = spread_conv(images, weights, shape, strides, dilations)
    starts, ones = (0, 0, 0, *(low for low, _ in cuts)), (1,) * len(shape)
    out = slice_(out, starts=starts, steps=ones, sizes=(*shape[:3], *sizes))
    return result(reshape_to(out, (shape[0], groups * shape[2], *sizes)), is_array=True)


def conv(x: Any, w: Any, *, stride: Each = 1, padding: Padding = 0, dilation: Each = 1, groups: int = 1) -> Any:
    """The convolution of images with weights, over as many axes as the images have places.

    Args:
        x: images, (images, channels, *places).
        w: weights, (channels that come out, channels / groups, *taps).
        stride: between places that a result is computed for.
        padding: how far images are continued with zeros: a number, a number or a pair for each axis, "same" or "valid".
        dilation: between the places that weights are multiplied by.
        groups: into how many groups channels are cut that have nothing to do with each other.

    Example:
        >>> image = np.arange(5.0).reshape(1, 1, 5)
        >>> conv(image, np.array([[[1.0, 0.0, -1.0]]]))
        array([[[-2., -2., -2.]]])
    """
    return _conv(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv_transpose(
    x: Any,
    w: Any,
    *,
    stride: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    output_padding: Each = 0,
    groups: int = 1,
) -> Any:
    """The transpose of `conv`: its derivative by the images, for images that are as large as the results of that.

    Args:
        x: images, (images, channels, *places).
        w: weights, (channels, channels that come out / groups, *taps).
        stride, padding, dilation, groups: of the convolution that this is the transpose of.
        output_padding: how many places more there are at the far ends.
    """
    return _conv_transpose(
        x, w, stride=stride, padding=padding, dilation=dilation, output_padding=output_padding, groups=groups
    )


def _of_rank(function: Callable[..., Any], rank: int) -> Callable[..., Any]:
    """A function of images, for those with places along so many axes only."""

    @functools.wraps(function)
    def ranked(x: Any, w: Any, **options: Any) -> Any:
        _check_rank(ranked.__name__, x, rank)
        return function(x, w, **options)

    ranked.__name__ = ranked.__qualname__ = f"{function.__name__}{rank}d"
    ranked.__doc__ = f"`{function.__name__}` of images with places along {rank} {'axis' if rank == 1 else 'axes'}."
    return ranked


conv1d = _of_rank(conv, 1)
conv2d = _of_rank(conv, 2)
conv3d = _of_rank(conv, 3)
conv_transpose2d = _of_rank(conv_transpose, 2)


@_anywhere
def _max_pool2d(x: Any, *, size: Each, stride: Each | None, padding: Padding) -> Any:
    sizes, strides, ends = _windows("max_pool2d", x, size, stride, padding)
    node = node_of(x)
    if any(max(pair) >= k for pair, k in zip(ends, sizes, strict=True)):
        lowest = -np.inf if node.dtype.kind == "f" else np.iinfo(node.dtype).min
        lows, highs = ((0, 0, *(pair[end] for pair in ends)) for end in (0, 1))
        node, ends = padded(node, lows, highs, lowest), [(0, 0)] * 2
    (down, across), (above, below), (left, right) = sizes, *ends
    if down * across <= LARGEST_WINDOW:
        node = max_pool(node, sizes=sizes, strides=strides, before=(above, left), after=(below, right))
    else:
        node = max_pool(node, sizes=(down, 1), strides=(strides[0], 1), before=(above, 0), after=(below, 0))
        node = max_pool(node, sizes=(1, across), strides=(1, strides[1]), before=(0, left), after=(0, right))
    return result(node, is_array=True)


@_anywhere
def _avg_pool2d(x: Any, *, size: Each, stride: Each | None, padding: Padding) -> Any:
    down, across = for_each("size", size, 2)
    sizes, strides, ends = _windows("avg_pool2d", x, size, stride, padding)
    lows, highs = ((0, 0, *(pair[end] for pair in ends)) for end in (0, 1))
    node = padded(node_of(x), lows, highs)
    for axis, (k, s) in enumerate(zip(sizes, strides, strict=True), start=2):
        node = window(node, axis=axis, size=k, stride=s)
    total: Any = result(node, is_array=True)
    return total * (1 / (down * across))


@_anywhere
def _local_response_norm(x: Any, *, size: int, alpha: float, beta: float, k: float) -> Any:
    before, after = ((0, each, *(0,) * (x.ndim - 2)) for each in (size // 2, size - 1 - size // 2))
    squares = padded(node_of(np.square(x)), before, after)
    total: Any = result(window(squares, axis=1, size=size, stride=1))
    scale = k + alpha / size * total
    if beta == USUAL_BETA:  # two square roots cost a third of a power
        root = np.sqrt(scale)
        return x / (root * np.sqrt(root))
    return x / scale**beta


def max_pool2d(x: Any, size: Each, *, stride: Each | None = None, padding: Padding = 0) -> Any:
    """The largest value of each window.

    Args:
        x: images, (images, channels, rows, columns).
        size: of a window.
        stride: between windows, their size where nothing is said.
        padding: how far images are continued, with values that are never the largest; as for `conv`.

    Example:
        >>> max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
        array([[[[ 5.,  7.],
                 [13., 15.]]]])
    """
    return _max_pool2d(x, size=size, stride=stride, padding=padding)


def avg_pool2d(x: Any, size: Each, *, stride: Each | None = None, padding: Padding = 0) -> Any:
    """The mean of each window; what images are continued with counts, as zeros.

    Args:
        x: images, (images, channels, rows, columns).
        size: of a window.
        stride: between windows, their size where nothing is said.
        padding: how far images are continued; as for `conv`.
    """
    return _avg_pool2d(x, size=size, stride=stride, padding=padding)


def local_response_norm(x: Any, size: int, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """Each value divided by ``(k + alpha * m) ** beta``, m the mean square of the channels around (Krizhevsky et al., 2012).

    Args:
        x: images, (images, channels, *places).
        size: how many channels; beyond the first and the last there are zeros.
    """
    return _local_response_norm(x, size=size, alpha=alpha, beta=beta, k=k)


def _windows(
    name: str, x: Any, size: Each, stride: Each | None, padding: Padding
) -> tuple[tuple[int, ...], tuple[int, ...], list[tuple[int, int]]]:
    """Sizes, strides and padding of windows, which must fit on the images."""
    _check_rank(name, x, 2)
    sizes = for_each("size", size, 2)
    strides = sizes if stride is None else for_each("stride", stride, 2)
    ends = _ends(padding, x.shape[2:], sizes, strides)
    for axis, (k, pair) in enumerate(zip(sizes, ends, strict=True), start=2):
        if k > x.shape[axis] + sum(pair):
            n = x.shape[axis] + sum(pair)
            raise ValueError(f"{name}: windows of {k} along axis {axis} of images with {n} places there")
    return sizes, strides, ends


def _operands(name: str, x: Any, w: Any) -> tuple[Node, Node]:
    """Images and weights as nodes of one dtype, of integers as floats."""
    dtype = common_dtype([x, w])
    if dtype not in INEXACT:
        dtype = np.dtype(float)
    images, weights = node_of(x, dtype), node_of(w, dtype)
    if images.aval.ndim != weights.aval.ndim or images.aval.ndim < 3:
        raise ValueError(
            f"{name}: images of shape {images.shape} and weights of shape {weights.shape}, "
            "expected (images, channels, *places) and (channels, channels, *taps)"
        )
    return images, weights


def _check_groups(name: str, groups: int, channels: int, taken: int, given: int) -> None:
    if groups < 1 or taken * groups != channels or given % groups:
        raise ValueError(
            f"{name}: weights from {taken} to {given} channels in {groups} groups, for images with {channels} channels"
        )


def _check_rank(name: str, x: Any, rank: int) -> None:
    ndim = None if isinstance(x, Symbol) else np.ndim(x)
    if ndim is not None and ndim != rank + 2:
        raise ValueError(f"{name}: images of rank {ndim}, expected (images, channels, *places) of rank {rank + 2}")


def for_each(name: str, given: Each, rank: int) -> tuple[int, ...]:
    """One number for each axis."""
    numbers = tuple(map(operator.index, given)) if isinstance(given, Sequence) else (operator.index(given),) * rank
    least = 0 if name == "output_padding" else 1
    if len(numbers) != rank or min(numbers) < least:
        raise ValueError(f"{name} is {given}, expected a number of at least {least}, or {rank} of them")
    return numbers


def results_along(
    places: Sequence[int | None], spans: Sequence[int], strides: Sequence[int], padding: Padding
) -> list[int | None]:
    """How many results there are along each axis; None where it is not known how many places there are."""
    known = [span if n is None else n for n, span in zip(places, spans, strict=True)]
    axes = zip(places, spans, strides, _ends(padding, known, spans, strides), strict=True)
    return [None if n is None else (n + low + high - span) // s + 1 for n, span, s, (low, high) in axes]


def _ends(
    padding: Padding, places: Sequence[int], spans: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """How far each axis is padded at both ends."""
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"padding is {padding!r}, expected numbers, 'same' or 'valid'")
        if padding == "valid":
            return [(0, 0)] * len(places)
        steps = zip(places, spans, strides, strict=True)
        totals = [max((-(-n // s) - 1) * s + span - n, 0) for n, span, s in steps]
        return [(total // 2, total - total // 2) for total in totals]
    given: Sequence[Any] = padding if isinstance(padding, Sequence) else [padding] * len(places)
    pairs: list[tuple[Any, ...]] = [tuple(each) if isinstance(each, Sequence) else (each, each) for each in given]
    if len(pairs) != len(places) or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError(f"padding is {padding}, expected a number, or a number or pair for each of {len(places)} axes")
    return [(operator.index(low), operator.index(high)) for low, high in pairs]
