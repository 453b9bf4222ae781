"""The facts themselves, in their one order, each with the hash of exactly the bytes shown.

`entry` stands in the answer byte for byte as the log holds it, so that whoever cuts it out can
hash it: SHA-256 of a zero byte and the entry is `leaf_hash`. A key bound to a unit sees facts that
concern its subtree, and asks for the subject that it means.
"""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID

import msgspec
from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.auth import Permission
from api.cursors import Cursor
from api.problems import BadParameter
from api.scope import scope_at
from api.visits import View, Visit
from ledger.errors import FieldProblem, NotFound
from ledger.recorder import Item, Stored
from projections.standpoint import AsOf, Standpoint
from projections.timeline import read_seen

PAGE_EVENTS: Final = 100
PAGE_EVENTS_MAX: Final = 500
SUBJECTS_MAX: Final = 20

_SUBJECT: Final = r"^(dossier:)?[a-z]+:[A-Za-z0-9][A-Za-z0-9._:-]{0,119}$"


class EventAnswer(msgspec.Struct, frozen=True):
    """A fact: its place, its hash, its entry byte for byte, and who was erased of those in it.

    `erased` names persons whose sealed values in the entry were erased, and the fact's position.
    """

    position: int
    leaf_hash: str
    entry: dict[str, Any]
    erased: dict[str, int]


class EventsAnswer(msgspec.Struct, frozen=True):
    """A page of facts; `next` is the cursor of the following page, null on the last."""

    events: tuple[EventAnswer, ...]
    as_of: AsOf
    next: str | None


class EventBytes(msgspec.Struct, frozen=True):
    """`EventAnswer` with the entry's own bytes."""

    position: int
    leaf_hash: str
    entry: msgspec.Raw
    erased: dict[str, int]

    @classmethod
    def of(cls, visit: Visit, stored: Stored) -> "EventBytes":
        erased = visit.opened.sealed.erased_in(stored.entry)
        return cls(stored.position, stored.leaf_hash.hex(), msgspec.Raw(stored.entry), erased)


class _EventsBytes(msgspec.Struct, frozen=True):
    """`EventsAnswer` with the entries' own bytes."""

    events: tuple[EventBytes, ...]
    as_of: AsOf
    next: str | None


class _Filter(msgspec.Struct, frozen=True):
    """Which facts, in which order; what a cursor is bound to."""

    subject: list[Annotated[str, msgspec.Meta(pattern=_SUBJECT, max_length=160)]] | None
    type: list[str] | None
    since: datetime | None
    before: datetime | None
    order: Literal["oldest", "newest"]
    limit: int


LimitParameter = Annotated[
    int, QueryParameter(ge=1, le=PAGE_EVENTS_MAX, description="Facts a page")
]
CursorParameter = Annotated[
    str | None, QueryParameter(description="`next` of the page before; all else as it was")
]


@get(
    "/events",
    permission=Permission.SEE_EVENTS,
    summary="The facts, page by page",
    sync_to_thread=True,
)
def list_events(  # noqa: PLR0913, PLR0917  (one parameter a filter, given by name)
    visit: NamedDependency[Visit],
    view: NamedDependency[View],
    subject: Annotated[
        list[Annotated[str, msgspec.Meta(pattern=_SUBJECT)]] | None,
        QueryParameter(
            max_items=SUBJECTS_MAX,
            description="Facts that concern any of these: `unit:330100-01`, `duty:weekly` ...",
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        QueryParameter(name="type", max_items=SUBJECTS_MAX, description="`report.submitted` ..."),
    ] = None,
    since: Annotated[
        datetime | None, QueryParameter(description="Recorded after this instant")
    ] = None,
    before: Annotated[
        datetime | None, QueryParameter(description="Recorded at or before this instant")
    ] = None,
    order: Annotated[
        Literal["oldest", "newest"], QueryParameter(description="Which come first")
    ] = "oldest",
    limit: LimitParameter = PAGE_EVENTS,
    cursor: CursorParameter = None,
) -> Response[EventsAnswer]:
    """Facts that match every filter given; repeated values of one filter are alternatives."""
    asked = _Filter(subject, kind, since, before, order, limit)
    _require_visible(visit, asked)
    question = visit.address + msgspec.json.encode(asked).decode()
    went = visit.cursor(cursor, question)
    with visit.standing_as_before(view, went) as here:
        answer = _page(visit, here, asked, went, question)
    response = visit.link_next(visit.answer(answer, here.as_of), answer.next)
    return cast("Response[EventsAnswer]", response)


def _page(
    visit: Visit, here: Standpoint, asked: _Filter, went: Cursor | None, question: str
) -> _EventsBytes:
    """The page beyond the one that a cursor remembers, or the first."""
    after, until = 0, here.as_of.position
    backwards = asked.order == "newest"
    if went is not None and backwards:
        until = int(went.after[0]) - 1
    elif went is not None:
        after = int(went.after[0])
    recorder = visit.opened.recorder
    if asked.since is not None:
        after = max(after, recorder.position_at(zoned("since", asked.since))[0])
    if asked.before is not None:
        until = min(until, recorder.position_at(zoned("before", asked.before))[0])
    scope = scope_at(here, visit.caller.unit)
    found = read_seen(
        recorder,
        _items(asked),
        after=after,
        until=until,
        limit=asked.limit + 1,
        backwards=backwards,
        sees=scope.sees_of_subject if scope else None,
    )
    shown = found[: asked.limit]
    last = shown[-1].position if len(found) > asked.limit else None
    return _EventsBytes(
        tuple(EventBytes.of(visit, one) for one in shown),
        here.as_of,
        visit.following(here.as_of, last, question),
    )


def _items(asked: _Filter) -> tuple[Item, ...]:
    types = tuple(asked.type or ())
    if asked.subject:
        return tuple(Item(types=types, tags=(one,)) for one in dict.fromkeys(asked.subject))
    return (Item(types=types),) if types else ()


def _require_visible(visit: Visit, asked: _Filter) -> None:
    """A key bound to a unit asks about subjects within it."""
    if visit.caller.unit is None:
        return
    if not asked.subject:
        message = f"name what you mean, such as unit:{visit.caller.unit}; this key is bound to it"
        raise bad_parameter("subject", message)
    for one in asked.subject:
        kind, _, key = one.removeprefix("dossier:").partition(":")
        visit.require(kind, key)


def zoned(name: str, instant: datetime) -> datetime:
    """The instant that the parameter `name` gave; `BadParameter` for one without an offset."""
    if instant.tzinfo is None:
        raise bad_parameter(name, "give the offset from UTC, such as Z or +08:00")
    return instant


def bad_parameter(name: str, message: str) -> BadParameter:
    """The refusal of the parameter `name` alone."""
    return BadParameter(f"{name}: {message}", (FieldProblem(name, message),))


@get(
    "/events/{event:str}",
    permission=Permission.SEE_EVENTS,
    summary="One fact",
    sync_to_thread=True,
)
def show_event(
    visit: NamedDependency[Visit], view: NamedDependency[View], event: FromPath[str]
) -> Response[EventAnswer]:
    """The fact at a position, or with an id; `as_of` hides what was not yet known."""
    with visit.standing(view) as standpoint:
        stored = read_event(visit, standpoint, event)
        answer = visit.answer(EventBytes.of(visit, stored), standpoint.as_of)
    return cast("Response[EventAnswer]", answer)


def read_event(visit: Visit, here: Standpoint, event: str) -> Stored:
    """The entry at a position, or with an id, if it was known here and the caller may see it."""
    position = position_of(visit, event)
    if not 0 < position <= here.as_of.position:
        raise NotFound(f"there is no fact {event!r} as of position {here.as_of.position}")
    (stored,) = visit.opened.recorder.read(after=position - 1, until=position, limit=1).events
    _require_seen(visit, event, stored)
    return stored


def require_visible(visit: Visit, event: str, position: int) -> None:
    """Refuse a fact that is not there, or not within the caller's unit; for nobody else is read."""
    if position == 0:
        raise NotFound(f"there is no fact {event!r} in this ledger; check the identifier")
    if visit.caller.unit is not None:
        found = visit.opened.recorder.read(after=position - 1, until=position, limit=1).events
        for stored in found:
            _require_seen(visit, event, stored)


class _Tags(msgspec.Struct):
    tags: list[str]


def _require_seen(visit: Visit, event: str, stored: Stored) -> None:
    if visit.caller.unit is None:
        return
    tags = msgspec.json.decode(stored.entry, type=_Tags).tags
    with visit.scope() as scope:
        if not scope.sees(tags):
            raise NotFound(f"there is no fact {event!r} in this ledger; check the identifier")


def position_of(visit: Visit, event: str) -> int:
    """The position that an event is named by, itself or by an id; 0 where there is no such id."""
    if event.isascii() and event.isdigit() and len(event) < 19:  # noqa: PLR2004  (below 2^63)
        return int(event)
    try:
        return visit.opened.recorder.position_of(UUID(event)) or 0
    except ValueError:
        raise NotFound(f"{event!r} is neither a position nor an event's id") from None


router: Final = Router("/", route_handlers=[list_events, show_event], tags=["events"])
