"""Whether an obligation is owed, until when, and whether it was met: R1, R3, R4.

`judge` is the whole answer on one obligation at a moment, persons included; it never reads the
clock's notices. Read next: `answering.py`, for who answers for a failure.
"""

from datetime import datetime, timedelta

import msgspec

from ledger.events import calendar as c
from ledger.events import duties as d
from ledger.events import outlets as u
from ledger.events import platform as p
from ledger.events.duties import RuleSetActivated
from ledger.events.organisation import FactAnnulled, UnitEstablished
from tests.plain import answering, expecting, receiving, relieving, units
from tests.plain.answering import Answer
from tests.plain.days import Calendar, Period, end_of_minute, local_day, own_days
from tests.plain.expecting import OWN, SUCCESSOR
from tests.plain.facts import Facts, Told
from tests.plain.policy import Policy, policy


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules say of one obligation at a moment."""

    obligation: str
    outcome: str
    expectation: str
    due: datetime
    received_at: datetime | None
    report: str | None
    kind: str | None
    pending: str | None
    excused: frozenset[str]
    mitigated: frozenset[str]
    flags: frozenset[str]
    reliefs: dict[str, str]
    late_channel_until: datetime
    correction_overdue: bool
    is_accepted: bool
    unsolicited: int
    answer: Answer | None
    basis: frozenset[str]
    background: frozenset[str]
    """What may be cited besides: how the unit lived, where a recorded cancellation says enough."""


def opening(facts: Facts, obligation: str) -> Told | None:
    """The fact that opened an obligation, even if it was annulled since."""
    found = [one for one in facts.told if isinstance(one.fact, d.ObligationOpened)]
    return next((one for one in found if one.fact.obligation == obligation), None)


def obligations(facts: Facts) -> list[str]:
    """Every obligation that was ever opened."""
    opened = [one.fact for one in facts.told if isinstance(one.fact, d.ObligationOpened)]
    return [one.obligation for one in opened]


def judge(facts: Facts, obligation: str, now: datetime) -> Judgement:
    """The verdict on one obligation, knowing these facts, when the clock shows `now`."""
    opened = opening(facts, obligation)
    assert opened is not None, "only what was opened is judged"
    case = _Case(facts, opened, now)
    outcome, pending = case.outcome()
    answer: Answer | None = None
    if outcome in ("late", "missed"):
        answer = answering.answer(facts, opened, case.due, case.relief.counted, case.rules)
    exempt = "waived" if case.relief.is_exempt else "expected"
    return Judgement(
        obligation=obligation,
        outcome=outcome,
        expectation=case.unexpected or exempt,
        due=case.due,
        received_at=case.at,
        report=case.first.report if case.first else None,
        kind=case.kind(outcome),
        pending=pending,
        excused=case.excused(answer) if answer else frozenset(),
        mitigated=case.mitigated() if answer else frozenset(),
        flags=case.flags(failed=answer is not None),
        reliefs={one.request.relief: one.standing for one in case.relief.counted},
        late_channel_until=case.channel_end,
        correction_overdue=case.first is not None and receiving.is_overdue(case.first, now),
        is_accepted=any(one.accepted is not None for one in case.valid),
        unsolicited=sum(not one.is_solicited and not one.ratified for one in case.received),
        answer=answer,
        basis=case.basis() | (answer.basis if answer else frozenset()),
        background=frozenset(case.lived) if case.cancelled else frozenset(),
    )


class _Case:
    """One obligation, and everything that its judgement rests on."""

    def __init__(self, facts: Facts, opened: Told, now: datetime) -> None:
        self.facts, self.opened, self.fact, self.now = facts, opened, opened.fact, now
        self.zone = units.zone_of(facts, self.fact.unit)
        self.rules = policy(facts, self.fact.rules)
        self.lived = [event.id for event in _life(facts, self.fact.unit)]

        # Is it owed (R1)?
        asked = _asked_now(facts, opened, self.rules)
        self.cancelled = facts.of(d.ObligationCancelled, obligation=self.fact.obligation)
        self.unexpected = _not_expected(facts, opened, asked, self.cancelled)

        # Until when (R3, R5)?
        self.moved = _moves(facts, opened, asked, self.zone, self.rules)
        self.relief = relieving.weigh(facts, opened, self.moved[-1][0], now, self.zone, self.rules)
        self.moved += self.relief.moved_by
        self.due = self.moved[-1][0]
        self.provisional = self.fact.provisional
        if asked is not None and asked.due is not None:
            self.provisional = asked.due.provisional
        self.channel_end = _channel_end(facts, opened, self.due, self.zone, self.rules)

        # What was received (R4)?
        self.received = receiving.received(facts, self.fact.obligation)
        self.valid = [one for one in self.received if one.is_valid]
        times = [(self._receipt(one), one.event.position, one) for one in self.valid]
        first = min(times, key=lambda time: time[:2], default=None)
        self.first = first[2] if first else None
        self.at = first[0] if first else None

    def _receipt(self, one: receiving.Received) -> datetime:
        return receiving.receipt(one, self.due, self.rules)

    def outcome(self) -> tuple[str, str | None]:
        """The one state of the obligation; for `pending`, what is waited for."""
        if self.unexpected is not None:
            return "not_expected", None
        if self.relief.is_exempt:
            return "exempt", None
        if self.at is not None and self.at < self.due:
            return "on_time", None
        if waits := self._pending():
            return "pending", waits
        is_late = self.at is not None and self.at < self.channel_end
        return ("late" if is_late else "missed"), None

    def _pending(self) -> str | None:
        """Why nothing can be said yet; None when it can."""
        if self.provisional:
            return "provisional"
        if self.now < self.due + timedelta(minutes=self.rules.settle_minutes):
            return "not_due"
        if self._is_before(self.relief.held_until):
            return "relief"
        if self.at is None and self._is_before(self.relief.grace_until):
            return "refusal_grace"
        return None

    def _is_before(self, end: datetime | None) -> bool:
        return end is not None and self.now < end

    def kind(self, outcome: str) -> str | None:
        """迟报 or 未报, fixed when the late channel closes."""
        if outcome == "late":
            return "late"
        return "unreported" if outcome == "missed" and self.now >= self.channel_end else None

    def excused(self, answer: Answer) -> frozenset[str]:
        """Why a failure is excused."""
        found = set(self.relief.excused)
        if self._came_before(self.relief.grace_until):
            found.add("slow_decision")
        if self.fact.short_notice:
            found.add("short_notice")
        refused = receiving.refused(self.facts, self.fact.obligation, self.due)
        if any(one.fact.platform_fault for one in refused):
            found.add("platform_fault")
        if "incapacitated" in answer.flags:
            found.add("incapacitated")
        return frozenset(found)

    def _came_before(self, end: datetime | None) -> bool:
        return self.at is not None and end is not None and self.at < end

    def mitigated(self) -> frozenset[str]:
        """What makes a failure weigh less."""
        moved_late = self.first is not None and self.first.moved_here
        return frozenset((*self.relief.mitigated, *(["moved_after_due"] if moved_late else [])))

    def flags(self, *, failed: bool) -> frozenset[str]:
        """What is remarkable about the report that counts."""
        found = receiving.flags_of(self.first, self.at, self.due)
        if failed and self._came_before(self.relief.posterior_due):
            found.add("within_extension")
        return frozenset(found)

    def basis(self) -> frozenset[str]:
        """Every fact that the judgement rests on, but who answers."""
        name = self.fact.obligation
        used: list[str | None] = [self.opened.id]
        used += [one.id for one in _demand(self.facts, self.opened)]
        used += [event for _, event in self.moved]
        used += [one.id for one in self.cancelled]
        used += [event for one in self.received for event in receiving.events_of(one)]
        used += [event.id for event in self.first.returned] if self.first else []
        used += [one.id for one in receiving.refused(self.facts, name)]
        used += [event for one in self.relief.counted for event in one.request.events]
        used += [one.id for one in _channel(self.facts, name)]
        rules = self.facts.of(RuleSetActivated, revision=self.fact.rules)
        used += [one.id for one in rules]
        if self.unexpected in expecting.CANCELS and not self.cancelled:
            used += self.lived
        if self.unexpected == "annulled":
            used += [one.id for one in self.facts.of(FactAnnulled, annulled=self.opened.id)]
        return frozenset(one for one in used if one is not None)


# --- R1: is it owed -----------------------------------------------------------------------------


def _asked_now(facts: Facts, opened: Told, rules: Policy) -> expecting.Asked | None:
    """What the duty, as it was opened, asks of the unit, as everything else is known now.

    How the unit lived, its stage and the calendar count as they are known; the duty's own terms
    and assignments do not reach back.
    """
    fact = opened.fact
    terms = [
        one
        for one in expecting.terms_of(facts, fact.duty)
        if expecting.revision_of(one) == fact.duty_revision
    ]
    if not terms or units.established(facts, fact.unit) is None:
        return None
    known_then = facts.of(d.DutyAssigned, d.DutyUnassigned, duty=fact.duty, unit=fact.unit)
    zone = units.zone_of(facts, fact.unit)
    said = [
        one
        for one in known_then
        if one.received_at <= opened.received_at
        and local_day(one.effective_from, zone) <= fact.period_start
    ]
    assignment = max(said, key=lambda one: (one.effective_from, one.position), default=None)
    period = Period(fact.period, fact.period_start, fact.period_end)
    return expecting.asked(facts, terms[0], assignment, fact.unit, period, rules)


def _not_expected(
    facts: Facts, opened: Told, asked: expecting.Asked | None, cancelled: list[Told]
) -> str | None:
    """Why the instance is not owed after all; None while it is."""
    if opened not in facts.events:
        return "annulled"
    if opened.fact.informational:
        return "informational"  # nobody can miss what they were never told they owed (31, 67)
    if cancelled:
        return str(cancelled[-1].fact.cause)
    bearer = SUCCESSOR if opened.fact.obligation.endswith(".parent") else OWN
    if asked is None or asked.bearer == bearer or asked.cause not in expecting.CANCELS:
        return None
    return asked.cause


# --- R3: until when -----------------------------------------------------------------------------


def _moves(
    facts: Facts, opened: Told, asked: expecting.Asked | None, zone: str, rules: Policy
) -> list[tuple[datetime, str | None]]:
    """The dues one after another, each later than the one before, and by which fact."""
    fact = opened.fact
    moves: list[tuple[datetime, str | None]] = [(fact.nominal_due, opened.id)]

    def later(due: datetime, event: str | None) -> None:
        if due > moves[-1][0]:
            moves.append((due, event))

    later(fact.due, opened.id)
    if asked is not None and asked.due is not None:
        later(asked.due.at, _why_moved(facts, opened, asked.due))
    for one in facts.of(
        d.ObligationDueRevised, d.ObligationDueConfirmed, obligation=fact.obligation
    ):
        later(one.fact.due, one.id)
    calendar = Calendar(facts, own_days(facts, fact.unit, zone))
    for outage in facts.of(p.OutageDeclared):
        ratified = facts.of(p.OutageRatified, outage=outage.fact.outage)
        if ratified and not outage.fact.announced and _disturbs(outage.fact, moves[-1][0], rules):
            day = calendar.after(local_day(moves[-1][0], zone), 1)
            later(end_of_minute(day, rules.outage_due_time, zone), ratified[-1].id)
    return moves


def _why_moved(facts: Facts, opened: Told, due: expecting.Due) -> str | None:
    """Why a due worked out anew is another: by rulings 38 and 40.

    Days of the unit's own that were told since the opening, or else the calendar.
    """
    late = opened.recorded_at - opened.received_at > timedelta(minutes=1)
    known_then = 0 if late else opened.position
    own = [
        one
        for one in facts.of(c.CalendarLocalDaySet, p.ForceMajeureDeclared)
        if opened.fact.unit in one.fact.units and one.position > known_then
    ]
    if own:
        return own[-1].id
    return due.calendars[-1].id if due.calendars else None


def _disturbs(outage: p.OutageDeclared, due: datetime, rules: Policy) -> bool:
    """Long enough, and overlapping the last hours before the due (ruling 45)."""
    long_enough = outage.ended_at - outage.started_at >= timedelta(minutes=rules.outage_minutes_min)
    window = due - timedelta(hours=rules.outage_window_hours)
    return long_enough and outage.started_at < due and outage.ended_at > window


def _channel(facts: Facts, obligation: str) -> list[Told]:
    return facts.of(d.LateChannelOpened, d.LateChannelClosed, obligation=obligation)


def _channel_end(facts: Facts, opened: Told, due: datetime, zone: str, rules: Policy) -> datetime:
    """Ten working days after the due, unless a fact opens the late channel longer or closes it."""
    end = Calendar(facts).same_time_after(due, rules.late_channel_working_days, zone)
    for one in _channel(facts, opened.fact.obligation):
        if isinstance(one.fact, d.LateChannelOpened):
            end = one.fact.until
        else:
            end = min(end, one.received_at)
    return end


# --- what it rests on ---------------------------------------------------------------------------


def _demand(facts: Facts, opened: Told) -> list[Told]:
    """Why it was asked at all: the duty's terms, and the calendar of the year of the due."""
    fact = opened.fact
    day = local_day(fact.nominal_due, units.zone_of(facts, fact.unit))
    terms = expecting.terms_of(facts, fact.duty)
    calendars = facts.of(c.CalendarPublished, c.CalendarRevised, year=day.year)
    return [
        *(one for one in terms if expecting.revision_of(one) == fact.duty_revision),
        *(one for one in calendars if one.fact.revision == fact.calendar_revision),
    ]


def _life(facts: Facts, unit: str) -> list[Told]:
    """The facts that say how the unit lived since it was established."""
    plans = (u.OutletPlanned, u.OutletOpeningRescheduled, u.OutletOpened)
    told = facts.of(*units.LIFE, *plans, unit=unit)
    return [one for one in told if not isinstance(one.fact, UnitEstablished)]
