"""How extensions and waivers count: prior, posterior, pending, undecided, void (docs/rules.md R5).

Pure, and independent of the order in which requests and decisions were recorded: what counts is
when each was received. Read next: `ledger/timeliness.py`, which asks this.
"""

from datetime import datetime, time, timedelta

import msgspec

from ledger.model.calendar import local_day, local_to_utc
from ledger.model.history import History
from ledger.model.obligations import Obligation, Relief
from ledger.model.rules import Rules
from ledger.vocabulary import EventId, Moment, Power


class Inquiry(msgspec.Struct, frozen=True):
    """One obligation, and all that it is judged with.

    `turns` collects every instant that the clock was compared with: at any other instant that
    lies between the same two of them the same is answered.
    """

    history: History
    obligation: Obligation
    moment: Moment
    rules: Rules
    zone: str
    turns: list[datetime] = msgspec.field(default_factory=list)

    def is_before(self, turn: datetime) -> bool:
        """Whether the moment lies before an instant; the only way to look at the clock."""
        self.turns.append(turn)
        return self.moment.instant < turn


class DueStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reason why the due is what it is: what moved it, to when, and by which event."""

    cause: str
    due: datetime
    event: EventId | None = None


class ReliefView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A relief as it counts: `prior`, `posterior`, `pending`, `refused`, `undecided`, `void` ...

    `asked_in_time`: a posterior grant whose request came before the due, so its decider was late.
    """

    relief: str
    kind: str
    standing: str
    events: tuple[EventId, ...]
    due: datetime | None = None
    granted_by: str | None = None
    reason: str | None = None
    asked_in_time: bool = False


class Weighed(msgspec.Struct, frozen=True):
    """What all relief together does to an obligation.

    `held_until`: a timely request may still be granted with effect. `grace_until`: a late refusal
    leaves the obligor that long. `posterior_due`: the latest due given after the fact.
    """

    steps: list[DueStep]
    views: tuple[ReliefView, ...]
    exempt: bool = False
    excused: tuple[str, ...] = ()
    mitigated: tuple[str, ...] = ()
    held_until: datetime | None = None
    grace_until: datetime | None = None
    posterior_due: datetime | None = None


def weigh(known: Inquiry, due: datetime) -> Weighed:
    """Every relief of the obligation in the order of its decision, from `due` on."""
    scale = _Scale(known, due)
    for one in sorted(known.obligation.reliefs, key=_order):
        scale.weigh(one)
    return scale.result()


def _order(one: Relief) -> tuple[datetime, int]:
    at = one.decided_at or one.requested_at
    assert at is not None, "a relief was asked for or decided"
    return at, one.position


class _Scale:
    """The running total while reliefs are weighed one after another."""

    def __init__(self, known: Inquiry, due: datetime) -> None:
        self._known, self._due = known, due
        self._steps: list[DueStep] = []
        self._views: list[ReliefView] = []
        self._excused: list[str] = []
        self._mitigated: list[str] = []
        self._exempt = False
        self._held_until: datetime | None = None
        self._grace_until: datetime | None = None
        self._posterior_due: datetime | None = None

    def weigh(self, one: Relief) -> None:
        """Let one relief take effect, and note how it counts."""
        if one.annulled_by or (one.decision == "granted" and self._is_void(one)):
            standing = "void"
        elif one.ended_at is not None and (one.decision is None or one.ended_at < self._due):
            standing = "withdrawn"
        elif one.kind == "waiver":
            standing = self._waiver(one)
        else:
            standing = self._extension(one)
        self._views.append(
            ReliefView(
                relief=one.relief,
                kind=one.kind,
                standing=standing,
                events=_events(one),
                due=one.due,
                granted_by=one.decided_by,
                reason=one.reason,
                asked_in_time=standing == "posterior" and self._is_in_time(one),
            )
        )

    def result(self) -> Weighed:
        """The effect of all that was weighed."""
        return Weighed(
            self._steps,
            tuple(self._views),
            self._exempt,
            tuple(self._excused),
            tuple(self._mitigated),
            self._held_until,
            self._grace_until,
            self._posterior_due,
        )

    def _extension(self, one: Relief) -> str:
        if one.decision is None:
            return self._undecided(one)
        assert one.decided_at is not None, "a decision has an instant"
        if one.decision == "refused":
            return self._refused(one, one.decided_at)
        assert one.due is not None, "a granted extension names its due"
        if one.decided_at < self._due or self._granted_in_time(one, one.decided_at):
            if one.due > self._due:
                self._steps.append(DueStep("extension", one.due, one.decision_event))
                self._due = one.due
            return "prior"
        self._mitigated.append("extension_after_due")
        self._posterior_due = max(one.due, self._posterior_due or one.due)
        return self._posterior(one)

    def _waiver(self, one: Relief) -> str:
        if one.decision is None:
            return self._undecided(one)
        assert one.decided_at is not None, "a decision has an instant"
        if one.decision == "refused":
            return self._refused(one, one.decided_at)
        if one.decided_at < self._due or self._granted_in_time(one, one.decided_at):
            self._exempt = True
            return "prior"
        self._excused.append("waived_after_due")
        return self._posterior(one)

    def _posterior(self, one: Relief) -> str:
        """Nobody decided within the window on what was asked in time: excused as in ruling 20."""
        if self._is_in_time(one):
            self._excused.append("undecided_relief")
        return "posterior"

    def _is_in_time(self, one: Relief) -> bool:
        return one.requested_at is not None and one.requested_at < self._due

    def _undecided(self, one: Relief) -> str:
        """Asked and not decided: held for a while, then the obligor is excused (18, 20)."""
        if one.requested_at is None or one.requested_at >= self._due:
            return "pending"
        window = self._end_of_working_day(self._due, self._known.rules.late_grant_working_days)
        if self._known.is_before(window):
            self._held_until = max(window, self._held_until or window)
            return "pending"
        self._excused.append("undecided_relief")
        return "undecided"

    def _refused(self, one: Relief, decided_at: datetime) -> str:
        """Asked in time and refused after the due: a working day more before the miss counts."""
        asked_in_time = one.requested_at is not None and one.requested_at < self._due
        if asked_in_time and decided_at >= self._due:
            grace = self._end_of_working_day(
                decided_at, self._known.rules.refusal_grace_working_days
            )
            self._grace_until = max(grace, self._grace_until or grace)
            return "refused_late"
        return "refused"

    def _granted_in_time(self, one: Relief, decided_at: datetime) -> bool:
        """The single exception: asked in time, granted within the window after the due (18)."""
        if one.requested_at is None or one.requested_at >= self._due:
            return False
        return decided_at < self._end_of_working_day(
            self._due, self._known.rules.late_grant_working_days
        )

    def _end_of_working_day(self, instant: datetime, count: int) -> datetime:
        # The due is exclusive, so its day is the one of the instant just before it.
        day = local_day(instant - timedelta(microseconds=1), self._known.zone)
        day = self._known.history.calendar.nth_working_day_after(day, count)
        return local_to_utc(day + timedelta(days=1), time.min, self._known.zone)

    def _is_void(self, one: Relief) -> bool:
        """A grant by the obligor, a delegate, or nobody with authority is no grant (ruling 23)."""
        assert one.decided_at is not None, "a granted relief was decided"
        post, organisation = self._known.obligation.post, self._known.history.organisation
        if post not in organisation.posts or one.decided_by is None:
            return False
        obligor = organisation.effective(post, one.decided_at).person
        person = one.decided_by_person
        if person is not None:
            lent = (organisation.delegate(post, one.decided_at, power) for power in Power)
            if person in (obligor, *(found.delegate for found in lent if found is not None)):
                return True
        duty = self._known.history.rows["duty"].get(self._known.obligation.duty)
        owners = {terms.owner for terms in duty.terms} if duty else set()
        is_owner = one.decided_by in owners
        return not is_owner and not organisation.is_superior(post, one.decided_by, one.decided_at)


def _events(one: Relief) -> tuple[EventId, ...]:
    found = (one.event, one.decision_event, one.ended_event, one.annulled_by)
    return tuple(dict.fromkeys(event for event in found if event is not None))
