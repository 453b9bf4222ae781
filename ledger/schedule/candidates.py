"""Which units a period's opening has to look at: all that could owe it, found without asking each.

A daily duty of new outlets would otherwise be worked out, every day, for every outlet in the
country. What is left out here is what `demand` would refuse for its level, its stage or the day;
what is let through, `demand` decides. Read next: `ledger/model/expectation.py`.
"""

from collections.abc import Iterable, Iterator
from datetime import date

import msgspec

from ledger.model.calendar import Calendar
from ledger.model.duties import Duty
from ledger.model.organisation import Unit
from ledger.model.organisation.tenure import add_months
from ledger.model.outlets import DEFAULT_LIMITS, StageLimits, opened_on, stage
from ledger.model.periods import Period
from ledger.vocabulary import Cadence, Level, Stage


class Span(msgspec.Struct, frozen=True):
    """The stage of an outlet, as its dossier tells it, on the days in `[first, end)`."""

    row: Unit
    stage: Stage | None
    first: date
    end: date


class Candidates:
    """Remembers in which stage each outlet is, for as long as its dossier stays the same."""

    def __init__(self) -> None:
        self._spans: dict[str, Span] = {}
        self._limits = DEFAULT_LIMITS

    def of(
        self,
        duty: Duty,
        period: Period,
        units: Iterable[Unit],
        calendar: Calendar,
        limits: StageLimits,
    ) -> Iterator[Unit]:
        """The units among these that the duty could ask for the period."""
        if limits != self._limits:
            self._limits = limits
            self._spans.clear()
        levels = {level for terms in duty.terms for level in terms.levels}
        stages = {one for terms in duty.terms for one in terms.stages}
        if any(Level.OUTLET in terms.levels and not terms.stages for terms in duty.terms):
            stages = set()
        assigned = {one.unit for one in duty.assignments}
        day_off = period.cadence is Cadence.DAILY and not calendar.is_working(period.start)
        for unit in units:
            if day_off and not unit.local_days and not unit.force_majeure:
                continue
            if unit.unit not in assigned:
                if unit.level not in levels:
                    continue
                by_stage = stages and unit.level is Level.OUTLET
                if by_stage and self._stage(unit, period.end) not in stages:
                    continue
            yield unit

    def _stage(self, unit: Unit, on: date) -> Stage | None:
        span = self._spans.get(unit.unit)
        if span is None or span.row is not unit or not span.first <= on < span.end:
            span = self._spans[unit.unit] = _span(unit, on, self._limits)
        return span.stage


def _span(unit: Unit, on: date, limits: StageLimits) -> Span:
    """The stage on a day, and how long it lasts; before the opening, that day alone."""
    found, opened = stage(unit, on, limits), opened_on(unit)
    if opened is None or on < opened:
        return Span(unit, found, on, date.fromordinal(on.toordinal() + 1))
    first = opened.replace(day=1) if limits.month_rule == "calendar" else opened
    established = add_months(first, limits.new_months)
    if on < established:
        return Span(unit, found, opened, established)
    return Span(unit, found, established, date.max)
