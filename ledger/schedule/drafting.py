"""The clock's facts, worded; their ids derive from what they say, so that two clocks agree.

An id is a UUID (version 8) from SHA-256 over (type, obligation, due): a clock that runs twice,
late, or in two processes asks for the same facts under the same ids, and each is recorded once.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec

from ledger.entry import Context, Draft
from ledger.events import duties as d
from ledger.events.fact import Fact
from ledger.events.organisation import FactAnnulled
from ledger.model.expectation import Demand
from ledger.model.obligations import Cancellation, Obligation
from ledger.vocabulary import Actor, EventId, Line, ObligationId, Via

CLOCK: Final = Actor(via=Via.CLOCK, system="clock")

_VERSION_8: Final = 0x8 << 76
_VARIANT: Final = 0x2 << 62
_FREE_BITS: Final = ~((0xF << 76) | (0x3 << 62))


class Planned(msgspec.Struct, frozen=True):
    """Facts to record together, as of the instant `at`; which obligations they are about."""

    at: datetime
    drafts: tuple[Draft, ...]
    obligations: tuple[ObligationId, ...]


def clock_context(at: datetime) -> Context:
    """In whose name the clock records, and as of when."""
    return Context(actor=CLOCK, received_at=at, new_id=_no_new_id)


def derived_id(topic: str, subject: str, due: datetime | None = None, occurrence: int = 0) -> UUID:
    """The id of the `occurrence`th fact of this type about this subject and due."""
    instant = due.astimezone(UTC).isoformat() if due else ""
    words = [topic, subject, instant, str(occurrence)]
    digest = hashlib.sha256("\n".join(words).encode()).digest()
    number = int.from_bytes(digest[:16], "big")
    return UUID(int=number & _FREE_BITS | _VERSION_8 | _VARIANT)


def obligations_of(drafts: Iterable[Draft]) -> tuple[ObligationId, ...]:
    """The obligations that drafts are about, each once."""
    found: dict[ObligationId, None] = {}
    for draft in drafts:
        for tag in draft.extra_tags:
            found[ObligationId(tag.removeprefix("obligation:"))] = None
        for name in ("obligation", "replaced_by"):
            if (about := getattr(draft.fact, name, None)) is not None:
                found[about] = None
    return tuple(found)


def opened(fact: d.ObligationOpened, demand: Demand) -> Draft:
    """`obligation.opened`, which cites the demand's duty, assignment and calendar."""
    return Draft(
        fact=fact,
        event_id=derived_id(fact.TOPIC, fact.obligation),
        line=Line.SYSTEM,
        basis=demand.basis,
        rule_version=fact.rules,
    )


def cancelled(
    row: Obligation, at: datetime, cause: str, replaced_by: ObligationId | None = None
) -> Draft:
    """`obligation.cancelled`; it may be reinstated and cancelled anew, so the instant counts."""
    fact = d.ObligationCancelled(obligation=row.obligation, cause=cause, replaced_by=replaced_by)
    return _about(row, fact, derived_id(fact.TOPIC, row.obligation, at))


def reinstated(row: Obligation, gone: Cancellation) -> Draft:
    """`fact.annulled`: a cancellation that later facts proved wrong, before its due."""
    fact = FactAnnulled(annulled=gone.event, annulled_type=d.ObligationCancelled.TOPIC)
    return Draft(
        fact=fact,
        event_id=derived_id(fact.TOPIC, gone.event),
        extra_tags=(f"obligation:{row.obligation}",),
        line=Line.SYSTEM,
        basis=(gone.event,),
    )


def due_revised(row: Obligation, due: datetime, cause: str, document: str | None) -> Draft:
    """`obligation.due_revised`, always to a later due."""
    fact = d.ObligationDueRevised(
        obligation=row.obligation, due=due, cause=cause, document=document
    )
    return _about(row, fact, derived_id(fact.TOPIC, row.obligation, due))


def due_confirmed(
    row: Obligation, due: datetime, revision: int, basis: tuple[EventId, ...]
) -> Draft:
    """`obligation.due_confirmed`: the year was published, and the due is definite now (39)."""
    fact = d.ObligationDueConfirmed(obligation=row.obligation, due=due, calendar_revision=revision)
    return _about(row, fact, derived_id(fact.TOPIC, row.obligation, due), basis)


def missed(row: Obligation, due: datetime) -> Draft:
    """`obligation.missed`, in force from the due; counted on where it was withdrawn before."""
    fact = d.ObligationMissed(obligation=row.obligation, post=row.post, due=due)
    occurrence = sum(one.due == due for one in row.notices)
    return _about(
        row, fact, derived_id(fact.TOPIC, row.obligation, due, occurrence), effective_from=due
    )


def miss_withdrawn(row: Obligation, due: datetime, cause: str) -> Draft:
    """`obligation.miss_withdrawn`: later facts proved the notice of this due wrong."""
    fact = d.ObligationMissWithdrawn(obligation=row.obligation, post=row.post, due=due, cause=cause)
    occurrence = sum(one.due == due for one in row.notices)
    return _about(row, fact, derived_id(fact.TOPIC, row.obligation, due, occurrence))


def _about(
    row: Obligation,
    fact: Fact,
    event_id: UUID,
    basis: tuple[EventId, ...] = (),
    effective_from: datetime | None = None,
) -> Draft:
    return Draft(
        fact=fact,
        event_id=event_id,
        line=Line.SYSTEM,
        basis=(row.event, *basis),
        effective_from=effective_from,
        rule_version=row.rules,
    )


def _no_new_id() -> UUID:
    message = "the clock derives every id; a random one would be recorded twice"
    raise AssertionError(message)
