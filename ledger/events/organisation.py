"""Units, posts, people, and who holds what: the management line and the dotted support line.

Every fact here is effective-dated: the envelope's `effective_from` (absent: when received) says
when it holds in the world, `recorded_at` when the ledger learnt of it.
"""

from typing import ClassVar

from ledger.events.fact import Fact
from ledger.vocabulary import (
    DelegationId,
    DutyRef,
    EventId,
    Level,
    ObligationId,
    PersonId,
    PersonRef,
    PostId,
    PostRef,
    Power,
    Sealed,
    UnitId,
    UnitKind,
    UnitRef,
)

DEFAULT_ZONE = "Asia/Shanghai"


class OrganisationFact(Fact, frozen=True, kw_only=True):
    """A fact that says what a unit, post or person is."""

    DOSSIERS: ClassVar[tuple[str, ...]] = ("unit", "post", "person")


class UnitEstablished(OrganisationFact, frozen=True, kw_only=True):
    """A unit exists from now on, under its parent; an outlet may exist long before it opens."""

    TOPIC: ClassVar[str] = "unit.established"
    unit: UnitId
    level: Level
    name_zh: str
    name_en: str
    parent: UnitRef | None = None
    kind: UnitKind = UnitKind.LINE
    zone: str = DEFAULT_ZONE


class UnitRenamed(OrganisationFact, frozen=True, kw_only=True):
    """A unit goes by another name."""

    TOPIC: ClassVar[str] = "unit.renamed"
    unit: UnitId
    name_zh: str
    name_en: str


class UnitReparented(OrganisationFact, frozen=True, kw_only=True):
    """A unit moved under another parent on the management line."""

    TOPIC: ClassVar[str] = "unit.reparented"
    unit: UnitId
    parent: UnitRef


class UnitClosed(OrganisationFact, frozen=True, kw_only=True):
    """A unit ceased to exist at `effective_from`."""

    TOPIC: ClassVar[str] = "unit.closed"
    unit: UnitId


class UnitReopened(OrganisationFact, frozen=True, kw_only=True):
    """A closed unit exists again."""

    TOPIC: ClassVar[str] = "unit.reopened"
    unit: UnitId


class UnitSuspended(OrganisationFact, frozen=True, kw_only=True):
    """A unit is not working for a time; it is not expected to report meanwhile."""

    TOPIC: ClassVar[str] = "unit.suspended"
    unit: UnitId


class UnitResumed(OrganisationFact, frozen=True, kw_only=True):
    """A suspended unit works again."""

    TOPIC: ClassVar[str] = "unit.resumed"
    unit: UnitId


class UnitMerged(OrganisationFact, frozen=True, kw_only=True):
    """A unit was absorbed; only the duties listed pass to the absorbing unit (ruling 35)."""

    TOPIC: ClassVar[str] = "unit.merged"
    unit: UnitId
    into: UnitId
    duties: tuple[DutyRef, ...] = ()


class SupportLineAttached(OrganisationFact, frozen=True, kw_only=True):
    """A support unit coaches and supports a unit; it never holds it to account."""

    TOPIC: ClassVar[str] = "support_line.attached"
    unit: UnitId
    supporter: UnitId


class SupportLineDetached(OrganisationFact, frozen=True, kw_only=True):
    """A support unit no longer supports a unit."""

    TOPIC: ClassVar[str] = "support_line.detached"
    unit: UnitId
    supporter: UnitId


class PersonRegistered(OrganisationFact, frozen=True, kw_only=True):
    """A person is known to the ledger by a random id; what identifies them is sealed."""

    TOPIC: ClassVar[str] = "person.registered"
    person: PersonId
    name: Sealed
    number: Sealed | None = None
    phone: Sealed | None = None


class PersonDeparted(OrganisationFact, frozen=True, kw_only=True):
    """A person left the company (`resigned`, `retired`, `died`, `incapacitated`, `dismissed`)."""

    TOPIC: ClassVar[str] = "person.departed"
    person: PersonId
    cause: str


class PostEstablished(OrganisationFact, frozen=True, kw_only=True):
    """A post exists in a unit; `role` is what duties name (`head`, `clerk`, `coach` ...).

    Without `superior`, the line is structural: a head answers to the head of the parent unit,
    every other post to the head of its own unit.
    """

    TOPIC: ClassVar[str] = "post.established"
    post: PostId
    unit: UnitId
    role: str
    title_zh: str
    title_en: str
    superior: PostRef | None = None


class PostAbolished(OrganisationFact, frozen=True, kw_only=True):
    """A post exists no longer."""

    TOPIC: ClassVar[str] = "post.abolished"
    post: PostId


class PostSuperiorChanged(OrganisationFact, frozen=True, kw_only=True):
    """A post answers to another post; None returns it to the structural line."""

    TOPIC: ClassVar[str] = "post.superior_changed"
    post: PostId
    superior: PostRef | None = None


class HolderAppointed(OrganisationFact, frozen=True, kw_only=True):
    """A person holds a post from `effective_from`, until `effective_until` or relieved."""

    TOPIC: ClassVar[str] = "holder.appointed"
    post: PostId
    person: PersonId
    appointed_by: PostRef | None = None


class HolderRelieved(OrganisationFact, frozen=True, kw_only=True):
    """A person no longer holds a post, from `effective_from` on."""

    TOPIC: ClassVar[str] = "holder.relieved"
    post: PostId
    person: PersonId
    cause: str = "transferred"


class HolderSuspended(OrganisationFact, frozen=True, kw_only=True):
    """A holder may not exercise a post for now; an acting appointee would be effective."""

    TOPIC: ClassVar[str] = "holder.suspended"
    post: PostId
    person: PersonId


class HolderReinstated(OrganisationFact, frozen=True, kw_only=True):
    """A suspended holder exercises the post again."""

    TOPIC: ClassVar[str] = "holder.reinstated"
    post: PostId
    person: PersonId


class ActingAppointed(OrganisationFact, frozen=True, kw_only=True):
    """An interim holder (临时负责人), put in place by the line for a stated time."""

    TOPIC: ClassVar[str] = "acting.appointed"
    post: PostId
    person: PersonId
    appointed_by: PostRef


class ActingExtended(OrganisationFact, frozen=True, kw_only=True):
    """An interim appointment lasts until `effective_until`; the ceiling still applies."""

    TOPIC: ClassVar[str] = "acting.extended"
    post: PostId
    person: PersonId


class ActingEnded(OrganisationFact, frozen=True, kw_only=True):
    """An interim appointment ended."""

    TOPIC: ClassVar[str] = "acting.ended"
    post: PostId
    person: PersonId


class DelegationGranted(OrganisationFact, frozen=True, kw_only=True):
    """A holder offers another person some powers of the post; it counts once accepted."""

    TOPIC: ClassVar[str] = "delegation.granted"
    delegation: DelegationId
    post: PostId
    principal: PersonRef
    delegate: PersonId
    powers: tuple[Power, ...]


class DelegationAccepted(OrganisationFact, frozen=True, kw_only=True):
    """The delegate accepts: from now on the powers are theirs (rulings 6 and 7)."""

    TOPIC: ClassVar[str] = "delegation.accepted"
    delegation: DelegationId
    post: PostId
    delegate: PersonId


class DelegationDeclined(OrganisationFact, frozen=True, kw_only=True):
    """The delegate does not accept."""

    TOPIC: ClassVar[str] = "delegation.declined"
    delegation: DelegationId
    post: PostId
    delegate: PersonId


class DelegationRevoked(OrganisationFact, frozen=True, kw_only=True):
    """The principal takes the powers back."""

    TOPIC: ClassVar[str] = "delegation.revoked"
    delegation: DelegationId
    post: PostId
    delegate: PersonId


class LeaveRecorded(OrganisationFact, frozen=True, kw_only=True):
    """A person is on approved leave during `[effective_from, effective_until)`."""

    TOPIC: ClassVar[str] = "leave.recorded"
    person: PersonId
    kind: str
    approved_by: PostRef | None = None


class HandoverItemListed(OrganisationFact, frozen=True, kw_only=True):
    """An open obligation is listed in the handover of a post (ruling 4)."""

    TOPIC: ClassVar[str] = "handover.item_listed"
    post: PostId
    obligation: ObligationId
    outgoing: PersonRef
    incoming: PersonRef


class HandoverCompleted(OrganisationFact, frozen=True, kw_only=True):
    """The incoming holder signed for the obligations listed."""

    TOPIC: ClassVar[str] = "handover.completed"
    post: PostId
    outgoing: PersonRef
    incoming: PersonId
    items: tuple[ObligationId, ...] = ()


class FactAnnulled(Fact, frozen=True, kw_only=True):
    """A fact was entered by mistake; it counts for nothing from here on, and stays in the log.

    `tags` of the entry repeat those of the annulled fact, so that it is in the same histories.
    """

    TOPIC: ClassVar[str] = "fact.annulled"
    annulled: EventId
    annulled_type: str
