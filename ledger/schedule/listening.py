"""What an event means for the clock: which work it puts into the agenda, and for when.

The listener keeps the indexes that spare the clock every scan: the obligations of a unit, the next
period of every chain, the units below a scope. Read next: `planner.py`, which does the work.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from ledger.entry import Event
from ledger.events import calendar as c
from ledger.events import duties as d
from ledger.events import organisation as o
from ledger.events import outlets as u
from ledger.events.fact import Fact
from ledger.events.organisation import DEFAULT_ZONE
from ledger.events.platform import ForceMajeureDeclared, OutageDeclared, OutageRatified
from ledger.model.calendar import day_start, local_day
from ledger.model.duties import Duty, Terms
from ledger.model.history import History
from ledger.model.obligations import OBLIGATION_FACTS, Obligation
from ledger.model.organisation import Unit
from ledger.model.periods import ONE_DAY, period_after, period_of, periods_between
from ledger.model.submitting import stated_due
from ledger.schedule.agenda import Agenda
from ledger.schedule.openings import Reconciler
from ledger.schedule.work import BeginYear, Chain, Check, OpenPeriod, Redate, Review, Work
from ledger.vocabulary import Cadence, ObligationId, UnitRef

_UNIT_TURNS: Final = (
    o.UnitClosed,
    o.UnitReopened,
    o.UnitResumed,
    o.UnitMerged,
    u.OutletPlanned,
    u.OutletOpeningRescheduled,
    u.OutletOpened,
    u.OutletAbandoned,
)
"""Facts about a unit that may change what is asked of it."""


START: Final = datetime.min.replace(tzinfo=UTC)
"""Before anything happened."""


class Listener:
    """Hears every event of a history; all it does is put work where it belongs."""

    def __init__(self, history: History, agenda: Agenda[Work], reconciler: Reconciler) -> None:
        self.next_period: dict[Chain, date] = {}
        self.of_unit: dict[UnitRef, dict[ObligationId, None]] = {}
        self.rules_since = START
        self._history = history
        self._agenda = agenda
        self._reconciler = reconciler
        self._now = START
        self._zones: dict[str, None] = {}
        self._below: dict[UnitRef, list[UnitRef]] = {}
        self._left_to_come: dict[ObligationId, datetime] = {}
        self._hears = self._listening()
        self._resume()

    def hear(self, event: Event, now: datetime) -> None:
        """Take in an event that was just applied to the history."""
        if self._now == START:
            self.await_year(local_day(now, DEFAULT_ZONE).year + 1)
        self._now = now
        hear = self._hears.get(type(event.fact))
        if hear is not None:
            hear(event)

    def units_of(self, duty: Duty, zone: str) -> Iterator[Unit]:
        """Every unit of a zone that the duty's scopes and assignments can reach."""
        units = self._history.rows["unit"]
        seen: dict[UnitRef, None] = {}
        for terms in duty.terms:
            below = self._below.get(terms.scope)
            if below is None:
                below = list(self._history.organisation.subtree(terms.scope, self._now))
                self._below[terms.scope] = below
            seen.update(dict.fromkeys(below))
        seen.update((one.unit, None) for one in duty.assignments)
        for key in seen:
            unit = units.get(key)
            if unit is not None and unit.zone == zone:
                yield unit

    def await_year(self, year: int) -> None:
        """Look at the calendar of a year when it begins."""
        self._agenda.put(day_start(date(year, 1, 1), DEFAULT_ZONE), BeginYear(year))

    def _listening(self) -> dict[type[Fact], Callable[[Event], None]]:
        return {
            **dict.fromkeys(OBLIGATION_FACTS, self._hear_obligation),
            **dict.fromkeys(_UNIT_TURNS, self._hear_unit),
            d.ObligationOpened: self._hear_opened,
            d.DutyPublished: self._hear_duty,
            d.DutyRevised: self._hear_duty,
            d.DutyAssigned: self._hear_assignment,
            d.DutyUnassigned: self._hear_assignment,
            c.CalendarPublished: self._hear_calendar,
            c.CalendarRevised: self._hear_calendar,
            c.CalendarLocalDaySet: self._hear_own_days,
            ForceMajeureDeclared: self._hear_own_days,
            o.UnitEstablished: self._hear_established,
            o.UnitReparented: self._hear_reparented,
            o.UnitSuspended: self._hear_suspended,
            o.PostEstablished: self._hear_post,
            o.FactAnnulled: self._hear_annulled,
            d.RuleSetActivated: self._hear_rules,
            OutageRatified: self._hear_outage,
        }

    def _resume(self) -> None:
        """Take up a history that was folded before."""
        for unit in self._history.rows["unit"].values():
            self._zones[unit.zone] = None
        for duty in self._history.rows["duty"].values():
            for zone in self._zones:
                self._chain(duty, duty.terms, zone)
        for obligation in self._history.rows["obligation"].values():
            self._await_due(obligation.obligation)

    def _put(self, work: Work) -> None:
        self._agenda.put(self._now, work)

    def _hear_opened(self, event: Event) -> None:
        assert isinstance(event.fact, d.ObligationOpened), "only openings are heard here"
        self._await_due(event.fact.obligation)

    def _await_due(self, obligation: ObligationId) -> None:
        row = self._history.obligation(obligation)
        self.of_unit.setdefault(row.unit, {})[obligation] = None
        settled = self._settled(row)
        if settled < self._now:
            # Opened after its due, from facts that came late: the reports of that time may still
            # be coming with them, so the day is left to them.
            zone = self._zone_of(row)
            settled = day_start(local_day(self._now, zone) + ONE_DAY, zone)
            self._left_to_come[obligation] = settled
        self._agenda.put(settled, Check(obligation))

    def _zone_of(self, row: Obligation) -> str:
        unit: Unit | None = self._history.rows["unit"].get(row.unit)
        return unit.zone if unit else DEFAULT_ZONE

    def _settled(self, row: Obligation) -> datetime:
        return row.due + timedelta(minutes=self._history.rules(row.rules).settle_minutes)

    def _has_passed(self, row: Obligation) -> bool:
        """Whether its notice, or the lack of one, may be wrong: it was due, and was looked at."""
        return self._now >= self._left_to_come.get(row.obligation, self._settled(row))

    def _hear_obligation(self, event: Event) -> None:
        """After its due an obligation is looked at again whenever it changes; before, at it."""
        for tag in event.tags:
            prefix, _, key = tag.partition(":")
            row = self._history.rows["obligation"].get(key) if prefix == "obligation" else None
            if row is not None and self._now >= self._settled(row):
                self._put(Check(row.obligation))

    def _hear_duty(self, event: Event) -> None:
        assert isinstance(event.fact, d.DutyTerms), "only these state terms"
        duty = self._history.duty(event.fact.duty)
        for zone in self._zones:
            self._chain(duty, [one for one in duty.terms if one.event == event.id], zone)

    def _chain(self, duty: Duty, stated: Iterable[Terms], zone: str) -> None:
        """Begin to open a duty's periods in a zone, from the first that the terms ask for."""
        for terms in stated:
            first = terms.first_day(zone)
            period = period_of(terms.cadence, first)
            if period.start < first:
                period = period_after(period)
            chain = Chain(duty.duty, terms.cadence, zone)
            reached = self.next_period.get(chain)
            if reached is None:
                self.next_period[chain] = period.start
                start = day_start(period.start, zone)
                self._agenda.put(start, OpenPeriod(chain, period, then_next=True))
            elif period.start < reached:
                for one in periods_between(terms.cadence, period.start, reached - ONE_DAY):
                    self._put(OpenPeriod(chain, one, then_next=False))

    def _hear_assignment(self, event: Event) -> None:
        assert isinstance(event.fact, d.DutyAssigned | d.DutyUnassigned), "only these assign"
        since = local_day(event.effective_from, self._history.unit(event.fact.unit).zone)
        self._put(Review(event.fact.unit, since, event.received_at, event.fact.duty))

    def _hear_calendar(self, event: Event) -> None:
        fact = event.fact
        assert isinstance(fact, c.CalendarPublished | c.CalendarRevised), "only these announce"
        cause = "calendar_revised" if isinstance(fact, c.CalendarRevised) else "calendar_published"
        self._put(Redate(cause, fact.source_ref, year=fact.year))
        # A day that turns out to be worked, too late to open as usual, is asked about even so.
        worked = set(fact.makeup_days)
        for one in self._history.calendar.announcements:
            if one.year == fact.year:
                worked.update(one.days_off)
        for chain, reached in self.next_period.items():
            if chain.cadence is Cadence.DAILY:
                for day in sorted(one for one in worked if one < reached):
                    period = period_of(Cadence.DAILY, day)
                    told_at = event.received_at
                    self._put(OpenPeriod(chain, period, then_next=False, told_at=told_at))

    def _hear_own_days(self, event: Event) -> None:
        fact = event.fact
        assert isinstance(fact, c.CalendarLocalDaySet | ForceMajeureDeclared), "own days only"
        is_local = isinstance(fact, c.CalendarLocalDaySet)
        for unit in fact.units:
            self._put(Redate("local_day" if is_local else "force_majeure", fact.document, unit))
            self._review(unit, event, fact.day if isinstance(fact, c.CalendarLocalDaySet) else None)

    def _hear_established(self, event: Event) -> None:
        assert isinstance(event.fact, o.UnitEstablished), "only this establishes"
        self._below.clear()
        zone = event.fact.zone
        if zone not in self._zones:
            self._zones[zone] = None
            for duty in self._history.rows["duty"].values():
                self._chain(duty, duty.terms, zone)
        self._review(event.fact.unit, event)

    def _hear_reparented(self, event: Event) -> None:
        assert isinstance(event.fact, o.UnitReparented), "only this moves units"
        self._below.clear()
        for unit in self._history.organisation.subtree(event.fact.unit, self._now):
            self._review(unit, event)

    def _hear_suspended(self, event: Event) -> None:
        assert isinstance(event.fact, o.UnitSuspended), "only this suspends units"
        self._check_passed(event.fact.unit)

    def _check_passed(self, unit: UnitRef) -> None:
        """What is told of a unit may say that a due which has passed was none, or a later one."""
        for obligation in self.of_unit.get(unit, ()):
            if self._has_passed(self._history.obligation(obligation)):
                self._put(Check(obligation))

    def _hear_unit(self, event: Event) -> None:
        self._review(event.fact.unit, event)  # type: ignore[attr-defined]  # (all of _UNIT_TURNS)

    def _hear_annulled(self, event: Event) -> None:
        self._hear_obligation(event)
        for tag in event.tags:
            prefix, _, key = tag.partition(":")
            if prefix == "unit" and key in self._history.rows["unit"]:
                self._below.clear()
                self._review(UnitRef(key), event, self._earliest_of(UnitRef(key)))
            elif prefix == "calendar":
                self._hear_calendar_annulled(event)

    def _hear_calendar_annulled(self, event: Event) -> None:
        """Days may have been turned; and an outage that never was moved no due, noticed or not."""
        assert isinstance(event.fact, o.FactAnnulled), "only annulments are heard here"
        if event.fact.annulled_type in (OutageDeclared.TOPIC, OutageRatified.TOPIC):
            for row in self._history.rows["obligation"].values():
                if self._has_passed(row):
                    self._put(Check(row.obligation))
            return
        for year in {one.year for one in self._history.calendar.announcements}:
            self._put(Redate("calendar_revised", None, year=year))

    def _hear_outage(self, event: Event) -> None:
        """Dues near the outage may have moved after they were noticed as missed (ruling 47)."""
        assert isinstance(event.fact, OutageRatified), "only this moves dues"
        for outage in self._history.calendar.outages:
            if outage.outage == event.fact.outage:
                for row in self._history.rows["obligation"].values():
                    passed = self._has_passed(row)
                    if passed and outage.started_at < stated_due(row) < outage.ended_at + ONE_DAY:
                        self._put(Check(row.obligation))

    def _hear_rules(self, event: Event) -> None:
        self.rules_since = event.recorded_at

    def _hear_post(self, event: Event) -> None:
        for unit, day in self._reconciler.postless():
            self._put(Review(unit, day, event.received_at))

    def _review(self, unit: UnitRef, event: Event, since: date | None = None) -> None:
        """Ask again from the day on which the fact may have changed anything."""
        row: Unit | None = self._history.rows["unit"].get(unit)
        if row is None:
            return
        days = [since or local_day(event.effective_from, row.zone)]
        days.extend(one.day for one in row.outlet if one.change == "opened" and one.day)
        self._put(Review(row.unit, min(days), event.received_at))
        self._check_passed(row.unit)

    def _earliest_of(self, unit: UnitRef) -> date | None:
        owed = (self._history.obligation(one) for one in self.of_unit.get(unit, ()))
        return min((one.period_start for one in owed), default=None)
