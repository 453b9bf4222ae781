"""Notices: a due that passed without a valid report, and a notice that proved wrong.

What passed is judged by when reports were received, never by whether one exists by now; the rules
are the verdict's own (`ledger/timeliness.py`), so that the two cannot disagree.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from ledger.entry import Draft
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import day_start, local_day
from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.model.periods import ONE_DAY
from ledger.schedule import drafting
from ledger.timeliness import Assessment, Outcome, assess
from ledger.vocabulary import Moment

_FAILED: Final = (Outcome.LATE, Outcome.MISSED)


class Found(msgspec.Struct, frozen=True):
    """What to record now, and when to look again (None: when something changes)."""

    drafts: tuple[Draft, ...] = ()
    again_at: datetime | None = None


NOTHING: Final = Found()


def plan_notice(history: History, row: Obligation, now: datetime) -> Found:
    """The notices of one obligation at an instant."""
    standing = next((one for one in row.notices if one.withdrawn_by is None), None)
    if standing is None and _is_plainly_well(row):
        return NOTHING
    rules = history.rules(row.rules)
    assessed = assess(history, row, Moment(history.position, now), rules)
    failed = assessed.outcome in _FAILED
    drafts: list[Draft] = []
    if standing is not None and not (failed and standing.due == assessed.due):
        drafts.append(drafting.miss_withdrawn(row, standing.due, _cause(row, assessed)))
        standing = None
    if failed and standing is None:
        drafts.append(drafting.missed(row, assessed.due))
    if assessed.outcome is Outcome.NOT_EXPECTED and not (row.cancellations or row.informational):
        drafts.append(drafting.cancelled(row, now, assessed.expectation))
    return Found(tuple(drafts), _again_at(history, row, assessed, now, rules.settle_minutes))


def _is_plainly_well(row: Obligation) -> bool:
    """The common case, without asking the rules: met before the earliest due, or not owed."""
    if row.cancellations or row.informational or row.short_notice:
        return True
    return any(one.counts and one.received_at < row.due for one in row.submissions)


def _cause(row: Obligation, assessed: Assessment) -> str:
    """Why a notice is withdrawn, in one code."""
    if assessed.outcome in _FAILED:
        return "due_moved"
    if assessed.outcome is Outcome.NOT_EXPECTED and row.cancellations:
        return row.cancellations[-1].cause
    return assessed.pending or assessed.outcome.value


def _again_at(
    history: History, row: Obligation, assessed: Assessment, now: datetime, settle_minutes: int
) -> datetime | None:
    """Windows of pending relief end at a local midnight; a moved due has its own settle delay."""
    if assessed.pending == "not_due":
        return assessed.due + timedelta(minutes=settle_minutes)
    if assessed.pending in ("relief", "refusal_grace"):
        unit = history.rows["unit"].get(row.unit)
        zone = unit.zone if unit else DEFAULT_ZONE
        return day_start(local_day(now, zone) + ONE_DAY, zone)
    return None
