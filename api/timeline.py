"""What a subject has been through: every fact about one unit, post, person, duty or obligation."""

from typing import Annotated, Any, Final, Literal, cast

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Permission
from api.scope import scope_at
from api.visits import View, Visit
from projections.citing import Citation
from projections.standpoint import AsOf
from projections.timeline import PAGE_MAX, timeline, with_erased

TYPES_MAX: Final = 20


TypesParameter = Annotated[
    list[str] | None,
    QueryParameter(name="type", max_items=TYPES_MAX, description="Only facts of these types"),
]
CursorParameter = Annotated[str | None, QueryParameter(description="`next_cursor` of before")]


class ToldAnswer(Citation, frozen=True, kw_only=True):
    """A fact: its citation, its entry byte for byte, and who was erased of those in it.

    `erased` names persons whose sealed values in the entry were erased, and the fact's position.
    """

    entry: dict[str, Any]
    erased: dict[str, int]


class TimelineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a subject's facts; `next_cursor` leads to the following one."""

    as_of: AsOf
    subject: str
    events: tuple[ToldAnswer, ...]
    next_cursor: str | None


class _TimelineBytes(msgspec.Struct, frozen=True, kw_only=True):
    """`TimelineAnswer` with the entries' own bytes."""

    as_of: AsOf
    subject: str
    events: tuple[Any, ...]
    next_cursor: str | None


@get("/timeline/{subject:str}", permission=Permission.SEE_EVENTS, sync_to_thread=True)
def show_timeline(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    subject: FromPath[str],
    kind: TypesParameter = None,
    order: Annotated[
        Literal["oldest", "newest"], QueryParameter(description="Which come first")
    ] = "oldest",
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE_MAX, description="Facts a page")] = 100,
    cursor: CursorParameter = None,
) -> Response[TimelineAnswer]:
    """Every fact tagged with the subject: `unit:330100-01`, `post:...`, `obligation:...`."""
    prefix, _, key = subject.partition(":")
    visit.require(prefix, key)
    question = msgspec.json.encode([visit.address, kind, order, limit]).decode()
    went = visit.cursor(cursor, question)
    with visit.standing_as_before(view, went) as here:
        scope = scope_at(here, visit.caller.unit)
        found = timeline(
            here.questions,
            here.as_of,
            subject,
            types=tuple(kind or ()),
            beyond=int(went.after[0]) if went else None,
            limit=limit,
            backwards=order == "newest",
            sees=scope.sees_of_subject if scope else None,
        )
    found = with_erased(found, visit.opened.sealed.erased_in)
    following = visit.following(found.as_of, found.next, question)
    answer = _TimelineBytes(
        as_of=found.as_of, subject=subject, events=found.events, next_cursor=following
    )
    response = visit.answer(answer, found.as_of)
    return cast("Response[TimelineAnswer]", visit.link_next(response, following))


router: Final = Router("/", route_handlers=[show_timeline], tags=["events"])
