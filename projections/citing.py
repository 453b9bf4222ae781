"""Events as an answer cites them: where each stands in the log, and the hash to check it by."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import psycopg

from ledger.codec import decode
from ledger.entry import Event
from ledger.recorder import Stored
from ledger.vocabulary import Actor, EventId, Line, OnBehalfOf


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """One event: what it is, its place in the log, and the hash of its stored entry (hex)."""

    event: EventId
    type: str
    position: int
    leaf_hash: str
    recorded_at: datetime
    received_at: datetime
    effective_from: datetime
    effective_until: datetime | None
    actor: Actor
    on_behalf_of: OnBehalfOf | None
    line: Line | None
    reason: str | None


def citation_of(stored: Stored) -> Citation:
    """The citation of an entry as the log holds it."""
    return cited(decode(stored.entry), stored)


def cited(event: Event, stored: Stored) -> Citation:
    """The same, for an entry that is decoded already."""
    envelope = event.envelope
    return Citation(
        event=event.id,
        type=event.type,
        position=event.position,
        leaf_hash=stored.leaf_hash.hex(),
        recorded_at=event.recorded_at,
        received_at=event.received_at,
        effective_from=event.effective_from,
        effective_until=event.effective_until,
        actor=event.actor,
        on_behalf_of=event.on_behalf_of,
        line=envelope.line,
        reason=envelope.reason.code if envelope.reason else None,
    )


BY_IDS: Final = """
SELECT event.position, event.entry
FROM unnest(%(ids)s::uuid[]) AS wanted (id)
JOIN ledger.event_key
  ON event_key.ledger_id = %(ledger_id)s AND event_key.key = wanted.id
JOIN ledger.event
  ON event.ledger_id = %(ledger_id)s AND event.position = event_key.position
WHERE event_key.event_count IS NULL AND event.position <= %(until)s
ORDER BY event.position
"""


def entries_of(
    connection: psycopg.Connection, ledger_id: int, events: Iterable[EventId], until: int
) -> list[Stored]:
    """The entries of these events that stand at or before a position, in the order of the log."""
    ids = [UUID(one) for one in dict.fromkeys(events)]
    found = connection.execute(BY_IDS, {"ledger_id": ledger_id, "ids": ids, "until": until})
    return [Stored(position, bytes(entry)) for position, entry in found]
