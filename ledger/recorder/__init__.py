"""One ordered, gapless, hashed log in PostgreSQL; knows nothing of what the facts mean.

Read in this order: `requests.py` (what is asked and answered), `postgres.py` (the recorder),
`writer.py` (group commit: many callers, one transaction), `batch.py` (who may share it),
`migrations/0002_event_log.sql` (the one call that writes), `reading.py` and `gathering.py` (many
reads, one statement), `following.py`, and `adapter.py` (the same for the eventsourcing library).
"""

from ledger.recorder.adapter import DCBRecorderAdapter
from ledger.recorder.following import Subscription
from ledger.recorder.ledgers import LedgerInfo, create_ledger, find_ledger
from ledger.recorder.postgres import PostgresRecorder
from ledger.recorder.requests import (
    ENTRY_BYTES_MAX,
    PAGE_LIMIT,
    REQUEST_EVENTS_MAX,
    Appended,
    AppendRequest,
    Condition,
    Head,
    Item,
    KeyRecord,
    NewEvent,
    Page,
    Receipt,
    Stored,
    receipt_of,
)

__all__ = [
    "ENTRY_BYTES_MAX",
    "PAGE_LIMIT",
    "REQUEST_EVENTS_MAX",
    "AppendRequest",
    "Appended",
    "Condition",
    "DCBRecorderAdapter",
    "Head",
    "Item",
    "KeyRecord",
    "LedgerInfo",
    "NewEvent",
    "Page",
    "PostgresRecorder",
    "Receipt",
    "Stored",
    "Subscription",
    "create_ledger",
    "find_ledger",
    "receipt_of",
]
