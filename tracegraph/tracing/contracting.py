"""NumPy's contractions on placeholders: sums of products over labelled axes, products of stacks of vectors and matrices,
convolution. A contraction of two arrays becomes a batched matrix product, by transposing and reshaping."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.ir import Node
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import reduce_sum
from tracegraph.ops.product import matmul
from tracegraph.ops.reduce import reduce_max
from tracegraph.ops.scan import flip
from tracegraph.ops.shape import reshape_to, transpose
from tracegraph.ops.window import correlate, padded_last
from tracegraph.tracing.lift import broadcast, cast, check_dtype, common_dtype, listed, node_of, result, spread
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.trace import warn
from tracegraph.tracing.ufuncs import write

__all__ = ["FUNCTIONS"]

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

# -- einsum ------------------------------------------------------------------------------------------------------------

#: Labels of axes: letters, and numbers for the axes that an ellipsis stands for.
Labels = tuple[Any, ...]


class _Term(NamedTuple):
    """An array and a label for each of its axes."""

    node: Node
    labels: Labels

    def extents(self) -> dict[Any, int]:
        return dict(zip(self.labels, self.node.shape, strict=True))

    def ordered(self, labels: Sequence[Any]) -> Node:
        """With the axes in this order."""
        axes = tuple(self.labels.index(label) for label in labels)
        return self.node if axes == tuple(range(len(axes))) else transpose(self.node, axes=axes)

    def summed(self, keep: Any) -> _Term:
        """Without the labels that nobody else has."""
        axes = tuple(k for k, label in enumerate(self.labels) if label not in keep)
        return _Term(_sum(self.node, axes), tuple(label for label in self.labels if label in keep)) if axes else self


def _sum(node: Node, axes: tuple[int, ...]) -> Node:
    """A sum; of bools, whether any is true."""
    if node.dtype.kind != "b":
        return reduce_sum(node, axes=axes)
    if all(node.shape[k] for k in axes):
        return reduce_max(node, axes=axes)
    return cast(reduce_sum(cast(node, np.dtype(np.int64)), axes=axes), node.dtype)


def _einsum(
    *operands: Any,
    out: Any = None,
    optimize: Any = False,
    dtype: Any = None,
    order: str = "K",
    casting: str = "safe",
) -> Any:
    subscripts, values = _spelled(operands)
    arrays = [value if isinstance(value, Placeholder) else result(node_of(value), is_array=True) for value in values]
    parsed = _parsed(subscripts, [x.shape for x in arrays])
    if parsed is None:
        refused = np.einsum(subscripts, *[np.zeros(x.shape, x.dtype) for x in arrays])
        raise AssertionError(f"NumPy makes {refused.shape} of {subscripts}")
    inputs, target = parsed
    if len(arrays) == 1 and target and set(inputs[0]) == set(target) and out is None:
        return _viewed(arrays[0], inputs[0], target)
    to = check_dtype(np.result_type(*[x.dtype for x in arrays]) if dtype is None else np.dtype(dtype))
    for k, x in enumerate(arrays):
        if not np.can_cast(x.dtype, to, casting):  # type: ignore[arg-type]
            raise TypeError(
                f"Iterator operand {k} dtype could not be cast from {x.dtype!r} to {to!r} according to the rule {casting!r}"
            )
    terms = [_Term(cast(x.node, to), labels) for x, labels in zip(arrays, inputs, strict=True)]
    node, is_product = _contracted([_diagonal(term) for term in terms], target, optimize)
    is_array = is_product and optimize is not False
    return result(node, is_array=is_array) if out is None else write(out, node, casting=casting)


def _spelled(operands: Sequence[Any]) -> tuple[str, list[Any]]:
    """The subscripts as one string, and the operands; lists of numbers in place of a string are spelled with letters."""
    first, *rest = operands
    if isinstance(first, str):
        return first.replace(" ", ""), [listed(value) for value in rest]
    pairs = [list(operands[k : k + 2]) for k in range(0, len(operands), 2)]
    last = pairs.pop() if len(pairs[-1]) == 1 else None

    def spelled(labels: Any) -> str:
        return "".join("..." if label is Ellipsis else LETTERS[label] for label in labels)

    text = ",".join(spelled(labels) for _, labels in pairs)
    return text + ("" if last is None else "->" + spelled(last[0])), [listed(value) for value, _ in pairs]


def _parsed(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[Labels], Labels] | None:
    """The labels of each operand's axes, and of the result's; None where NumPy would complain."""
    left, arrow, right = subscripts.partition("->")
    texts = left.split(",")
    if len(texts) != len(shapes):
        return None
    inputs = [_labels(text, len(shape)) for text, shape in zip(texts, shapes, strict=True)]
    if any(labels is None for labels in inputs):
        return None
    known = [labels for labels in inputs if labels is not None]
    unnamed = sorted({label for labels in known for label in labels if isinstance(label, int)})
    every = [label for labels in known for label in labels]
    if arrow:
        target = _labels(right, len(right.replace("...", "")) + (len(unnamed) if "..." in right else 0))
        if target is None or len(set(target)) < len(target) or not set(target) <= set(every):
            return None
        if unnamed and "..." not in right:
            return None
    else:
        once = sorted(label for label in set(every) if isinstance(label, str) and every.count(label) == 1)
        target = (*unnamed, *once)
    extents: dict[Any, int] = {}
    for labels, shape in zip(known, shapes, strict=True):
        if len(set(zip(labels, shape, strict=True))) > len(set(labels)):
            return None
        for label, n in zip(labels, shape, strict=True):
            if extents.setdefault(label, n) not in (n, 1) and n != 1:
                return None
            extents[label] = n if extents[label] == 1 else extents[label]
    return known, target


def _labels(text: str, ndim: int) -> Labels | None:
    """One label for each axis; those of an ellipsis are numbered from the right: -1, -2, ..."""
    before, dots, after = text.partition("...")
    named = before + after
    rest = ndim - len(named)
    if any(letter not in LETTERS for letter in named) or rest < 0 or (rest and not dots):
        return None
    return (*before, *range(-rest, 0), *after)


def _viewed(x: Placeholder, labels: Labels, target: Labels) -> Any:
    """A transposed array or a diagonal, which are views in NumPy."""
    while len(set(labels)) < len(labels):
        label = next(label for label in labels if labels.count(label) > 1)
        i, j = [k for k, each in enumerate(labels) if each == label][:2]
        others = [k for k in range(len(labels)) if k not in (i, j)]
        order = (*others, i, j)
        n = x.shape[i]
        if order != tuple(range(len(order))):
            x = x.seen_as("transpose", axes=order)
        lead = x.shape[:-2]
        x = x.seen_as("reshape", shape=(*lead, n * n))
        ones = (1,) * len(lead)
        x = x.seen_as("slice", starts=(0,) * (len(lead) + 1), steps=(*ones, n + 1), sizes=(*lead, n))
        labels = (*(labels[k] for k in others), label)
    axes = tuple(labels.index(label) for label in target)
    return x.seen_as("transpose", axes=axes)


def _diagonal(term: _Term) -> _Term:
    """Each label once."""
    if len(set(term.labels)) == len(term.labels):
        return term
    once = tuple(dict.fromkeys(term.labels))
    return _Term(_viewed(result(term.node, is_array=True), term.labels, once).node, once)


def _contracted(terms: Sequence[_Term], target: Labels, optimize: Any) -> tuple[Node, bool]:
    """The sum over all labels that are not in the result, two arrays at a time.

    Also whether it ends with a product, of which NumPy, if it may optimise, makes an array even if it is one number.
    """
    is_product = False
    extents: dict[Any, int] = {}
    for term in terms:
        for label, n in term.extents().items():
            extents[label] = n if extents.get(label, 1) == 1 else extents[label]
    rest = [_without_repeated(term, extents) for term in terms]
    for pair in _path(rest, target, optimize):
        taken = [rest.pop(k) for k in sorted(pair, reverse=True)][::-1]
        keep = {*target, *(label for term in rest for label in term.labels)}
        done, *others = taken
        for other in others:
            is_product = not {*done.labels}.isdisjoint(other.labels)
            done = _contract(done, other, keep | {label for term in others for label in term.labels})
            others = others[1:]
        rest.append(done)
    last = rest[0].summed(set(target))
    shape = tuple(extents[label] if label in last.labels else 1 for label in target)
    found = last.ordered([label for label in target if label in last.labels])
    return spread(reshape_to(found, shape), tuple(extents[label] for label in target)), is_product


def _without_repeated(term: _Term, extents: Mapping[Any, int]) -> _Term:
    """An axis of extent 1 that meets a longer one is repeated along it, as it would be if it were not there."""
    kept = [(label, n) for label, n in term.extents().items() if n == extents[label]]
    return _Term(reshape_to(term.node, tuple(n for _, n in kept)), tuple(label for label, _ in kept))


def _path(terms: Sequence[_Term], target: Labels, optimize: Any) -> list[tuple[int, ...]]:
    """Which arrays to contract, in which order: NumPy's own answer; one after another where it has none."""
    if len(terms) == 1:
        return []
    names: dict[Any, str] = {}
    for term in terms:
        for label in term.labels:
            names.setdefault(label, LETTERS[len(names) % len(LETTERS)])
    if len(terms) == 2 or len(names) > len(LETTERS):
        return [(0, 1)] * (len(terms) - 1)
    text = ",".join("".join(names[label] for label in term.labels) for term in terms)
    text += "->" + "".join(names[label] for label in target if label in names)
    shapes = [np.broadcast_to(np.float64(0), term.node.shape) for term in terms]
    path, _ = np.einsum_path(text, *shapes, optimize="greedy" if isinstance(optimize, bool) else optimize)
    return [tuple(each) for each in path[1:]]


def _contract(x: _Term, y: _Term, keep: set[Any]) -> _Term:
    """The sum of products of two arrays over all labels that are not to be kept."""
    x, y = x.summed(keep | set(y.labels)), y.summed(keep | set(x.labels))
    shared = [label for label in x.labels if label in y.labels]
    batch = tuple(label for label in shared if label in keep)
    inner = tuple(label for label in shared if label not in keep)
    rows = tuple(label for label in x.labels if label not in shared)
    columns = tuple(label for label in y.labels if label not in shared)
    extents = {**x.extents(), **y.extents()}

    def shape(*labels: Any) -> tuple[int, ...]:
        return tuple(extents[label] for label in labels)

    def count(labels: Labels) -> int:
        return math.prod(shape(*labels))

    labels = (*batch, *rows, *columns)
    if not inner or not (rows or columns):
        a = reshape_to(
            x.ordered((*batch, *rows, *inner)), (*shape(*batch, *rows), *(1,) * len(columns), *shape(*inner))
        )
        b = reshape_to(
            y.ordered((*batch, *columns, *inner)), (*shape(*batch), *(1,) * len(rows), *shape(*columns, *inner))
        )
        product = _times(*broadcast([a, b]))
        return _Term(_sum(product, tuple(range(len(labels), len(labels) + len(inner)))) if inner else product, labels)
    a = reshape_to(x.ordered((*batch, *rows, *inner)), (*shape(*batch), count(rows), count(inner)))
    b = reshape_to(y.ordered((*batch, *inner, *columns)), (*shape(*batch), count(inner), count(columns)))
    return _Term(reshape_to(matmul(a, b), shape(*labels)), labels)


def _times(x: Node, y: Node) -> Node:
    return ew.logical_and(x, y) if x.dtype.kind == "b" else ew.multiply(x, y)


# -- convolution -------------------------------------------------------------------------------------------------------

_MODES = {"valid": 0, "same": 1, "full": 2, 0: 0, 1: 1, 2: 2}


def _slid(a: Any, v: Any, mode: Any) -> Placeholder:
    """np.correlate of two vectors, neither empty: with the shorter one over the longer one."""
    if mode not in _MODES:
        raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")
    dtype = common_dtype([_plain(a), _plain(v)])
    x, w = node_of(a, dtype), node_of(v, dtype)
    x, w = (reshape_to(each, (1,)) if not each.shape else each for each in (x, w))
    if x.aval.ndim > 1 or w.aval.ndim > 1:
        raise ValueError("object too deep for desired array")
    n, m = x.shape[0], w.shape[0]
    is_swapped = m > n
    if is_swapped:
        x, w, n, m = w, x, m, n
    before, after = {0: (0, 0), 1: (m // 2, m - 1 - m // 2), 2: (m - 1, m - 1)}[_MODES[mode]]
    out = correlate(padded_last(x, before, after) if before or after else x, w)
    return result(flip(out, 0) if is_swapped else out)


def _plain(value: Any) -> Any:
    return (
        value
        if hasattr(value, "dtype")
        else np.asarray(value)
        if not isinstance(value, (list, tuple))
        else listed(value)
    )


def _correlate(a: Any, v: Any, mode: Any = "valid") -> Placeholder:
    a, v = _plain(a), _plain(v)
    for each in (a, v):
        if each.ndim != 1:
            raise ValueError(f"object {'too deep' if each.ndim else 'of too small depth'} for desired array")
    if not a.size or not v.size:
        raise ValueError(f"{'second' if a.size else 'first'} array argument cannot be empty")
    return _slid(a, np.conj(v) if v.dtype.kind == "c" else v, mode)


def _convolve(a: Any, v: Any, mode: Any = "full") -> Placeholder:
    a, v = _plain(a), _plain(v)
    if not a.size or not v.size:
        raise ValueError(f"{'v' if a.size else 'a'} cannot be empty")
    if v.size > a.size:
        a, v = v, a
    weights = node_of(v)
    return _slid(a, result(flip(weights, 0) if weights.shape else weights, is_array=True), mode)


# -- cross -------------------------------------------------------------------------------------------------------------


def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = (_last(value, place) for value, place in ((a, axisa), (b, axisb)))
    if x.shape[-1] not in (2, 3) or y.shape[-1] not in (2, 3):
        raise ValueError("incompatible dimensions for cross product\n(dimension must be 2 or 3)")
    if 2 in (x.shape[-1], y.shape[-1]):
        warn(
            "Arrays of 2-dimensional vectors are deprecated. Use arrays of 3-dimensional vectors instead. (deprecated in "
            "NumPy 2.0)",
            DeprecationWarning,
        )
    lead = np.broadcast_shapes(x.shape[:-1], y.shape[:-1])
    dtype = common_dtype([x, y])
    x, y = (result(spread(node_of(each, dtype), (*lead, each.shape[-1]))) for each in (x, y))
    first, second = [_component(x, k) for k in range(3)], [_component(y, k) for k in range(3)]
    is_flat = x.shape[-1] == y.shape[-1] == 2
    if is_flat:
        return result(_minor(first, second, 0, 1).node, is_array=True)
    values = [_minor(first, second, i, j) for i, j in ((1, 2), (2, 0), (0, 1))]
    found = np.stack(np.broadcast_arrays(*values), -1)
    return np.moveaxis(found, -1, normalize_axis_index(axisc, found.ndim))


def _last(value: Any, axis: int) -> Any:
    x = listed(value)
    return np.moveaxis(x, normalize_axis_index(axis, x.ndim), -1)


def _component(x: Any, k: int) -> Any:
    return x[..., k] if k < x.shape[-1] else None


def _minor(x: Sequence[Any], y: Sequence[Any], i: int, j: int) -> Any:
    """x[i] y[j] - x[j] y[i], without the components that are not there."""
    first = x[i] * y[j] if x[i] is not None and y[j] is not None else None
    second = x[j] * y[i] if x[j] is not None and y[i] is not None else None
    if first is None or second is None:
        return first if second is None else -second
    return first - second


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.einsum: _einsum,
    np.convolve: _convolve,
    np.correlate: _correlate,
    np.cross: _cross,
}
