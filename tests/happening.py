"""What may happen to an organisation, as rules of a state machine: in time, and in hindsight.

`Happening` passes the time and speaks to the ledger; units, posts and people, stages, calendars
and duties change in the classes after it. Read next: `tests/property/test_time_machine.py`.
"""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from ledger.calendar_seed import seeded_calendar
from ledger.decisions import calendar, duties, organisation, outlets
from ledger.events import duties as d
from ledger.vocabulary import Power
from tests.travelling import DRIVEN_UNTIL, OUTLETS, PEOPLE, Station, Travelled, monthly

HOURS = (0, 1, 5, 20, 48, 100, "just before a due", "at a due", "after a due")
"""How long nothing happens: so many hours, or until about the next due of anything."""
BACK_DAYS = (0, 0, 1, 4, 9, 20, 45)

a_pick = st.integers(0, 63)
an_outlet = st.sampled_from(OUTLETS)
a_person = st.sampled_from((*PEOPLE, "O1-boss", "O2-boss", "S1-boss"))
a_post = st.sampled_from(("O1-head", "O1-head", "O2-head", "O3-head", "S1-head", "S1-head"))
hours = st.sampled_from(HOURS)
days_back = st.sampled_from(BACK_DAYS)


class Happening(RuleBasedStateMachine):
    """One ledger, and the passing of time in it."""

    station: Station

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Travelled(self.station)
        self.is_late = False
        self.done = 0

    def go(self, wait: int | str) -> None:
        """Time passes; unless it is down, the clock does its part before anything else happens."""
        self.ledger.time.told = self.then(wait)
        if not self.is_late:
            self.ledger.tick()

    def then(self, wait: int | str) -> datetime:
        """What time it will be after waiting."""
        now = self.ledger.now
        if now > DRIVEN_UNTIL:
            return now
        if isinstance(wait, int):
            return now + timedelta(hours=wait)
        due = min((one.due for one in self.opened() if one.due > now), default=now)
        offset = {"just before a due": -1, "at a due": 0, "after a due": 200}[wait]
        return max(now, due + timedelta(minutes=offset))

    def operator(self, command: Any, wait: int | str) -> None:
        """An operator commands something after a while."""
        self.go(wait)
        if not self.ledger.operator(command):
            note(f"refused: {command}")

    def ago(self, days: int, wait: int | str) -> datetime:
        """So many days before what time it will be."""
        return self.then(wait) - timedelta(days=days)

    def about_a_due(self, offset: int) -> datetime:
        """So many hours after a due that is near; before it, if the number is below zero."""
        dues = [one.due for one in self.opened() if one.due > self.ledger.now - timedelta(days=6)]
        return min(dues, default=self.ledger.now) + timedelta(hours=offset)

    def opened(self) -> list[d.ObligationOpened]:
        """What was opened so far."""
        found = [one.fact for one in self.ledger.known()]
        return [one for one in found if isinstance(one, d.ObligationOpened)]

    def an_obligation(self, pick: int) -> str | None:
        """One of those opened last, or of all."""
        opened = [one.obligation for one in self.opened()]
        if not opened:
            return None
        return opened[-1 - pick % min(4, len(opened))] if pick & 1 else opened[pick % len(opened)]


class OrganisationHappens(Happening):
    """Units live and move, posts change hands, people leave."""

    @rule(unit=an_outlet, wait=hours, back=days_back, what=a_pick)
    def unit_turns(self, unit: str, wait: int | str, back: int, what: int) -> None:
        kinds = (
            organisation.CloseUnit,
            organisation.SuspendUnit,
            organisation.ResumeUnit,
            organisation.ReopenUnit,
        )
        command = kinds[what % len(kinds)](unit=unit, effective_from=self.ago(back, wait))
        self.operator(command, wait)

    @rule(unit=an_outlet, wait=hours, back=days_back, to=st.sampled_from(("S1", "S2")))
    def unit_moves(self, unit: str, wait: int | str, back: int, to: str) -> None:
        self.operator(
            organisation.ReparentUnit(unit=unit, parent=to, effective_from=self.ago(back, wait)),
            wait,
        )

    @rule(unit=an_outlet, into=an_outlet, wait=hours, back=days_back, passes=st.booleans())
    def unit_merges(self, unit: str, into: str, wait: int | str, back: int, passes: bool) -> None:
        if unit != into:
            command = organisation.MergeUnit(
                unit=unit,
                into=into,
                duties=("M",) if passes else (),
                effective_from=self.ago(back, wait),
            )
            self.operator(command, wait)

    @rule(number=st.integers(1, 3), wait=hours, opened=st.booleans())
    def unit_is_established(self, number: int, wait: int | str, opened: bool) -> None:
        unit = f"N{number}"
        self.operator(
            organisation.EstablishUnit(
                unit=unit, level="outlet", parent="S1", name_zh=unit, name_en=unit
            ),
            wait,
        )
        post = organisation.EstablishPost(
            post=f"{unit}-head", unit=unit, role="head", title_zh=unit, title_en=unit
        )
        self.operator(post, 0)
        day = (self.ledger.now - timedelta(days=number)).date()
        self.operator(outlets.PlanOutlet(unit=unit, planned_open=day), 0)
        if opened:
            self.operator(outlets.OpenOutlet(unit=unit, opened_on=day), 0)

    @rule(
        unit=st.sampled_from(("O1", "O2", "S1")),
        person=st.sampled_from(PEOPLE),
        offset=st.sampled_from((-240, -100, -60, -30, -5, -1, 0, 1)),
        gap=st.sampled_from((0, 0, 4, 40, 150)),
        what=st.sampled_from(("relieved", "relieved", "suspended", "died", "resigned")),
        then=st.sampled_from(("holder", "holder", "interim", "interims", "nobody", "two")),
    )
    def post_changes_hands(  # noqa: PLR0913, PLR0917  (how, when, and what came after)
        self, unit: str, person: str, offset: int, gap: int, what: str, then: str
    ) -> None:
        """About a due, told before it or in hindsight."""
        self.go(0)
        post, boss, at = f"{unit}-head", f"{unit}-boss", self.about_a_due(offset)
        leaving: dict[str, Any] = {
            "relieved": organisation.RelieveHolder(post=post, person=boss, effective_from=at),
            "suspended": organisation.SuspendHolder(post=post, person=boss, effective_from=at),
        }
        gone = organisation.DepartPerson(person=boss, cause=what, effective_from=at)
        self.ledger.operator(leaving.get(what, gone))
        start = at + timedelta(hours=gap)
        until = start + timedelta(days=20)
        acts = organisation.AppointActing(
            post=post, person=person, effective_from=start, effective_until=until
        )
        holds = organisation.AppointHolder(
            post=post,
            person=person,
            effective_from=start - timedelta(days=2 if then == "two" else 0),
            as_data_defect=then == "two",
            by="B-head" if gap else None,
        )
        if then == "interims":
            self.ledger.operator(acts)
            for other in PEOPLE[:2]:
                start += timedelta(days=2)
                ends = organisation.EndActing(post=post, person=person, effective_from=start)
                self.ledger.operator(ends)
                person = other
                self.ledger.operator(
                    organisation.AppointActing(
                        post=post, person=person, effective_from=start, effective_until=until
                    )
                )
        elif then != "nobody":
            self.ledger.operator(acts if then == "interim" else holds)

    @rule(unit=st.sampled_from(("O1", "O2")), to=st.sampled_from(PEOPLE), on_leave=st.booleans())
    def post_is_lent(self, unit: str, to: str, on_leave: bool) -> None:
        """Over the next due, to somebody who accepts; the holder may be on leave."""
        self.go(0)
        post, boss, name = f"{unit}-head", f"{unit}-boss", f"lent-{self.done}"
        self.done += 1
        until = self.ledger.now + timedelta(days=29)
        self.ledger.person(
            boss,
            organisation.GrantDelegation(
                post=post,
                delegate=to,
                powers=(Power.REPORTING,),
                delegation=name,
                effective_until=until,
            ),
        )
        self.ledger.person(to, organisation.AcceptDelegation(post=post, delegation=name))
        if on_leave:
            leave = organisation.RecordLeave(
                person=boss,
                kind="annual",
                effective_from=self.ledger.now,
                effective_until=until - timedelta(days=2),
            )
            self.ledger.operator(leave)

    @rule(post=a_post, person=a_person, wait=hours, back=days_back, what=a_pick)
    def holder_changes(self, post: str, person: str, wait: int | str, back: int, what: int) -> None:
        at = self.ago(back, wait)
        holder = f"{post.partition('-')[0]}-boss"
        someone = person if what & 1 else holder
        commands = (
            organisation.RelieveHolder(post=post, person=holder, effective_from=at),
            organisation.AppointHolder(post=post, person=person, effective_from=at),
            organisation.RelieveHolder(post=post, person=someone, effective_from=at),
            organisation.SuspendHolder(post=post, person=someone, effective_from=at),
            organisation.ReinstateHolder(post=post, person=someone, effective_from=at),
            organisation.AppointHolder(
                post=post, person=person, effective_from=at, as_data_defect=True
            ),
            organisation.AppointHolder(
                post=post,
                person=person,
                effective_from=at,
                effective_until=at + timedelta(days=1 + what),
            ),
        )
        self.operator(commands[what % len(commands)], wait)

    @rule(post=a_post, person=a_person, wait=hours, back=days_back, what=a_pick)
    def interim_changes(
        self, post: str, person: str, wait: int | str, back: int, what: int
    ) -> None:
        at = self.ago(back, wait)
        until = at + timedelta(days=3 + 5 * what)
        commands = (
            organisation.AppointActing(
                post=post, person=person, effective_from=at, effective_until=until
            ),
            organisation.AppointActing(
                post=post, person=person, effective_from=at, effective_until=until
            ),
            organisation.ExtendActing(post=post, person=person, effective_until=until),
            organisation.EndActing(post=post, person=person, effective_from=at),
        )
        self.operator(commands[what % len(commands)], wait)

    @rule(unit=an_outlet, to=a_person, wait=hours, what=a_pick, accepts=st.booleans())
    def holder_delegates(
        self, unit: str, to: str, wait: int | str, what: int, accepts: bool
    ) -> None:
        self.go(wait)
        powers = ((Power.REPORTING,), (Power.APPROVALS,), (Power.REPORTING, Power.RELIEF))
        name, post = f"lent-{self.done}", f"{unit}-head"
        self.done += 1
        offer = organisation.GrantDelegation(
            post=post,
            delegate=to,
            powers=powers[what % 3],
            delegation=name,
            effective_until=self.ledger.now + timedelta(days=1 + what % 29),
        )
        self.ledger.person(f"{unit}-boss", offer)
        if accepts:
            self.ledger.person(
                to, organisation.AcceptDelegation(post=post, delegation=name), by_http=True
            )
        elif what & 1:
            self.ledger.person(to, organisation.DeclineDelegation(post=post, delegation=name))

    @rule(person=st.sampled_from(("O1-boss", "O2-boss", "S1-boss")), wait=hours, back=days_back)
    def person_goes_on_leave(self, person: str, wait: int | str, back: int) -> None:
        at = self.ago(back, wait)
        leave = organisation.RecordLeave(
            person=person,
            kind="annual",
            effective_from=at,
            effective_until=at + timedelta(days=back + 15),
        )
        self.operator(leave, wait)

    @rule(
        person=st.sampled_from(("O1-boss", "O2-boss", "S1-boss", "amy")),
        wait=hours,
        back=days_back,
        cause=st.sampled_from(("died", "incapacitated", "resigned")),
    )
    def person_departs(self, person: str, wait: int | str, back: int, cause: str) -> None:
        at = self.ago(back, wait)
        command = organisation.DepartPerson(person=person, cause=cause, effective_from=at)
        self.operator(command, wait)

    @rule(to=st.sampled_from(PEOPLE), pick=a_pick, wait=hours)
    def holder_hands_over(self, to: str, pick: int, wait: int | str) -> None:
        self.go(wait)
        if one := self.an_obligation(pick):
            unit = one.split(".")[1]
            self.ledger.person(
                to,
                organisation.CompleteHandover(
                    post=f"{unit}-head", outgoing=f"{unit}-boss", incoming=to, items=(one,)
                ),
            )

    @rule(
        post=a_post,
        to=st.sampled_from((None, "S1-head", "S2-head", "B-head", "T-coach")),
        wait=hours,
        back=days_back,
    )
    def superior_changes(self, post: str, to: str | None, wait: int | str, back: int) -> None:
        at = self.ago(back, wait)
        self.operator(organisation.ChangeSuperior(post=post, superior=to, effective_from=at), wait)


class DemandsHappen(Happening):
    """Stages, calendars and duties change."""

    @rule(wait=hours, back=days_back, what=a_pick)
    def outlet_opens(self, wait: int | str, back: int, what: int) -> None:
        day = self.ago(back, wait).date()
        opening = next(
            (
                one.id
                for one in reversed(self.ledger.known())
                if one.type == "outlet.opened" and one.fact.unit == "O3"  # type: ignore[attr-defined]
            ),
            None,
        )
        commands = (
            outlets.OpenOutlet(unit="O3", opened_on=day, corrects=opening),
            outlets.RescheduleOpening(unit="O3", planned_open=day + timedelta(days=10 + 5 * what)),
            outlets.AbandonOutlet(unit="O3", effective_from=self.ago(back, wait)),
            outlets.PlanOutlet(unit="O3", planned_open=day + timedelta(days=7 * what)),
        )
        self.operator(commands[what % len(commands)], wait)

    @rule(wait=hours, ahead=st.integers(-4, 12), turns=st.booleans())
    def calendar_is_revised(self, wait: int | str, ahead: int, turns: bool) -> None:
        seeded = seeded_calendar(2026)
        assert seeded is not None
        day = (self.ledger.now + timedelta(days=ahead)).date()
        off, makeup = set(seeded.days_off), set(seeded.makeup_days)
        if turns and day.weekday() < 5:
            off ^= {day}
        elif turns:
            makeup ^= {day}
        self.operator(
            calendar.ReviseCalendar(
                year=2026,
                source_ref="notice",
                days_off=tuple(sorted(off)),
                makeup_days=tuple(sorted(makeup)),
            ),
            wait,
        )

    @rule(unit=an_outlet, wait=hours, ahead=st.integers(-4, 8), what=a_pick)
    def unit_has_days_of_its_own(self, unit: str, wait: int | str, ahead: int, what: int) -> None:
        at = self.ledger.now + timedelta(days=ahead)
        command = (
            calendar.DeclareForceMajeure(
                units=(unit, "S1"),
                document="typhoon",
                started_at=at,
                ended_at=at + timedelta(days=1 + what % 4),
            )
            if what & 1
            else calendar.SetLocalDay(
                units=(unit,), day=at.date(), working=what % 3 == 0, document="festival"
            )
        )
        self.operator(command, wait)

    @rule(what=a_pick, wait=hours, back=days_back)
    def duty_is_declared(self, what: int, wait: int | str, back: int) -> None:
        self.go(wait)
        first = (self.ledger.now - timedelta(days=back)).date()
        shapes: tuple[dict[str, Any], ...] = (
            {"first_period": first, "expectation": "whole_period"},
            {"first_period": first, "expectation": "any_overlap", "due": d.DueRule(working_days=0)},
            {"scope": "S1", "first_period": first, "due": d.DueRule(working_days=1, time="09:30")},
            {"cadence": "weekly", "scope": "S2", "due": d.DueRule(working_days=2)},
        )
        shape = shapes[what % len(shapes)]
        duty = f"X{what % len(shapes)}"
        self.ledger.operator(duties.PublishDuty(**monthly(duty, **shape)))

    @rule(what=a_pick, unit=an_outlet, wait=hours)
    def duty_changes(self, what: int, unit: str, wait: int | str) -> None:
        duty = ("M", "X0", "X1")[what % 3]
        commands = (
            duties.ReviseDuty(**monthly(duty, due=d.DueRule(working_days=1 + what % 5))),
            duties.UnassignDuty(duty=duty, unit=unit),
            duties.AssignDuty(duty="P", unit=unit),
            duties.RetireDuty(duty=("X0", "X1", "P")[what % 3]),
            duties.ActivateRules(parameters={"late_channel_working_days": 3 + what % 9}),
            duties.ActivateRules(
                parameters={"short_tenure_working_days": 1 + what % 5, "settle_minutes": 30}
            ),
        )
        self.operator(commands[what % len(commands)], wait)
