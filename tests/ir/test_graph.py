"""Avals, nodes and graphs: what they print, when two nodes are the same, in which order they stand, what is refused."""

import re

import numpy as np
import pytest

from tracegraph.errors import GraphError
from tracegraph.ir import (
    DTYPES,
    Aval,
    Graph,
    Node,
    Where,
    aval_of,
    check,
    current_where,
    descendants,
    format_graph,
    format_node,
    located,
    set_where,
    toposort,
)
from tracegraph.ops.broadcast import broadcast_to, reduce_sum
from tracegraph.ops.elementwise import add, convert, exp, multiply
from tracegraph.ops.leaf import constant, input_node, iota, literal

F64 = np.dtype(float)
DEPTH = 50_000


def given(*shape: int, dtype: str = "f8") -> Node:
    return input_node(aval_of(shape, dtype))


# -- avals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 3), (4, 0, 2)])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_aval_counts_as_numpy_does(shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Rank, size and bytes are those of an array of that shape and dtype."""
    array, aval = np.zeros(shape, dtype), Aval(shape, dtype)
    assert (array.ndim, array.size, array.nbytes) == (aval.ndim, aval.size, aval.nbytes)


@pytest.mark.parametrize(
    ("aval", "text"),
    [
        (aval_of((), float), "f64[]"),
        (aval_of((2, 3), "f4"), "f32[2,3]"),
        (aval_of((0,), bool), "bool[0]"),
        (aval_of((7,), "u2"), "u16[7]"),
        (aval_of((7,), "f2"), "f16[7]"),
        (aval_of((2, 3), complex), "c128[2,3]"),
    ],
)
def test_aval_prints_short(aval: Aval, text: str) -> None:
    """The short name of the dtype, then the shape."""
    assert repr(aval) == text


# -- where two nodes are the same --------------------------------------------------------------------------------------


def test_nodes_of_one_operation_on_the_same_nodes_have_one_key() -> None:
    """Place does not count; operation, inputs and parameters do."""
    x, y = given(2), given(2)
    with located(Where("a.py", 1, "f")):
        here = add(x, y)
    assert here.key() == add(x, y).key()
    assert here.key() != add(y, x).key()
    assert here.key() != multiply(x, y).key()
    assert convert(x, dtype=np.dtype("f4")).key() != convert(x, dtype=np.dtype("i4")).key()
    assert iota(length=3, dtype=F64).key() == iota(length=3, dtype=F64).key()


def test_inputs_have_keys_of_their_own() -> None:
    """Two inputs of one aval are two values."""
    assert given(2).key() != given(2).key()


@pytest.mark.parametrize(
    ("x", "y", "same"), [(0.0, 0.0, True), (0.0, -0.0, False), (1, 2, False), (np.nan, np.nan, True)]
)
def test_literals_are_the_same_by_their_bits(x: float, y: float, same: bool) -> None:
    """Zeros of two signs differ, NaN is itself; so are dtypes kept apart."""
    assert (literal(x, F64).key() == literal(y, F64).key()) is same
    assert literal(x, F64).key() != literal(x, np.dtype("f4")).key()


def test_arrays_are_the_same_only_as_objects() -> None:
    """They may change between calls, so equal contents say nothing, not even those of a 0-d array."""
    for array in (np.ones(2), np.ones(())):
        assert constant(array).key() == constant(array).key()
        assert constant(array).key() != constant(array.copy()).key()


# -- order -------------------------------------------------------------------------------------------------------------


def chain(depth: int) -> tuple[Node, Node]:
    first = node = given()
    for _ in range(depth):
        node = exp(node)
    return first, node


def test_deep_chains_are_sorted() -> None:
    """Fifty thousand nodes need no recursion; checking and printing them neither."""
    first, last = chain(DEPTH)
    graph = Graph([first], [last])
    assert len(graph.nodes) == DEPTH + 1
    assert graph.nodes[0] is first
    assert graph.nodes[-1] is last
    assert check(graph) is graph
    assert len(format_graph(graph).splitlines()) == DEPTH + 2


def test_every_node_comes_after_its_inputs() -> None:
    """Once each, unused inputs too, in an order that is the same each time."""
    x, y, unused = given(2), given(2), given(3)
    s = add(x, y)
    out = multiply(exp(s), add(s, s))
    nodes = Graph([x, y, unused], [out, s]).nodes
    assert len(set(nodes)) == len(nodes) == 7
    assert nodes[:3] == (x, y, unused)
    assert all(nodes.index(source) < k for k, node in enumerate(nodes) for source in node.inputs)
    assert nodes == Graph([x, y, unused], [out, s]).nodes


def test_sorting_stops_at_inputs() -> None:
    """What an input was itself computed from is no part of the graph."""
    x = given(2)
    middle = exp(x)
    out = exp(middle)
    assert toposort([out], [middle]) == [middle, out]


def test_wide_sharing_takes_each_node_once() -> None:
    """A node doubled sixty times has sixty nodes, not two to the power of sixty."""
    first = node = given()
    for _ in range(60):
        node = add(node, node)
    assert len(toposort([node])) == 61
    assert Graph([first], [node]).users()[first] == [toposort([node])[1]] * 2


# -- checks ------------------------------------------------------------------------------------------------------------


def test_checker_names_an_unknown_input() -> None:
    """An input that the graph does not list."""
    x, y = given(2), given(2)
    with pytest.raises(GraphError, match=r"^fuse: an input that is not among the graph's inputs\n  input\(\)"):
        check(Graph([x], [add(x, y)]), "fuse")


def test_checker_names_a_wrong_aval() -> None:
    """A node whose aval is not what its operation says, with the node and its line."""
    x = given(2)
    bad = Node(exp, (x,), {}, aval_of((3,), float), Where("model.py", 7, "loss"))
    message = (
        "graph: its aval is f64[3], its operation's rule gives f64[2]\n  exp(f64[2])\n  made at model.py:7 in loss"
    )
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        check(Graph([x], [bad]))


def test_checker_names_a_doubled_input() -> None:
    """The same node twice among the inputs."""
    x = given(2)
    with pytest.raises(GraphError, match=r"^graph: the same node stands twice among the inputs$"):
        check(Graph([x, x], [x]))


def test_checker_gives_good_graphs_back() -> None:
    """Inputs may be outputs, outputs may be doubled, graphs may be empty."""
    x = given(2)
    for graph in (Graph([x], [x, x]), Graph([], []), Graph([], [literal(1.0, F64)])):
        assert check(graph) is graph


# -- prints ------------------------------------------------------------------------------------------------------------


def test_graph_prints_a_node_a_line() -> None:
    """Names in order, parameters, literals by value, arrays by shape, the user's line at the right."""
    x = given(2, 3)
    with located(Where("/home/me/model.py", 12, "loss")):
        doubled = multiply(x, broadcast_to(literal(2.0, F64), shape=(2, 3)))
    out = add(reduce_sum(doubled, axes=(0,)), constant(np.ones(3)))
    text = format_graph(Graph([x], [out]))
    lines = [
        "inputs  a: f64[2,3]",
        "  b: f64[] = constant(value=2.0)",
        "  c: f64[2,3] = broadcast_to(b, shape=(2, 3))",
        "  d: f64[2,3] = multiply(a, c)",
        "  e: f64[3] = reduce_sum(d, axes=(0,))",
        "  f: f64[3] = constant(value=<float64 (3,)>)",
        "  g: f64[3] = add(e, f)",
        "outputs g",
    ]
    assert [line.partition("#")[0].rstrip() for line in text.splitlines()] == lines
    assert [line.partition("#")[2].strip() for line in text.splitlines()] == ["", *["model.py:12"] * 3, "", "", "", ""]
    assert format_graph(Graph([x], [out]), where=False) == "\n".join(lines)
    assert repr(Graph([x], [out])) == text


def test_names_go_on_after_z() -> None:
    """a to z, then a1, b1, and on."""
    first, last = chain(30)
    text = format_graph(Graph([first], [last]))
    assert "  z: f64[] = exp(y)" in text
    assert "  a1: f64[] = exp(z)" in text
    assert text.endswith("outputs e1")


def test_empty_graph_prints() -> None:
    """Nothing in, nothing out."""
    assert format_graph(Graph([], [])) == "inputs\noutputs"


def test_single_node_prints_as_a_call() -> None:
    """Inputs by their avals where there are no names."""
    assert format_node(convert(given(2), dtype=np.dtype("f4"))) == "convert(f64[2], dtype=float32)"


def test_place_is_restored() -> None:
    """`located` sets the place of new nodes for its block only, also when the block fails."""
    set_where(None)
    made = []

    def fails() -> None:
        with located(Where("a.py", 1, "f")):
            made.append(exp(given()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert made[0].where == Where("a.py", 1, "f")
    assert current_where() is None


def test_descendants_are_what_may_depend_on_the_roots() -> None:
    """In the order of all nodes; nothing older is visited, however much there is."""
    x = input_node(Aval((), F64))
    old = x
    for _ in range(100):
        old = exp(old)
    root = exp(old)
    output = add(multiply(root, old), exp(add(old, x)))
    order = descendants([output], [root])
    assert order == [node for node in toposort([output]) if node.serial >= root.serial]
    assert len(order) == 5
    assert descendants([old], [root]) == []
    assert descendants([output], [output], [x]) == [x, output]
