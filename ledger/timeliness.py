"""When an obligation was due, and whether it was met: docs/rules.md R1, R3, R4 and R5.

Pure: a history and a Moment in, an `Assessment` out. It never reads the clock's notices, and asks
the calendar and the organisation again, so that it is the same however often, late or early the
clock ran. `ledger/relief.py` weighs extensions and waivers.
Read next: `ledger/attribution.py` (who answers for it), then `ledger/verdict.py` (the whole).
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from ledger import relief
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model import dossier
from ledger.model.calendar import Outage, closing_instant, local_day
from ledger.model.expectation import (
    CANCELLING_CAUSES,
    Bearer,
    Demand,
    Due,
    Knowledge,
    demand,
    own_days,
)
from ledger.model.history import History
from ledger.model.obligations import Obligation, Submission
from ledger.model.organisation import Unit
from ledger.model.periods import Period
from ledger.model.rules import Rules
from ledger.relief import DueStep, Inquiry, ReliefView
from ledger.vocabulary import EventId, Moment, ReportId

_NOT_OWED: Final = CANCELLING_CAUSES | {"suspended"}
"""A suspended unit owes nothing at its due, though it may still be resumed before."""


class Outcome(StrEnum):
    """The one state of an instance at a moment; `E = T + L + M + P` is over the first four."""

    ON_TIME = "on_time"
    LATE = "late"
    MISSED = "missed"
    PENDING = "pending"
    EXEMPT = "exempt"
    NOT_EXPECTED = "not_expected"


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


def assess(
    history: History,
    obligation: Obligation,
    moment: Moment,
    rules: Rules,
    turns: list[datetime] | None = None,
) -> Assessment:
    """R1 to R5 of one obligation, from the facts in `history`, as the clock stands at `moment`.

    `turns` is told every instant that the answer depended on: it is the same at any other instant
    that lies between the same two of them.
    """
    unit = history.rows["unit"].get(obligation.unit)
    zone = unit.zone if unit else DEFAULT_ZONE
    known = Inquiry(history, obligation, moment, rules, zone, [] if turns is None else turns)
    asked = _asked_now(known, unit)
    steps, provisional = _due_before_relief(known, unit, asked)
    weighed = relief.weigh(known, steps[-1].due)
    steps += weighed.steps
    due = steps[-1].due
    unexpected = _not_expected(obligation, asked)
    first, late_move = _first_valid(known, due)
    base = Assessment(
        outcome=Outcome.PENDING,
        expected=unexpected is None and not weighed.exempt,
        expectation=unexpected or ("waived" if weighed.exempt else "expected"),
        due=due,
        steps=tuple(steps),
        received_at=first[0] if first else None,
        report=first[1].report if first else None,
        capacity=first[1].capacity if first else None,
        reliefs=weighed.views,
        late_channel_until=_channel_end(known, due),
        correction_overdue=first is not None and _correction_overdue(first[1], known),
        flags=_flags(first, due),
    )
    judged = _judge(known, base, weighed, provisional=provisional)
    if late_move and judged.outcome in (Outcome.LATE, Outcome.MISSED):
        judged = replace(judged, mitigated=(*judged.mitigated, "moved_after_due"))
    return replace(judged, basis=_basis(known, judged, asked, first[1] if first else None))


def _judge(
    known: Inquiry, base: Assessment, weighed: relief.Weighed, *, provisional: bool
) -> Assessment:
    """The outcome, in the order in which the rules ask (R4)."""
    due, received = base.due, base.received_at
    if not base.expected:
        exempt = base.expectation == "waived"
        return replace(base, outcome=Outcome.EXEMPT if exempt else Outcome.NOT_EXPECTED)
    if received is not None and received < due:
        return replace(base, outcome=Outcome.ON_TIME)
    settled = due + timedelta(minutes=known.rules.settle_minutes)
    waiting = {
        "provisional": provisional,
        "not_due": known.is_before(settled),
        "relief": weighed.held_until is not None and known.is_before(weighed.held_until),
        "refusal_grace": received is None
        and weighed.grace_until is not None
        and known.is_before(weighed.grace_until),
    }
    if pending := next((reason for reason, holds in waiting.items() if holds), None):
        return replace(base, pending=pending)
    return _failed(known, base, weighed)


def _failed(known: Inquiry, base: Assessment, weighed: relief.Weighed) -> Assessment:
    """Late or missed: the kind is fixed when the late channel closes (R4)."""
    received, end = base.received_at, base.late_channel_until
    assert end is not None, "an expected obligation has a late channel"
    excused, mitigated = list(weighed.excused), list(weighed.mitigated)
    if received is not None and weighed.grace_until and received < weighed.grace_until:
        excused.append("slow_decision")
    if known.obligation.short_notice:
        excused.append("short_notice")
    if any(one.platform_fault and one.received_at < base.due for one in known.obligation.attempts):
        excused.append("platform_fault")
    flags = list(base.flags)
    if received is not None and weighed.posterior_due and received < weighed.posterior_due:
        flags.append("within_extension")
    late = received is not None and received < end
    closed = not known.is_before(end)
    return replace(
        base,
        outcome=Outcome.LATE if late else Outcome.MISSED,
        kind="late" if late else "unreported" if closed else None,
        excused=tuple(dict.fromkeys(excused)),
        mitigated=tuple(mitigated),
        flags=tuple(flags),
    )


# --- R1 and R3: is it owed, and when ---------------------------------------------------------


def _asked_now(known: Inquiry, unit: Unit | None) -> Demand | None:
    """What the duty, as it was opened, asks under everything known now; None: nothing changed.

    Only the facts that may cancel or move an open obligation are asked again (R1, R12): how the
    unit lived, its stage, the calendar, and its own days. The duty's terms and assignments stay
    those of the opening.
    """
    obligation = known.obligation
    duty = known.history.rows["duty"].get(obligation.duty)
    if unit is None or duty is None or not _moved_since(known, unit):
        return None
    terms = next((one for one in duty.terms if one.revision == obligation.duty_revision), None)
    if terms is None:
        return None
    as_opened = replace(
        duty,
        terms=(terms,),
        assignments=tuple(
            one for one in duty.assignments if one.received_at <= obligation.opened_at
        ),
    )
    period = Period(
        terms.cadence, obligation.period, obligation.period_start, obligation.period_end
    )
    now = Knowledge(known.history.organisation, known.history.calendar, known.rules)
    return demand(as_opened, period, unit, now)


def _moved_since(known: Inquiry, unit: Unit) -> bool:
    """Whether anything was recorded after the opening that could change what is asked."""
    since = known.obligation.position
    told: tuple[dossier.Item, ...] = (
        *unit.life,
        *unit.outlet,
        *unit.local_days,
        *unit.force_majeure,
    )
    obligation = known.obligation
    if obligation.provisional or obligation.opened_late or unit.annulled_at > since:
        return True
    return any(one.position > since for one in told) or calendar_moved(known.history, obligation)


def calendar_moved(history: History, obligation: Obligation) -> bool:
    """Whether a day between the period's start and the due was turned since the opening."""
    # A day more than the due's own in UTC covers every zone.
    last = (obligation.due + timedelta(days=1)).date()
    return history.calendar.shifted(obligation.position, obligation.period_start, last)


def _not_expected(obligation: Obligation, asked: Demand | None) -> str | None:
    """Why the instance is not owed after all, if so."""
    if obligation.informational:
        return "informational"
    if obligation.cancellations:
        return obligation.cancellations[-1].cause
    if asked is None:
        return None
    bearer = Bearer.SUCCESSOR if obligation.obligation.endswith(".parent") else Bearer.OWN
    if asked.bearer is bearer or asked.cause not in _NOT_OWED:
        return None
    return asked.cause


def _due_before_relief(
    known: Inquiry, unit: Unit | None, asked: Demand | None
) -> tuple[list[DueStep], bool]:
    """How the due came about, each step later than the last; and whether it is provisional."""
    obligation = known.obligation
    steps = [DueStep("nominal", obligation.nominal_due, obligation.event)]
    provisional = obligation.provisional

    def later(cause: str, due: datetime, event: EventId | None) -> None:
        if due > steps[-1].due:
            steps.append(DueStep(cause, due, event))

    later("first_period_grace", obligation.due, obligation.event)
    if asked is not None and asked.due is not None:
        provisional = asked.due.provisional
        later(*_moved_by(obligation, unit, asked.due))
    for change in obligation.due_changes:
        later(change.cause, change.due, change.event)
    for outage in known.history.calendar.outages:
        if outage.ratified_by and not outage.announced and _disturbs(known, outage, steps[-1].due):
            own = own_days(unit) if unit else {}
            day = known.history.calendar.nth_working_day_after(
                local_day(steps[-1].due, known.zone), 1, own
            )
            moved = closing_instant(day, known.rules.outage_due_time, known.zone)
            later("outage", moved, outage.ratified_by)
    return steps, provisional


def _moved_by(
    obligation: Obligation, unit: Unit | None, due: Due
) -> tuple[str, datetime, EventId | None]:
    """What a due worked out anew is owed to: the unit's own days, else the calendar (38, 40)."""
    own: tuple[dossier.Item, ...] = (*unit.local_days, *unit.force_majeure) if unit else ()
    known_then = 0 if obligation.opened_late else obligation.position
    since = [one for one in own if one.position > known_then]
    if since:
        return "local_days", due.instant, max(since, key=lambda one: one.position).event
    return "calendar", due.instant, due.basis[-1] if due.basis else None


def _disturbs(known: Inquiry, outage: Outage, due: datetime) -> bool:
    """Whether an outage was long enough and overlapped the last hours before the due (45)."""
    minutes_min = timedelta(minutes=known.rules.outage_minutes_min)
    window = due - timedelta(hours=known.rules.outage_window_hours)
    long_enough = outage.ended_at - outage.started_at >= minutes_min
    return long_enough and outage.started_at < due and outage.ended_at > window


def _channel_end(known: Inquiry, due: datetime) -> datetime:
    """When the late channel closes: the default, or what the last fact about it said (R4)."""
    count = known.rules.late_channel_working_days
    end = known.history.calendar.add_working_days(due, count, known.zone)
    for change in known.obligation.channel:
        end = change.until if change.until is not None else min(end, change.received_at)
    return end


# --- R4: what was received ------------------------------------------------------------------


def _first_valid(known: Inquiry, due: datetime) -> tuple[tuple[datetime, Submission] | None, bool]:
    """The first valid receipt, and whether it was moved here too late (rulings 56 and 57)."""
    window = timedelta(minutes=known.rules.upload_window_minutes)
    submissions = known.obligation.submissions
    received = [(_receipt(one, due, window), one) for one in submissions if one.counts]
    first = min(received, key=lambda pair: (pair[0], pair[1].position), default=None)
    moved = first is not None and first[1].moved_from is not None and first[0] >= due
    return first, moved


def _receipt(one: Submission, due: datetime, window: timedelta) -> datetime:
    """Ratifying or moving a report before the due keeps its receipt; after it, nothing does.

    A report whose files were on their way at the due counts from when the gate knew the hash of
    the last of them, if it followed within the window (ruling 42).
    """
    if one.ratified_at is not None:
        return one.received_at if one.ratified_at < due else one.ratified_at
    since = one.uploading_since
    if since is not None and since < due <= one.received_at < since + window:
        return since
    return one.received_at


def _correction_overdue(one: Submission, known: Inquiry) -> bool:
    """Whether a return was not answered by its own due (逾期未更正, ruling 49)."""
    return any(
        back.resubmitted_at >= back.correction_due
        if back.resubmitted_at
        else not known.is_before(back.correction_due)
        for back in one.returns
    )


_CAPACITY_FLAGS: Final = {"support": "by_support_line", "clerk": "by_clerk"}


def _flags(first: tuple[datetime, Submission] | None, due: datetime) -> tuple[str, ...]:
    if first is None:
        return ()
    receipt, one = first
    found = []
    if flag := _CAPACITY_FLAGS.get(one.capacity):
        found.append(flag)
    if one.nil_return:
        found.append("nil_return")
    if one.via == "import":
        found.append("imported")
    if one.device_time is not None and one.device_time < due <= one.received_at:
        found.append("device_time_before_due")
    if receipt == one.uploading_since != one.received_at:
        found.append("uploading_at_due")
    if one.returns:
        found.append("returned")
    return tuple(found)


def _basis(
    known: Inquiry, judged: Assessment, asked: Demand | None, first: Submission | None
) -> tuple[EventId, ...]:
    """Every event that the assessment rests on, each once."""
    obligation = known.obligation
    used: list[EventId | None] = [*_demanded_by(known), obligation.event]
    used.extend(step.event for step in judged.steps)
    if asked is not None and judged.expectation in _NOT_OWED:
        used.extend(_life_events(known))
    used.extend(one.event for one in obligation.cancellations)
    for one in obligation.submissions:
        used.extend((one.event, one.ratified_by, one.voided_by, one.withdrawn_by, one.moved_by))
        used.append(one.upload)
    if first is not None:
        used.extend(back.event for back in first.returns)
    used.extend(one.event for one in obligation.attempts)
    used.extend(event for view in judged.reliefs for event in view.events)
    used.extend(one.event for one in obligation.channel)
    return tuple(dict.fromkeys(event for event in used if event is not None))


def _demanded_by(known: Inquiry) -> list[EventId]:
    """Why it was demanded at all: the duty's terms, and the calendar behind the due."""
    duty, revision = (
        known.history.rows["duty"].get(known.obligation.duty),
        known.obligation.duty_revision,
    )
    terms = [one.event for one in duty.terms if one.revision == revision] if duty else []
    day = known.obligation.nominal_due.astimezone(ZoneInfo(known.zone))
    announced = [
        one.event
        for one in known.history.calendar.announcements
        if (one.year, one.revision) == (day.year, known.obligation.calendar_revision)
    ]
    return [*terms, *announced]


def _life_events(known: Inquiry) -> list[EventId]:
    unit = known.history.rows["unit"][known.obligation.unit]
    return [one.event for one in (*unit.life[1:], *unit.outlet)]
