"""The main questions: who failed to report, why exactly, and how well reports come in."""

from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.auth import Permission
from api.cursors import Cursor
from api.visits import View, Visit
from ledger.vocabulary import DutyRef, ObligationId, UnitRef
from projections.failures import PAGE_MAX, Failures, who_failed
from projections.names import with_person_names
from projections.spans import parse_span

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
    went = visit.opened.cursors.read(cursor, question) if cursor else None
    with visit.standing_as_before(view, went) as here:
        found = who_failed(
            here,
            parse_span(period),
            unit=None if within is None else UnitRef(within),
            duty=None if duty is None else DutyRef(duty),
            limit=limit,
            after=ObligationId(str(went.after[0])) if went else None,
        )
    following = None
    if found.next is not None:
        moment = found.as_of
        place = Cursor(moment.position, moment.instant.isoformat(), (found.next,))
        following = visit.opened.cursors.make(place, question)
    fields = {name: getattr(found, name) for name in Failures.__struct_fields__}
    fields["names"] = with_person_names(found.names, visit.names(found.names.persons))
    answer = FailuresAnswer(**fields, next_cursor=following)
    return visit.link_next(visit.answer(answer, found.as_of, personal=True), following)


router: Final = Router("/", route_handlers=[list_failures], tags=["obligations"])
