"""Texts that add up values at indices which may repeat, without races.

Where there are few places, every task has all of them for itself, and what they hold is added up in the end. Where there are
many, the values are dealt out by the range that their index is in, in their order, and every task adds up those of some
ranges, each of which fits in a cache. Rows are added up by tasks that each look for the rows of one range.
"""

from __future__ import annotations

from collections.abc import Mapping

from tracegraph.backends.numba.texts import Text

__all__ = ["TEXTS"]

#: Indices are checked for a block of values at a time, in a loop that vectorises; what is done with them then waits for
#: nothing but memory.
_BLOCKS = """
    block = lo * {block}
    end = min(hi * width, m)
    is_outside = False
    for start in range(lo * width, end, {block}):
        stop = min(start + {block}, end)
        for i in range(start, stop):
            at = load(indices, i)
            is_outside = logical_or(is_outside, outside(at, n))
            store(found, block + i - start, inside(at, n))
        for i in range(start, stop):
            place = reload(found, block + i - start)
"""

_OWN = f"""
    own = lo * n
    for b in range(own, own + n):
        store(sums, b, 0)
{_BLOCKS}
            store(sums, own + place, add(reload(sums, own + place), load(v, {{at}})))
    if is_outside:
        store(errors, 0, 1)
"""

_TOTAL = """
    for b in range(lo, hi):
        total = load(x, b)
        for k in range(pieces):
            total = add(total, load(sums, b + k * n))
        store(out, b, total)
"""

_ROWS = """
    for i in range(lo * inner, hi * inner):
        store(out, i, load(x, i))
    is_outside = False
    for i in range(m):
        at = load(indices, i)
        is_outside = logical_or(is_outside, outside(at, n))
        row = inside(at, n)
        if lo <= row and row < hi:
            to = row * inner
            for j in range(inner):
                store(out, to + j, add(reload(out, to + j), load(v, {at})))
    if is_outside:
        store(errors, 0, 1)
"""

_COUNT = f"""
    own = lo * ranges
    for b in range(own, own + ranges):
        store(counts, b, 0)
{_BLOCKS}
            b = own + (place >> shift)
            store(counts, b, reload(counts, b) + 1)
    if is_outside:
        store(errors, 0, 1)
"""

_DEAL = f"""
    own = lo * ranges
    total = 0
    for b in range(ranges):
        for k in range(pieces):
            if k == lo:
                store(ends, own + b, total)
            total += load(counts, k * ranges + b)
{_BLOCKS}
            b = own + (place >> shift)
            to = reload(ends, b)
            store(ends, b, to + 1)
            store(places, to, place)
{{deal}}
"""

_GATHERED = """
    last = (pieces - 1) * ranges
    for b in range(lo, hi):
        for i in range(b << shift, min((b + 1) << shift, n)):
            store(out, i, load(x, i))
        start = load(ends, last + b - 1) if b > 0 else 0
        for k in range(start, load(ends, last + b)):
            place = int64(load(places, k))
            store(out, place, add(reload(out, place), load(v, {at})))
"""

_DEALT = "            store(values, to, load(v, i))"
TEXTS: Mapping[str, Text] = {
    "scatter_own": Text("indices v sums found", "n m width", _OWN),
    "scatter_total": Text("x sums out", "n pieces", _TOTAL),
    "scatter_rows": Text("x indices v out", "n m inner", _ROWS),
    "scatter_count": Text("indices counts found", "n m width shift ranges", _COUNT),
    "scatter_deal": Text(
        "indices counts ends places found", "n m width shift ranges pieces", _DEAL.replace("{deal}\n", "")
    ),
    "scatter_deal_values": Text(
        "indices v counts ends places values found", "n m width shift ranges pieces", _DEAL.replace("{deal}", _DEALT)
    ),
    "scatter_gathered": Text("x v ends places out", "n shift ranges pieces", _GATHERED),
}
