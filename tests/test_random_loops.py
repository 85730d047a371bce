"""Random loops over elements and slices do as loops of the graph what they do eagerly. ``--programs N`` says how many, in
tens."""

from typing import Any

import numpy as np
import pytest
from support.loops import LARGEST, arguments, function_of, source
from support.rolled import loops_in, roll_all

import tracegraph as tg
from tracegraph.tree import flatten

CHUNK = 25
SHARE = 10


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "first" in metafunc.fixturenames:
        metafunc.parametrize("first", range(0, metafunc.config.getoption("--programs") // SHARE, CHUNK))


def expected(text: str, seed: int) -> list[Any] | None:
    """What a program gives, if it is no error and is of some size."""
    with np.errstate(all="ignore"):
        try:
            values = flatten(function_of(text)(*arguments(seed)))[0]
        except (ValueError, IndexError, ZeroDivisionError, TypeError):
            return None
    sizes = [np.max(np.abs(value), initial=0) for value in values]
    return values if all(size < LARGEST for size in sizes) else None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_loops(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    roll_all(monkeypatch)
    for seed in range(first, first + CHUNK):
        text = source(seed)
        wanted = expected(text, seed)
        if wanted is None:
            continue
        found = flatten(tg.compile(function_of(text))(*arguments(seed)))[0]
        assert len(found) == len(wanted), f"seed {seed}\n{text}"
        for one, other in zip(wanted, found, strict=True):
            assert np.asarray(one).dtype == np.asarray(other).dtype, f"seed {seed}: {one!r}, {other!r}\n{text}"
            np.testing.assert_allclose(one, other, rtol=1e-7, atol=1e-9, err_msg=f"seed {seed}\n{text}")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_most_of_them_are_loops_of_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    roll_all(monkeypatch)
    texts = [(source(seed), seed) for seed in range(40)]
    good = [(text, seed) for text, seed in texts if expected(text, seed) is not None]
    rolled = [loops_in(tg.compile(function_of(text)).graph(*arguments(seed))) > 0 for text, seed in good]
    assert len(good) > 12
    assert sum(rolled) > len(good) / 2
