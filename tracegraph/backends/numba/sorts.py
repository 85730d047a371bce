"""Texts that sort lines.

Many short lines go through a network of comparisons side by side, which vectorises; other lines are each sorted by NumPy's
own function, several at the same time; a few long ones are sorted in pieces, which are then merged. Indices are sorted with
their values: the leading bits of a value, as an integer of the same order, and its index make one word; runs of words whose
values agree in those bits are sorted again by the bits that follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import indent

from tracegraph.backends.numba.texts import Text

__all__ = ["TEXTS"]

_ROWS = """
    for item in range(lo, hi):
        for i in range(item * n, item * n + n):
            store(out, i, load(x, i))
        call_c(sort, (out_at + item * n * size, n, 0))
"""

_COLUMNS = """
    first = lo // step * n
    for item in range(lo, hi):
        at = item // inner * n * inner + item % inner
        for i in range(n):
            store(line, first + i, load(x, at + i * inner))
        call_c(sort, (line_at + first * size, n, 0))
        for i in range(n):
            store(out, at + i * inner, reload(line, first + i))
"""

#: Batcher's odd-even merge sort, of any number of keys.
_NETWORK = """
    first = lo // step * {width} * n
    for item in range(lo, hi):
        start = item % strips * {lanes}
        at = item // strips * jump + start * {across}
        count = min({lanes}, lines - start)
        for i in range(n):
            row = first + i * {lanes}
            for j in range(count):
                store(keys, row + j, {key}(load(x, at + i * along + j * {across})))
{number}
        p = 1
        while p < n:
            k = p
            while k >= 1:
                for j in range(k % p, n - k, 2 * k):
                    for i in range(j, min(j + k, n - k)):
                        if i // (2 * p) == (i + k) // (2 * p):
                            upper = first + i * {lanes}
                            lower = upper + k * {lanes}
                            for l in range({lanes}):
                                a = reload(keys, upper + l)
                                b = reload(keys, lower + l)
{exchange}
                k //= 2
            p *= 2
        for i in range(n):
            row = first + i * {lanes}
            for j in range(count):
                store(out, at + i * along + j * {across}, {result})
"""
NETWORK_WORDS = {
    "sort": {
        "width": "{lanes}",
        "key": "order_key",
        "number": "",
        "exchange": """
is_less = less(b, a)
store(keys, upper + l, where(is_less, b, a))
store(keys, lower + l, where(is_less, a, b))
""",
        "result": "of_order_key(reload(keys, row + j), {out})",
    },
    "argsort": {
        "width": "2 * {lanes}",
        "key": "tie_key",
        "number": """
behind = {lanes} * n
for i in range(n):
    for j in range({lanes}):
        store(keys, first + behind + i * {lanes} + j, i)
""",
        "exchange": """
c = reload(keys, upper + behind + l)
d = reload(keys, lower + behind + l)
is_less = logical_or(less(b, a), logical_and(equal(b, a), less(d, c)))
store(keys, upper + l, where(is_less, b, a))
store(keys, lower + l, where(is_less, a, b))
store(keys, upper + behind + l, where(is_less, d, c))
store(keys, lower + behind + l, where(is_less, c, d))
""",
        "result": "reload(keys, row + behind + j)",
    },
}


def _network(op: str) -> str:
    """The text for values or for indices; what is filled in later stays in braces."""
    words = {word: text.strip("\n") for word, text in NETWORK_WORDS[op].items()}
    words["number"], words["exchange"] = indent(words["number"], 8 * " "), indent(words["exchange"], 32 * " ")
    text = _NETWORK
    for word, each in words.items():
        text = text.replace(f"{{{word}}}", each)
    return text


#: How many bits of a difference from the least key have to go for it to leave room for an index.
_SHIFT = """
spread = most - least
shift = 0
if spread < 0:
    spread = (spread >> 1) & 0x7FFFFFFFFFFFFFFF
    shift = 1
while spread >> (63 - bits) > 0:
    spread >>= 1
    shift += 1
kept = 0x7FFFFFFFFFFFFFFF >> max(shift - 1, 0)
low = (1 << shift) - 1
"""

_ARGSORT_LINES = """
    first = lo // step * n
    mask = (1 << bits) - 1
    for item in range(lo, hi):
        at = item // inner * n * inner + item % inner
        least = most = tie_key(load(x, at))
        for i in range(1, n):
            key = tie_key(load(x, at + i * inner))
            least = accumulate_min(least, key)
            most = accumulate_max(most, key)
{shift}
        for i in range(n):
            key = tie_key(load(x, at + i * inner)) - least
            store(words, first + i, ((key >> shift) & kept) << bits | i)
        call_c(sort, (words_at + 8 * first, n, 0))
        i = 0
        while i < n and shift > 0:
            word = reload(words, first + i) >> bits
            stop = i + 1
            while stop < n and reload(words, first + stop) >> bits == word:
                stop += 1
            if stop - i > 1:
                for k in range(first + i, first + stop):
                    place = reload(words, k) & mask
                    key = tie_key(load(x, at + place * inner)) - least
                    store(words, k, (key & low) << bits | place)
                call_c(sort, (words_at + 8 * (first + i), stop - i, 0))
            i = stop
        for i in range(n):
            store(out, at + i * inner, reload(words, first + i) & mask)
""".replace("{shift}", indent(_SHIFT.strip("\n"), 8 * " "))

_SORT_PIECES = """
    for item in range(lo, hi):
        line = item // pieces * n
        start = line + item % pieces * width
        stop = min(start + width, line + n)
        for i in range(start, stop):
            store(out, i, load(x, i))
        call_c(sort, (out_at + start * size, max(stop - start, 0), 0))
"""

_RANGES = """
    for item in range(lo, hi):
        line = item // pieces * n
        start = min(line + item % pieces * width, line + n - 1)
        least = most = tie_key(load(x, start))
        for i in range(start + 1, min(start + width, line + n)):
            key = tie_key(load(x, i))
            least = accumulate_min(least, key)
            most = accumulate_max(most, key)
        store(ranges, 2 * item, least)
        store(ranges, 2 * item + 1, most)
"""

_RANGE = """
least, most = load(ranges, 2 * row * pieces), load(ranges, 2 * row * pieces + 1)
for k in range(row * pieces + 1, (row + 1) * pieces):
    least = min(least, load(ranges, 2 * k))
    most = max(most, load(ranges, 2 * k + 1))
"""

_PACK = """
    for item in range(lo, hi):
        row = item // pieces
{range}
{shift}
        line = row * n
        start = item % pieces * width
        stop = min(start + width, n)
        for i in range(start, stop):
            key = tie_key(load(x, line + i)) - least
            store(words, line + i, ((key >> shift) & kept) << bits | i)
        call_c(sort, (words_at + 8 * (line + start), max(stop - start, 0), 0))
""".replace("{shift}", indent(_SHIFT.strip("\n"), 8 * " ")).replace("{range}", indent(_RANGE.strip("\n"), 8 * " "))

#: A run belongs to the task in whose slice it begins.
_FINISH = """
    mask = (1 << bits) - 1
    position = lo
    while position < hi:
        row = position // n
        line = row * n
        end = min(hi, line + n)
{range}
{shift}
        if shift == 0:
            for i in range(position, end):
                store(out, i, load(words, i) & mask)
        else:
            i = position
            if i > line:
                while i < line + n and load(words, i) >> bits == load(words, i - 1) >> bits:
                    i += 1
            while i < end:
                word = load(words, i)
                store(out, i, word & mask)
                stop = i + 1
                while stop < line + n and load(words, stop) >> bits == word >> bits:
                    stop += 1
                if stop - i > 1:
                    for k in range(i, stop):
                        place = load(words, k) & mask
                        key = tie_key(load(x, line + place)) - least
                        store(spare, k, (key & low) << bits | place)
                    call_c(sort, (spare_at + 8 * i, stop - i, 0))
                    for k in range(i, stop):
                        store(out, k, reload(spare, k) & mask)
                i = stop
        position = end
""".replace("{shift}", indent(_SHIFT.strip("\n"), 8 * " ")).replace("{range}", indent(_RANGE.strip("\n"), 8 * " "))

_CHAINS = range(4)


def _merge() -> str:
    """Merges pairs of runs: four chains side by side, because each step waits for the comparison before. Where a chain
    starts in either run is found by bisection along its diagonal."""
    cut = """
low = max(0, cut{c} - na)
high = min(cut{c}, nb)
while low < high:
    j = (low + high) // 2
    if load(x, middle + j) < load(x, first + cut{c} - j - 1):
        low = j + 1
    else:
        high = j
b{c} = middle + low
a{c} = first + cut{c} - low
"""
    step = """
u, v = load(x, a{c}), load(x, b{c})
is_less = less(v, u)
store(out, to{c} + k, where(is_less, v, u))
taken = where(is_less, 1, 0)
b{c} += taken
a{c} += 1 - taken
"""
    rest = """
while a{c} < a{d} and b{c} < b_end{c}:
    u, v = load(x, a{c}), load(x, b{c})
    is_less = less(v, u)
    store(out, to{c}, where(is_less, v, u))
    taken = where(is_less, 1, 0)
    b{c} += taken
    a{c} += 1 - taken
    to{c} += 1
for i in range(a{c}, a{d}):
    store(out, to{c} + i - a{c}, load(x, i))
for i in range(b{c}, b_end{c}):
    store(out, to{c} + i - b{c}, load(x, i))
"""
    rest = rest.replace("a{d}", "a_end{c}")
    every = [(c, c + 1) for c in _CHAINS]
    lines = [
        *(f"cut{c} = start + (stop - start) * {c} // 4" for c in (*_CHAINS, 4)),
        *(cut.format(c=c) for c in (*_CHAINS, 4)),
        *(f"a_end{c}, b_end{c}, to{c} = a{d}, b{d}, first + cut{c}" for c, d in every),
        "while True:",
        f"    safe = min({', '.join(f'a_end{c} - a{c}, b_end{c} - b{c}' for c in _CHAINS)})",
        "    if safe <= 0:",
        "        break",
        "    for k in range(safe):",
        *(indent(step.format(c=c).strip("\n"), 8 * " ") for c in _CHAINS),
        *(f"    to{c} += safe" for c in _CHAINS),
        *(rest.format(c=c) for c in _CHAINS),
    ]
    return indent("\n".join(each.strip("\n") for each in lines), 8 * " ")


#: The numbers of two runs are merged; NaNs, which stand at the end of each, come after.
_MERGE = """
    position = lo
    while position < hi:
        line = position // n * n
        first = line + (position - line) // (2 * width) * (2 * width)
        middle = min(first + width, line + n)
        last = min(middle + width, line + n)
        end = min(hi, last)
        na, nb = middle - first, last - middle
{numbers}
        start = min(position - first, na + nb)
        stop = min(end - first, na + nb)
{merge}
{tail}
        position = end
"""
_NUMBERS = """
        low, high = first, first + na
        while low < high:
            j = (low + high) // 2
            if isnan(load(x, j)):
                high = j
            else:
                low = j + 1
        na = low - first
        low, high = middle, middle + nb
        while low < high:
            j = (low + high) // 2
            if isnan(load(x, j)):
                high = j
            else:
                low = j + 1
        nb = low - middle
"""
_TAIL = """
        for i in range(max(position, first + na + nb), end):
            store(out, i, {x}(nan))
"""
_MERGE = _MERGE.replace("{merge}", _merge())

TEXTS: Mapping[str, Text] = {
    "sort_rows": Text("x out", "n size", _ROWS, "x"),
    "sort_columns": Text("x out line", "n inner size step", _COLUMNS, "x"),
    "sort_network": Text("x out keys", "n along across lines strips jump step", _network("sort")),
    "argsort_network": Text("x out keys", "n along across lines strips jump step", _network("argsort")),
    "argsort_lines": Text("x out words", "n inner bits step", _ARGSORT_LINES, "words"),
    "sort_pieces": Text("x out", "n pieces width size", _SORT_PIECES, "x"),
    "argsort_ranges": Text("x ranges", "n pieces width", _RANGES),
    "argsort_pack": Text("x ranges words", "n pieces width bits", _PACK, "words"),
    "argsort_finish": Text("x words ranges out spare", "n pieces bits", _FINISH, "words"),
    "merge": Text("x out", "n width", _MERGE.replace("{numbers}\n", "").replace("{tail}\n", "")),
    "merge_floats": Text(
        "x out", "n width", _MERGE.replace("{numbers}\n", _NUMBERS[1:]).replace("{tail}\n", _TAIL[1:])
    ),
}
