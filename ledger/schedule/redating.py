"""Dues computed again, after the calendar or a unit's own days changed: later, never earlier."""

from datetime import datetime

from ledger.entry import Draft
from ledger.model.expectation import due_of, own_days
from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.model.organisation import Unit
from ledger.model.periods import Period
from ledger.model.submitting import standing_report
from ledger.schedule import drafting
from ledger.vocabulary import Cadence


def plan_redating(
    history: History, row: Obligation, now: datetime, cause: str, document: str | None
) -> Draft | None:
    """The new due of one obligation, if it changes (rulings 38 to 40); None where it stands."""
    unit: Unit | None = history.rows["unit"].get(row.unit)
    duty = history.rows["duty"].get(row.duty)
    stated = duty.terms if duty else ()
    terms = next((one for one in stated if one.revision == row.duty_revision), None)
    if row.cancellations or row.informational or unit is None or terms is None:
        return None
    reported = standing_report(row)
    if reported is not None and reported.received_at < row.due:
        return None
    own, calendar = own_days(unit), history.calendar
    if terms.cadence is Cadence.DAILY and not calendar.is_working(row.period_start, own):
        return drafting.cancelled(row, now, "day_off")
    period = Period(terms.cadence, row.period, row.period_start, row.period_end)
    due = due_of(
        period, terms.due, unit.zone, calendar, own=own, grace_working_days=row.grace_working_days
    )
    present = max((one.due for one in row.due_changes), default=row.due)
    waits = row.provisional and not any(one.confirms for one in row.due_changes)
    if waits and not due.provisional:
        later = max(present, due.instant)
        return drafting.due_confirmed(row, later, due.calendar_revision, due.basis)
    if due.instant > present:
        return drafting.due_revised(row, due.instant, cause, document)
    return None
