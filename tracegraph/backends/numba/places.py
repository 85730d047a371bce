"""Kernels of contractions whose B is read where it lies, as convolutions' patches can be: nothing of it is gathered.

A tile in registers has, for each of some places that lie evenly apart in B, a vector or two of C's rows. For each term of
the sum it takes the rows' weights, which an earlier wave has packed for all tasks, times the number of each place. A task
computes all rows of some places.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tracegraph.backends.numba.contractions import (
    FIRST_LEVEL,
    ROLES,
    TAKE_SCRATCH,
    Tile,
    end_lines,
    fill_lines,
    indented,
    layout_of,
    pack_lines,
    spare_of,
    tiles_of,
    words_of,
)  # fmt: skip
from tracegraph.compiler.contract import Contraction

__all__ = ["places_kernel"]

_TASK = """
def {name}(args, lo, hi):
    # Places lo to hi, in all rows of C; or rows lo to hi of A, to be packed.
    a, base_b, base_c = args[0], args[1], args[2]
    flags = table(args[3])
    slots = args[5]
    shared, role = args[7], args[8]
    m_all, k_all = args[13], args[15]
{words}
{take_scratch}
    if role == {packs}:
{tables}
        for i0 in range(lo, hi, {most_rows}):
            m = min({most_rows}, hi - i0)
{fill_i}
            k0 = 0
            while k0 < k_all:
                depth = min({most_terms}, k_all - k0)
{fill_k}
                packed = shared + (i0 * k_all + k0 * {width}) * {size}
{pack}
                k0 += depth
    else:
        k_b = table(scratch)
{fill_b}
        for panel in range(0, m_all, {width}):
            weights = shared + panel * k_all * {size}
            rows = min({width}, m_all - panel)
            place = lo
            while place < hi:
                rest = place // {inner}_n
                first = place - rest * {inner}_n
                columns = min({inner}_n - first, hi - place)
                height = {least}
{heights}
                columns = min(columns, height)
                # A tile that would read beyond the line begins earlier.
                low = max(first + height - {inner}_n, 0)
                first -= low
                b = base_b + first * {apart}
                c = base_c + panel * i0_c + first * {size}
{lines}
{shapes}
                place += columns
    atomic_store(flags, slot * 8, 0)
"""


def places_kernel(contraction: Contraction) -> tuple[str, str]:
    """Name and source of the kernel: it depends on the dtype, how many indices there are, which strides are 1, and how far
    apart neighbouring places lie in B."""
    dtype, *spaces = contraction[:5]
    counts = tuple(len(levels) for levels in spaces)
    apart = contraction.columns[-1].b
    name = f"places_{dtype}_{'_'.join(map(str, counts[:3]))}_{contraction.way_a}_{apart}"
    return name, _text(name, dtype, tiles_of(dtype)[0], counts, contraction.way_a, apart)


@lru_cache(maxsize=256)
def _text(name: str, dtype: str, tile: Tile, counts: tuple[int, ...], way: str, apart: int) -> str:
    layout, size, width = layout_of(dtype, tile), np.dtype(dtype).itemsize, tile.columns
    words = [f"    {word} = args[{FIRST_LEVEL + k}]" for k, word in enumerate(words_of(counts))]
    tables = [
        line
        for name in ("i_a", "i_end", "k_a", "k_end")
        for line in (f"{name}_at = scratch + {layout.tables[name]}", f"{name} = table({name}_at)")
    ]
    fill_i = fill_lines("i", counts[0], "a", "i0", "m", spare_of(tile)) + end_lines("i_a", "i_end", "m", size)
    fill_k = fill_lines("k", counts[2], "a", "k0", "depth", 0) + end_lines("k_a", "k_end", "depth", size)
    pack = pack_lines(
        way, width, dtype=dtype, size=size, lanes=tile.lanes, count="m", packed="packed", base="a", fixed="i_a",
        along="k_a", end_i="i_end", end_k="k_end", pitch="k_all",
    )  # fmt: skip
    inner, lines = f"j{counts[1] - 1}", []
    for level in reversed(range(counts[1] - 1)):
        lines += [f"at = rest % j{level}_n", f"rest //= j{level}_n", f"b += at * j{level}_b", f"c += at * j{level}_c"]
    ahead = f"j{counts[1] - 2}_b" if counts[1] > 2 else f"{tile.rows * apart * size}"
    return _TASK.format(
        name=name, words="\n".join(words), take_scratch=TAKE_SCRATCH,
        tables=indented(tables, 2), packs=ROLES["a"][1], fill_i=indented(fill_i, 3),
        fill_k=indented(fill_k, 4), fill_b=indented(fill_lines("k", counts[2], "b", "0", "k_all", 0), 2),
        pack=indented(pack, 4), lines=indented(lines, 4), least=_heights(tile)[0],
        heights=indented([line.format(inner=inner) for line in _height(tile)], 4), inner=inner, width=width,
        most_rows=16 * width, most_terms=layout.depth, apart=apart * size, size=size,
        shapes=indented(_shapes(dtype, tile, apart * size, ahead), 4),
    ).lstrip()  # fmt: skip


def _heights(tile: Tile) -> list[int]:
    """How many places tiles have: as many as there are registers for, or fewer, where a line or what is left is short."""
    return sorted({-(-tile.rows // 4), -(-tile.rows // 2), tile.rows})


def _height(tile: Tile) -> list[str]:
    """The lowest tile for some columns that is no longer than a line, or the highest that is not."""
    lower, lines = 0, []
    for height in _heights(tile):
        if lower:
            lines += [f"if columns > {lower} and {{inner}}_n >= {height}:", f"    height = {height}"]
        lower = height
    return lines


def _shapes(dtype: str, tile: Tile, apart: int, ahead: str) -> list[str]:
    """A tile of a height, of one vector where few rows are left."""
    size, lines = np.dtype(dtype).itemsize, []
    for vectors in (1, tile.vectors):
        lines.append(f"if rows <= {tile.lanes}:" if vectors == 1 else "else:")
        for number, height in enumerate(_heights(tile)):
            lines.append(f"    {'elif' if number else 'if'} height == {height}:")
            lines.append(
                f"        multiply_places({dtype}, {tile.lanes}, {height}, {vectors}, {apart}, {tile.columns * size}, b, "
                f"k_b, weights, k_all, c, i0_c, rows, low, low + columns, {ahead})"
            )
    return lines
