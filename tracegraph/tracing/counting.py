"""NumPy's counting and looking up on placeholders: histograms, bins, tables as functions, bits."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tracegraph.errors import UnsupportedError
from tracegraph.ir import Node
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import fill, reduce_sum
from tracegraph.ops.count import bin_count, digitize, histogram, interp
from tracegraph.ops.elementwise import like
from tracegraph.ops.gather import add_at, gather_at
from tracegraph.ops.leaf import iota
from tracegraph.ops.reduce import reduce_max, reduce_min
from tracegraph.ops.region import concatenate
from tracegraph.ops.scan import along
from tracegraph.ops.shape import reshape_to, transpose
from tracegraph.tracing.lift import cast, common_dtype, converted, listed, node_of, result, spread
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.trace import active_trace

__all__ = ["FUNCTIONS"]

INT64, FLOAT, UINT8 = np.dtype(np.int64), np.dtype(float), np.dtype(np.uint8)


def _decide(node: Node) -> Any:
    """The value of a node, on which the shapes of what is traced next depend."""
    trace = active_trace()
    assert trace is not None
    return trace.decide(node)[()]


def _line(value: Any, dtype: np.dtype, text: str | None = None) -> Node:
    """The node of what a function takes as a vector of some dtype; ``text`` is the error if it is none."""
    ndim = np.ndim(listed(value))
    if ndim != 1:
        raise ValueError(text or f"object {'too deep' if ndim else 'of too small depth'} for desired array")
    return converted(value, dtype)


def _flat(node: Node) -> Node:
    return reshape_to(node, (node.aval.size,))


# -- bincount and digitize ---------------------------------------------------------------------------------------------


def _bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> Placeholder:
    node = _line(x, node_of(listed(x)).dtype)
    if node.dtype.kind != "u":
        converted(result(node, is_array=True), INT64)
    length = operator.index(minlength)
    if length < 0:
        raise ValueError("'minlength' must not be negative")
    places = cast(node, INT64)
    if node.aval.size:
        if node.dtype.kind != "b" and _decide(reduce_min(places, axes=(0,))) < 0:
            raise ValueError("'list' argument must have no negative elements")
        length = max(length, int(_decide(reduce_max(places, axes=(0,)))) + 1)
    if not places.aval.size:
        return result(fill(0, (length,), INT64))
    values = fill(1, places.shape, INT64) if weights is None else _line(weights, FLOAT)
    if values.shape != places.shape:
        raise ValueError("The weights and list don't have the same length.")
    return result(add_at(fill(0, (length,), values.dtype), values, places))


def _digitize(x: Any, bins: Any, right: bool = False) -> Placeholder:
    if listed(x).dtype.kind == "c":
        raise TypeError("x may not be complex")
    _line(bins, FLOAT)
    dtype = common_dtype([listed(x), listed(bins)])
    dtype = INT64 if dtype.kind == "b" else dtype
    return result(digitize(node_of(x, dtype), node_of(bins, dtype), right=bool(right)))


# -- interp ------------------------------------------------------------------------------------------------------------


def _interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Placeholder:
    to = np.dtype(complex) if listed(fp).dtype.kind == "c" else FLOAT
    text = None if period is None else "Data points must be 1-D sequences"
    heights, points = (_line(each, of, text) for each, of in ((fp, to), (xp, FLOAT)))
    values = converted(x, FLOAT)
    if points.shape != heights.shape:
        raise ValueError("fp and xp are not of the same length" + ("" if period is not None else "."))
    if not points.shape[0]:
        raise ValueError("array of sample points is empty")
    if period is not None:
        values, points, heights = _periodic(values, points, heights, period)
        left = right = None
    node = _interpolated(values, points, heights)
    first, last = (spread(_at(points, k), values.shape) for k in (0, points.shape[0] - 1))
    above = ew.greater(values, last)
    if left is not None:
        below = ew.logical_and(ew.less(values, first), ew.logical_not(above))
        node = ew.where(below, spread(converted(left, to), node.shape), node)
    if right is not None:
        node = ew.where(above, spread(converted(right, to), node.shape), node)
    return result(node)


def _interpolated(x: Node, xp: Node, fp: Node) -> Node:
    """Complex heights part by part; NumPy gives what is no number no imaginary part."""
    if fp.dtype.kind != "c":
        return interp(x, xp, fp)
    height = interp(x, xp, ew.imag(fp))
    return ew.make_complex(interp(x, xp, ew.real(fp)), ew.where(ew.isnan(x), like(x, 0), height))


def _at(x: Node, place: int) -> Node:
    """One element, as a number."""
    return reshape_to(along(x, 0, place, 1), ())


def _periodic(x: Node, xp: Node, fp: Node, period: Any) -> tuple[Node, Node, Node]:
    """Within one period, the points in order, with a neighbour at each end."""
    if not isinstance(period, Placeholder):
        if period == 0:
            raise ValueError("period must be a non-zero value")
        period = abs(period)
    length = ew.absolute(node_of(period, FLOAT))
    x, xp = (ew.remainder(each, spread(length, each.shape)) for each in (x, xp))
    order = node_of(np.argsort(result(xp)))
    xp, fp = gather_at(xp, order), gather_at(fp, order)
    n = xp.shape[0]
    first, last, one = along(xp, 0, 0, 1), along(xp, 0, n - 1, 1), spread(length, (1,))
    xp = concatenate(ew.subtract(last, one), xp, ew.add(first, one), axis=0)
    return x, xp, concatenate(along(fp, 0, n - 1, 1), fp, along(fp, 0, 0, 1), axis=0)


# -- histograms --------------------------------------------------------------------------------------------------------


def _ends(x: Node, range: Any) -> tuple[Any, Any]:
    """Where the bins begin and end: numbers if they are given, else nodes."""
    if range is not None:
        first, last = map(_settled, range)
        if isinstance(first, Placeholder) or isinstance(last, Placeholder):
            return _traced_ends(x, first, last)
        if first > last:
            raise ValueError("max must be larger than min in range parameter.")
        if not (np.isfinite(first) and np.isfinite(last)):
            raise ValueError(f"supplied range of [{first}, {last}] is not finite")
        return (first - 0.5, last + 0.5) if first == last else (first, last)
    if not x.aval.size:
        return 0, 1
    dtype = FLOAT if x.dtype.kind != "f" else x.dtype
    axes = tuple(k for k, _ in enumerate(x.shape))
    return _apart(*(cast(reduce(x, axes=axes), dtype) for reduce in (reduce_min, reduce_max)))


def _settled(end: Any) -> Any:
    """A number if it depends on settings alone."""
    trace = active_trace()
    value = trace.settled(end.node) if trace is not None and isinstance(end, Placeholder) else None
    return end if value is None else value[()]


def _traced_ends(x: Node, first: Any, last: Any) -> tuple[Node, Node]:
    if not (np.isfinite(first) & np.isfinite(last) & (first <= last)):
        if first > last:
            raise ValueError("max must be larger than min in range parameter.")
        raise ValueError("supplied range is not finite")
    found = common_dtype([first, last, result(x)])
    dtype = found if found.kind == "f" else FLOAT
    return _apart(node_of(first, dtype), node_of(last, dtype))


def _apart(first: Node, last: Node) -> tuple[Node, Node]:
    """Ends that are equal are moved half a unit away from each other."""
    half = ew.where(ew.equal(first, last), like(first, 0.5), like(first, 0))
    return ew.subtract(first, half), ew.add(last, half)


def _edges(x: Node, bins: int, range: Any, dtype: np.dtype | None = None) -> Node:
    """np.linspace from one end to the other."""
    ends = _ends(x, range)
    if isinstance(ends[0], Node):
        first, last = ends
    else:
        found = np.result_type(*ends, x.dtype) if dtype is None else dtype
        dtype = found if found.kind == "f" else FLOAT
        first, last = (node_of(float(end), dtype) for end in ends)
    places = iota(length=bins, dtype=first.dtype)
    step = ew.divide(ew.subtract(last, first), like(first, bins))
    start, step = spread(first, (bins,)), spread(step, (bins,))
    return concatenate(ew.add(ew.multiply(places, step), start), reshape_to(last, (1,)), axis=0)


def _bins(x: Node, bins: Any, range: Any, weights: Any) -> tuple[Node, bool]:
    """The edges, and whether the bins are equally wide."""
    if isinstance(bins, str):
        if weights is not None:
            raise TypeError("Automated estimation of the number of bins is not supported for weighted data")
        np.histogram_bin_edges(np.zeros(0), bins)
        limits = None if range is None else tuple(map(float, range))
        bins = int(_decide(bin_count(x, bins=bins, range=limits)))
    if np.ndim(bins) == 1:
        return node_of(bins), False
    if np.ndim(bins) > 1:
        raise ValueError("`bins` must be 1d, when an array")
    try:
        count = operator.index(bins)
    except TypeError as error:
        raise TypeError("`bins` must be an integer, a string, or an array") from error
    if count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    return _edges(x, count, range), True


COMPLEX = "a histogram of complex numbers is not traced; count x.real or np.abs(x)"


def _counted(a: Any, weights: Any) -> tuple[Node, Node | None]:
    node = node_of(a)
    if node.dtype.kind == "c":
        raise UnsupportedError(COMPLEX)
    node = cast(node, UINT8) if node.dtype.kind == "b" else node
    if weights is None:
        return _flat(node), None
    mass = node_of(weights)
    if mass.shape != node.shape:
        raise ValueError("weights should have the same shape as a.")
    return _flat(node), _flat(mass)


def _histogram(a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None) -> tuple[Any, Any]:
    x, mass = _counted(a, weights)
    edges, is_uniform = _bins(x, bins, range, weights)
    if edges.dtype.kind == "c":
        raise UnsupportedError(COMPLEX)
    limits = cast(edges, UINT8) if edges.dtype.kind == "b" else edges
    counts = _weighed(x, limits, mass, is_uniform=is_uniform)
    if density:
        widths = cast(_differences(limits), FLOAT)
        total = cast(reduce_sum(counts, axes=(0,)), FLOAT)
        counts = ew.divide(ew.divide(cast(counts, FLOAT), widths), spread(total, counts.shape))
    return result(counts), bins if isinstance(bins, Placeholder) and bins.ndim else result(edges)


def _weighed(x: Node, edges: Node, mass: Node | None, *, is_uniform: bool) -> Node:
    """How much is in each bin, of the dtype of the weights."""
    if not edges.aval.size:
        return fill(0, (0,), INT64 if mass is None else mass.dtype)
    if mass is None:
        return histogram(x, edges, is_uniform=is_uniform)
    if mass.dtype.kind == "c":
        return ew.make_complex(*(histogram(x, edges, part(mass), is_uniform=is_uniform) for part in (ew.real, ew.imag)))
    if mass.dtype.kind == "b":
        if not is_uniform and x.aval.size:
            raise TypeError(
                "Cannot cast ufunc 'add' output from dtype('int64') to dtype('bool') with casting rule 'same_kind'"
            )
        return cast(histogram(x, edges, cast(mass, FLOAT), is_uniform=is_uniform), mass.dtype)
    return histogram(x, edges, mass, is_uniform=is_uniform)


def _differences(edges: Node) -> Node:
    n = edges.shape[0] - 1
    return ew.subtract(along(edges, 0, 1, n), along(edges, 0, 0, n))


def _histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    x, _ = _counted(a, weights)
    edges, _ = _bins(x, bins, range, weights)
    return bins if isinstance(bins, Placeholder) and bins.ndim else result(edges)


def _histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, list[Any]]:
    columns = _columns(sample)
    several = bins if isinstance(bins, (list, tuple)) or np.ndim(bins) else [bins] * len(columns)
    if len(several) != len(columns):
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    ranges = [None] * len(columns) if range is None else list(range)
    if len(ranges) != len(columns):
        raise ValueError("range argument must have one entry per dimension")
    axes = zip(columns, several, ranges, strict=True)
    edges = [_edges_of_axis(k, *each) for k, each in enumerate(axes)]
    counts = _grid(columns, edges, None if weights is None else node_of(weights, FLOAT))
    if density:
        total = reduce_sum(counts, axes=tuple(k for k, _ in enumerate(edges)))
        for k, edge in enumerate(edges):
            shape = tuple(edge.shape[0] - 1 if i == k else 1 for i, _ in enumerate(edges))
            counts = ew.divide(counts, spread(reshape_to(cast(_differences(edge), FLOAT), shape), counts.shape))
        counts = ew.divide(counts, spread(total, counts.shape))
    return result(counts), [result(edge) for edge in edges]


def _columns(sample: Any) -> list[Node]:
    """The coordinates, one array for each dimension; of a list of them they get one dtype."""
    is_table = getattr(sample, "ndim", 0) == 2
    node = node_of(sample if is_table else np.transpose(np.atleast_2d(listed(sample))))
    if node.aval.ndim != 2:
        raise ValueError("too many values to unpack (expected 2)")
    if not node.shape[1]:
        raise ValueError("object of too small depth for desired array")
    if node.dtype.kind == "c":
        raise UnsupportedError(COMPLEX)
    return [reshape_to(along(node, 1, k, 1), node.shape[:1]) for k in range(node.shape[1])]


def _edges_of_axis(k: int, x: Node, bins: Any, range: Any) -> Node:
    if np.ndim(bins) == 1:
        if listed(bins).dtype.kind == "c":
            raise UnsupportedError(COMPLEX)
        return node_of(bins)
    if np.ndim(bins):
        raise ValueError(f"`bins[{k}]` must be a scalar or 1d array")
    if bins < 1:
        raise ValueError(f"`bins[{k}]` must be positive, when an integer")
    try:
        count = operator.index(bins)
    except TypeError as error:
        raise TypeError(f"`bins[{k}]` must be an integer, when a scalar") from error
    return _edges(x, count, range, None if range is None else np.result_type(*range, 1.0))


def _grid(columns: Sequence[Node], edges: Sequence[Node], weights: Node | None) -> Node:
    """How much is in each cell of a grid; what is outside goes to cells around it, which are then left away."""
    places = []
    for x, edge in zip(columns, edges, strict=True):
        common = common_dtype([result(x, is_array=True), result(edge)])
        value, limits = cast(x, common), cast(edge, common)
        place = digitize(value, limits, right=False)
        top = ew.equal(value, spread(along(limits, 0, edge.shape[0] - 1, 1), value.shape))
        places.append(ew.subtract(place, cast(top, INT64)))
    shape = tuple(edge.shape[0] + 1 for edge in edges)
    mass = fill(1, places[0].shape, FLOAT) if weights is None else weights
    node = add_at(fill(0, shape, FLOAT), mass, *places)
    for k, n in enumerate(shape):
        node = along(node, k, 1, n - 2)
    return node


def _histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> tuple[Any, Any, Any]:
    if len(x) != len(y):
        raise ValueError("x and y must have the same length.")
    is_pair = isinstance(bins, (list, tuple)) or np.ndim(bins) > 0
    if is_pair and len(bins) not in (1, 2):
        bins = [listed(bins)] * 2
    counts, edges = _histogramdd([x, y], bins, range, density, weights)
    return counts, edges[0], edges[1]


# -- bits --------------------------------------------------------------------------------------------------------------


def _bit_places(bitorder: str) -> Node:
    """How far left each of a byte's bits is, in their order."""
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    places = iota(length=8, dtype=UINT8)
    return places if bitorder == "little" else ew.subtract(fill(7, (8,), UINT8), places)


def _lined_up(node: Node, axis: Any) -> tuple[Node, int]:
    """The array with the axis at the end, or flat if there is none; and the axis."""
    if axis is None:
        return _flat(node), 0
    k = normalize_axis_index(axis, node.aval.ndim)
    others = tuple(i for i in range(node.aval.ndim) if i != k)
    return transpose(node, axes=(*others, k)), k


def _back(node: Node, axis: int) -> Placeholder:
    order = list(range(node.aval.ndim - 1))
    order.insert(axis, node.aval.ndim - 1)
    return result(transpose(node, axes=tuple(order)))


def _packbits(a: Any, /, axis: Any = None, bitorder: str = "big") -> Placeholder:
    node = node_of(a)
    if node.dtype.kind not in "iub":
        raise TypeError("Expected an input array of integer or boolean data type")
    shift = _bit_places(bitorder)
    bits = ew.not_equal(node, like(node, 0)) if node.dtype.kind != "b" else node
    line, k = _lined_up(cast(bits, UINT8), axis)
    *lead, n = line.shape
    count = -(-n // 8)
    line = concatenate(line, fill(0, (*lead, 8 * count - n), UINT8), axis=len(lead))
    bytes_ = reshape_to(line, (*lead, count, 8))
    return _back(reduce_sum(ew.left_shift(bytes_, spread(shift, bytes_.shape)), axes=(len(lead) + 1,)), k)


def _unpackbits(a: Any, /, axis: Any = None, count: Any = None, bitorder: str = "big") -> Placeholder:
    node = node_of(a)
    if node.dtype != UINT8:
        raise TypeError("Expected an input array of unsigned byte data type")
    shift = _bit_places(bitorder)
    line, k = _lined_up(node, axis)
    *lead, n = line.shape
    bits = spread(reshape_to(line, (*lead, n, 1)), (*lead, n, 8))
    bits = ew.bitwise_and(ew.right_shift(bits, spread(shift, bits.shape)), like(bits, 1))
    bits = reshape_to(bits, (*lead, 8 * n))
    if count is not None:
        wanted = operator.index(count)
        wanted = wanted if wanted >= 0 else 8 * n + wanted
        if wanted < 0:
            raise ValueError(f"-ve count {operator.index(count)} may not be shorter than -{8 * n}")
        bits = concatenate(
            along(bits, len(lead), 0, min(wanted, 8 * n)),
            fill(0, (*lead, max(wanted - 8 * n, 0)), UINT8),
            axis=len(lead),
        )
    return _back(bits, k)


FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.bincount: _bincount,
    np.digitize: _digitize,
    np.interp: _interp,
    np.histogram: _histogram,
    np.histogram_bin_edges: _histogram_bin_edges,
    np.histogram2d: _histogram2d,
    np.histogramdd: _histogramdd,
    np.packbits: _packbits,
    np.unpackbits: _unpackbits,
}
