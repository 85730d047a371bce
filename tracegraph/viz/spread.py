"""How far apart boxes of a layer stand: layers in order and their links come in, the middle of each box goes out.

Every box wants its links straight; in its layer it must keep order and distance. Weights fall with the length of a link
(iteratively reweighted least squares), so that some links are quite straight rather than all a little oblique.
The best places under these needs are an isotonic regression, found exactly by pooling neighbours that push against
each other (R. Barlow et al., "Statistical Inference under Order Restrictions", 1972).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Layers", "Link", "spread"]

#: The members of each layer from left to right. Numbers below the number of boxes are boxes, others waypoints.
Layers = list[list[int]]

_BOX_GAP, _WAYPOINT_WIDTH, _WAYPOINT_GAP = 26.0, 4.0, 12.0
#: Sweeps over all layers: many for small pictures, where each bend is seen, few for large ones, for the sake of time.
_MOST_SWEEPS, _FEWEST_SWEEPS, _EFFORT = 240, 24, 120_000
#: A bend between two waypoints is uglier than one at a box. By the number of waypoints among the two.
_STIFFNESS = (1.0, 2.0, 8.0)
#: How much stiffer a link is that is the only one on both its sides: a chain bends at its ends.
_CHAIN = 4.0
#: A link that is oblique by less than this counts as nearly straight; and how much a box likes to stay where it is.
_STRAIGHT, _LAZY = 2.0, 1e-4

#: What a box or waypoint is drawn to: another, how far from its middle, and how strongly.
_Pull = tuple[int, float, float]


class Link(NamedTuple):
    """Between neighbouring layers: straight if the middle of ``low``, moved by minus ``shift``, is that of ``high``."""

    low: int
    high: int
    shift: float = 0.0


def spread(layers: Layers, links: Sequence[Link], widths: Sequence[float]) -> list[float]:
    """The middle of every box and waypoint; the leftmost box begins at 0.

    Args:
        layers: who stands in each layer, from left to right.
        links: what is to be straight; ``shift`` is how far from its middle ``high`` is reached.
        widths: of the boxes; waypoints have one of their own.

    >>> spread([[0, 1], [2]], [Link(0, 2), Link(1, 2)], [40, 40, 50])
    [20.0, 86.0, 53.0]
    """
    boxes = len(widths)
    count = sum(map(len, layers))
    pulls = _pulls(count, boxes, links)
    offsets = [_offsets(layer, widths) for layer in layers]
    middles = [0.0] * count
    for layer, offset in zip(layers, offsets, strict=True):
        for k, at in zip(layer, offset, strict=True):
            middles[k] = at - offset[-1] / 2
    for sweep in range(max(_FEWEST_SWEEPS, min(_MOST_SWEEPS, _EFFORT // max(count, 1)))):
        order = range(len(layers)) if sweep % 2 else reversed(range(len(layers)))
        for n in order:
            _settle(layers[n], offsets[n], pulls, middles)
    left = min((middles[k] - width / 2 for k, width in enumerate(widths)), default=0.0)
    left = min(left, *middles) if middles else left
    return [middle - left for middle in middles]


def _pulls(count: int, boxes: int, links: Sequence[Link]) -> list[list[_Pull]]:
    """What each box and waypoint is drawn to."""
    leaving, arriving = Counter(link.low for link in links), Counter(link.high for link in links)
    pulls: list[list[_Pull]] = [[] for _ in range(count)]
    for low, high, shift in links:
        alone = leaving[low] == arriving[high] == 1
        weight = _STIFFNESS[(low >= boxes) + (high >= boxes)] * (_CHAIN if alone else 1)
        pulls[low].append((high, shift, weight))
        pulls[high].append((low, -shift, weight))
    return pulls


def _offsets(layer: Sequence[int], widths: Sequence[float]) -> list[float]:
    """Where each member of a layer would stand if all were as close as they may be."""
    boxes = len(widths)
    offsets, at = [], 0.0
    for n, k in enumerate(layer):
        half = (widths[k] if k < boxes else _WAYPOINT_WIDTH) / 2
        if n:
            both = k < boxes and layer[n - 1] < boxes
            at += half + (_BOX_GAP if both else _WAYPOINT_GAP)
        offsets.append(at)
        at += half
    return offsets


def _settle(
    layer: Sequence[int], offsets: Sequence[float], pulls: Sequence[Sequence[_Pull]], middles: list[float]
) -> None:
    """Moves a layer to its best places, given the layers beside it."""
    pools: list[tuple[float, float, int]] = []  # sum of weight * wish, sum of weights, number of members
    for k, offset in zip(layer, offsets, strict=True):
        wishes, weights = _LAZY * middles[k], _LAZY
        for other, shift, stiffness in pulls[k]:
            wish = middles[other] + shift
            weight = stiffness / (abs(wish - middles[k]) + _STRAIGHT)
            wishes += wish * weight
            weights += weight
        pool = (wishes - offset * weights, weights, 1)
        while pools and pools[-1][0] * pool[1] >= pool[0] * pools[-1][1]:
            total, sum_of_weights, members = pools.pop()
            pool = (total + pool[0], sum_of_weights + pool[1], members + pool[2])
        pools.append(pool)
    at = 0
    for total, weight, members in pools:
        for n in range(at, at + members):
            middles[layer[n]] = total / weight + offsets[n]
        at += members
