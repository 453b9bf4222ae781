"""Who answers for an obligation that was not met in time: R6 to R9.

The instant asked about is the last one that still counted as in time: not when the obligation was
opened, and not when somebody looked. Only the management line is ever climbed.
"""

from datetime import datetime, timedelta

import msgspec

from ledger.events import organisation as o
from ledger.vocabulary import Power
from tests.plain import expecting, posts, units
from tests.plain.days import ONE_DAY, TICK, Calendar, local_day
from tests.plain.facts import Facts, Told
from tests.plain.policy import Policy
from tests.plain.relieving import Counted


class Person(msgspec.Struct, frozen=True):
    """Who answers, in which role, on which ground; a unit where nobody was found."""

    role: str
    ground: str
    person: str | None
    post: str | None
    unit: str | None = None


class Hop(msgspec.Struct, frozen=True):
    """A post looked at: who was effective there, or why nobody."""

    post: str
    unit: str
    person: str | None
    reason: str


class Answer(msgspec.Struct, frozen=True):
    """The persons in the order found, the path, what is remarkable, and the facts used."""

    persons: tuple[Person, ...]
    path: tuple[Hop, ...]
    flags: tuple[str, ...]
    basis: frozenset[str]


class _Found:
    """What has been found so far."""

    def __init__(self) -> None:
        self.persons: list[Person] = []
        self.path: list[Hop] = []
        self.flags: list[str] = []
        self.basis: set[str] = set()

    def add(
        self, role: str, ground: str, person: str | None, post: str | None, *cited: str | None
    ) -> None:
        """One more who answers, and the facts that say so."""
        self.persons.append(Person(role, ground, person, post))
        self.basis.update(one for one in cited if one is not None)


def answer(
    facts: Facts, opened: Told, due: datetime, reliefs: list[Counted], policy: Policy
) -> Answer:
    """Who answers for the failure of an obligation at its due."""
    found, at = _Found(), due - TICK
    if opened.fact.short_notice:
        # Who asked too late answers, and nobody who was asked (ruling 59).
        _issuer(facts, opened, policy, found)
    else:
        _direct(facts, opened, at, policy, found)
        _long_vacancy(facts, opened, at, policy, found)
        _deciders(facts, opened, at, reliefs, policy, found)
    return Answer(
        tuple(found.persons), tuple(found.path), tuple(found.flags), frozenset(found.basis)
    )


# --- R6: the direct person ----------------------------------------------------------------------


def _direct(facts: Facts, opened: Told, at: datetime, policy: Policy, found: _Found) -> None:
    post = opened.fact.post
    filled = posts.filled(facts, post, at, policy)
    _hop(facts, post, opened.fact.unit, filled, found)
    if filled.lapsed is not None:
        found.flags.append("acting_overdue")
    if filled.capacity == "holder":
        _holder(facts, opened, filled, at, policy, found)
    elif filled.capacity == "acting":
        assert filled.acting is not None, "an interim was appointed"
        appointment = filled.acting.appointment
        found.add("direct", "acting", filled.person, post, *filled.events)
        by = appointment.fact.appointed_by
        who = _who_ordered(facts, appointment, by, appointment.effective_from, policy)
        found.add("management", "appointed_acting", who, by, appointment.id)  # ruling 11
    elif filled.capacity == "disputed":
        found.flags.append("data_defect")
        latest = max((one.appointment for one in filled.tenures), key=lambda one: one.position)
        by = latest.fact.appointed_by or _superior(facts, post, at)
        who = _who_ordered(facts, latest, by, at, policy)
        found.add("management", "overlapping_appointments", who, by or post, *filled.events)
    elif not _incapacitated(facts, post, at, policy, found):
        _climb(facts, post, at, policy, found)


def _hop(facts: Facts, post: str, unit: str, filled: posts.Filled, found: _Found) -> None:
    own = posts.established(facts, post)
    reason = "acting_overdue" if filled.lapsed is not None else filled.capacity
    found.path.append(Hop(post, own.unit if own else unit, filled.effective, reason))
    found.basis.update(filled.events)


def _holder(  # noqa: PLR0913, PLR0917  (a holder, and all that qualifies them)
    facts: Facts, opened: Told, filled: posts.Filled, at: datetime, policy: Policy, found: _Found
) -> None:
    post, holder = opened.fact.post, filled.person
    assert holder is not None, "a holder is a person"
    service = posts.began(facts, post, filled.tenures[0])
    predecessors = [one for one in posts.tenures(facts, post) if one.start < service.start]
    if predecessors and _is_too_new(facts, opened, post, service, at, policy):
        # A transfer is a management act: who ordered it answers, both holders are noted (3).
        by = service.appointment.fact.appointed_by or _superior(facts, post, service.start)
        who = _who_ordered(facts, service.appointment, by, service.start, policy)
        found.add("direct", "ordered_the_change", who, by or post, service.appointment.id)
        found.add("noted", "appointed_too_late", holder, post, service.appointment.id)
        left = predecessors[-1]
        found.add("noted", "left_before_due", left.person, post, left.appointment.id, left.ended_by)
        return
    delegation = posts.delegation(facts, post, at, Power.REPORTING, policy)
    leave = posts.on_leave(facts, holder, at)
    if delegation is None:
        found.add("direct", "holder", holder, post, *filled.events)
        return
    lent = (delegation.id, *_answers(facts, delegation))
    if leave is None:
        found.add("direct", "holder", holder, post, *filled.events)
        found.add("noted", "delegate", delegation.fact.delegate, post, *lent)
        return
    delegate = delegation.fact.delegate  # ruling 6
    found.add("direct", "delegation_on_leave", delegate, post, *lent, leave.id)
    found.add("retained", "principal", holder, post, *filled.events)


def _answers(facts: Facts, delegation: Told) -> list[str]:
    kinds = (o.DelegationAccepted, o.DelegationDeclined, o.DelegationRevoked)
    return [one.id for one in facts.of(*kinds, delegation=delegation.fact.delegation)]


def _is_too_new(  # noqa: PLR0913, PLR0917  (a new holder, and what would make up for it)
    facts: Facts, opened: Told, post: str, service: posts.Tenure, at: datetime, policy: Policy
) -> bool:
    """Less than three working days in the post, and nothing handed over (rulings 3 and 4).

    Days are whole ones, before the day of the due; a signed handover lists the obligation.
    """
    for event in facts.of(o.HandoverCompleted, post=post, incoming=service.person):
        if event.effective_from <= at and opened.fact.obligation in event.fact.items:
            return False
    own = posts.established(facts, post)
    assert own is not None, "a post that is held was established"
    zone = units.zone_of(facts, own.unit)
    first, due_day = local_day(service.start, zone), local_day(at, zone)
    served = Calendar(facts).worked_between(first, due_day - ONE_DAY)
    return served < policy.short_tenure_working_days


def _who_ordered(
    facts: Facts, appointment: Told, by: str | None, at: datetime, policy: Policy
) -> str | None:
    """The person who ordered an appointment: who recorded it, or who was in the post that did."""
    if appointment.actor.person is not None:
        return appointment.actor.person
    return posts.filled(facts, by, at, policy).effective if by else None


def _superior(facts: Facts, post: str, at: datetime) -> str | None:
    step = posts.superior(facts, post, at)
    return step.post if step else None


def _incapacitated(facts: Facts, post: str, at: datetime, policy: Policy, found: _Found) -> bool:
    """Who died or fell incapable days before the due is excused, and nobody climbs (17)."""
    gap = posts.gap(facts, post, at)
    if gap is None or gap.last is None or gap.last.cause not in ("died", "incapacitated"):
        return False
    left = gap.last
    assert left.end is not None, "who died holds nothing any more"
    if at - left.end > timedelta(days=policy.incapacity_grace_days):
        return False
    found.flags.append("incapacitated")
    found.add("noted", left.cause or "", left.person, post, left.appointment.id, left.ended_by)
    return True


# --- R7: climb ----------------------------------------------------------------------------------


def _climb(facts: Facts, post: str, at: datetime, policy: Policy, found: _Found) -> None:
    """Hop by hop up the management line until somebody is effective (空岗承接)."""
    for step in posts.line(facts, post, at):
        filled = posts.filled(facts, step.post, at, policy)
        _hop(facts, step.post, found.path[0].unit, filled, found)
        found.basis.update(step.events)
        if filled.effective is not None:
            found.add("direct", "vacancy", filled.effective, step.post, *filled.events)
            break
    else:
        # At the top with nobody: the unit is named, and no natural person.
        found.flags.append("nobody_found")
        found.persons.append(Person("direct", "nobody_found", None, None, unit=found.path[0].unit))
    gap = posts.gap(facts, post, at)
    if gap is not None and gap.last is not None:  # ruling 2
        left = gap.last
        cited = (left.appointment.id, left.ended_by)
        found.add("noted", "left_the_post_empty", left.person, post, *cited)


# --- R8: management responsibility, on a stated ground only -------------------------------------


def _long_vacancy(facts: Facts, opened: Told, at: datetime, policy: Policy, found: _Found) -> None:
    """A vacancy of more than five working days without an interim (R8 a)."""
    post = opened.fact.post
    gap = posts.gap(facts, post, at)
    if gap is None or gap.since is None or "incapacitated" in found.flags:
        return
    if any(one.ground == "acting" for one in found.persons):
        return
    zone = units.zone_of(facts, opened.fact.unit)
    first = local_day(gap.since, zone) + ONE_DAY
    if Calendar(facts).worked_between(first, local_day(at, zone)) > policy.vacancy_working_days:
        found.flags.append("long_vacancy")
        _superior_answers(facts, post, at, "long_vacancy", (), policy, found)


def _deciders(  # noqa: PLR0913, PLR0917  (the reliefs, and who should have decided)
    facts: Facts,
    opened: Told,
    at: datetime,
    reliefs: list[Counted],
    policy: Policy,
    found: _Found,
) -> None:
    """A timely request that was not decided, or only when it was too late (R8 d)."""
    for one in reliefs:
        events = one.request.events
        if one.standing == "undecided":
            ground = "relief_undecided"
            _superior_answers(facts, opened.fact.post, at, ground, events, policy, found)
        elif one.standing == "refused_late" or (one.standing == "posterior" and one.asked_in_time):
            decided = one.request.decided
            assert decided is not None, "who decided late decided"
            by = getattr(decided.fact, "granted_by", None) or decided.fact.refused_by
            who = posts.filled(facts, by, at, policy).effective
            found.add("management", "relief_decided_late", who, by, *events)


def _superior_answers(  # noqa: PLR0913, PLR0917  (a ground, and where to look for who answers)
    facts: Facts,
    post: str,
    at: datetime,
    ground: str,
    events: tuple[str, ...],
    policy: Policy,
    found: _Found,
) -> None:
    for step in posts.line(facts, post, at):
        person = posts.filled(facts, step.post, at, policy).effective
        if person is not None:
            found.add("management", ground, person, step.post, *events, *step.events)
            return


def _issuer(facts: Facts, opened: Told, policy: Policy, found: _Found) -> None:
    """A duty issued too late is its issuer's own failure (ruling 59)."""
    for terms in expecting.terms_of(facts, opened.fact.duty):
        if expecting.revision_of(terms) == opened.fact.duty_revision:
            owner = terms.fact.owner
            who = posts.filled(facts, owner, terms.received_at, policy).effective
            found.add("management", "short_notice", who, owner, terms.id)
            return
