"""Verdicts on many obligations at once: the same verdict, and a short way to the obvious ones.

Most reports are simply on time. Where nothing that a verdict reads could say otherwise, its answer
is known without computing it; `tests/property/test_views_equal_replay.py` holds the two together.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from ledger.model.calendar import Outage
from ledger.model.dossier import Item
from ledger.model.history import History
from ledger.model.obligations import Obligation, Submission
from ledger.model.organisation import Unit
from ledger.model.rules import Rules
from ledger.timeliness import Assessment, Outcome, assess, calendar_moved
from ledger.verdict import Verdict, verdict
from ledger.vocabulary import Moment, ObligationId


class Judged(msgspec.Struct, frozen=True):
    """One obligation and its outcome at a moment; `verdict` is None for what is simply on time.

    `excused`: a late or missing report that is; `accepted`: the report that counts was accepted;
    `unsolicited`: reports by somebody without authority that nobody made the post's own.
    """

    row: Obligation
    outcome: Outcome
    due: datetime
    received_at: datetime | None
    verdict: Verdict | None = None
    excused: bool = False
    accepted: bool = False
    unsolicited: int = 0

    @property
    def obligation(self) -> ObligationId:
        """Which obligation."""
        return self.row.obligation


def judge(history: History, rows: Iterable[Obligation], moment: Moment) -> list[Judged]:
    """Every obligation's outcome at a moment, in the order given."""
    disturbed = _Disturbances(history)
    found = []
    for row in rows:
        receipt = _plain_receipt(row)
        if receipt is not None and not disturbed.touch(row):
            accepted = is_accepted(row)
            found.append(Judged(row, Outcome.ON_TIME, row.due, receipt, accepted=accepted))
        else:
            found.append(judged_in_full(history, row, moment))
    return found


def judged_in_full(
    history: History, row: Obligation, moment: Moment, turns: list[datetime] | None = None
) -> Judged:
    """One obligation's outcome by the verdict itself, which tells `turns` when it may change."""
    return _judged(row, verdict(history, row.obligation, moment, turns=turns))


def assessed(
    history: History, rows: Iterable[Obligation], moment: Moment
) -> Iterator[tuple[Obligation, Assessment | None]]:
    """The same without asking who answers; None: it is simply on time."""
    disturbed = _Disturbances(history)
    for row in rows:
        if _plain_receipt(row) is not None and not disturbed.touch(row):
            yield row, None
        else:
            yield row, assess(history, row, moment, history.rules(row.rules))


def _judged(row: Obligation, full: Verdict) -> Judged:
    computed = full.computed
    return Judged(
        row,
        computed.outcome,
        computed.due,
        computed.received_at,
        full,
        excused=computed.outcome in (Outcome.LATE, Outcome.MISSED) and bool(computed.excused),
        accepted=computed.outcome in (Outcome.ON_TIME, Outcome.LATE) and is_accepted(row),
        unsolicited=sum(not one.solicited and not one.ratified_at for one in row.submissions),
    )


def may_be_out(outages: Iterable[Outage], due: datetime, rules: Rules) -> bool:
    """Whether the platform was down in the last hours before a due, for however short a time."""
    window = timedelta(hours=rules.outage_window_hours)
    return any(one.started_at < due and one.ended_at > due - window for one in outages)


def last_change(unit: Unit) -> int:
    """The last fact about a unit that may say what is asked of it, or until when; 0: none."""
    items: tuple[Item, ...] = (*unit.life, *unit.outlet, *unit.local_days, *unit.force_majeure)
    return max((unit.annulled_at, *(one.position for one in items)))


def is_accepted(row: Obligation) -> bool:
    """Whether a report that counts was accepted."""
    return any(one.accepted_by is not None and one.counts for one in row.submissions)


class _Disturbances:
    """The facts that could change what is asked of a unit, or until when, after it was opened."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._outages = history.calendar.outages
        self._units: dict[str, int] = {}

    def touch(self, row: Obligation) -> bool:
        """Whether any of them may concern this obligation."""
        last = self._units.get(row.unit)
        if last is None:
            last = self._units[row.unit] = self._last(row.unit)
        return (
            last > row.position
            or calendar_moved(self._history, row)
            or (bool(self._outages) and self._may_move(row))
        )

    def _last(self, unit: str) -> int:
        row = self._history.rows["unit"].get(unit)
        return 0 if row is None else last_change(row)

    def _may_move(self, row: Obligation) -> bool:
        return may_be_out(self._outages, row.due, self._history.rules(row.rules))


def _plain_receipt(row: Obligation) -> datetime | None:
    """The receipt of a report in time that nothing qualifies; None: ask the verdict."""
    if row.reliefs or row.cancellations or row.informational or row.provisional or row.due_changes:
        return None
    plain = [one for one in row.submissions if is_plain(one)]
    if len(plain) != len(row.submissions) or not plain:
        return None
    received = min(one.received_at for one in plain)
    return received if received < row.due else None


def is_plain(one: Submission) -> bool:
    """Whether a report counts as what it says it is, by whoever was to send it."""
    return one.counts and one.solicited and one.moved_from is None
