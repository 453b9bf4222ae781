"""Two knowings of one business date: what was held true of it then, what is now, and why.

Read next: `projections/past/two_times.py`, docs/time-travel.md ("Two times").
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api.auth import Permission
from api.dates import parse_on
from api.replaying import earlier_moment, following_both, later_moment
from api.scope import scope_at
from api.timeline import CursorParameter
from api.visits import Visit
from ledger.errors import Invalid
from ledger.vocabulary import Moment, PersonRef, PostRef, UnitRef
from projections.names import Names
from projections.past.two_times import PAGE_MAX, Difference, two_times
from projections.standpoint import AsOf

PAGE_DIFFERENCES: Final = 100


class TwoTimesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what differs about `on` at `as_of` from `then`.

    No `differences` on the first page: nothing arrived between that changes the answer.
    """

    as_of: AsOf
    then: Moment
    on: datetime
    unit: UnitRef | None
    post: PostRef | None
    person: PersonRef | None
    total: int
    differences: tuple[Difference, ...]
    names: Names
    next_cursor: str | None


DayParameter = Annotated[
    str,
    QueryParameter(
        max_length=64,
        description="The day asked about (its end), or an instant",
        examples=[Example(summary="a day", value="2026-03-09")],
    ),
]
KnownThenParameter = Annotated[
    str,
    QueryParameter(
        max_length=64,
        description="The earlier knowing: a position or a time",
        examples=[Example(summary="a time", value="2026-04-01T00:00:00+08:00")],
    ),
]
KnownAtParameter = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="The later knowing; absent: what is known now",
        examples=[Example(summary="a position", value="184233")],
    ),
]
UnitParameter = Annotated[
    str | None, QueryParameter(max_length=40, description="A unit and all below it")
]
PostParameter = Annotated[str | None, QueryParameter(max_length=80, description="One post alone")]
PersonParameter = Annotated[
    str | None, QueryParameter(max_length=80, description="One person alone")
]
LimitParameter = Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description="Differences a page")]


@get(
    "/organisation/difference",
    permission=Permission.SEE_EVENTS,
    summary="Two knowings of one business date",
    sync_to_thread=True,
)
def show_two_times(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    on: DayParameter,
    known_then: KnownThenParameter,
    known_at: KnownAtParameter = None,
    unit: UnitParameter = None,
    post: PostParameter = None,
    person: PersonParameter = None,
    limit: LimitParameter = PAGE_DIFFERENCES,
    cursor: CursorParameter = None,
) -> Response[TwoTimesAnswer]:
    """Who held a post, where a unit stood, what was in force on a date, as known at two moments.

    Each difference field by field, with the facts that arrived between and explain it: those
    without which the earlier answer would still hold.
    """
    if sum(one is not None for one in (unit, post, person)) > 1:
        raise Invalid.field("unit", "name one of unit, post and person")
    for kind, key in (("post", post), ("person", person)):
        if key is not None:
            visit.require(kind, key)
    question = msgspec.json.encode(
        [visit.address, on, known_then, known_at, unit, post, person, limit]
    ).decode()
    went = visit.cursor(cursor, question)
    with later_moment(visit, "known_at", known_at, went) as later:
        scope = scope_at(later, visit.caller.unit)
        found = two_times(
            earlier_moment(later, "known_then", known_then, went),
            later,
            parse_on(on),
            unit=visit.unit_or_own(unit) if post is None and person is None else None,
            post=None if post is None else PostRef(post),
            person=None if person is None else PersonRef(person),
            within=scope.units if scope else None,
            sees=scope.sees if scope else None,
            limit=limit,
            beyond=None if went is None else (str(went.after[2]), str(went.after[3])),
        )
        names = visit.named(later, found.names)
    following = following_both(visit, found.as_of, found.then, found.next, question)
    answer = TwoTimesAnswer(
        as_of=found.as_of,
        then=found.then,
        on=found.on,
        unit=found.unit,
        post=found.post,
        person=found.person,
        total=found.total,
        differences=found.differences,
        names=names,
        next_cursor=following,
    )
    return visit.link_next(visit.answer(answer, found.as_of, personal=True), following)


router: Final = Router("/", route_handlers=[show_two_times], tags=["organisation"])
