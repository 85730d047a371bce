"""Bins and tables: which bin a value is in, how many are in each, and what a piecewise linear function has there.

Bins and tables may have leading axes, which are then leading axes of the values too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracegraph.ir import Aval, Node, Op
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import broadcast_to, expand_leading, fill, zeros_like
from tracegraph.ops.elementwise import add, convert, divide, equal, like, multiply, negative, subtract, where
from tracegraph.ops.gather import add_at, gather_at
from tracegraph.ops.leaf import iota
from tracegraph.ops.rules import FLOATS, REALS, Params, batch_all, is_float
from tracegraph.ops.shape import reshape_to

__all__ = ["OPS", "bin_count", "digitize", "histogram", "interp"]

INT64 = np.dtype(np.int64)
#: From where to where bins are made; None for all that is there.
Range = tuple[float, float] | None


def _check_table(name: str, x: Aval, table: Aval) -> None:
    lead = table.ndim - 1
    if lead < 0 or x.shape[:lead] != table.shape[:lead]:
        raise TypeError(f"{name}: {table} for {x}")


def _for_each_lead(one: Callable[..., Any], x: np.ndarray, *tables: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A function of values and tables, for every place in the leading axes of the tables."""
    out = np.empty(x.shape, dtype)
    for place in np.ndindex(tables[0].shape[:-1]):
        out[place] = one(x[place], *(table[place] for table in tables))
    return out


def _batch_table(op: Op) -> Callable[[Sequence[Node], Sequence[bool], Params], Node]:
    """Tables that all examples share, and that have no leading axes, stay as they are."""

    def batch(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
        if any(axes[1:]) or inputs[1].aval.ndim > 1:
            inputs = batch_all(op, inputs, axes, expand_leading)
        return op(*inputs, **params)

    return batch


def _looked_up(table: Node, places: Node) -> Node:
    """The table's elements at places in it."""
    return gather_at(table, *_leading(table, places), places)


def _put(like_this: Node, values: Node, places: Node) -> Node:
    """The sum of the values that go to each place of a table."""
    return add_at(zeros_like(like_this), values, *_leading(like_this, places), places)


def _leading(table: Node, places: Node) -> list[Node]:
    """For each leading axis of the table, where in it each of the places is."""
    shape = places.shape
    axes = range(table.aval.ndim - 1)
    rows = [reshape_to(iota(length=shape[k], dtype=INT64), (shape[k], *(1,) * (len(shape) - k - 1))) for k in axes]
    return [row if row.shape == shape else broadcast_to(row, shape=shape) for row in rows]


# -- which bin ---------------------------------------------------------------------------------------------------------


def _digitize_rule(x: Aval, edges: Aval, *, right: bool) -> Aval:
    if x.dtype not in REALS or edges.dtype not in REALS:
        raise TypeError(f"digitize does not take {x.dtype if x.dtype not in REALS else edges.dtype}")
    if x.dtype != edges.dtype:
        raise TypeError(f"digitize: {edges} for {x}")
    _check_table("digitize", x, edges)
    return Aval(x.shape, INT64)


def _digitize_reference(x: np.ndarray, edges: np.ndarray, *, right: bool) -> np.ndarray:
    return _for_each_lead(lambda x, edges: np.digitize(x, edges, right), x, edges, dtype=INT64)


#: np.digitize.
digitize: Op = Op(
    "digitize",
    rule=_digitize_rule,
    reference=_digitize_reference,
    batch=lambda inputs, axes, params: _batch_table(digitize)(inputs, axes, params),
)

# -- a table as a function ---------------------------------------------------------------------------------------------


def _interp_rule(x: Aval, xp: Aval, fp: Aval) -> Aval:
    if x.dtype not in FLOATS:
        raise TypeError(f"interp does not take {x.dtype}")
    if xp != fp or xp.dtype != x.dtype:
        raise TypeError(f"interp: {fp} at {xp}, for {x}")
    if not xp.ndim or not xp.shape[-1]:
        raise ValueError("array of sample points is empty")
    _check_table("interp", x, xp)
    return x


def _interp_vjp(ct: Node, out: Node, i: int) -> Node:
    """Of the two points around a value each has the share of its nearness; beyond the ends there is only one."""
    x, xp, fp = out.inputs
    last = xp.shape[-1] - 1
    if last == 0:
        return _put(fp, ct, fill(0, x.shape, INT64)) if i == 2 else zeros_like(out.inputs[i])
    place = subtract(digitize(x, xp, right=False), fill(1, x.shape, INT64))
    place = ew.minimum(ew.maximum(place, like(place, 0)), like(place, last - 1))
    after = add(place, like(place, 1))
    left, right = _looked_up(xp, place), _looked_up(xp, after)
    width = subtract(right, left)
    part = divide(subtract(x, left), width)
    inside = ew.logical_and(ew.greater_equal(part, like(part, 0)), ew.less_equal(part, like(part, 1)))
    share = ew.minimum(ew.maximum(part, like(part, 0)), like(part, 1))
    if i == 2:
        return add(_put(fp, multiply(ct, subtract(like(share, 1), share)), place), _put(fp, multiply(ct, share), after))
    slope = divide(subtract(_looked_up(fp, after), _looked_up(fp, place)), width)
    moved = where(inside, multiply(ct, slope), zeros_like(ct))
    if i == 0:
        return moved
    at_left, at_right = multiply(moved, subtract(like(share, 1), share)), multiply(moved, share)
    return negative(add(_put(xp, at_left, place), _put(xp, at_right, after)))


#: np.interp, without its keywords.
interp: Op = Op(
    "interp",
    rule=_interp_rule,
    reference=lambda x, xp, fp: _for_each_lead(np.interp, x, xp, fp, dtype=x.dtype),
    vjp=_interp_vjp,
    batch=lambda inputs, axes, params: _batch_table(interp)(inputs, axes, params),
)

# -- histograms --------------------------------------------------------------------------------------------------------
# The first ``lead`` axes of the values are places in a batch; all others are counted together.


def _over_lead(one: Callable[..., Any], arrays: Sequence[np.ndarray], lead: int, aval: Aval) -> np.ndarray:
    out = np.empty(aval.shape, aval.dtype)
    for place in np.ndindex(aval.shape[:lead]):
        out[place] = one(*(x[place] for x in arrays))
    return out


def _check_counted(name: str, x: Aval) -> None:
    if x.dtype not in REALS:
        raise TypeError(f"{name} does not take {x.dtype}")


def _histogram_rule(x: Aval, edges: Aval, *w: Aval, is_uniform: bool, lead: int = 0) -> Aval:
    for aval in (x, edges, *w):
        _check_counted("histogram", aval)
    if edges.ndim != lead + 1 or x.shape[:lead] != edges.shape[:lead] or any(each.shape != x.shape for each in w):
        raise TypeError(f"histogram: {edges} for {x}, weights {w}")
    return Aval((*edges.shape[:lead], edges.shape[lead] - 1), w[0].dtype if w else INT64)


def _histogram_reference(
    x: np.ndarray, edges: np.ndarray, *w: np.ndarray, is_uniform: bool, lead: int = 0
) -> np.ndarray:
    avals = [Aval(each.shape, each.dtype) for each in (x, edges, *w)]

    def one(x: np.ndarray, edges: np.ndarray, *w: np.ndarray) -> Any:
        bins, range = (len(edges) - 1, (edges[0], edges[-1])) if is_uniform else (edges, None)
        return np.histogram(x, bins, range, weights=w[0] if w else None)[0]

    return _over_lead(one, (x, edges, *w), lead, _histogram_rule(*avals, is_uniform=is_uniform, lead=lead))


def _histogram_vjp(ct: Node, out: Node, i: int) -> Node | None:
    """Each weight gets what its bin got."""
    if i < 2 or not is_float(out.inputs[i]):
        return None
    x, edges, _ = out.inputs
    last = edges.shape[-1] - 1
    common = np.result_type(x.dtype, edges.dtype)
    x, edges = convert(x, dtype=common), convert(edges, dtype=common)
    place = subtract(digitize(x, edges, right=False), fill(1, x.shape, INT64))
    top = _looked_up(edges, fill(last, x.shape, INT64))
    place = where(equal(x, top), like(place, last - 1), place)
    inside = ew.logical_and(ew.greater_equal(place, like(place, 0)), ew.less(place, like(place, last)))
    found = _looked_up(ct, where(inside, place, zeros_like(place)))
    return where(inside, found, zeros_like(found))


def _batch_histogram(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    lead = params.get("lead", 0) + 1
    return histogram(*batch_all(histogram, inputs, axes, expand_leading), is_uniform=params["is_uniform"], lead=lead)


#: How many values, or how much weight, is in each bin. NumPy is faster if it is told that the bins are equally wide.
histogram: Op = Op(
    "histogram",
    rule=_histogram_rule,
    reference=_histogram_reference,
    vjp=_histogram_vjp,
    batch=_batch_histogram,
)


def _bin_count_rule(x: Aval, *, bins: str, range: Range, lead: int = 0) -> Aval:
    _check_counted("bin_count", x)
    return Aval(x.shape[:lead], INT64)


#: How many bins a rule of NumPy's, given by its name, would make.
bin_count: Op = Op(
    "bin_count",
    rule=_bin_count_rule,
    reference=lambda x, *, bins, range, lead=0: _over_lead(
        lambda x: len(np.histogram_bin_edges(x, bins, range)) - 1, (x,), lead, Aval(x.shape[:lead], INT64)
    ),
    batch=lambda inputs, axes, params: bin_count(*inputs, **{**params, "lead": params.get("lead", 0) + 1}),
)

OPS: Sequence[Op] = (digitize, interp, histogram, bin_count)
