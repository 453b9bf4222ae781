"""When an obligation was due, and whether it was met: docs/rules.md R1, R3, R4 and R5.

Pure: a dossier, what else the history says, and a Moment in; an `Assessment` out. It never reads
the clock's notices, so it is the same however often, late or early the clock ran.
Read next: `ledger/attribution.py` (who answers for it), then `ledger/verdict.py` (the whole).
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from ledger.vocabulary import EventId, ReportId


class Outcome(StrEnum):
    """The one state of an instance at a moment; `E = T + L + M + P` is over the first four."""

    ON_TIME = "on_time"
    LATE = "late"
    MISSED = "missed"
    PENDING = "pending"
    EXEMPT = "exempt"
    NOT_EXPECTED = "not_expected"


class DueStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reason why the due is what it is: what moved it, to when, and by which event."""

    cause: str
    due: datetime
    event: EventId | None = None


class ReliefView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A relief as it counts: `prior`, `posterior`, `pending`, `refused`, `undecided`, `void`."""

    relief: str
    kind: str
    standing: str
    events: tuple[EventId, ...]
    due: datetime | None = None
    granted_by: str | None = None
    reason: str | None = None


class Assessment(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What R1 to R5 say of one obligation at a moment.

    `due` is exclusive: received at it is late. `kind` is 迟报 `late`, 未报 `unreported`, or None
    while the late channel is open or nothing failed. `flags` are codes such as
    `within_extension`, `late_after_slow_refusal`, `by_support_line`, `nil_return`.
    """

    outcome: Outcome
    expected: bool
    expectation: str
    due: datetime
    steps: tuple[DueStep, ...]
    received_at: datetime | None = None
    report: ReportId | None = None
    capacity: str | None = None
    kind: str | None = None
    pending: str | None = None
    excused: tuple[str, ...] = ()
    mitigated: tuple[str, ...] = ()
    reliefs: tuple[ReliefView, ...] = ()
    late_channel_until: datetime | None = None
    correction_overdue: bool = False
    flags: tuple[str, ...] = ()
    basis: tuple[EventId, ...] = ()
