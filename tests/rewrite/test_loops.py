"""What becomes of loops in the final graph: each runs once, carries what is needed, and does turn by turn only what it must.
That values stay the same is tested in `tests/api/test_control.py`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.ir import Graph, Node
from tracegraph.ops.control import Loop, loop
from tracegraph.ops.product import matmul

RNG = np.random.default_rng(2)
W = RNG.normal(size=(32, 32)) / 6
XS = RNG.normal(size=(40, 8, 32))


def loops(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if node.op is loop]


def products(graph: Graph) -> int:
    return sum(node.op is matmul for node in graph.nodes)


def loss(w: Any, xs: Any, checkpoint: Any = None) -> Any:
    carry, _ = tg.scan(lambda c, x: (np.tanh(x @ w + c @ w), None), np.zeros_like(xs[0]), xs, checkpoint=checkpoint)
    return np.sum(carry * carry)


def directed(w: Any, xs: Any) -> Any:
    return tg.jvp(tg.grad(lambda w: loss(w, xs)), (w,), (w,))[1]


@pytest.mark.parametrize(
    ("function", "count"), [(tg.compile(loss), 1), (tg.value_and_grad(loss), 2), (tg.compile(directed), 2)]
)
def test_each_loop_runs_once(function: Any, count: int) -> None:
    """The loop that keeps what a derivative needs stands for the function's own, and one in forward mode for both."""
    assert len(loops(function.graph(W, XS))) == count


def test_what_does_not_turn_leaves_the_loop() -> None:
    """A product with the inputs is one before the loop, the derivative by the matrix one behind it."""
    graph = tg.value_and_grad(loss).graph(W, XS)
    forward, backward = (Loop.of(node).body for node in loops(graph))
    assert products(forward) == 1
    assert products(backward) == 1
    assert products(graph) == 3


def test_constants_are_computed_before_the_loop() -> None:
    graph = tg.compile(lambda x: tg.fori_loop(0, 9, lambda i, c: c * np.exp(x) + i, x)).graph(np.ones(3))
    (node,) = loops(graph)
    assert "exp" not in [each.op.name for each in Loop.of(node).body.nodes]


def test_what_nobody_needs_is_not_carried() -> None:
    """Neither carries that end in nothing, nor stacks that are not read."""

    def program(x: Any) -> Any:
        (a, _), (rows, _) = tg.scan(lambda c, v: ((c[0] + v, c[1] * c[0]), (c[0], c[1])), (0.0, 1.0), x)
        return a, rows

    (node,) = loops(tg.compile(program).graph(np.ones(5)))
    parts = Loop.of(node)
    assert (parts.carries, parts.stacks) == (1, 1)


def arena(function: Callable[..., Any], *args: Any) -> int:
    compiled = function if isinstance(function, tg.Compiled) else tg.compile(function)
    program = compiled._path(args, {})[-1].program
    assert program is not None
    return program.plan.arena_bytes


def test_segments_keep_the_root_of_the_length() -> None:
    """Sixteen times the turns take four times the memory that grows, not sixteen."""
    slope = tg.grad(lambda w, xs: loss(w, xs, True))
    short, medium, long = (arena(slope, W, np.zeros((n, 8, 32))) for n in (16, 256, 4096))
    assert long - medium < 5 * (medium - short)
    assert long < arena(tg.grad(loss), W, np.zeros((4096, 8, 32))) / 10


def test_checkpoints_keep_less_without_loops_too() -> None:
    weights = [W] * 24

    def network(weights: Any, x: Any, part: Callable[..., Any]) -> Any:
        for k in range(0, len(weights), 4):
            x = part(weights[k : k + 4], x)
        return np.sum(x * x)

    def layers(weights: Any, x: Any) -> Any:
        for w in weights:
            x = np.tanh(x @ w)
        return x

    x = np.zeros((512, 32))
    plain = tg.grad(lambda ws, x: network(ws, x, layers))
    saving = tg.grad(lambda ws, x: network(ws, x, tg.checkpoint(layers)))
    assert arena(saving, weights, x) < 0.6 * arena(plain, weights, x)


def leapfrog(turns: Any, x: Any, v: Any) -> Any:
    def step(k: int, state: Any) -> Any:
        x, v = state
        v = v - 0.05 * np.tanh(W @ x)
        x = x + 0.1 * v
        return x, v - 0.05 * np.tanh(W @ x)

    return turns(0, 12, step, (x, v))


def waves(turns: Any, u: Any, v: Any) -> Any:
    """Each value from what is computed of the two before it."""

    def step(k: int, state: Any) -> Any:
        u, v = state
        return v, np.full(32, 0.1) * (np.sum(np.exp(-u * u)) + np.sum(np.exp(-v * v)))

    return turns(0, 9, step, (u, v))


def by_python(first: int, last: int, step: Any, state: Any) -> Any:
    for k in range(first, last):
        state = step(k, state)
    return state


@pytest.mark.parametrize(("program", "name"), [(leapfrog, "tanh"), (waves, "exp")])
def test_what_a_turn_has_computed_the_next_does_not(program: Any, name: str) -> None:
    compiled = tg.compile(lambda x, y: program(tg.fori_loop, x, y))
    parts = Loop.of(loops(compiled.graph(np.ones(32), np.zeros(32)))[0])
    assert [node.op.name for node in parts.body.nodes].count(name) == 1
    assert parts.carries == 3
    wanted = program(by_python, np.ones(32), np.zeros(32))
    np.testing.assert_allclose(compiled(np.ones(32), np.zeros(32)), wanted, rtol=1e-12)


def test_little_is_not_handed_on() -> None:
    """What costs less than to keep it is computed again."""

    def step(x: Any, _: Any) -> Any:
        later = x + 0.1 * (x * x)
        return later, later * later

    (node,) = loops(tg.compile(lambda x: tg.scan(step, x, np.zeros(9))).graph(np.ones(64) / 9))
    assert Loop.of(node).carries == 1
