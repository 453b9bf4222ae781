"""Obligations judged twice: as known now, and as known when their period was accounted for.

A period is accounted for one working day after its last due: *then* is the last position recorded
by that instant, judged at that instant, so that a past figure cannot improve because somebody
closed an outlet or backdated a relief since. While that is still to come, then is now.
What a period came to then never changes: it is counted once, and kept (`sheaves.py`).
Read next: `counting.py` (which obligations, judged how), `projections/matrix.py`.
"""

from datetime import date, datetime
from typing import Final

import msgspec

from ledger.errors import Invalid
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import Calendar
from ledger.vocabulary import DutyRef, Moment, UnitRef
from projections.figures.counting import Counting, counting
from projections.figures.tallies import Counted
from projections.spans import Span
from projections.standpoint import Asked, Standpoint

PERIODS_MAX: Final = 400
WORKING_DAYS_AFTER: Final = 1


class Then(msgspec.Struct, frozen=True):
    """The moment at which a period was accounted for; `reached` is False while it is to come."""

    position: int
    instant: datetime
    reached: bool


class Accounted(msgspec.Struct, frozen=True, kw_only=True):
    """The obligations of one period, counted as known now, and as known then."""

    period: str
    first: date
    last: date
    last_due: datetime
    then: Then
    now: Counted
    before: Counted


def account(
    here: Standpoint, span: Span, unit: UnitRef | None, duty: DutyRef, asked: Asked = None
) -> list[Accounted]:
    """Every period of a duty within the span, now and at its own time, or at the one asked.

    `Invalid` when there are too many periods to lay out.
    """
    counted = counting(here, span, unit, duty)
    periods = counted.periods()
    if len(periods) > PERIODS_MAX:
        raise Invalid.field(
            "period", f"these are {len(periods)} periods; ask for {PERIODS_MAX} at most"
        )
    calendar = here.history(()).calendar
    fixed = None if asked is None else _then(here, *here.questions.resolve(asked), asked)
    return [
        _accounted(counted, one, fixed or _own_then(here, calendar, one.last_due))
        for one in periods
    ]


def _accounted(counted: Counting, now: Counted, then: Then) -> Accounted:
    before = now
    if then.reached:
        before = counted.then(now, Moment(then.position, then.instant))
    last, first, period, _ = now.place
    return Accounted(
        period=period,
        first=first,
        last=last,
        last_due=now.last_due,
        then=then,
        now=now,
        before=before,
    )


def _own_then(here: Standpoint, calendar: Calendar, last_due: datetime) -> Then:
    """When a period with this last due was accounted for."""
    instant = calendar.add_working_days(last_due, WORKING_DAYS_AFTER, DEFAULT_ZONE)
    if instant > here.moment.instant:
        return Then(here.moment.position, here.moment.instant, reached=False)
    return _then(here, here.questions.position_at(instant), instant)


def _then(here: Standpoint, position: int, instant: datetime, asked: Asked = None) -> Then:
    moment = here.moment
    is_beyond = isinstance(asked, int) and position > moment.position
    if instant > moment.instant or is_beyond:
        return Then(moment.position, moment.instant, reached=False)
    # What was recorded at that very instant, and is not known here, must not turn the answer.
    return Then(min(position, moment.position), instant, reached=True)
