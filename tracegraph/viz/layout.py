"""Where to draw: a drawing comes in, the place of each box and the route of each arrow go out. Knows nothing of colours.

Boxes lie in layers, so that every arrow leads from a layer to a later one; igraph's Sugiyama layout orders each layer
such that few arrows cross. An arrow over several layers goes through waypoints, which take part in the layout as boxes
do, and all long arrows from one box share theirs. Curves run only between layers: no arrow crosses a box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, NamedTuple

from tracegraph.viz.model import Arrow, Drawing
from tracegraph.viz.spread import Layers, Link, spread
from tracegraph.viz.text import Sized, size

__all__ = ["DIRECTIONS", "Picture", "Place", "Point", "Route", "layout"]

Point = tuple[float, float]
#: Points of an arrow; between two of them it is a curve that leaves and arrives along the computation.
Route = tuple[Point, ...]

#: For each direction of the computation: whether it runs sideways, and whether it runs against the axis of the page.
DIRECTIONS: Mapping[str, tuple[bool, bool]] = {"up": (False, True), "down": (False, False), "right": (True, False)}

_GAP, _MOST_GAP, _STEEP = 34.0, 84.0, 0.12
_MOST_PORT_GAP = 26.0
_ORDERING_ROUNDS = 100


class Place(NamedTuple):
    """The middle of a box and its extent."""

    x: float
    y: float
    width: float
    height: float


class Picture(NamedTuple):
    """A drawing with everything in its place; routes are in the order of the drawing's arrows."""

    drawing: Drawing
    sizes: tuple[Sized, ...]
    places: tuple[Place, ...]
    routes: tuple[Route, ...]
    width: float
    height: float
    direction: str


class _Net(NamedTuple):
    """Boxes and waypoints, each in its layer. ``trail[k]`` are the waypoints of box k, one in each layer after it."""

    layer: list[int]
    steps: list[tuple[int, int]]
    trail: list[list[int]]


def layout(drawing: Drawing, direction: str = "up") -> Picture:
    """Finds a place for everything.

    Args:
        drawing: boxes in an order in which each comes after those it takes from.
        direction: where the computation runs: ``"up"`` (inputs at the bottom), ``"down"`` or ``"right"``.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction={direction!r}: expected one of {', '.join(map(repr, DIRECTIONS))}")
    sideways, against = DIRECTIONS[direction]
    into = [0] * len(drawing.boxes)
    for arrow in drawing.arrows:
        into[arrow.target] += 1
    sizes = tuple(size(box, count) for box, count in zip(drawing.boxes, into, strict=True))
    across = [sized.height if sideways else sized.width for sized in sizes]
    along = [sized.width if sideways else sized.height for sized in sizes]
    net = _net(drawing)
    layers = _ordered(net, len(sizes))
    ports = _ports(drawing.arrows, net, layers, across)
    shifts = [0.0] * (len(net.steps) - len(ports)) + ports
    middles = spread(layers, [Link(*step, shift) for step, shift in zip(net.steps, shifts, strict=True)], across)
    bands = _bands(net, along, middles)
    height = bands[-1][1] if bands else 0.0
    width = max((x + w / 2 for x, w in zip(middles, across, strict=False)), default=0.0)

    def turn(x: float, y: float) -> Point:
        y = height - y if against else y
        return (round(y, 1), round(x, 1)) if sideways else (round(x, 1), round(y, 1))

    centres = [turn(middles[k], sum(bands[net.layer[k]]) / 2) for k in range(len(sizes))]
    places = tuple(Place(*centre, *sized[1:]) for centre, sized in zip(centres, sizes, strict=True))
    ends = [middles[arrow.target] + port for arrow, port in zip(drawing.arrows, ports, strict=True)]
    flat = _routes(drawing.arrows, ends, net, middles, bands, along)
    routes = tuple(tuple(turn(*point) for point in route) for route in flat)
    return Picture(drawing, sizes, places, routes, *((height, width) if sideways else (width, height)), direction)


def _net(drawing: Drawing) -> _Net:
    """Assigns layers, and adds a waypoint for every layer that an arrow passes through."""
    layer = _layers(drawing)
    last = list(layer)
    for arrow in drawing.arrows:
        last[arrow.source] = max(last[arrow.source], layer[arrow.target])
    steps: list[tuple[int, int]] = []
    trail: list[list[int]] = []
    for k in range(len(drawing.boxes)):
        passed = range(layer[k] + 1, last[k])
        trail.append(list(range(len(layer), len(layer) + len(passed))))
        layer.extend(passed)
        steps += zip([k, *trail[k]], trail[k], strict=False)
    for arrow in drawing.arrows:
        steps.append((_before(arrow, layer, trail), arrow.target))
    return _Net(layer, steps, trail)


def _before(arrow: Arrow, layer: Sequence[int], trail: Sequence[Sequence[int]]) -> int:
    """What the arrow passes last: a waypoint, or its own source."""
    passed = layer[arrow.target] - layer[arrow.source] - 1
    return trail[arrow.source][passed - 1] if passed else arrow.source


def _layers(drawing: Drawing) -> list[int]:
    """Each box directly after the last that it takes from; then, if that shortens arrows, near those that take it.

    A derivative begins where what it is the derivative of ends, and each of its boxes stands near those that take it.
    """
    boxes = drawing.boxes
    layer = [0] * len(boxes)
    sources: list[set[int]] = [set() for _ in layer]
    targets: list[set[int]] = [set() for _ in layer]
    for source, target, _ in drawing.arrows:
        sources[target].add(source)
        targets[source].add(target)
    derived = [box.adjoint for box in boxes]
    for k in range(len(boxes)):
        derived[k] = derived[k] or any(derived[source] for source in sources[k])
    for late in (False, True):
        seed = max((layer[k] for k in range(len(boxes)) if not derived[k]), default=0) if late else 0
        for k in range(len(boxes)):
            if derived[k] == late:
                layer[k] = max((layer[source] + 1 for source in sources[k]), default=seed)
    for k in reversed(range(len(boxes))):
        if targets[k] and (boxes[k].adjoint or len(sources[k]) <= len(targets[k])):
            layer[k] = min(layer[target] for target in targets[k]) - 1
    lowest = min(layer, default=0)
    return [value - lowest for value in layer]


def _ordered(net: _Net, boxes: int) -> Layers:
    """The boxes and waypoints of each layer from left to right. ``boxes``: how many of them are boxes."""
    if not net.layer:
        return []
    places = _igraph().Graph(len(net.layer), net.steps, directed=True).layout_sugiyama(
        layers=net.layer, maxiter=_ORDERING_ROUNDS
    )  # fmt: skip
    layers: Layers = [[] for _ in range(max(net.layer) + 1)]
    for k, number in enumerate(net.layer):
        layers[number].append(k)
    for layer in layers:
        layer.sort(key=lambda k: (places[k][0], k))
    return layers


def _igraph() -> Any:
    try:
        return import_module("igraph")
    except ImportError as missing:
        raise ImportError("drawing needs igraph, which is not installed: pip install tracegraph[viz]") from missing


def _bands(net: _Net, along: Sequence[float], middles: Sequence[float]) -> list[tuple[float, float]]:
    """From where to where each layer reaches; arrows that lead far to the side get more room between layers."""
    count = max(net.layer, default=-1) + 1
    depth, reach = [0.0] * count, [0.0] * count
    for layer, extent in zip(net.layer, along, strict=False):
        depth[layer] = max(depth[layer], extent)
    for source, target in net.steps:
        layer = net.layer[target]
        reach[layer] = max(reach[layer], abs(middles[source] - middles[target]))
    bands, end = [], 0.0
    for k in range(count):
        start = end + min(_MOST_GAP, _GAP + _STEEP * reach[k]) if k else 0.0
        end = start + depth[k]
        bands.append((start, end))
    return bands


def _routes(
    arrows: Sequence[Arrow],
    ends: Sequence[float],
    net: _Net,
    middles: Sequence[float],
    bands: Sequence[tuple[float, float]],
    along: Sequence[float],
) -> Iterator[Route]:
    """Straight through the layers, curved between them. The points run along the computation."""
    for arrow, port in zip(arrows, ends, strict=True):
        first, last = net.layer[arrow.source], net.layer[arrow.target]
        x = middles[arrow.source]
        points = [(x, sum(bands[first]) / 2 + along[arrow.source] / 2), (x, bands[first][1])]
        for k in net.trail[arrow.source][: last - first - 1]:
            points += [(middles[k], end) for end in bands[net.layer[k]]]
        points += [(port, bands[last][0]), (port, sum(bands[last]) / 2 - along[arrow.target] / 2)]
        yield _bends(list(dict.fromkeys((round(x, 1), round(y, 1)) for x, y in points)))


def _bends(points: Sequence[Point]) -> Route:
    """The points without those in the middle of a straight line."""
    kept = list(points[:1])
    for point, after in pairwise(points[1:]):
        if not kept[-1][0] == point[0] == after[0]:
            kept.append(point)
    return (*kept, points[-1])


def _ports(arrows: Sequence[Arrow], net: _Net, layers: Layers, across: Sequence[float]) -> list[float]:
    """How far from the middle of its box each arrow ends: side by side, in the order in which they come."""
    rank = {k: n for layer in layers for n, k in enumerate(layer)}
    arriving: dict[int, list[int]] = {}
    for k, arrow in enumerate(arrows):
        arriving.setdefault(arrow.target, []).append(k)
    ports = [0.0] * len(arrows)
    for target, several in arriving.items():
        several.sort(key=lambda k: (rank[_before(arrows[k], net.layer, net.trail)], k))
        gap = min(_MOST_PORT_GAP, (across[target] - 16) / max(len(several) - 1, 1))
        for n, k in enumerate(several):
            ports[k] = gap * (n - (len(several) - 1) / 2)
    return ports
