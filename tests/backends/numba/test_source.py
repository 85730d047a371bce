"""A text is written once for each form of nests: whatever else a nest of that form is, the same text and its own table."""

import numpy as np
import pytest
from programs import PROGRAMS

import tracegraph as tg
from tracegraph.backends.numba import source
from tracegraph.compiler.kernel import NestKernel
from tracegraph.compiler.nest import Nest


class _EnoughError(Exception):
    """The nests are there: they need not be compiled."""


def nests_of(function, args) -> list[Nest]:
    """The nests of a function, up to where it goes on by a value."""
    found: list[Nest] = []

    def observe(stage, value):
        if stage == "skew":
            found.extend(kernel.nest for kernel in value.schedule.kernels if isinstance(kernel, NestKernel))
            raise _EnoughError

    with pytest.raises(_EnoughError):
        tg.compile(function)._path(args, {}, observe)
    return found


def sums(x, y):
    return (
        np.sum(x, axis=1),
        np.sum(x + y, axis=0),
        np.mean(x.T * 0.5),
        x[:, ::-1] + 3,
        np.broadcast_to(x[0], x.shape) * y,
    )


EXTENTS = [(3, 4), (4, 3), (1, 5), (5, 1), (7, 1024), (7, 1025), (2000, 2), (1, 1), (2000, 2000)]


def test_what_was_known_is_what_would_be_written(monkeypatch):
    """With all programs before, which have written many forms."""
    nests = [nest for program in PROGRAMS.values() for nest in nests_of(program.main, program.arguments("small"))]
    for shape in EXTENTS:
        for dtype in (float, np.float32, np.int64, np.uint8, bool, complex, np.float16):
            nests += nests_of(sums, (np.ones(shape, dtype), np.ones(shape, dtype)))
    known = [source.write_nest(nest, streams=True) for nest in nests]
    assert len({each.text for each in known}) < len(known) / 2
    for nest, found in zip(nests, known, strict=True):
        monkeypatch.setattr(source, "_written", {})
        fresh = source.write_nest(nest, streams=True)
        assert (found.name, found.text, found.slots) == (fresh.name, fresh.text, fresh.slots)
        assert found.listing() == fresh.listing()
        assert len(found.notes()) == len(found.text.splitlines())


def test_numbers_are_read_from_the_table():
    one, other = (nests_of(lambda x, by=by: x * by, (np.ones(3),))[0] for by in (2.5, 0.1))
    first, second = source.write_nest(one), source.write_nest(other)
    assert first.text == second.text
    assert first.slots != second.slots
    assert "2.5" in first.listing()
    assert "0.1" in second.listing()
