"""Derivatives between any nodes of a graph. The rules of single operations are tested in `ops`."""

import numpy as np
import pytest

from tracegraph.backends import reference
from tracegraph.ir import Graph, Node, Where, aval_of, check, current_where, located, set_where
from tracegraph.ops.broadcast import fill
from tracegraph.ops.elementwise import add, convert, exp, floor, multiply, tanh
from tracegraph.ops.leaf import identity, input_node, literal, stop_gradient
from tracegraph.transforms.autodiff import jvp, vjp

F64 = np.dtype(float)


def scalar(name: str = "f8") -> Node:
    return input_node(aval_of((), name))


def at(node: Node, values: dict[Node, float]) -> float:
    return float(reference.run(check(Graph(list(values), [node])), list(map(np.float64, values.values())))[0])


def one(node: Node) -> Node:
    return fill(1, node.shape, node.dtype)


def test_derivative_by_inner_nodes_to_third_order() -> None:
    """The derivatives of exp(a*x + b*y + c) by its inputs and its inner nodes, each of them taken three times."""
    a, x, b, y, c = (scalar() for _ in "axbyc")
    ax, by = multiply(a, x), multiply(b, y)
    inner = add(ax, by)
    exponent = add(inner, c)
    out = exp(exponent)
    values = dict(zip((a, x, b, y, c), (0.3, -1.2, 0.7, 0.4, 0.1), strict=True))
    z = np.exp(0.3 * -1.2 + 0.7 * 0.4 + 0.1)
    factors = {a: -1.2, x: 0.3, b: 0.4, y: 0.7, c: 1.0, ax: 1.0, by: 1.0, inner: 1.0, exponent: 1.0}
    for wrt, factor in factors.items():
        node = out
        for order in (1, 2, 3):
            (node,) = vjp([node], [one(node)], [wrt]).wrt  # type: ignore[assignment]
            assert at(node, values) == pytest.approx(factor**order * z, rel=1e-14)


def test_derivative_by_the_output_itself_is_the_cotangent() -> None:
    """A node depends on itself, whatever its operation."""
    x = scalar()
    out = floor(x)
    ct = literal(3.0, F64)
    assert vjp([out], [ct], [out]).wrt == [ct]


def test_several_outputs_add_up() -> None:
    """Cotangents of the same node from different outputs, and of one output given twice, are summed."""
    x = scalar()
    square = multiply(x, x)
    (ct,) = vjp([square, x, square], [one(x), one(x), one(x)], [x]).wrt
    assert ct is not None
    assert at(ct, {x: 3.0}) == 13.0


@pytest.mark.parametrize(
    "block", [stop_gradient, floor, lambda x: convert(convert(x, dtype=np.dtype("i8")), dtype=F64)]
)
def test_no_derivative_passes(block) -> None:
    """What is cut off, constant between jumps, or went through integers has no cotangent; not even zeros are made."""
    x = scalar()
    assert vjp([block(x)], [one(x)], [x]).wrt == [None]
    assert jvp([block(x)], [x], [one(x)]) == [None]


def test_derivatives_are_total() -> None:
    """Where one node depends on another, a derivative goes through both ways."""
    x = scalar()
    y = identity(x)
    out = multiply(x, y)
    by_x, by_y = vjp([out], [one(out)], [x, y]).wrt
    assert by_x is not None
    assert by_y is not None
    assert (at(by_x, {x: 3.0}), at(by_y, {x: 3.0})) == (6.0, 3.0)


def test_forward_over_reverse_is_the_hessian() -> None:
    """Forward mode applied to a gradient: the product of the Hessian and a vector."""
    x = input_node(aval_of((3,), F64))
    out = tanh(multiply(x, x))
    (slope,) = vjp([out], [one(out)], [x]).wrt
    assert slope is not None
    (curved,) = jvp([slope], [x], [one(x)])
    values, h = np.array([0.3, -0.7, 1.1]), 1e-5
    assert curved is not None
    run = lambda node, given: reference.run(Graph([x], [node]), [given])[0]  # noqa: E731
    expected = (run(slope, values + h) - run(slope, values - h)) / (2 * h)
    np.testing.assert_allclose(run(curved, values), expected, rtol=1e-8)


def test_unreached_outputs_have_no_tangent() -> None:
    """Forward mode says None for what does not depend on its inputs."""
    x, y = scalar(), scalar()
    pushed, none = jvp([exp(x), exp(y)], [x], [one(x)])
    assert pushed is not None
    assert none is None


def test_nodes_of_a_derivative_stand_where_their_primal_does() -> None:
    """The backward step of a line is of that line; the caller's own place is restored."""
    set_where(None)
    x = scalar()
    with located(Where("model.py", 5, "f")):
        out = exp(x)
    found = vjp([out], [one(out)], [x]).wrt[0]
    assert found is not None
    assert found.where == Where("model.py", 5, "f")
    assert current_where() is None


def test_deep_chains_are_differentiated() -> None:
    """Ten thousand operations need no recursion."""
    node = x = scalar()
    for _ in range(10_000):
        node = tanh(node)
    (ct,) = vjp([node], [one(node)], [x]).wrt
    assert ct is not None
    assert at(ct, {x: 0.0}) == 1.0
