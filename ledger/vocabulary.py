"""The words used everywhere: identifiers, levels, stages, and small values.

A fact is tagged with every identifier it carries: a field typed `UnitId` becomes the tag
`unit:<value>`. A field typed with the matching `...Ref` only mentions the entity and makes no tag
(an ancestor, for instance), so that an entity's history stays one short index range. An Id may
stand where a Ref is asked for, never the other way.
Read next: `ledger/events/`, then `ledger/codec.py`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, NewType

import msgspec

UnitRef = NewType("UnitRef", str)
PostRef = NewType("PostRef", str)
PersonRef = NewType("PersonRef", str)
FormRef = NewType("FormRef", str)
DutyRef = NewType("DutyRef", str)
ReportRef = NewType("ReportRef", str)

UnitId = NewType("UnitId", UnitRef)
PostId = NewType("PostId", PostRef)
PersonId = NewType("PersonId", PersonRef)
DutyId = NewType("DutyId", DutyRef)
FormId = NewType("FormId", FormRef)
ObligationId = NewType("ObligationId", str)
ReportId = NewType("ReportId", ReportRef)
ExtensionId = NewType("ExtensionId", str)
WaiverId = NewType("WaiverId", str)
DelegationId = NewType("DelegationId", str)
CalendarId = NewType("CalendarId", str)
AccessId = NewType("AccessId", str)
ImportId = NewType("ImportId", str)
AttachmentId = NewType("AttachmentId", str)
RulesId = NewType("RulesId", str)
LogId = NewType("LogId", str)
EventId = NewType("EventId", str)

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An instant from outside: one without an offset is refused at the door."""

TAG_PREFIXES: Final[dict[object, str]] = {
    UnitId: "unit",
    PostId: "post",
    PersonId: "person",
    DutyId: "duty",
    FormId: "form",
    ObligationId: "obligation",
    ReportId: "report",
    ExtensionId: "extension",
    WaiverId: "waiver",
    DelegationId: "delegation",
    CalendarId: "calendar",
    AccessId: "access",
    ImportId: "import",
    AttachmentId: "attachment",
    RulesId: "rules",
    LogId: "log",
}

CODE_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"
"""Codes of units, posts, duties and forms: they become parts of identifiers and of URLs."""


class Level(StrEnum):
    """The levels of the handbook's management line, from the top."""

    HEADQUARTERS = "headquarters"
    REGION = "region"
    BRANCH = "branch"
    SUB_BRANCH = "sub_branch"
    OUTLET = "outlet"


class UnitKind(StrEnum):
    """Whether a unit stands in the management line or supports it."""

    LINE = "line"
    SUPPORT = "support"


class Stage(StrEnum):
    """An outlet's stage (docs/rules.md R2); computed, never recorded."""

    PLANNED = "planned"
    PREPARING = "preparing"
    NEW = "new"
    ESTABLISHED = "established"


class Cadence(StrEnum):
    """How often a duty asks."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    HALF_YEARLY = "half_yearly"
    YEARLY = "yearly"


class Line(StrEnum):
    """The line along which somebody acts: management is solid, support is dotted."""

    MANAGEMENT = "management"
    SUPPORT = "support"
    SYSTEM = "system"


class Via(StrEnum):
    """The door through which a fact came in."""

    CONSOLE = "console"
    API = "api"
    IMPORT = "import"
    CLOCK = "clock"
    OPERATOR = "operator"


class Power(StrEnum):
    """The powers that a delegation can carry, each separable from the others (ruling 8)."""

    REPORTING = "reporting"
    APPROVALS = "approvals"
    RELIEF = "relief"


class Sealed(msgspec.Struct, frozen=True):
    """A personal value's commitment; the value itself is in the sealed store (`ledger/sealed.py`).

    `commitment` is HMAC-SHA256(nonce32, value) in hex; `person` is whose key encrypts the value.
    """

    commitment: str
    person: PersonRef


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why: a code that rules can read, and words that only people read (sealed)."""

    code: str
    text: Sealed | None = None


class Actor(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who did it, in which post, through which door."""

    via: Via
    person: PersonRef | None = None
    post: PostRef | None = None
    system: str | None = None


class OnBehalfOf(msgspec.Struct, frozen=True, omit_defaults=True):
    """The post that owes, and by what authority somebody else acted for it."""

    post: PostRef
    authority: str
    person: PersonRef | None = None


Digest = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the content, 64 hexadecimal digits"
    ),
]


class Evidence(msgspec.Struct, frozen=True, omit_defaults=True):
    """An attachment by content hash (hex).

    A caller names the content's own SHA-256. An entry holds the keyed one, HMAC-SHA256(nonce32,
    SHA-256): a plain hash would tell a guessable file for ever (docs/attachments.md).
    """

    sha256: Digest
    media_type: str
    name: Sealed | None = None


class Source(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a fact came from: a row of an imported file, or a device with its own clock."""

    file_sha256: str | None = None
    sheet: str | None = None
    row: int | None = None
    device_time: datetime | None = None
    skew_seconds: int | None = None


class Moment(msgspec.Struct, frozen=True):
    """What was known (facts at or before `position`), and what the clock said (`instant`, UTC)."""

    position: int
    instant: datetime
