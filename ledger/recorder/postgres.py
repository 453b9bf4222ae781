"""The recorder of one ledger: appends in groups, reads in snapshots, follows without gaps.

Read next: `ledger/recorder/writer.py` for how appends are gathered, `reading.py` for reads.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from ledger.database import Database
from ledger.errors import (
    DatabaseUnreachable,
    DuplicateId,
    Invalid,
    LedgerError,
    LogStopped,
    OutcomeUnknown,
)
from ledger.recorder.admission import Prepared, prepare
from ledger.recorder.call import Replayed, accepted_position, outcome_of
from ledger.recorder.following import Subscription
from ledger.recorder.ledgers import ledger_of
from ledger.recorder.reading import Reader
from ledger.recorder.requests import (
    PAGE_LIMIT,
    Appended,
    AppendRequest,
    Head,
    Item,
    KeyRecord,
    Page,
    Stored,
    receipt_of,
)
from ledger.recorder.session import Guard
from ledger.recorder.writer import Answer, GroupCommit, Submission

WINDOW_EVENTS: Final = 10_000
WINDOWS_MAX: Final = 2
"""Of a long list, so many events are packed at a time while the window before is written."""

_Window: TypeAlias = tuple[list[Prepared | LedgerError], Submission | None]
"""Requests packed or refused, and the wait for those that were queued."""


class PostgresRecorder:
    """One gapless, hashed order of events; any thread may call it."""

    def __init__(self, database: Database, ledger_id: int, guard: Guard | None = None) -> None:
        """`guard` looks at the ledger before a session's first write, and may refuse it."""
        self.ledger_id = ledger_id
        self._database = database
        self._simulated = ledger_of(database, ledger_id).simulated
        self._reader = Reader(database, ledger_id)
        self._writer = GroupCommit(database, ledger_id, simulated=self._simulated, guard=guard)

    def append(self, requests: Sequence[AppendRequest]) -> list[Appended | LedgerError]:
        """Record requests, each by itself; blocks until each outcome is durable, in order."""
        outcomes: list[Appended | LedgerError] = []
        caller, windows = object(), deque[_Window]()
        for window in _windows(requests):
            windows.append(self._queue(window, caller))
            if len(windows) == WINDOWS_MAX:
                outcomes += self._answered(windows.popleft())
        for queued in windows:
            outcomes += self._answered(queued)
        return outcomes

    def append_together(self, requests: Sequence[AppendRequest]) -> list[int]:
        """Record requests in one transaction, whose conditions do not see each other's events.

        With one and the same condition they are recorded all or none; they must fit one batch.
        Answers where the first event of each stands (a million receipts would cost more than the
        appends); raises the first refusal.
        """
        admitted, submission = self._queue(requests, caller=object(), company=object())
        for one in admitted:
            if isinstance(one, LedgerError):
                raise one
        answers = self._writer.wait(submission) if submission else ()
        positions = []
        for one, answer in zip(admitted, answers, strict=True):
            position = accepted_position(answer) if isinstance(answer, bytes) else None
            if position is None:
                assert isinstance(one, Prepared), "what was refused at the door was raised"
                outcome = self._outcome(one, answer)
                if isinstance(outcome, LedgerError):
                    raise outcome
                position = outcome.receipts[0].position
            positions.append(position)
        return positions

    def append_one(self, request: AppendRequest) -> Appended:
        """Record one request; raises the refusal."""
        admitted = self._admit(request, company=None)
        if isinstance(admitted, LedgerError):
            raise admitted
        outcome = self._outcome(admitted, self._writer.submit_one(admitted))
        if isinstance(outcome, LedgerError):
            raise outcome
        return outcome

    def lookup_key(self, principal: str, key: str) -> KeyRecord | None:
        """What was recorded under this principal's idempotency key."""
        return self._reader.key(principal, key)

    def position_of(self, event_id: UUID) -> int | None:
        """Where the event with this id stands; None: it is not recorded."""
        return self._reader.position_of(event_id)

    def head(self) -> Head:
        """Where the ledger ends now."""
        return self._reader.head()

    def read(
        self,
        items: Sequence[Item] = (),
        *,
        after: int = 0,
        until: int | None = None,
        limit: int = PAGE_LIMIT,
        backwards: bool = False,
    ) -> Page:
        """Events with after < position <= until that match any item (none given: all)."""
        return self._reader.page(items, after=after, until=until, limit=limit, backwards=backwards)

    def stream(
        self, items: Sequence[Item] = (), *, after: int = 0, until: int | None = None
    ) -> Iterator[list[Stored]]:
        """Everything that matches, in order, in lists of up to PAGE_LIMIT."""
        return self._reader.stream(items, after=after, until=until)

    def subscribe(self, *, after: int, items: Sequence[Item] = ()) -> Subscription:
        """Everything after a position, for ever; a context manager."""
        return Subscription(self._database, self._reader, self.ledger_id, after, items)

    def position_at(self, instant: datetime) -> tuple[int, bool]:
        """The last position recorded at or before an instant; settled: no later fact can join."""
        return self._reader.position_at(instant)

    def confirm_clock(self) -> None:
        """Write again after ClockJumped: an operator has looked at the clocks."""
        self._writer.confirm_clock()

    def close(self) -> None:
        """Finish what is queued, then let go of the database."""
        self._writer.close()
        self._reader.close()

    def _queue(
        self, requests: Sequence[AppendRequest], caller: object, company: object | None = None
    ) -> _Window:
        admitted = [self._admit(request, company) for request in requests]
        queued = [one for one in admitted if isinstance(one, Prepared)]
        try:
            return admitted, self._writer.enqueue(queued, caller) if queued else None
        except LogStopped as stopped:
            return [stopped for _ in admitted], None

    def _answered(self, window: _Window) -> list[Appended | LedgerError]:
        admitted, submission = window
        answers = iter(self._writer.wait(submission) if submission else ())
        return [
            one if isinstance(one, LedgerError) else self._outcome(one, next(answers))
            for one in admitted
        ]

    def _admit(self, request: AppendRequest, company: object | None) -> Prepared | LedgerError:
        if (request.recorded_at is not None) != self._simulated:
            return Invalid.field(
                "recorded_at", "simulated ledgers take it from the caller, every other refuses it"
            )
        return prepare(request, company)

    def _outcome(self, prepared: Prepared, answer: Answer) -> Appended | LedgerError:
        outcome = outcome_of(prepared.request, answer) if isinstance(answer, bytes) else answer
        return self._found(prepared, outcome) if isinstance(outcome, Replayed) else outcome

    def _found(self, prepared: Prepared, replayed: Replayed) -> Appended | LedgerError:
        """What a key recorded before, or what a lost connection turned out to have recorded."""
        try:
            stored = self._reader.at(replayed.first_position, replayed.event_count)
        except DatabaseUnreachable as error:
            return OutcomeUnknown(
                f"this is recorded at position {replayed.first_position}, but its receipts cannot "
                f"be read now ({error}); retry under the same key"
            )
        if not replayed.under_key:
            events = prepared.request.events
            same = zip(stored, events, strict=False)
            if not all(one.entry.endswith(event.body[1:]) for one, event in same):
                return DuplicateId()
        return Appended(tuple(map(receipt_of, stored)), replayed=replayed.under_key)


def _windows(requests: Sequence[AppendRequest]) -> Iterator[Sequence[AppendRequest]]:
    """The requests in order, in lists of about a batch."""
    start, event_count = 0, 0
    for end, request in enumerate(requests, start=1):
        event_count += len(request.events)
        if event_count >= WINDOW_EVENTS:
            yield requests[start:end]
            start, event_count = end, 0
    if start < len(requests):
        yield requests[start:]
