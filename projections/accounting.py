"""Obligations judged twice: as known now, and as known when their period was accounted for.

A period is accounted for one working day after its last due: *then* is the last position recorded
by that instant, judged at that instant, so that a past figure cannot improve because somebody
closed an outlet or backdated a relief since. While that is still to come, then is now.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final

import msgspec

from ledger.errors import Invalid
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import Calendar
from ledger.model.obligations import Obligation
from ledger.vocabulary import Moment, ObligationId
from projections.judging import Judged, judge
from projections.obligations import OBLIGATION
from projections.rewinding import Rewound, held
from projections.standpoint import Asked, Standpoint

PERIODS_MAX: Final = 400
WORKING_DAYS_AFTER: Final = 1

Periods = list[tuple[str, list[Obligation]]]
"""Obligations by period, in the order of time."""


class Then(msgspec.Struct, frozen=True):
    """The moment at which a period was accounted for; `reached` is False while it is to come."""

    position: int
    instant: datetime
    reached: bool


class Known(msgspec.Struct, frozen=True):
    """Obligations by period, each judged now and then; what was not open then has no `then`."""

    periods: Periods
    thens: Mapping[str, Then]
    now: Mapping[ObligationId, Judged]
    then: Mapping[ObligationId, Judged]


def know(here: Standpoint, obligations: list[Obligation], asked: Asked = None) -> Known:
    """Judge obligations at the standpoint, and at each period's own time, or at the one asked."""
    judged = judge(here.history(obligations), obligations, here.moment)
    now = {one.obligation: one for one in judged}
    periods = by_period(obligations)
    calendar = here.history(()).calendar
    thens = {
        period: _then(here, max(now[one.obligation].due for one in rows), calendar, asked)
        for period, rows in periods
    }
    return Known(periods, thens, now, _as_known_then(here, periods, thens, now))


def by_period(obligations: Iterable[Obligation]) -> Periods:
    """The obligations of each period; `Invalid` when there are too many periods to lay out."""
    found: dict[tuple[date, date, str], list[Obligation]] = {}
    for row in obligations:
        found.setdefault((row.period_end, row.period_start, row.period), []).append(row)
    if len(found) > PERIODS_MAX:
        raise Invalid.field(
            "period", f"these are {len(found)} periods; ask for {PERIODS_MAX} at most"
        )
    return [(key[2], found[key]) for key in sorted(found)]


def _then(here: Standpoint, last_due: datetime, calendar: Calendar, asked: Asked) -> Then:
    moment = here.moment
    if asked is not None:
        position, instant = here.questions.resolve(asked)
    else:
        instant = calendar.add_working_days(last_due, WORKING_DAYS_AFTER, DEFAULT_ZONE)
        if instant > moment.instant:
            return Then(moment.position, moment.instant, reached=False)
        position, _ = here.questions.recorder.position_at(instant)
    if instant > moment.instant or position > moment.position:
        return Then(moment.position, moment.instant, reached=False)
    return Then(position, instant, reached=True)


def _as_known_then(
    here: Standpoint,
    periods: Periods,
    thens: Mapping[str, Then],
    now: Mapping[ObligationId, Judged],
) -> dict[ObligationId, Judged]:
    judged = {
        row.obligation: now[row.obligation]
        for period, rows in periods
        for row in rows
        if not thens[period].reached
    }
    past = [one.position for one in thens.values() if one.reached]
    if not past:
        return judged
    rows = [row for period, found in periods for row in found if thens[period].reached]
    rewound = Rewound(here.reader, here.background, rows, min(past))
    for period, found in periods:
        then = thens[period]
        if then.reached:
            keys = [(one.obligation,) for one in found]
            changed = here.reader.changes(OBLIGATION, keys, then.position)
            known = [
                row
                for one in found
                if (row := held(changed.get((one.obligation,)), one, then.position)) is not None
            ]
            history = rewound.at(then.position).history(known, then.position)
            moment = Moment(then.position, then.instant)
            judged.update((one.obligation, one) for one in judge(history, known, moment))
    return judged
