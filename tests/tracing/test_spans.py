"""What is known of traced whole numbers."""

import math

import numpy as np

from tracegraph.ir import Aval, Node
from tracegraph.ops.elementwise import (
    add,
    greater_equal,
    less,
    less_equal,
    maximum,
    minimum,
    multiply,
    negative,
    subtract,
)
from tracegraph.ops.leaf import input_node, literal
from tracegraph.tracing.spans import INT, Spans


def number() -> Node:
    return input_node(Aval((), INT))


def known(value: int) -> Node:
    return literal(value, INT)


def test_forms() -> None:
    spans, i, j = Spans(), number(), number()
    both = subtract(add(i, known(3)), multiply(known(2), negative(j)))
    assert spans.form(both) == spans.form(add(add(multiply(j, known(2)), known(1)), add(known(2), i)))
    assert spans.form(subtract(both, both)) == spans.form(0)
    assert spans.form(maximum(i, j)) == spans.form(maximum(j, i)) != spans.form(minimum(i, j))
    assert spans.form(both).nodes in ([i, j], [j, i])


def test_narrow_integers_may_wrap() -> None:
    spans, i = Spans(), input_node(Aval((), np.dtype(np.int8)))
    assert spans.form(add(i, i)) != spans.form(add(i, i))


def test_what_stands_for_another() -> None:
    spans, i, inside = Spans(), number(), number()
    spans.stand(inside, i)
    assert spans.form(add(inside, known(1))) == spans.form(add(i, known(1)))
    spans.stand(i, 5)
    assert spans.form(inside) == spans.form(5)


def test_bounds() -> None:
    spans, i, place = Spans(), number(), number()
    j = add(add(i, known(1)), place)
    assert spans.of(spans.form(i)) == (-math.inf, math.inf)
    spans.bound(i, 0, 9)
    spans.bound(place, 0, 8)
    assert spans.of(spans.form(j)) == (1, 18)
    spans.bound(j, 1, 9)
    assert spans.of(spans.form(j)) == (1, 9)
    assert spans.of(spans.form(subtract(j, i))) == (1, 9)
    assert spans.of(spans.form(subtract(known(3), multiply(known(2), i)))) == (-15, 3)


def test_bounds_of_choices() -> None:
    spans, i = Spans(), number()
    spans.bound(i, 0, 9)
    low = maximum(known(0), subtract(i, known(2)))
    assert spans.of(spans.form(low)) == (0, 7)
    assert spans.of(spans.form(subtract(add(i, known(1)), low))) == (1, 3)


def test_margins() -> None:
    spans, i, j = Spans(), number(), number()
    assert spans.margin(less(i, j)) == spans.form(subtract(i, j))
    assert spans.margin(less_equal(i, j)) == spans.form(subtract(subtract(i, j), known(1)))
    assert spans.margin(greater_equal(i, j)) == spans.form(subtract(subtract(j, i), known(1)))
    assert spans.margin(i) is None
