# ruff: noqa: RUF001 - mathematical signs are what pictures show
"""Pictures of graphs: what they show, that nothing overlaps, and the text of the documents."""

from __future__ import annotations

import importlib
import os
import random
import re
import time
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tracegraph.ir import Graph, Node, Where, aval_of, located
from tracegraph.ops.broadcast import fill, reduce_sum
from tracegraph.ops.elementwise import add, divide, exp, log, maximum, multiply, subtract
from tracegraph.ops.leaf import constant, input_node, literal
from tracegraph.ops.product import matmul
from tracegraph.ops.shape import transpose
from tracegraph.viz import draw, page, render, save, sketch
from tracegraph.viz.layout import DIRECTIONS, Picture, layout
from tracegraph.viz.text import FONTS, text_width

FLOAT = np.dtype(float)
SVG = "{http://www.w3.org/2000/svg}"
GOLDEN = Path(__file__).parent / "golden" / "add.svg"


def variable(*shape: int) -> Node:
    return input_node(aval_of(shape, float))


def names_of(nodes: list[Node], text: str) -> dict[Node, str]:
    return dict(zip(nodes, text.split(), strict=True))


def sum_graph() -> tuple[Graph, dict[Node, str]]:
    x, y = variable(), variable()
    z = add(x, y)
    return Graph([x, y], [z]), names_of([x, y, z], "x y z")


def derivative() -> tuple[Graph, dict[str, object]]:
    """z = exp(a*x + b*y + c), and dz/da."""
    a, x, b, y, c = nodes = [variable() for _ in range(5)]
    total = add(add(multiply(a, x), multiply(b, y)), c)
    z = exp(total)
    seed = literal(1, FLOAT)
    inner = multiply(seed, z)
    by_a = multiply(inner, x)
    names = names_of([*nodes, z], "a x b y c z")
    labels = names_of([seed, inner, by_a], "∂z/∂z ∂z/∂⊞ ∂z/∂a")
    return Graph(nodes, [z, by_a]), {"names": names, "labels": labels}


def network(layers: int = 2) -> Graph:
    x, target = variable(32, 16), variable(32, 16)
    weights = [variable(16, 16) for _ in range(layers)]
    h = x
    for k, w in enumerate(weights):
        with located(Where("net.py", 10 + k, "dense")):
            h = maximum(matmul(h, w), fill(0, (32, 16), FLOAT))
    with located(Where("net.py", 40, "<lambda>")):
        total = reduce_sum(exp(h), axes=(0, 1))
    with located(Where("net.py", 50, "loss")):
        loss = subtract(log(total), reduce_sum(multiply(h, target), axes=(0, 1)))
    return Graph([x, target, *weights], [loss, transpose(h, axes=(1, 0))])


def tangle(size: int, reach: int = 30) -> Graph:
    """Sums of random earlier nodes, every one of which counts."""
    rng = random.Random(size)
    inputs = [variable(3) for _ in range(8)]
    nodes = list(inputs)
    while len(nodes) < size:
        nodes.append(subtract(nodes[-rng.randint(1, 8)], nodes[-rng.randint(1, min(reach, len(nodes)))]))
    used = {source for node in nodes for source in node.inputs}
    return Graph(inputs, [node for node in nodes if node not in used])


GRAPHS = {
    "empty": lambda: Graph([], []),
    "one": lambda: Graph([x := variable(2)], [x]),
    "sum": lambda: sum_graph()[0],
    "derivative": lambda: derivative()[0],
    "network": network,
    "tangle": lambda: tangle(80),
}


@pytest.fixture(params=GRAPHS)
def graph(request: pytest.FixtureRequest) -> Graph:
    return GRAPHS[request.param]()


def boxes_of(document: str) -> list[ElementTree.Element]:
    return ElementTree.fromstring(document).findall(f".//{SVG}g[@class='tg-box']")


# -- what is drawn ---------------------------------------------------------------------------------------------------


def test_every_node_has_a_box_and_every_operand_an_arrow() -> None:
    graph = tangle(80)
    document = draw(graph)
    assert len(boxes_of(document)) == len(graph.nodes) == 80
    arrows = ElementTree.fromstring(document).findall(f".//{SVG}path")
    assert len(arrows) == sum(len(node.inputs) for node in graph.nodes)


def test_boxes_say_what_they_are() -> None:
    x, y = variable(3, 4), variable(4)
    with located(Where("model.py", 7, "f")):
        z = reduce_sum(exp(x), axes=(0,))
    drawing = sketch(Graph([x, y], [z, matmul(x, transpose(x, axes=(1, 0)))]), names={x: "x", z: "z"}, parameters=[y])
    assert [(box.kind, box.heading, box.symbol, box.caption) for box in drawing.boxes] == [
        ("input", "", "x", "f64[3,4]"),
        ("parameter", "", "input 1", "f64[4]"),
        ("elementwise", "", "exp", "f64[3,4]"),
        ("reduce", "z", "Σ₀", "f64[4]"),
        ("view", "", "·ᵀ", "f64[4,3]"),
        ("product", "", "@", "f64[3,3]"),
    ]
    assert drawing.boxes[3].tooltip == "z = reduce_sum(f64[3,4], axes=(0,)) -> f64[4]\nmodel.py:7 in f"
    assert [box.output for box in drawing.boxes] == [False, False, False, True, False, True]


def test_literals_are_written_inside_what_takes_them() -> None:
    x = variable(3)
    one = fill(1, (3,), FLOAT)
    drawing = sketch(Graph([x], [subtract(one, x), divide(x, one), maximum(x, one), add(one, one)]))
    assert [box.symbol for box in drawing.boxes] == ["input 0", "1 − ·", "· ÷ 1", "max(·, 1)", "1 + 1"]
    assert len(drawing.arrows) == 3


def test_literals_that_a_picture_is_about_are_boxes() -> None:
    one, two, three = (literal(k, FLOAT) for k in (1, 2, 3))
    drawing = sketch(Graph([], [one, multiply(two, three)]), labels={three: "∂z/∂z"})
    assert [(box.kind, box.heading, box.symbol) for box in drawing.boxes] == [
        ("constant", "", "1"),
        ("constant", "∂z/∂z", "3"),
        ("elementwise", "", "2 × ·"),
    ]


def test_arrays_are_constants() -> None:
    drawing = sketch(Graph([], [exp(constant(np.ones(3)))]))
    assert [(box.kind, box.symbol) for box in drawing.boxes] == [("constant", "const"), ("elementwise", "exp")]


def test_operands_are_numbered_where_order_matters() -> None:
    x, y = variable(), variable()
    drawing = sketch(Graph([x, y], [add(x, y), subtract(y, x), subtract(literal(1, FLOAT), x)]))
    assert [arrow[:] for arrow in drawing.arrows] == [(0, 2, ""), (1, 2, ""), (1, 3, "1"), (0, 3, "2"), (0, 4, "")]


def test_an_operand_that_is_taken_twice_has_two_arrows() -> None:
    x = variable()
    picture = layout(sketch(Graph([x], [multiply(x, x)])))
    assert len(set(picture.routes)) == 2


def test_derivatives_have_their_own_colour_labels_and_a_legend() -> None:
    graph, options = derivative()
    document = draw(graph, **options)
    assert document.count('class="tg-constant tg-adjoint"') == 1
    assert document.count('class="tg-elementwise tg-adjoint"') == 2
    assert all(f">{text}</text>" in document for text in ("∂z/∂z", "∂z/∂⊞", "∂z/∂a", "adjoint: its derivative"))
    assert "adjoint: its derivative" not in draw(graph, names=options["names"])


def test_adjoints_may_be_more_than_the_labelled_nodes() -> None:
    graph, options = derivative()
    drawing = sketch(graph, adjoints=[graph.nodes[-1], graph.nodes[-2]], labels=options["labels"])
    assert sum(box.adjoint for box in drawing.boxes) == 2


def test_a_derivative_is_drawn_beyond_its_function() -> None:
    graph, options = derivative()
    picture = layout(sketch(graph, **options), "down")
    boxes = picture.drawing.boxes
    lowest = max(place.y for box, place in zip(boxes, picture.places, strict=True) if not box.adjoint)
    assert all(place.y >= lowest - 1 for box, place in zip(boxes, picture.places, strict=True) if box.adjoint)


# -- where it is drawn -----------------------------------------------------------------------------------------------


def test_boxes_do_not_overlap_and_stay_in_the_picture(graph: Graph) -> None:
    for direction in DIRECTIONS:
        picture = layout(sketch(graph), direction)
        for a, b in combinations(picture.places, 2):
            apart = max(abs(a.x - b.x) - (a.width + b.width) / 2, abs(a.y - b.y) - (a.height + b.height) / 2)
            assert apart > 8
        for place in picture.places:
            assert place.width / 2 - 0.1 <= place.x <= picture.width - place.width / 2 + 0.1
            assert place.height / 2 - 0.1 <= place.y <= picture.height - place.height / 2 + 0.1


def test_text_stays_in_its_box(graph: Graph) -> None:
    for sized in layout(sketch(graph, names=dict.fromkeys(graph.outputs, "W" * 100))).sizes:
        for line in sized.lines:
            assert text_width(line.text, line.font) < sized.width
            assert abs(line.offset) + FONTS[line.font].leading / 2 <= sized.height / 2
        for above, below in pairwise(sized.lines):
            leadings = FONTS[above.font].leading + FONTS[below.font].leading
            assert below.offset - above.offset >= leadings / 2


def test_arrows_run_from_box_to_box_and_cross_none(graph: Graph) -> None:
    for direction in DIRECTIONS:
        picture = layout(sketch(graph), direction)
        for arrow, route in zip(picture.drawing.arrows, picture.routes, strict=True):
            for end, k in ((route[0], arrow.source), (route[-1], arrow.target)):
                assert on_border(picture, end, k)
            for k in set(range(len(picture.places))) - {arrow.source, arrow.target}:
                assert not any(inside(picture, point, k) for point in along(route, direction))


def on_border(picture: Picture, point: tuple[float, float], k: int) -> bool:
    place = picture.places[k]
    dx, dy = abs(point[0] - place.x) - place.width / 2, abs(point[1] - place.y) - place.height / 2
    return abs(max(dx, dy)) < 0.2


def inside(picture: Picture, point: tuple[float, float], k: int) -> bool:
    place = picture.places[k]
    return abs(point[0] - place.x) < place.width / 2 and abs(point[1] - place.y) < place.height / 2


def along(route: tuple[tuple[float, float], ...], direction: str) -> Iterator[tuple[float, float]]:
    """Points of the curves, which leave and arrive along the computation."""
    sideways = DIRECTIONS[direction][0]
    for (x0, y0), (x1, y1) in pairwise(route):
        for t in (0.0, 0.25, 0.5, 0.75, 1.0):
            fast, slow = 3 * t * t - 2 * t**3, 1.5 * t * (1 - t) + t**3
            u, v = (slow, fast) if sideways else (fast, slow)
            yield x0 + (x1 - x0) * u, y0 + (y1 - y0) * v


@pytest.mark.parametrize(("direction", "axis", "sign"), [("up", 1, -1), ("down", 1, 1), ("right", 0, 1)])
def test_arrows_run_in_the_direction_of_the_computation(direction: str, axis: int, sign: int) -> None:
    picture = layout(sketch(tangle(40)), direction)
    for route in picture.routes:
        steps = [sign * (after[axis] - before[axis]) for before, after in pairwise(route)]
        assert min(steps) > 0


# -- groups ----------------------------------------------------------------------------------------------------------


def test_groups_by_function_and_by_line() -> None:
    graph = network()
    by_function = [box.symbol for box in sketch(graph, cluster="function").boxes if box.kind == "group"]
    by_line = [box.symbol for box in sketch(graph, cluster="line").boxes if box.kind == "group"]
    assert sorted(by_function) == ["<lambda>", "dense", "loss"]
    assert sorted(by_line) == ["<lambda>:40", "dense:10", "dense:11", "loss:50"]


def test_groups_by_a_mapping() -> None:
    x = variable()
    y = exp(log(x))
    drawing = sketch(Graph([x], [y]), cluster={x: "all", y.inputs[0]: "all", y: "all"})
    assert [box[:4] for box in drawing.boxes] == [("group", "", "all", "3 operations")]
    assert drawing.arrows == ()


def test_a_group_that_is_left_and_entered_again_is_split() -> None:
    x = variable()
    first = exp(log(x))
    between = multiply(first, x)
    last = exp(log(between))
    group = dict.fromkeys([first, first.inputs[0], last, last.inputs[0]], "f & <g>")
    drawing = sketch(Graph([x], [last]), cluster=group)
    assert [box.symbol for box in drawing.boxes] == ["input 0", "f & <g> #1", "×", "f & <g> #2"]
    assert sorted(arrow[:2] for arrow in drawing.arrows) == [(0, 1), (0, 2), (1, 2), (2, 3)]


def test_any_grouping_gives_a_picture_without_cycles() -> None:
    graph, rng = tangle(120), random.Random(3)
    cluster = {node: f"g{rng.randint(0, 5)}" for node in graph.nodes}
    drawing = sketch(graph, cluster=cluster)
    assert len(drawing.boxes) < 120
    assert all(arrow.source < arrow.target for arrow in drawing.arrows)
    assert len(boxes_of(render(drawing))) == len(drawing.boxes)


def test_derivatives_form_groups_of_their_own() -> None:
    x = variable()
    with located(Where("net.py", 3, "f")):
        z = exp(log(x))
        ct = multiply(z, multiply(z, x))
    boxes = sketch(Graph([x], [z, ct]), cluster="function", adjoints=[ct, ct.inputs[1]]).boxes
    assert [(box.symbol, box.adjoint) for box in boxes] == [("input 0", False), ("f", False), ("∂ f", True)]


def test_an_unknown_cluster_or_direction_is_named() -> None:
    with pytest.raises(ValueError, match='cluster=\'file\': expected "function", "line" or a mapping'):
        draw(network(), cluster="file")
    with pytest.raises(ValueError, match="direction='left': expected one of 'up', 'down', 'right'"):
        draw(network(), direction="left")


# -- the document ----------------------------------------------------------------------------------------------------


def test_documents_are_well_formed_and_reproducible(graph: Graph) -> None:
    first, second = draw(graph, title="t"), draw(graph, title="t")
    assert first == second
    assert ElementTree.fromstring(first).tag == f"{SVG}svg"
    assert "id=" not in first


def test_names_are_escaped() -> None:
    x = variable()
    with located(Where("a&b.py", 1, "<lambda>")):
        y = exp(x)
    root = ElementTree.fromstring(draw(Graph([x], [y]), names={x: "<x> & \x00 'q'", y: "]]>"}, title='"<t>"'))
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert {"<x> & � 'q'", "]]>", '"<t>"'} <= set(texts)
    assert any("a&b.py:1 in <lambda>" in (element.text or "") for element in root.iter(f"{SVG}title"))


def test_long_names_are_shortened_and_kept_in_the_tooltip() -> None:
    x = variable()
    document = draw(Graph([x], [exp(x)]), names={x: "n" * 200})
    assert f">{'n' * 29}…</text>" in document
    assert "n" * 200 in document


def test_save_writes_what_draw_returns(tmp_path: Path) -> None:
    graph, names = sum_graph()
    save(graph, tmp_path / "sum.svg", names=names, title="∂")
    assert (tmp_path / "sum.svg").read_text(encoding="utf-8") == draw(graph, names=names, title="∂")


def test_a_page_stacks_pictures_below_their_captions() -> None:
    graph, names = sum_graph()
    single = draw(graph, names=names)
    root = ElementTree.fromstring(page([("one & two", single), ("", sketch(network())), ("page", page([]))]))
    nested = root.findall(f"{SVG}svg")
    tops = [float(child.get("y", "")) for child in nested]
    heights = [float(child.get("height", "")) for child in nested]
    assert len(nested) == 3
    assert all(top + height < after for top, height, after in zip(tops, heights, tops[1:], strict=False))
    assert tops[-1] + heights[-1] <= float(root.get("height", ""))
    assert max(float(child.get("width", "")) for child in nested) <= float(root.get("width", ""))
    assert [text.text for text in root.findall(f"{SVG}text")] == ["one & two", "page"]


def test_a_page_needs_pictures_with_a_size() -> None:
    with pytest.raises(ValueError, match="page: an SVG needs a width and a height in pixels, not '100%' and ''"):
        page([("", '<svg xmlns="http://www.w3.org/2000/svg" width="100%"/>')])


def test_large_graphs_are_drawn_in_time() -> None:
    graph = tangle(500, reach=200)
    start = time.perf_counter()
    draw(graph)
    assert time.perf_counter() - start < 3


def test_missing_igraph_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib.import_module("tracegraph.viz.layout"), "import_module", missing)
    with pytest.raises(ImportError, match=re.escape("which is not installed: pip install tracegraph[viz]")):
        draw(network())


def test_golden() -> None:
    """The document of z = x + y; run with TRACEGRAPH_GOLDEN=write to accept a change."""
    graph, names = sum_graph()
    document = draw(graph, names=names, title="z := x + y")
    if os.environ.get("TRACEGRAPH_GOLDEN") == "write":
        GOLDEN.write_text(document, encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8") == document
