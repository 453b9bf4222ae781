"""Figures as inline SVG: no script draws them, so they print, and show without one.

Widths are in units of a view box that the page stretches; colours are the style sheet's classes,
because the content policy lets no style stand in an element.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from markupsafe import Markup

from projections.figures.measures import Measure

BAR_WIDTH: Final = 1000
_PARTS: Final = ("on_time", "late", "missed", "pending")


def proportions(figures: Measure, label: str) -> Markup:
    """How many were on time, late, missed, pending: one bar of four parts."""
    whole = figures.expected
    if not whole:
        return Markup("")
    parts, start = [], 0
    for name in _PARTS:
        end = start + getattr(figures, name)
        left, right = BAR_WIDTH * start // whole, BAR_WIDTH * end // whole
        if right > left:
            parts.append(
                Markup('<rect class="bar-{}" x="{}" y="0" width="{}" height="10"/>').format(
                    name, left, right - left
                )
            )
        start = end
    return Markup(
        '<svg class="bar" viewBox="0 0 {} 10" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(BAR_WIDTH, label, Markup("").join(parts))


class Axis:
    """The time that a waterfall spans; every row of it is drawn on the same axis."""

    def __init__(self, instants: Iterable[datetime], mark: datetime) -> None:
        known = [*instants, mark]
        self._first, self._last = min(known), max(known)
        self._mark = self.place(mark)

    def place(self, instant: datetime) -> int:
        """Where an instant stands, in units of the bar's width."""
        whole = (self._last - self._first).total_seconds()
        if not whole:
            return 0
        share = (instant - self._first).total_seconds() / whole
        return round(BAR_WIDTH * min(max(share, 0.0), 1.0))

    def bar(self, start: datetime, end: datetime | None, kind: str) -> Markup:
        """A stretch of time (a point, where it has no end), with the due marked."""
        left = self.place(start)
        if end is None:
            shape = Markup('<line class="at {}" x1="{}" x2="{}" y1="4" y2="12"/>').format(
                kind, left, left
            )
        else:
            width = max(self.place(end) - left, 6)
            shape = Markup('<rect class="{}" x="{}" y="3" width="{}" height="10" rx="2"/>').format(
                kind, min(left, BAR_WIDTH - width), width
            )
        return Markup(
            '<svg class="span" viewBox="-8 0 {} 16" preserveAspectRatio="none" '
            'aria-hidden="true"><line class="due" x1="{}" x2="{}" y1="0" y2="16"/>{}</svg>'
        ).format(BAR_WIDTH + 16, self._mark, self._mark, shape)
