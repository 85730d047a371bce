"""Texts that carry a value along an axis.

Along the last axis rows are carried in registers, four side by side, because each addition waits for the one before; along
another one a strip of columns is carried together, through what has just been written, and its innermost loop is
vectorised. A few long rows are cut into blocks: one phase leaves what each block comes to, the next carries from there.
"""

from __future__ import annotations

from collections.abc import Mapping

from tracegraph.backends.numba.texts import Text

__all__ = ["TEXTS"]

_ROWS = """
    for row in range(lo, hi - 3, 4):
        at0 = row * n
        at1, at2, at3 = at0 + n, at0 + 2 * n, at0 + 3 * n
        total0, total1, total2, total3 = load(x, at0), load(x, at1), load(x, at2), load(x, at3)
        store(out, at0, total0)
        store(out, at1, total1)
        store(out, at2, total2)
        store(out, at3, total3)
        for i in range(1, n):
            total0 = {ufunc}(total0, load(x, at0 + i))
            total1 = {ufunc}(total1, load(x, at1 + i))
            total2 = {ufunc}(total2, load(x, at2 + i))
            total3 = {ufunc}(total3, load(x, at3 + i))
            store(out, at0 + i, total0)
            store(out, at1 + i, total1)
            store(out, at2 + i, total2)
            store(out, at3 + i, total3)
    for row in range(hi - (hi - lo) % 4, hi):
        at = row * n
        total = load(x, at)
        store(out, at, total)
        for i in range(at + 1, at + n):
            total = {ufunc}(total, load(x, i))
            store(out, i, total)
"""

_RECURRENCE_ROWS = """
    for row in range(lo, hi):
        at = row * n
        total = load(x, at)
        store(out, at, total)
        for i in range(at + 1, at + n):
            total = add(multiply(load(factors, i), total), load(x, i))
            store(out, i, total)
"""

_COLUMNS = """
    for item in range(lo, hi):
        at = item // strips * n * inner
        start = item % strips * strip
        stop = min(start + strip, inner)
        for i in range(at + start, at + stop):
            store(out, i, load(x, i))
        for k in range(1, n):
            here = at + k * inner
            for i in range(here + start, here + stop):
                total = reload(out, i - inner)
                store(out, i, {next})
"""

_SUMS = """
    for item in range(lo, hi):
        at = item // blocks * n
        start = at + item % blocks * block
        stop = min(start + block, at + n)
        total = load(x, start)
        for i in range(start + 1, stop):
            total = {accumulate}(total, load(x, i))
        store(sums, item, total)
"""

#: Where a sum over a block is not finite (or a product out of the middle range), a running result may still be: such a row
#: is carried from its beginning.
_BLOCKS = """
    item = lo
    while item < hi:
        row = item // blocks
        end = min(hi, (row + 1) * blocks)
        is_bad = int64(0)
        for k in range(row * blocks, (row + 1) * blocks):
            is_bad = accumulate_max(is_bad, {is_bad})
        total = {neutral}
        last = (row + 1) * n
        if is_bad > 0:
            if item == row * blocks:
                for i in range(row * n, last):
                    total = {ufunc}(total, load(x, i))
                    store(out, i, total)
        else:
            for k in range(row * blocks, item):
                total = {ufunc}(total, load(sums, k))
            at = row * n + item % blocks * block
            while item + 4 <= end and at + 4 * block <= last:
                total0 = total
                total1 = {ufunc}(total0, load(sums, item))
                total2 = {ufunc}(total1, load(sums, item + 1))
                total3 = {ufunc}(total2, load(sums, item + 2))
                total = {ufunc}(total3, load(sums, item + 3))
                for i in range(at, at + block):
                    total0 = {ufunc}(total0, load(x, i))
                    total1 = {ufunc}(total1, load(x, i + block))
                    total2 = {ufunc}(total2, load(x, i + 2 * block))
                    total3 = {ufunc}(total3, load(x, i + 3 * block))
                    store(out, i, total0)
                    store(out, i + block, total1)
                    store(out, i + 2 * block, total2)
                    store(out, i + 3 * block, total3)
                item += 4
                at += 4 * block
            while item < end:
                within = total
                for i in range(at, min(at + block, last)):
                    within = {ufunc}(within, load(x, i))
                    store(out, i, within)
                total = {ufunc}(total, load(sums, item))
                item += 1
                at += block
        item = end
"""

TEXTS: Mapping[str, Text] = {
    "rows": Text("x out", "n", _ROWS),
    "recurrence_rows": Text("factors x out", "n", _RECURRENCE_ROWS),
    "columns": Text("x out", "n inner strips strip", _COLUMNS),
    "recurrence_columns": Text("factors x out", "n inner strips strip", _COLUMNS),
    "block_sums": Text("x sums", "n blocks block", _SUMS),
    "blocks": Text("x out sums", "n blocks block", _BLOCKS),
}
