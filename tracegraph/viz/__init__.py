"""Pictures of graphs: a `Graph` and what the caller knows of its nodes come in, an SVG document goes out as text.

It reads graphs and nothing else of tracegraph: not how they were traced, differentiated or compiled. In reading order:
`symbols` (how an operation is written), `model` (what to draw), `cluster` (less of it), `text` and `spread` (how much
room it takes), `layout` (where), `svg` (the document).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from os import PathLike
from pathlib import Path
from typing import Any

from tracegraph.ir import Graph, Node
from tracegraph.viz.cluster import Cluster, collapse, group_names
from tracegraph.viz.layout import layout
from tracegraph.viz.model import Drawing, Labels, model
from tracegraph.viz.svg import stack, write

__all__ = ["Drawing", "draw", "page", "render", "save", "sketch"]


def sketch(
    graph: Graph,
    *,
    names: Labels | None = None,
    title: str | None = None,
    parameters: Collection[Node] = (),
    labels: Labels | None = None,
    adjoints: Collection[Node] | None = None,
    cluster: Cluster | None = None,
) -> Drawing:
    """What a picture of a graph shows, without places: its boxes and arrows. The arguments are those of `draw`.

    >>> from tracegraph.ir import aval_of
    >>> from tracegraph.ops.elementwise import exp
    >>> from tracegraph.ops.leaf import input_node
    >>> x = input_node(aval_of((3,), float))
    >>> [(box.symbol, box.caption) for box in sketch(Graph([x], [exp(x)]), names={x: "x"}).boxes]
    [('x', 'f64[3]'), ('exp', 'f64[3]')]
    """
    drawing, nodes = model(graph, names=names, title=title, parameters=parameters, labels=labels, adjoints=adjoints)
    return drawing if cluster is None else collapse(drawing, group_names(drawing, nodes, cluster))


def render(drawing: Drawing, *, direction: str = "up") -> str:
    """The SVG document of a drawing."""
    return write(layout(drawing, direction))


def draw(
    graph: Graph,
    *,
    names: Labels | None = None,
    title: str | None = None,
    parameters: Collection[Node] = (),
    labels: Labels | None = None,
    adjoints: Collection[Node] | None = None,
    cluster: Cluster | None = None,
    direction: str = "up",
) -> str:
    """A picture of a graph as an SVG document: one box a node, arrows along the computation.

    Args:
        graph: what to draw.
        names: names of inputs, parameters, outputs or any other nodes.
        title: stands above the picture.
        parameters: the inputs that are learned rather than fed; they have a colour of their own.
        labels: what a node of a derivative is, ``{node: "∂z/∂b"}``.
        adjoints: the nodes of the derivative, drawn in another colour; the labelled ones by default.
        cluster: for large graphs, draws many nodes as one box: those of one user's ``"function"`` or ``"line"``, or of
            one group of a mapping from nodes to group names.
        direction: where the computation runs, ``"up"`` (inputs at the bottom), ``"down"`` or ``"right"``.

    Raises:
        ImportError: igraph, which finds the layout, is not installed.
        ValueError: an unknown direction or cluster.

    >>> from tracegraph.ir import aval_of
    >>> from tracegraph.ops.elementwise import add
    >>> from tracegraph.ops.leaf import input_node
    >>> x, y = input_node(aval_of((), float)), input_node(aval_of((), float))
    >>> z = add(x, y)
    >>> draw(Graph([x, y], [z]), names={x: "x", y: "y", z: "z"})[:38]
    '<svg xmlns="http://www.w3.org/2000/svg'
    """
    drawing = sketch(
        graph, names=names, title=title, parameters=parameters, labels=labels, adjoints=adjoints, cluster=cluster
    )
    return render(drawing, direction=direction)


def save(graph: Graph, path: str | PathLike[str], **options: Any) -> None:
    """Writes the picture of a graph to a file. The options are those of `draw`.

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "empty.svg")
    >>> save(Graph([], []), path)
    >>> path.read_text(encoding="utf-8")[:4]
    '<svg'
    """
    Path(path).write_text(draw(graph, **options), encoding="utf-8")


def page(pictures: Iterable[tuple[str, str | Drawing]]) -> str:
    """One SVG document of several pictures, one under another, each below its caption.

    Args:
        pictures: captions, and what `draw`, `sketch` or `page` returned.

    >>> page([("nothing", draw(Graph([], []))), ("again", sketch(Graph([], [])))]).count("<svg")
    3
    """
    return stack((caption, render(what) if isinstance(what, Drawing) else what) for caption, what in pictures)
