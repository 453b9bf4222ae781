"""Openings look only at units that could owe something, and leave nobody out."""

from datetime import date

from api.commands.opening import Opened
from ledger.bulk import history_of
from ledger.model.expectation import Bearer, Knowledge, demand
from ledger.model.outlets import DEFAULT_LIMITS
from ledger.model.periods import periods_between
from ledger.schedule.candidates import Candidates


def test_nobody_who_owes_is_left_out(demonstration: Opened) -> None:
    """For every duty and period, whoever is asked for a report is among the candidates."""
    history = history_of(demonstration.log)
    known = Knowledge(history.organisation, history.calendar, history.rules())
    units = list(history.rows["unit"].values())
    candidates, asked, looked_at, everybody = Candidates(), 0, 0, 0
    for duty in history.rows["duty"].values():
        cadence = duty.latest().cadence
        for period in periods_between(cadence, date(2026, 6, 1), date(2026, 10, 31)):
            found = {
                one.unit
                for one in candidates.of(duty, period, units, history.calendar, DEFAULT_LIMITS)
            }
            owing = {
                unit.unit
                for unit in units
                if demand(duty, period, unit, known).bearer is not Bearer.NOBODY
            }
            assert owing <= found, (duty.duty, period.key)
            asked, looked_at = asked + len(owing), looked_at + len(found)
            everybody += len(units)

    assert 1_000 < asked <= looked_at < everybody / 2
