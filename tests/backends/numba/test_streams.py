"""What goes past the caches arrives all the same: of any length, from any offset, in rows that are whole lines or not."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.backends.numba.jit import compile_assembly
from tracegraph.compiler import streams
from tracegraph.compiler.memory import Plan
from tracegraph.pipeline import build

PROGRAMS: list[Callable[[Any], Any]] = [
    lambda x: x * 2 + 1,
    lambda x: (x + 1, x.astype(np.float32), x > 0, x.astype(np.int16)),
    lambda x: x.T + 1,
    lambda x: x + x[:, :1],
    lambda x: x[::2, 1:] * x[1::2, 1:],
    lambda x: np.where(x > 0, x, 0) + np.sum(x, axis=1, keepdims=True),
]


@pytest.fixture
def streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything counts as large."""
    monkeypatch.setattr(streams, "LEAST_BYTES", 0)


@pytest.mark.usefixtures("streamed")
@pytest.mark.parametrize("shape", [(6, 40), (400, 64), (128, 77), (2, 1), (0, 3)])
@pytest.mark.parametrize("program", PROGRAMS)
def test_all_that_is_streamed_arrives(program: Callable[[Any], Any], shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    expected, actual = program(x), tg.compile(program)(x)
    for want, have in zip(
        *([each] if not isinstance(each, tuple) else each for each in (expected, actual)), strict=True
    ):
        assert want.dtype == have.dtype
        np.testing.assert_allclose(want, have)


def _plan_of(function: Callable[..., Any], *args: Any) -> Plan:
    found: dict[str, Any] = {}
    build(tg.compile(function).graph(*args), lambda name, value: found.update({name: value}))
    plan = found["skew"]
    assert isinstance(plan, Plan)
    return plan


def test_only_what_moves_much_is_streamed() -> None:
    def step(x: Any) -> Any:
        return x * 2 + 1

    assert not streams.streaming(_plan_of(step, np.zeros(1000)))
    assert streams.streaming(_plan_of(step, np.zeros(4_000_000))) == {0}


@pytest.mark.usefixtures("streamed")
def test_what_is_read_again_at_once_is_not_streamed() -> None:
    """A softmax is swept row block by row block: only its result goes past the caches."""

    def softmax(x: Any) -> Any:
        powers = np.exp(x - np.max(x, axis=1, keepdims=True))
        return powers / np.sum(powers, axis=1, keepdims=True)

    plan = _plan_of(softmax, np.zeros((512, 512)))
    results = set(plan.schedule.fused.graph.outputs)
    for number in streams.streaming(plan):
        assert results.issuperset(plan.schedule.kernels[number].writes)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the names of instructions")
def test_vectors_are_streamed() -> None:
    run = tg.compile(lambda x: x * 2 + 1)
    lines = [line.split("  # ")[0].rstrip() for line in run.source(np.zeros(10)).splitlines()]
    name = lines[0].split()[1].split("(")[0]
    assembly = compile_assembly("\n".join([*lines, ""]), name)
    assert any(line.split()[0].startswith("vmovnt") for line in assembly.splitlines() if line.strip())
