"""Days: which are worked, the wall clock of a unit, and periods (docs/rules.md R3).

The calendar is a fact: weekends are off, and a published year names its days off and its make-up
working days. A unit may have days of its own, by document number (ruling 40).
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import msgspec

from ledger.events.calendar import CalendarLocalDaySet, CalendarPublished, CalendarRevised
from ledger.events.platform import ForceMajeureDeclared
from ledger.vocabulary import Cadence
from tests.plain.facts import Facts, Told, since

ONE_DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
SATURDAY = 5

D = TypeVar("D", bound=date)


# --- the wall clock -----------------------------------------------------------------------------


def instant(day: date, wall: time, zone: str) -> datetime:
    """When clocks in a zone show a wall time; of a repeated one the later, a skipped one moves."""
    local = datetime.combine(day, wall, ZoneInfo(zone))
    return max(local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC))


def midnight(day: date, zone: str) -> datetime:
    """When a local day begins."""
    return instant(day, time.min, zone)


def end_of_minute(day: date, wall: str, zone: str) -> datetime:
    """A due given to the minute includes that minute: 18:00 ends at 18:01, exclusive."""
    return instant(day, time.fromisoformat(wall), zone) + timedelta(minutes=1)


def local_day(at: datetime, zone: str) -> date:
    """On which day of the zone an instant falls."""
    return at.astimezone(ZoneInfo(zone)).date()


def months_later(day: D, months: int) -> D:
    """The same day some months later (or earlier); the last day of a month that is too short."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return day.replace(year=year, month=month + 1, day=min(day.day, last))


# --- working days -------------------------------------------------------------------------------


def announcement(facts: Facts, year: int) -> Told | None:
    """What was announced for a year, the last time; None while nothing was."""
    announced = facts.of(CalendarPublished, CalendarRevised, year=year)
    return announced[-1] if announced else None


def own_days(facts: Facts, unit: str, zone: str) -> dict[date, bool]:
    """Days on which the unit alone works (True) or does not (False)."""
    own: dict[date, bool] = {}
    for stop in facts.of(ForceMajeureDeclared):
        if unit in stop.fact.units and stop.effective_until is not None:
            day = local_day(stop.effective_from, zone)
            while midnight(day, zone) < stop.effective_until:
                own[day] = False
                day += ONE_DAY
    for event in sorted(facts.of(CalendarLocalDaySet), key=since):
        if unit in event.fact.units:
            own[event.fact.day] = event.fact.working
    return own


class Calendar:
    """Which days are worked, as announced so far; `own` are the exceptions of one unit."""

    def __init__(self, facts: Facts, own: dict[date, bool] | None = None) -> None:
        announced = facts.of(CalendarPublished, CalendarRevised)
        self.years = {event.fact.year: event.fact for event in announced}
        """What was announced for each year, the last time."""
        self.own = own or {}

    def is_worked(self, day: date) -> bool:
        """Whether a day is worked; in a year that nobody announced, weekends alone are off."""
        if day in self.own:
            return self.own[day]
        announced = self.years.get(day.year)
        if day.weekday() >= SATURDAY:
            return announced is not None and day in announced.makeup_days
        return announced is None or day not in announced.days_off

    def after(self, day: date, count: int) -> date:
        """The `count`th working day after a day; the day itself if the count is 0."""
        while count:
            day += ONE_DAY
            count -= self.is_worked(day)
        return day

    def at_or_after(self, day: date) -> date:
        """The day itself if it is worked, otherwise the next that is (ruling 36)."""
        return self.after(day - ONE_DAY, 1)

    def worked_between(self, first: date, last: date) -> int:
        """How many days are worked from one day to another, both included."""
        days = ((last - first).days + 1) if last >= first else 0
        return sum(self.is_worked(first + timedelta(days=n)) for n in range(days))

    def same_time_after(self, at: datetime, count: int, zone: str) -> datetime:
        """The same wall time, `count` working days later."""
        local = at.astimezone(ZoneInfo(zone))
        return instant(self.after(local.date(), count), local.time(), zone)

    def end_of_day_after(self, at: datetime, count: int, zone: str) -> datetime:
        """The end of the `count`th working day after an exclusive instant's own day."""
        return midnight(self.after(local_day(at - TICK, zone), count) + ONE_DAY, zone)


# --- periods ------------------------------------------------------------------------------------


class Period(msgspec.Struct, frozen=True):
    """The days from `first` to `last`, both included, for which a duty asks once."""

    key: str
    first: date
    last: date


MONTHS = {
    Cadence.MONTHLY: 1,
    Cadence.QUARTERLY: 3,
    Cadence.HALF_YEARLY: 6,
    Cadence.YEARLY: 12,
}


def period_of(cadence: Cadence, day: date) -> Period:
    """The period of a cadence in which a day lies."""
    if cadence is Cadence.DAILY:
        return Period(day.isoformat(), day, day)
    if cadence is Cadence.WEEKLY:
        year, week, weekday = day.isocalendar()
        monday = day - timedelta(days=weekday - 1)
        return Period(f"{year}W{week:02}", monday, monday + timedelta(days=6))
    months = MONTHS[cadence]
    number = (day.month - 1) // months
    first = date(day.year, number * months + 1, 1)
    last = months_later(first, months) - ONE_DAY
    key = {
        Cadence.MONTHLY: f"{day.year}-{day.month:02}",
        Cadence.QUARTERLY: f"{day.year}Q{number + 1}",
        Cadence.HALF_YEARLY: f"{day.year}H{number + 1}",
        Cadence.YEARLY: f"{day.year}",
    }
    return Period(key[cadence], first, last)


def periods(cadence: Cadence, first: date, last: date) -> Iterator[Period]:
    """The periods that begin from one day to another, in turn."""
    one = period_of(cadence, first)
    while one.first <= last:
        if one.first >= first:
            yield one
        one = period_of(cadence, one.last + ONE_DAY)
