"""The indexes beside the log: every tag and key of every entry, and no other.

A tag row that is missing hides a fact from every decision that asks for it, and one too many
makes appends fail; neither changes a hash. What must be there is looked up, exactly, page by page;
what must not is found by counting, and searched for only when the count is off.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import psycopg

from ledger.verifying.report import Fault

TAGS: Final = """
SELECT count(*), min(wanted.position) FILTER (WHERE NOT EXISTS (
    SELECT FROM ledger.event_tag
    WHERE event_tag.ledger_id = %(ledger_id)s
      AND event_tag.tag = wanted.tag
      AND event_tag.position = wanted.position
))
FROM (
    SELECT DISTINCT event.position, hashtextextended(tag.text, 0) AS tag
    FROM ledger.event CROSS JOIN LATERAL unnest(event.tags) AS tag (text)
    WHERE event.ledger_id = %(ledger_id)s
      AND event.position > %(after)s AND event.position <= %(until)s
    OFFSET 0
) AS wanted
"""
IDS: Final = """
SELECT min(given.position)
FROM unnest(%(ids)s::uuid[], %(positions)s::bigint[]) AS given (id, position)
WHERE NOT EXISTS (
    SELECT FROM ledger.event_key
    WHERE event_key.ledger_id = %(ledger_id)s
      AND event_key.key = given.id
      AND event_key.position = given.position
      AND event_key.fingerprint IS NULL
      AND event_key.event_count IS NULL
)
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
COUNTS: Final = """
SELECT
    (SELECT count(*) FROM ledger.event_tag
     WHERE ledger_id = %(ledger_id)s AND position > %(after)s AND position <= %(until)s),
    (SELECT count(*) FROM ledger.event_key
     WHERE ledger_id = %(ledger_id)s AND position > %(after)s AND position <= %(until)s)
"""
TAG_TOO_MANY: Final = """
SELECT min(event_tag.position)
FROM ledger.event_tag
WHERE event_tag.ledger_id = %(ledger_id)s
  AND event_tag.position > %(after)s AND event_tag.position <= %(until)s
  AND NOT EXISTS (
    SELECT FROM ledger.event CROSS JOIN LATERAL unnest(event.tags) AS tag (text)
    WHERE event.ledger_id = %(ledger_id)s
      AND event.position = event_tag.position
      AND hashtextextended(tag.text, 0) = event_tag.tag
  )
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


def check_tags(
    connection: psycopg.Connection, ledger_id: int, after: int, until: int
) -> tuple[int, Fault | None]:
    """How many tag rows these events need, and the first event that lacks one."""
    bounds = {"ledger_id": ledger_id, "after": after, "until": until}
    row = connection.execute(TAGS, bounds).fetchone()
    assert row is not None, "an aggregate answers a row"
    count, missing = row
    return count, Fault(missing, "a tag of this entry is missing in event_tag") if missing else None


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


def check_counts(  # noqa: PLR0913, PLR0917  (a stretch of a ledger, and what it should have)
    connection: psycopg.Connection, ledger_id: int, after: int, until: int, tags: int, keys: int
) -> list[Fault]:
    """Rows that no entry accounts for, found by counting them.

    To be asked when nothing is missing: then a row more is a row too many.
    """
    bounds = {"ledger_id": ledger_id, "after": after, "until": until}
    row = connection.execute(COUNTS, bounds).fetchone()
    assert row is not None, "an aggregate answers a row"
    faults = []
    if row[0] != tags:
        found = connection.execute(TAG_TOO_MANY, bounds).fetchone()
        faults.append(
            Fault(found[0] if found else None, "event_tag has a row that no tag asks for")
        )
    if row[1] != keys:
        found = connection.execute(KEY_TOO_MANY, bounds).fetchone()
        faults.append(
            Fault(
                found[0] if found else None,
                "event_key has a row that no entry asks for: a request could be taken for a "
                "repetition, and its facts be lost",
            )
        )
    return faults


def check_astray(connection: psycopg.Connection, ledger_id: int) -> Fault | None:
    """A row outside the log, beyond its head or before its beginning."""
    row = connection.execute(ASTRAY, {"ledger_id": ledger_id}).fetchone()
    if row is None or row[0] is None:
        return None
    return Fault(row[0], "a row stands here, outside the log as its head has it")
