"""How one unit stands: its stage and its head, what it owes now, what it missed, what came last."""

from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from ledger.errors import NotFound
from ledger.model.calendar import local_day
from ledger.model.obligations import Obligation
from ledger.timeliness import Outcome
from ledger.vocabulary import DutyId, EventId, ObligationId, PersonRef, PostId, ReportId, UnitRef
from projections.figures.measures import Measure, measure
from projections.judging import Judged, judge
from projections.names import Gathering, Names
from projections.obligations import OBLIGATION
from projections.spans import require
from projections.standpoint import AsOf, Standpoint
from projections.structure import UnitStanding, organisation_on
from projections.time_travel import Range

DAYS_BACK: Final = 92
"""A quarter: what was due longer ago is history, for the matrix to show."""


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """One obligation that is open, or that passed its due without being met."""

    obligation: ObligationId
    duty: DutyId
    period: str
    post: PostId
    due: datetime
    outcome: Outcome
    pending: str | None
    excused: tuple[str, ...]
    late_channel_until: datetime | None


class LastReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report that was received last."""

    obligation: ObligationId
    report: ReportId
    received_at: datetime
    event: EventId
    person: PersonRef | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A unit at the standpoint; obligations are those whose periods ended from `since` on.

    `open` is not due yet, or held; `overdue` passed its due and is still missing.
    """

    as_of: AsOf
    standing: UnitStanding
    above: tuple[UnitRef, ...]
    since: date
    open: tuple[Owed, ...]
    overdue: tuple[Owed, ...]
    measure: Measure
    last_report: LastReport | None
    names: Names


def status(here: Standpoint, unit: UnitRef) -> Status:
    """How a unit stands; `NotFound` when no fact had established it."""
    require("unit", unit, here.background)
    structure = organisation_on(here, unit=unit, depth=0, ended=True)
    if not structure.units:
        raise NotFound(f"unit {unit!r} does not exist yet at {here.moment.instant.isoformat()}")
    (standing,) = structure.units
    zone = here.background.rows["unit"][unit].zone
    since = local_day(here.moment.instant, zone) - timedelta(days=DAYS_BACK)
    rows = here.reader.find(OBLIGATION, {"unit": unit, "period_end": Range(since, None)})
    judged = judge(here.history(rows), rows, here.moment)
    above = here.background.organisation.ancestors(unit, here.moment.instant)
    last = _last_report(rows)
    pending = sorted((one for one in judged if one.outcome is Outcome.PENDING), key=_by_due)
    missing = sorted((one for one in judged if one.outcome is Outcome.MISSED), key=_by_due)
    return Status(
        as_of=here.as_of,
        standing=standing,
        above=above,
        since=since,
        open=tuple(_owed(one) for one in pending),
        overdue=tuple(_owed(one) for one in missing),
        measure=measure(judged),
        last_report=last,
        names=_names(here, structure.names, (*pending, *missing), above, last),
    )


def _by_due(one: Judged) -> tuple[datetime, str]:
    return one.due, one.obligation


def _owed(one: Judged) -> Owed:
    assert one.verdict is not None, "what is not met has a verdict"
    computed = one.verdict.computed
    return Owed(
        obligation=one.obligation,
        duty=one.row.duty,
        period=one.row.period,
        post=one.row.post,
        due=computed.due,
        outcome=computed.outcome,
        pending=computed.pending,
        excused=computed.excused,
        late_channel_until=computed.late_channel_until,
    )


def _last_report(rows: list[Obligation]) -> LastReport | None:
    received = [
        (one.received_at, one.position, row.obligation, one)
        for row in rows
        for one in row.submissions
        if one.counts
    ]
    if not received:
        return None
    _, _, obligation, last = max(received, key=lambda found: found[:2])
    return LastReport(
        obligation=obligation,
        report=last.report,
        received_at=last.received_at,
        event=last.event,
        person=last.person,
    )


def _names(
    here: Standpoint,
    known: Names,
    judged: tuple[Judged, ...],
    above: tuple[UnitRef, ...],
    last: LastReport | None,
) -> Names:
    """What the organisation's answer calls its codes, and the codes mentioned besides."""
    codes = Gathering()
    for unit in (*known.units, *above):
        codes.mention(unit=unit)
    for post in known.posts:
        codes.mention(post=post)
    for person in known.persons:
        codes.mention(person=person)
    for one in judged:
        codes.mention(post=one.row.post, duty=one.row.duty)
    codes.mention(person=last.person if last else None)
    return codes.names(here.background, here.moment.instant)
