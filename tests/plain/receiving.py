"""What the gate received for an obligation, and what became of it (R4, rulings 42 to 57)."""

from datetime import datetime, timedelta

import msgspec

from ledger.events import reports as r
from tests.plain.facts import Facts, Told
from tests.plain.policy import Policy

MARKS = (
    r.ReportRatified,
    r.ReportVoided,
    r.ReportWithdrawn,
    r.ReportAccepted,
    r.ReportReturned,
    r.ReportResubmitted,
)
"""What may be said of a report that was received."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A report that reached the gate for the obligation, and what became of it."""

    event: Told
    report: str
    at: datetime
    is_solicited: bool
    capacity: str
    ratified: Told | None
    voided: Told | None
    withdrawn: Told | None
    moved: Told | None
    moved_here: bool
    accepted: Told | None
    returned: tuple[Told, ...]
    resubmitted: tuple[Told, ...]

    @property
    def is_valid(self) -> bool:
        """Passed the gate with authority, and never voided, withdrawn or moved away."""
        gone = self.voided or self.withdrawn or self.moved
        return not gone and (self.is_solicited or self.ratified is not None)


def received(facts: Facts, obligation: str) -> list[Received]:
    """Every report for the obligation, by its first fact here."""
    found = []
    for event in facts.of(r.ReportSubmitted, r.ReportUnsolicitedReceived, r.ReportCorrected):
        fact = event.fact
        moved_here = isinstance(fact, r.ReportCorrected)
        named = fact.moved_to if moved_here else fact.obligation
        if obligation not in (named, *getattr(fact, "discharges", ())):
            continue

        # What is said of a report is said of every obligation that it discharged.
        shared = {obligation} if moved_here else {fact.obligation, *getattr(fact, "discharges", ())}
        after = [
            one
            for one in facts.of(*MARKS, report=fact.report)
            if one.fact.obligation in shared and one.position > event.position
        ]

        def last(kind: type, after: list[Told] = after) -> Told | None:
            return next((one for one in reversed(after) if isinstance(one.fact, kind)), None)

        moves = [
            one
            for one in facts.of(r.ReportCorrected, report=fact.report, obligation=obligation)
            if one.fact.moved_to is not None and one.position > event.position
        ]
        found.append(
            Received(
                event=event,
                report=fact.report,
                at=fact.original_received_at if moved_here else event.received_at,
                is_solicited=not isinstance(fact, r.ReportUnsolicitedReceived),
                capacity=_capacity(fact),
                ratified=event if moved_here else last(r.ReportRatified),
                voided=last(r.ReportVoided),
                withdrawn=last(r.ReportWithdrawn),
                moved=moves[-1] if moves else None,
                moved_here=moved_here,
                accepted=last(r.ReportAccepted),
                returned=tuple(one for one in after if isinstance(one.fact, r.ReportReturned)),
                resubmitted=tuple(
                    one for one in after if isinstance(one.fact, r.ReportResubmitted)
                ),
            )
        )
    return found


def _capacity(fact: r.ReportSubmitted | r.ReportUnsolicitedReceived | r.ReportCorrected) -> str:
    if isinstance(fact, r.ReportCorrected):
        return fact.original_capacity or "holder"
    return fact.capacity if isinstance(fact, r.ReportSubmitted) else "stranger"


def receipt(one: Received, due: datetime, rules: Policy) -> datetime:
    """When it counts as received.

    Ratifying or moving it before the due keeps the first receipt (56, 57); files on their way at
    the due count from when the gate knew the last hash (42).
    """
    if one.ratified is not None:
        done = one.ratified.received_at
        return one.at if done < due else done
    fact = one.event.fact
    since = fact.uploading_since if isinstance(fact, r.ReportSubmitted) else None
    window = timedelta(minutes=rules.upload_window_minutes)
    if since is not None and since < due <= one.at < since + window:
        return since
    return one.at


def refused(facts: Facts, obligation: str, before: datetime | None = None) -> list[Told]:
    """Attempts that the gate turned away."""
    found = facts.of(r.ReportSubmissionRefused, obligation=obligation)
    return [one for one in found if before is None or one.received_at < before]


def is_overdue(one: Received, now: datetime) -> bool:
    """Whether a return was not answered by its own due (ruling 49)."""
    for back in one.returned:
        answers = [again.received_at for again in one.resubmitted if again.position > back.position]
        if (answers[0] if answers else now) >= back.fact.correction_due:
            return True
    return False


def flags_of(one: Received | None, at: datetime | None, due: datetime) -> set[str]:
    if one is None:
        return set()
    fact, source = one.event.fact, one.event.envelope.source
    said = source.device_time if source and not one.moved_here else None
    since = getattr(fact, "uploading_since", None)
    found = {
        "by_support_line": one.capacity == "support",
        "by_clerk": one.capacity == "clerk",
        "nil_return": getattr(fact, "nil_return", False),
        "imported": one.event.actor.via == "import",
        "device_time_before_due": said is not None and said < due <= one.at,
        "uploading_at_due": since is not None and at == since != one.at,
        "returned": bool(one.returned),
    }
    return {flag for flag, holds in found.items() if holds}


def events_of(one: Received) -> list[str | None]:
    marks = (one.event, one.ratified, one.voided, one.withdrawn, one.moved)
    upload = getattr(one.event.fact, "upload", None)
    return [*(event.id for event in marks if event is not None), upload]
