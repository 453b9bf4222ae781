"""Where one stands to look: a Moment, and everything as it was known there.

`Questions.at(as_of)` resolves a position, a time, or now; the questions of each capability
(`failures.py`, `tracing.py`, `matrix.py` ...) take the standpoint and ask the verdict itself, on
dossiers loaded from the views. Every answer says what it is as of (`AsOf`).
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Final, TypeAlias

import msgspec
import psycopg

from ledger.codec import decode
from ledger.database import Database, Role
from ledger.entry import Event
from ledger.errors import Invalid
from ledger.model.history import History
from ledger.model.obligations import Obligation
from ledger.recorder import LedgerInfo, PostgresRecorder
from ledger.vocabulary import DutyRef, Moment
from projections.background import Background, Backgrounds
from projections.figures.sheaves import Sheaf, Sheaves
from projections.time_travel import Reader

POSITIONS_KEPT_MAX: Final = 10_000
"""Instants whose positions are remembered: when periods were accounted for, mostly."""

Asked: TypeAlias = int | datetime | Moment | None
"""As of a position, as of a time, as of both, or now."""


class AsOf(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer is as of, and what it can be cited by.

    It is of the ledger named `ledger`, knows the facts up to `position` and judges as the clock
    stood at `instant`; `settled` says that no later fact can belong to it any more; `views` are
    the versions of the folds that answered. `hash` is the SHA-256 (hex) of the answer's content,
    which the door fills in (`api/citable.py`).
    """

    ledger: str
    position: int
    instant: datetime
    settled: bool
    views: dict[str, int]
    hash: str = ""


def parse_as_of(text: str | None) -> Asked:
    """A position (`184233`), an RFC 3339 time with its offset, or both; None or empty: now.

    Both (`184233@2026-04-01T10:00:00Z`) is how an answer is asked for again that was judged at an
    instant of its own: what was known at the position, as the clock stood at the time.
    """
    if not text:
        return None
    place, both, time = text.partition("@")
    position = int(place) if place.isascii() and place.isdigit() else None
    if position is not None and not both:
        return position
    instant = _instant(time if both else place)
    if instant is None or (both and position is None):
        raise Invalid.field(
            "as_of",
            f"{text!r} is neither a position (184233) nor a time with its offset "
            "(2026-04-01T18:00:00+08:00), nor both joined by @",
        )
    return instant if position is None else Moment(position, instant)


@contextmanager
def asked_as(name: str) -> Iterator[None]:
    """Says of a moment that is none under which name it was asked for, if not as `as_of`."""
    try:
        yield
    except Invalid as error:
        raise Invalid.field(name, error.fields[0].message) from None


def _instant(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


class Standpoint:
    """One moment of one ledger, open for questions; not shared between threads."""

    def __init__(
        self,
        as_of: AsOf,
        connection: psycopg.Connection,
        reader: Reader,
        questions: "Questions",
    ) -> None:
        self.as_of = as_of
        self.connection = connection
        self.reader = reader
        self.questions = questions
        self.moment = Moment(as_of.position, as_of.instant)

    @cached_property
    def background(self) -> Background:
        """Organisation, duties, calendar and rules as known here."""
        return self.questions.backgrounds.as_of(self.reader)

    def history(self, obligations: Iterable[Obligation]) -> History:
        """These obligations before that background."""
        return self.background.history(obligations, self.moment.position)

    def sheaves(self, first: date, last: date, duty: DutyRef | None = None) -> list[Sheaf]:
        """The sheaves of the days from `first` to `last`, of one duty or all."""
        return self.questions.sheaves.within(self.connection, self.reader, (first, last), duty)

    def keeps_sheaves(self, first: date, last: date, duty: DutyRef | None = None) -> bool:
        """Whether they need not be read any more."""
        return self.questions.sheaves.keeps(self.connection, self.reader, (first, last), duty)


class Questions:
    """Asks the views of one ledger; one for a process, shared by its threads."""

    def __init__(
        self,
        database: Database,
        recorder: PostgresRecorder,
        ledger: LedgerInfo,
        now: Callable[[], datetime],
    ) -> None:
        self.database = database
        self.recorder = recorder
        self.ledger_id = ledger.ledger_id
        self.ledger = ledger.name
        self.now = now
        self.backgrounds = Backgrounds()
        self.sheaves = Sheaves(self.ledger_id)
        self._positions: dict[datetime, int] = {}

    @contextmanager
    def at(self, asked: Asked = None) -> Iterator[Standpoint]:
        """The standpoint at a position, at a time, at both, or now.

        `Invalid` for what has not come yet; `ViewBehind` while the views are not there.
        """
        with self.database.pooled(Role.READER) as connection:
            yield self.stand(connection, asked)

    @contextmanager
    def resume(self, moment: Moment, *, settled: bool) -> Iterator[Standpoint]:
        """The standpoint that a page before stood at, as its cursor remembers it."""
        with self.database.pooled(Role.READER) as connection:
            yield self._stand(connection, moment.position, moment.instant, settled=settled)

    def stand(self, connection: psycopg.Connection, asked: Asked = None) -> Standpoint:
        """The same as `at` on a connection of the caller's."""
        position, instant, settled = self._resolve(asked)
        return self._stand(connection, position, instant, settled=settled)

    def _stand(
        self,
        connection: psycopg.Connection,
        position: int | None,
        instant: datetime,
        *,
        settled: bool,
    ) -> Standpoint:
        reader = Reader(connection, self.ledger_id, position)
        as_of = AsOf(
            ledger=self.ledger,
            position=reader.position,
            instant=instant,
            settled=settled,
            views={one.name: one.version for one in reader.serving},
        )
        return Standpoint(as_of, connection, reader, self)

    def resolve(self, asked: int | datetime | Moment) -> tuple[int, datetime]:
        """The position and the instant that a position, a time, or both mean."""
        position, instant, _ = self._resolve(asked)
        assert position is not None, "only now has no position of its own"
        return position, instant

    def position_at(self, instant: datetime) -> int:
        """The last position recorded at or before an instant; looked up once when it is settled."""
        known = self._positions.get(instant)
        if known is None:
            known, settled = self.recorder.position_at(instant)
            if settled and len(self._positions) < POSITIONS_KEPT_MAX:
                self._positions[instant] = known
        return known

    def event_at(self, position: int) -> Event:
        """The event at a position of the log."""
        (stored,) = self.recorder.read(after=position - 1, until=position, limit=1).events
        return decode(stored.entry)

    def _resolve(self, asked: Asked) -> tuple[int | None, datetime, bool]:
        if asked is None:
            return None, self.now(), False
        if isinstance(asked, datetime):
            self._require_come(asked)
            position, settled = self.recorder.position_at(asked)
            return position, asked, settled
        if isinstance(asked, Moment):
            self._require_come(asked.instant)
            self._require_recorded(asked.position)
            return asked.position, asked.instant, True
        if asked == 0:
            return 0, datetime.min.replace(tzinfo=UTC), True
        # The page says where the ledger ends as well: one way to the database and back.
        page = self.recorder.read(after=asked - 1, until=asked, limit=1)
        if not page.events:
            raise _not_come_yet(asked, page.head.position)
        return asked, decode(page.events[0].entry).recorded_at, True

    def _require_come(self, instant: datetime) -> None:
        if instant > self.now():
            raise Invalid.field("as_of", f"{instant.isoformat()} has not come yet")

    def _require_recorded(self, position: int) -> None:
        if position > (head := self.recorder.head().position):
            raise _not_come_yet(position, head)


def _not_come_yet(position: int, head: int) -> Invalid:
    return Invalid.field("as_of", f"the ledger ends at position {head}, before {position}")
