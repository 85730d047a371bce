"""Contraction kernels agree with NumPy for every layout, for all extents around their tiles and blocks, on any thread."""

import ctypes
import itertools
import os
import threading

import numpy as np
import pytest

import tracegraph
from tracegraph.backends.numba.cache import default_cache
from tracegraph.backends.numba.contractions import (
    ROLE,
    ROLES,
    SHARED,
    contraction_kernel,
    contraction_table,
    tile_of,
    tiles_of,
)  # fmt: skip
from tracegraph.backends.numba.places import places_kernel
from tracegraph.compiler.contract import SPARE, Contraction, Level, block_limits

_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
DTYPES = ["float32", "float64"]
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


def random(shape, dtype):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def laid_out(array, layout):
    """The same matrix, as it may lie in memory."""
    if layout == "rows":
        return array
    if layout == "columns":
        return np.asfortranarray(array)
    if layout == "backwards":
        return np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    wide = np.zeros((2 * array.shape[0], 3 * array.shape[1]), array.dtype)
    wide[::2, ::3] = array
    return wide[::2, ::3]


def way(array, along):
    """Along which index neighbours are read, from the two strides of an operand."""
    depth, across = (array.strides[axis] // array.itemsize for axis in (along, 1 - along))
    return "depth" if depth == 1 else "panel" if across == 1 else "scattered"


def multiply(a, b, channels=0, at_end=np.array, cuts=None):
    """The product of two matrices, into memory that holds NaN."""
    (m, k), n = a.shape, b.shape[1]
    c = at_end(np.full((m, n), np.nan, a.dtype))
    (am, ak), (bk, bn) = ([stride // a.itemsize for stride in each.strides] for each in (a, b))
    contraction = Contraction(
        str(a.dtype),
        (Level(m, a=am, c=n),),
        (Level(n, b=bn, c=1),),
        (Level(k, a=ak, b=bk),),
        (),
        (0, 0),
        channels,
        way(a, 1),
        way(b, 0),
    )
    name, source = contraction_kernel(contraction)
    kernel = _KERNEL(default_cache.address(source, name))
    packed = np.full(contraction.packed_bytes, 255, np.uint8)
    for packs in [True, False] if contraction.shared else [False]:
        table = np.array(contraction_table(contraction, packs=packs), np.int64)
        table[:3] = [each.ctypes.data for each in (a, b, c)]
        table[SHARED] = packed.ctypes.data
        for lo, hi in itertools.pairwise(contraction.packing_cuts if packs else cuts or contraction.cuts):
            kernel(table.ctypes.data, lo, hi)
    return c


def assert_product(a, b, c):
    slack = TOLERANCE[str(a.dtype)] * max(a.shape[1], 1)
    np.testing.assert_allclose(c, a @ b, rtol=0, atol=slack * 10)


WAYS = "depth", "panel"
LAYOUTS = ["rows", "columns", "backwards", "gaps"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("first", "second"), list(itertools.product(LAYOUTS, repeat=2)))
def test_products_of_any_strides(dtype, first, second):
    for m, n, k in [(3, 5, 4), (33, 65, 17), (1, 1, 1), (4, 4, 0), (0, 3, 2), (3, 0, 2)]:
        a, b = laid_out(random((m, k), dtype), first), laid_out(random((k, n), dtype), second)
        assert_product(a, b, multiply(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
def test_extents_around_tiles_and_blocks(dtype):
    tile, most = tile_of(dtype), block_limits(dtype)
    for m in (1, tile.rows - 1, tile.rows, tile.rows + 1):
        for n in (1, tile.lanes, tile.columns - 1, tile.columns, tile.columns + 1):
            a, b = random((m, 7), dtype), random((7, n), dtype)
            assert_product(a, b, multiply(a, b))
    for m, n, k in [(most[0] + 1, 9, 5), (5, most[1] + 1, 3), (5, 9, most[2] + 1), (7, 40, 3 * most[2])]:
        a, b = random((m, k), dtype), random((k, n), dtype)
        assert_product(a, b, multiply(a, b))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_tile(dtype):
    """Each tile of this CPU is the best for as many rows as it has, or for few."""
    chosen = {channels: tile_of(dtype, channels) for channels in range(1, 64)}
    assert set(chosen.values()) == set(tiles_of(dtype))
    for channels in (1, 3, 8, 14):
        for n, layout in ((131, "rows"), (131, "columns"), (1, "columns"), (33, "columns")):
            a, b = random((channels, 300), dtype), laid_out(random((300, n), dtype), layout)
            assert_product(a, b, multiply(a, b, channels))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["rows", "columns", "gaps"])
def test_nothing_is_touched_beyond_operands(at_end, dtype, layout):
    """Each array ends where its page does; a page that nobody may touch comes next."""
    for m, n, k in [(1, 1, 1), (15, 33, 17), (37, 65, 130), (400, 500, 301)]:
        a, b = (random(shape, dtype) for shape in ((m, k), (k, n)))
        if layout == "rows":
            first, second = at_end(a), at_end(b)
        elif layout == "columns":
            first, second = at_end(a.T.copy()).T, at_end(b.T.copy()).T
        else:
            first, second = at_end(np.repeat(a, 2, 1)[:, 1:])[:, ::2], at_end(np.repeat(b, 3, 1)[:, 2:])[:, ::3]
        for channels in (0, m):
            assert_product(a, b, multiply(first, second, channels, at_end))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_places_read_where_they_lie(at_end, dtype, stride):
    """Lines of any length, rows that do and don't fill panels, tasks that end anywhere; nothing is read beyond images."""
    lanes = tiles_of(dtype)[0].lanes
    for places, rows, taps in itertools.product([4, 7, 10, 14, 15, 31], [1, lanes, 3 * lanes - 1], [1, 3]):
        long = stride * (places - 1) + taps
        x, w = at_end(random((2, 5, 3, long), dtype)), random((rows, 5, taps), dtype)
        contraction = Contraction(
            dtype,
            rows=(Level(rows, a=5 * taps, c=3 * places),),
            columns=(
                Level(2, b=15 * long, c=rows * 3 * places),
                Level(3, b=long, c=places),
                Level(places, b=stride, c=1),
            ),
            depth=(Level(5, a=taps, b=3 * long), Level(taps, a=1, b=1)),
            batch=(),
            starts=(0, 0),
            channels=rows,
            way_a="depth",
            way_b="panel",
        )
        name, source = places_kernel(contraction)
        kernel = _KERNEL(default_cache.address(source, name))
        c, packed = np.full((2, rows, 3, places), np.nan, dtype), np.zeros(5 * taps * (rows + SPARE), dtype)
        for packs, cuts in ((True, (0, rows)), (False, (0, 1, places + 3, 6 * places))):
            table = np.array(contraction_table(contraction, packs=packs), np.int64)
            table[:3] = [each.ctypes.data for each in (w, x, c)]
            table[[SHARED, ROLE]] = packed.ctypes.data, ROLES["a"][packs]
            for lo, hi in itertools.pairwise(cuts):
                kernel(table.ctypes.data, lo, hi)
        windows = np.lib.stride_tricks.sliding_window_view(x, taps, 3)[:, :, :, ::stride]
        np.testing.assert_allclose(c, np.einsum("nchpt,oct->nohp", windows, w), atol=100 * TOLERANCE[dtype])


def test_any_lines_by_themselves():
    """A range of lines computes these and no others."""
    a, b = random((50, 40), "float32"), random((40, 60), "float32")
    for lo, hi in [(0, 50), (3, 4), (13, 29), (49, 50), (7, 7)]:
        c = multiply(a, b, cuts=(lo, hi))
        assert np.isnan(np.delete(c, np.s_[lo:hi], 0)).all()
        np.testing.assert_allclose(c[lo:hi], (a @ b)[lo:hi], atol=1e-3)


def test_what_is_cut():
    """Tasks cover all lines in order; units say where lines lie."""
    for m, n, k in [(1, 1, 1), (1000, 30, 500), (3, 5000, 700), (2048, 2048, 2048)]:
        given = Contraction(
            "float32", (Level(m, a=k, c=n),), (Level(n, b=1, c=1),), (Level(k, a=1, b=n),), (), (0, 0), 0, *WAYS
        )
        assert given.cuts[0] == 0
        assert given.cuts[-1] == given.lines == (m if given.is_by_rows else n)
        assert list(given.cuts) == sorted(set(given.cuts))
        assert given.unit == ((1, n) if given.is_by_rows else (1, 1) if m == 1 else None)


def test_text_does_not_depend_on_extents():
    """A new shape compiles nothing."""
    double = tracegraph.compile(lambda a, b: a @ b)
    double(random((5, 6), "float32"), random((6, 7), "float32"))
    before = double.cache_info().compiled
    for m, n, k in [(2, 2, 2), (100, 3, 50), (600, 700, 500)]:
        double(random((m, k), "float32"), random((k, n), "float32"))
    assert double.cache_info().compiled == before


def test_more_threads_than_slots():
    """Scratch memory is handed around; whoever finds none free waits."""
    a, b = random((70, 300), "float64"), random((300, 90), "float64")
    expected, wrong = multiply(a, b), []

    def work():
        for _ in range(20):
            if not np.array_equal(multiply(a, b), expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_not_a_number_stays_in_its_row():
    """What a panel is filled up with, and other rows, are not touched by it."""
    a, b = random((20, 9), "float64"), random((9, 40), "float64")
    a[3, 2] = np.nan
    c = multiply(a, b)
    assert np.isnan(c[3]).all()
    assert not np.isnan(np.delete(c, 3, 0)).any()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_child_multiplies_too(python):
    """Slots that threads of the parent held are free in the child."""
    code = """
import os, numpy as np, tracegraph as tg
from tracegraph.backends.numba import contractions
double = tg.compile(lambda a: a @ a)
a = np.eye(200)
double(a)
contractions._scratch().flags.fill(1)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(double(a), a) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert python(code) == "0"
