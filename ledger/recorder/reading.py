"""Reads: events and the head that they were read at, in one statement and so in one snapshot.

The head row is locked until its append commits, so a statement that sees a head sees every event
up to it: a reader that goes on from there misses nothing. What matches tags and types is found by
`ledger.matching_v1`. Read next: `migrations/0002_event_log.sql`, `ledger/recorder/following.py`.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import TupleRow

from ledger.database import Database, Role
from ledger.errors import DatabaseUnreachable, Invalid, NotFound
from ledger.recorder.admission import SEPARATOR, key_of, packed_labels
from ledger.recorder.gathering import Gathering
from ledger.recorder.requests import (
    ITEMS_MAX,
    PAGE_LIMIT,
    Head,
    Item,
    KeyRecord,
    Page,
    Stored,
    receipt_of,
)

POSITION_MAX: Final = 2**63 - 1
SESSIONS_MAX: Final = 8
LINES_TOGETHER: Final = 200
"""Entries in one value: few enough to be worked on while they are in the processor's cache."""

LINES_LIMIT: Final = 2_000
"""Entries a statement, when everything is read."""

PAUSES_SECONDS: Final = (0.0, 0.1, 0.4, 1.0)
"""A read whose connection broke is asked again on a new one, so often and after these pauses: by
the last one a server that was killed has usually started again."""

PATIENCE_SECONDS: Final = 3.0
"""After so long a read is not asked again."""

SERVER_ENDS: Final = frozenset({"57P01", "57P02", "57P03"})
"""SQLSTATEs of a server that stops, crashed, or starts."""

HEAD = "SELECT position, recorded_at FROM ledger.head WHERE ledger_id = %(ledger_id)s"
FORWARDS = """
SELECT head.position, head.recorded_at, event.position, event.entry
FROM ledger.head
LEFT JOIN LATERAL (
    SELECT event.position, event.entry FROM ledger.event
    WHERE event.ledger_id = %(ledger_id)s
      AND event.position > %(after)s AND event.position <= %(until)s
    ORDER BY event.position LIMIT %(limit)s
) AS event ON true
WHERE head.ledger_id = %(ledger_id)s
"""
BACKWARDS = """
SELECT head.position, head.recorded_at, event.position, event.entry
FROM ledger.head
LEFT JOIN LATERAL (
    SELECT event.position, event.entry FROM ledger.event
    WHERE event.ledger_id = %(ledger_id)s
      AND event.position > %(after)s AND event.position <= %(until)s
    ORDER BY event.position DESC LIMIT %(limit)s
) AS event ON true
WHERE head.ledger_id = %(ledger_id)s
"""
MATCHING_FORWARDS = """
SELECT head.position, head.recorded_at, event.request, event.position, event.entry
FROM ledger.head
LEFT JOIN LATERAL ledger.matching_v1(
    %(ledger_id)s, %(requests)s::int[], %(types)s::text[], %(tags)s::text[],
    %(afters)s::bigint[], %(untils)s::bigint[], %(limits)s::int[]
) AS event ON true
WHERE head.ledger_id = %(ledger_id)s
"""
MATCHING_BACKWARDS = """
SELECT head.position, head.recorded_at, event.request, event.position, event.entry
FROM ledger.head
LEFT JOIN LATERAL ledger.matching_backwards_v1(
    %(ledger_id)s, %(requests)s::int[], %(types)s::text[], %(tags)s::text[],
    %(afters)s::bigint[], %(untils)s::bigint[], %(limits)s::int[]
) AS event ON true
WHERE head.ledger_id = %(ledger_id)s
"""
SCAN = """
SELECT position, entry FROM ledger.event
WHERE ledger_id = %(ledger_id)s AND position > %(after)s AND position <= %(until)s
ORDER BY position LIMIT %(limit)s
"""
# Many entries as one value: a fetch of rows costs more than what is in them. No entry has a line
# feed, and no position is missing, so that the first and the last position say which these are.
LINES = """
SELECT line.first, line.last, line.count, line.entries
FROM ledger.head
CROSS JOIN LATERAL generate_series(
    %(after)s::bigint, least(%(until)s, head.position) - 1, %(together)s
) AS start
CROSS JOIN LATERAL (
    SELECT min(event.position) AS first, max(event.position) AS last, count(*) AS count,
           string_agg(event.entry, '\x0a'::bytea ORDER BY event.position) AS entries
    FROM ledger.event
    WHERE event.ledger_id = %(ledger_id)s AND event.position > start
      AND event.position <= least(start + %(together)s, %(until)s)
) AS line
WHERE head.ledger_id = %(ledger_id)s
ORDER BY start
"""
KEY = """
SELECT position, event_count, fingerprint FROM ledger.event_key
WHERE ledger_id = %(ledger_id)s AND key = %(key)s AND fingerprint IS NOT NULL
"""
POSITION_OF = """
SELECT position FROM ledger.event_key WHERE ledger_id = %(ledger_id)s AND key = %(id)s
"""
POSITION_AT = """
SELECT ledger.position_at_v1(%(ledger_id)s, %(instant)s), %(instant)s < head.recorded_at
FROM ledger.head WHERE head.ledger_id = %(ledger_id)s
"""


class Reader:
    """Reads of one ledger, on a few sessions of its own that are opened when they are needed."""

    def __init__(self, database: Database, ledger_id: int) -> None:
        self._database = database
        self._ledger_id = ledger_id
        self._free: list[psycopg.Connection] = []
        self._places = threading.BoundedSemaphore(SESSIONS_MAX)
        self._closed = False
        self._gathering = Gathering[_Question, Page](partial(self._matching, MATCHING_FORWARDS))

    def head(self) -> Head:
        """Where the ledger ends now."""
        return _head(self._rows(HEAD, {}))

    def page(
        self,
        items: Sequence[Item],
        *,
        after: int,
        until: int | None,
        limit: int,
        backwards: bool,
    ) -> Page:
        """At most `limit` events that match any item (none given: all), and the head."""
        if not 0 <= limit <= PAGE_LIMIT:
            raise Invalid.field("limit", f"a page has 0 to {PAGE_LIMIT:,} events")
        bounds = {"after": after, "until": POSITION_MAX if until is None else until, "limit": limit}
        if not items:
            rows = self._rows(BACKWARDS if backwards else FORWARDS, bounds)
            return Page([Stored(row[2], row[3]) for row in rows if row[2]], _head(rows))
        question = _Question(tuple(items), bounds)
        if backwards:
            return self._matching(MATCHING_BACKWARDS, [question])[0]
        if all(item.tags for item in items):
            return self._gathering.ask(question)
        # Items without tags walk the log: nobody should wait for them.
        return self._matching(MATCHING_FORWARDS, [question])[0]

    def stream(
        self, items: Sequence[Item], *, after: int, until: int | None
    ) -> Iterator[list[Stored]]:
        """Everything that matches up to `until` (none: the head at each page), list by list."""
        last = POSITION_MAX if until is None else until
        if not items:
            yield from self._everything(after, last)
            return
        while True:
            page = self.page(items, after=after, until=last, limit=PAGE_LIMIT, backwards=False)
            if page.events:
                yield page.events
            if len(page.events) < PAGE_LIMIT:
                return
            after = page.events[-1].position

    def _everything(self, after: int, last: int) -> Iterator[list[Stored]]:
        """Every entry; what follows is read while the caller works on what is there."""
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as ahead:
            lines: list[TupleRow] = self._lines(after, last)
            while lines:
                until = min(last, after + LINES_LIMIT)
                full = sum(count for _, _, count, _ in lines) == LINES_LIMIT
                following = (
                    ahead.submit(self._lines, until, last) if full and until < last else None
                )
                for first, final, count, entries in lines:
                    found = entries.split(b"\n") if count else []
                    if first != after + 1 or final != after + count or len(found) != count:
                        # Somebody has been at this log: what is left of it is read as it is.
                        yield from self._row_by_row(after, last)
                        return
                    after = final
                    yield list(map(Stored, range(first, final + 1), found))
                lines = following.result() if following else []

    def _lines(self, after: int, last: int) -> list[TupleRow]:
        until = min(last, after + LINES_LIMIT)
        return self._rows(LINES, {"after": after, "until": until, "together": LINES_TOGETHER})

    def _row_by_row(self, after: int, last: int) -> Iterator[list[Stored]]:
        while True:
            bounds = {"after": after, "until": last, "limit": PAGE_LIMIT}
            events = [Stored(*row) for row in self._rows(SCAN, bounds)]
            if events:
                yield events
            if len(events) < PAGE_LIMIT:
                return
            after = events[-1].position

    def at(self, first: int, count: int) -> list[Stored]:
        """The events of one request, by where they stand."""
        bounds = {"after": first - 1, "until": first + count - 1, "limit": count}
        return [Stored(*row) for row in self._rows(SCAN, bounds)]

    def key(self, principal: str, key: str) -> KeyRecord | None:
        """What was recorded under a principal's key."""
        for position, count, fingerprint in self._rows(
            KEY, {"key": UUID(bytes=key_of(principal, key))}
        ):
            receipts = tuple(receipt_of(stored) for stored in self.at(position, count))
            return KeyRecord(fingerprint, receipts)
        return None

    def position_of(self, event_id: UUID) -> int | None:
        """Where the event with this id stands."""
        for (position,) in self._rows(POSITION_OF, {"id": event_id}):
            return int(position)
        return None

    def position_at(self, instant: datetime) -> tuple[int, bool]:
        """The last position recorded at or before an instant, and whether that can still change."""
        rows = self._rows(POSITION_AT, {"instant": instant})
        if not rows:
            raise NotFound
        return int(rows[0][0]), bool(rows[0][1])

    def close(self) -> None:
        """Close the sessions; a read under way finishes first."""
        self._closed = True
        self._close_free()

    def _matching(self, query: str, questions: Sequence["_Question"]) -> list[Page]:
        """Pages of many questions, of one snapshot."""
        rows = self._rows(query, _item_arrays(questions))
        head = _head(rows)
        found: list[dict[int, bytes]] = [{} for _ in questions]
        for _, _, number, position, entry in rows:
            if number is not None:
                found[number][position] = entry
        backwards = query == MATCHING_BACKWARDS
        pages = []
        for question, entries in zip(questions, found, strict=True):
            # One item's events come in order; an event that matches two items counts once.
            several = len(question.items) > 1
            order = sorted(entries, reverse=backwards) if several else list(entries)
            limit = question.bounds["limit"]
            events = [Stored(position, entries[position]) for position in order[:limit]]
            pages.append(Page(events, head))
        return pages

    def _rows(self, query: str, parameters: dict[str, Any]) -> list[TupleRow]:
        """Ask, and ask again on new connections when one breaks or none can be had."""
        parameters["ledger_id"] = self._ledger_id
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        for pause_seconds in (*PAUSES_SECONDS, PATIENCE_SECONDS):
            try:
                with self._session() as session:
                    return session.execute(query, parameters, binary=True).fetchall()
            except (psycopg.OperationalError, DatabaseUnreachable) as error:
                if not _is_lost(error) or time.monotonic() + pause_seconds > give_up_at:
                    raise DatabaseUnreachable(f"the read failed: {error}; repeat it") from error
            # Whoever ended one session may have ended all of them.
            self._close_free()
            time.sleep(pause_seconds)
        raise AssertionError("patience ends with the last pause")

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection]:
        with self._places:
            try:
                session = self._free.pop()
            except IndexError:
                session = self._database.connect(Role.READER, impatient=True)
                session.prepare_threshold = 0
            try:
                yield session
            finally:
                if session.broken or self._closed:
                    session.close()
                else:
                    self._free.append(session)

    def _close_free(self) -> None:
        with suppress(IndexError):
            while True:
                self._free.pop().close()


def _is_lost(error: psycopg.OperationalError | DatabaseUnreachable) -> bool:
    """Whether this speaks of the connection, and not of what was asked."""
    if isinstance(error, DatabaseUnreachable):
        return True
    return error.sqlstate is None or error.sqlstate[:2] == "08" or error.sqlstate in SERVER_ENDS


class _Question(msgspec.Struct, frozen=True):
    """A page asked for by items."""

    items: tuple[Item, ...]
    bounds: dict[str, int]

    def __post_init__(self) -> None:
        if len(self.items) > ITEMS_MAX:
            raise Invalid.field("items", f"a read has {ITEMS_MAX:,} items at most")
        for item in self.items:
            packed_labels(item.types)
            packed_labels(item.tags)


def _item_arrays(questions: Sequence[_Question]) -> dict[str, Any]:
    numbered = [(n, one.bounds, item) for n, one in enumerate(questions) for item in one.items]
    return {
        "requests": [number for number, _, _ in numbered],
        "types": [SEPARATOR.join(item.types) for _, _, item in numbered],
        "tags": [SEPARATOR.join(item.tags) for _, _, item in numbered],
        "afters": [bounds["after"] for _, bounds, _ in numbered],
        "untils": [bounds["until"] for _, bounds, _ in numbered],
        "limits": [bounds["limit"] for _, bounds, _ in numbered],
    }


def _head(rows: list[TupleRow]) -> Head:
    if not rows:
        raise NotFound("there is no such ledger in this database; create it")
    return Head(rows[0][0], rows[0][1])
