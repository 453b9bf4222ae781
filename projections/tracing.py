"""The trace of one obligation: why it was demanded, of whom, what was done, and who answers.

It holds nothing that a reader could not derive: the verdict, the dossier that it was reached from,
and every event that either rests on, cited by position and hash. What each of those events says in
full is in the log (`GET .../events/{position}`).
"""

from datetime import date, datetime

import msgspec

from ledger.errors import NotFound
from ledger.model.duties import Terms
from ledger.model.obligations import (
    Attempt,
    Cancellation,
    ChannelChange,
    DueChange,
    Notice,
    Obligation,
    Relief,
    Submission,
)
from ledger.recorder import Item, Stored
from ledger.verdict import Verdict, verdict
from ledger.vocabulary import (
    Cadence,
    DutyId,
    EventId,
    FormRef,
    ObligationId,
    PersonRef,
    PostId,
    PostRef,
    Stage,
    UnitId,
    UnitRef,
)
from projections.citing import Citation, citation_of, entries_of
from projections.names import Gathering, Names
from projections.obligations import OBLIGATION
from projections.standpoint import AsOf, Standpoint


class Demanded(msgspec.Struct, frozen=True, kw_only=True):
    """Why it was demanded: the duty in the revision it was opened under, and its owner then."""

    duty: DutyId
    revision: int
    published: EventId | None
    cadence: Cadence | None
    due_rule: str | None
    owner: PostRef | None
    owner_person: PersonRef | None
    form: FormRef
    form_revision: int
    opened: EventId
    opened_at: datetime
    stage: Stage | None
    rules: int
    calendar_revision: int
    grace_working_days: int
    provisional: bool
    short_notice: bool
    informational: bool


class OfWhom(msgspec.Struct, frozen=True, kw_only=True):
    """Of whom: the unit and the units above it, and the post, as they stood when it was due."""

    unit: UnitId
    above: tuple[UnitRef, ...]
    post: PostId
    at: datetime
    holder: PersonRef | None
    capacity: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one obligation, as known at a Moment.

    `events` are all that concern it or that the verdict rests on, in the order of the log;
    `verdict.basis` names the latter.
    """

    as_of: AsOf
    obligation: ObligationId
    period: str
    period_start: date
    period_end: date
    demanded: Demanded
    of_whom: OfWhom
    verdict: Verdict
    due_changes: tuple[DueChange, ...]
    submissions: tuple[Submission, ...]
    attempts: tuple[Attempt, ...]
    reliefs: tuple[Relief, ...]
    cancellations: tuple[Cancellation, ...]
    late_channel: tuple[ChannelChange, ...]
    notices: tuple[Notice, ...]
    events: tuple[Citation, ...]
    names: Names


def trace(here: Standpoint, obligation: ObligationId) -> Trace:
    """The trace as of the standpoint; `NotFound` when the obligation was not opened by then."""
    row = here.reader.get(OBLIGATION, obligation)
    if row is None:
        raise NotFound(
            f"there is no obligation {obligation!r} at position {here.moment.position}; "
            "check the identifier"
        )
    found = verdict(here.history([row]), obligation, here.moment)
    demanded = _demanded(here, row)
    of_whom = _of_whom(here, row, found.computed.due)
    events = tuple(_cited(here, obligation, found.basis, demanded.published))
    return Trace(
        as_of=here.as_of,
        obligation=obligation,
        period=row.period,
        period_start=row.period_start,
        period_end=row.period_end,
        demanded=demanded,
        of_whom=of_whom,
        verdict=found,
        due_changes=row.due_changes,
        submissions=row.submissions,
        attempts=row.attempts,
        reliefs=row.reliefs,
        cancellations=row.cancellations,
        late_channel=row.channel,
        notices=row.notices,
        events=events,
        names=_names(here, row, found, demanded, of_whom, events),
    )


def _demanded(here: Standpoint, row: Obligation) -> Demanded:
    duty = here.background.rows["duty"].get(row.duty)
    terms: Terms | None = (
        next((one for one in duty.terms if one.revision == row.duty_revision), None)
        if duty
        else None
    )
    owner = None
    if terms is not None:
        owner = here.background.organisation.effective(terms.owner, row.opened_at).person
    return Demanded(
        duty=row.duty,
        revision=row.duty_revision,
        published=terms.event if terms else None,
        cadence=terms.cadence if terms else None,
        due_rule=f"{terms.due.working_days} {terms.due.time}" if terms else None,
        owner=terms.owner if terms else None,
        owner_person=owner,
        form=row.form,
        form_revision=row.form_revision,
        opened=row.event,
        opened_at=row.opened_at,
        stage=row.stage,
        rules=row.rules,
        calendar_revision=row.calendar_revision,
        grace_working_days=row.grace_working_days,
        provisional=row.provisional,
        short_notice=row.short_notice,
        informational=row.informational,
    )


def _of_whom(here: Standpoint, row: Obligation, due: datetime) -> OfWhom:
    """As it stood just before the due, which is exclusive."""
    organisation = here.background.organisation
    at = due - datetime.resolution
    effective = organisation.effective(row.post, at)
    return OfWhom(
        unit=row.unit,
        above=organisation.ancestors(row.unit, at),
        post=row.post,
        at=at,
        holder=effective.person,
        capacity=effective.capacity.value,
    )


def _cited(
    here: Standpoint,
    obligation: ObligationId,
    basis: tuple[EventId, ...],
    published: EventId | None,
) -> list[Citation]:
    """What is tagged with the obligation, and what the verdict rests on, in order, each once."""
    until = here.moment.position
    own = here.questions.recorder.stream((Item(tags=(f"obligation:{obligation}",)),), until=until)
    entries: dict[int, Stored] = {one.position: one for page in own for one in page}
    wanted = (*basis, published) if published else basis
    for one in entries_of(here.connection, here.questions.ledger_id, wanted, until):
        entries[one.position] = one
    return [citation_of(entries[one]) for one in sorted(entries)]


def _names(  # noqa: PLR0913, PLR0917  (every part of a trace mentions somebody)
    here: Standpoint,
    row: Obligation,
    found: Verdict,
    demanded: Demanded,
    of_whom: OfWhom,
    events: tuple[Citation, ...],
) -> Names:
    codes = Gathering()
    codes.mention(unit=row.unit, post=row.post, duty=row.duty, person=of_whom.holder)
    codes.mention(post=demanded.owner, person=demanded.owner_person)
    for unit in of_whom.above:
        codes.mention(unit=unit)
    if found.attribution is not None:
        codes.mention_all(found.attribution)
    for relief in row.reliefs:
        codes.mention(post=relief.decided_by, person=relief.decided_by_person)
    for submission in row.submissions:
        codes.mention(post=submission.post, person=submission.person)
    for attempt in row.attempts:
        codes.mention(person=attempt.person)
    for event in events:
        codes.mention(post=event.actor.post, person=event.actor.person)
    return codes.names(here.background, of_whom.at)
