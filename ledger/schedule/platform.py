"""What the platform itself owes, and is found wanting in: openings, and next year's calendar."""

from datetime import datetime

from ledger.entry import Draft
from ledger.events.accountability import FindingCalendarMissing, FindingMissedDetected
from ledger.events.duties import ObligationOpened
from ledger.model.calendar import DEFAULT_CALENDAR
from ledger.model.history import History
from ledger.schedule.drafting import derived_id
from ledger.vocabulary import Line, PostId, UnitRef


def platform_owner(history: History, at: datetime) -> PostId | None:
    """The post that answers for the platform: the head of the unit at the top of the line."""
    organisation = history.organisation
    for unit in map(UnitRef, organisation.units):
        is_top = organisation.is_alive(unit, at) and organisation.parent(unit, at) is None
        if is_top and organisation.is_line(unit):
            return organisation.head_post(unit, at)
    return None


def never_opened(history: History, fact: ObligationOpened, at: datetime) -> Draft | None:
    """`finding.missed_detected`: the platform's owner failed, not the unit (ruling 67)."""
    owner = platform_owner(history, at)
    if owner is None:
        return None
    found = FindingMissedDetected(
        finding=f"missed.{fact.obligation}",
        duty=fact.duty,
        unit=fact.unit,
        period=fact.period,
        owner=owner,
    )
    return Draft(
        fact=found,
        event_id=derived_id(found.TOPIC, fact.obligation),
        extra_tags=(f"obligation:{fact.obligation}",),
        line=Line.SYSTEM,
    )


def year_without_calendar(history: History, year: int, at: datetime) -> Draft | None:
    """`finding.calendar_missing`, where a year begins whose dues are all provisional (39)."""
    owner = platform_owner(history, at)
    if owner is None or not history.rows["duty"] or history.calendar.announcement(year):
        return None
    found = FindingCalendarMissing(
        finding=f"calendar.{year}", calendar=DEFAULT_CALENDAR, year=year, owner=owner
    )
    return Draft(fact=found, event_id=derived_id(found.TOPIC, str(year)), line=Line.SYSTEM)
