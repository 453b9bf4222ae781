"""Who owes what for a period, and when it is due, as far as the facts known now can tell.

`demand` answers for one duty, unit and period (docs/rules.md R1 and R3): the clock opens what it
asks for, and cancels what it asks for no longer. It projects: the stage is the one that the unit
will have at the period's end, and the unit must be working at the due, unless the duty says
otherwise. Read next: `ledger/schedule.py`, which applies this to everything.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from ledger.events.duties import DueRule
from ledger.model.calendar import (
    NO_OWN_DAYS,
    Calendar,
    OwnDays,
    closing_instant,
    day_start,
    local_day,
)
from ledger.model.duties import Duty, Terms
from ledger.model.organisation import LifeChange, LocalDay, Organisation, Unit
from ledger.model.outlets import opened_on, stage
from ledger.model.periods import ONE_DAY, Period
from ledger.model.rules import Rules
from ledger.vocabulary import (
    Cadence,
    DutyRef,
    EventId,
    Level,
    ObligationId,
    PostId,
    Stage,
    UnitKind,
    UnitRef,
)

FORCE_MAJEURE_DAYS_MAX: Final = 366
"""A stop-work order without an end counts for so long; longer needs a new document."""


CANCELLING_CAUSES: Final = frozenset(
    {"stage", "not_working", "unit_closed", "unit_merged", "day_off"}
)
"""Reasons for which an open instance is owed no more; by all others it stays owed (30, R12)."""


class Bearer(StrEnum):
    """Whose post owes: the one that the duty names, one that took over, or nobody's."""

    OWN = "own"
    SUCCESSOR = "successor"
    NOBODY = "nobody"


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A computed due: exclusive UTC instants, and the calendar that they were computed with.

    `nominal` is before grace; `provisional`: a year on the way has no announcement (ruling 39).
    """

    instant: datetime
    nominal: datetime
    calendar_revision: int
    provisional: bool
    basis: tuple[EventId, ...] = ()


class Knowledge(msgspec.Struct, frozen=True):
    """What is known when a demand is worked out: the organisation, the calendar, the rules."""

    organisation: Organisation
    calendar: Calendar
    rules: Rules
    dues: dict[tuple[EventId, str, str, int], "Due"] = msgspec.field(default_factory=dict)
    """Dues worked out before for units without days of their own: thousands share each."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What a duty asks of a unit for a period; `cause` says why it asks, or why it does not."""

    bearer: Bearer
    cause: str
    terms: Terms | None = None
    due: Due | None = None
    post: PostId | None = None
    stage: Stage | None = None
    grace_working_days: int = 0
    basis: tuple[EventId, ...] = ()


def obligation_id(duty: DutyRef, unit: UnitRef, period: str, bearer: Bearer) -> ObligationId:
    """The readable id of an instance; codes hold no dot, so it is unambiguous."""
    suffix = ".parent" if bearer is Bearer.SUCCESSOR else ""
    return ObligationId(f"{duty}.{unit}.{period}{suffix}")


def own_days(unit: Unit) -> OwnDays:
    """The days on which the unit alone works or does not (ruling 40)."""
    if not unit.local_days and not unit.force_majeure:
        return NO_OWN_DAYS
    found: dict[date, bool] = {}
    for stop in unit.force_majeure:
        first = local_day(stop.start, unit.zone)
        last = first + timedelta(days=FORCE_MAJEURE_DAYS_MAX)
        if stop.until is not None:
            last = min(last, local_day(stop.until - timedelta(microseconds=1), unit.zone))
        found.update((first + timedelta(days=n), False) for n in range((last - first).days + 1))
    found.update((one.day, one.working) for one in sorted(unit.local_days, key=_recorded))
    return found


def due_of(  # noqa: PLR0913  (a due has this many causes)
    period: Period,
    rule: DueRule,
    zone: str,
    calendar: Calendar,
    *,
    own: OwnDays = NO_OWN_DAYS,
    grace_working_days: int = 0,
) -> Due:
    """When a period's instance is due by a rule (docs/rules.md R3)."""
    if rule.working_days:
        first = period.end + ONE_DAY
        day = calendar.nth_working_day_after(period.end, rule.working_days, own)
    else:
        first = period.end
        day = calendar.next_working_day(period.end, own)
    last = calendar.nth_working_day_after(day, grace_working_days, own)
    used = [calendar.announcement(year) for year in range(first.year, last.year + 1)]
    return Due(
        instant=closing_instant(last, rule.time, zone),
        nominal=closing_instant(day, rule.time, zone),
        calendar_revision=used[-1].revision if used[-1] else 0,
        provisional=None in used,
        basis=tuple(one.event for one in used if one),
    )


def demand(duty: Duty, period: Period, unit: Unit, known: Knowledge) -> Demand:
    """What a duty asks of a unit for a period, as the facts known now project it."""
    terms = duty.terms_for(period, unit.zone)
    if terms is None:
        return _nobody("not_asked")
    assignment = duty.assignment(unit.unit, period.start, unit.zone)
    if assignment and not assignment.assigned:
        return _nobody("unassigned")
    limits = known.rules.stage_limits
    stage_then = stage(unit, period.end, limits) if unit.level is Level.OUTLET else None
    if not assignment and (
        reason := _excluded(terms, unit, stage_then, period, known.organisation)
    ):
        return _nobody(reason)
    own = own_days(unit)
    if period.cadence is Cadence.DAILY and not known.calendar.is_working(period.start, own):
        return _nobody("day_off")
    grace = _grace(terms, unit, stage_then, period, known.rules)
    due = due_of(period, terms.due, unit.zone, known.calendar, own=own, grace_working_days=grace)
    bearer, cause, took_over = _bearer(terms, unit, period, due, known.organisation)
    if bearer is Bearer.NOBODY:
        return _nobody(cause)
    return Demand(
        bearer=bearer,
        cause=cause,
        terms=terms,
        due=due,
        post=_post(duty.duty, terms, took_over, unit, at=due.instant, known=known),
        stage=stage_then,
        grace_working_days=grace,
        basis=(
            terms.event,
            *((assignment.event,) if assignment else ()),
            *((took_over.event,) if took_over else ()),
            *due.basis,
        ),
    )


def _due(  # noqa: PLR0913, PLR0917  (what a due is worked out from)
    period: Period, terms: Terms, zone: str, known: Knowledge, own: OwnDays, grace: int
) -> Due:
    if own:
        return due_of(period, terms.due, zone, known.calendar, own=own, grace_working_days=grace)
    key = (terms.event, period.key, zone, grace)
    due = known.dues.get(key)
    if due is None:
        due = due_of(period, terms.due, zone, known.calendar, grace_working_days=grace)
        known.dues[key] = due
    return due


def _nobody(cause: str) -> Demand:
    return Demand(bearer=Bearer.NOBODY, cause=cause)


def _excluded(
    terms: Terms,
    unit: Unit,
    stage_then: Stage | None,
    period: Period,
    organisation: Organisation,
) -> str | None:
    """Why the duty's own description leaves the unit out, if it does."""
    if unit.kind is not UnitKind.LINE or unit.level not in terms.levels:
        return "level"
    if unit.level is Level.OUTLET and terms.stages and stage_then not in terms.stages:
        return "stage"
    return None if _in_scope(terms, unit, period, organisation) else "scope"


def _in_scope(terms: Terms, unit: Unit, period: Period, organisation: Organisation) -> bool:
    """Whether the unit stood below the scope when the period began, or when it was established."""
    if unit.unit == terms.scope:
        return True
    if not unit.parents:
        return False
    at = max(day_start(period.start, unit.zone), min(one.at for one in unit.parents))
    return terms.scope in organisation.ancestors(unit.unit, at)


def _grace(terms: Terms, unit: Unit, stage_then: Stage | None, period: Period, rules: Rules) -> int:
    """Working days more for a unit that begins within the period and owes it itself (29)."""
    if terms.owed_by_level is not None:
        return 0
    if unit.level is Level.OUTLET:
        began = opened_on(unit) if stage_then in (Stage.NEW, Stage.ESTABLISHED) else None
    else:
        began = local_day(unit.life[0].at, unit.zone) if unit.life else None
    within = began is not None and period.start < began <= period.end
    return rules.first_period_grace_working_days if within else 0


def _bearer(
    terms: Terms, unit: Unit, period: Period, due: Due, organisation: Organisation
) -> tuple[Bearer, str, LifeChange | None]:
    """Whose post owes, by the duty's expectation policy (R1, rulings 26, 27 and 35)."""
    start, end = day_start(period.start, unit.zone), day_start(period.end + ONE_DAY, unit.zone)
    if len(unit.life) == 1 and unit.life[0].at <= start and unit.life[0].change == "established":
        return Bearer.OWN, "expected", None
    worked = [organisation.is_working(unit.unit, at) for at in _turns(unit, start, end)]
    if terms.expectation == "whole_period" and not all(worked):
        return Bearer.NOBODY, "partial_period", None
    at_due = organisation.life(unit.unit, due.instant)
    if not any(worked) or at_due is None:
        return Bearer.NOBODY, "not_working", None
    if organisation.is_alive(unit.unit, due.instant):
        suspended = at_due.change == "suspended" and terms.expectation == "alive_at_due"
        return (Bearer.NOBODY, "suspended", None) if suspended else (Bearer.OWN, "expected", None)
    if terms.owed_by_level is not None and at_due.at >= end:
        return Bearer.OWN, "expected", None
    cause = "unit_merged" if at_due.change == "merged" else "unit_closed"
    succeeded = at_due.at >= end or terms.final_report or terms.expectation == "any_overlap"
    return (Bearer.SUCCESSOR if succeeded else Bearer.NOBODY), cause, at_due


def _turns(unit: Unit, start: datetime, end: datetime) -> Iterator[datetime]:
    """The instants within `[start, end)` at which the unit may begin or cease to work."""
    yield start
    yield from (one.at for one in unit.life if start < one.at < end)


def _post(  # noqa: PLR0913  (what names a post is spread over these)
    duty: DutyRef,
    terms: Terms,
    took_over: LifeChange | None,
    unit: Unit,
    *,
    at: datetime,
    known: Knowledge,
) -> PostId | None:
    """The post that owes: of the named role in the unit that answers, or in the nearest above.

    A unit without such a post is a defect of the data; the demand must not vanish with it.
    """
    organisation = known.organisation
    if took_over is None and terms.owed_by_level is None:
        named = organisation.post_of_role(unit.unit, terms.post_role, at)
        if named is not None:
            return named
    above = organisation.ancestors(unit.unit, at)
    candidates: tuple[UnitRef, ...] = (unit.unit,) if took_over is None else ()
    if terms.owed_by_level is not None:
        level = terms.owed_by_level
        candidates = tuple(one for one in above if organisation.units[one].level is level)
    if took_over is not None and took_over.into is not None and duty in took_over.duties:
        candidates = (took_over.into,)
    for one in (*candidates, *above):
        if organisation.is_alive(one, at):
            named = organisation.post_of_role(one, terms.post_role, at)
            if found := named or organisation.head_post(one, at):
                return found
    return None


def _recorded(item: LocalDay) -> tuple[datetime, int]:
    return item.at, item.position
