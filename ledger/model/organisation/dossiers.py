"""The rows of the organisation: a unit, a post, a person, with all their effective-dated changes.

A dossier keeps every change that is not annulled, in the order recorded, and resolves none of
them: a question is asked at a business instant and orders the changes by (effective instant,
position), so that a fact recorded late needs no special case. Every change carries the event
that made it, because verdicts cite it. Intervals are half-open; instants are UTC.
Read next: `folding.py` (how facts become dossiers), then `questions.py`.
Rows hold no cycles, so the garbage collector is told not to look (`gc=False`): hundreds of
thousands of them stay in memory.
"""

from datetime import date, datetime
from typing import Literal

import msgspec

from ledger.events.organisation import DEFAULT_ZONE
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

UnitChange = Literal[
    "established", "closed", "reopened", "suspended", "resumed", "merged", "abandoned"
]
PostChange = Literal["established", "abolished"]
OutletChangeKind = Literal["planned", "rescheduled", "opened", "abandoned"]
ActingChangeKind = Literal["extended", "ended"]
DelegationAnswerKind = Literal["accepted", "declined", "revoked"]


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One change: the event that made it, its place in the log, from when it holds."""

    event: EventId
    position: int
    at: datetime


class Interval(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What an event says to hold during `[start, until)`, for ever if `until` is None."""

    event: EventId
    position: int
    start: datetime
    until: datetime | None = None

    def covers(self, at: datetime) -> bool:
        """Whether `at` lies in the interval as stated; what ended it early is in other items."""
        return self.start <= at and (self.until is None or at < self.until)


class Named(Item, frozen=True, kw_only=True, omit_defaults=True):
    """The unit goes by these names from `at` on."""

    name_zh: str
    name_en: str


class Placed(Item, frozen=True, kw_only=True, omit_defaults=True):
    """The unit stands under `parent` on the management line from `at` on; None: it is the top."""

    parent: UnitRef | None = None


class LifeChange(Item, frozen=True, kw_only=True, omit_defaults=True):
    """The unit began, paused, or ended at `at`; a merger names the absorber and what passes."""

    change: UnitChange
    into: UnitRef | None = None
    duties: tuple[DutyRef, ...] = ()


class Absorbed(Item, frozen=True, kw_only=True, omit_defaults=True):
    """This unit absorbed `unit` at `at`, and took over the duties listed (ruling 35)."""

    unit: UnitRef
    duties: tuple[DutyRef, ...] = ()


class OutletChange(Item, frozen=True, kw_only=True, omit_defaults=True):
    """A planned or actual opening `day`; `corrects` is the earlier event that it replaces."""

    change: OutletChangeKind
    received_at: datetime
    day: date | None = None
    corrects: EventId | None = None


class Supported(Item, frozen=True, kw_only=True, omit_defaults=True):
    """A support unit began (or ceased) to support this unit at `at`."""

    supporter: UnitRef
    attached: bool


class LocalDay(Item, frozen=True, kw_only=True, omit_defaults=True):
    """A day off, or a working day, for this unit alone, by document number (ruling 40)."""

    day: date
    working: bool
    document: str


class ForceMajeure(Interval, frozen=True, kw_only=True, omit_defaults=True):
    """This unit may not work during `[start, until)`, by document number (ruling 40)."""

    document: str


class Unit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A unit's dossier.

    `annulled_at` is the position of the last annulment that took anything out of it: what was
    worked out from the dossier before must be asked again.
    """

    unit: UnitId
    level: Level
    kind: UnitKind = UnitKind.LINE
    zone: str = DEFAULT_ZONE
    names: tuple[Named, ...] = ()
    parents: tuple[Placed, ...] = ()
    life: tuple[LifeChange, ...] = ()
    absorbed: tuple[Absorbed, ...] = ()
    outlet: tuple[OutletChange, ...] = ()
    supporters: tuple[Supported, ...] = ()
    local_days: tuple[LocalDay, ...] = ()
    force_majeure: tuple[ForceMajeure, ...] = ()
    annulled_at: int = 0


class PostLifeChange(Item, frozen=True, kw_only=True, omit_defaults=True):
    """The post was established or abolished at `at`."""

    change: PostChange


class SuperiorSet(Item, frozen=True, kw_only=True, omit_defaults=True):
    """The post answers to `superior` from `at` on; None: to whom the structure says."""

    superior: PostRef | None = None


class Appointment(Interval, frozen=True, kw_only=True, omit_defaults=True):
    """`person` holds the post during `[start, until)`, or until relieved."""

    person: PersonRef
    appointed_by: PostRef | None = None
    appointed_by_person: PersonRef | None = None


class Relief(Item, frozen=True, kw_only=True, omit_defaults=True):
    """`person` holds the post no longer, from `at` on."""

    person: PersonRef
    cause: str


class Suspension(Item, frozen=True, kw_only=True, omit_defaults=True):
    """From `at` on the holder may not (or may again) exercise the post."""

    person: PersonRef
    suspended: bool


class Acting(Interval, frozen=True, kw_only=True, omit_defaults=True):
    """`person` is interim holder during `[start, until)`, or until ended, or until the ceiling."""

    person: PersonRef
    appointed_by: PostRef
    appointed_by_person: PersonRef | None = None


class ActingChange(Item, frozen=True, kw_only=True, omit_defaults=True):
    """An interim appointment was extended to `until`, or ended at `at`."""

    person: PersonRef
    change: ActingChangeKind
    until: datetime | None = None


class Delegation(Interval, frozen=True, kw_only=True, omit_defaults=True):
    """`principal` offers `delegate` these powers during `[start, until)`."""

    delegation: DelegationId
    principal: PersonRef
    delegate: PersonRef
    powers: tuple[Power, ...]


class DelegationAnswer(Item, frozen=True, kw_only=True, omit_defaults=True):
    """A delegation was accepted or declined by the delegate, or revoked, at `at`."""

    delegation: DelegationId
    answer: DelegationAnswerKind


class HandoverItem(Item, frozen=True, kw_only=True, omit_defaults=True):
    """An open obligation stands in the list that `outgoing` hands to `incoming`."""

    obligation: ObligationId
    outgoing: PersonRef
    incoming: PersonRef


class Handover(Item, frozen=True, kw_only=True, omit_defaults=True):
    """`incoming` signed for the obligations in `items` (ruling 4)."""

    outgoing: PersonRef
    incoming: PersonRef
    items: tuple[ObligationId, ...] = ()


class Post(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A post's dossier."""

    post: PostId
    unit: UnitId
    role: str
    title_zh: str
    title_en: str
    life: tuple[PostLifeChange, ...] = ()
    superiors: tuple[SuperiorSet, ...] = ()
    appointments: tuple[Appointment, ...] = ()
    reliefs: tuple[Relief, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    acting: tuple[Acting, ...] = ()
    acting_changes: tuple[ActingChange, ...] = ()
    delegations: tuple[Delegation, ...] = ()
    delegation_answers: tuple[DelegationAnswer, ...] = ()
    handover_items: tuple[HandoverItem, ...] = ()
    handovers: tuple[Handover, ...] = ()


class Registered(Item, frozen=True, kw_only=True, omit_defaults=True):
    """What identifies the person, sealed."""

    name: Sealed
    number: Sealed | None = None
    phone: Sealed | None = None


class Leave(Interval, frozen=True, kw_only=True, omit_defaults=True):
    """Approved leave during `[start, until)`."""

    kind: str
    approved_by: PostRef | None = None


class Departure(Item, frozen=True, kw_only=True, omit_defaults=True):
    """The person left the company at `at`, and holds nothing from then on."""

    cause: str


class Filled(Item, frozen=True, kw_only=True, omit_defaults=True):
    """The person was appointed to `post`, as holder or interim; its dossier says until when."""

    post: PostId


class Person(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A person's dossier; the posts' dossiers say more of who held them."""

    person: PersonId
    registered: tuple[Registered, ...] = ()
    leaves: tuple[Leave, ...] = ()
    departures: tuple[Departure, ...] = ()
    posts: tuple[Filled, ...] = ()
