"""What each stage between a graph and native code promises, checked through the pipeline's observer."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph import pipeline
from tracegraph.backends import reference
from tracegraph.compiler.fuse import fuse
from tracegraph.compiler.kernel import LibraryKernel, NestKernel
from tracegraph.compiler.memory import plan
from tracegraph.compiler.schedule import schedule
from tracegraph.ir import Graph, aval_of, check
from tracegraph.ops import ALL
from tracegraph.ops.leaf import input_node

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(40, 30))


def network(w: Any, v: Any, x: Any) -> Any:
    hidden = np.tanh(x @ w)
    e = np.exp(hidden @ v)
    return np.sum(np.log(e / np.sum(e, axis=1, keepdims=True)))


def in_place(x: Any) -> Any:
    x[1:, 1:] = x[:-1, :-1] * 2
    x[0] += x[-1]
    return x.T


PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "chain": (lambda x: np.exp(x) * 2 + x, (MATRIX,)),
    "several outputs": (lambda x: (x + 1, (x + 1).sum(), x.T), (MATRIX,)),
    "joined": (lambda x: np.concatenate([x * 2, np.sqrt(abs(x))], axis=1).max(axis=0), (MATRIX,)),
    "in place": (in_place, (MATRIX,)),
    "network": (network, (RNG.normal(size=(30, 20)), RNG.normal(size=(20, 10)), MATRIX)),
    "gradient": (tg.grad(network, (0, 1)), (RNG.normal(size=(30, 20)), RNG.normal(size=(20, 10)), MATRIX)),
    "long": (lambda x: (x * x).sum() / x.size, (RNG.normal(size=600_000),)),
}


def stages(function: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    """The value of each stage for a program, the traced graph among them."""
    compiled = function if isinstance(function, tg.Compiled) else tg.compile(function)
    seen: dict[str, Any] = {}
    compiled._path(tuple(np.array(each) for each in arguments), {}, seen.__setitem__)
    return seen


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_stage_keeps_the_graph_well_formed_and_its_value(name: str) -> None:
    """After every pass that gives a graph, the checker is content and the oracle's answer is the same."""
    function, arguments = PROGRAMS[name]
    seen = stages(function, arguments)
    expected = reference.run(seen["trace"], arguments)
    for stage, graph in [(stage, getattr(value, "graph", value)) for stage, value in seen.items()]:
        if isinstance(graph, Graph):  # a settled graph may give an output another shape
            actual = reference.run(check(graph, stage), arguments)
            for one, other in zip(expected, actual, strict=True):
                np.testing.assert_allclose(other.reshape(one.shape), one, rtol=1e-9, atol=1e-12, err_msg=stage)


@pytest.mark.parametrize("name", PROGRAMS)
def test_native_code_gives_the_answer_of_the_reference(name: str) -> None:
    """The program that the last stage links computes what the interpreter does."""
    function, arguments = PROGRAMS[name]
    seen = stages(function, arguments)
    copies = [np.array(each) for each in arguments]
    for one, other in zip(reference.run(seen["trace"], arguments), seen["link"].run(copies), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PROGRAMS)
def test_kernels_read_only_what_has_been_written(name: str) -> None:
    """A kernel reads what earlier waves have written, or earlier parts of its own tasks, never what comes later."""
    planned = stages(*PROGRAMS[name])["plan"]
    kernels = planned.schedule.kernels
    ready = set(planned.schedule.fused.graph.inputs)
    for wave in planned.schedule.waves:
        for task in wave.tasks:
            now = set(ready)
            for kernel in [kernels[part.kernel] for part in task.parts]:
                assert all(node in now for node in kernel.reads if "value" not in node.params)
                now.update(kernel.writes)
        ready.update(node for number in wave.kernels for node in kernels[number].writes)


@pytest.mark.parametrize("name", PROGRAMS)
def test_living_buffers_do_not_overlap(name: str) -> None:
    """Two intermediate values share bytes of the arena only if their lives, in waves, are apart."""
    planned = stages(*PROGRAMS[name])["plan"]
    kernels = planned.schedule.kernels
    lives: dict[Any, list[int]] = {}
    for number, wave in enumerate(planned.schedule.waves):
        for kernel in map(kernels.__getitem__, wave.kernels):
            for node in (*kernel.reads, *kernel.writes):
                if node in planned.offsets:
                    lives.setdefault(node, []).append(number)
    spans = [(planned.offsets[node], node.aval.nbytes, min(at), max(at)) for node, at in lives.items()]
    for i, (start, size, born, dies) in enumerate(spans):
        assert start % 64 == 0
        assert start + size <= planned.arena_bytes
        for other, other_size, other_born, other_dies in spans[:i]:
            apart = start + size <= other or other + other_size <= start
            assert apart or dies < other_born or other_dies < born


def kernels_of(function: Callable[..., Any], *arguments: Any) -> list[str]:
    """The kinds of kernels that a program becomes."""
    fused = stages(function, arguments)["fuse"]
    return [type(kernel).__name__.removesuffix("Kernel") for kernel in fused.kernels]


def test_a_chain_with_broadcasting_is_one_nest() -> None:
    """Elementwise work, broadcast operands and scalars fuse."""
    assert kernels_of(lambda x, b: np.exp(x * 2 + b) / 3 - x, MATRIX, MATRIX[0]) == ["Nest"]


def test_a_trailing_reduction_joins_the_chain_before_and_after_it() -> None:
    """What feeds a reduction and what is done with its result are in its nest."""
    assert kernels_of(lambda x: np.sqrt(np.sum(np.exp(x) * x, axis=1)) + 1, MATRIX) == ["Nest"]


def test_softmax_is_three_nests() -> None:
    """Maximum, sum of exponentials, quotient: the exponential is not kept in memory where it is cheap to keep it."""
    assert len(kernels_of(lambda x: np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True), MATRIX)) <= 4


def test_a_transposed_operand_costs_no_copy() -> None:
    """BLAS reads transposed matrices and slices as they lie."""
    assert kernels_of(lambda x: x.T @ x[:, ::1], MATRIX) == ["Library"]


def test_independent_products_and_nests_keep_their_order() -> None:
    """A graph of a product and what follows it: two kernels."""
    assert kernels_of(lambda x: np.tanh(x @ x.T) + 1, MATRIX) == ["Library", "Nest"]


def test_a_value_that_is_returned_and_used_is_computed_once() -> None:
    """An output that another output is made of is stored by the kernel that goes on with it."""
    fused = stages(lambda x: (np.exp(x), np.exp(x) + 1), (MATRIX,))["fuse"]
    (kernel,) = fused.kernels
    assert isinstance(kernel, NestKernel)
    assert len(kernel.writes) == 2


def test_integer_products_need_no_blas() -> None:
    """A product of integers is a kernel of our own, which reads the operands where they lie."""
    (*_, kernel) = stages(lambda x: x @ x.T, (np.arange(6).reshape(2, 3),))["fuse"].kernels
    assert str(kernel).startswith("product")


def test_large_work_is_cut_into_pieces_and_small_work_is_not() -> None:
    """A wave is parallel only where that pays."""
    large = stages(lambda x: np.exp(x), (np.ones(1_000_000),))["schedule"]
    small = stages(lambda x: np.exp(x), (np.ones(100),))["schedule"]
    assert [wave.is_parallel for wave in large.waves] == [True]
    assert [(wave.is_parallel, len(wave.tasks)) for wave in small.waves] == [(False, 1)]


def test_pieces_cover_the_outer_loop_exactly_once() -> None:
    """The slices of a kernel are disjoint and complete."""
    (wave,) = stages(lambda x: x + 1, (np.ones(1_234_567),))["schedule"].waves
    edges = sorted((task.parts[0].lo, task.parts[0].hi) for task in wave.tasks)
    assert edges[0][0] == 0
    assert edges[-1][1] == 1_234_567
    assert all(one[1] == two[0] for one, two in pairwise(edges))


def test_branches_share_a_wave() -> None:
    """Work that does not depend on one another runs side by side."""
    x, y = (input_node(aval_of((1000,), float)) for _ in range(2))
    graph = Graph([x, y], [ALL["exp"](x), ALL["reduce_sum"](y, axes=(0,))])
    assert len(schedule(fuse(graph)).waves) == 1


def test_memory_of_a_long_chain_is_constant() -> None:
    """Liveness lets a chain of products live in a few buffers."""
    node = start = input_node(aval_of((64, 64), float))
    for _ in range(20):
        node = ALL["matmul"](node, start)
    planned = plan(schedule(fuse(Graph([start], [node]))))
    assert planned.arena_bytes <= 3 * 64 * 64 * 8
    assert all(isinstance(kernel, LibraryKernel) for kernel in planned.schedule.kernels)


def test_the_observer_sees_every_stage_in_order() -> None:
    """The pipeline is the list of its stages."""
    assert list(stages(lambda x: x + 1, (MATRIX,))) == ["trace", *(name for name, _ in pipeline.STAGES)]


def classifier(parameters: Any, x: Any, classes: Any) -> Any:
    w, b, v, c = parameters
    scores = np.maximum(x @ w + b, 0) @ v + c
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    chosen = classes[:, None] == np.arange(10.0)
    right = np.mean(np.argmax(p, axis=1) == classes)
    return np.mean(-np.sum(np.where(chosen, np.log(p), 0), axis=1)), (right, np.mean(x, axis=0))


def test_no_batch_size_makes_a_kernel_of_its_own() -> None:
    """The kernels of a network, its gradient and its statistics are the same for every batch, one of one included."""
    step = tg.value_and_grad(classifier, has_aux=True)
    parameters = [RNG.normal(size=(8, 16)), np.zeros(16), RNG.normal(size=(16, 10)), np.zeros(10)]
    kernels = []
    for n in (32, 33, 7, 500, 1797, 1):
        arguments = (parameters, RNG.normal(size=(n, 8)), RNG.integers(0, 10, n).astype(float))
        (value, _), _ = step(*arguments)
        assert np.isfinite(value)
        kernels.append(set(step._path(arguments, {})[0].program.kernels))
    assert all(each == kernels[0] for each in kernels)
