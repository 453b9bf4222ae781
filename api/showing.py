"""The views themselves: which there are, and their rows as they were at any moment.

Rows name the facts that they are made of, so whoever sees them may see facts; what is sealed in
facts is sealed in rows. Read next: `projections/past/showing.py`.
"""

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import FromPath, QueryParameter

from api.auth import Permission
from api.replaying import units_reached
from api.timeline import CursorParameter
from api.visits import View, Visit
from projections.past import showing
from projections.past.showing import Views, condition, show, views_of
from projections.standpoint import AsOf

PAGE_ROWS: Final = 100
CONDITIONS_MAX: Final = 20


class ShownAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of rows in the order of their keys; `next_cursor` leads to the following one."""

    as_of: AsOf
    view: str
    table: str
    rows: tuple[dict[str, Any], ...]
    next_cursor: str | None


@get(
    "/views",
    permission=Permission.SEE_ANSWERS,
    summary="The views that answers are made from",
    sync_to_thread=True,
)
def list_views(visit: NamedDependency[Visit], view: NamedDependency[View]) -> Response[Views]:
    """Each with its version, how far it has come, its tables, and what rows are found by."""
    with visit.standing(view) as here:
        answer = Views(as_of=here.as_of, views=views_of(here.reader))
    return visit.answer(answer, answer.as_of)


@get(
    "/views/{table:str}",
    permission=Permission.SEE_EVENTS,
    summary="The rows of a view as of a moment",
    sync_to_thread=True,
)
def show_view(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    table: FromPath[str],
    where: Annotated[
        list[str] | None,
        QueryParameter(
            max_items=CONDITIONS_MAX,
            description="`column=value`; several of one column are alternatives",
            examples=[Example(summary="a post's unit", value=["unit=330100-01"])],
        ),
    ] = None,
    unit: Annotated[
        str | None,
        QueryParameter(
            max_length=40,
            description="Only what belongs to this unit and all that ever stood below it",
        ),
    ] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=showing.PAGE_MAX, description="Rows a page")
    ] = PAGE_ROWS,
    cursor: CursorParameter = None,
) -> Response[ShownAnswer]:
    """Exactly as they are stored; `unit`, `post`, `person`, `obligation` ... are the tables."""
    question = msgspec.json.encode([visit.address, where, unit, limit]).decode()
    went = visit.cursor(cursor, question)
    with visit.standing_as_before(view, went) as here:
        found = show(
            here,
            table,
            where=[condition(one) for one in where or ()],
            unit=visit.unit_or_own(unit),
            within=units_reached(visit, here),
            limit=limit,
            beyond=None if went is None else [str(one) for one in went.after],
        )
    following = visit.following(found.as_of, found.next, question)
    answer = ShownAnswer(
        as_of=found.as_of,
        view=found.view,
        table=found.table,
        rows=found.rows,
        next_cursor=following,
    )
    return visit.link_next(visit.answer(answer, answer.as_of), following)


router: Final = Router("/", route_handlers=[list_views, show_view], tags=["events"])
