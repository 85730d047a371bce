"""Kernels of contractions (`compiler.contract` says what those are): a contraction comes in, source and a table go out.

A task computes some lines of C. It packs blocks of A and B into panels, a few rows or columns wide, that stay in the caches,
and multiplies those tile by tile in registers. It packs into scratch memory that all programs share, a slot for each
thread that is at work; an operand that all tasks need whole is packed by tasks of an earlier wave into memory of the
program's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np

from tracegraph.backends.numba.loader import host_cpu
from tracegraph.compiler.contract import Contraction, block_limits

__all__ = ["SHARED", "Tile", "contraction_kernel", "contraction_table", "scratch_bytes", "tile_of", "tiles_of"]


class Tile(NamedTuple):
    """How a CPU multiplies: lanes of a vector; rows and vectors of a tile in registers."""

    lanes: int
    rows: int
    vectors: int

    @property
    def columns(self) -> int:
        return self.lanes * self.vectors


@cache
def tiles_of(dtype: str) -> tuple[Tile, ...]:
    """The tiles for this CPU: as many accumulators as it has vector registers, but for what feeds them. The first is best
    where there are many rows."""
    features = set(host_cpu()[1].split(","))
    size = np.dtype(dtype).itemsize
    if "+avx512f" in features:
        lanes, shapes = 64 // size, [(14, 2), (8, 3), (4, 6)]
    elif "+avx2" in features:
        lanes, shapes = 32 // size, [(6, 2), (4, 3), (2, 5)]
    elif "+neon" in features:
        lanes, shapes = 16 // size, [(8, 3), (4, 6)]
    else:
        lanes, shapes = 16 // size, [(6, 2), (4, 3)]
    return tuple(Tile(lanes, rows, vectors) for rows, vectors in shapes)


def tile_of(dtype: str, channels: int = 0) -> Tile:
    """The tile that a number of rows fills best."""
    tiles = tiles_of(dtype)
    return min(tiles, key=lambda tile: _up(channels, tile.rows)) if channels else tiles[0]


def _most(dtype: str, tile: Tile) -> tuple[int, int, int]:
    """The most rows, columns and terms of the blocks that a task packs: whole tiles."""
    m, n, k = block_limits(dtype)
    return _up(m, tile.rows), _up(n, tile.columns), k


def spare_of(tile: Tile) -> int:
    """How far beyond the last row and column tables and panels are looked into: a tile, or the vectors that make one up."""
    return max(_up(tile.rows, tile.lanes), tile.columns)


def _up(count: int, step: int) -> int:
    return -(-count // step) * step


# -- source --------------------------------------------------------------------------------------------------------------

#: A task takes a slot of the scratch memory that nobody uses.
TAKE_SCRATCH = """\
    # A slot of the scratch memory that nobody uses.
    slot = 0
    while not atomic_replace(flags, slot * 8, 0, 1):
        slot = (slot + 1) % slots
        pause()
    scratch = args[4] + slot * args[6]"""

_TASK = """
def {name}(args, lo, hi):
    # Lines lo to hi of C, or the panels of a shared operand that lines lo to hi of it make up.
    base_a, base_b, base_c = args[0], args[1], args[2]
    flags = table(args[3])
    slots = args[5]
    shared, role, by_rows = args[7], args[8], args[9]
    block_m, block_n, block_k = args[10], args[11], args[12]
    m_all, n_all, k_all, items = args[13], args[14], args[15], args[16]
{words}
{take_scratch}
{tables}
    small = scratch + {at_small}
    small_rows_at = scratch + {at_small_rows}
    small_rows = table(small_rows_at)
    for i in range({tile_rows}):
        small_rows[i] = i * {tile_bytes}
    wide_m = (m_all + {tile_rows} - 1) // {tile_rows} * {tile_rows}
    wide_n = (n_all + {tile_columns} - 1) // {tile_columns} * {tile_columns}
    first_item, end_item = (lo // max(m_all, 1), (hi - 1) // max(m_all, 1) + 1) if by_rows else (0, items)
    for item in range(first_item, end_item):
        i_lo, i_hi, j_lo, j_hi = 0, m_all, 0, n_all
        if by_rows:
            i_lo, i_hi = max(lo - item * m_all, 0), min(hi - item * m_all, m_all)
        else:
            j_lo, j_hi = lo, hi
        if role == {pack_a_role}:
            j_hi = min(j_hi, 1)
        if role == {pack_b_role}:
            i_hi = min(i_hi, 1)
        a, b, c = base_a, base_b, base_c
{batch}
        # The outer loop is over what this task has for itself; which blocks the scratch memory holds is kept in mind.
        u_lo, u_hi, u_step = (i_lo, i_hi, block_m) if by_rows else (j_lo, j_hi, block_n)
        v_lo, v_hi, v_step = (j_lo, j_hi, block_n) if by_rows else (i_lo, i_hi, block_m)
        filled_i, filled_j, held_a, held_b = -1, -1, -1, -1
        for u in range(u_lo, u_hi, u_step):
            k0 = 0
            while True:
                depth = min(block_k, k_all - k0)
                is_added = k0 > 0
{fill_k}
                for v in range(v_lo, v_hi, v_step):
                    i0, j0 = (u, v) if by_rows else (v, u)
                    m, n = min(block_m, i_hi - i0), min(block_n, j_hi - j0)
                    if i0 != filled_i:
                        filled_i, held_a = i0, -1
{fill_i}
                    if j0 != filled_j:
                        filled_j, held_b = j0, -1
{fill_j}
                    packed_a, packed_b = scratch + {at_a}, scratch + {at_b}
                    if role == {pack_a_role} or role == {use_a_role}:
                        packed_a = shared + (wide_m * k0 + i0 * depth) * {size}
                    if role == {pack_b_role} or role == {use_b_role}:
                        packed_b = shared + (wide_n * k0 + j0 * depth) * {size}
                    if held_a != k0 and role != {use_a_role} and role != {pack_b_role}:
                        held_a = k0
{pack_a}
                    if held_b != k0 and role != {use_b_role} and role != {pack_a_role}:
                        held_b = k0
{pack_b}
                    if role == {pack_a_role} or role == {pack_b_role}:
                        continue
                    step = {tile_bytes} // ((m + {tile_rows} - 1) // {tile_rows})
                    for jp in range(0, n, {tile_columns}):
                        ahead = packed_b + (jp + {tile_columns}) * depth * {size}
                        columns = min({tile_columns}, n - jp)
                        is_whole = j_end[jp] >= jp + columns
                        for ip in range(0, m, {tile_rows}):
                            rows = min({tile_rows}, m - ip)
                            at_a = packed_a + ip * depth * {size}
                            at_b = packed_b + jp * depth * {size}
                            target, places = (c + j_c[jp], i_c_at + 8 * ip) if is_whole else (small, small_rows_at)
                            multiply_tile({dtype}, {lanes}, {tile_rows}, {vectors}, at_a, at_b, depth, target,
                                          table(places), rows, columns, is_added and is_whole, ahead, step)
                            ahead += depth * step
                            if not is_whole:
                                j = jp
                                while j < jp + columns:
                                    stop = min(min(j_end[j], jp + columns), j + {lanes})
                                    for i in range(rows):
                                        at = small + i * {tile_bytes} + (j - jp) * {size}
                                        write_lanes({dtype}, {lanes}, c + i_c[ip + i] + j_c[j], at, stop - j, is_added)
                                    j = stop
                k0 += depth
                if k0 >= k_all:
                    break
    atomic_store(flags, slot * 8, 0)
"""

#: What a task does with its operands: packs both and multiplies, multiplies by one that is packed, only packs it.
ROLES = {"": (0, 0), "a": (1, 3), "b": (2, 4)}

_ALONG_DEPTH = """
for p in range(0, {count}, {width}):
    k = 0
    while k < depth:
        stop = min({end}[k], k + {lanes})
        place = {packed} + (p * {pitch} + k * {width}) * {size}
{blocks}
        k = stop
"""
_BLOCK = """        transpose_lanes({dtype}, {lanes}, {breadth}, {step}, place + {at}, {base} + {along}[k],
                        table({fixed}_at + 8 * (p + {first})), stop - k)"""

_ALONG_PANEL = """
for p in range(0, {count}, {width}):
    first = p
    limit = min(p + {width}, {count})
    if {end}[p] >= p + {width}:
        place = {packed} + p * {pitch} * {size}
        source = {base} + {fixed}[p]
        for k in range(depth):
            near = source + {along}[k]
{copies}
            place += {step}
        first = limit
    while first < limit:
        stop = min(min({end}[first], limit), first + {lanes})
        place = {packed} + (p * {pitch} + first - p) * {size}
        source = {base} + {fixed}[first]
        for k in range(depth):
            {copy}({dtype}, {lanes}, place, source + {along}[k], stop - first)
            place += {step}
        first = stop
"""
_COPY = "            {copy}({dtype}, {lanes}, place + {at}, near + {near}, {breadth})"

#: How neighbours within a panel are copied, and how far apart they lie.
_COPIES = {"panel": "copy_lanes", "pairs": "copy_pairs"}
_APART = {"depth": 1, "panel": 1, "pairs": 2, "scattered": 1}

_SCATTERED = """
for p in range({count}):
    place = {packed} + (p // {width} * {width} * {pitch} + p % {width}) * {size}
    source = {base} + {fixed}[p]
    for k in range(depth):
        put({dtype}, place, get({dtype}, source + {along}[k]))
        place += {step}
"""


class SlotLayout(NamedTuple):
    """Where in a slot of scratch memory what lies, in bytes; and for how many terms there is room."""

    tables: dict[str, int]
    at_a: int
    at_b: int
    at_small: int
    at_small_rows: int
    slot_bytes: int
    depth: int


@cache
def layout_of(dtype: str, tile: Tile) -> SlotLayout:
    size = np.dtype(dtype).itemsize
    rows, columns, depth = _most(dtype, tile)
    spare = spare_of(tile)
    at, tables = 0, {}
    for names, count in (
        ("i_a i_c i_end", rows),
        ("j_b j_c j_from j_end", columns),
        ("k_a k_b k_from k_end", depth),
    ):
        for name in names.split():
            tables[name] = at
            at += 8 * (count + spare)
    at_small_rows = at
    at_small = _aligned(at_small_rows + 8 * tile.rows)
    at_a = _aligned(at_small + tile.rows * tile.columns * size)
    at_b = _aligned(at_a + (rows * depth + spare) * size)
    end = _aligned(at_b + (columns * depth + spare) * size)
    return SlotLayout(tables, at_a, at_b, at_small, at_small_rows, end, depth)


def _aligned(at: int) -> int:
    return _up(at, 4096)


def contraction_kernel(contraction: Contraction) -> tuple[str, str]:
    """Name and source of the kernel: it depends on the dtype, how many indices there are, and which strides are 1."""
    dtype, *spaces = contraction[:5]
    counts = [len(levels) for levels in spaces]
    ways = contraction.way_a, contraction.way_b
    name = f"contract_{dtype}_{'_'.join(map(str, counts))}_{'_'.join(ways)}"
    return name, _text(name, dtype, tile_of(dtype, contraction.channels), tuple(counts), *ways)


@lru_cache(maxsize=256)
def _text(name: str, dtype: str, tile: Tile, counts: tuple[int, ...], way_a: str, way_b: str) -> str:
    layout, size = layout_of(dtype, tile), np.dtype(dtype).itemsize
    words = [f"    {word} = args[{FIRST_LEVEL + k}]" for k, word in enumerate(words_of(counts))]
    tables = [f"    {name}_at = scratch + {at}\n    {name} = table({name}_at)" for name, at in layout.tables.items()]
    common: dict[str, Any] = {"dtype": dtype, "size": size, "lanes": tile.lanes}
    pack_a = pack_lines(
        way_a,
        tile.rows,
        count="m",
        packed="packed_a",
        base="a",
        fixed="i_a",
        along="k_a",
        end_i="i_end",
        end_k="k_end",
        **common,
    )
    pack_b = pack_lines(
        way_b,
        tile.columns,
        count="n",
        packed="packed_b",
        base="b",
        fixed="j_b",
        along="k_b",
        end_i="j_from",
        end_k="k_from",
        **common,
    )
    spare = spare_of(tile)
    fill_i = fill_lines("i", counts[0], "ac", "i0", "m", spare) + end_lines("i_a", "i_end", "m", size)
    fill_j = (
        fill_lines("j", counts[1], "bc", "j0", "n", spare)
        + end_lines("j_b", "j_from", "n", size * _APART[way_b])
        + end_lines("j_c", "j_end", "n", size)
    )
    fill_k = (
        fill_lines("k", counts[2], "ab", "k0", "depth", 0)
        + end_lines("k_a", "k_end", "depth", size)
        + end_lines("k_b", "k_from", "depth", size)
    )
    return _TASK.format(
        name=name, words="\n".join(words), take_scratch=TAKE_SCRATCH, tables="\n".join(tables),
        batch=indented(_items(counts[3]), 2),
        fill_i=indented(fill_i, 6), fill_j=indented(fill_j, 6), fill_k=indented(fill_k, 4),
        pack_a=indented(pack_a, 6), pack_b=indented(pack_b, 6),
        use_a_role=ROLES["a"][0], use_b_role=ROLES["b"][0], pack_a_role=ROLES["a"][1], pack_b_role=ROLES["b"][1],
        tile_rows=tile.rows, tile_columns=tile.columns, tile_bytes=tile.columns * size, vectors=tile.vectors,
        at_a=layout.at_a, at_b=layout.at_b, at_small=layout.at_small, at_small_rows=layout.at_small_rows,
        **common,
    ).lstrip()  # fmt: skip


def indented(lines: Sequence[str], depth: int) -> str:
    return "\n".join("    " * depth + line for line in lines)


def words_of(counts: tuple[int, ...]) -> list[str]:
    """The names of the extents and strides in a table."""
    names = []
    for letter, count, arrays in zip("ijkt", counts, ("ac", "bc", "ab", "abc"), strict=True):
        for level in range(count):
            names += [f"{letter}{level}_n", *(f"{letter}{level}_{array}" for array in arrays)]
    return names


def fill_lines(letter: str, levels: int, arrays: str, start: str, count: str, spare: int) -> list[str]:
    """Tables of where elements lie, for `count` values of an index from `start` on; the last is repeated some times."""
    lines = [f"rest = {start}"]
    for level in reversed(range(1, levels)):
        lines += [f"at{level} = rest % {letter}{level}_n", f"rest //= {letter}{level}_n"]
    lines.append("at0 = rest")
    for array in arrays:
        terms = " + ".join(f"at{level} * {letter}{level}_{array}" for level in range(levels))
        lines.append(f"place_{array} = {terms}")
    inner = levels - 1
    lines.append(f"for t in range({count}):")
    lines += [f"    {letter}_{array}[t] = place_{array}" for array in arrays]
    lines += [f"    place_{array} += {letter}{inner}_{array}" for array in arrays]
    indent = "    "
    for level in range(inner, 0, -1):
        outer = level - 1
        lines += [
            f"{indent}at{level} += 1",
            f"{indent}if at{level} == {letter}{level}_n:",
            f"{indent}    at{level} = 0",
        ]
        indent += "    "
        lines += [
            f"{indent}place_{array} += {letter}{outer}_{array} - {letter}{level}_{array} * {letter}{level}_n"
            for array in arrays
        ]
    if spare:
        lines.append(f"for t in range({count}, {count} + {spare}):")
        lines += [f"    {letter}_{array}[t] = {letter}_{array}[{count} - 1]" for array in arrays]
    return lines


def end_lines(places: str, ends: str, count: str, size: int) -> list[str]:
    """A table of where the run of adjacent elements ends that an element belongs to."""
    return [
        f"end = {count}",
        f"for t in range({count} - 1, 0, -1):",
        f"    {ends}[t] = end",
        f"    if {places}[t] - {places}[t - 1] != {size}:",
        "        end = t",
        f"{ends}[0] = end",
    ]


def _items(levels: int) -> list[str]:
    """Where the arrays of an item of the batch begin."""
    lines = ["rest = item"]
    for level in reversed(range(levels)):
        lines.append(f"at = rest % t{level}_n")
        lines += [f"{array} += at * t{level}_{array}" for array in "abc"]
        lines.append(f"rest //= t{level}_n")
    return lines


def pack_lines(
    way: str, width: int, *, dtype: str, size: int, lanes: int, count: str, packed: str, base: str, fixed: str, along: str,
    end_i: str, end_k: str, pitch: str = "depth",
) -> list[str]:  # fmt: skip
    """Packs panels so many lines wide, of as many terms each as `pitch` says."""
    common = {
        "count": count, "width": width, "packed": packed, "base": base, "fixed": fixed, "along": along, "dtype": dtype,
        "size": size, "lanes": lanes, "step": width * size, "pitch": pitch,
    }  # fmt: skip
    firsts = [(first, min(lanes, width - first)) for first in range(0, width, lanes)]
    if way == "depth":
        blocks = [_BLOCK.format(first=first, at=first * size, breadth=breadth, **common) for first, breadth in firsts]
        text = _ALONG_DEPTH.format(blocks="\n".join(blocks), end=end_k, **common)
    elif way in _COPIES:
        copies = [
            _COPY.format(copy=_COPIES[way], at=first * size, near=first * size * _APART[way], breadth=breadth, **common)
            for first, breadth in firsts
        ]
        text = _ALONG_PANEL.format(copies="\n".join(copies), end=end_i, copy=_COPIES[way], **common)
    else:
        text = _SCATTERED.format(**common)
    return text.strip("\n").splitlines()


# -- tables --------------------------------------------------------------------------------------------------------------

#: The words that say where the shared operand is packed and what a task does with it, and the first of the levels'.
SHARED, ROLE = 7, 8
FIRST_LEVEL = 17


class _Scratch:
    """Memory for packing, and for each slot of it whether it is taken."""

    def __init__(self) -> None:
        self.slots = 2 * (os.cpu_count() or 1)
        self.bytes = max(
            layout_of(dtype, tile).slot_bytes for dtype in ("float32", "float64") for tile in tiles_of(dtype)
        )
        self.flags = np.zeros(8 * self.slots, np.int64)
        self.memory = np.empty(self.slots * self.bytes + 4096, np.uint8)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        """The threads that held slots, or the lock, are not in the child."""
        global _lock
        self.flags.fill(0)
        _lock = threading.Lock()

    @property
    def address(self) -> int:
        return -(-int(self.memory.ctypes.data) // 4096) * 4096


_lock = threading.Lock()


@cache
def _scratch() -> _Scratch:
    return _Scratch()


def scratch_bytes() -> int:
    """How much memory all programs share for packing."""
    return _scratch().memory.nbytes


def contraction_table(contraction: Contraction, *, packs: bool = False) -> list[int]:
    """The table of a kernel, all but addresses: of A, B and C, which are its first words, and in word `SHARED` that of the
    memory for the operand that all tasks share, if they do.

    Args:
        contraction: what is computed.
        packs: whether it is only to pack that operand.
    """
    with _lock:
        scratch = _scratch()
    dtype, *spaces = contraction[:5]
    size, tile = np.dtype(dtype).itemsize, tile_of(dtype, contraction.channels)
    extents, shared = contraction.extents, contraction.shared
    pieces = [-(-n // most) for n, most in zip(extents, _most(dtype, tile), strict=True)]
    steps = (tile.rows, tile.columns, 1)
    blocks = [_up(max(-(-n // max(count, 1)), 1), step) for n, count, step in zip(extents, pieces, steps, strict=True)]
    role, by_rows = ROLES[shared][packs], contraction.is_by_rows != packs
    words = [0, 0, 0, scratch.flags.ctypes.data, scratch.address, scratch.slots, scratch.bytes, 0, role, int(by_rows)]
    words += [*blocks, *extents, contraction.items]
    for levels, arrays in zip(spaces, ("ac", "bc", "ab", "abc"), strict=True):
        for level in levels:
            words += [level.extent, *(getattr(level, array) * size for array in arrays)]
    return words
