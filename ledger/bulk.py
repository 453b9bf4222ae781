"""Many commands at once: the same decisions as one by one, against one history held in memory.

A demonstration or an import executes hundreds of thousands of commands. Reading a boundary from
the database for each would take most of the time; here the whole ledger is folded once, every
decision is taken from that history, and its facts are applied to it at once, at the positions
that they are going to have. A second thread encodes and appends the batches meanwhile, under the
condition that nobody else has written; if somebody has, the batch is refused and the load stops.
Read next: `ledger/log.py`, the way in for everybody else.
"""

import gc
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from itertools import accumulate, groupby
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from ledger.codec import decode, encode
from ledger.decisions.command import Command
from ledger.entry import Context, Draft, Event, envelope_of, tags_of
from ledger.errors import BulkDiverged, ConditionFailed, GateRefused
from ledger.log import Log
from ledger.model.history import History
from ledger.recorder import AppendRequest, Condition, Item

BATCH_EVENTS: Final = 6_000
"""Events an append call: enough that its fixed cost does not show, few enough to be bounded."""

PENDING_BATCHES_MAX: Final = 2
"""Batches decided but not yet recorded; deciding waits when there are more."""

COLLECTOR_THRESHOLDS: Final = (1_000_000, 50, 50)
"""The history is millions of objects that live on; looking through them took a third of a load."""

_VERSION_8: Final = 0x8 << 76
_VARIANT: Final = 0x2 << 62
_FREE_BITS: Final = ~((0xF << 76) | (0x3 << 62))


def seeded_ids(seed: int | str) -> Callable[[], UUID]:
    """A source of UUIDs (version 8) that is the same for the same seed."""
    bits = random.Random(seed).getrandbits  # noqa: S311  (reproducible on purpose)
    return lambda: UUID(int=bits(128) & _FREE_BITS | _VERSION_8 | _VARIANT)


class Bulk:
    """Executes commands in bulk against one ledger that nobody else writes to meanwhile.

    Use it as a context manager: leaving it in peace records what is pending; leaving it by an
    exception drops what was not yet handed over. `on_recorded` hears how many events each
    batch had. On a simulated ledger every event is recorded at its own instant, which may not
    go backwards.

    `retell_after` takes up a load that was cut short: the history begins as of that position, and
    what is recorded beyond it already is compared with what comes, not appended again.
    `rehearse`: everything is decided and nothing appended.
    """

    def __init__(
        self,
        log: Log,
        *,
        batch_events: int = BATCH_EVENTS,
        on_recorded: Callable[[int], None] | None = None,
        retell_after: int | None = None,
        rehearse: bool = False,
    ) -> None:
        self.log = log
        self.history = history_of(log, retell_after)
        self.recorded = 0
        self._rehearse = rehearse
        self._known_position = log.recorder.head().position
        self._batch_events = batch_events
        self._on_recorded = on_recorded
        self._position = self.history.position
        self._buffer: list[Event] = []
        self._pending: list[Future[int]] = []
        self._appender = ThreadPoolExecutor(1, "bulk-append")

    def execute(
        self, command: Command, context: Context, *, recorded_at: datetime | None = None
    ) -> tuple[Event, ...]:
        """Decide and buffer; the events as they will be recorded. Raises the refusal.

        `recorded_at` (default: when received) is told to simulated ledgers only.
        """
        try:
            drafts = command.decided(self.history, context)
        except GateRefused as refusal:
            # A refused attempt is a fact of its own; it is recorded, and still refused.
            self.record(refusal.drafts, context, recorded_at=recorded_at)
            raise
        return self.record(drafts, context, recorded_at=recorded_at)

    def record(
        self, drafts: Iterable[Draft], context: Context, *, recorded_at: datetime | None = None
    ) -> tuple[Event, ...]:
        """Buffer facts that are decided already; they stay together in one batch."""
        at = recorded_at or context.received_at
        events = tuple(
            Event(draft.fact, envelope_of(draft, context), tags_of(draft), place, at)
            for place, draft in enumerate(drafts, self._position + 1)
        )
        for event in events:
            self.history.apply(event)
        self._position += len(events)
        self._buffer.extend(events)
        if len(self._buffer) >= self._batch_events:
            self._hand_over()
        return events

    def flush(self) -> None:
        """Return once everything executed so far is durable."""
        self._hand_over()
        while self._pending:
            self._settle()

    def __enter__(self) -> Self:
        self._collector = gc.get_threshold()
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self._appender.shutdown(wait=True)
            gc.set_threshold(*self._collector)

    def _hand_over(self) -> None:
        if not self._buffer:
            return
        while len(self._pending) >= PENDING_BATCHES_MAX:
            self._settle()
        batch, self._buffer = self._buffer, []
        self._pending.append(self._appender.submit(self._append, batch))

    def _settle(self) -> None:
        count = self._pending.pop(0).result()
        self.recorded += count
        if self._on_recorded:
            self._on_recorded(count)

    def _append(self, batch: list[Event]) -> int:
        """In the second thread: encode and append a batch; the positions must be as predicted."""
        if self._rehearse:
            return len(batch)
        new = self._not_yet_recorded(batch)
        if new:
            self._append_new(new)
        return len(batch)

    def _not_yet_recorded(self, batch: list[Event]) -> list[Event]:
        """What of a batch was not recorded by an earlier load; the rest must be the same."""
        new = [event for event in batch if event.position > self._known_position]
        told = batch[: len(batch) - len(new)]
        if told:
            last = told[-1]
            page = self.log.recorder.read(after=last.position - 1, limit=1)
            if decode(page.events[0].entry).id != last.id:
                raise BulkDiverged(
                    "what this ledger holds is not what this load would record; "
                    "load it into another ledger"
                )
        return new

    def _append_new(self, batch: list[Event]) -> None:
        requests = list(self._requests(batch))
        try:
            positions = self.log.recorder.append_together(requests)
        except ConditionFailed as refusal:
            raise BulkDiverged from refusal
        predicted = accumulate(
            (len(one.events) for one in requests[:-1]), initial=batch[0].position
        )
        if positions != list(predicted):
            raise BulkDiverged

    def _requests(self, batch: list[Event]) -> Iterator[AppendRequest]:
        """One request an instant on a simulated ledger, one in all on every other."""
        nothing_else = Condition((Item(),), after=batch[0].position - 1)
        key = (lambda event: event.recorded_at) if self.log.simulated else (lambda _event: None)
        for recorded_at, events in groupby(batch, key):
            yield AppendRequest(
                events=tuple(
                    encode(one.fact, one.envelope, one.tags, self.log.ledger) for one in events
                ),
                condition=nothing_else,
                recorded_at=recorded_at,
            )


def history_of(log: Log, until: int | None = None) -> History:
    """Everything that the ledger holds (up to a position), folded."""
    pages = log.recorder.stream(until=until)
    return History.of(decode(stored.entry) for page in pages for stored in page)
