"""History stepped through, and what lies between two moments: the auditor's two questions.

A key that is bound to a unit steps through what concerns its subtree as it stands now, and sees
of each fact only the rows that lie in it; whatever else there is does not exist for it.
Read next: `projections/past/replaying.py`, `projections/past/comparing.py`, docs/time-travel.md.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Annotated, Final, cast

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import QueryParameter

from api.auth import Permission
from api.cursors import Cursor
from api.events import bad_parameter, zoned
from api.scope import scope_at
from api.timeline import CursorParameter, ToldAnswer, TypesParameter
from api.visits import Place, View, Visit, asked_moment
from ledger.vocabulary import Moment, UnitRef
from projections.past import comparing
from projections.past.comparing import Count, RowDifference, compare
from projections.past.differing import RowChange
from projections.past.replaying import Step, seen_by, step_after, step_at, step_before, with_erased
from projections.past.selecting import Course, Selection
from projections.standpoint import AsOf, Standpoint, asked_as

PAGE_ROWS: Final = 100
POSITION_MAX: Final = 2**53 - 1
BEGINNING: Final = 0


class StepAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A fact, the state after it, and what it changed in every view, field by field.

    `fact` is null where the selection holds none there; `previous` and `next` are the positions
    of its neighbours in the selection. `behind` names the views that have not come to the fact.
    """

    as_of: AsOf
    fact: ToldAnswer | None
    changes: tuple[RowChange, ...]
    previous: int | None
    next: int | None
    behind: tuple[str, ...]


class ComparisonAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what differs at `as_of` from `since`; `next_cursor` leads to the following one."""

    as_of: AsOf
    since: Moment
    unit: UnitRef | None
    counts: tuple[Count, ...]
    rows: tuple[RowDifference, ...]
    next_cursor: str | None


SubjectParameter = Annotated[
    str | None,
    QueryParameter(
        max_length=255,
        description="Step through the facts that carry this tag: `post:330100-01-head` ...",
        examples=[Example(summary="a unit alone", value="unit:330100-01")],
    ),
]
UnitParameter = Annotated[
    str | None,
    QueryParameter(
        max_length=40,
        description="Step through the facts of this unit and of all that ever stood below "
        "it: units, posts, who held them, obligations",
        examples=[Example(summary="a branch", value="330100")],
    ),
]
SinceParameter = Annotated[
    datetime | None, QueryParameter(description="Only facts recorded after this instant")
]
UntilParameter = Annotated[
    datetime | None, QueryParameter(description="Only facts recorded at or before this instant")
]
AtParameter = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="The last fact at or before this position (`184233`) or time",
        examples=[Example(summary="a time", value="2026-04-01T18:00:00+08:00")],
    ),
]
AfterParameter = Annotated[
    int | None,
    QueryParameter(ge=0, le=POSITION_MAX, description="The first fact after this position"),
]
BeforeParameter = Annotated[
    int | None,
    QueryParameter(ge=0, le=POSITION_MAX, description="The last fact before this position"),
]


@get(
    "/replay",
    permission=Permission.SEE_EVENTS,
    summary="One fact, and what it changed",
    sync_to_thread=True,
)
def show_step(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    subject: SubjectParameter = None,
    unit: UnitParameter = None,
    kind: TypesParameter = None,
    since: SinceParameter = None,
    until: UntilParameter = None,
    at: AtParameter = None,
    after: AfterParameter = None,
    before: BeforeParameter = None,
) -> Response[StepAnswer]:
    """The fact asked for by one of `at`, `after` and `before`; absent: the first there is.

    Without subject or unit every fact is stepped through. `as_of` hides what was not known yet.
    """
    if sum(one is not None for one in (at, after, before)) > 1:
        raise bad_parameter("at", "give one of at, after and before")
    with visit.standing(view) as here:
        chosen = selection_of(
            visit,
            here,
            subject=subject,
            unit=unit,
            types=tuple(kind or ()),
            since=since,
            until=until,
        )
        if at is not None:
            place = position_asked(here, "at", at)
            step = step_at(here, chosen, place)
        elif before is not None:
            place, step = before, step_before(here, chosen, before)
        else:
            place = BEGINNING if after is None else after
            step = step_after(here, chosen, place)
        # A step says what `StepAnswer` does, with the entry's own bytes.
        answer = _no_step(here, chosen, place) if step is None else shown_step(visit, here, step)
    return cast("Response[StepAnswer]", visit.answer(answer, answer.as_of))


def _no_step(here: Standpoint, chosen: Selection, place: int) -> StepAnswer:
    """Where to go from a place that no fact of the selection lies at."""
    course = Course(here, chosen)
    previous, following = course.preceding(place + 1), course.following(place)
    return StepAnswer(
        as_of=here.as_of,
        fact=None,
        changes=(),
        previous=previous.position if previous else None,
        next=following.position if following else None,
        behind=(),
    )


def selection_of(  # noqa: PLR0913  (what can be chosen)
    visit: Visit,
    here: Standpoint,
    *,
    subject: str | None = None,
    unit: str | None = None,
    types: tuple[str, ...] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> Selection:
    """The facts that a caller means, of those that the key reaches; what it does not is no more.

    A key that is bound to a unit means that unit where it names nothing.
    """
    if subject is not None:
        visit.require(*subject.partition(":")[::2])
    recorder = visit.opened.recorder
    scope = scope_at(here, visit.caller.unit)
    chosen = Selection(
        subject=subject,
        unit=None if subject is not None and unit is None else visit.unit_or_own(unit),
        types=types,
        after=0 if since is None else recorder.position_at(zoned("since", since))[0],
        until=None if until is None else recorder.position_at(zoned("until", until))[0],
    )
    if scope is None:
        return chosen
    return msgspec.structs.replace(chosen, within=scope.units, sees=scope.sees_of_subject)


def units_reached(visit: Visit, here: Standpoint) -> frozenset[UnitRef] | None:
    """The units that the caller's key reaches, as they stand now; None: all."""
    scope = scope_at(here, visit.caller.unit)
    return None if scope is None else scope.units


def shown_step(visit: Visit, here: Standpoint, step: Step) -> Step:
    """The step as the caller may see it, with what was erased in the entry."""
    scope = scope_at(here, visit.caller.unit)
    if scope is not None:
        step = seen_by(step, scope.reaches)
    return with_erased(step, visit.opened.sealed.erased_in)


def position_asked(here: Standpoint, field: str, text: str) -> int:
    """The position that a position or a time means, in the ledger as it is known here."""
    asked = asked_moment(field, text)
    if asked is None:
        return here.as_of.position
    with asked_as(field):
        position, _ = here.questions.resolve(asked)
    return min(position, here.as_of.position)


@get(
    "/compare",
    permission=Permission.SEE_EVENTS,
    summary="What differs between two moments",
    sync_to_thread=True,
)
def show_comparison(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    since: Annotated[
        str,
        QueryParameter(
            name="from",
            max_length=64,
            description="The earlier moment: a position or a time",
            examples=[Example(summary="a time", value="2026-04-01T00:00:00+08:00")],
        ),
    ],
    to: Annotated[
        str | None,
        QueryParameter(
            max_length=64,
            description="The later moment; absent: now",
            examples=[Example(summary="a position", value="184233")],
        ),
    ] = None,
    unit: Annotated[
        str | None,
        QueryParameter(
            max_length=40,
            description="Only what belongs to this unit and all that ever stood below it",
            examples=[Example(summary="a branch", value="330100")],
        ),
    ] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=comparing.PAGE_MAX, description="Rows a page")
    ] = PAGE_ROWS,
    cursor: CursorParameter = None,
) -> Response[ComparisonAnswer]:
    """Every row that differs, field by field, and the facts between that caused it.

    Obligations are judged at both moments: an outcome may differ because time passed (`by_time`).
    """
    question = msgspec.json.encode([visit.address, since, to, unit, limit]).decode()
    went = visit.cursor(cursor, question)
    with later_moment(visit, "to", to, went) as later:
        earlier = earlier_moment(later, "from", since, went)
        found = compare(
            earlier,
            later,
            unit=visit.unit_or_own(unit),
            within=units_reached(visit, later),
            limit=limit,
            beyond=None if went is None else [str(one) for one in went.after[2:]],
        )
    following = following_both(visit, found.as_of, found.since, found.next, question)
    answer = ComparisonAnswer(
        as_of=found.as_of,
        since=found.since,
        unit=found.unit,
        counts=found.counts,
        rows=found.rows,
        next_cursor=following,
    )
    return visit.link_next(visit.answer(answer, answer.as_of), following)


@contextmanager
def later_moment(
    visit: Visit, field: str, text: str | None, went: Cursor | None
) -> Iterator[Standpoint]:
    """The later of two moments: the one asked for, or that of the page before."""
    with ExitStack() as opened:
        with asked_as(field):
            later = opened.enter_context(visit.standing_as_before(View(text), went))
        yield later


def earlier_moment(later: Standpoint, field: str, text: str, went: Cursor | None) -> Standpoint:
    """The earlier of two moments, which a cursor remembers first of all."""
    asked = asked_moment(field, text)
    if went is not None:
        position, instant = went.after[:2]
        asked = Moment(int(position), datetime.fromisoformat(str(instant)))
    with asked_as(field):
        return later.questions.stand(later.connection, asked)


def following_both(
    visit: Visit, later: AsOf, earlier: Moment, last: tuple[str, ...] | None, question: str
) -> str | None:
    """The cursor of the page beyond `last`, which remembers both moments; None where none is."""
    if last is None:
        return None
    place: Place = (earlier.position, earlier.instant.isoformat(), *last)
    return visit.following(later, place, question)


router: Final = Router("/", route_handlers=[show_step, show_comparison], tags=["events"])
