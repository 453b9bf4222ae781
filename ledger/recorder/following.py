"""Following the log: everything after a position, for ever, in order, nothing skipped.

A notification only ends the wait early; what was missed is read from the log, from the position
reached. Nothing here holds a lock that the writer needs. Read next: `ledger/recorder/__init__.py`.
"""

import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg import sql

from ledger.database import Database, Role
from ledger.errors import DatabaseUnreachable
from ledger.recorder.reading import Reader
from ledger.recorder.requests import PAGE_LIMIT, Item, Stored

POLL_SECONDS: Final = 0.25
"""The longest that a follower is behind when notifications are lost."""

RECONNECT_PAUSE_SECONDS: Final = 1.0
LISTEN = sql.SQL("LISTEN {}")


class Subscription:
    """Lists of events after a position, as they are recorded; ends when it is stopped."""

    def __init__(
        self, database: Database, reader: Reader, ledger_id: int, after: int, items: Sequence[Item]
    ) -> None:
        self._database = database
        self._reader = reader
        self._channel = f"ledger_{ledger_id}"
        self._items = tuple(items)
        self._stopped = threading.Event()
        self._listener: psycopg.Connection | None = None
        self.position = after
        """Everything that matches up to here has been handed over, or is in the list at hand."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._hang_up()

    def stop(self) -> None:
        """End the iteration, from any thread, within a moment."""
        self._stopped.set()

    def __iter__(self) -> Iterator[list[Stored]]:
        while not self._stopped.is_set():
            try:
                self._listen()
                events = self._next()
                if not events:
                    self._wait()
                    continue
            except (psycopg.OperationalError, DatabaseUnreachable):
                # The log is still there; go on from the position reached when it answers again.
                self._hang_up()
                self._stopped.wait(RECONNECT_PAUSE_SECONDS)
                continue
            yield events

    def _next(self) -> list[Stored]:
        page = self._reader.page(
            self._items, after=self.position, until=None, limit=PAGE_LIMIT, backwards=False
        )
        if len(page.events) == PAGE_LIMIT:
            self.position = page.events[-1].position
        else:
            # Nothing else up to this head matches: one snapshot holds both.
            self.position = max(self.position, page.head.position)
        return page.events

    def _listen(self) -> None:
        if self._listener is None:
            self._listener = self._database.connect(Role.READER, impatient=True)
            self._listener.execute(LISTEN.format(sql.Identifier(self._channel)))

    def _wait(self) -> None:
        assert self._listener is not None, "listening comes before waiting"
        for _ in self._listener.notifies(timeout=POLL_SECONDS, stop_after=1):
            pass

    def _hang_up(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
