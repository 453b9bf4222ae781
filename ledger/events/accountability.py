"""What the accountability review records; for now what the engine itself finds."""

from typing import ClassVar

from ledger.events.fact import Fact
from ledger.vocabulary import CalendarId, DutyId, PostId, UnitId


class FindingMissedDetected(Fact, frozen=True, kw_only=True):
    """An expectation was never opened: the platform's owner failed, not the unit (ruling 67)."""

    TOPIC: ClassVar[str] = "finding.missed_detected"
    finding: str
    duty: DutyId
    unit: UnitId
    period: str
    owner: PostId


class FindingCalendarMissing(Fact, frozen=True, kw_only=True):
    """A year began without its calendar: every due in it is provisional (ruling 39)."""

    TOPIC: ClassVar[str] = "finding.calendar_missing"
    finding: str
    calendar: CalendarId
    year: int
    owner: PostId
