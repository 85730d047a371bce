"""Pictures of the tables: for each section one SVG, in which bars say how many times as long as ours each library takes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.libraries import LIBRARIES, OURS

__all__ = ["chart", "draw"]

COLOURS = dict(
    zip(
        LIBRARIES,
        ("#7f7f7f", "#bcbd22", "#000000", "#1f77b4", "#d62728", "#ff9896", "#2ca02c", "#9467bd", "#e69f00"),
        strict=True,
    )
)
#: Pixels.
NAMES, PLOT, MARGIN, BAR, GAP, HEAD = 430, 560, 70, 9, 10, 66
#: What is further from ours is drawn to the edge, with its figure beside it.
NEAREST, FURTHEST = 0.01, 1000.0


def draw(directory: Path, sections: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Writes a picture of each section that has rows."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, rows in sections.items():
        if rows:
            (directory / f"{name}.svg").write_text(chart(name, rows))


def chart(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Bars to the right of the line belong to libraries that are slower than ours, to the left of it to faster ones."""
    ratios = {row["name"]: _ratios(row["seconds"]) for row in rows}
    low, high = _range(ratio for each in ratios.values() for ratio in each.values())
    present = [name for name in LIBRARIES if any(name in each for each in ratios.values())]
    parts = [_text(12, 22, f"{title}: time relative to {OURS}", 15, weight="bold"), *_legend(present)]
    height = HEAD + sum(BAR * len(each) + GAP for each in ratios.values())
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        x = _place(10.0**power, low, high)
        parts.append(_line(x, HEAD - 8, height, "#000000" if power == 0 else "#cccccc"))
        parts.append(_text(x, height + 14, f"{10.0**power:g}", 11, anchor="middle"))
    y = HEAD
    for name, each in ratios.items():
        parts.append(_text(NAMES - 12, y + (BAR * len(each)) / 2 + 4, name, 12, anchor="end"))
        for library, ratio in each.items():
            parts += _bar(y, ratio, COLOURS[library], low, high)
            y += BAR
        y += GAP
    size = f'width="{NAMES + PLOT + MARGIN}" height="{height + 24}"'
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _ratios(seconds: Mapping[str, float]) -> dict[str, float]:
    """Of each library but ours, from the fastest to the slowest."""
    return {name: seconds[name] / seconds[OURS] for name in sorted(seconds, key=seconds.__getitem__) if name != OURS}


def _range(ratios: Iterable[float]) -> tuple[float, float]:
    """The powers of ten around all of them."""
    logs = [math.log10(min(max(ratio, NEAREST), FURTHEST)) for ratio in ratios] or [0.0]
    return 10.0 ** min(math.floor(min(logs)), -1), 10.0 ** max(math.ceil(max(logs)), 1)


def _place(ratio: float, low: float, high: float) -> float:
    share = math.log(min(max(ratio, low), high) / low) / math.log(high / low)
    return NAMES + PLOT * share


def _bar(y: float, ratio: float, colour: str, low: float, high: float) -> list[str]:
    one, end = _place(1, low, high), _place(ratio, low, high)
    left, width = min(one, end), max(abs(end - one), 1)
    bar = f'<rect x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BAR - 1}" fill="{colour}"/>'
    x, anchor = (end + 3, "start") if ratio >= 1 else (end - 3, "end")
    return [bar, _text(x, y + BAR - 2, f"{ratio:.3g}", 9, anchor=anchor)]


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], 12.0
    for name in names:
        if name != OURS:
            parts.append(f'<rect x="{x}" y="34" width="11" height="11" fill="{COLOURS[name]}"/>')
            parts.append(_text(x + 15, 44, name, 12))
            x += 33 + 7.2 * len(name)
    return parts


def _text(x: float, y: float, text: str, size: int, *, anchor: str = "start", weight: str = "normal") -> str:
    style = f'font-size="{size}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _line(x: float, top: float, bottom: float, colour: str) -> str:
    return f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="{colour}"/>'
