"""Texts that count into bins: every task has bins of its own, which are then added up, in order."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent

from tracegraph.backends.numba.searches import LOOKUP
from tracegraph.backends.numba.texts import Text

__all__ = ["TEXTS"]

#: Places are found for a block of values at a time, in loops that vectorise. What is in no bin goes to one behind the last.
_HISTOGRAM = """
    own = lo * (bins + 1)
    block = lo * {block}
    end = min(hi * width, size)
    for b in range(own, own + bins + 1):
        store(counts, b, 0)
    first, final = float64(load(edges, 0)), float64(load(edges, bins))
    line = 0
{prepare}
    for start in range(lo * width, end, {block}):
        stop = min(start + {block}, end)
{find}
        for i in range(start, stop):
            place = own + reload(places, block + i - start)
            store(counts, place, reload(counts, place) + {weight})
"""

#: The quotient may be off by one, which is seen by the edges on both sides.
_UNIFORM = """
for i in range(start, stop):
    value = float64(load(x, i))
    is_inside = logical_and(greater_equal(value, first), less_equal(value, final))
    quotient = (where(is_inside, value, first) - first) * scale
    place = min(int64(where(less(quotient, top), quotient, top)), bins - 1)
    down = where(less(value, float64(load(edges, place))), 1, 0)
    up = where(greater_equal(value, float64(load(edges, place + 1))), 1, 0)
    place = max(min(place - down + up, bins - 1), 0)
    store(places, block + i - start, where(is_inside, place, bins))
"""
_RANGE = """
if not (isfinite(first) and isfinite(final)):
    store(errors, 0, 1)
scale = float64(bins) / (final - first)
scale = scale if isfinite(scale) else 0.0
top = float64(bins)
"""

_SOUGHT = """
{lookup}
for i in range(start, stop):
    value = float64(load(x, i))
    is_inside = logical_and(greater_equal(value, first), less_equal(value, final))
    place = min(reload(places, block + i - start), bins) - 1
    store(places, block + i - start, where(is_inside, place, bins))
"""
_RISING = """
for b in range(bins):
    if load(edges, b) > load(edges, b + 1):
        store(errors, 0, 1)
count = bins + 1
"""
_LOOKUP = LOOKUP.replace("{found}", "places").replace("{place}", "block + i - start")
_LOOKUP = _LOOKUP.replace("{value}", "float64(load(x, i))").replace("{before}", "less_equal")
_LOOKUP = _LOOKUP.replace("{line}", "edges").replace("{edge}", "float64")


def _histogram(prepare: str, find: str, weight: str) -> str:
    find = find.replace("{lookup}\n", _LOOKUP.lstrip("\n"))
    text = _HISTOGRAM.replace("{prepare}", indent(prepare.strip("\n"), 4 * " "))
    return text.replace("{find}", indent(find.strip("\n"), 8 * " ")).replace("{weight}", weight)


_TOTAL = """
    for b in range(lo, hi):
        total = load(counts, b)
        for k in range(1, pieces):
            total += load(counts, b + k * stride)
        store(out, b, {out}(total))
"""

_TRUE_COUNTS = """
    for item in range(lo, hi):
        total = int64(0)
        for i in range(item * width, min(item * width + width, n)):
            total = accumulate_add(total, where(load(mask, i), 1, 0))
        store(counts, item, total)
"""

#: Places are first written one over the other until one is kept, in memory of the task's own; then those kept are copied.
_TRUE_PLACES = """
    total = 0
    for k in range(pieces):
        total += load(counts, k)
    if total != count:
        if lo == 0:
            store(errors, 0, 1)
            for k in range(count):
                store(out, k, 0)
    else:
        to = 0
        for k in range(lo):
            to += load(counts, k)
        own = lo * {block}
        for start in range(lo * width, min(hi * width, n), {block}):
            found = 0
            for i in range(start, min(start + {block}, min(hi * width, n))):
                store(places, own + found, i)
                found += where(load(mask, i), 1, 0)
            for k in range(found):
                store(out, to + k, reload(places, own + k))
            to += found
"""

_WEIGHT = "float64(load(w, i))"
_NUMBERS = "bins width size"
TEXTS: Mapping[str, Text] = {
    "histogram_uniform": Text("x edges counts places", _NUMBERS, _histogram(_RANGE, _UNIFORM, "1")),
    "histogram_sought": Text("x edges counts places", _NUMBERS, _histogram(_RISING, _SOUGHT, "1")),
    "histogram_uniform_weighted": Text("x edges w counts places", _NUMBERS, _histogram(_RANGE, _UNIFORM, _WEIGHT)),
    "histogram_sought_weighted": Text("x edges w counts places", _NUMBERS, _histogram(_RISING, _SOUGHT, _WEIGHT)),
    "true_counts": Text("mask counts", "n width", _TRUE_COUNTS),
    "true_places": Text("mask counts out places", "n width pieces count", _TRUE_PLACES),
    "total": Text("counts out", "pieces stride", _TOTAL),
}
