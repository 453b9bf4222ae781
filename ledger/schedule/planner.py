"""What has to be recorded because time has passed, or because a fact changed what is owed.

The planner follows a history that others feed: whoever applies an event to it calls `observe`,
and `run` then yields, instant by instant, the facts that the clock owes the log. Whoever records
them applies them to the history before asking for more. The same events give the same plans, so
a clock that was down for a week plans what it would have planned (docs/rules.md R1, rulings 26 to
40, 59 and 67). Read next: `ledger/model/expectation.py`, then `ledger/clock.py`.
"""

from collections.abc import Iterator
from datetime import date, datetime

from ledger.entry import Event
from ledger.model.calendar import day_start, local_day
from ledger.model.duties import Duty
from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.model.organisation import Unit
from ledger.model.periods import ONE_DAY, Period, period_after, periods_between
from ledger.schedule.agenda import Agenda
from ledger.schedule.candidates import Candidates
from ledger.schedule.drafting import Planned
from ledger.schedule.listening import START, Listener
from ledger.schedule.notices import plan_notice
from ledger.schedule.openings import Opening, Reconciler
from ledger.schedule.platform import year_without_calendar
from ledger.schedule.redating import plan_redating
from ledger.schedule.work import BeginYear, Check, OpenPeriod, Redate, Review, Work
from ledger.vocabulary import DutyId, ObligationId


class Planner:
    """The clock's mind: owns an agenda, reads a history, and writes nothing."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.now = START
        self._agenda: Agenda[Work] = Agenda()
        self._reconciler = Reconciler(history)
        self._candidates = Candidates()
        self._listener = Listener(history, self._agenda, self._reconciler)

    def observe(self, event: Event) -> None:
        """Hear of an event that was just applied to the history."""
        self.now = max(self.now, event.recorded_at)
        self._listener.hear(event, self.now)

    def run(self, until: datetime) -> Iterator[list[Planned]]:
        """Plans up to an instant, one list an instant; apply and `observe` each before the next."""
        while (instant := self._agenda.next_at) is not None and instant <= until:
            self.now = max(self.now, instant)
            planned = self._do_all(self._agenda.take())
            if planned:
                yield planned
        self.now = max(self.now, until)

    def _do_all(self, works: list[Work]) -> list[Planned]:
        """Plans that do not touch one obligation twice; what would is asked again afterwards."""
        planned: list[Planned] = []
        touched: set[ObligationId] = set()
        for work in works:
            for one in self._do(work):
                if touched.isdisjoint(one.obligations):
                    touched.update(one.obligations)
                    planned.append(one)
                else:
                    self._agenda.put(self.now, work)
        return planned

    def _do(self, work: Work) -> Iterator[Planned]:
        match work:
            case OpenPeriod():
                yield from self._open_period(work)
            case Review():
                yield from self._do_review(work)
            case Redate():
                for row in self._to_redate(work):
                    if draft := plan_redating(
                        self.history, row, self.now, work.cause, work.document
                    ):
                        yield Planned(self.now, (draft,), (row.obligation,))
            case BeginYear():
                yield from self._begin_year(work.year)
            case Check():
                yield from self._check(self.history.obligation(work.obligation))

    def _open_period(self, work: OpenPeriod) -> Iterator[Planned]:
        chain, period = work.chain, work.period
        duty = self.history.duty(chain.duty)
        if work.then_next:
            following = period_after(period)
            self._listener.next_period[chain] = following.start
            self._agenda.put(
                day_start(following.start, chain.zone), OpenPeriod(chain, following, then_next=True)
            )
        opening = day_start(period.start, chain.zone)
        if duty.is_retired(opening):
            return
        reached = self._listener.units_of(duty, chain.zone)
        only_new = not work.told_at
        if only_new:
            limits = self.history.rules().stage_limits
            calendar = self.history.calendar
            reached = self._candidates.of(duty, period, reached, calendar, limits)
        for unit in reached:
            found = self._reconciler.reconcile(
                Opening(duty, period, unit, work.told_at, self.now), only_new=only_new
            )
            if found:
                yield found

    def _do_review(self, work: Review) -> Iterator[Planned]:
        unit: Unit | None = self.history.rows["unit"].get(work.unit)
        if unit is None:
            return
        for duty, period in self._concerned(unit, work):
            opening = Opening(duty, period, unit, work.told_at, self.now)
            if found := self._reconciler.reconcile(opening):
                yield found

    def _concerned(self, unit: Unit, work: Review) -> Iterator[tuple[Duty, Period]]:
        """The periods from a day on, and older ones whose due lies after it."""
        today = local_day(self.now, unit.zone)
        duties = self.history.rows["duty"]
        asked: dict[tuple[DutyId, str], tuple[Duty, Period]] = {}
        for duty in [duties[work.duty]] if work.duty else duties.values():
            levels = {level for terms in duty.terms for level in terms.levels}
            if unit.level not in levels and all(one.unit != unit.unit for one in duty.assignments):
                continue
            for cadence in {terms.cadence for terms in duty.terms}:
                first = min(one.first_day(unit.zone) for one in duty.terms)
                for period in periods_between(cadence, max(first, work.since), today):
                    asked[duty.duty, period.key] = duty, period
        for one in self._listener.of_unit.get(unit.unit, ()):
            row = self.history.obligation(one)
            if local_day(row.due, unit.zone) >= work.since and work.duty in (None, row.duty):
                duty = duties[row.duty]
                if (own := _period_of(row, duty)) is not None:
                    asked[row.duty, row.period] = duty, own
        yield from asked.values()

    def _to_redate(self, work: Redate) -> list[Obligation]:
        rows = self.history.rows["obligation"]
        if work.unit is not None:
            return [rows[one] for one in self._listener.of_unit.get(work.unit, ())]
        years = (work.year - 1, work.year, work.year + 1) if work.year else ()
        return [row for row in rows.values() if row.due.year in years]

    def _check(self, row: Obligation) -> Iterator[Planned]:
        found = plan_notice(self.history, row, self.now)
        if found.drafts:
            yield Planned(self.now, found.drafts, (row.obligation,))
        if found.again_at is not None:
            self._agenda.put(found.again_at, Check(row.obligation))

    def _begin_year(self, year: int) -> Iterator[Planned]:
        self._listener.await_year(year + 1)
        if found := year_without_calendar(self.history, year, self.now):
            yield Planned(self.now, (found,), ())

    def gaps(self, since: date) -> Iterator[Planned]:
        """Openings that should stand and do not, of periods that end on a day or later (67).

        Periods that began before the rules in force were activated are left out: the rules that
        they were opened by are not asked again.
        """
        for chain, reached in list(self._listener.next_period.items()):
            duty = self.history.duty(chain.duty)
            if not duty.terms or duty.is_retired(self.now):
                continue
            first = max(since, min(one.first_day(chain.zone) for one in duty.terms))
            for period in periods_between(chain.cadence, first, reached - ONE_DAY):
                opening = day_start(period.start, chain.zone)
                if opening < self._listener.rules_since:
                    continue
                for unit in self._listener.units_of(duty, chain.zone):
                    found = self._reconciler.reconcile(
                        Opening(duty, period, unit, None, self.now), only_new=True
                    )
                    if found:
                        yield found


def _period_of(row: Obligation, duty: Duty) -> Period | None:
    """The period of an obligation; None where the terms that opened it were entered by mistake."""
    terms = next((one for one in duty.terms if one.revision == row.duty_revision), None)
    if terms is None:
        return None
    return Period(terms.cadence, row.period, row.period_start, row.period_end)
