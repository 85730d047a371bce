"""Loops of the graph in the place of Python's, compared with what eager NumPy does."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.api import paths, rolling
from tracegraph.ir import Graph
from tracegraph.ops.control import loop
from tracegraph.tree import flatten


def roll_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every function takes too many steps, no loop is too short."""
    monkeypatch.setattr(paths, "FIRST_ARRAYS", 0)
    monkeypatch.setattr(rolling, "LEAST_TURNS", 3)


def loops_in(graph: Graph) -> int:
    inner = [node.params.get("body") for node in graph.nodes] + [
        each for node in graph.nodes for each in node.params.get("branches", ())
    ]
    return sum(node.op is loop for node in graph.nodes) + sum(loops_in(each) for each in inner if each is not None)


def compare(function: Callable[..., Any], *args: Any) -> int:
    """Checks the values and the changed arguments; gives how many loops there are in the graph."""
    given = copy.deepcopy(args)
    expected = flatten((function(*given), given))[0]
    compiled = tg.compile(function)
    for _ in range(2):
        taken = copy.deepcopy(args)
        found = flatten((compiled(*taken), taken))[0]
        for one, other in zip(found, expected, strict=True):
            assert np.asarray(one).dtype == np.asarray(other).dtype
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    return loops_in(compiled.graph(*copy.deepcopy(args)))
