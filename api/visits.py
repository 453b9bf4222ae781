"""One request at one ledger: who asks, when the gate received it, and what they may reach.

Routes take a `Visit` and need nothing else: it opens the standpoint that a question is asked at,
refuses what lies outside of the caller's scope, seals personal values on the way in, reveals names
on the way out to those who may see them, and puts on every answer what it is as of.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import MediaType, Request, Response
from litestar.params import QueryParameter
from msgspec.structs import replace

from api.auth import Caller, Permission
from api.citable import cite, instant_text
from api.cursors import Cursor
from api.ledgers import OpenLedger
from api.problems import NotYetThere
from api.scope import Scope, named_by
from api.wire import Seal
from ledger.entry import Context
from ledger.errors import Invalid, ViewBehind
from ledger.identifiers import new_fact_id
from ledger.vocabulary import Moment, Sealed, UnitRef
from projections.names import Names, with_person_names
from projections.spans import Span, parse_span
from projections.standpoint import Asked, AsOf, Standpoint, asked_as, parse_as_of

MIN_POSITION_WAIT_SECONDS: Final = 2.0
WAITING_MAX: Final = 16
"""Requests that wait for a position at once; the rest is told to come back."""

FINDABLE: Final = "number"
"""The personal field that a person may be found by: the employee number."""

Answer = TypeVar("Answer")
Extended = TypeVar("Extended", bound=msgspec.Struct)

Place: TypeAlias = str | int | tuple[str | int, ...]
"""Where a page ended."""

_waiting = threading.BoundedSemaphore(WAITING_MAX)


class View(msgspec.Struct, frozen=True):
    """As of what a read is asked: a position, a time, or now; and what it must have seen."""

    as_of: str | None = None
    min_position: int | None = None


AsOfParameter = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="What the ledger knew then: a position (`184233`), an RFC 3339 time with "
        "its offset (`2026-04-01T18:00:00+08:00`), or both joined by `@`: known at the position, "
        "judged at the time; absent: now",
    ),
]
MinPositionParameter = Annotated[
    int | None,
    QueryParameter(
        ge=0,
        le=2**53 - 1,
        description="Wait, at most 2 seconds, until the views have seen this position: "
        "with the position of a receipt one reads one's own write",
    ),
]


DAY_MIN: Final = date(1949, 1, 1)
DAY_MAX: Final = date(2199, 12, 31)
"""Calendars end somewhere, and so do questions about them."""


def asked_span(text: str) -> Span:
    """The span that a question names; `Invalid` for years that no calendar reaches."""
    try:
        span = parse_span(text)
    except OverflowError:
        raise Invalid.field("period", f"{text!r} ends after the last day there is") from None
    require_day("period", span.first)
    require_day("period", span.last)
    return span


def require_day(field: str, day: date) -> None:
    """Refuse a day that no calendar reaches."""
    if not DAY_MIN <= day <= DAY_MAX:
        raise Invalid.field(field, f"must lie from {DAY_MIN.year} to {DAY_MAX.year}")


def asked_moment(field: str, text: str | None) -> Asked:
    """A position, a time or now, as the parameter `field` names it."""
    with asked_as(field):
        return parse_as_of(text)


def provide_view(as_of: AsOfParameter = None, min_position: MinPositionParameter = None) -> View:
    """The two parameters of every read."""
    return View(as_of, min_position)


def provide_visit(request: Request[Any, Any, Any]) -> "Visit":
    """The visit that the guards let in."""
    return Visit(request)


class Visit:
    """One request at one ledger."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        scope: Any = request.scope
        self.opened: OpenLedger = scope["opened"]
        self.caller: Caller = scope["caller"]
        self.received_at: datetime = self.opened.clock.at(scope["received_at"])
        self.address: str = request.url.path
        self.sees_names = self.caller.may(Permission.SEE_NAMES)
        self.query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)

    def cursor(self, text: str | None, question: str) -> Cursor | None:
        """Where the page before ended, if there was one."""
        return None if text is None else self.opened.cursors.read(text, question)

    def following(self, as_of: AsOf, last: Place | None, question: str) -> str | None:
        """The cursor of the page that begins beyond `last`; None where none does."""
        if last is None:
            return None
        after = last if isinstance(last, tuple) else (last,)
        place = Cursor(as_of.position, as_of.instant.isoformat(), after, as_of.settled)
        return self.opened.cursors.make(place, question)

    def link_next(self, response: Response[Answer], cursor: str | None) -> Response[Answer]:
        """The answer with a link to its next page, if it has one."""
        if cursor is not None:
            kept = [pair for pair in self.query if pair[0] != "cursor"]
            address = f"{self.address}?{urlencode([*kept, ('cursor', cursor)])}"
            response.headers["link"] = f'<{address}>; rel="next"'
        return response

    @contextmanager
    def standing(self, view: View) -> Iterator[Standpoint]:
        """The standpoint that a read is asked at."""
        if view.min_position is not None:
            head = self.opened.recorder.head().position
            if view.min_position > head:
                raise Invalid.field("min_position", f"the ledger ends at position {head}")
            self._wait_for(view.min_position)
        with self.opened.questions.at(parse_as_of(view.as_of)) as standpoint:
            yield standpoint

    @contextmanager
    def standing_as_before(self, view: View, cursor: Cursor | None) -> Iterator[Standpoint]:
        """The standpoint of a page: a following page keeps the moment of the first."""
        if cursor is None:
            with self.standing(view) as standpoint:
                yield standpoint
            return
        moment = Moment(cursor.position, datetime.fromisoformat(cursor.instant))
        with self.opened.questions.resume(moment, settled=cursor.settled) as standpoint:
            yield standpoint

    @contextmanager
    def scope(self) -> Iterator[Scope]:
        """What the caller may reach, as things stand now, whatever the question is as of."""
        with self.opened.questions.at(None) as standpoint:
            yield Scope(self.caller.unit, standpoint)

    def require(self, kind: str, key: str) -> None:
        """Refuse what lies outside of the caller's scope, as if it did not exist."""
        if self.caller.unit is not None:
            with self.scope() as scope:
                scope.require(kind, key)

    def require_in_scope(self, data: msgspec.Struct, command: type[msgspec.Struct]) -> None:
        """Refuse a command that names anything outside of the caller's scope."""
        if self.caller.unit is not None:
            # What the views do not know yet they cannot place: so let them see everything first.
            self._wait_for(self.opened.recorder.head().position)
            with self.scope() as scope:
                for kind, key in named_by(command, data):
                    scope.require(kind, key)

    def unit_or_own(self, unit: str | None) -> UnitRef | None:
        """The unit asked about, else the caller's own; None: the whole ledger."""
        if unit is None:
            return self.caller.unit
        self.require("unit", unit)
        return UnitRef(unit)

    def context(self) -> Context:
        """What decisions are told of the caller."""
        return Context(
            actor=self.caller.actor(),
            received_at=self.received_at,
            new_id=new_fact_id,
            access=self.caller.as_access(),
        )

    def context_now(self) -> Context:
        """The same caller at this instant: for what a long request comes to at its end."""
        return replace(self.context(), received_at=self.opened.clock.now())

    def sealer(self, data: msgspec.Struct, *, before: Callable[[], None]) -> Seal:
        """Seals under the key of the person whom the command is about, else of who writes.

        `before` is called once, when the first value is about to be stored.
        """
        # A system has words of its own too (why it did something); they get a key like a person's.
        writer = self.caller.person or f"system:{self.caller.system}"
        person = getattr(data, "person", None) or writer

        pending = [before]

        def seal(field: str, words: str) -> Sealed:
            while pending:
                pending.pop()()
            return self.opened.sealed.seal(person, field, words, findable=field == FINDABLE)

        return seal

    def with_files_named(self, command: Any) -> Any:  # noqa: ANN401
        """The command, the files that it names called as entries call them."""
        if not (evidence := getattr(command, "evidence", ())):
            return command
        named = self.opened.uploads.named(evidence, self.caller.actor())
        return replace(command, evidence=named)

    def named(self, here: Standpoint, names: Names) -> Names:
        """The same with the names that persons had there, for callers who may see names."""
        if not names.persons or not self.sees_names:
            return names
        return with_person_names(names, self.opened.names_of(here, names.persons))

    def answer(self, content: Answer, as_of: AsOf, *, personal: bool = False) -> Response[Answer]:
        """An answer that says what it is as of and what it is cited by; `content` may be JSON."""
        sent = cite(content, as_of)
        headers = moment_headers(sent.as_of, personal=personal)
        response = Response(sent.body, headers=headers, media_type=MediaType.JSON)
        return cast("Response[Answer]", response)

    def _wait_for(self, position: int) -> None:
        if not _waiting.acquire(blocking=False):
            raise NotYetThere
        try:
            self.opened.progress.wait_for(position, MIN_POSITION_WAIT_SECONDS)
        except ViewBehind as error:
            raise NotYetThere from error
        finally:
            _waiting.release()


def with_more(kind: type[Extended], found: msgspec.Struct, **more: object) -> Extended:
    """A struct of a kind that extends what was found by a few fields."""
    fields = {name: getattr(found, name) for name in found.__struct_fields__}
    return kind(**fields, **more)


def moment_headers(as_of: AsOf, *, personal: bool) -> dict[str, str]:
    """What every read says: position, instant judged at, and the hash of an answer that has one."""
    headers = {
        "ledger-position": str(as_of.position),
        "ledger-as-of": instant_text(as_of.instant),
        "cache-control": "no-store" if personal else "private, no-cache",
    }
    return headers | {"ledger-hash": as_of.hash} if as_of.hash else headers
