"""How much room texts and boxes take: a box comes in, its lines, width and height go out. Knows no font: widths are
upper bounds that hold in the usual sans-serif and monospaced ones, so that text stays in its box on any machine."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracegraph.viz.model import Box

__all__ = ["FONTS", "Line", "Sized", "shorten", "size", "text_width"]


class Font(NamedTuple):
    """A class of text: its size, the height of its line, and whether all characters are equally wide."""

    size: float
    leading: float
    monospaced: bool
    bold: bool


#: The classes of text in a picture; `svg` writes one style rule for each.
FONTS: Mapping[str, Font] = {
    "heading": Font(12, 19, False, True),
    "symbol": Font(16, 22, False, False),
    "caption": Font(9.5, 14, True, False),
    "operand": Font(9, 11, False, True),
    "legend": Font(11, 16, False, False),
    "title": Font(15, 24, False, True),
}

#: Width over font size, of the widest usual font (DejaVu Sans); other characters of the Latin alphabet come after.
_WIDTHS: Mapping[str, float] = {
    **dict.fromkeys("ijlI.,:;'| ", 0.36), **dict.fromkeys("frt()[]/-\\!", 0.45), **dict.fromkeys("mwMW@%", 1.0),
    **dict.fromkeys("+^=<>~#∂·−×÷√Σσ∏∧∨≠≤≥", 0.85), **dict.fromkeys("₀₁₂₃₄₅₆₇₈₉ᵀ′", 0.6),  # noqa: RUF001 - mathematical signs
}  # fmt: skip
_LOWER, _UPPER, _SIGN, _WIDE, _MONOSPACED, _BOLD = 0.65, 0.79, 1.06, 1.1, 0.615, 1.12

_PADDING = 20.0
_SMALLEST = 46.0
_PORT_GAP = 20.0
_MOST_PORTS = 12
_LONGEST = 30


def text_width(text: str, font: str) -> float:
    """An upper bound for the width of a text in pixels.

    >>> text_width("mean", "symbol") < text_width("mean", "title") < 80
    True
    >>> text_width("iii", "caption") == text_width("mmm", "caption")
    True
    """
    size, _, monospaced, bold = FONTS[font]
    widths = (_character_width(character, monospaced) for character in text)
    return size * sum(widths) * (_BOLD if bold else 1)


def _character_width(character: str, monospaced: bool) -> float:
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return _WIDE
    if monospaced and character.isascii():
        return _MONOSPACED
    if character in _WIDTHS or not character.isascii():
        return _WIDTHS.get(character, _SIGN)
    return _LOWER if character.islower() or character.isdigit() else _UPPER


def shorten(text: str, most: int = _LONGEST) -> str:
    """A text on one line and not too long.

    >>> shorten("abcdefgh", 5)
    'abcd…'
    """
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


class Line(NamedTuple):
    """A line of text in a box: what it says, its class, and where its middle lies above or below the box's middle."""

    text: str
    font: str
    offset: float


class Sized(NamedTuple):
    """The lines of a box and the room that it takes."""

    lines: tuple[Line, ...]
    width: float
    height: float


def size(box: Box, arrows_in: int = 0) -> Sized:
    """Lays the lines of a box one under another, wide enough also for the arrows that end at it."""
    texts = [(shorten(getattr(box, font)), font) for font in ("heading", "symbol", "caption")]
    texts = [(text, font) for text, font in texts if text]
    height = sum(FONTS[font].leading for _, font in texts)
    text_room = max((text_width(text, font) for text, font in texts), default=0.0) + _PADDING
    port_room = _PORT_GAP * (min(arrows_in, _MOST_PORTS) + 1)
    return Sized(_stacked(texts, height), max(_SMALLEST, text_room, port_room), height + 8)


def _stacked(texts: Sequence[tuple[str, str]], height: float) -> tuple[Line, ...]:
    lines, top = [], -height / 2
    for text, font in texts:
        leading = FONTS[font].leading
        lines.append(Line(text, font, top + leading / 2))
        top += leading
    return tuple(lines)
