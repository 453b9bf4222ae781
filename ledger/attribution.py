"""Who answers for an obligation: docs/rules.md R6 to R9, over the management line only.

Pure: an obligation, its due instant, and the organisation in; persons with their roles, and the
path climbed with every hop's reason, out. Read next: `ledger/verdict.py`.
"""

from datetime import datetime

import msgspec

from ledger.vocabulary import EventId, PersonRef, PostRef, UnitRef


class Hop(msgspec.Struct, frozen=True, omit_defaults=True):
    """One post looked at while climbing: who was effective there at the due, or why nobody."""

    post: PostRef
    unit: UnitRef
    person: PersonRef | None
    reason: str
    events: tuple[EventId, ...] = ()
    gap_started: datetime | None = None


class Responsible(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person (or, where nobody was found, a unit) with a role on a stated ground.

    Roles: `direct`, `management`, `retained`, `noted`.
    """

    role: str
    ground: str
    person: PersonRef | None = None
    unit: UnitRef | None = None
    post: PostRef | None = None
    events: tuple[EventId, ...] = ()


class Attribution(msgspec.Struct, frozen=True, omit_defaults=True):
    """The persons, the path climbed, flags such as `acting_overdue`, and every event used."""

    persons: tuple[Responsible, ...]
    path: tuple[Hop, ...]
    flags: tuple[str, ...] = ()
    basis: tuple[EventId, ...] = ()
