"""Batching whole graphs. The rules of single operations are tested in `ops`."""

import numpy as np
import pytest
from support.running import interpreted

from tracegraph.api.signature import leaf_of
from tracegraph.api.tracer import input_nodes, trace
from tracegraph.backends import reference
from tracegraph.ir import Graph, Op, aval_of, check
from tracegraph.ops.leaf import input_node
from tracegraph.transforms.batching import batch


def network(x, w, b):
    hidden = np.tanh(x @ w + b)
    shifted = hidden - np.max(hidden)
    hidden[..., ::2] = 0.5
    return np.sum(np.exp(shifted)), np.concatenate([hidden[::-1], b]), np.where(b > 0, b, 0.0).T


def graph_of(function, *args):
    leaves = [leaf_of(x, lambda: "x") for x in args]
    return trace(lambda given: function(*given), leaves, input_nodes(leaves, None), None).graph


@pytest.mark.parametrize(
    "batched", [(True, False, False), (True, True, True), (False, False, True), (False, True, False)]
)
def test_batched_network_is_a_loop(batched: tuple[bool, ...]) -> None:
    """Views, writes, products and reductions together, over every example."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(4, *shape)) for shape in ((3,), (3, 5), (5,))]
    graph = graph_of(network, *[x[0] for x in arrays])
    given = [x if has else x[0] for x, has in zip(arrays, batched, strict=True)]
    found = reference.run(check(batch(graph, 4, batched)), given)
    for k in range(4):
        example = [x[k if has else 0] for x, has in zip(arrays, batched, strict=True)]
        for expected, actual in zip(interpreted(network)(*example), found, strict=True):
            np.testing.assert_allclose(actual[k], expected, rtol=1e-14)


def test_batching_twice_gives_two_axes() -> None:
    """The result of batching is a graph like any other."""
    x = np.arange(24.0).reshape(2, 3, 4)
    graph = graph_of(lambda row: row / np.sum(row), x[0, 0])
    (actual,) = reference.run(check(batch(batch(graph, 3, [True]), 2, [True])), [x])
    np.testing.assert_allclose(actual, x / x.sum(-1, keepdims=True))


def test_results_that_do_not_depend_on_the_batch_are_repeated() -> None:
    """All outputs have the batch axis."""
    graph = graph_of(lambda x, y: (x, y), 1.0, np.ones(2))
    first, second = batch(graph, 3, [True, False]).outputs
    assert (first.shape, second.shape) == ((3,), (3, 2))


def test_operations_without_a_rule_are_named() -> None:
    """It says which operation cannot be batched."""
    odd = Op("odd", rule=lambda x: x, reference=lambda x: x)
    x = input_node(aval_of((), float))
    with pytest.raises(NotImplementedError, match=r"^odd has no batching rule$"):
        batch(Graph([x], [odd(x)]), 2, [True])
