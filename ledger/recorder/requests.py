"""What is asked of the recorder, and what it answers: plain values, no database.

The recorder knows nothing of duties or reports: an event has an id, a type, tags, and a body that
is one line of JSON; a request is one or more events that enter together or not at all.
Read next: `ledger/recorder/call.py`, which carries requests to the database.
"""

import hashlib
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

ENTRY_BYTES_MAX: Final = 65_535
"""An entry, position and `recorded_at` included."""

REQUEST_EVENTS_MAX: Final = 10_000
REQUEST_BYTES_MAX: Final = 64 * 1024 * 1024
TAGS_MAX: Final = 256
LABEL_CHARACTERS_MAX: Final = 255
ITEMS_MAX: Final = 1_000
KEY_CHARACTERS_MAX: Final = 255
PAGE_LIMIT: Final = 5_000
"""Events a page; `limit` may not ask for more."""


class NewEvent(msgspec.Struct, frozen=True):
    """An event to record; `body` is one line, `{"id":"<id>",...}`, without position and time."""

    id: UUID
    type: str
    tags: tuple[str, ...]
    body: bytes


class Item(msgspec.Struct, frozen=True):
    """Matches an event with all these tags and one of these types (none: any)."""

    types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


class Condition(msgspec.Struct, frozen=True):
    """Fails if any event that matches any item stands after this position; no item matches all."""

    items: tuple[Item, ...]
    after: int = 0


class AppendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Events that are recorded together or not at all.

    `key` is bound to `principal`: repeated with the same `fingerprint` it answers the first
    receipts again. `recorded_at` is given for simulated ledgers, and only for them.
    """

    events: tuple[NewEvent, ...]
    condition: Condition | None = None
    key: str | None = None
    principal: str = ""
    fingerprint: bytes = b""
    recorded_at: datetime | None = None


class Receipt(msgspec.Struct, frozen=True):
    """What an appender gets back for an event."""

    event_id: UUID
    position: int
    leaf_hash: bytes
    recorded_at: datetime


class Appended(msgspec.Struct, frozen=True):
    """Receipts in the order of the events; `replayed` when the key was recorded before."""

    receipts: tuple[Receipt, ...]
    replayed: bool = False


class KeyRecord(msgspec.Struct, frozen=True):
    """What was recorded under an idempotency key, and the fingerprint of its command."""

    fingerprint: bytes
    receipts: tuple[Receipt, ...]


class Stored(msgspec.Struct, frozen=True):
    """An entry as the log holds it: the bytes that are hashed."""

    position: int
    entry: bytes

    @property
    def leaf_hash(self) -> bytes:
        """SHA-256(0x00 || entry), RFC 6962."""
        return hashlib.sha256(b"\0" + self.entry).digest()


class Head(msgspec.Struct, frozen=True):
    """Where a ledger ends: its last position (0: empty) and when that was recorded."""

    position: int
    recorded_at: datetime | None


class Page(msgspec.Struct, frozen=True):
    """Events and the head of one and the same snapshot."""

    events: list[Stored]
    head: Head


class _EntryId(msgspec.Struct):
    id: UUID
    recorded_at: datetime


_decode_id = msgspec.json.Decoder(_EntryId).decode


def receipt_of(stored: Stored) -> Receipt:
    """The receipt that an entry's appender got."""
    found = _decode_id(stored.entry)
    return Receipt(found.id, stored.position, stored.leaf_hash, found.recorded_at)
