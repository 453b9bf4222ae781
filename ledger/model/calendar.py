"""The working calendar as its facts tell it, and the wall clock of a unit (docs/rules.md R3).

Weekends are off and other days worked unless an announcement says otherwise: a year's *days off*
and *make-up days* (调休) are facts, never a library's opinion. A year that nobody announced yet is
answered by weekends alone, and whoever computes a due from it must call that due provisional.
Read next: `periods.py`, then `duties.py`, which computes dues from both.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from ledger.entry import Event
from ledger.events.calendar import CalendarPublished, CalendarRevised
from ledger.events.fact import Fact
from ledger.events.organisation import DEFAULT_ZONE, FactAnnulled
from ledger.events.platform import OutageDeclared, OutageRatified
from ledger.model.dossier import without
from ledger.vocabulary import CalendarId, EventId

OwnDays = Mapping[date, bool]
"""A unit's own exceptions: True is worked, False is off, whatever the calendar says (ruling 40)."""

NO_OWN_DAYS: Final[OwnDays] = MappingProxyType({})

DEFAULT_CALENDAR: Final = CalendarId("CN")

SATURDAY: Final = 5
ONE_DAY: Final = timedelta(days=1)

SEARCH_DAYS_MAX: Final = 1_500
"""No honest calendar keeps anybody waiting this long for the working days that are counted."""


class Announcement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One year as announced (revision 1), or as announced anew; earlier ones are kept."""

    event: EventId
    position: int
    received_at: datetime
    year: int
    revision: int
    source_ref: str
    days_off: tuple[date, ...]
    makeup_days: tuple[date, ...]


class Shift(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The days that an announcement, or its annulment, turned from off to worked or back."""

    event: EventId
    position: int
    days: tuple[date, ...]


class Outage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A time during which the platform was down; it moves dues once ratified (ruling 45)."""

    event: EventId
    position: int
    outage: str
    started_at: datetime
    ended_at: datetime
    declared_by: str | None = None
    announced: bool = False
    ratified_by: EventId | None = None


class Calendar(msgspec.Struct, frozen=True, omit_defaults=True):
    """Every announcement so far (the latest of a year answers for it), and every outage."""

    calendar: CalendarId = DEFAULT_CALENDAR
    announcements: tuple[Announcement, ...] = ()
    outages: tuple[Outage, ...] = ()
    shifts: tuple[Shift, ...] = ()

    def shifted(self, since: int, first: date, last: date) -> bool:
        """Whether a fact after the position `since` changed any day from `first` to `last`."""
        return any(
            first <= day <= last
            for shift in self.shifts
            if shift.position > since
            for day in shift.days
        )

    def announcement(self, year: int) -> Announcement | None:
        """The announcement in force for a year, or None while there is none (ruling 39)."""
        for one in reversed(self.announcements):
            if one.year == year:
                return one
        return None

    def is_working(self, day: date, own_days: OwnDays = NO_OWN_DAYS) -> bool:
        """Whether a unit with these own days works on a day."""
        own = own_days.get(day)
        if own is not None:
            return own
        announced = self.announcement(day.year)
        if announced is None:
            return day.weekday() < SATURDAY
        if day.weekday() < SATURDAY:
            return day not in announced.days_off
        return day in announced.makeup_days

    def next_working_day(self, day: date, own_days: OwnDays = NO_OWN_DAYS) -> date:
        """The day itself if it is worked, otherwise the first worked day after it (ruling 36)."""
        return self.nth_working_day_after(day - ONE_DAY, 1, own_days)

    def nth_working_day_after(self, day: date, count: int, own_days: OwnDays = NO_OWN_DAYS) -> date:
        """The `count`th worked day after a day (count 0: the day itself, worked or not)."""
        found = 0
        for _ in range(SEARCH_DAYS_MAX):
            if found == count:
                return day
            day += ONE_DAY
            found += self.is_working(day, own_days)
        message = f"no {count} working days within {SEARCH_DAYS_MAX} days before {day}"
        raise AssertionError(message)

    def add_working_days(
        self,
        instant: datetime,
        count: int,
        zone: str = DEFAULT_ZONE,
        own_days: OwnDays = NO_OWN_DAYS,
    ) -> datetime:
        """The same wall time in the zone, `count` worked days later; UTC in and out."""
        local = instant.astimezone(ZoneInfo(zone))
        day = self.nth_working_day_after(local.date(), count, own_days)
        return local_to_utc(day, local.time(), zone)

    def working_days_between(
        self, after: date, until: date, own_days: OwnDays = NO_OWN_DAYS
    ) -> int:
        """How many worked days there are in `(after, until]`."""
        days = range(1, (until - after).days + 1)
        return sum(self.is_working(after + timedelta(days=n), own_days) for n in days)


def fold_calendar(row: Calendar | None, event: Event, key: str) -> Calendar:
    """The calendar after one more announcement; an annulled one never was."""
    row = row or Calendar(CalendarId(key))
    fact = event.fact
    if isinstance(fact, FactAnnulled):
        return _shifted(row, _unratified(without(row, fact.annulled), fact.annulled), event)
    if isinstance(fact, OutageDeclared):
        return replace(row, outages=(*row.outages, _outage(fact, event)))
    if isinstance(fact, OutageRatified):
        return _ratified(row, fact.outage, event.id)
    if not isinstance(fact, CalendarPublished | CalendarRevised):
        return row
    announced = Announcement(
        event=event.id,
        position=event.position,
        received_at=event.received_at,
        year=fact.year,
        revision=fact.revision,
        source_ref=fact.source_ref,
        days_off=fact.days_off,
        makeup_days=fact.makeup_days,
    )
    return _shifted(row, replace(row, announcements=(*row.announcements, announced)), event)


def _shifted(before: Calendar, after: Calendar, event: Event) -> Calendar:
    """Note which days the event turned; who was asked by the old ones must be asked again."""
    told = {
        day
        for row in (before, after)
        for one in row.announcements
        for day in (*one.days_off, *one.makeup_days)
    }
    turned = sorted(day for day in told if before.is_working(day) != after.is_working(day))
    if not turned:
        return after
    shift = Shift(event=event.id, position=event.position, days=tuple(turned))
    return replace(after, shifts=(*after.shifts, shift))


def _outage(fact: OutageDeclared, event: Event) -> Outage:
    return Outage(
        event=event.id,
        position=event.position,
        outage=fact.outage,
        started_at=fact.started_at,
        ended_at=fact.ended_at,
        declared_by=event.actor.person or event.actor.system,
        announced=fact.announced,
    )


def _ratified(row: Calendar, outage: str, by: EventId) -> Calendar:
    outages = tuple(
        replace(one, ratified_by=by) if one.outage == outage else one for one in row.outages
    )
    return replace(row, outages=outages)


def _unratified(row: Calendar, annulled: EventId) -> Calendar:
    outages = tuple(
        replace(one, ratified_by=None) if one.ratified_by == annulled else one
        for one in row.outages
    )
    return replace(row, outages=outages) if outages != row.outages else row


CALENDAR_FACTS: Final[frozenset[type[Fact]]] = frozenset(
    {CalendarPublished, CalendarRevised, OutageDeclared, OutageRatified}
)
"""The facts that the calendar is folded from."""


@lru_cache(maxsize=8192)
def local_to_utc(day: date, wall: time, zone: str) -> datetime:
    """The UTC instant of a wall time in a zone.

    A wall time that the clocks skip moves forward by what they skipped; one that they repeat is
    its later occurrence. Both favour whoever has to meet it.
    """
    local = datetime.combine(day, wall, ZoneInfo(zone))
    # In a gap the earlier offset (fold 0) gives the later instant; in a repetition fold 1 does.
    return max(local.replace(fold=0).astimezone(UTC), local.replace(fold=1).astimezone(UTC))


def closing_instant(day: date, wall: str, zone: str) -> datetime:
    """The exclusive UTC end of a wall minute `HH:MM`: 18:00 includes its whole minute (R3)."""
    return local_to_utc(day, time.fromisoformat(wall), zone) + timedelta(minutes=1)


def day_start(day: date, zone: str) -> datetime:
    """The UTC instant at which a local day begins."""
    return local_to_utc(day, time.min, zone)


def local_day(instant: datetime, zone: str) -> date:
    """The local day that an instant falls on."""
    return instant.astimezone(ZoneInfo(zone)).date()
