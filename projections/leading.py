"""The one projector that leads a ledger: folds batches of facts for all projections at once.

A batch is read and decoded once, folded in memory, and saved with its position in one
transaction; while it is saved the next one is folded, and the one after that is read.
Projections that stand at the same position go together; one that is behind (new, or resumed)
catches up alone, the others served in between, and then joins them. A projection that cannot
fold a fact stops there; the others go on.
Read next: `folding.py` (rows in memory), `saving.py` (rows in the database).
"""

import gc
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import msgspec
import psycopg
from psycopg import errors

from ledger.database import Database, Role
from ledger.entry import Event
from ledger.recorder import Head, Stored
from projections.building.builds import lead_builds, promote, resume
from projections.folding import MemoryRows
from projections.positions import leave_lead, standings, take_lead
from projections.saving import Step, load_rows, save
from projections.tables import Projection

BATCH_EVENTS: Final = 10_000
SLICE_EVENTS: Final = 200
"""Decoded and folded at a time: few enough that all of them stay in the processor's cache."""

ROWS_KEPT_MAX: Final = 200_000
"""Rows kept in memory between batches, twice over at most: each is some 1 kB."""

# Facts make many small values and no cycles: looking for cycles every 700 doubles the cost.
_COLLECTOR_THRESHOLD: Final = 50_000

# What a row itself can be guilty of; everything else is the database's or the projector's own.
_ROW_ERRORS: Final = (
    psycopg.DataError,
    psycopg.IntegrityError,
    errors.ProgramLimitExceeded,
    ArithmeticError,
    AssertionError,
    AttributeError,
    TypeError,
    ValueError,
)
_REASON_LENGTH_MAX: Final = 500

# What a crash takes away is folded again: rows and position agree, and the log is durable. A batch
# that stands in a temporary table is larger than the 8 MB it would have before it goes to the disk.
QUICK_SESSION: Final = "SET synchronous_commit = off; SET temp_buffers = '32MB'"

T = TypeVar("T")
log = logging.getLogger(__name__)


class Source(Protocol):
    """What is needed of the log: where it ends, and its entries in order."""

    def head(self) -> Head:
        """The last position."""

    def stream(self, *, after: int, until: int | None = None) -> Iterator[list[Stored]]:
        """The entries from `after` (exclusive) to `until` (inclusive), page by page."""


class _Folding:
    """One projection at work: its rows, and how far it has folded."""

    def __init__(
        self, reading: psycopg.Connection, ledger_id: int, projection: Projection, generation: int
    ) -> None:
        self.projection = projection
        self.generation = generation
        self.position = 0
        self.stopped: tuple[int, str] | None = None
        self.resuming: tuple[int, str] | None = None
        """Where it had stopped, until it has caught up: whoever asks for now does not go back."""

        self._load = partial(load_rows, reading, ledger_id, generation)
        self._rows = MemoryRows(())

    def begin(self, position: int) -> None:
        """Know nothing but a saved position; the rows are read again as they are needed."""
        self.position = position
        self.stopped = None
        self._rows = MemoryRows(self.projection.tables, self._load, empty=position == 0)

    def fold(self, events: Sequence[Event]) -> None:
        """Fold events of the projection's types, up to the first that cannot be folded."""
        fold, rows = self.projection.fold, self._rows
        settle = rows.settle
        self._fetch(events)
        event = None
        try:
            for event in events:
                fold(event, rows)
                settle(event.position)
        except Exception as error:
            assert event is not None, "nothing fails before the first event"
            if isinstance(error, psycopg.OperationalError) and not isinstance(error, _ROW_ERRORS):
                raise
            self.stop(event, error)

    def stop(self, event: Event, error: Exception) -> None:
        """Go no further than the fact before this one, and say why."""
        self._rows.forget_touched()
        text = f"{type(error).__name__}: {error}".replace("\0", "")
        reason = f"{event.type} {event.id}: {text}"[:_REASON_LENGTH_MAX]
        self.stopped = (event.position, reason)
        log.error(
            "projection %s stopped at position %d (%s %s)",
            self.projection.name,
            event.position,
            event.type,
            event.id,
            exc_info=error,
        )

    def step(self, after: int) -> Step:
        """What was folded since the last step, as it is to be saved."""
        before, self.position = self.position, self.stopped[0] - 1 if self.stopped else after
        stopped_at, stopped_reason = self.stopped or self.resuming or (None, None)
        return Step(
            name=self.projection.name,
            generation=self.generation,
            before=before,
            after=self.position,
            changes=self._rows.take_changes(),
            stopped_at=stopped_at,
            stopped_reason=stopped_reason,
        )

    def rows_recent(self) -> int:
        return self._rows.recent()

    def age(self) -> None:
        self._rows.age()

    def _fetch(self, events: Sequence[Event]) -> None:
        """Find the rows that these events name, together."""
        if not self._rows.wants_reads():
            return
        reads = self.projection.reads
        try:
            self._rows.fetch(read for event in events for read in reads(event))
        except _ROW_ERRORS:
            # A hint that fails saves nothing; the fold itself will say what is wrong, and where.
            log.warning("%s: rows not fetched ahead", self.projection.name, exc_info=True)


class _Saving(msgspec.Struct, frozen=True):
    """A batch on its way into the database."""

    group: list[_Folding]
    stored: Sequence[Stored]
    done: Future[None]


class Lead:
    """Leads a ledger's projections until it is closed; made only by one process at a time."""

    def __init__(
        self,
        database: Database,
        ledger_id: int,
        source: Source,
        projections: Sequence[Projection],
        decode: Callable[[bytes], Event],
    ) -> None:
        self._ledger_id = ledger_id
        self._source = source
        self._decode = decode
        self._saving: _Saving | None = None
        with ExitStack() as opened:
            saving = opened.enter_context(closing(database.connect(Role.PROJECTOR)))
            self._take(saving)
            opened.callback(self._leave, saving)
            saving.execute(QUICK_SESSION)
            reading = opened.enter_context(closing(database.connect(Role.PROJECTOR)))
            generations, self._epoch = self._builds(saving, projections)
            self._foldings = [
                _Folding(reading, ledger_id, projection, generation)
                for projection, generation in zip(projections, generations, strict=True)
            ]
            self._connection = saving
            self._saver = opened.enter_context(ThreadPoolExecutor(1, thread_name_prefix="saver"))
            self._promoted = self._begin()
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Wait for what is being saved, and let somebody else lead."""
        self._opened.close()

    @property
    def going(self) -> list[_Folding]:
        """The projections that have not stopped."""
        return [folding for folding in self._foldings if folding.stopped is None]

    def catch_up(self, stopping: Callable[[], bool] = lambda: False) -> int:
        """Fold and save everything recorded so far, the rearmost first; the position reached."""
        with _collecting_rarely():
            while self.going and not stopping():
                rear = min(folding.position for folding in self.going)
                ahead = [one.position for one in self.going if one.position > rear]
                until = min(ahead) if ahead else self._source.head().position
                if rear == until:
                    break
                self._bring(rear, until, stopping)
                self.finish()
        if not stopping():
            self._promote()
        return min((folding.position for folding in self.going), default=0)

    def advance(self, stored: Sequence[Stored]) -> None:
        """Fold the entries that follow, for every projection that stands right before them.

        They are saved when `finish` was called, or the next ones are folded.
        """
        group = [one for one in self.going if one.position == stored[0].position - 1]
        if not group:
            return
        steps = self._fold(group, stored)
        if astray := self.finish():
            for folding in astray & {*group}:
                self._advance_alone(folding, stored)
            steps = {one: step for one, step in steps.items() if one not in astray}
        if sum(folding.rows_recent() for folding in self._foldings) > ROWS_KEPT_MAX:
            for folding in self._foldings:
                folding.age()
        done = self._saver.submit(self._save, list(steps.values()))
        self._saving = _Saving(list(steps), stored, done)

    def finish(self) -> set[_Folding]:
        """Wait until everything folded is saved.

        When a row could not be, nothing of its batch was: each projection then folds it again
        alone. Answers those, because what they folded after it stands on rows that are not there.
        """
        saving, self._saving = self._saving, None
        if saving is None:
            return set()
        try:
            saving.done.result()
        except _ROW_ERRORS:
            for folding in saving.group:
                folding.begin(saving.stored[0].position - 1)
                self._advance_alone(folding, saving.stored)
            return set(saving.group)
        return set()

    # What leading is, and what somebody who rebuilds does otherwise (`building/rebuilding.py`).

    def _take(self, connection: psycopg.Connection) -> None:
        """Be the only one."""
        take_lead(connection, self._ledger_id)

    def _leave(self, connection: psycopg.Connection) -> None:
        """Let somebody else be."""
        leave_lead(connection, self._ledger_id)

    def _builds(
        self, connection: psycopg.Connection, projections: Sequence[Projection]
    ) -> tuple[list[int], int]:
        """The generation to fold of each projection, and the epoch to save under."""
        return lead_builds(connection, self._ledger_id, projections)

    def _promote(self) -> None:
        """Let what has caught up serve, and count again."""
        for folding in self.going:
            name, generation = folding.projection.name, folding.generation
            if folding not in self._promoted:
                promote(self._connection, self._ledger_id, name, generation)
                self._promoted.add(folding)
            if folding.resuming is not None:
                resume(self._connection, self._ledger_id, name, generation)
                folding.resuming = None

    def _begin(self) -> set[_Folding]:
        """Go on from the saved positions; the projections whose build serves already."""
        rows = standings(self._connection, self._ledger_id)
        found = {(row.name, row.generation): row for row in rows}
        serving = set()
        for folding in self._foldings:
            standing = found[folding.projection.name, folding.generation]
            folding.begin(standing.position)
            if standing.stopped_at is not None:
                folding.resuming = (standing.stopped_at, standing.stopped_reason or "")
            if standing.serving:
                serving.add(folding)
        return serving

    def _bring(self, rear: int, until: int, stopping: Callable[[], bool]) -> None:
        """Bring those at `rear` to `until`; after each batch, whoever is ahead keeps up."""
        with closing(read_ahead(self._batches(rear, until))) as batches:
            for stored in batches:
                self.advance(stored)
                position = stored[-1].position
                if stopping() or all(one.position != position for one in self.going):
                    break
                self._serve_front(position)

    def _serve_front(self, position: int) -> None:
        front = max(folding.position for folding in self.going)
        if front > position:
            for fresh in self._batches(front, self._source.head().position):
                self.advance(fresh)

    def _batches(self, after: int, until: int) -> Generator[list[Stored]]:
        for start in range(after, until, BATCH_EVENTS):
            end = min(start + BATCH_EVENTS, until)
            yield [one for page in self._source.stream(after=start, until=end) for one in page]

    def _fold(self, group: Sequence[_Folding], stored: Sequence[Stored]) -> dict[_Folding, Step]:
        decode = self._decode
        for start in range(0, len(stored), SLICE_EVENTS):
            events = [decode(one.entry) for one in stored[start : start + SLICE_EVENTS]]
            for folding, wanted in _deal(events, group):
                if wanted and folding.stopped is None:
                    folding.fold(wanted)
        return {folding: folding.step(stored[-1].position) for folding in group}

    def _save(self, steps: Sequence[Step]) -> None:
        save(self._connection, self._ledger_id, self._epoch, steps)

    def _advance_alone(self, folding: _Folding, stored: Sequence[Stored]) -> None:
        """Fold ever smaller parts until the event stands alone whose row cannot be written."""
        before = folding.position
        if folding.stopped is not None or before != stored[0].position - 1:
            return
        try:
            self._save([*self._fold([folding], stored).values()])
        except _ROW_ERRORS as error:
            folding.begin(before)
            if len(stored) == 1:
                folding.stop(self._decode(stored[0].entry), error)
                self._save([folding.step(before)])
                return
            middle = len(stored) // 2
            self._advance_alone(folding, stored[:middle])
            self._advance_alone(folding, stored[middle:])


def _deal(events: Sequence[Event], group: Sequence[_Folding]) -> list[tuple[_Folding, list[Event]]]:
    """To each projection the events of the types that it wants."""
    dealt: list[tuple[_Folding, list[Event]]] = [(folding, []) for folding in group]
    wanting: dict[str, list[list[Event]]] = {}
    for folding, wanted in dealt:
        for kind in folding.projection.types:
            wanting.setdefault(kind, []).append(wanted)
    nobody: list[list[Event]] = []
    for event in events:
        for wanted in wanting.get(event.type, nobody):
            wanted.append(event)
    return dealt


@contextmanager
def _collecting_rarely() -> Iterator[None]:
    kept = gc.get_threshold()
    gc.set_threshold(max(kept[0], _COLLECTOR_THRESHOLD), *kept[1:])
    try:
        yield
    finally:
        gc.set_threshold(*kept)


def read_ahead(items: Generator[T]) -> Generator[T]:
    """The same items, each next one read by a thread while the last one is worked on."""
    end: Any = object()
    with closing(items), ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as reader:
        item = reader.submit(next, items, end)
        while (found := item.result()) is not end:
            item = reader.submit(next, items, end)
            yield found
