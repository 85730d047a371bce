"""Pictures as SVG text: places and routes come in, one self-contained document goes out. Knows nothing of graphs.

Colours are the document's own and readable on light and on dark pages: boxes are filled, and all that lies between them
is of a middle tone. There are no fonts to load, no scripts and no ids, so documents can be nested in one another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tracegraph.viz.layout import DIRECTIONS, Picture, Place, Point, Route
from tracegraph.viz.model import Arrow, Box
from tracegraph.viz.text import FONTS, Sized, text_width

__all__ = ["stack", "write"]


class Look(NamedTuple):
    """Colours, line width and dashes of a kind of box, and how round its corners are (1: a half circle)."""

    fill: str
    stroke: str
    width: float = 1.4
    dash: str = ""
    round: float = 0.25


LOOKS: Mapping[str, Look] = {
    "input": Look("#dbeafe", "#1d4ed8", round=1),
    "parameter": Look("#d1fae5", "#047857", round=1),
    "constant": Look("#f1f5f9", "#64748b", dash="1.5 2.5", round=1),
    "elementwise": Look("#ffffff", "#334155"),
    "view": Look("#f8fafc", "#64748b", dash="5 3"),
    "reduce": Look("#fef3c7", "#b45309"),
    "product": Look("#ede9fe", "#6d28d9", width=2, round=0),
    "other": Look("#e5e7eb", "#374151", round=0.1),
    "group": Look("#e0e7ff", "#3730a3", width=2, round=0.3),
}
ADJOINT = Look("#ffe4e6", "#be123c")

_INK, _MIDDLE, _ADJOINT_MIDDLE = "#1e293b", "#7b8794", "#d9566f"
_SANS = "'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif"
_MONO = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_MARGIN, _HEAD, _BESIDE, _HALO, _SLANT = 18.0, 6.5, 7.0, 3.0, 7.0
_LEGEND = (("tg-elementwise", "primal: what is computed"), ("tg-adjoint", "adjoint: its derivative"))
_PAGE_GAP = 30.0
#: From the middle of a line of text to its baseline, over the font size.
_RISE = 0.35
#: Characters that no XML document may hold, even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(picture: Picture) -> str:
    """The document of one picture, its title and legend above it."""
    boxes, title = picture.drawing.boxes, picture.drawing.title
    legend = any(box.adjoint for box in boxes) and not all(box.adjoint for box in boxes)
    header = (FONTS["title"].leading + 6 if title else 0.0) + (FONTS["legend"].leading + 10 if legend else 0.0)
    widths = [picture.width, text_width(title, "title"), _legend_width() if legend else 0.0]
    left = _MARGIN + (max(widths) - picture.width) / 2
    body = [f'<g transform="translate({_n(left)} {_n(_MARGIN + header)})">']
    order = sorted(
        zip(picture.drawing.arrows, picture.routes, strict=True), key=lambda pair: boxes[pair[0].target].adjoint
    )
    for arrow, route in order:
        body += _arrow(arrow, route, boxes[arrow.target].adjoint, sideways=DIRECTIONS[picture.direction][0])
    for box, sized, place in zip(boxes, picture.sizes, picture.places, strict=True):
        body += _box(box, sized, place)
    body.append("</g>")
    head = [_text(title, "title", _MARGIN, _MARGIN + 8, "start")] if title else []
    if legend:
        head += _legend(_MARGIN + header - FONTS["legend"].leading - 2)
    return _document(max(widths) + 2 * _MARGIN, picture.height + header + 2 * _MARGIN, [_style(), *head, *body])


def stack(pictures: Iterable[tuple[str, str]]) -> str:
    """One document of several, one under another, each below its caption."""
    body, y, width = [_style()], _MARGIN, 0.0
    for caption, document in pictures:
        w, h = _extent(document)
        if caption:
            body.append(_text(caption, "title", _MARGIN, y + 8, "start"))
            y += FONTS["title"].leading
        body.append(_place_document(document, y))
        y += h + _PAGE_GAP
        width = max(width, w, text_width(caption, "title") + 2 * _MARGIN)
    return _document(width, max(y - _PAGE_GAP, 0.0) + _MARGIN, body)


def _place_document(document: str, y: float) -> str:
    """A document to be nested in another at a height."""
    start = document.index("<svg")
    return f'<svg x="0" y="{_n(y)}"{document[start + len("<svg") :].rstrip()}'


def _extent(document: str) -> tuple[float, float]:
    root = ElementTree.fromstring(document)
    sides = [root.get(name, "") for name in ("width", "height")]
    if not all(re.fullmatch(r"[\d.]+(px)?", side) for side in sides):
        raise ValueError(f"page: an SVG needs a width and a height in pixels, not {sides[0]!r} and {sides[1]!r}")
    return float(sides[0].removesuffix("px")), float(sides[1].removesuffix("px"))


def _document(width: float, height: float, body: Sequence[str]) -> str:
    w, h = _n(width), _n(height)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}">'
    return "\n".join([head, *body, "</svg>\n"])


def _style() -> str:
    rules = [f"text {{ fill: {_INK}; text-anchor: middle }}"]
    for name, font in FONTS.items():
        family, weight = (_MONO if font.monospaced else _SANS), (" bold" if font.bold else "")
        rules.append(f".tg-{name} {{ font:{weight} {font.size:g}px {family} }}")
    rules.append(f".tg-title, .tg-legend, .tg-operand {{ fill: {_MIDDLE} }}")
    for name, look in [*LOOKS.items(), ("adjoint", ADJOINT)]:
        dash = f"; stroke-dasharray: {look.dash}" if look.dash else ""
        width = f"; stroke-width: {look.width:g}{dash}" if name != "adjoint" else ""
        rules.append(f".tg-{name} {{ fill: {look.fill}; stroke: {look.stroke}{width} }}")
        rules.append(f".tg-{name} ~ .tg-heading {{ fill: {look.stroke} }}")
    rules.append(f".tg-halo {{ fill: none; stroke: {_MIDDLE}; stroke-dasharray: none }}")
    for name, colour in (("arrow", _MIDDLE), ("arrow-adjoint", _ADJOINT_MIDDLE)):
        rules.append(f".tg-{name} {{ fill: none; stroke: {colour}; stroke-width: 1.4 }}")
        rules.append(f".tg-{name}-head {{ fill: {colour} }}")
    return "<style>\n" + "\n".join(rules) + "\n</style>"


def _box(box: Box, sized: Sized, place: Place) -> list[str]:
    """A group: the tooltip, the shape (twice if its value is an output), the lines of text."""
    kind = f"tg-{box.kind}" + (" tg-adjoint" if box.adjoint else "")
    parts = [f'<g class="tg-box"><title>{_escape(box.tooltip)}</title>']
    if box.output:
        parts.append(_shape(box.kind, place, _HALO, f"{kind} tg-halo"))
    parts.append(_shape(box.kind, place, 0.0, kind))
    parts += [_text(line.text, line.font, place.x, place.y + line.offset) for line in sized.lines]
    return [*parts, "</g>"]


def _shape(kind: str, place: Place, halo: float, style: str) -> str:
    """A rectangle, rounded as its kind says; a reduction has the corners of a funnel. ``halo``: how much larger."""
    w, h = place.width + 2 * halo, place.height + 2 * halo
    left, top = place.x - w / 2, place.y - h / 2
    if kind == "reduce":
        corners = [(_SLANT, 0.0), (w - _SLANT, 0.0), (w, _SLANT), (w, h), (0.0, h), (0.0, _SLANT)]
        points = " ".join(f"{_n(left + x)},{_n(top + y)}" for x, y in corners)
        return f'<polygon class="{style}" points="{points}"/>'
    radius = LOOKS[kind].round * min(w, h) / 2
    return f'<rect class="{style}" x="{_n(left)}" y="{_n(top)}" width="{_n(w)}" height="{_n(h)}" rx="{_n(radius)}"/>'


def _arrow(arrow: Arrow, route: Route, adjoint: bool, *, sideways: bool) -> list[str]:
    """A smooth line, its head, and the number of the operand on the free side of the head."""
    style = "tg-arrow-adjoint" if adjoint else "tg-arrow"
    x, y = route[-1]
    forward = 1 if y > route[-2][1] else -1

    def near(back: float, aside: float) -> Point:
        """A point so far behind the tip and beside it."""
        return (x - back, y + aside) if sideways else (x + aside, y - forward * back)

    line = _path((*route[:-1], near(_HEAD, 0)), sideways=sideways)
    head = " ".join(f"{_n(a)},{_n(b)}" for a, b in [(x, y), near(_HEAD, -3.5), near(_HEAD, 3.5)])
    parts = [f'<path class="{style}" d="{line}"/>', f'<polygon class="{style}-head" points="{head}"/>']
    if arrow.operand:
        axis = 1 if sideways else 0
        bend = next((point[axis] for point in reversed(route) if abs(point[axis] - route[-1][axis]) > 1), -1.0)
        side = 1 if bend < route[-1][axis] else -1
        parts.append(_text(arrow.operand, "operand", *near(_HEAD + 2, _BESIDE * side)))
    return parts


def _path(points: Sequence[Point], *, sideways: bool) -> str:
    """Straight where two points are in line, else a curve that leaves and arrives along the computation."""
    (x, y), *rest = points
    parts = [f"M{_n(x)} {_n(y)}"]
    for x1, y1 in rest:
        if (y if sideways else x) == (y1 if sideways else x1):
            parts.append(f"L{_n(x1)} {_n(y1)}")
        else:
            middle = ((x + x1) / 2, (y + y1) / 2)
            a, b = ((middle[0], y), (middle[0], y1)) if sideways else ((x, middle[1]), (x1, middle[1]))
            parts.append("C" + " ".join(f"{_n(u)} {_n(v)}" for u, v in (a, b, (x1, y1))))
        x, y = x1, y1
    return " ".join(parts)


def _legend(y: float) -> list[str]:
    parts, x = [], _MARGIN
    for style, text in _LEGEND:
        parts.append(f'<rect class="{style}" x="{_n(x)}" y="{_n(y - 6)}" width="18" height="12" rx="3"/>')
        parts.append(_text(text, "legend", x + 24, y, "start"))
        x += 24 + text_width(text, "legend") + 16
    return parts


def _legend_width() -> float:
    return sum(40 + text_width(text, "legend") for _, text in _LEGEND)


def _text(text: str, font: str, x: float, y: float, anchor: str = "") -> str:
    """A text whose middle is at height ``y``. Renderers differ on ``dominant-baseline``, so that it is not used."""
    style = f' style="text-anchor: {anchor}"' if anchor else ""
    baseline = y + _RISE * FONTS[font].size
    return f'<text class="tg-{font}" x="{_n(x)}" y="{_n(baseline)}"{style}>{_escape(text)}</text>'


def _escape(text: str) -> str:
    return escape(_ILLEGAL.sub("�", text))


def _n(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{round(value, 1) + 0.0:g}" if abs(value) < 1e5 else f"{value:.1f}"
