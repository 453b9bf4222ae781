"""What the recorder's tests share: events to append, and a writer to run in another process.

`python -m tests.recording URL LEDGER_ID THREADS REQUESTS EVENTS` appends from several threads and
prints nothing; the parent reads the log.
"""

import json
import sys
import threading
from datetime import datetime
from uuid import UUID, uuid4

from ledger.database import Database
from ledger.recorder import Appended, AppendRequest, Condition, Item, NewEvent, PostgresRecorder


def new_event(
    kind: str = "tested", *tags: str, event_id: UUID | None = None, **data: object
) -> NewEvent:
    """An event with any id, these tags, and a body that says so."""
    chosen = event_id or uuid4()
    body = {"id": str(chosen), "type": kind, "tags": list(tags), "data": data}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return NewEvent(chosen, kind, tags, text.encode())


def request(  # noqa: PLR0913  (the parts of a request, each with a default)
    *events: NewEvent,
    unless: tuple[Item, ...] = (),
    after: int = 0,
    key: str | None = None,
    principal: str = "somebody",
    fingerprint: bytes = b"command",
    recorded_at: datetime | None = None,
) -> AppendRequest:
    """A request to append events unless an item is matched after a position."""
    return AppendRequest(
        events=events or (new_event(),),
        condition=Condition(unless, after) if unless else None,
        key=key,
        principal=principal,
        fingerprint=fingerprint,
        recorded_at=recorded_at,
    )


def positions(outcome: object) -> list[int]:
    """The positions of an accepted request."""
    assert isinstance(outcome, Appended), outcome
    return [receipt.position for receipt in outcome.receipts]


def append_from_threads(
    recorder: PostgresRecorder, threads: int, requests: int, events: int
) -> None:
    """Append `requests` requests of `events` events from each of `threads` threads."""

    def write(writer: str) -> None:
        for number in range(requests):
            mine = [new_event("raced", writer, number=number) for _ in range(events)]
            recorder.append_one(request(*mine))

    running = [threading.Thread(target=write, args=(f"writer:{uuid4()}",)) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def _main() -> None:
    url, ledger_id, threads, requests, events = sys.argv[1:]
    database = Database(url)
    recorder = PostgresRecorder(database, int(ledger_id))
    append_from_threads(recorder, int(threads), int(requests), int(events))
    recorder.close()
    database.close()


if __name__ == "__main__":
    _main()
