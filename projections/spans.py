"""Which obligations a question is about: a span of days, and a subtree of units.

A period belongs to the span that holds its last day, so a week that ends in April is April's. A
unit belongs to where it stood on the management line when the report was due (docs/rules.md,
ruling 34), whoever stands above it today.
"""

from datetime import UTC, date, datetime
from typing import Final

import msgspec

from ledger.errors import Invalid, NotFound
from ledger.model.obligations import Obligation
from ledger.model.organisation import LINE_DEPTH_MAX, Organisation
from ledger.model.periods import ONE_DAY, parse_period
from ledger.vocabulary import DutyRef, UnitRef
from projections.background import Background
from projections.obligations import OBLIGATION
from projections.standpoint import Standpoint
from projections.time_travel import Range

SEPARATOR: Final = ".."
UNITS_NAMED_MAX: Final = 400
"""With more units than this, reading every unit's rows and leaving some out is quicker."""


class Span(msgspec.Struct, frozen=True):
    """Days from `first` to `last`, both included."""

    first: date
    last: date


def parse_span(text: str) -> Span:
    """`2026-04`, `2026W14`, `2026Q1` ..., or two of them joined by `..`; `Invalid` otherwise."""
    begin, _, end = text.partition(SEPARATOR)
    first, last = parse_period(begin), parse_period(end or begin)
    if last.end < first.start:
        raise Invalid.field(
            "period", f"{text!r} ends before it begins; write the earlier one first"
        )
    return Span(first.start, last.end)


def obligations_of(
    here: Standpoint, span: Span, unit: UnitRef | None = None, duty: DutyRef | None = None
) -> list[Obligation]:
    """The obligations whose period ends within the span, of units that stood below `unit` then."""
    where: dict[str, object] = {"period_end": Range(span.first, span.last + ONE_DAY)}
    if duty is not None:
        require("duty", duty, here.background)
        where["duty"] = duty
    if unit is None:
        return here.reader.find(OBLIGATION, where)
    require("unit", unit, here.background)
    below = here.background.ever_below(unit)
    if len(below) <= UNITS_NAMED_MAX:
        where["unit"] = sorted(below)
    placed = Placements(here.background.organisation, unit)
    return [
        row
        for row in here.reader.find(OBLIGATION, where)
        if row.unit in below and placed.held(row.unit, row.due)
    ]


def require(kind: str, key: str, background: Background) -> None:
    """`NotFound` when the background has no such thing."""
    if key not in background.rows[kind]:
        raise NotFound(f"there is no {kind} {key!r} in this ledger; check the identifier")


class Placements:
    """Whether units stood in one subtree at an instant; remembers what it has found."""

    def __init__(self, organisation: Organisation, top: UnitRef) -> None:
        self._organisation = organisation
        self._top = top
        self._found: dict[tuple[str, datetime], bool] = {}
        self._steady: dict[str, tuple[datetime, bool] | None] = {}

    def held(self, unit: UnitRef, at: datetime) -> bool:
        """Whether the unit is the top of the subtree, or stood below it at that instant."""
        if unit not in self._steady:
            self._steady[unit] = self._settled(unit)
        settled = self._steady[unit]
        if settled is not None and at >= settled[0]:
            return settled[1]
        known = self._found.get((unit, at))
        if known is None:
            known = unit == self._top or self._top in self._organisation.ancestors(unit, at)
            self._found[unit, at] = known
        return known

    def _settled(self, unit: UnitRef) -> tuple[datetime, bool] | None:
        """The answer for good, and from when it holds, where nothing on the way up ever moved."""
        since, found, above = datetime.min.replace(tzinfo=UTC), False, unit
        for _ in range(LINE_DEPTH_MAX):
            row = self._organisation.units.get(above)
            found = found or above == self._top
            if row is None or not row.parents:
                return since, found
            if len(row.parents) > 1:
                return None
            since = max(since, row.parents[0].at)
            if row.parents[0].parent is None:
                return since, found
            above = row.parents[0].parent
        return None
