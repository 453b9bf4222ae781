"""Curves as plain SVG text: lines over the number of facts, on a logarithmic scale.

No library and no script; the colours follow the reader's choice of light or dark.
"""

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Final

import msgspec

WIDTH: Final = 760
PANEL_HEIGHT: Final = 250
TOP, LEFT, RIGHT, GAP = 56, 56, 230, 74
TICKS: Final = 5
LABEL_HEIGHT: Final = 15

STYLE: Final = """
text { font: 12px system-ui, sans-serif; fill: #333 }
.title { font-size: 15px; font-weight: 600 }
.grid { stroke: #ddd; stroke-width: 1 }
.line { fill: none; stroke-width: 2 }
.background { fill: #fff }
.c0 { stroke: #1b1b1b } .c1 { stroke: #0b62c4 } .c2 { stroke: #b5430a } .c3 { stroke: #147a3c }
.c4 { stroke: #7a3fb0 } .c5 { stroke: #8a6d00 }
.f0 { fill: #1b1b1b } .f1 { fill: #0b62c4 } .f2 { fill: #b5430a } .f3 { fill: #147a3c }
.f4 { fill: #7a3fb0 } .f5 { fill: #8a6d00 }
@media (prefers-color-scheme: dark) {
text { fill: #ddd } .grid { stroke: #3a3a3a } .background { fill: #16181c }
.c0 { stroke: #eee } .c1 { stroke: #6db3ff } .c2 { stroke: #ff9d66 } .c3 { stroke: #62cf8b }
.c4 { stroke: #c39bf0 } .c5 { stroke: #e0c050 }
.f0 { fill: #eee } .f1 { fill: #6db3ff } .f2 { fill: #ff9d66 } .f3 { fill: #62cf8b }
.f4 { fill: #c39bf0 } .f5 { fill: #e0c050 }
}
"""


class Line(msgspec.Struct, frozen=True):
    """A name, and points: how many facts, and what was measured there."""

    name: str
    points: list[tuple[float, float]]


class Panel(msgspec.Struct, frozen=True):
    """Lines with one vertical scale from zero; the title names what is measured, and its unit."""

    title: str
    lines: list[Line]


def drawing(title: str, panels: Sequence[Panel]) -> str:
    """The panels below each other, as an SVG document."""
    height = TOP + len(panels) * (PANEL_HEIGHT + GAP)
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="background" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="24">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (PANEL_HEIGHT + GAP))
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: float) -> Iterator[str]:
    points = [point for line in panel.lines for point in line.points]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    width = log10(high / low) or 1.0
    step = _round_step(max(y for _, y in points) / TICKS)
    most = step * ceil(max(y for _, y in points) / step)

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * log10(x / low) / width

    def down(y: float) -> float:
        return top + PANEL_HEIGHT * (1 - y / most)

    yield f'<text x="{LEFT}" y="{top - 10}">{escape(panel.title)}</text>'
    right, bottom = WIDTH - RIGHT, top + PANEL_HEIGHT
    for number in range(round(most / step) + 1):
        y = down(number * step)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number * step:g}</text>'
    for x in _decades(low, high):
        at = across(x)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}"/>'
        yield f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{_short(x)}</text>'
    yield f'<text x="{right}" y="{bottom + 36}" text-anchor="end">facts in the ledger</text>'
    heights = _apart([down(line.points[-1][1]) for line in panel.lines])
    for number, (line, height) in enumerate(zip(panel.lines, heights, strict=True)):
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in line.points)
        yield f'<polyline class="line c{number}" points="{path}"/>'
        for x, y in line.points if len(line.points) <= TICKS else line.points[-1:]:
            yield f'<circle class="f{number}" cx="{across(x):.1f}" cy="{down(y):.1f}" r="3"/>'
        name = escape(line.name)
        yield f'<text class="f{number}" x="{right + 8}" y="{height + 4:.1f}">{name}</text>'


def _apart(heights: Sequence[float]) -> list[float]:
    """The same heights, moved until labels at them do not cover each other."""
    placed = [0.0] * len(heights)
    free = float("-inf")
    for place in sorted(range(len(heights)), key=heights.__getitem__):
        placed[place] = free = max(heights[place], free + LABEL_HEIGHT)
    return placed


def _decades(low: float, high: float) -> Iterator[float]:
    """The powers of ten between, and both ends when there is none."""
    found = [10.0**n for n in range(ceil(log10(low)), floor(log10(high)) + 1)]
    yield from found or (low, high)


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, 20 ... (or 0.1, 0.2 ...) that is not less."""
    power: float = 10.0 ** floor(log10(least))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= least)


def _short(facts: float) -> str:
    if facts >= 1_000_000:  # noqa: PLR2004
        return f"{facts / 1_000_000:g} million"
    return f"{facts:,.0f}"
