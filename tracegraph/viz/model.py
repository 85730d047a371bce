"""What to draw: a graph comes in, boxes and arrows with their texts go out. Knows nothing of sizes and places.

A literal is written inside the operation that takes it, as one writes it in a formula; one that a picture
is about (an output, a named or a labelled node) keeps a box of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from tracegraph.ir import Graph, Node, format_node
from tracegraph.ops.leaf import is_literal
from tracegraph.viz.symbols import is_ordered, label, number

__all__ = ["Arrow", "Box", "Drawing", "Labels", "model"]

Labels = Mapping[Node, str]

#: The kinds of op that have a look of their own.
KINDS = frozenset(["elementwise", "view", "reduce", "product"])


class Box(NamedTuple):
    """One box of a picture.

    Attributes:
        kind: input, parameter, constant, elementwise, view, reduce, product, other or group.
        heading: what the value is called, ``z`` or ``∂z/∂b``; may be empty.
        symbol: the operation as one writes it, or the name of an input.
        caption: shape and dtype.
        tooltip: everything, for those who point at it.
        adjoint: whether it belongs to a derivative.
        output: whether the graph gives it back.
    """

    kind: str
    heading: str
    symbol: str
    caption: str
    tooltip: str
    adjoint: bool = False
    output: bool = False


class Arrow(NamedTuple):
    """From the box that makes a value to one that takes it; ``operand`` numbers it where the order matters."""

    source: int
    target: int
    operand: str = ""


class Drawing(NamedTuple):
    """Boxes in the order of computation, and the arrows between them by their positions in it."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    title: str = ""


class _Notes(NamedTuple):
    """What the caller says of the nodes."""

    names: Labels
    labels: Labels
    parameters: Collection[Node]
    adjoints: Collection[Node]


def model(
    graph: Graph,
    *,
    names: Labels | None = None,
    title: str | None = None,
    parameters: Collection[Node] = (),
    labels: Labels | None = None,
    adjoints: Collection[Node] | None = None,
) -> tuple[Drawing, tuple[Node, ...]]:
    """The picture of a graph, and the node that each of its boxes stands for.

    Args:
        graph: what to draw.
        names: names of inputs, parameters, outputs or any other nodes.
        title: stands above the picture.
        parameters: the inputs that are learned rather than fed.
        labels: what a node of a derivative is: ``{node: "∂z/∂b"}``.
        adjoints: the nodes of the derivative; the labelled ones by default.

    >>> from tracegraph.ir import aval_of
    >>> from tracegraph.ops.elementwise import add
    >>> from tracegraph.ops.leaf import input_node
    >>> x, y = input_node(aval_of((), float)), input_node(aval_of((), float))
    >>> drawing, _ = model(Graph([x, y], [add(x, y)]), names={x: "x", y: "y"})
    >>> [box.symbol for box in drawing.boxes], [arrow[:2] for arrow in drawing.arrows]
    (['x', 'y', '+'], [(0, 2), (1, 2)])
    """
    notes = _Notes(names or {}, labels or {}, frozenset(parameters), frozenset(labels or ()))
    if adjoints is not None:
        notes = notes._replace(adjoints=frozenset(adjoints))
    inside = _literals_inside(graph, notes)
    nodes = tuple(node for node in graph.nodes if node not in inside)
    inputs = {node: k for k, node in enumerate(graph.inputs)}
    outputs = frozenset(graph.outputs)
    boxes = [_box(node, notes, inside, inputs, outputs) for node in nodes]
    position = {node: k for k, node in enumerate(nodes)}
    arrows = [arrow for node in nodes if node not in inputs for arrow in _arrows(node, position)]
    return Drawing(tuple(boxes), tuple(arrows), title or ""), nodes


def _literals_inside(graph: Graph, notes: _Notes) -> dict[Node, str]:
    """The literals, and the literals repeated along axes, that are written inside the operations that take them."""
    fixed = {*graph.inputs, *graph.outputs, *notes.names, *notes.labels}
    inside: dict[Node, str] = {}
    for node in graph.nodes:
        if node in fixed:
            continue
        if is_literal(node):
            inside[node] = number(node.params["value"].item())
        elif node.op.name == "broadcast_to" and node.inputs[0] in inside:
            inside[node] = inside[node.inputs[0]]
    return inside


def _box(node: Node, notes: _Notes, inside: Labels, inputs: Mapping[Node, int], outputs: Collection[Node]) -> Box:
    kind = _kind(node, notes, inputs, inside)
    names = [text for text in (notes.names.get(node, ""), notes.labels.get(node, "")) if text]
    if node in inputs:
        symbol = names.pop(0) if names else f"input {inputs[node]}"
    elif kind == "constant":
        symbol = _constant_label(node, inside)
    else:
        symbol = label(node, [inside.get(source) for source in node.inputs])
    return Box(
        kind, " = ".join(names), symbol, repr(node.aval), _tooltip(node, notes, inside),
        adjoint=node in notes.adjoints, output=node in outputs,
    )  # fmt: skip


def _kind(node: Node, notes: _Notes, inputs: Collection[Node], inside: Labels) -> str:
    if node in inputs:
        return "parameter" if node in notes.parameters else "input"
    if node.op.kind == "leaf" or (node.op.name == "broadcast_to" and node.inputs[0] in inside):
        return "constant"
    return node.op.kind if node.op.kind in KINDS else "other"


def _constant_label(node: Node, inside: Labels) -> str:
    if node.inputs:
        return inside[node.inputs[0]]
    if "value" not in node.params:
        return node.op.name
    return number(node.params["value"].item()) if node.aval.size == 1 else "const"


def _tooltip(node: Node, notes: _Notes, inside: Labels) -> str:
    """The name, the node as a call with its avals, numbers and parameters, and the user's line."""
    name = notes.names.get(node) or notes.labels.get(node)
    numbers = [f"operand {k}: {inside[source]}" for k, source in enumerate(node.inputs, 1) if source in inside]
    call = f"{format_node(node)} -> {node.aval}"
    return "\n".join([f"{name} = {call}" if name else call, *numbers, *([str(node.where)] if node.where else [])])


def _arrows(node: Node, position: Mapping[Node, int]) -> list[Arrow]:
    drawn = [(k, source) for k, source in enumerate(node.inputs, 1) if source in position]
    numbered = len(drawn) > 1 and is_ordered(node)
    return [Arrow(position[source], position[node], str(k) if numbered else "") for k, source in drawn]
