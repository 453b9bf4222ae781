"""Making what is open agree with what is asked, for one duty, unit and period."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from ledger.entry import Draft
from ledger.events.duties import ObligationOpened
from ledger.model.calendar import day_start
from ledger.model.duties import Duty
from ledger.model.expectation import (
    CANCELLING_CAUSES,
    Bearer,
    Demand,
    Knowledge,
    demand,
    obligation_id,
    own_days,
)
from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.model.organisation import Unit
from ledger.model.periods import Period
from ledger.model.submitting import stated_due
from ledger.schedule import drafting
from ledger.schedule.drafting import Planned
from ledger.vocabulary import FormId, ObligationId, UnitId

_LONG_NOTICE: Final = timedelta(days=31)
"""Whoever was told so long before the due had notice enough, whatever the calendar."""


class Opening(msgspec.Struct, frozen=True):
    """What to look at, since when the obligor could know of it, and what the time is.

    `told_at` None: it was known all along; only the duty's own publication counts.
    """

    duty: Duty
    period: Period
    unit: Unit
    told_at: datetime | None
    now: datetime


class Reconciler:
    """Compares demands with obligations; plans what makes them agree."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._known: Knowledge | None = None
        self._postless: dict[tuple[UnitId, date], None] = {}

    def postless(self) -> list[tuple[UnitId, date]]:
        """The units and days whose demand found no post at all to bear it; handed over once."""
        found = list(self._postless)
        self._postless.clear()
        return found

    def reconcile(self, opening: Opening, *, only_new: bool = False) -> Planned | None:
        """What to record for one duty, unit and period; None when all is as it should be."""
        rows = self._history.rows["obligation"]
        unit, period = opening.unit, opening.period
        own_id = obligation_id(opening.duty.duty, unit.unit, period.key, Bearer.OWN)
        next_id = obligation_id(opening.duty.duty, unit.unit, period.key, Bearer.SUCCESSOR)
        own, successor = rows.get(own_id), rows.get(next_id)
        if only_new and (own or successor):
            return None
        asked = demand(opening.duty, period, unit, self._known_for(own or successor))
        drafts: list[Draft] = []
        if asked.bearer is Bearer.OWN:
            drafts += self._open(opening, asked, own_id) if own is None else []
            drafts += self._reinstate(opening, asked, own) if own else []
            drafts += self._cancel(successor, opening.now, "not_expected")
        elif asked.bearer is Bearer.SUCCESSOR:
            drafts += self._succeed(opening, asked, own, successor, next_id)
        elif asked.cause in CANCELLING_CAUSES:
            drafts += self._cancel(own, opening.now, asked.cause)
            drafts += self._cancel(successor, opening.now, asked.cause)
        if not drafts:
            return None
        return Planned(opening.now, tuple(drafts), drafting.obligations_of(drafts))

    def _known_for(self, row: Obligation | None) -> Knowledge:
        """What is known now, under the rules that the instance was opened with (R12)."""
        known = self._knowledge()
        if row is None or row.rules == known.rules.revision:
            return known
        rules = self._history.rules(row.rules)
        return Knowledge(known.organisation, known.calendar, rules)

    def _knowledge(self) -> Knowledge:
        """What is known now; kept while calendar and rules stand, for the dues worked out."""
        calendar, rules = self._history.calendar, self._history.rules()
        known = self._known
        if known is None or known.calendar is not calendar or known.rules != rules:
            known = self._known = Knowledge(self._history.organisation, calendar, rules)
        return known

    def _succeed(
        self,
        opening: Opening,
        asked: Demand,
        own: Obligation | None,
        successor: Obligation | None,
        next_id: ObligationId,
    ) -> Iterator[Draft]:
        """The unit is gone: what it still owes passes on, without a miss for its post (27)."""
        if successor is not None or (own is not None and not _is_open(own)):
            return
        passed_on = list(self._open(opening, asked, next_id))
        yield from self._cancel(own, opening.now, asked.cause, next_id if passed_on else None)
        yield from passed_on

    def _cancel(
        self,
        row: Obligation | None,
        now: datetime,
        cause: str,
        replaced_by: ObligationId | None = None,
    ) -> Iterator[Draft]:
        if row is not None and _is_open(row):
            yield drafting.cancelled(row, now, cause, replaced_by)

    def _reinstate(self, opening: Opening, asked: Demand, row: Obligation) -> Iterator[Draft]:
        """A cancellation of ours that proves wrong is taken back while there is still time."""
        gone = row.cancellations[-1] if row.cancellations else None
        if gone is None or gone.cause not in CANCELLING_CAUSES:
            return
        if asked.due is not None and opening.now < max(asked.due.instant, stated_due(row)):
            yield drafting.reinstated(row, gone)

    def _open(self, opening: Opening, asked: Demand, obligation: ObligationId) -> Iterator[Draft]:
        duty, unit, period = opening.duty, opening.unit, opening.period
        terms, due = asked.terms, asked.due
        assert terms is not None, "a demand states its terms"
        assert due is not None, "a demand states its due"
        start = day_start(period.start, unit.zone)
        if duty.is_retired(start if opening.told_at is None else opening.now):
            return
        if asked.post is None:
            self._postless[unit.unit, period.start] = None
            return
        rules = self._history.rules()
        told_at = duty.noticed_at(terms)
        if opening.told_at is not None and opening.told_at > start:
            told_at = max(told_at, opening.told_at)
        fact = ObligationOpened(
            obligation=obligation,
            duty=duty.duty,
            duty_revision=terms.revision,
            unit=unit.unit,
            post=asked.post,
            period=period.key,
            period_start=period.start,
            period_end=period.end,
            due=due.instant,
            nominal_due=due.nominal,
            form=terms.form,
            form_revision=self._history.form(FormId(terms.form)).latest().revision,
            rules=rules.revision,
            calendar_revision=due.calendar_revision,
            stage=asked.stage,
            provisional=due.provisional,
            grace_working_days=asked.grace_working_days,
            informational=told_at >= due.instant,
            short_notice=told_at < due.instant
            and self._is_short(unit, told_at, due.instant, rules.minimum_notice_working_days),
        )
        yield drafting.opened(fact, asked)

    def _is_short(self, unit: Unit, told_at: datetime, due: datetime, working_days: int) -> bool:
        """Whether the notice is below the minimum (ruling 59)."""
        if due - told_at > _LONG_NOTICE:
            return False
        calendar = self._history.calendar
        enough = calendar.add_working_days(told_at, working_days, unit.zone, own_days(unit))
        return enough > due


def _is_open(row: Obligation) -> bool:
    """Owed, and not met in time: what was reported in time stays in the record as it is."""
    if row.cancellations or row.informational:
        return False
    due = stated_due(row)
    return not any(one.counts and one.received_at < due for one in row.submissions)
