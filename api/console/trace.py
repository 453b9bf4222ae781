"""The trace made ready to show: one line an occurrence, on one axis of time, each with its facts.

The answer itself is `projections/tracing.py`'s. Lines are ordered as the demand came down and the
answer came up: the duty, the obligation, what was asked and sent, and the line that was climbed.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec
from markupsafe import Markup

from api.console.charts import Axis
from api.console.language import Language
from api.console.wording import person_label, post_label, unit_label
from ledger.model.obligations import Submission
from ledger.timeliness import Outcome
from ledger.vocabulary import EventId
from projections.citing import Citation
from projections.tracing import Trace


class Cited(msgspec.Struct, frozen=True):
    """A fact that a line rests on: its position, which leads to the fact itself."""

    position: int
    title: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One occurrence: what, who, its state, when, for how long, its bar, and its facts."""

    level: int
    what: str
    who: str
    state: str
    kind: str
    start: datetime
    end: datetime | None = None
    events: tuple[EventId, ...] = ()


class Shown(msgspec.Struct, frozen=True):
    """A line with its bar drawn and its facts found."""

    line: Line
    bar: Markup
    length: str
    cited: tuple[Cited, ...]


def waterfall(words: Language, found: Trace) -> list[Shown]:
    """Every occurrence, drawn on the time from the opening to the last of them."""
    lines = [*_demand(words, found), *_relief(words, found), *_sent(words, found)]
    lines += [*_aftermath(words, found), *_climb(words, found)]
    due = found.verdict.computed.due
    # What was published long before would squeeze everything else to the right edge.
    drawn = [one for one in lines if one.level > 0]
    instants = [at for one in drawn for at in (one.start, one.end) if at is not None]
    axis = Axis(instants, due)
    cited = {one.event: one for one in found.events}
    return [
        Shown(
            line=one,
            bar=axis.bar(one.start, one.end, one.kind) if one.level else Markup(""),
            length=words.span(one.end - one.start) if one.end else "",
            cited=tuple(_cite(words, cited[event]) for event in one.events if event in cited),
        )
        for one in lines
    ]


def _cite(words: Language, one: Citation) -> Cited:
    return Cited(one.position, f"{words.word('event', one.type)} {words.when(one.recorded_at)}")


def _demand(words: Language, found: Trace) -> Iterator[Line]:
    demanded = found.demanded
    duty = words.label(found.names.duties.get(demanded.duty), demanded.duty)
    published = next((one for one in found.events if one.event == demanded.published), None)
    if published is not None:
        owner = demanded.owner
        yield Line(
            level=0,
            what=words.text("Duty {duty}, revision {n}", duty=duty, n=demanded.revision),
            who=post_label(words, found, owner) if owner else "",
            state=words.word("event", published.type),
            kind="demanded",
            start=published.effective_from,
            events=(published.event,),
        )
    yield Line(
        level=1,
        what=words.text("Obligation {period}", period=found.period),
        who=post_label(words, found, found.of_whom.post),
        state=words.word("outcome", found.verdict.computed.outcome),
        kind=f"owed {found.verdict.computed.outcome}",
        start=demanded.opened_at,
        end=found.verdict.computed.due,
        events=(demanded.opened,),
    )
    # The first step is the duty's own due, which the obligation's line ends with already.
    for step in found.verdict.computed.steps[1:]:
        yield Line(
            level=2,
            what=words.text("Due moved to {due}", due=words.when(step.due)),
            who="",
            state=words.word("step", step.cause),
            kind="moved",
            start=found.verdict.computed.steps[0].due,
            end=step.due,
            events=(step.event,) if step.event else (),
        )


def _relief(words: Language, found: Trace) -> Iterator[Line]:
    standings = {one.relief: one.standing for one in found.verdict.computed.reliefs}
    for one in found.reliefs:
        start = one.requested_at or one.decided_at
        assert start is not None, "a relief was asked for or decided"
        who = post_label(words, found, one.decided_by) if one.decided_by else ""
        events = (one.event, one.decision_event, one.ended_event, one.annulled_by)
        yield Line(
            level=2,
            what=words.word("relief", one.kind)
            + (f" → {words.when(one.due)}" if one.due else "")
            + (f" ({one.reason})" if one.reason else ""),
            who=who,
            state=words.word("standing", standings.get(one.relief, "pending")),
            kind="relief",
            start=start,
            end=one.decided_at if one.requested_at else None,
            events=tuple(dict.fromkeys(event for event in events if event)),
        )


def _sent(words: Language, found: Trace) -> Iterator[Line]:
    for attempt in found.attempts:
        yield Line(
            level=2,
            what=words.text(
                "Attempt turned away: {problems}", problems="; ".join(attempt.problems)
            ),
            who=person_label(words, found, attempt.person) if attempt.person else "",
            state=words.word("event", "report.submission_refused"),
            kind="refused",
            start=attempt.received_at,
            events=(attempt.event,),
        )
    for one in found.submissions:
        yield Line(
            level=2,
            what=_report(words, one),
            who=f"{person_label(words, found, one.person)} · "
            + words.word("acted_as", one.capacity),
            state=_fate(words, one.counts, bool(one.voided_by), bool(one.withdrawn_by)),
            kind="sent" if one.counts else "refused",
            start=one.received_at,
            events=_present(
                one.event,
                one.ratified_by,
                one.withdrawn_by,
                one.voided_by,
                one.moved_by,
                one.corrected_by,
                one.accepted_by,
            ),
        )
        for back in one.returns:
            yield Line(
                level=3,
                what=words.text(
                    "Returned, correction due {due}", due=words.when(back.correction_due)
                ),
                who="",
                state=words.text("answered") if back.resubmitted_at else words.text("unanswered"),
                kind="relief",
                start=back.received_at,
                end=back.resubmitted_at or back.correction_due,
                events=(back.event,),
            )


def _report(words: Language, one: Submission) -> str:
    if one.moved_from is not None:
        return words.text("Report moved here from {obligation}", obligation=one.moved_from)
    return words.text("Nil return") if one.nil_return else words.text("Report")


def _fate(words: Language, counts: bool, voided: bool, withdrawn: bool) -> str:
    if counts:
        return words.text("counts")
    if voided:
        return words.word("event", "report.voided")
    return words.word("event", "report.withdrawn") if withdrawn else words.text("does not count")


def _aftermath(words: Language, found: Trace) -> Iterator[Line]:
    for change in found.late_channel:
        opened = change.until is not None
        yield Line(
            level=2,
            what=words.word("event", "late_channel.opened" if opened else "late_channel.closed"),
            who="",
            state=words.when(change.until),
            kind="relief",
            start=change.received_at,
            end=change.until,
            events=(change.event,),
        )
    for gone in found.cancellations:
        yield Line(
            level=2,
            what=words.word("event", "obligation.cancelled"),
            who="",
            state=words.word("expectation", gone.cause),
            kind="moved",
            start=gone.received_at,
            events=(gone.event,),
        )
    for notice in found.notices:
        yield Line(
            level=2,
            what=words.word("event", "obligation.missed"),
            who=words.word("via", "clock"),
            state=words.text("withdrawn") if notice.withdrawn_by else words.text("stands"),
            kind="notice",
            start=notice.due,
            events=_present(notice.event, notice.withdrawn_by),
        )
    computed = found.verdict.computed
    if computed.outcome is Outcome.MISSED:
        assert computed.late_channel_until is not None, "what was missed had a late channel"
        yield Line(
            level=2,
            what=words.text("No report"),
            who="",
            state=words.text("no evidence"),
            kind="silence",
            start=computed.due,
            end=min(found.as_of.instant, computed.late_channel_until),
        )


def _climb(words: Language, found: Trace) -> Iterator[Line]:
    attribution = found.verdict.attribution
    for place, hop in enumerate(attribution.path if attribution else ()):
        due = found.verdict.computed.due
        yield Line(
            level=2 + place,
            what=words.text("At the due: {post}", post=post_label(words, found, hop.post)),
            who=person_label(words, found, hop.person) if hop.person else "",
            state=words.word("capacity", hop.reason),
            kind="vacant" if hop.person is None else "held",
            start=max(hop.gap_started, found.demanded.opened_at) if hop.gap_started else due,
            end=due if hop.gap_started else None,
            events=hop.events,
        )


_ROLES: Final = ("direct", "management", "retained", "noted")


class Person(msgspec.Struct, frozen=True):
    """Somebody who answers: the role, the name, the post, on what ground, by which facts."""

    role: str
    kind: str
    name: str
    post: str
    ground: str
    cited: tuple[Cited, ...]


def persons(words: Language, found: Trace) -> list[Person]:
    """Everybody whom the verdict names."""
    cited = {one.event: one for one in found.events}
    attribution = found.verdict.attribution
    named = sorted(
        attribution.persons if attribution else (), key=lambda one: _ROLES.index(one.role)
    )
    return [
        Person(
            role=words.word("role", one.role),
            kind=one.role,
            name=unit_label(words, found, one.unit)
            if one.unit and not one.person
            else person_label(words, found, one.person),
            post=post_label(words, found, one.post) if one.post else "",
            ground=words.word("ground", one.ground),
            cited=tuple(_cite(words, cited[event]) for event in one.events if event in cited),
        )
        for one in named
    ]


def _present(*events: EventId | None) -> tuple[EventId, ...]:
    return tuple(dict.fromkeys(event for event in events if event is not None))


def actor(words: Language, found: Trace, one: Citation) -> str:
    """Who recorded a fact."""
    who = one.actor
    if who.person is not None:
        return person_label(words, found, who.person)
    return who.system or words.word("via", who.via)
