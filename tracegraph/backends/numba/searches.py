"""Texts that look values up in lines that rise.

Some values at a time are looked up together, step by step, so that the loop over them vectorises and many reads are under
way at once. Steps have no branches: all lookups in one line take as many.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent

from tracegraph.backends.numba.texts import Text

__all__ = ["LOOKUP", "TEXTS"]

#: For values ``start`` to ``stop`` at ``{value}``: how many of the ``count`` elements from ``line`` on come before each, at
#: ``{found}``.
LOOKUP = """
for i in range(start, stop):
    store({found}, {place}, 0)
length = count
while length > 1:
    half = length // 2
    for i in range(start, stop):
        base = reload({found}, {place})
        comes_before = {before}({edge}(load({line}, line + base + half - 1)), {value})
        store({found}, {place}, where(comes_before, base + half, base))
    length -= half
if length == 1:
    for i in range(start, stop):
        base = reload({found}, {place})
        comes_before = {before}({edge}(load({line}, line + base)), {value})
        store({found}, {place}, where(comes_before, base + 1, base))
"""

_SEARCH = """
    for item in range(lo, hi):
        row = item // strips
        line = row * n
        start = row * m + item % strips * {block}
        stop = min(start + {block}, row * m + m)
        count = n
{numbers}
{lookup}
{nans}
"""
_LOOKUP = LOOKUP.replace("{found}", "out").replace("{place}", "i").replace("{value}", "load(v, i)")
_LOOKUP = _LOOKUP.replace("{line}", "a").replace("{edge}", "")
_SEARCH = _SEARCH.replace("{lookup}", indent(_LOOKUP.strip("\n"), 8 * " "))

#: NaNs come last in the line; a NaN comes after all numbers and, on the right, after all NaNs.
_NUMBERS = """
        low = 0
        while low < count:
            j = (low + count) // 2
            if isnan(load(a, line + j)):
                count = j
            else:
                low = j + 1
"""
_NANS = """
        for i in range(start, stop):
            store(out, i, where(isnan(load(v, i)), {of_nan}, reload(out, i)))
"""


def _search(numbers: str, nans: str) -> str:
    return _SEARCH.replace("{numbers}\n", numbers.lstrip("\n")).replace("{nans}\n", nans.lstrip("\n"))


TEXTS: Mapping[str, Text] = {
    "search": Text("a v out", "n m strips", _search("", "")),
    "search_floats": Text("a v out", "n m strips", _search(_NUMBERS, _NANS)),
}
