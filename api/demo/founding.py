"""How the network comes into the ledger before the story begins: people, units, posts, demands.

What existed before is recorded on the eve of the first day, in force from when it began.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from api.demo.duties import FORMS, duties
from api.demo.network import Network, OutletPlan, PostPlan, UnitPlan
from api.demo.scales import Scale
from api.demo.story import Act, midnight
from ledger.calendar_seed import seeded_calendar
from ledger.decisions.calendar import PublishCalendar
from ledger.decisions.organisation.holders import AppointHolder
from ledger.decisions.organisation.people import RegisterPerson
from ledger.decisions.organisation.posts import EstablishPost
from ledger.decisions.organisation.units import AttachSupport, EstablishUnit
from ledger.decisions.outlets import OpenOutlet, PlanOutlet
from ledger.sealed import Personal, SealedStore
from ledger.vocabulary import PersonId, Sealed

EVE: Final = timedelta(days=2)
SEALED_AT_ONCE: Final = 9_000
ANNOUNCED: Final = {2024: (2023, 10, 25), 2025: (2024, 11, 12), 2026: (2025, 11, 4)}
"""When the holidays of a year were announced; 2027's are not, in the story."""

VALUES_A_PERSON: Final = 3


def eve(scale: Scale) -> datetime:
    """The instant of the founding: nothing is recorded before it."""
    return midnight(scale.first_day) - EVE + timedelta(hours=9)


def seal(network: Network, store: SealedStore) -> dict[PersonId, list[Sealed]]:
    """Everybody's name, number and phone, sealed before any entry cites them."""
    people = list(network.people.items())
    found: dict[PersonId, list[Sealed]] = {}
    step = SEALED_AT_ONCE // VALUES_A_PERSON
    for place in range(0, len(people), step):
        part = people[place : place + step]
        values = [
            Personal(person, field, value, findable=field == "number")
            for person, one in part
            for field, value in (("name", one.name), ("number", one.number), ("phone", one.phone))
        ]
        sealed = store.seal_many(values)
        for index, (person, _) in enumerate(part):
            found[person] = sealed[index * VALUES_A_PERSON : (index + 1) * VALUES_A_PERSON]
    return found


def founding(network: Network, scale: Scale, sealed: dict[PersonId, list[Sealed]]) -> Iterator[Act]:
    """Everything on the eve, in order; and what of it comes later, at its own instant."""
    at = eve(scale)
    yield from _calendars(at)
    for person, (name, number, phone) in sealed.items():
        yield Act(at=at, do=RegisterPerson(person=person, name=name, number=number, phone=phone))
    for unit in network.units:
        yield from _unit(unit, at)
    for post in network.posts.values():
        yield from _post(post, at)
    for outlet in network.outlets.values():
        yield from _outlet(outlet, scale, at)
    for form in FORMS:
        yield Act(at=at, do=form)
    for duty in duties(scale):
        yield Act(at=at, do=duty)


def _calendars(at: datetime) -> Iterator[Act]:
    for year, (announced_year, month, day) in ANNOUNCED.items():
        command = seeded_calendar(year)
        assert isinstance(command, PublishCalendar), f"{year} is announced"
        announced = midnight(at.date().replace(announced_year, month, day))
        yield Act(at=max(at, announced + timedelta(hours=15)), do=command)


def _unit(plan: UnitPlan, at: datetime) -> Iterator[Act]:
    founded = midnight(plan.founded)
    establish = EstablishUnit(
        unit=plan.unit,
        level=plan.level,
        name_zh=plan.name_zh,
        name_en=plan.name_en,
        parent=plan.parent,
        kind=plan.kind,
        effective_from=founded,
    )
    yield Act(at=at, do=establish)
    if plan.supporter is not None:
        attach = AttachSupport(unit=plan.unit, supporter=plan.supporter, effective_from=founded)
        yield Act(at=at, do=attach)


def _post(plan: PostPlan, at: datetime) -> Iterator[Act]:
    since = midnight(plan.since)
    told = max(at, since - timedelta(hours=15))
    establish = EstablishPost(
        post=plan.post,
        unit=plan.unit,
        role=plan.role,
        title_zh=plan.title_zh,
        title_en=plan.title_en,
        effective_from=since,
    )
    yield Act(at=told, do=establish)
    if plan.person is not None:
        appoint = AppointHolder(post=plan.post, person=plan.person, effective_from=since)
        yield Act(at=told, do=appoint)


def _outlet(plan: OutletPlan, scale: Scale, at: datetime) -> Iterator[Act]:
    if plan.opened_on is not None and plan.opened_on < scale.first_day:
        yield Act(at=at, do=OpenOutlet(unit=plan.unit, opened_on=plan.opened_on))
        return
    known = midnight(min(plan.planned_open, scale.first_day) - timedelta(days=300))
    planned = PlanOutlet(unit=plan.unit, planned_open=plan.planned_open, effective_from=known)
    yield Act(at=at, do=planned)
