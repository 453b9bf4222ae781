"""What changes in the network beyond the planted cases: openings, transfers, leave, closings.

One seeded source decides; shares are per outlet and story. The outlets of the planted cases are
left alone. Read next: `simulation.py`.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from api.demo.network import Network, OutletPlan, post_of
from api.demo.scales import Scale
from api.demo.story import Act, midnight
from ledger.decisions.calendar import UNITS_MAX, SetLocalDay
from ledger.decisions.organisation.acting import AppointActing
from ledger.decisions.organisation.delegations import AcceptDelegation, GrantDelegation
from ledger.decisions.organisation.holders import AppointHolder, RelieveHolder
from ledger.decisions.organisation.people import RecordLeave
from ledger.decisions.organisation.units import CloseUnit, ResumeUnit, SuspendUnit
from ledger.decisions.outlets import OpenOutlet, RescheduleOpening
from ledger.vocabulary import DelegationId, PersonId, PostId, Power, UnitId

POSTPONED_SHARE: Final = 0.15
TRANSFER_SHARE: Final = 0.07
GAP_SHARE: Final = 0.35
INTERIM_SHARE: Final = 0.5
BACKDATED_SHARE: Final = 0.2
LEAVE_SHARE: Final = 0.05
ACCEPTED_SHARE: Final = 0.8
CLOSING_SHARE: Final = 0.008
SUSPENSION_SHARE: Final = 0.008

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

TYPHOONS: Final = (
    (date(2026, 7, 17), "B44", "粤防〔2026〕23号"),
    (date(2026, 8, 21), "B35", "闽防汛〔2026〕41号"),
    (date(2026, 9, 11), "B33", "浙防指〔2026〕36号"),
)
"""Stop-work days (made up): day, branch, document."""


def changes(network: Network, scale: Scale, seed: int) -> Iterator[Act]:
    """Everything that changes during the story, in no particular order."""
    random = Random(f"year-{seed}")  # noqa: S311
    for plan in network.outlets.values():
        yield from _opening(plan, network, scale, random)
        if plan.in_focus:
            continue
        if plan.opened_on is not None and plan.opened_on < scale.first_day:
            yield from _life(plan.unit, network, scale, random)
    for day, branch, document in TYPHOONS:
        yield from _typhoon(network, scale, day, branch, document)


def _some_day(scale: Scale, random: Random, before_end: int = 45) -> datetime:
    """A midnight within the story, so many days before its end."""
    days = (scale.last_day - scale.first_day).days - before_end
    return midnight(scale.first_day + timedelta(days=random.randint(5, days)))


def _opening(plan: OutletPlan, network: Network, scale: Scale, random: Random) -> Iterator[Act]:
    by = network.superior_of(post_of(plan.unit))
    opened = plan.opened_on
    if opened is None:
        if not plan.in_focus and random.random() < POSTPONED_SHARE:
            later = plan.planned_open + timedelta(days=random.choice((31, 61, 92)))
            do = RescheduleOpening(unit=plan.unit, planned_open=later, by=by)
            yield Act(at=_some_day(scale, random) + 11 * HOUR, do=do, post=by, may_be_refused=True)
        return
    if opened >= scale.first_day:
        do_open = OpenOutlet(unit=plan.unit, opened_on=opened, by=by)
        yield Act(at=midnight(opened) + 9 * HOUR, do=do_open, post=by)


def _life(unit: UnitId, network: Network, scale: Scale, random: Random) -> Iterator[Act]:
    by = network.superior_of(post_of(unit))
    lot = random.random()
    if lot < TRANSFER_SHARE:
        yield from _transfer(unit, network, scale, random, by)
    elif (lot := lot - TRANSFER_SHARE) < LEAVE_SHARE:
        yield from _leave(unit, network, scale, random, by)
    elif (lot := lot - LEAVE_SHARE) < CLOSING_SHARE:
        at = _some_day(scale, random)
        told = at + DAY * random.choice((-3, -2, -1, 6)) + 10 * HOUR
        closing = CloseUnit(unit=unit, effective_from=at, by=by)
        yield Act(at=told, do=closing, post=by, may_be_refused=True)
    elif lot - CLOSING_SHARE < SUSPENSION_SHARE:
        at = _some_day(scale, random)
        suspend = SuspendUnit(unit=unit, effective_from=at, by=by)
        yield Act(at=at - 14 * HOUR, do=suspend, post=by, may_be_refused=True)
        again = at + DAY * random.randint(10, 40)
        resume = ResumeUnit(unit=unit, effective_from=again, by=by)
        yield Act(at=again - 14 * HOUR, do=resume, post=by, may_be_refused=True)


def _transfer(
    unit: UnitId, network: Network, scale: Scale, random: Random, by: PostId
) -> Iterator[Act]:
    """A new head, at once or after a gap; some gaps have an interim, some are told late."""
    post = post_of(unit)
    leaver = network.posts[post].person
    assert leaver is not None, "every head is held when the story begins"
    leaves = _some_day(scale, random)
    gap = DAY * random.randint(2, 60) if random.random() < GAP_SHARE else timedelta(0)
    late = DAY * random.randint(3, 12) if random.random() < BACKDATED_SHARE else timedelta(0)
    told = leaves - 14 * HOUR + late
    cause = random.choice(("transferred", "transferred", "promoted", "resigned"))
    relieve = RelieveHolder(post=post, person=leaver, effective_from=leaves, cause=cause, by=by)
    yield Act(at=told, do=relieve, post=by, may_be_refused=True)
    if gap and random.random() < INTERIM_SHARE:
        interim = AppointActing(
            post=post,
            person=_deputy(unit, network),
            effective_from=leaves,
            effective_until=leaves + gap,
            by=by,
        )
        yield Act(at=told + HOUR, do=interim, post=by, may_be_refused=True)
    begins = leaves + gap
    appoint = AppointHolder(post=post, person=network.new_person(), effective_from=begins, by=by)
    yield Act(at=max(told, begins - 15 * HOUR) + HOUR, do=appoint, post=by, may_be_refused=True)


def _deputy(unit: UnitId, network: Network) -> PersonId:
    """Who stands in: the clerk, or a coach of the sub-branch, where there is one."""
    clerk = network.posts.get(post_of(unit, "clerk"))
    person = clerk.person if clerk else None
    return person or network.new_person()


def _leave(
    unit: UnitId, network: Network, scale: Scale, random: Random, by: PostId
) -> Iterator[Act]:
    """Some weeks of leave; the clerk is offered the reporting, and mostly accepts."""
    post, clerk = post_of(unit), post_of(unit, "clerk")
    absent = network.posts[post].person
    assert absent is not None, "every head is held when the story begins"
    begins = _some_day(scale, random)
    until = begins + DAY * random.randint(5, 20)
    leave = RecordLeave(
        person=absent, kind="annual", effective_from=begins, effective_until=until, by=by
    )
    told = begins - 3 * DAY + 10 * HOUR
    yield Act(at=told, do=leave, post=by, may_be_refused=True)
    stand_in = network.posts.get(clerk)
    if stand_in is None or stand_in.person is None:
        return
    delegation = DelegationId(f"leave-{unit}")
    granted = GrantDelegation(
        post=post,
        delegate=stand_in.person,
        powers=(Power.REPORTING,),
        effective_from=begins,
        effective_until=until,
        delegation=delegation,
    )
    yield Act(at=told + HOUR, do=granted, post=post, may_be_refused=True)
    if random.random() < ACCEPTED_SHARE:
        answer = AcceptDelegation(post=post, delegation=delegation)
        yield Act(at=told + 5 * HOUR, do=answer, post=clerk, may_be_refused=True)


def _typhoon(
    network: Network, scale: Scale, day: date, branch: str, document: str
) -> Iterator[Act]:
    below = {one.unit for one in network.units if one.parent == branch}
    struck = [
        plan.unit
        for plan in network.outlets.values()
        if plan.opened_on is not None
        and plan.opened_on < scale.first_day
        and network.parents[plan.unit] in below
    ]
    for place in range(0, len(struck), UNITS_MAX):
        units = tuple(struck[place : place + UNITS_MAX])
        stop = SetLocalDay(units=units, day=day, working=False, document=document)
        yield Act(at=midnight(day) + 6 * HOUR, do=stop)
