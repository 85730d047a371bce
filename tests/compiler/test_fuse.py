"""What the fuser decides, and the reasons that it gives."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg

# The module: the package names only its function.
fuse = importlib.import_module("tracegraph.compiler.fuse")


def decisions(function: Callable[..., Any], *arguments: Any) -> set[tuple[str, str]]:
    """The operations of values for which it was decided whether a kernel computes them, and the reasons."""
    seen: dict[str, Any] = {}
    tg.compile(function)._path(arguments, {}, seen.__setitem__)
    return {(decision.node.op.name, decision.reason) for decision in seen["fuse"].decisions}


M, ROWS = np.ones((40, 30)), np.arange(20)


@pytest.mark.parametrize(
    ("function", "arguments", "op", "reason"),
    [
        (lambda x: np.exp(x) + 1, (M,), "exp", fuse.ALONE),
        (lambda x: (x + 1)[1:] * (x + 1)[:-1], (M,), "add", fuse.CHEAP),
        (lambda x: (np.exp(x), np.exp(x) + 1), (M,), "exp", fuse.STORED),
        (lambda x: ((x + 1).sum(axis=0), np.exp(x + 1)), (M,), "add", fuse.COPIED),
        (lambda x: np.sqrt(np.sum(x, axis=1)), (M,), "reduce_sum", fuse.REDUCED),
        (lambda x: np.exp(x) @ x.T, (M,), "exp", fuse.NO_NEST),
        (lambda x, i: np.exp(x)[i] + 1, (M, ROWS), "exp", fuse.AT_INDICES),
        (lambda x: x - np.sum(x, axis=1, keepdims=True), (M,), "reduce_sum", fuse.INCOMPLETE),
        (lambda x: (np.exp(x), np.exp(x)[1:] + 1), (M,), "exp", fuse.OTHER_POINTS),
        (lambda x: np.exp(x)[1:] * np.exp(x)[:-1], (M,), "exp", fuse.DEAR),
        (lambda x: np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True), (M,), "exp", fuse.IN_BETWEEN),
    ],
)  # fmt: skip
def test_reasons(function: Callable[..., Any], arguments: tuple[Any, ...], op: str, reason: str) -> None:
    """`explain` says why a value is computed in a kernel that needs it, or is not."""
    assert (op, reason) in decisions(function, *arguments)
    assert reason in str(tg.compile(function).explain(*arguments))


def reductions(function: Callable[..., Any], *arguments: Any) -> list[int]:
    """Of each kernel that reduces, how many reductions it holds."""
    seen: dict[str, Any] = {}
    tg.compile(function)._path(arguments, {}, seen.__setitem__)
    nests = [kernel.nest for kernel in seen["fuse"].kernels if hasattr(kernel, "nest")]
    return [len(nest.folds) for nest in nests if nest.folds]


def test_reductions_of_one_array_are_done_together() -> None:
    """However many there are: the last kernel that has room takes the next one in."""
    found = reductions(lambda x, y: [np.sum(x * y[k], axis=0) for k in range(100)], M, np.ones(100))
    assert sum(found) == 100
    assert len(found) <= 10


def test_reductions_that_hang_on_each_other_are_found_so_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn reduces the same array, in a way that depends on the turn before."""

    def turns(x: Any, score: Any, steps: int) -> Any:
        for _ in range(steps):
            score = np.max(score[:, None] + x, axis=0)
        return score

    met = []
    reached = fuse._reached
    monkeypatch.setattr(fuse, "_reached", lambda *given: met.append(found := reached(*given)) or found)
    assert reductions(lambda x, score: turns(x, score, 200), M[:30], M[0]) == [1] * 200
    assert len(met) < 200 * 3 * fuse.MOST_BESIDE
