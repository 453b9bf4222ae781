"""What a duty asks of a unit for a period, as far as the facts known can tell (R1 and R3).

`asked` answers for one duty, unit and period: whose post owes it (the unit's own, a successor's,
nobody's), why, until when. The clock opens what is asked for when a period starts; the verdict
asks again, because later facts may cancel an obligation or move its due.
"""

from datetime import date, datetime

import msgspec

from ledger.events import duties as d
from ledger.events import organisation as o
from ledger.vocabulary import Cadence, Level, Stage
from tests.plain import posts, units
from tests.plain.days import (
    ONE_DAY,
    Calendar,
    Period,
    announcement,
    end_of_minute,
    local_day,
    midnight,
    own_days,
    period_of,
)
from tests.plain.facts import Facts, Told, in_force, since
from tests.plain.policy import Policy

OWN, SUCCESSOR, NOBODY = "own", "successor", "nobody"

CANCELS = ("stage", "not_working", "unit_closed", "unit_merged", "day_off", "suspended")
"""Why an obligation that stands is owed no more when its unit turns out otherwise; a duty that is
retired, revised or taken from a unit leaves what is open owed (rulings 30, R12)."""


class Due(msgspec.Struct, frozen=True):
    """An exclusive due instant, after grace and before it (`nominal`).

    It is `provisional` while a year on the way has no calendar (ruling 39).
    """

    at: datetime
    nominal: datetime
    provisional: bool
    calendars: tuple[Told, ...]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: who bears it and why; the rest only where somebody does."""

    bearer: str
    cause: str
    due: Due | None = None
    post: str | None = None
    stage: Stage | None = None
    grace: int = 0


def terms_of(facts: Facts, duty: str) -> list[Told]:
    """Every statement of a duty, in the order recorded."""
    return facts.of(d.DutyPublished, d.DutyRevised, duty=duty)


def revision_of(terms: Told) -> int:
    """The revision that a statement makes; publishing is the first."""
    return terms.fact.revision if isinstance(terms.fact, d.DutyRevised) else 1


def terms_for(facts: Facts, duty: str, first_day: date, zone: str) -> Told | None:
    """The statement under which a period that begins on a day is opened (R12)."""
    asking = [one for one in terms_of(facts, duty) if begins(one, zone) <= first_day]
    return max(asking, key=since, default=None)


def begins(terms: Told, zone: str) -> date:
    """No period that starts before this day is opened under these terms."""
    if terms.fact.first_period is not None:
        return period_of(terms.fact.cadence, terms.fact.first_period).first
    return local_day(terms.effective_from, zone)


def due_of(facts: Facts, terms: Told, unit: str, period: Period, grace: int) -> Due:
    """R3: a wall time on the nth working day after the period's end; grace adds working days.

    Where n is 0, it is the period's last day, or the next working day.
    """
    zone, rule = units.zone_of(facts, unit), terms.fact.due
    calendar = Calendar(facts, own_days(facts, unit, zone))
    if rule.working_days:
        first, day = period.last + ONE_DAY, calendar.after(period.last, rule.working_days)
    else:
        first, day = period.last, calendar.at_or_after(period.last)
    last = calendar.after(day, grace)
    years = [announcement(facts, year) for year in range(first.year, last.year + 1)]
    return Due(
        end_of_minute(last, rule.time, zone),
        end_of_minute(day, rule.time, zone),
        None in years,
        tuple(one for one in years if one is not None),
    )


def assigned(facts: Facts, duty: str, unit: str, day: date) -> Told | None:
    """The fact that puts the unit under the duty, or takes it away, on a day; if there is one."""
    zone = units.zone_of(facts, unit)
    said = facts.of(d.DutyAssigned, d.DutyUnassigned, duty=duty, unit=unit)
    begun = [one for one in said if local_day(one.effective_from, zone) <= day]
    return max(begun, key=since, default=None)


def asked(  # noqa: PLR0913, PLR0917  (what is asked has these sides)
    facts: Facts,
    terms: Told,
    assignment: Told | None,
    unit: str,
    period: Period,
    policy: Policy,
) -> Asked:
    """What these terms ask of a unit for a period."""
    fact, zone = terms.fact, units.zone_of(facts, unit)
    if assignment is not None and isinstance(assignment.fact, d.DutyUnassigned):
        return Asked(bearer=NOBODY, cause="unassigned")
    stage = units.stage(facts, unit, period.last, policy)
    if assignment is None and (reason := _left_out(facts, fact, unit, period, stage)):
        return Asked(bearer=NOBODY, cause=reason)
    own = own_days(facts, unit, zone)
    if fact.cadence is Cadence.DAILY and not Calendar(facts, own).is_worked(period.first):
        return Asked(bearer=NOBODY, cause="day_off")
    grace = _grace(facts, fact, unit, period, stage, policy)
    due = due_of(facts, terms, unit, period, grace)
    bearer, cause, ended = _bearer(facts, fact, unit, period, due.at)
    if bearer == NOBODY:
        return Asked(bearer=NOBODY, cause=cause)
    post = _post(facts, fact, unit, due.at, ended)
    return Asked(bearer=bearer, cause=cause, due=due, post=post, stage=stage, grace=grace)


def _left_out(
    facts: Facts, fact: d.DutyTerms, unit: str, period: Period, stage: Stage | None
) -> str | None:
    """Why the duty's own description leaves the unit out: by level, by stage, or by scope."""
    established = units.established(facts, unit)
    if established is None or established.level not in fact.levels:
        return "level"
    if not units.is_line(facts, unit):
        return "level"
    if established.level is Level.OUTLET and fact.stages and stage not in fact.stages:
        return "stage"
    if unit == fact.scope:
        return None
    # Where it stood when the period began, or when it was established, if that was later.
    stood = facts.of(o.UnitEstablished, o.UnitReparented, unit=unit)
    first = min(event.effective_from for event in stood)
    at = max(midnight(period.first, established.zone), first)
    return None if fact.scope in units.above(facts, unit, at) else "scope"


def _grace(  # noqa: PLR0913, PLR0917  (what a beginning within a period is seen from)
    facts: Facts,
    fact: d.DutyTerms,
    unit: str,
    period: Period,
    stage: Stage | None,
    policy: Policy,
) -> int:
    """Working days more in the first period of a unit that owes for itself (ruling 29)."""
    established = units.established(facts, unit)
    if fact.owed_by_level is not None or established is None:
        return 0
    if established.level is Level.OUTLET:
        began = units.opened_on(facts, unit) if stage in (Stage.NEW, Stage.ESTABLISHED) else None
    else:
        first = facts.of(o.UnitEstablished, unit=unit)[0]
        began = local_day(first.effective_from, established.zone)
    within = began is not None and period.first < began <= period.last
    return policy.first_period_grace_working_days if within else 0


def _bearer(
    facts: Facts, fact: d.DutyTerms, unit: str, period: Period, due: datetime
) -> tuple[str, str, Told | None]:
    """R1: whether the unit is expected to report, by the duty's policy; if it ended, who is."""
    zone = units.zone_of(facts, unit)
    start, end = midnight(period.first, zone), midnight(period.last + ONE_DAY, zone)
    turns = [
        one.effective_from
        for one in facts.of(*units.LIFE, unit=unit)
        if start < one.effective_from < end
    ]
    worked = [units.is_working(facts, unit, at) for at in (start, *turns)]
    if fact.expectation == "whole_period" and not all(worked):
        return NOBODY, "partial_period", None
    at_due = units.life(facts, unit, due)
    if at_due is None or not any(worked):
        return NOBODY, "not_working", None
    if units.is_alive(facts, unit, due):
        idle = not units.is_working(facts, unit, due) and fact.expectation == "alive_at_due"
        return (NOBODY, "suspended", None) if idle else (OWN, "expected", None)
    ended_after_period = at_due.effective_from >= end
    if fact.owed_by_level is not None and ended_after_period:
        # The institution above owed it all along.
        return OWN, "expected", None
    cause = "unit_merged" if isinstance(at_due.fact, o.UnitMerged) else "unit_closed"
    passes_on = ended_after_period or fact.final_report or fact.expectation == "any_overlap"
    return (SUCCESSOR if passes_on else NOBODY), cause, at_due


def _post(
    facts: Facts, fact: d.DutyTerms, unit: str, at: datetime, ended: Told | None
) -> str | None:
    """The post that owes: of the duty's role in the unit itself, or in another for it.

    That other is the one of the level that owes for it, the one that absorbed it with this duty,
    or the nearest above.
    """
    above = units.above(facts, unit, at)
    candidates = [] if ended else [unit]
    if ended is None and fact.owed_by_level is None:
        named = posts.of_role(facts, unit, fact.post_role, at)
        if named is not None:
            return named
    if fact.owed_by_level is not None:
        established = {one: units.established(facts, one) for one in above}
        candidates = [
            one
            for one in above
            if (known := established[one]) and known.level is fact.owed_by_level
        ]
    if (
        ended is not None
        and isinstance(ended.fact, o.UnitMerged)
        and fact.duty in ended.fact.duties
    ):
        candidates = [ended.fact.into]
    for one in (*candidates, *above):
        if units.is_alive(facts, one, at):
            found = posts.of_role(facts, one, fact.post_role, at) or posts.head(facts, one, at)
            if found is not None:
                return found
    return None


def is_retired(facts: Facts, duty: str, at: datetime) -> bool:
    """Whether the duty opens nothing any more."""
    return in_force(facts.of(d.DutyRetired, duty=duty), at) is not None
