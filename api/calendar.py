"""The working calendar as facts: a year published or revised, days off for listed units."""

from datetime import datetime
from typing import Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency

from api.auth import Permission
from api.dates import OnParameter, business
from api.visits import View, Visit
from api.writing import Door, command_router
from ledger.decisions import calendar as c
from ledger.decisions import outages
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import Calendar, local_day
from projections.past.standings import DayAt, day_at
from projections.standpoint import AsOf

_WRITE: Final = Permission.WRITE_CALENDAR
_YEAR: Final = {
    "year": 2027,
    "source_ref": "国办发明电〔2026〕7号",
    "days_off": ["2027-01-01"],
    "makeup_days": ["2027-02-20"],
}


class CalendarAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The calendar as announced so far, the years that are published, and the outages.

    `day` is the company's day at `on`; a unit's own days are in its dossier.
    """

    as_of: AsOf
    on: datetime | None
    day: DayAt
    published: tuple[int, ...]
    calendar: Calendar


@get("/calendar", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def show_calendar(
    visit: NamedDependency[Visit], view: NamedDependency[View], on: OnParameter = None
) -> Response[CalendarAnswer]:
    """Days off and days worked, by announcement; dues of other years are provisional."""
    with visit.standing(view) as here:
        history, asked = here.history(()), business(on, here)
        calendar = history.calendar
        answer = CalendarAnswer(
            as_of=here.as_of,
            on=asked.on,
            day=day_at(history, local_day(asked.at, DEFAULT_ZONE)),
            published=tuple(sorted({one.year for one in calendar.announcements})),
            calendar=calendar,
        )
        return visit.answer(answer, here.as_of)


router: Final = Router("/", route_handlers=[show_calendar], tags=["calendar"])

commands: Final = command_router(
    "calendar",
    (
        Door(c.PublishCalendar, _WRITE, "Publish a year", _YEAR),
        Door(c.ReviseCalendar, _WRITE, "Revise a year", _YEAR),
        Door(
            c.SetLocalDay,
            _WRITE,
            "Set a local day",
            {
                "units": ["350200"],
                "document": "厦防指〔2026〕3号",
                "day": "2026-09-16",
                "working": False,
            },
        ),
        Door(
            c.DeclareForceMajeure,
            _WRITE,
            "Declare force majeure",
            {
                "units": ["350200"],
                "document": "厦防指〔2026〕4号",
                "started_at": "2026-09-16T00:00:00+08:00",
                "ended_at": "2026-09-18T00:00:00+08:00",
            },
        ),
        Door(
            outages.DeclareOutage,
            _WRITE,
            "Declare an outage",
            {
                "outage": "2026-09-16-upload",
                "started_at": "2026-09-16T16:30:00+08:00",
                "ended_at": "2026-09-16T17:40:00+08:00",
                "probe_ref": "probe 12",
            },
        ),
        Door(
            outages.RatifyOutage,
            _WRITE,
            "Ratify an outage",
            {"outage": "2026-09-16-upload"},
        ),
    ),
)
