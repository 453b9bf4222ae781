"""What an entry is: a fact in its envelope, before (`Draft`) and after (`Event`) recording.

The envelope says when it was received, in force, by whom, on whose behalf, why, and on what
evidence; the database adds the position and `recorded_at`. Read next: `ledger/codec.py`.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import msgspec
from eventsourcing.dcb.domain import Tagged

from ledger.events.fact import Fact
from ledger.vocabulary import Actor, EventId, Evidence, Line, OnBehalfOf, Reason, Source


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything an entry says about its fact; instants are UTC."""

    id: EventId
    received_at: datetime
    actor: Actor
    effective_from: datetime | None = None
    effective_until: datetime | None = None
    on_behalf_of: OnBehalfOf | None = None
    line: Line | None = None
    causation_id: EventId | None = None
    correlation_id: EventId | None = None
    idempotency_key: str | None = None
    reason: Reason | None = None
    evidence: tuple[Evidence, ...] = ()
    source: Source | None = None
    basis: tuple[EventId, ...] = ()
    rule_version: int | None = None


class Event(Tagged[Fact]):
    """A recorded fact: where it stands, when it was recorded, and its envelope."""

    __slots__ = ("_stated", "decision", "position", "recorded_at", "tags")

    def __init__(
        self,
        fact: Fact,
        envelope: Envelope,
        tags: list[str],
        position: int,
        recorded_at: datetime,
    ) -> None:
        self.decision = fact
        self.tags = tags
        # Where an entry was decoded, this is all of it: what an envelope says, and more.
        self._stated = envelope
        self.position = position
        self.recorded_at = recorded_at

    @property
    def fact(self) -> Fact:
        """What happened."""
        return self.decision

    @property
    def envelope(self) -> Envelope:
        """Everything that the entry says about the fact, and nothing else."""
        stated = self._stated
        if type(stated) is not Envelope:
            said = {name: getattr(stated, name) for name in Envelope.__struct_fields__}
            stated = self._stated = Envelope(**said)
        return stated

    @property
    def id(self) -> EventId:
        """The event's permanent id."""
        return self._stated.id

    @property
    def type(self) -> str:
        """The fact's permanent dotted name."""
        return self.decision.TOPIC

    @property
    def received_at(self) -> datetime:
        """When the gate received it: lateness is judged by this."""
        return self._stated.received_at

    @property
    def effective_from(self) -> datetime:
        """From when it holds in the world: as stated, or when it was received."""
        return self._stated.effective_from or self._stated.received_at

    @property
    def effective_until(self) -> datetime | None:
        """Until when it holds in the world (exclusive), where stated."""
        return self._stated.effective_until

    @property
    def actor(self) -> Actor:
        """Who did it."""
        return self._stated.actor

    @property
    def reason(self) -> Reason | None:
        """Why, where a reason is demanded."""
        return self._stated.reason

    @property
    def on_behalf_of(self) -> OnBehalfOf | None:
        """For which post, when the actor's own post does not owe."""
        return self._stated.on_behalf_of

    @property
    def source(self) -> Source | None:
        """Where it was first written down, where it was not entered at the gate."""
        return self._stated.source

    def __repr__(self) -> str:
        return f"Event({self.position}, {self.fact!r})"


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A fact that a decision wants recorded, with what it says beyond its context."""

    fact: Fact
    extra_tags: tuple[str, ...] = ()
    effective_from: datetime | None = None
    effective_until: datetime | None = None
    on_behalf_of: OnBehalfOf | None = None
    line: Line | None = None
    reason: Reason | None = None
    evidence: tuple[Evidence, ...] = ()
    source: Source | None = None
    basis: tuple[EventId, ...] = ()
    rule_version: int | None = None
    event_id: UUID | None = None
    causation_id: EventId | None = None
    correlation_id: EventId | None = None


class Access(msgspec.Struct, frozen=True):
    """What the caller's key allows: a role, below a unit (None: the whole ledger)."""

    role: str
    unit: str | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and when the gate received it; ids come from here so that decisions stay pure."""

    actor: Actor
    received_at: datetime
    new_id: Callable[[], UUID]
    access: Access | None = None
    source: Source | None = None


def envelope_of(draft: Draft, context: Context, key: str | None = None) -> Envelope:
    """The envelope of a draft decided in a context."""
    return Envelope(
        id=EventId(str(draft.event_id or context.new_id())),
        received_at=context.received_at,
        actor=context.actor,
        effective_from=draft.effective_from,
        effective_until=draft.effective_until,
        on_behalf_of=draft.on_behalf_of,
        line=draft.line,
        causation_id=draft.causation_id,
        correlation_id=draft.correlation_id,
        idempotency_key=key,
        reason=draft.reason,
        evidence=draft.evidence,
        source=draft.source or context.source,
        basis=draft.basis,
        rule_version=draft.rule_version,
    )


def tags_of(draft: Draft) -> list[str]:
    """Every entity that the draft concerns, each once."""
    tags = draft.fact.tags()
    named = (f"attachment:{one.sha256}" for one in draft.evidence)
    tags.extend(tag for tag in (*draft.extra_tags, *named) if tag not in tags)
    return tags
