"""Submissions of reports and what became of them; the first valid receipt never moves."""

from datetime import datetime
from typing import ClassVar

from ledger.events.fact import Fact
from ledger.vocabulary import (
    EventId,
    FormRef,
    ObligationId,
    PostRef,
    ReportId,
    Sealed,
    UnitId,
)

FieldValue = int | str | bool | None | Sealed


class ReportSubmitted(Fact, frozen=True, kw_only=True):
    """A report passed the gate for an obligation; `nil_return` says there was nothing (零报告).

    `capacity` is how its author acted: `holder`, `acting`, `delegate`, `clerk`, `support` or
    `superior`; the post that owes stays responsible (rulings 53 and 54). `uploading_since` is when
    the gate knew the hashes of all files that were lately on their way, by event `upload` (42).
    """

    TOPIC: ClassVar[str] = "report.submitted"
    report: ReportId
    obligation: ObligationId
    unit: UnitId
    form: FormRef
    form_revision: int
    capacity: str
    content: dict[str, FieldValue]
    nil_return: bool = False
    discharges: tuple[ObligationId, ...] = ()
    uploading_since: datetime | None = None
    upload: EventId | None = None


class ReportSubmissionRefused(Fact, frozen=True, kw_only=True):
    """An attempt that the gate turned away, kept with its reasons (ruling 48)."""

    TOPIC: ClassVar[str] = "report.submission_refused"
    obligation: ObligationId
    unit: UnitId
    problems: tuple[str, ...]
    content_sha256: str
    platform_fault: bool = False


class ReportUnsolicitedReceived(Fact, frozen=True, kw_only=True):
    """A report by somebody without authority; the holder may ratify it (ruling 56)."""

    TOPIC: ClassVar[str] = "report.unsolicited_received"
    report: ReportId
    obligation: ObligationId
    unit: UnitId
    form: FormRef
    form_revision: int
    content: dict[str, FieldValue]
    nil_return: bool = False


class ReportRatified(Fact, frozen=True, kw_only=True):
    """The holder makes an unsolicited report the post's own."""

    TOPIC: ClassVar[str] = "report.ratified"
    report: ReportId
    obligation: ObligationId


class ReportWithdrawn(Fact, frozen=True, kw_only=True):
    """The obligor takes a report back before the due, to replace it."""

    TOPIC: ClassVar[str] = "report.withdrawn"
    report: ReportId
    obligation: ObligationId


class ReportReturned(Fact, frozen=True, kw_only=True):
    """A reviewer wants a correction by `correction_due`; timeliness does not change (49)."""

    TOPIC: ClassVar[str] = "report.returned"
    report: ReportId
    obligation: ObligationId
    correction_due: datetime
    returned_by: PostRef


class ReportResubmitted(Fact, frozen=True, kw_only=True):
    """The corrected content after a return."""

    TOPIC: ClassVar[str] = "report.resubmitted"
    report: ReportId
    obligation: ObligationId
    form: FormRef
    form_revision: int
    content: dict[str, FieldValue]
    nil_return: bool = False


class ReportCorrected(Fact, frozen=True, kw_only=True):
    """The author corrects a report's content, or moves it to the right obligation (ruling 57).

    A move carries the first receipt and capacity, so that the right obligation's own history
    is enough to judge it.
    """

    TOPIC: ClassVar[str] = "report.corrected"
    report: ReportId
    obligation: ObligationId
    content: dict[str, FieldValue] | None = None
    moved_to: ObligationId | None = None
    original_received_at: datetime | None = None
    original_capacity: str | None = None


class ReportAccepted(Fact, frozen=True, kw_only=True):
    """A reviewer accepts the content."""

    TOPIC: ClassVar[str] = "report.accepted"
    report: ReportId
    obligation: ObligationId
    accepted_by: PostRef


class ReportVoided(Fact, frozen=True, kw_only=True):
    """A report counts for nothing (empty, copied, not the unit's own): its receipt is lost (50)."""

    TOPIC: ClassVar[str] = "report.voided"
    report: ReportId
    obligation: ObligationId
    voided_by: PostRef
