"""Whether single matrix products are done by kernels of our own or by the platform's BLAS: measured once on each machine,
and kept beside the kernels.

With equal times ours are taken: what follows from a product can then be computed while its rows are in the cache, and the
threads of BLAS, which go on waiting for more work for a while, do not take cores from what comes next.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np

from tracegraph.backends.numba.cache import default_cache
from tracegraph.backends.numba.contractions import SHARED, contraction_kernel, contraction_table
from tracegraph.backends.numba.pool import get_num_threads
from tracegraph.backends.numba.tape import Task, Wave, make_tape
from tracegraph.compiler.contract import Contraction, Level

__all__ = ["does_products"]

#: The sides of the matrices that are multiplied, and how much longer than BLAS our kernel may take.
SIDE, PATIENCE = 512, 1.1
#: How long each is run: ours longer than the threads of BLAS linger, in case it was in use.
OUR_SECONDS, ITS_SECONDS = 0.08, 0.02


@cache
def does_products(dtype: np.dtype) -> bool:
    """Whether our kernel is at least about as fast as BLAS, with the number of threads at the first call."""
    question = f"product of {dtype} by {get_num_threads()} threads, NumPy {np.__version__}"
    return default_cache.remembered(question, lambda: b"ours" if _measured(str(dtype)) else b"BLAS") == b"ours"


def _measured(dtype: str) -> bool:
    a, b, c = np.ones((3, SIDE, SIDE), dtype)
    contraction = Contraction(
        dtype,
        rows=(Level(SIDE, a=SIDE, c=SIDE),),
        columns=(Level(SIDE, b=1, c=1),),
        depth=(Level(SIDE, a=1, b=SIDE),),
        batch=(),
        starts=(0, 0),
        channels=0,
        way_a="depth",
        way_b="panel",
    )
    name, text = contraction_kernel(contraction)
    code = default_cache.address(text, name)
    packed = np.empty(contraction.packed_bytes, np.uint8)
    waves, tables = [], []
    for packs, cuts in ((True, contraction.packing_cuts), (False, contraction.cuts)):
        table = np.array(contraction_table(contraction, packs=packs))
        table[[0, 1, 2, SHARED]] = [each.ctypes.data for each in (a, b, c, packed)]
        tables.append(table)
        tasks = [Task(code, table.ctypes.data, lo, hi) for lo, hi in pairwise(cuts)]
        waves.append(Wave(tasks, parallel=True))
    run, _ = make_tape(waves if contraction.shared else waves[1:], release_gil=True)
    ours = _best(run, OUR_SECONDS)
    return ours <= PATIENCE * _best(lambda: np.matmul(a, b, out=c), ITS_SECONDS)


def _best(run: Callable[[], object], seconds: float) -> float:
    """The least time of as many runs as go into some seconds."""
    best, now = math.inf, time.perf_counter()
    end = now + seconds
    while now < end:
        run()
        now, before = time.perf_counter(), now
        best = min(best, now - before)
    return best
