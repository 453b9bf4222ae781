"""Units at an instant: whether they exist, what they stand under, who supports them, their stage.

Every question takes the facts known and the business instant; only the management line is a line.
"""

from datetime import date, datetime

from ledger.events import organisation as o
from ledger.events import outlets as u
from ledger.vocabulary import Level, Stage, UnitKind
from tests.plain.days import local_day, months_later
from tests.plain.facts import Facts, Told, in_force, since
from tests.plain.policy import Policy

ENDED = (o.UnitClosed, o.UnitMerged, u.OutletAbandoned)
LIFE = (*ENDED, o.UnitEstablished, o.UnitReopened, o.UnitSuspended, o.UnitResumed)


def established(facts: Facts, unit: str) -> o.UnitEstablished | None:
    """What the unit was established as: its level, kind and zone never change."""
    events = facts.of(o.UnitEstablished, unit=unit)
    return events[-1].fact if events else None


def zone_of(facts: Facts, unit: str) -> str:
    """The zone whose wall clock counts for the unit."""
    fact = established(facts, unit)
    return fact.zone if fact else o.DEFAULT_ZONE


def life(facts: Facts, unit: str, at: datetime) -> Told | None:
    """The change that decides how the unit stands; None before it existed.

    What does not exist cannot be suspended, resumed or closed; only reopening brings it back.
    """
    current: Told | None = None
    for event in sorted(facts.of(*LIFE, unit=unit), key=since):
        if event.effective_from > at:
            break
        gone = current is None or isinstance(current.fact, ENDED)
        revives = isinstance(event.fact, o.UnitReopened) and current is not None
        if isinstance(event.fact, o.UnitEstablished) or revives or not gone:
            current = event
    return current


def is_alive(facts: Facts, unit: str, at: datetime) -> bool:
    """Whether the unit exists, suspended or not."""
    current = life(facts, unit, at)
    return current is not None and not isinstance(current.fact, ENDED)


def is_working(facts: Facts, unit: str, at: datetime) -> bool:
    """Whether the unit exists and is not suspended."""
    current = life(facts, unit, at)
    return current is not None and not isinstance(current.fact, (*ENDED, o.UnitSuspended))


def placed(facts: Facts, unit: str, at: datetime) -> Told | None:
    """The fact that says under which parent the unit stands."""
    return in_force(facts.of(o.UnitEstablished, o.UnitReparented, unit=unit), at)


def parent(facts: Facts, unit: str, at: datetime) -> str | None:
    """The unit above on the management line."""
    found = placed(facts, unit, at)
    return found.fact.parent if found else None


def above(facts: Facts, unit: str, at: datetime) -> list[str]:
    """The units above, the nearest first."""
    found: list[str] = []
    one = parent(facts, unit, at)
    while one is not None and one not in found:
        found.append(one)
        one = parent(facts, one, at)
    return found


def is_line(facts: Facts, unit: str) -> bool:
    """Whether the unit manages; a support unit coaches, and never holds to account."""
    fact = established(facts, unit)
    return fact is not None and fact.kind is UnitKind.LINE


def supporters(facts: Facts, unit: str, at: datetime) -> set[str]:
    """The support units attached to the unit."""
    said = facts.of(o.SupportLineAttached, o.SupportLineDetached, unit=unit)
    names = {event.fact.supporter for event in said}
    last = [in_force([one for one in said if one.fact.supporter == name], at) for name in names]
    attached = [one for one in last if one and isinstance(one.fact, o.SupportLineAttached)]
    return {one.fact.supporter for one in attached}


# --- R2: the stage of an outlet -----------------------------------------------------------------


def opened_on(facts: Facts, unit: str) -> date | None:
    """The day the outlet opened; the last fact that says so corrects those before."""
    events = facts.of(u.OutletOpened, unit=unit)
    return events[-1].fact.opened_on if events else None


def stage(facts: Facts, unit: str, day: date, policy: Policy) -> Stage | None:
    """The stage of an outlet on a day; None for what is no outlet, has no plan, or was given up.

    `planned` -> `preparing` at the planned opening minus six months -> `new` from the opening ->
    `established` from month 13. A planned opening that did not happen keeps it preparing.
    """
    fact = established(facts, unit)
    if fact is None or fact.level is not Level.OUTLET:
        return None
    opened = opened_on(facts, unit)
    if opened is not None and day >= opened:
        is_new = day < months_later(opened, policy.new_months)
        return Stage.NEW if is_new else Stage.ESTABLISHED
    said = facts.of(u.OutletPlanned, u.OutletOpeningRescheduled, u.OutletAbandoned, unit=unit)
    told = [(local_day(one.effective_from, fact.zone), one) for one in sorted(said, key=since)]
    begun = [one for begins, one in told if begins <= day]
    given_up = begun and isinstance(begun[-1].fact, u.OutletAbandoned)
    if (not told and opened is None) or (given_up and opened is None):
        return None
    preparing = _preparing_from(told, day, policy)
    if preparing is None and opened is not None:
        preparing = months_later(opened, -policy.preparing_months)
    return Stage.PREPARING if preparing is not None and day >= preparing else Stage.PLANNED


def _preparing_from(told: list[tuple[date, Told]], day: date, policy: Policy) -> date | None:
    """When preparing began, or will begin, by the plans since the outlet was last given up.

    A postponed opening lengthens what has begun and never reaches back: a new plan can neither
    take back a stage that had begun under the plan before, nor begin it before it was made.
    """
    preparing: date | None = None
    for begins, event in told:
        if isinstance(event.fact, u.OutletAbandoned):
            if begins > day:
                break
            preparing = None
            continue
        by_plan = months_later(event.fact.planned_open, -policy.preparing_months)
        if preparing is None:
            # The first plan may be recorded long after it was made.
            preparing = by_plan
        elif preparing >= begins:
            preparing = max(by_plan, begins)
    return preparing
