"""The main questions: who failed to report, why exactly, and how well reports come in."""

from datetime import datetime
from heapq import nsmallest
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Permission
from api.visits import View, Visit, asked_moment, asked_span, with_more
from ledger.errors import NotFound
from ledger.model.obligations import Obligation
from ledger.timeliness import Outcome
from ledger.verdict import Verdict, verdict
from ledger.vocabulary import DutyRef, ObligationId, UnitRef
from projections.failures import PAGE_MAX, Failures, who_failed
from projections.figures.counting import counting, judged_again
from projections.judging import Judged, judge
from projections.matrix import Matrix, matrix
from projections.obligations import OBLIGATION
from projections.standpoint import AsOf, Standpoint
from projections.status import Status, status
from projections.tracing import Trace, trace

PeriodParameter = Annotated[
    str,
    QueryParameter(
        max_length=40,
        description="The periods that end within: `2026-04`, `2026W14`, `2026Q1`, or two joined "
        "by `..`",
    ),
]
UnitParameter = Annotated[
    str | None,
    QueryParameter(max_length=40, description="A unit and everything below it; absent: all"),
]
DutyParameter = Annotated[
    str | None, QueryParameter(max_length=40, description="One duty; absent: all")
]
LimitParameter = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description="Rows a page")]
CursorParameter = Annotated[
    str | None, QueryParameter(description="`next_cursor` of the page before; all else as it was")
]


class FailuresAnswer(Failures, frozen=True, kw_only=True):
    """A page of failures; `next_cursor` leads to the following one, as of the same moment."""

    next_cursor: str | None = None


@get("/who-failed", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def list_failures(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    period: PeriodParameter,
    unit: UnitParameter = None,
    duty: DutyParameter = None,
    limit: LimitParameter = 100,
    cursor: CursorParameter = None,
) -> Response[FailuresAnswer]:
    """Late and missing reports of a span of periods below a unit: who answers, and why."""
    within = visit.unit_or_own(unit)
    question = msgspec.json.encode([visit.address, period, within, duty, limit]).decode()
    went = visit.cursor(cursor, question)
    with visit.standing_as_before(view, went) as here:
        found = who_failed(
            here,
            asked_span(period),
            unit=within,
            duty=_duty(duty),
            limit=limit,
            after=ObligationId(str(went.after[0])) if went else None,
        )
        found = msgspec.structs.replace(found, names=visit.named(here, found.names))
    following = visit.following(found.as_of, found.next, question)
    answer = with_more(FailuresAnswer, found, next_cursor=following)
    return visit.link_next(visit.answer(answer, found.as_of, personal=True), following)


class MatrixAnswer(Matrix, frozen=True, kw_only=True):
    """A page of the matrix; `next_cursor` leads to the following one, as of the same moment."""

    next_cursor: str | None = None


class ObligationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An obligation's dossier, and its outcome at the moment of the answer."""

    obligation: Obligation
    outcome: Outcome
    due: datetime
    received_at: datetime | None


class ObligationsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of obligations in the order of their ids."""

    as_of: AsOf
    total: int
    obligations: tuple[ObligationAnswer, ...]
    next_cursor: str | None


@get("/obligations", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def list_obligations(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    period: PeriodParameter,
    unit: UnitParameter = None,
    duty: DutyParameter = None,
    outcome: Annotated[
        list[Outcome] | None, QueryParameter(max_items=6, description="Only these outcomes")
    ] = None,
    limit: LimitParameter = 100,
    cursor: CursorParameter = None,
) -> Response[ObligationsAnswer]:
    """Every obligation of a span of periods below a unit, met or not, with its outcome."""
    within = visit.unit_or_own(unit)
    asked = [visit.address, period, within, duty, outcome, limit]
    question = msgspec.json.encode(asked).decode()
    went = visit.cursor(cursor, question)
    with visit.standing_as_before(view, went) as here:
        counted = counting(here, asked_span(period), within, _duty(duty)).periods()
        wanted = [id_ for one in counted for id_ in one.ids(outcome)]
        last = str(went.after[0]) if went else ""
        # One more than asked tells whether another page follows.
        left = nsmallest(limit + 1, (one for one in wanted if one > last))
        judged = judged_again(here, left[:limit])
        as_of = here.as_of
    following = visit.following(as_of, left[limit - 1] if len(left) > limit else None, question)
    answer = ObligationsAnswer(
        as_of=as_of,
        total=len(wanted),
        obligations=tuple(_judged(one) for one in judged),
        next_cursor=following,
    )
    return visit.link_next(visit.answer(answer, as_of), following)


@get("/obligations/{obligation:str}", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def show_obligation(
    visit: NamedDependency[Visit], view: NamedDependency[View], obligation: FromPath[str]
) -> Response[ObligationAnswer]:
    """One obligation: what was opened, submitted, asked and granted, and its outcome."""
    visit.require("obligation", obligation)
    with visit.standing(view) as here:
        row = _row(here, obligation)
        (judged,) = judge(here.history([row]), [row], here.moment)
        return visit.answer(_judged(judged), here.as_of)


@get(
    "/obligations/{obligation:str}/verdict", permission=Permission.SEE_ANSWERS, sync_to_thread=True
)
def show_verdict(
    visit: NamedDependency[Visit], view: NamedDependency[View], obligation: FromPath[str]
) -> Response[Verdict]:
    """The verdict on one obligation: outcome, persons with roles, the path climbed, its basis."""
    visit.require("obligation", obligation)
    with visit.standing(view) as here:
        row = _row(here, obligation)
        found = verdict(here.history([row]), row.obligation, here.moment)
        return visit.answer(found, here.as_of)


@get("/obligations/{obligation:str}/trace", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def show_trace(
    visit: NamedDependency[Visit], view: NamedDependency[View], obligation: FromPath[str]
) -> Response[Trace]:
    """Why it was demanded, of whom, what was done, who answers, and every event it rests on."""
    visit.require("obligation", obligation)
    with visit.standing(view) as here:
        found = named_trace(visit, here, obligation)
    return visit.answer(found, found.as_of, personal=True)


@get("/matrix", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def show_matrix(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    duty: Annotated[str, QueryParameter(max_length=40, description="The duty")],
    period: PeriodParameter,
    unit: UnitParameter = None,
    then: Annotated[
        str | None,
        QueryParameter(
            max_length=64,
            description="One moment for every column of *as known then*; absent: each period's "
            "own, a working day after its last due",
        ),
    ] = None,
    failing: Annotated[
        bool, QueryParameter(description="Only the rows of units that failed, now or then")
    ] = False,
    limit: LimitParameter = 100,
    cursor: CursorParameter = None,
) -> Response[MatrixAnswer]:
    """The reporting matrix of a duty: units by periods, as known now beside as known then."""
    within = visit.unit_or_own(unit)
    asked = [visit.address, duty, period, within, then, failing, limit]
    question = msgspec.json.encode(asked).decode()
    went = visit.cursor(cursor, question)
    with visit.standing_as_before(view, went) as here:
        found = matrix(
            here,
            asked_span(period),
            DutyRef(duty),
            unit=within,
            then=asked_moment("then", then),
            failing=failing,
            limit=limit,
            after=UnitRef(str(went.after[0])) if went else None,
        )
    following = visit.following(found.as_of, found.next, question)
    answer = with_more(MatrixAnswer, found, next_cursor=following)
    return visit.link_next(visit.answer(answer, found.as_of), following)


@get("/units/{unit:str}/status", permission=Permission.SEE_ANSWERS, sync_to_thread=True)
def show_status(
    visit: NamedDependency[Visit], view: NamedDependency[View], unit: FromPath[str]
) -> Response[Status]:
    """How a unit stands: stage, head, what it owes, what it missed, what came last."""
    visit.require("unit", unit)
    with visit.standing(view) as here:
        found = status(here, UnitRef(unit))
        found = msgspec.structs.replace(found, names=visit.named(here, found.names))
    return visit.answer(found, found.as_of, personal=True)


def named_trace(visit: Visit, here: Standpoint, obligation: str) -> Trace:
    """The trace with the names of persons, where the caller may see them."""
    found = trace(here, ObligationId(obligation))
    return msgspec.structs.replace(found, names=visit.named(here, found.names))


def _row(here: Standpoint, obligation: str) -> Obligation:
    row = here.reader.get(OBLIGATION, obligation)
    if row is None:
        raise NotFound(
            f"there is no obligation {obligation!r} in this ledger; check the identifier"
        )
    return row


def _judged(one: Judged) -> ObligationAnswer:
    return ObligationAnswer(
        obligation=one.row, outcome=one.outcome, due=one.due, received_at=one.received_at
    )


def _duty(duty: str | None) -> DutyRef | None:
    return None if duty is None else DutyRef(duty)


router: Final = Router(
    "/",
    route_handlers=[
        list_failures,
        list_obligations,
        show_matrix,
        show_status,
        show_obligation,
        show_verdict,
        show_trace,
    ],
    tags=["obligations"],
)
