"""How facts become the dossier of an obligation: the one fold that everything uses."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from ledger.entry import Event
from ledger.events import duties as d
from ledger.events import reports as r
from ledger.events.fact import Fact
from ledger.events.organisation import FactAnnulled
from ledger.model.dossier import without
from ledger.model.obligations.dossiers import (
    Attempt,
    Cancellation,
    ChannelChange,
    DueChange,
    Notice,
    Obligation,
    Relief,
    Returned,
    Submission,
)
from ledger.vocabulary import EventId, PostRef, ReportId

PROMPT: Final = timedelta(minutes=1)
"""A clock in time records an opening within seconds of its instant."""


def fold_obligation(row: Obligation | None, event: Event, key: str) -> Obligation | None:
    """The dossier of obligation `key` after one more event that is tagged with it."""
    fact = event.fact
    if isinstance(fact, d.ObligationOpened):
        return _opened(fact, event)
    if row is None:
        return None
    if isinstance(fact, FactAnnulled):
        return _annulled(row, fact.annulled, event)
    fold = _FOLDS.get(type(fact))
    return fold(row, fact, event, key) if fold else row


def _opened(fact: d.ObligationOpened, event: Event) -> Obligation:
    return Obligation(
        **{name: getattr(fact, name) for name in fact.__struct_fields__},
        opened_at=event.received_at,
        opened_late=event.recorded_at - event.received_at > PROMPT,
        event=event.id,
        position=event.position,
    )


def _annulled(row: Obligation, annulled: EventId, event: Event) -> Obligation:
    if annulled == row.event:
        gone = Cancellation("annulled", event.received_at, event.id, event.position)
        return replace(row, cancellations=(*row.cancellations, gone))
    row = without(row, annulled)
    submissions = tuple(_undone(one, annulled) for one in row.submissions)
    reliefs = tuple(_undecided(one, annulled) for one in row.reliefs)
    return replace(row, submissions=submissions, reliefs=reliefs)


_MARKS: Final = ("ratified_by", "withdrawn_by", "voided_by", "moved_by", "accepted_by")


def _undone(one: Submission, annulled: EventId) -> Submission:
    changes: dict[str, Any] = {mark: None for mark in _MARKS if getattr(one, mark) == annulled}
    if "ratified_by" in changes:
        changes["ratified_at"] = None
    if "accepted_by" in changes:
        changes["accepted_at"] = None
    return without(replace(one, **changes) if changes else one, annulled)


def _undecided(one: Relief, annulled: EventId) -> Relief:
    if one.decision_event == annulled:
        return replace(one, decision=None, decided_at=None, decision_event=None, due=None)
    if one.ended_event == annulled:
        return replace(one, ended_at=None, ended_event=None)
    return one


def _submitted(row: Obligation, fact: r.ReportSubmitted, event: Event, _key: str) -> Obligation:
    sent = _submission(fact.report, fact.capacity, event, fact)
    return _add(row, replace(sent, uploading_since=fact.uploading_since, upload=fact.upload))


def _unsolicited(
    row: Obligation, fact: r.ReportUnsolicitedReceived, event: Event, _key: str
) -> Obligation:
    return _add(row, replace(_submission(fact.report, "stranger", event, fact), solicited=False))


def _submission(
    report: ReportId,
    capacity: str,
    event: Event,
    fact: r.ReportSubmitted | r.ReportUnsolicitedReceived,
) -> Submission:
    source = event.source
    return Submission(
        report=report,
        received_at=event.received_at,
        event=event.id,
        position=event.position,
        capacity=capacity,
        person=event.actor.person,
        post=event.actor.post,
        via=event.actor.via,
        form_revision=fact.form_revision,
        nil_return=fact.nil_return,
        device_time=source.device_time if source else None,
    )


def _add(row: Obligation, one: Submission) -> Obligation:
    return replace(row, submissions=(*row.submissions, one))


def _refused(
    row: Obligation, fact: r.ReportSubmissionRefused, event: Event, _key: str
) -> Obligation:
    attempt = Attempt(
        event.received_at,
        fact.problems,
        event.id,
        event.position,
        fact.platform_fault,
        event.actor.person,
    )
    return replace(row, attempts=(*row.attempts, attempt))


def _change_report(row: Obligation, report: ReportId, **changes: object) -> Obligation:
    return replace(
        row,
        submissions=tuple(
            replace(one, **changes) if one.report == report else one for one in row.submissions
        ),
    )


def _ratified(row: Obligation, fact: r.ReportRatified, event: Event, _key: str) -> Obligation:
    """Only what nobody had authority to send can be made the post's own (ruling 56)."""
    if not any(one.report == fact.report and not one.solicited for one in row.submissions):
        return row
    return _change_report(row, fact.report, ratified_at=event.received_at, ratified_by=event.id)


def _withdrawn(row: Obligation, fact: r.ReportWithdrawn, event: Event, _key: str) -> Obligation:
    return _change_report(row, fact.report, withdrawn_by=event.id)


def _voided(row: Obligation, fact: r.ReportVoided, event: Event, _key: str) -> Obligation:
    return _change_report(row, fact.report, voided_by=event.id)


def _accepted(row: Obligation, fact: r.ReportAccepted, event: Event, _key: str) -> Obligation:
    return _change_report(row, fact.report, accepted_by=event.id, accepted_at=event.received_at)


def _returned(row: Obligation, fact: r.ReportReturned, event: Event, _key: str) -> Obligation:
    back = Returned(fact.correction_due, event.received_at, event.id, event.position)
    earlier = next((one.returns for one in row.submissions if one.report == fact.report), ())
    return _change_report(row, fact.report, returns=(*earlier, back))


def _resubmitted(row: Obligation, fact: r.ReportResubmitted, event: Event, _key: str) -> Obligation:
    returns = next((one.returns for one in row.submissions if one.report == fact.report), ())
    answered = tuple(
        one if one.resubmitted_at else replace(one, resubmitted_at=event.received_at)
        for one in returns
    )
    return _change_report(row, fact.report, returns=answered)


def _corrected(row: Obligation, fact: r.ReportCorrected, event: Event, key: str) -> Obligation:
    if fact.moved_to is None:
        return _change_report(row, fact.report, corrected_by=event.id)
    if key != fact.moved_to:
        return _change_report(row, fact.report, moved_by=event.id)
    assert fact.original_received_at is not None, "a moved report carries its first receipt"
    moved = Submission(
        report=fact.report,
        received_at=fact.original_received_at,
        event=event.id,
        position=event.position,
        capacity=fact.original_capacity or "holder",
        person=event.actor.person,
        post=event.actor.post,
        via=event.actor.via,
        moved_from=fact.obligation,
        ratified_at=event.received_at,
        ratified_by=event.id,
    )
    return _add(row, moved)


def _due_revised(
    row: Obligation, fact: d.ObligationDueRevised, event: Event, _key: str
) -> Obligation:
    change = DueChange(
        fact.due, fact.cause, event.received_at, event.id, event.position, document=fact.document
    )
    return replace(row, due_changes=(*row.due_changes, change))


def _due_confirmed(
    row: Obligation, fact: d.ObligationDueConfirmed, event: Event, _key: str
) -> Obligation:
    change = DueChange(
        fact.due, "calendar_published", event.received_at, event.id, event.position, confirms=True
    )
    return replace(row, due_changes=(*row.due_changes, change))


def _cancelled(row: Obligation, fact: d.ObligationCancelled, event: Event, key: str) -> Obligation:
    if key != fact.obligation:
        return row
    gone = Cancellation(fact.cause, event.received_at, event.id, event.position, fact.replaced_by)
    return replace(row, cancellations=(*row.cancellations, gone))


def _missed(row: Obligation, fact: d.ObligationMissed, event: Event, _key: str) -> Obligation:
    return replace(row, notices=(*row.notices, Notice(fact.due, event.id, event.position)))


def _miss_withdrawn(
    row: Obligation, fact: d.ObligationMissWithdrawn, event: Event, _key: str
) -> Obligation:
    notices = tuple(
        replace(one, withdrawn_by=event.id)
        if one.due == fact.due and one.withdrawn_by is None
        else one
        for one in row.notices
    )
    return replace(row, notices=notices)


def _asked(
    row: Obligation, fact: d.ExtensionRequested | d.WaiverRequested, event: Event, _key: str
) -> Obligation:
    extension = isinstance(fact, d.ExtensionRequested)
    relief = Relief(
        relief=fact.extension if isinstance(fact, d.ExtensionRequested) else fact.waiver,
        kind="extension" if extension else "waiver",
        event=event.id,
        position=event.position,
        requested_at=event.received_at,
        requested_due=fact.requested_due if isinstance(fact, d.ExtensionRequested) else None,
        reason=event.reason.code if event.reason else None,
    )
    return replace(row, reliefs=(*row.reliefs, relief))


def _decision(
    event: Event, decision: str, by: PostRef, due: datetime | None = None
) -> dict[str, Any]:
    return {
        "decision": decision,
        "decided_at": event.received_at,
        "decided_by": by,
        "decided_by_person": event.actor.person,
        "decision_event": event.id,
        "decision_position": event.position,
        "due": due,
    }


def _decide(row: Obligation, relief: str, kind: str, event: Event, **decided: Any) -> Obligation:  # noqa: ANN401
    """A decision on a request, or a grant that nobody asked for."""
    if any(one.relief == relief for one in row.reliefs):
        return _change_relief(row, relief, **decided)
    granted = Relief(
        relief=relief,
        kind=kind,
        event=event.id,
        position=event.position,
        reason=event.reason.code if event.reason else None,
        **decided,
    )
    return replace(row, reliefs=(*row.reliefs, granted))


def _extension_granted(
    row: Obligation, fact: d.ExtensionGranted, event: Event, _key: str
) -> Obligation:
    decided = _decision(event, "granted", fact.granted_by, fact.due)
    return _decide(row, fact.extension, "extension", event, **decided)


def _extension_refused(
    row: Obligation, fact: d.ExtensionRefused, event: Event, _key: str
) -> Obligation:
    decided = _decision(event, "refused", fact.refused_by)
    return _decide(row, fact.extension, "extension", event, **decided)


def _waiver_granted(row: Obligation, fact: d.WaiverGranted, event: Event, _key: str) -> Obligation:
    decided = _decision(event, "granted", fact.granted_by)
    return _decide(row, fact.waiver, "waiver", event, **decided)


def _waiver_refused(row: Obligation, fact: d.WaiverRefused, event: Event, _key: str) -> Obligation:
    decided = _decision(event, "refused", fact.refused_by)
    return _decide(row, fact.waiver, "waiver", event, **decided)


def _change_relief(row: Obligation, relief: str, **changes: object) -> Obligation:
    return replace(
        row,
        reliefs=tuple(
            replace(one, **changes) if one.relief == relief else one for one in row.reliefs
        ),
    )


def _relief_ended(
    row: Obligation, fact: d.ExtensionWithdrawn | d.WaiverRevoked, event: Event, _key: str
) -> Obligation:
    relief = fact.extension if isinstance(fact, d.ExtensionWithdrawn) else fact.waiver
    return _change_relief(row, relief, ended_at=event.received_at, ended_event=event.id)


def _channel(
    row: Obligation, fact: d.LateChannelOpened | d.LateChannelClosed, event: Event, _key: str
) -> Obligation:
    until = fact.until if isinstance(fact, d.LateChannelOpened) else None
    change = ChannelChange(event.received_at, event.id, event.position, until)
    return replace(row, channel=(*row.channel, change))


_FOLDS: Final[dict[type[Fact], Callable[[Obligation, Any, Event, str], Obligation]]] = {
    r.ReportSubmitted: _submitted,
    r.ReportUnsolicitedReceived: _unsolicited,
    r.ReportSubmissionRefused: _refused,
    r.ReportRatified: _ratified,
    r.ReportWithdrawn: _withdrawn,
    r.ReportVoided: _voided,
    r.ReportAccepted: _accepted,
    r.ReportReturned: _returned,
    r.ReportResubmitted: _resubmitted,
    r.ReportCorrected: _corrected,
    d.ObligationDueRevised: _due_revised,
    d.ObligationDueConfirmed: _due_confirmed,
    d.ObligationCancelled: _cancelled,
    d.ObligationMissed: _missed,
    d.ObligationMissWithdrawn: _miss_withdrawn,
    d.ExtensionRequested: _asked,
    d.WaiverRequested: _asked,
    d.ExtensionGranted: _extension_granted,
    d.ExtensionRefused: _extension_refused,
    d.WaiverGranted: _waiver_granted,
    d.WaiverRefused: _waiver_refused,
    d.ExtensionWithdrawn: _relief_ended,
    d.WaiverRevoked: _relief_ended,
    d.LateChannelOpened: _channel,
    d.LateChannelClosed: _channel,
    d.ReliefAnnulled: lambda row, fact, event, _key: _change_relief(
        row, fact.relief, annulled_by=event.id
    ),
}

OBLIGATION_FACTS: Final[frozenset[type[Fact]]] = frozenset({d.ObligationOpened, *_FOLDS})
"""The facts that an obligation's dossier is folded from."""
