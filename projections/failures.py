"""Who failed to report: the main question, from a span of periods and a subtree to persons.

Late and missing reports, each with its verdict: the due, the relief, the persons and their roles,
the path climbed, and the events that it rests on; beside them, how many were expected at all.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain
from typing import Final

import msgspec

from ledger.attribution import Hop, Responsible
from ledger.errors import Invalid
from ledger.relief import ReliefView
from ledger.timeliness import Outcome
from ledger.vocabulary import (
    DutyId,
    DutyRef,
    EventId,
    ObligationId,
    PostId,
    UnitId,
    UnitRef,
)
from projections.figures.briefs import Tallied
from projections.figures.counting import counting, judged_again
from projections.figures.measures import FAILED, Measure, total
from projections.judging import Judged
from projections.names import Gathering, Names
from projections.spans import Span
from projections.standpoint import AsOf, Standpoint

PAGE_MAX: Final = 500


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One obligation that was not met in time, and who answers for it."""

    obligation: ObligationId
    unit: UnitId
    duty: DutyId
    post: PostId
    period: str
    due: datetime
    outcome: Outcome
    kind: str | None
    received_at: datetime | None
    excused: tuple[str, ...]
    mitigated: tuple[str, ...]
    reliefs: tuple[ReliefView, ...]
    flags: tuple[str, ...]
    persons: tuple[Responsible, ...]
    path: tuple[Hop, ...]
    basis: tuple[EventId, ...]


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """A page of failures by due, unit and duty; `next` is where the following page begins."""

    as_of: AsOf
    span: Span
    unit: UnitRef | None
    duty: DutyRef | None
    total: int
    measure: Measure
    failures: tuple[Failure, ...]
    next: ObligationId | None
    names: Names


def who_failed(  # noqa: PLR0913  (what can be asked)
    here: Standpoint,
    span: Span,
    *,
    unit: UnitRef | None = None,
    duty: DutyRef | None = None,
    limit: int = PAGE_MAX,
    after: ObligationId | None = None,
) -> Failures:
    """The failures of periods that end within the span, of units that stood below `unit`.

    `after` names the last failure of the page before; a caller that pages keeps the Moment.
    """
    counted = counting(here, span, unit, duty).periods()
    told = chain.from_iterable(one.rest for one in counted)
    failed = sorted((one for one in told if one.outcome in FAILED), key=_order)
    shown = _page(failed, limit, after)
    page = judged_again(here, [one.obligation for one in shown])
    return Failures(
        as_of=here.as_of,
        span=span,
        unit=unit,
        duty=duty,
        total=len(failed),
        measure=total(one.measure for one in counted),
        failures=tuple(failure_of(one) for one in page),
        next=shown[-1].obligation if shown and shown[-1] is not failed[-1] else None,
        names=names_in(page, here, unit),
    )


def failure_of(one: Judged) -> Failure:
    """A judged obligation that failed, as an answer tells it."""
    assert one.verdict is not None, "a failure has a verdict"
    assert one.verdict.attribution is not None, "a failure is attributed"
    row, computed, found = one.row, one.verdict.computed, one.verdict.attribution
    return Failure(
        obligation=row.obligation,
        unit=row.unit,
        duty=row.duty,
        post=row.post,
        period=row.period,
        due=computed.due,
        outcome=computed.outcome,
        kind=computed.kind,
        received_at=computed.received_at,
        excused=computed.excused,
        mitigated=computed.mitigated,
        reliefs=computed.reliefs,
        flags=(*computed.flags, *found.flags),
        persons=found.persons,
        path=found.path,
        basis=one.verdict.basis,
    )


def names_in(judged: Iterable[Judged], here: Standpoint, *units: str | None) -> Names:
    """What the codes in these verdicts are called, as of the standpoint."""
    codes = Gathering()
    for unit in units:
        codes.mention(unit=unit)
    for one in judged:
        codes.mention(unit=one.row.unit, post=one.row.post, duty=one.row.duty)
        attribution = one.verdict.attribution if one.verdict else None
        if attribution is not None:
            codes.mention_all(attribution)
    return codes.names(here.background, here.moment.instant)


def _order(one: Tallied) -> tuple[datetime, str, str, str]:
    return one.due, one.unit, one.duty, one.obligation


def _page(failed: list[Tallied], limit: int, after: ObligationId | None) -> list[Tallied]:
    if not 0 < limit <= PAGE_MAX:
        raise Invalid.field("limit", f"a page has 1 to {PAGE_MAX} failures")
    start = 0
    if after is not None:
        before = [place for place, one in enumerate(failed) if one.obligation == after]
        if not before:
            raise Invalid.field("after", f"{after!r} is not among these failures at this moment")
        start = before[0] + 1
    return failed[start : start + limit]
