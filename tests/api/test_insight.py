"""`memory` and `profile`: what a call takes, told before it runs, and where its time goes."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same

import tracegraph as tg
from tracegraph.api.memory import Memory

MATRIX = np.random.default_rng(0).normal(size=(200, 300))


def program_of(function: Any, *args: Any) -> Any:
    return function._path(args, {})[-1].program


# -- memory ------------------------------------------------------------------------------------------------------------


def test_the_parts_are_those_of_the_plan() -> None:
    """Arguments, results and arena, in bytes, and their sum."""
    f = tg.compile(lambda x: np.exp(x) / np.exp(x).sum())
    memory = f.memory(MATRIX)
    assert memory.arguments == memory.results == MATRIX.nbytes
    assert memory.arena == program_of(f, MATRIX).plan.arena_bytes >= MATRIX.nbytes
    assert memory.peak == memory.arguments + memory.results + memory.arena
    assert (memory.copies, memory.constants, memory.held, memory.steps, memory.scratch) == (0, 0, 0, 0, 0)


def test_the_largest_buffers_name_their_lines() -> None:
    """Largest first; each with the operation and the user's line."""

    def f(x):
        small = np.sort(x[:10], axis=0)
        large = np.sort(x, axis=0)
        return np.sort(large, axis=1)[:10] + small

    largest = tg.compile(f).memory(MATRIX).largest
    assert [each.nbytes for each in largest] == sorted([each.nbytes for each in largest], reverse=True)
    assert largest[0].nbytes == MATRIX.nbytes
    assert largest[0].value == "sort f64[200,300]"
    assert largest[0].where is not None
    assert largest[0].where.function == "f"


def test_what_is_read_from_outside_is_counted_once() -> None:
    """An array that the function closes over, and one that it is given in another order."""
    table = np.ones((200, 300))
    memory = tg.compile(lambda x: x * table + table).memory(MATRIX[::-1])
    assert memory.constants == table.nbytes
    assert memory.copies == MATRIX.nbytes


def test_each_way_has_its_own_memory() -> None:
    """These arguments decide; what the function has in hand at a fork is held."""

    def f(x):
        y = np.sort(x, axis=1)
        if y[0, 0] > 0:
            return np.sort(y, axis=0) + 1
        return y.sum()

    compiled = tg.compile(f)
    short, long = compiled.memory(MATRIX), compiled.memory(np.abs(MATRIX) + 1)
    assert short.held == long.held > MATRIX.nbytes
    assert short.results < 100
    assert long.results == MATRIX.nbytes
    assert long.peak > short.peak
    assert compiled.memory(MATRIX) == short


def test_contractions_have_scratch() -> None:
    """The memory that they pack into is shared by all programs."""
    x = np.ones((4, 128, 128), np.float32)
    assert tg.compile(lambda x: x @ x).memory(x).scratch > 100_000


def test_arguments_that_are_changed_need_no_result() -> None:
    """Nor do those that are given away."""

    def f(x):
        x *= 2

    assert tg.compile(f).memory(MATRIX.copy()).results == 0
    assert tg.compile(lambda x: x * 2, donate_argnums=0).memory(MATRIX.copy()).results == 0
    assert tg.compile(f).memory(MATRIX.T).results == MATRIX.nbytes


def test_it_prints_as_a_table() -> None:
    """Sizes, what they are of, and lines."""
    text = str(tg.compile(lambda x: np.sort(x, axis=0) @ x.T).memory(np.ones((512, 512))))
    assert text.splitlines()[0].split() == ["2.00", "MiB", "arguments"]
    assert "peak" in text
    assert "test_insight.py" in text


PEAK = """
import sys
import numpy as np
import tracegraph as tg

def high():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024

def f(x):
    a = np.sort(x)[::-1] * 2
    b = np.cumsum(a[::-1] + x)
    return np.sort(b)[::-1] + a, b.sum()

compiled = tg.compile(f)
compiled(np.ones(1000))
x = np.random.default_rng(0).normal(size=4_000_000)
expected = compiled.memory(x)
before = high()
compiled(x)
print(expected.peak - expected.arguments, high() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_peak_is_what_a_process_takes() -> None:
    """As the high-water mark of a process that makes the call says. It may be less: a page counts from its first use."""
    for _ in range(2):  # the first process may compile, which takes memory too
        done = subprocess.run([sys.executable, "-c", PEAK], capture_output=True, text=True, timeout=120, check=True)
    expected, measured = map(int, done.stdout.split())
    assert 0.6 * expected < measured < expected + 8e6


# -- profile -----------------------------------------------------------------------------------------------------------


def test_rows_are_the_kernels() -> None:
    """Each once, with its lines, bytes and operations; shares add up."""

    def f(x):
        y = np.exp(x).sum(axis=0)
        return np.sort(y) * 2

    compiled = tg.compile(f)
    profile = compiled.profile(MATRIX)
    names = [row.name for row in profile.rows]
    assert names == ["reduce_sum_exp_loop", "sort_rows", "multiply_loop"]
    assert all(row.name in compiled.source(MATRIX) for row in profile.rows)
    first, sort, last = profile.rows
    lines = f.__code__.co_firstlineno
    assert [[where.line - lines for where in row.lines] for row in profile.rows] == [[1], [2], [2]]
    assert first.nbytes == MATRIX.nbytes + 300 * 8
    assert first.operations > MATRIX.size
    assert (last.nbytes, last.operations) == (2 * 300 * 8, 300)
    assert sort.operations == 300
    assert sum(row.share for row in profile.rows) == pytest.approx(1)
    assert sum(row.seconds for row in profile.rows) == pytest.approx(profile.seconds)
    assert all(row.seconds > 0 and row.of_limit > 0 for row in profile.rows)


def test_products_know_their_operations() -> None:
    """Two for each term, by BLAS or a kernel of ours."""
    x, batch = np.ones((64, 128)), np.ones((8, 128, 128), np.float32)
    (blas,) = tg.compile(lambda x: x @ x.T).profile(x).rows
    (own,) = tg.compile(lambda x: x @ x).profile(batch).rows
    assert (blas.name, blas.operations) == ("BLAS matmul", 2 * 64 * 64 * 128)
    assert own.operations == 2 * 8 * 128**3
    assert own.name.startswith("contract_float32")


def test_shared_stretches_add_up() -> None:
    """A stretch that a function runs through several times counts each time."""

    def newton(x):
        while abs(x * x - 2) > 1e-9:
            x = x - (x * x - 2) / (2 * x)
        return x

    profile = tg.compile(newton).profile(9.0)
    assert max(row.calls for row in profile.rows) >= 4


def test_loops_are_one_row_and_what_is_inside() -> None:
    """The loop's time is measured, that of its kernels is expected."""
    loop = tg.compile(lambda x: tg.fori_loop(0, 50, lambda i, c: np.tanh(c) * 0.5 + c.sum(), x))
    whole, *inside = loop.profile(np.ones(1000)).rows
    assert not whole.is_expected
    assert inside
    assert all(row.is_expected and row.calls == 50 for row in inside)
    assert sum(row.seconds for row in inside) == pytest.approx(whole.seconds)
    unknown = tg.compile(lambda x: tg.while_loop(lambda c: c.sum() < 100, lambda c: c * 2, x))
    assert {row.calls for row in unknown.profile(np.ones(10)).rows if row.is_expected} == {0}


def test_nothing_is_changed() -> None:
    """Arguments that the function changes or is given stay as they are, and a call gives what it gave."""

    def f(x, y):
        x += y
        y[2:5] = 0
        return x * y

    for compiled in (tg.compile(f), tg.compile(f, donate_argnums=(0, 1))):
        x, y = MATRIX.copy(), MATRIX.copy() + 1
        compiled.profile(x, y)
        compiled.memory(x, y)
        assert_same(x, MATRIX)
        assert_same(y, MATRIX + 1)
        expected = f(MATRIX.copy(), MATRIX + 1)
        assert_same(expected, compiled(x, y))


def test_errors_are_those_of_a_call() -> None:
    """An index out of bounds, what NumPy raises."""
    at = tg.compile(lambda x, i: x[i] + 1)
    with pytest.raises(IndexError):
        at.profile(np.ones(3), np.array([5]))
    with pytest.raises(np.linalg.LinAlgError):
        tg.compile(np.linalg.cholesky).profile(-np.eye(2))


def test_a_profile_prints_as_a_table() -> None:
    """One line for each kernel below the head, and the limits."""
    profile = tg.compile(lambda x: np.sort(np.exp(x), axis=0)).profile(MATRIX)
    head, *rows, limits = str(profile).splitlines()
    assert head.split()[:3] == ["time", "share", "calls"]
    assert len(rows) == len(profile.rows) == 2
    assert "GB/s" in limits
    assert profile.bandwidth > 1e9


def test_a_transform_can_be_asked_too() -> None:
    """A gradient is a compiled function."""
    gradient = tg.grad(lambda x: np.sum(np.tanh(x) ** 2))
    assert isinstance(gradient.memory(MATRIX), Memory)
    assert gradient.profile(MATRIX).rows
