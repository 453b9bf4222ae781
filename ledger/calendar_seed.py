"""The mainland calendar of past years, ready to be published as facts.

`chinesecalendar` knows the State Council's announcements and refuses to guess a year that has
none. It only seeds: what a due is computed from is the published fact (docs/rules.md R3), so an
upgrade of the library moves nothing. Read next: `ledger/decisions/calendar.py`.
"""

from datetime import date, timedelta
from typing import Final

import chinese_calendar

from ledger.decisions.calendar import PublishCalendar
from ledger.model.calendar import SATURDAY

FIRST_YEAR: Final = 2004
"""The first year that the library knows."""


def seeded_calendar(year: int) -> PublishCalendar | None:
    """The command that publishes a year as announced; None when the library has no such year."""
    start = date(year, 1, 1)
    days = [start + timedelta(days=n) for n in range((date(year + 1, 1, 1) - start).days)]
    try:
        worked = {day: bool(chinese_calendar.is_workday(day)) for day in days}  # type: ignore[no-untyped-call]  # (it has no types)
    except NotImplementedError:
        return None
    return PublishCalendar(
        year=year,
        source_ref=f"chinesecalendar {chinese_calendar.__version__}",
        days_off=tuple(day for day in days if day.weekday() < SATURDAY and not worked[day]),
        makeup_days=tuple(day for day in days if day.weekday() >= SATURDAY and worked[day]),
    )
