"""What decides the outcome of an obligation, in brief: a tenth of its dossier.

Whole networks are counted over briefs; a dossier is read only for what is shown, or judged in
full. A brief is *plain* when its own facts leave nothing to weigh: then its outcome follows from
its due, its receipt and the clock, unless something else disturbs it (`tallying.py`).
Read next: `sheaves.py` (where briefs are kept), `tallying.py` (how they are judged).
"""

from datetime import date, datetime
from typing import Any, ClassVar

import msgspec

from ledger.model.obligations import Obligation, Submission
from ledger.timeliness import Outcome
from ledger.vocabulary import DutyId, ObligationId, PostId, UnitId
from projections.judging import Judged, is_accepted, is_plain
from projections.obligations import OBLIGATION


class Brief(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An obligation, in brief: `due` as far as its own facts moved it, `opened_due` as opened.

    `received_at` is the first receipt of a plain one; `told` the position of the last fact. Among
    those that were met a brief tells its own outcome, as `Tallied` tells the others'.
    """

    outcome: ClassVar[Outcome] = Outcome.ON_TIME
    kind: ClassVar[str | None] = None
    excused: ClassVar[bool] = False
    unsolicited: ClassVar[int] = 0

    obligation: ObligationId
    duty: DutyId
    unit: UnitId
    post: PostId
    period: str
    period_start: date
    period_end: date
    opened_due: datetime
    due: datetime
    rules: int
    position: int
    told: int
    plain: bool
    received_at: datetime | None
    accepted: bool


class Tallied(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of one obligation at a moment: what figures, cells and lists of it tell."""

    obligation: ObligationId
    duty: DutyId
    unit: UnitId
    period: str
    period_start: date
    period_end: date
    opened_due: datetime
    outcome: Outcome
    kind: str | None
    due: datetime
    received_at: datetime | None
    excused: bool = False
    accepted: bool = False
    unsolicited: int = 0


def tallied_of(one: Judged) -> Tallied:
    """The same of an obligation that was judged in full, or the short way of `judging.py`."""
    row = one.row
    return Tallied(
        obligation=row.obligation,
        duty=row.duty,
        unit=row.unit,
        period=row.period,
        period_start=row.period_start,
        period_end=row.period_end,
        opened_due=row.due,
        outcome=one.outcome,
        kind=one.verdict.computed.kind if one.verdict else None,
        due=one.due,
        received_at=one.received_at,
        excused=one.excused,
        accepted=one.accepted,
        unsolicited=one.unsolicited,
    )


class Briefing:
    """Makes briefs of bodies, and says what thousands share (units, dues) only once."""

    def __init__(self) -> None:
        self._shared: dict[Any, Any] = {}

    def brief(self, body: str, told: int) -> Brief:
        """The brief of an obligation's row as the view keeps it, told at a position."""
        row, share = OBLIGATION.decode(body), self._shared.setdefault
        due = max(row.due, row.nominal_due)
        if row.due_changes:
            due = max(due, *(one.due for one in row.due_changes))
        sent = row.submissions
        return Brief(
            obligation=share(row.obligation, row.obligation),
            duty=share(row.duty, row.duty),
            unit=share(row.unit, row.unit),
            post=share(row.post, row.post),
            period=share(row.period, row.period),
            period_start=share(row.period_start, row.period_start),
            period_end=share(row.period_end, row.period_end),
            opened_due=share(row.due, row.due),
            due=share(due, due),
            rules=row.rules,
            position=row.position,
            told=told,
            plain=_is_plain(row, due),
            received_at=min(one.received_at for one in sent) if sent else None,
            accepted=is_accepted(row),
        )


def _is_plain(row: Obligation, due: datetime) -> bool:
    weighty = (row.reliefs, row.cancellations, row.channel, row.provisional, row.informational)
    if any(weighty) or row.short_notice or row.opened_late:
        return False
    if any(one.platform_fault for one in row.attempts):
        return False
    return all(_says(one, due) for one in row.submissions)


def _says(one: Submission, due: datetime) -> bool:
    """Whether a report counts from when it was received, whatever is known besides."""
    return is_plain(one) and (one.uploading_since is None or one.received_at < due)
