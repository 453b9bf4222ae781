"""The ledger's own facts: creation, clock, outages, access, imports; its log's keys and stops."""

from datetime import datetime
from typing import ClassVar, Literal

from ledger.events.fact import Fact
from ledger.vocabulary import AccessId, CalendarId, ImportId, LogId, PersonId, UnitId


class LedgerCreated(Fact, frozen=True, kw_only=True):
    """The first fact of every ledger: its name, and whether its clock is real or simulated."""

    TOPIC: ClassVar[str] = "ledger.created"
    name: str
    clock: Literal["real", "simulated"]


class ClockJumped(Fact, frozen=True, kw_only=True):
    """An operator confirmed a jump of the clock that had stopped the log."""

    TOPIC: ClassVar[str] = "clock.jumped"
    seconds: int


class OutageDeclared(Fact, frozen=True, kw_only=True):
    """Operations declare, from probes, that a channel was down (rulings 45 and 47)."""

    TOPIC: ClassVar[str] = "outage.declared"
    outage: str
    calendar: CalendarId
    started_at: datetime
    ended_at: datetime
    probe_ref: str
    announced: bool = False


class OutageRatified(Fact, frozen=True, kw_only=True):
    """A second authority ratifies an outage; only then does it move dues."""

    TOPIC: ClassVar[str] = "outage.ratified"
    outage: str
    calendar: CalendarId


class ForceMajeureDeclared(Fact, frozen=True, kw_only=True):
    """Listed units may not work during `[effective_from, effective_until)` (ruling 40)."""

    TOPIC: ClassVar[str] = "force_majeure.declared"
    DOSSIERS: ClassVar[tuple[str, ...]] = ("unit",)
    units: tuple[UnitId, ...]
    document: str


class AccessGranted(Fact, frozen=True, kw_only=True):
    """A key was issued to a person or a system, with a role and a unit."""

    TOPIC: ClassVar[str] = "access.granted"
    access: AccessId
    role: str
    unit: UnitId | None = None
    person: PersonId | None = None
    system: str | None = None


class AccessRevoked(Fact, frozen=True, kw_only=True):
    """A key no longer opens anything."""

    TOPIC: ClassVar[str] = "access.revoked"
    access: AccessId


class ImportCommitted(Fact, frozen=True, kw_only=True):
    """A file was imported: its hash and how many rows became facts."""

    TOPIC: ClassVar[str] = "import.committed"
    imported: ImportId
    file_sha256: str
    file_kind: str
    rows: int


class KeyRotated(Fact, frozen=True, kw_only=True):
    """The verifiable log changed its key: both sign (`begun`), or the newer alone (`finished`)."""

    TOPIC: ClassVar[str] = "key.rotated"
    log: LogId
    stage: Literal["begun", "finished"]
    older: str
    newer: str


class LogResumed(Fact, frozen=True, kw_only=True):
    """Facts are recorded again after a finding stopped the log; `position` is where it stood."""

    TOPIC: ClassVar[str] = "log.resumed"
    log: LogId
    finding: str
    position: int
    by: PersonId | None = None
