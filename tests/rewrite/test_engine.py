"""The engine shares equal nodes, drops dead ones, ends, takes linear time, and leaves alone what it is told to keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import rewriting as support

from tracegraph.backends.reference import run
from tracegraph.ir import DTYPES, Graph, Where, check, current_where, located
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import broadcast_to, keep_axes, reduce_sum
from tracegraph.ops.elementwise import like
from tracegraph.ops.leaf import constant, identity, input_node, literal
from tracegraph.ops.product import matmul, swap_last
from tracegraph.ops.reduce import reduce_max
from tracegraph.ops.region import concatenate, slice_
from tracegraph.ops.shape import reshape, transpose
from tracegraph.rewrite import LOWER, OPTIMISE, STABILISE, rewrite, rule
from tracegraph.rewrite.engine import BUDGET
from tracegraph.transforms.autodiff import vjp

EVERYTHING = OPTIMISE + LOWER


def _input(text="f64[3,4]"):
    return input_node(support.aval(text))


def _is_between(node, outputs):
    return node in Graph((), outputs).nodes


# -- sharing and dead code ---------------------------------------------------------------------------------------------


def test_equal_nodes_become_one():
    """Also when they become equal only by rules, and whichever line they come from."""
    x = _input()
    with located(Where("a.py", 1, "f")):
        first = ew.exp(ew.multiply(x, like(x, 2)))
    with located(Where("a.py", 2, "f")):
        second = ew.exp(ew.multiply(like(x, 2), ew.negative(ew.negative(x))))
    new = rewrite(Graph([x], [ew.tanh(first), ew.tanh(second), first]), EVERYTHING)
    assert new.outputs[0] is new.outputs[1]
    assert [node.op.name for node in new.nodes] == ["input", "constant", "broadcast_to", "multiply", "exp", "tanh"]


def test_arrays_and_opposite_zeros_are_not_equal():
    array = np.zeros(3)
    one, two, three = constant(array), constant(array), constant(np.zeros(3))
    new = rewrite(Graph([], [one, two, three, literal(0.0, array.dtype), literal(-0.0, array.dtype)]), EVERYTHING)
    assert new.outputs[0] is new.outputs[1]
    assert len(set(new.outputs)) == 4


def test_dead_code_goes():
    x, y = _input(), _input()
    dead = ew.exp(y)
    new = rewrite(Graph([x, y], [ew.where(like(ew.isnan(x), True), x, dead)]), EVERYTHING)
    assert new.nodes == (x, y) == new.inputs
    assert new.outputs == (x,)


def test_an_untouched_graph_keeps_its_nodes():
    x = _input()
    graph = Graph([x], [ew.tanh(ew.exp(x))])
    assert rewrite(graph, EVERYTHING).nodes == graph.nodes


# -- places and records ------------------------------------------------------------------------------------------------


def test_new_nodes_take_the_place_of_those_they_replace():
    place, here = Where("user.py", 7, "model"), Where("other.py", 1, "g")
    x = _input()
    with located(place):
        y = ew.power(x, like(x, 4))
    with located(here):
        new = rewrite(Graph([x], [ew.tanh(y)]), EVERYTHING)
        assert current_where() == here
    assert {node.where for node in new.nodes if node.op is ew.multiply} == {place}


def test_fired_tells_rule_and_node():
    x = _input()
    y = ew.negative(ew.negative(x))
    fired = []
    rewrite(Graph([x], [y]), EVERYTHING, fired=fired)
    assert fired == [("twice_negated", y)]


def test_rules_know_their_lines():
    for each in EVERYTHING:
        assert Path(each.where.file).parent.name == "rewrite"
        assert each.where.line > 1


# -- a product is not computed twice -----------------------------------------------------------------------------------


def test_a_shared_product_is_not_computed_twice():
    x, y = _input("f64[3,4]"), _input("f64[3,5]")
    product = matmul(swap_last(x), y)
    shared = rewrite(Graph([x, y], [swap_last(product), product]), EVERYTHING)
    alone = rewrite(Graph([x, y], [swap_last(product)]), EVERYTHING)
    assert [node.op.name for node in shared.nodes].count("matmul") == 1
    assert [node.op.name for node in alone.nodes].count("transpose") == 1


# -- time and termination ----------------------------------------------------------------------------------------------

STEPS = {
    "sums": lambda n: ew.tanh(ew.add(ew.multiply(n, like(n, 1.5)), like(n, -0.0))),
    "negatives": ew.negative,
    "powers": lambda n: ew.power(n, like(n, 3)),
    "broadcasts": lambda n: reduce_max(broadcast_to(n, shape=(2, *n.shape)), axes=(0,)),
    "transposed products": lambda n: swap_last(matmul(swap_last(n), n)),
    "softmaxes": lambda n: ew.divide(ew.exp(n), keep_axes(reduce_sum(ew.exp(n), axes=(1,)), n.shape, (1,))),
    "reshapes": lambda n: reshape(n, shape=(n.aval.size,) if n.aval.ndim == 2 else (4, 4)),
    "slices": lambda n: slice_(concatenate(n, n, axis=0), starts=(4, 0), steps=(1, 1), sizes=(4, 4)),
}


def _chain(step, length):
    x = node = _input("f64[4,4]")
    graph = Graph([x], [node])
    while len(graph.nodes) < length:
        for _ in range(length // 8):
            node = step(node)
        graph = Graph([x], [node])
    return graph


@pytest.mark.parametrize("name", STEPS)
def test_deep_chains_take_linear_work(name):
    """No recursion, and a few firings a node, however deep the graph is."""
    graph = _chain(STEPS[name], 10_000)
    fired = []
    new = rewrite(graph, EVERYTHING, fired=fired)
    assert len(fired) <= 4 * len(graph.nodes)
    check(new)


def _random_graph(seed):
    """Any op on any nodes that fit: operands are taken from those of one aval, numbers mixed in."""
    rng = np.random.default_rng(seed)
    inputs = [
        _input(text)
        for text in ("f64[3,4]", "f64[3,4]", "i8[3,4]", "u8[3,4]", "bool[3,4]", "f32[3,4]", "c128[3,4]", "f16[3,4]")
    ]
    nodes = list(inputs)
    ops = [op for op in ew.OPS if op.loop is not None]
    arities = {"where": 3, **{op.name: op.loop.count("{") for op in ops if op.name not in ("where", "convert")}}
    while len(nodes) < 60:
        x = nodes[rng.integers(len(nodes))]
        same = [node for node in nodes if node.aval == x.aval]
        same += [like(x, value) for value in (0, 1, 2)] if x.dtype.kind != "b" else [like(x, True)]
        same += [like(x, value) for value in (-0.0, -1, 0.5)] if x.dtype.kind in "fc" else []
        op = ops[rng.integers(len(ops))]
        kind = rng.integers(8)
        if kind == 0:
            to = list(DTYPES)[rng.integers(len(DTYPES))]
            if x.dtype.kind not in "fc" or to.kind not in "iu":  # NumPy leaves open what becomes of NaN
                nodes.append(ew.convert(x, dtype=to))
        elif kind == 1:
            nodes.append(broadcast_to(slice_(x, starts=(0, 1), steps=(1, 1), sizes=(1, 4 - 1)), shape=(3, 3)))
            nodes[-1] = concatenate(nodes[-1], slice_(x, starts=(0, 0), steps=(1, 1), sizes=(3, 1)), axis=1)
        elif kind == 2:
            nodes.append(transpose(transpose(x, axes=(1, 0)), axes=(1, 0)))
        elif kind == 3 and x.dtype.kind != "b":
            nodes.append(keep_axes(reduce_sum(x, axes=(1,)), x.shape, (1,)))
        else:
            picked = [same[k] for k in rng.integers(len(same), size=arities.get(op.name, 1))]
            if op is ew.where:
                picked[0] = ew.equal(*same[:1], *picked[:1])
            try:
                nodes.append(op(*picked))
            except TypeError:
                continue
    return Graph(inputs, nodes[-8:])


@pytest.mark.parametrize("seed", range(150))
def test_random_graphs_come_to_an_end(seed):
    """Far from the budget; nothing fires on the result again; the values are those of before, up to rounding."""
    graph = _random_graph(seed)
    fired = []
    new = check(rewrite(graph, OPTIMISE, fired=fired))
    assert len(fired) < BUDGET * len(graph.nodes) / 4
    again = []
    rewrite(new, OPTIMISE, fired=again)
    assert again == []
    lowered = check(rewrite(new, EVERYTHING))
    arrays = [support.sample(node.aval, seed + k, special=False) for k, node in enumerate(graph.inputs)]
    try:
        expected = run(graph, arrays)
    except ValueError:  # an integer to a negative power
        return
    for got, lower, value in zip(run(new, arrays), run(lowered, arrays), expected, strict=True):
        support.assert_same(lower, got)
        if value.dtype.kind not in "fc":
            support.assert_same(got, value)
        else:
            rtol = 4e-3 if value.dtype == np.float16 else 1e-5
            np.testing.assert_allclose(got, value, rtol=rtol, atol=1e-30, equal_nan=True)


def test_rules_that_go_in_circles_run_out_of_budget():
    """Then the rest is only shared, and the graph is right all the same."""

    @rule("there", ew.add)
    def there(node):
        return ew.subtract(node.inputs[0], ew.negative(node.inputs[1]))

    @rule("back", ew.subtract)
    def back(node):
        return ew.add(node.inputs[0], ew.negative(node.inputs[1]))

    x, y = _input(), _input()
    graph = Graph([x, y], [ew.tanh(ew.add(x, y))])
    fired = []
    new = check(rewrite(graph, (there, back), fired=fired))
    assert len(fired) == BUDGET * (len(graph.nodes) + 1)
    assert new.outputs[0].op is ew.tanh


# -- what is kept ------------------------------------------------------------------------------------------------------


def test_no_rule_looks_through_what_is_kept():
    """exp(x) is to be differentiated by: it may not vanish in a softmax."""
    x = _input()
    e = ew.exp(x)
    y = ew.divide(e, keep_axes(reduce_sum(e, axes=(1,)), x.shape, (1,)))
    fired = []
    out, name = rewrite(Graph([x], [y]), STABILISE, keep=[e], fired=fired).outputs
    assert fired == []
    assert name.op is identity
    assert name.inputs == (e,)
    assert _is_between(name, [out])


def test_names_and_inputs_are_kept_as_they_are():
    x = _input()
    w = identity(x)
    y = ew.log(reduce_sum(ew.exp(ew.multiply(w, x)), axes=(1,)))
    out, kept_w, kept_x = rewrite(Graph([], [y]), STABILISE, keep=[w, x]).outputs
    assert kept_x is x
    assert kept_w is w
    assert out is not y
    assert _is_between(w, [out])


def test_the_way_between_kept_nodes_is_rewritten_too():
    """One depends on the other through a log-sum-exp; derivatives by both are right, also where the sum overflows."""
    x = _input("f64[4]")
    middle = ew.log(reduce_sum(ew.exp(x), axes=(0,)))
    out, new_x, new_middle = rewrite(Graph([], [ew.multiply(middle, middle)]), STABILISE, keep=[x, middle]).outputs
    slopes = vjp([out], [like(out, 1)], [new_x, new_middle]).wrt
    dx, dm = run(Graph([x], slopes), [np.array([1000.0, 1000, -np.inf, 0])])
    np.testing.assert_allclose(dm, 2 * (1000 + np.log(2)))
    np.testing.assert_allclose(dx, [dm / 2, dm / 2, 0, 0])


def test_what_does_not_depend_on_kept_nodes_stays_the_same():
    """An enclosing derivative is by a name behind which there is something to rewrite: the name must survive."""
    x = _input()
    naive = ew.divide(like(x, 1), ew.add(like(x, 1), ew.exp(ew.negative(x))))
    outer = identity(naive)
    inner = identity(outer)
    y = ew.log(ew.multiply(ew.divide(like(x, 1), ew.add(like(x, 1), ew.exp(inner))), naive))
    out, kept = rewrite(Graph([], [y]), STABILISE, keep=[inner]).outputs
    assert kept is inner
    assert _is_between(outer, [out])
    assert ew.sigmoid in {node.op for node in Graph((), [out]).nodes}


def test_two_names_of_one_value_stay_apart():
    x = _input()
    one, two, three = identity(x), identity(x), identity(x)
    y = ew.multiply(ew.multiply(one, two), ew.exp(three))
    out, _ = rewrite(Graph([], [y]), STABILISE, keep=[three]).outputs
    assert _is_between(one, [out])
    assert _is_between(two, [out])


def test_equal_numbers_outside_are_shared_where_it_helps():
    """The exponential is written twice, each with a number of its own."""
    w = identity(_input())
    e, e2 = (ew.exp(ew.multiply(w, like(w, 2))) for _ in range(2))
    y = ew.divide(e, keep_axes(reduce_sum(e2, axes=(1,)), w.shape, (1,)))
    fired = []
    rewrite(Graph([], [y]), STABILISE, keep=[w], fired=fired)
    assert [name for name, _ in fired] == ["softmax"]
