"""How many threads there are, what that changes and what it does not, and that they rest when there is nothing to do."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.backends.numba.library_threads import _library, library_threads, with_limited_library


@pytest.fixture(autouse=True)
def unchanged() -> Iterator[None]:
    before = tg.get_num_threads()
    yield
    tg.set_num_threads(before)


def test_the_number_can_be_set() -> None:
    """For good, or for a block, which an error ends too."""
    tg.set_num_threads(3)
    assert tg.get_num_threads() == 3
    with tg.num_threads(2):
        assert tg.get_num_threads() == 2
        with pytest.raises(KeyError), tg.num_threads(1):
            raise KeyError
        assert tg.get_num_threads() == 2
    assert tg.get_num_threads() == 3
    with pytest.raises(ValueError, match="given 0, expected a positive integer"):
        tg.set_num_threads(0)
    assert tg.get_num_threads() == 3


REDUCTIONS = {
    "sum": lambda x: x.sum(),
    "rows": lambda x: x.sum(axis=1),
    "columns": lambda x: x.sum(axis=0),
    "variance": lambda x: x.var(),
    "softmax": lambda x: np.exp(x - x.max(axis=1, keepdims=True)) / np.exp(x - x.max(axis=1, keepdims=True)).sum(),
    "product": lambda x: np.prod(1 + x * 1e-6),
    "cumulative": lambda x: np.cumsum(x),
    "gradient": tg.grad(lambda x: np.sum(np.tanh(x.sum(axis=0)) ** 2)),
    "narrow": lambda x: x.reshape(-1, 3).sum(axis=0),
    "batch": lambda x: (x.reshape(9, 100, -1) @ x.reshape(9, -1, 100)).sum(axis=0),
}


@pytest.mark.parametrize("name", REDUCTIONS)
def test_results_do_not_depend_on_it(name: str) -> None:
    """To the last bit, and from call to call."""
    x = np.random.default_rng(0).normal(size=(900, 1200))
    compiled = tg.compile(REDUCTIONS[name])
    found = set()
    for count in (1, 2, 3, 5, 2):
        with tg.num_threads(count):
            found |= {np.asarray(compiled(x)).tobytes() for _ in range(3)}
    assert len(found) == 1


def test_the_environment_says_how_many() -> None:
    """For us and for BLAS while we run it."""
    code = (
        "import numpy as np, tracegraph as tg\n"
        "from tracegraph.backends.numba.library_threads import library_threads\n"
        "x = np.ones((200, 200)); assert (tg.compile(lambda x: x @ x)(x) == 200).all()\n"
        "print(tg.get_num_threads(), library_threads())"
    )
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.split() == ["1", "1"]


@pytest.fixture
def openblas() -> Any:
    library = _library()
    if library is None or library.threads == 1:
        pytest.skip("NumPy has another BLAS, or it has one thread")
    return library


def test_blas_gets_no_more_threads(openblas: Any) -> None:
    """While a program runs, and only then; not even an error leaves it changed."""
    before, seen = openblas.get(), []

    def run(fails: bool) -> bool:
        seen.append(openblas.get())
        if fails:
            raise KeyError
        return True

    limited = with_limited_library(run)
    assert limited(False)
    with tg.num_threads(1):
        assert library_threads() == 1
        assert limited(False)
        with pytest.raises(KeyError):
            limited(True)
    assert seen == [before, 1, 1]
    assert openblas.get() == before


def test_several_programs_limit_blas_together(openblas: Any) -> None:
    """It has its threads again when the last one is done, in whichever order they begin and end."""
    before = openblas.get()
    compiled, x = tg.compile(lambda x: np.linalg.solve(x + 3 * np.eye(60), x) @ x), np.ones((60, 60))
    expected = compiled(x)
    right: list[bool] = []

    def call() -> None:
        right.extend(np.allclose(compiled(x), expected) for _ in range(100))

    with tg.num_threads(1):
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert right == [True] * 300
    assert openblas.get() == before


def test_threads_rest_after_a_call() -> None:
    """What the process does after a call, until its threads sleep, takes less than a millisecond of processor time."""
    compiled, x = tg.compile(lambda x: np.exp(x) + 1), np.ones(400_000)
    tg.set_num_threads(3)
    spent = []
    for _ in range(30):
        compiled(x)
        before = time.process_time()
        time.sleep(0.005)
        spent.append(time.process_time() - before)
    assert statistics.median(spent) < 0.001
