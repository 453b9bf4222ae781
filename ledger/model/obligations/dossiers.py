"""The rows of one obligation: what was opened, submitted, asked, granted, and noticed.

Nothing here judges: `ledger/timeliness.py` says what it means at a moment.
Instants are `received_at`, by which lateness and relief are both judged (docs/rules.md R4, R5).
Read next: `folding.py` (how facts become rows).
Rows hold no cycles, so the garbage collector is told not to look (`gc=False`): hundreds of
thousands of them stay in memory.
"""

from datetime import date, datetime

import msgspec

from ledger.vocabulary import (
    DutyId,
    EventId,
    FormRef,
    ObligationId,
    PersonRef,
    PostId,
    PostRef,
    ReportId,
    Stage,
    UnitId,
    Via,
)


class Returned(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A return for correction, and when the correction came."""

    correction_due: datetime
    received_at: datetime
    event: EventId
    position: int
    resubmitted_at: datetime | None = None


class Submission(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A report that reached the gate for this obligation, and what became of it."""

    report: ReportId
    received_at: datetime
    event: EventId
    position: int
    capacity: str
    person: PersonRef | None = None
    post: PostRef | None = None
    via: Via = Via.API
    form_revision: int = 1
    nil_return: bool = False
    device_time: datetime | None = None
    uploading_since: datetime | None = None
    upload: EventId | None = None
    moved_from: ObligationId | None = None
    solicited: bool = True
    ratified_at: datetime | None = None
    ratified_by: EventId | None = None
    withdrawn_by: EventId | None = None
    voided_by: EventId | None = None
    moved_by: EventId | None = None
    accepted_by: EventId | None = None
    accepted_at: datetime | None = None
    corrected_by: EventId | None = None
    returns: tuple[Returned, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it passed the gate and nothing has taken that away (valid, 2.1)."""
        gone = self.voided_by or self.withdrawn_by or self.moved_by
        return not gone and (self.solicited or self.ratified_at is not None)


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A submission that the gate refused."""

    received_at: datetime
    problems: tuple[str, ...]
    event: EventId
    position: int
    platform_fault: bool = False
    person: PersonRef | None = None


class DueChange(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A due that moved later, or a provisional one that was confirmed."""

    due: datetime
    cause: str
    received_at: datetime
    event: EventId
    position: int
    confirms: bool = False
    document: str | None = None


class Relief(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """An extension or waiver, from the asking to the decision; `event` is the first fact of it."""

    relief: str
    kind: str
    event: EventId
    position: int
    requested_at: datetime | None = None
    requested_due: datetime | None = None
    decision: str | None = None
    decided_at: datetime | None = None
    decided_by: PostRef | None = None
    decided_by_person: PersonRef | None = None
    decision_event: EventId | None = None
    decision_position: int = 0
    due: datetime | None = None
    reason: str | None = None
    ended_at: datetime | None = None
    ended_event: EventId | None = None
    annulled_by: EventId | None = None


class Cancellation(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The instance is no longer owed, and why."""

    cause: str
    received_at: datetime
    event: EventId
    position: int
    replaced_by: ObligationId | None = None


class ChannelChange(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The late channel opened until an instant, or closed (`until` None)."""

    received_at: datetime
    event: EventId
    position: int
    until: datetime | None = None


class Notice(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The clock's notice that a due passed; verdicts never read it."""

    due: datetime
    event: EventId
    position: int
    withdrawn_by: EventId | None = None


class Obligation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """The dossier of one obligation.

    `opened_late`: a clock that was behind recorded the opening as of its instant, so facts that
    stand before it in the log may have been unknown then.
    """

    obligation: ObligationId
    duty: DutyId
    duty_revision: int
    unit: UnitId
    post: PostId
    period: str
    period_start: date
    period_end: date
    due: datetime
    nominal_due: datetime
    form: FormRef
    form_revision: int
    rules: int
    calendar_revision: int
    opened_at: datetime
    event: EventId
    position: int
    stage: Stage | None = None
    provisional: bool = False
    grace_working_days: int = 0
    informational: bool = False
    short_notice: bool = False
    opened_late: bool = False
    due_changes: tuple[DueChange, ...] = ()
    submissions: tuple[Submission, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    reliefs: tuple[Relief, ...] = ()
    cancellations: tuple[Cancellation, ...] = ()
    channel: tuple[ChannelChange, ...] = ()
    notices: tuple[Notice, ...] = ()
