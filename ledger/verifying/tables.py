"""The indexes beside the log: every tag and key of every entry, and no other.

A tag row that is missing hides a fact from every decision that asks for it, and one too many
makes appends fail; neither changes a hash. Tags that must be there and tags that are there are
joined as wholes. Keys are looked up one by one, page by page; one too many is found by counting,
and searched for only when the count is off.
"""

from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from typing import Final
from uuid import UUID

import msgspec
import psycopg

from ledger.database import Database, Role
from ledger.verifying.report import Fault

EVENTS_JOINED_MAX: Final = 1_000_000
"""Of more the tags do not fit into memory at once, and are compared in parts."""

JOINING: Final = """
SET enable_nestloop = off;
SET enable_mergejoin = off;
SET jit = off;
SET max_parallel_workers_per_gather = 0;
SET work_mem = '256MB';
"""
"""Two large sets compared as wholes: whatever the planner takes them for."""

PROBING: Final = """
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET jit = off;
"""
"""A few thousand keys looked up one by one: a table that was never analysed seems empty."""

TAGS: Final = """
SELECT min(wanted.position) FILTER (WHERE held.position IS NULL),
       min(held.position) FILTER (WHERE wanted.position IS NULL)
FROM (
    SELECT event.position, said.tag
    FROM ledger.event
    CROSS JOIN LATERAL unnest(event.tags) AS label (text)
    CROSS JOIN LATERAL (SELECT hashtextextended(label.text, 0) AS tag) AS said
    WHERE event.ledger_id = %(ledger_id)s
      AND event.position > %(after)s AND event.position <= %(until)s
      AND said.tag >= %(lowest)s AND said.tag <= %(highest)s
) AS wanted
FULL JOIN (
    SELECT event_tag.position, event_tag.tag
    FROM ledger.event_tag
    WHERE event_tag.ledger_id = %(ledger_id)s
      AND event_tag.position > %(after)s AND event_tag.position <= %(until)s
      AND event_tag.tag >= %(lowest)s AND event_tag.tag <= %(highest)s
) AS held ON held.tag = wanted.tag AND held.position = wanted.position
"""
IDS: Final = """
SELECT min(given.position)
FROM unnest(%(ids)b::uuid[], %(positions)b::bigint[]) AS given (id, position)
LEFT JOIN LATERAL (
    SELECT event_key.position FROM ledger.event_key
    WHERE event_key.ledger_id = %(ledger_id)s
      AND event_key.key = given.id
      AND event_key.position = given.position
      AND event_key.fingerprint IS NULL
      AND event_key.event_count IS NULL
    OFFSET 0
) AS held ON true
WHERE held.position IS NULL
"""
KEYS: Final = """
SELECT given.position, given.event_count, held.event_count
FROM unnest(%(keys)s::uuid[], %(positions)s::bigint[], %(counts)s::int[])
    AS given (key, position, event_count)
LEFT JOIN LATERAL (
    SELECT event_key.event_count FROM ledger.event_key
    WHERE event_key.ledger_id = %(ledger_id)s
      AND event_key.key = given.key
      AND event_key.position = given.position
      AND event_key.fingerprint IS NOT NULL
    OFFSET 0
) AS held ON true
WHERE held.event_count IS DISTINCT FROM given.event_count
ORDER BY given.position LIMIT 1
"""
COUNT_OF_KEYS: Final = """
SELECT count(*) FROM ledger.event_key
WHERE ledger_id = %(ledger_id)s AND position > %(after)s AND position <= %(until)s
"""
KEY_TOO_MANY: Final = """
SELECT min(event_key.position)
FROM ledger.event_key
JOIN ledger.event USING (ledger_id, position)
CROSS JOIN LATERAL (SELECT convert_from(event.entry, 'UTF8')::json AS line OFFSET 0) AS said
WHERE ledger_id = %(ledger_id)s AND position > %(after)s AND position <= %(until)s
  AND CASE WHEN event_key.fingerprint IS NULL AND event_key.event_count IS NULL
      THEN (said.line ->> 'id')::uuid <> event_key.key
      ELSE said.line ->> 'idempotency_key' IS NULL END
"""
ASTRAY: Final = """
WITH head AS MATERIALIZED (
    SELECT head.position FROM ledger.head WHERE head.ledger_id = %(ledger_id)s
)
SELECT min(found.position) FROM (
    SELECT min(position) AS position FROM ledger.event
    WHERE ledger_id = %(ledger_id)s
      AND (position < 1 OR position > (SELECT head.position FROM head))
    UNION ALL
    SELECT min(position) FROM ledger.event_tag
    WHERE ledger_id = %(ledger_id)s
      AND (position < 1 OR position > (SELECT head.position FROM head))
    UNION ALL
    SELECT min(position) FROM ledger.event_key
    WHERE ledger_id = %(ledger_id)s
      AND (position < 1 OR position > (SELECT head.position FROM head))
) AS found
"""


class TagRange(msgspec.Struct, frozen=True, kw_only=True):
    """The tags of a part of all hashes, in a stretch of the log."""

    lowest: int
    highest: int
    after: int
    until: int


def tag_ranges(after: int, until: int, *, at_once: int) -> list[TagRange]:
    """All tags of a stretch in parts, each small enough to be joined in memory."""
    count = max(at_once, -(-(until - after) // EVENTS_JOINED_MAX))
    edges = [-(1 << 63) + (number << 64) // count for number in range(count + 1)]
    return [
        TagRange(lowest=low, highest=high - 1, after=after, until=until)
        for low, high in pairwise(edges)
    ]


def check_tags(url: str, ledger_id: int, part: TagRange) -> list[Fault]:
    """The first event that lacks a tag's row, and the first row that no tag asks for."""
    with closing(Database(url).connect(Role.READER)) as connection:
        connection.execute(JOINING)
        given = {"ledger_id": ledger_id, **msgspec.structs.asdict(part)}
        row = connection.execute(TAGS, given).fetchone()
    assert row is not None, "an aggregate answers a row"
    missing, too_many = row
    faults = []
    if missing is not None:
        faults.append(Fault(missing, "a tag of this entry is missing in event_tag"))
    if too_many is not None:
        faults.append(Fault(too_many, "event_tag has a row that no tag asks for"))
    return faults


def check_ids(
    connection: psycopg.Connection, ledger_id: int, ids: Sequence[tuple[UUID, int]]
) -> Fault | None:
    """The first event whose id does not lead to it."""
    given = {
        "ledger_id": ledger_id,
        "ids": [one for one, _ in ids],
        "positions": [position for _, position in ids],
    }
    row = connection.execute(IDS, given).fetchone()
    missing = row[0] if row else None
    return Fault(missing, "event_key does not lead from this entry's id to it") if missing else None


def check_keys(
    connection: psycopg.Connection, ledger_id: int, runs: Sequence[tuple[bytes, int, int]]
) -> Fault | None:
    """The first request (key, position, events) whose idempotency key does not lead to it."""
    given = {
        "ledger_id": ledger_id,
        "keys": [UUID(bytes=key) for key, _, _ in runs],
        "positions": [position for _, position, _ in runs],
        "counts": [count for _, _, count in runs],
    }
    row = connection.execute(KEYS, given).fetchone()
    if row is None:
        return None
    position, here, told = row
    if told is not None and told > here:
        return Fault(position + here, f"its request had {told:,} entries, and the rest is missing")
    return Fault(position, "event_key does not lead from this entry's idempotency key to it")


def check_count_of_keys(
    connection: psycopg.Connection, ledger_id: int, after: int, until: int, keys: int
) -> list[Fault]:
    """A key that no entry accounts for, found by counting all of them.

    To be asked when none is missing: then a row more is a row too many.
    """
    bounds = {"ledger_id": ledger_id, "after": after, "until": until}
    row = connection.execute(COUNT_OF_KEYS, bounds).fetchone()
    assert row is not None, "an aggregate answers a row"
    if row[0] == keys:
        return []
    found = connection.execute(KEY_TOO_MANY, bounds).fetchone()
    return [
        Fault(
            found[0] if found else None,
            "event_key has a row that no entry asks for: a request could be taken for a "
            "repetition, and its facts be lost",
        )
    ]


def check_astray(connection: psycopg.Connection, ledger_id: int) -> Fault | None:
    """A row outside the log, beyond its head or before its beginning."""
    row = connection.execute(ASTRAY, {"ledger_id": ledger_id}).fetchone()
    if row is None or row[0] is None:
        return None
    return Fault(row[0], "a row stands here, outside the log as its head has it")
