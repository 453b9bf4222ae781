"""How facts become dossiers of units, posts and persons: the one fold that everything uses.

Decisions, the verdict, projections and the bulk loader fold with these functions, so that no two
answers can differ. A fact about something that was never established folds to nothing.
"""

from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from ledger.entry import Event
from ledger.events import organisation as o
from ledger.events.calendar import CalendarLocalDaySet
from ledger.events.fact import Fact
from ledger.events.outlets import (
    OutletAbandoned,
    OutletOpened,
    OutletOpeningRescheduled,
    OutletPlanned,
)
from ledger.events.platform import ForceMajeureDeclared
from ledger.model.dossier import without
from ledger.model.organisation import dossiers as d
from ledger.vocabulary import PersonId, PersonRef


def fold_unit(row: d.Unit | None, event: Event, key: str) -> d.Unit | None:
    """The dossier of unit `key` after one more event that touches it."""
    fact = event.fact
    if isinstance(fact, o.UnitEstablished):
        return _unit_established(row, fact, event)
    if row is None:
        return None
    if isinstance(fact, o.FactAnnulled):
        left = without(row, fact.annulled)
        return row if left is row else replace(left, annulled_at=event.position)
    if isinstance(fact, o.UnitMerged) and key == fact.into:
        change = d.Absorbed(**_at(event), unit=fact.unit, duties=fact.duties)
        return replace(row, absorbed=(*row.absorbed, change))
    if isinstance(fact, o.SupportLineAttached | o.SupportLineDetached) and key != fact.unit:
        return row
    fold = _UNIT_FOLDS.get(type(fact))
    return fold(row, fact, event) if fold else row


def fold_post(row: d.Post | None, event: Event, key: str) -> d.Post | None:
    """The dossier of post `key` after one more event that touches it."""
    fact = event.fact
    if isinstance(fact, o.PostEstablished):
        return _post_established(row, fact, event)
    if row is None:
        return None
    if isinstance(fact, o.FactAnnulled):
        return without(row, fact.annulled)
    assert key == row.post, "a post fact touches one post"
    fold = _POST_FOLDS.get(type(fact))
    return fold(row, fact, event) if fold else row


def fold_person(row: d.Person | None, event: Event, key: str) -> d.Person | None:
    """The dossier of person `key` after one more event that touches it."""
    fact = event.fact
    if isinstance(fact, o.FactAnnulled):
        return without(row, fact.annulled) if row else None
    if isinstance(fact, o.HolderAppointed | o.ActingAppointed):
        return _filled(row, fact, event) if row else None
    fold = _PERSON_FOLDS.get(type(fact))
    if fold is None:
        return row
    return fold(row or d.Person(person=PersonId(PersonRef(key))), fact, event)


def _at(event: Event) -> dict[str, Any]:
    return {"event": event.id, "position": event.position, "at": event.effective_from}


def _during(event: Event) -> dict[str, Any]:
    return {
        "event": event.id,
        "position": event.position,
        "start": event.effective_from,
        "until": event.effective_until,
    }


def _unit_established(row: d.Unit | None, fact: o.UnitEstablished, event: Event) -> d.Unit:
    at = _at(event)
    named = d.Named(**at, name_zh=fact.name_zh, name_en=fact.name_en)
    placed = d.Placed(**at, parent=fact.parent)
    life = d.LifeChange(**at, change="established")
    if row is None:
        row = d.Unit(unit=fact.unit, level=fact.level)
    return replace(
        row,
        level=fact.level,
        kind=fact.kind,
        zone=fact.zone,
        names=(*row.names, named),
        parents=(*row.parents, placed),
        life=(*row.life, life),
    )


def _unit_renamed(row: d.Unit, fact: o.UnitRenamed, event: Event) -> d.Unit:
    named = d.Named(**_at(event), name_zh=fact.name_zh, name_en=fact.name_en)
    return replace(row, names=(*row.names, named))


def _unit_reparented(row: d.Unit, fact: o.UnitReparented, event: Event) -> d.Unit:
    placed = d.Placed(**_at(event), parent=fact.parent)
    return replace(row, parents=(*row.parents, placed))


def _life(change: d.UnitChange) -> Callable[[d.Unit, Fact, Event], d.Unit]:
    def fold(row: d.Unit, _fact: Fact, event: Event) -> d.Unit:
        return replace(row, life=(*row.life, d.LifeChange(**_at(event), change=change)))

    return fold


def _unit_merged(row: d.Unit, fact: o.UnitMerged, event: Event) -> d.Unit:
    change = d.LifeChange(**_at(event), change="merged", into=fact.into, duties=fact.duties)
    return replace(row, life=(*row.life, change))


def _supported(
    row: d.Unit, fact: o.SupportLineAttached | o.SupportLineDetached, event: Event
) -> d.Unit:
    attached = isinstance(fact, o.SupportLineAttached)
    change = d.Supported(**_at(event), supporter=fact.supporter, attached=attached)
    return replace(row, supporters=(*row.supporters, change))


def _local_day(row: d.Unit, fact: CalendarLocalDaySet, event: Event) -> d.Unit:
    day = d.LocalDay(**_at(event), day=fact.day, working=fact.working, document=fact.document)
    return replace(row, local_days=(*row.local_days, day))


def _force_majeure(row: d.Unit, fact: ForceMajeureDeclared, event: Event) -> d.Unit:
    stop = d.ForceMajeure(**_during(event), document=fact.document)
    return replace(row, force_majeure=(*row.force_majeure, stop))


def _outlet_change(row: d.Unit, event: Event, kind: d.OutletChangeKind, **more: Any) -> d.Unit:  # noqa: ANN401
    change = d.OutletChange(**_at(event), received_at=event.received_at, change=kind, **more)
    return replace(row, outlet=(*row.outlet, change))


def _outlet_abandoned(row: d.Unit, _fact: OutletAbandoned, event: Event) -> d.Unit:
    row = _outlet_change(row, event, "abandoned")
    return replace(row, life=(*row.life, d.LifeChange(**_at(event), change="abandoned")))


def _post_established(row: d.Post | None, fact: o.PostEstablished, event: Event) -> d.Post:
    at = _at(event)
    if row is None:
        row = d.Post(
            post=fact.post,
            unit=fact.unit,
            role=fact.role,
            title_zh=fact.title_zh,
            title_en=fact.title_en,
        )
    return replace(
        row,
        unit=fact.unit,
        role=fact.role,
        title_zh=fact.title_zh,
        title_en=fact.title_en,
        life=(*row.life, d.PostLifeChange(**at, change="established")),
        superiors=(*row.superiors, d.SuperiorSet(**at, superior=fact.superior)),
    )


def _post_abolished(row: d.Post, _fact: o.PostAbolished, event: Event) -> d.Post:
    return replace(row, life=(*row.life, d.PostLifeChange(**_at(event), change="abolished")))


def _superior_changed(row: d.Post, fact: o.PostSuperiorChanged, event: Event) -> d.Post:
    change = d.SuperiorSet(**_at(event), superior=fact.superior)
    return replace(row, superiors=(*row.superiors, change))


def _appointed(row: d.Post, fact: o.HolderAppointed, event: Event) -> d.Post:
    item = d.Appointment(
        **_during(event),
        person=fact.person,
        appointed_by=fact.appointed_by,
        appointed_by_person=event.actor.person,
    )
    return replace(row, appointments=(*row.appointments, item))


def _relieved(row: d.Post, fact: o.HolderRelieved, event: Event) -> d.Post:
    item = d.Relief(
        **_at(event),
        person=fact.person,
        cause=fact.cause,
    )
    return replace(row, reliefs=(*row.reliefs, item))


def _suspended(row: d.Post, fact: o.HolderSuspended | o.HolderReinstated, event: Event) -> d.Post:
    suspended = isinstance(fact, o.HolderSuspended)
    item = d.Suspension(**_at(event), person=fact.person, suspended=suspended)
    return replace(row, suspensions=(*row.suspensions, item))


def _acting(row: d.Post, fact: o.ActingAppointed, event: Event) -> d.Post:
    item = d.Acting(
        **_during(event),
        person=fact.person,
        appointed_by=fact.appointed_by,
        appointed_by_person=event.actor.person,
    )
    return replace(row, acting=(*row.acting, item))


def _acting_changed(row: d.Post, fact: o.ActingExtended | o.ActingEnded, event: Event) -> d.Post:
    item = d.ActingChange(
        **_at(event),
        person=fact.person,
        change="extended" if isinstance(fact, o.ActingExtended) else "ended",
        until=event.effective_until,
    )
    return replace(row, acting_changes=(*row.acting_changes, item))


def _delegated(row: d.Post, fact: o.DelegationGranted, event: Event) -> d.Post:
    item = d.Delegation(
        **_during(event),
        delegation=fact.delegation,
        principal=fact.principal,
        delegate=fact.delegate,
        powers=fact.powers,
    )
    return replace(row, delegations=(*row.delegations, item))


def _answered(answer: d.DelegationAnswerKind) -> Callable[[d.Post, Any, Event], d.Post]:
    def fold(row: d.Post, fact: Any, event: Event) -> d.Post:  # noqa: ANN401  (three fact types)
        item = d.DelegationAnswer(**_at(event), delegation=fact.delegation, answer=answer)
        return replace(row, delegation_answers=(*row.delegation_answers, item))

    return fold


def _handover_listed(row: d.Post, fact: o.HandoverItemListed, event: Event) -> d.Post:
    item = d.HandoverItem(
        **_at(event),
        obligation=fact.obligation,
        outgoing=fact.outgoing,
        incoming=fact.incoming,
    )
    return replace(row, handover_items=(*row.handover_items, item))


def _handover_completed(row: d.Post, fact: o.HandoverCompleted, event: Event) -> d.Post:
    item = d.Handover(
        **_at(event), outgoing=fact.outgoing, incoming=fact.incoming, items=fact.items
    )
    return replace(row, handovers=(*row.handovers, item))


def _registered(row: d.Person, fact: o.PersonRegistered, event: Event) -> d.Person:
    item = d.Registered(**_at(event), name=fact.name, number=fact.number, phone=fact.phone)
    return replace(row, registered=(*row.registered, item))


def _departed(row: d.Person, fact: o.PersonDeparted, event: Event) -> d.Person:
    item = d.Departure(**_at(event), cause=fact.cause)
    return replace(row, departures=(*row.departures, item))


def _leave(row: d.Person, fact: o.LeaveRecorded, event: Event) -> d.Person:
    item = d.Leave(**_during(event), kind=fact.kind, approved_by=fact.approved_by)
    return replace(row, leaves=(*row.leaves, item))


def _filled(row: d.Person, fact: o.HolderAppointed | o.ActingAppointed, event: Event) -> d.Person:
    item = d.Filled(**_at(event), post=fact.post)
    return replace(row, posts=(*row.posts, item))


_UNIT_FOLDS: Final[dict[type[Fact], Callable[[d.Unit, Any, Event], d.Unit]]] = {
    o.UnitRenamed: _unit_renamed,
    o.UnitReparented: _unit_reparented,
    o.UnitClosed: _life("closed"),
    o.UnitReopened: _life("reopened"),
    o.UnitSuspended: _life("suspended"),
    o.UnitResumed: _life("resumed"),
    o.UnitMerged: _unit_merged,
    o.SupportLineAttached: _supported,
    o.SupportLineDetached: _supported,
    CalendarLocalDaySet: _local_day,
    ForceMajeureDeclared: _force_majeure,
    OutletPlanned: lambda row, fact, event: _outlet_change(
        row, event, "planned", day=fact.planned_open
    ),
    OutletOpeningRescheduled: lambda row, fact, event: _outlet_change(
        row, event, "rescheduled", day=fact.planned_open
    ),
    OutletOpened: lambda row, fact, event: _outlet_change(
        row, event, "opened", day=fact.opened_on, corrects=fact.corrects
    ),
    OutletAbandoned: _outlet_abandoned,
}

_POST_FOLDS: Final[dict[type[Fact], Callable[[d.Post, Any, Event], d.Post]]] = {
    o.PostAbolished: _post_abolished,
    o.PostSuperiorChanged: _superior_changed,
    o.HolderAppointed: _appointed,
    o.HolderRelieved: _relieved,
    o.HolderSuspended: _suspended,
    o.HolderReinstated: _suspended,
    o.ActingAppointed: _acting,
    o.ActingExtended: _acting_changed,
    o.ActingEnded: _acting_changed,
    o.DelegationGranted: _delegated,
    o.DelegationAccepted: _answered("accepted"),
    o.DelegationDeclined: _answered("declined"),
    o.DelegationRevoked: _answered("revoked"),
    o.HandoverItemListed: _handover_listed,
    o.HandoverCompleted: _handover_completed,
}

_PERSON_FOLDS: Final[dict[type[Fact], Callable[[d.Person, Any, Event], d.Person]]] = {
    o.PersonRegistered: _registered,
    o.PersonDeparted: _departed,
    o.LeaveRecorded: _leave,
}

UNIT_FACTS: Final[frozenset[type[Fact]]] = frozenset({o.UnitEstablished, *_UNIT_FOLDS})
"""The facts that a unit's dossier is folded from, besides annulments of them."""

POST_FACTS: Final[frozenset[type[Fact]]] = frozenset({o.PostEstablished, *_POST_FOLDS})
"""The facts that a post's dossier is folded from, besides annulments of them."""

PERSON_FACTS: Final[frozenset[type[Fact]]] = frozenset(
    {*_PERSON_FOLDS, o.HolderAppointed, o.ActingAppointed}
)
"""The facts that a person's dossier is folded from, besides annulments of them."""
