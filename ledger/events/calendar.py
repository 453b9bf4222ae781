"""The working calendar as facts: no library decides a due date (docs/rules.md R3)."""

from datetime import date
from typing import ClassVar

from ledger.events.fact import Fact
from ledger.vocabulary import CalendarId, UnitId


class CalendarPublished(Fact, frozen=True, kw_only=True):
    """A year's days off and make-up working days, as announced; weekends are implied."""

    TOPIC: ClassVar[str] = "calendar.published"
    calendar: CalendarId
    year: int
    revision: int
    source_ref: str
    days_off: tuple[date, ...]
    makeup_days: tuple[date, ...]


class CalendarRevised(Fact, frozen=True, kw_only=True):
    """The announcement changed: the whole year again; dues may only move later (ruling 38)."""

    TOPIC: ClassVar[str] = "calendar.revised"
    calendar: CalendarId
    year: int
    revision: int
    source_ref: str
    days_off: tuple[date, ...]
    makeup_days: tuple[date, ...]


class CalendarLocalDaySet(Fact, frozen=True, kw_only=True):
    """A day off (or a working day) for listed units only, by document number (ruling 40)."""

    TOPIC: ClassVar[str] = "calendar.local_day_set"
    DOSSIERS: ClassVar[tuple[str, ...]] = ("unit",)
    calendar: CalendarId
    units: tuple[UnitId, ...]
    day: date
    working: bool
    document: str
