"""Kernels that are swept together, straight or skewed, in blocks of any size and by any number of threads, give what they
give one after the other."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg

# The modules: the package names only their functions.
contract, fuse, native, schedule, skew, sweep = (
    importlib.import_module(f"tracegraph.compiler.{name}")
    for name in ("contract", "fuse", "native", "schedule", "skew", "sweep")
)

ROWS, COLUMNS = 61, 17


def shifted(rng: np.random.Generator, x: Any, y: Any) -> Any:
    """A copy in which rows are means of rows some way before and behind."""
    up, down = int(rng.integers(0, 3)), int(rng.integers(0, 3))
    z = np.copy(y)
    z[up : ROWS - down] = 0.4 * (x[: ROWS - down - up] + y[up : ROWS - down] + x[up + down :])
    return z


def star(rng: np.random.Generator, x: Any, y: Any) -> Any:
    z = np.copy(x)
    z[1:-1, 1:-1] = 0.25 * (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + y[1:-1, 2:])
    return z


def in_place(rng: np.random.Generator, x: Any, y: Any) -> Any:
    by = int(rng.integers(1, 4))
    x[by:] = 0.5 * x[:-by] + 0.1 * y[by:]
    return x


def borders(rng: np.random.Generator, x: Any, y: Any) -> Any:
    x[0], x[-1] = y[2], x[3]
    x[:, 0] = y[:, -1]
    return x


def centred(rng: np.random.Generator, x: Any, y: Any) -> Any:
    return x - np.max(y, axis=1, keepdims=True)


def normal(rng: np.random.Generator, x: Any, y: Any) -> Any:
    e = np.exp(x * 0.1)
    return e / np.sum(e, axis=1, keepdims=True) + y


def chosen(rng: np.random.Generator, x: Any, y: Any) -> Any:
    return np.where(x > 0.31, np.float32(0.5) * x.astype(np.float32), y)


def smooth(rng: np.random.Generator, x: Any, y: Any) -> Any:
    return np.tanh(x) * 0.5 + np.cos(y)


def turned(rng: np.random.Generator, x: Any, y: Any) -> Any:
    return x[::-1] * 0.7 + y


def by_columns(rng: np.random.Generator, x: Any, y: Any) -> Any:
    return x - np.mean(y, axis=0)


def product(rng: np.random.Generator, x: Any, y: Any) -> Any:
    weights = np.cos(np.arange(COLUMNS * COLUMNS)).reshape(COLUMNS, COLUMNS) / COLUMNS
    return (np.tanh(np.stack([x, y])) @ weights)[1]


def attention(rng: np.random.Generator, x: Any, y: Any) -> Any:
    both = np.stack([x, np.sin(y)])
    scores = np.tanh(both @ both[::-1].swapaxes(1, 2) * 0.1)
    return (scores @ both)[0] / ROWS


KINDS: tuple[Callable[..., Any], ...] = (
    shifted, star, in_place, borders, centred, normal, chosen, smooth, turned, by_columns,
)  # fmt: skip


def program(seed: int, kinds: tuple[Callable[..., Any], ...], length: int) -> Callable[..., Any]:
    """A function of two arrays: statements of some kinds, on arrays that are chosen at random."""

    def run(a: Any, b: Any) -> Any:
        rng = np.random.default_rng(seed)
        arrays = [np.copy(a), np.copy(b), a + b]
        for _ in range(length):
            one, other, out = rng.integers(0, 3, size=3)
            arrays[out] = kinds[rng.integers(len(kinds))](rng, arrays[one], arrays[other])
        return arrays

    return run


def check(run: Callable[..., Any]) -> tg.Compiled:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, ROWS, COLUMNS))
    compiled = tg.compile(run)
    for one, other in zip(compiled(a, b), run(a, b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    return compiled


@pytest.fixture(params=[(1, 600), (300, 1500), (3000, 4000), (20000, 20000)], ids=str)
def small_caches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of few bytes, kernels of few operations, and tasks however small."""
    for module, cache in zip((sweep, skew), request.param, strict=True):
        monkeypatch.setattr(module, "CACHE", cache)
        monkeypatch.setattr(module, "PIECE_NANOSECONDS", 20.0)
    monkeypatch.setattr(sweep, "LEAST_NANOSECONDS", 0.0)
    monkeypatch.setattr(schedule, "PIECE_NANOSECONDS", 20.0)
    monkeypatch.setattr(skew, "LEAST_GAIN", 0)
    monkeypatch.setattr(skew, "LEAST_ROWS", 1)
    monkeypatch.setattr(fuse, "LARGEST_NEST", 8)
    for name in ("LEAST_SIDE", "LEAST_TERMS", "LEAST_TOTAL"):
        monkeypatch.setattr(native, name, 1)
    for name in ("TASK_NANOSECONDS", "SHARED_NANOSECONDS"):
        monkeypatch.setattr(contract, name, 200.0)


@pytest.mark.usefixtures("small_caches")
@pytest.mark.parametrize("seed", range(25))
def test_programs_of_all_kinds(seed: int) -> None:
    """Straight, skewed, and what cannot be swept at all, mixed."""
    check(program(seed, KINDS, 12))


@pytest.mark.usefixtures("small_caches")
@pytest.mark.parametrize("seed", range(25))
def test_stencils(seed: int) -> None:
    """Kernels each of which needs rows around its own."""
    check(program(1000 + seed, (shifted, star, in_place, borders), 8))


@pytest.mark.usefixtures("small_caches")
@pytest.mark.parametrize("seed", range(25))
def test_rows(seed: int) -> None:
    """Kernels that walk the same rows."""
    check(program(2000 + seed, (centred, normal, chosen, smooth), 12))


@pytest.mark.usefixtures("small_caches")
@pytest.mark.parametrize("seed", range(25))
def test_products(seed: int) -> None:
    """Products between kernels of the same rows."""
    check(program(3000 + seed, (product, attention, normal, smooth), 8))


def waves(function: Callable[..., Any], *arguments: Any) -> Any:
    seen: dict[str, Any] = {}
    tg.compile(function)._path(arguments, {}, seen.__setitem__)
    return seen


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def test_a_softmax_is_one_wave() -> None:
    """Its maxima, exponentials and sums lie in lanes, as long as a block."""
    seen = waves(softmax, np.ones((3000, 1000)))
    (wave,) = seen["plan"].schedule.waves
    assert len(wave.tasks) > 4
    assert all(len(task.parts) == len(wave.kernels) for task in wave.tasks)
    assert len(seen["plan"].shelves) == 3


def test_attention_is_one_wave() -> None:
    """The scores of some rows, their softmax and its product with the values."""

    def attend(q: Any, k: Any, v: Any) -> Any:
        scores = q @ k.swapaxes(-1, -2)
        e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        return e / np.sum(e, axis=-1, keepdims=True) @ v

    q = np.ones((8, 256, 64), np.float32)
    (wave,) = waves(attend, q, q, q)["skew"].schedule.waves
    assert len(wave.kernels) > 3


def test_a_long_chain_keeps_what_is_between_its_kernels_in_lanes() -> None:
    """Memory for intermediate values does not grow with the array."""

    def chain(x: Any) -> Any:
        for k in range(60):
            x = np.sin(x) + x * k
        return x

    sizes = [waves(chain, np.ones((n, 1000)))["plan"].arena_bytes for n in (2000, 8000)]
    assert sizes[0] == sizes[1]


def test_steps_of_a_stencil_are_swept_together() -> None:
    """Two waves, the segments and the borders between them, take the place of one for each step."""

    def heat(x: Any) -> Any:
        for _ in range(4):
            x = np.copy(x)
            x[1:-1] += 0.1 * (x[:-2] + x[2:] - 2 * x[1:-1])
        return x

    seen = waves(heat, np.ones((4000, 1000)))
    assert len(seen["plan"].schedule.waves) > 3
    first, second = seen["skew"].schedule.waves
    assert len(second.tasks) == len(first.tasks) - 1


def test_what_depends_on_all_rows_waits() -> None:
    """A reduction over the rows ends a sweep."""
    found = waves(lambda x: np.tanh(x) / np.sum(np.tanh(x), axis=0), np.ones((3000, 1000)))["skew"].schedule.waves
    assert len(found) > 1
