"""Reads: events and the head that they were read at, in one statement and so in one snapshot.

The head row is locked until its append commits, so a statement that sees a head sees every event
up to it: a reader that goes on from there misses nothing. What matches tags and types is found by
`ledger.matching_v1`. Read next: `migrations/0002_event_log.sql`, `ledger/recorder/following.py`.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from ledger.database import Database, Role
from ledger.errors import DatabaseUnreachable, Invalid, NotFound
from ledger.recorder.admission import SEPARATOR, key_of, packed_labels
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
TRIES: Final = 2
"""A read on a connection that broke meanwhile is asked again on a new one."""

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
SELECT head.position, head.recorded_at, event.position, event.entry
FROM ledger.head
LEFT JOIN LATERAL ledger.matching_v1(
    %(ledger_id)s, %(requests)s::int[], %(types)s::text[], %(tags)s::text[],
    %(afters)s::bigint[], %(untils)s::bigint[], %(limits)s::int[]
) AS event ON true
WHERE head.ledger_id = %(ledger_id)s
"""
MATCHING_BACKWARDS = """
SELECT head.position, head.recorded_at, event.position, event.entry
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
        query = MATCHING_BACKWARDS if backwards else MATCHING_FORWARDS
        rows = self._rows(query, _item_arrays(items, bounds))
        found = {row[2]: row[3] for row in rows if row[2]}
        ordered = found if len(items) == 1 else sorted(found, reverse=backwards)[:limit]
        return Page([Stored(position, found[position]) for position in ordered], _head(rows))

    def stream(
        self, items: Sequence[Item], *, after: int, until: int | None
    ) -> Iterator[list[Stored]]:
        """Everything that matches up to `until` (none: the head at each page), in full pages."""
        last = POSITION_MAX if until is None else until
        while True:
            if items:
                page = self.page(items, after=after, until=last, limit=PAGE_LIMIT, backwards=False)
                events = page.events
            else:
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
        while self._free:
            self._free.pop().close()

    def _rows(self, query: str, parameters: dict[str, Any]) -> list[TupleRow]:
        parameters["ledger_id"] = self._ledger_id
        for tries_left in reversed(range(TRIES)):
            with self._session() as session:
                try:
                    return session.execute(query, parameters, binary=True).fetchall()
                except psycopg.OperationalError as error:
                    if not session.broken or not tries_left:
                        raise DatabaseUnreachable(f"the read failed: {error}; repeat it") from error
        raise AssertionError

    @contextmanager
    def _session(self) -> Iterator[psycopg.Connection]:
        with self._places:
            try:
                session = self._free.pop()
            except IndexError:
                session = self._database.connect(Role.READER)
                session.prepare_threshold = 0
            try:
                yield session
            finally:
                if session.broken or self._closed:
                    session.close()
                else:
                    self._free.append(session)


def _item_arrays(items: Sequence[Item], bounds: dict[str, int]) -> dict[str, Any]:
    if len(items) > ITEMS_MAX:
        raise Invalid.field("items", f"a read has {ITEMS_MAX:,} items at most")
    for item in items:
        packed_labels(item.types)
        packed_labels(item.tags)
    count = len(items)
    return {
        "requests": [1] * count,
        "types": [SEPARATOR.join(item.types) for item in items],
        "tags": [SEPARATOR.join(item.tags) for item in items],
        "afters": [bounds["after"]] * count,
        "untils": [bounds["until"]] * count,
        "limits": [bounds["limit"]] * count,
    }


def _head(rows: list[TupleRow]) -> Head:
    if not rows:
        raise NotFound("there is no such ledger in this database; create it")
    return Head(rows[0][0], rows[0][1])
