"""What the engine's tests share: a toy view of cells, written by reports, and its projector.

A real fact carries the changes (`content`: cell to value, None removes it), so that the whole way
of a fact is walked: recorder, codec, runner, rows.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
from psycopg import Connection

from ledger.codec import decode, encode
from ledger.database import Database, Role
from ledger.entry import Envelope, Event
from ledger.errors import ViewMissing
from ledger.events.reports import ReportSubmitted
from ledger.recorder import AppendRequest, NewEvent, PostgresRecorder
from ledger.vocabulary import Actor, EventId, FormRef, ObligationId, ReportId, UnitId, Via
from projections.positions import Standing, standings
from projections.runner import Runner
from projections.tables import Key, Projection, Rows, Table
from projections.time_travel import Reader

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)

Content = Mapping[str, int | str | bool | None]


class Cell(msgspec.Struct, frozen=True):
    """A named value, and the unit that said it last."""

    name: str
    unit: str
    value: int
    note: str | None = None


CELL = Table("cell", Cell, key=("name",), indexed=(("unit",), ("unit", "value"), ("note",), ()))


class Total(msgspec.Struct, frozen=True):
    """How many cells a unit has written."""

    unit: str
    written: int


TOTAL = Table("total", Total, key=("unit",))


class Cells:
    """Folds each report's content into cells; a cell named `boom` cannot be folded."""

    def __init__(
        self,
        name: str = "cells",
        version: int = 1,
        cell: Table[Cell] = CELL,
        after: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        self.name = name
        self.version = version
        self.cell = cell
        self.tables: tuple[Table[Any], ...] = (cell,)
        self.types = frozenset({ReportSubmitted.TOPIC})
        self._after = after

    def reads(self, event: Event) -> Iterable[tuple[Table[Cell], Key]]:
        """Every cell but those named `hidden...`, which the fold must find by itself."""
        names = _fact(event).content
        return [(self.cell, (name,)) for name in names if not name.startswith("hidden")]

    def fold(self, event: Event, rows: Rows) -> None:
        """Each cell as the content says."""
        fact = _fact(event)
        for name, value in fact.content.items():
            if value is None:
                rows.remove(self.cell, name)
            elif isinstance(value, str):
                rows.put(self.cell, Cell(name, fact.unit, len(value), value))
            else:
                assert isinstance(value, int)
                rows.put(self.cell, Cell(name, fact.unit, value))
            if name == "boom":
                raise RuntimeError("this fact cannot be folded")
        self._after(event)


class Totals:
    """Counts the cells that each unit has written."""

    name = "totals"
    version = 1
    tables: tuple[Table[Any], ...] = (TOTAL,)
    types = frozenset({ReportSubmitted.TOPIC})

    def reads(self, event: Event) -> Iterable[tuple[Table[Total], Key]]:
        """The unit's row."""
        return [(TOTAL, (_fact(event).unit,))]

    def fold(self, event: Event, rows: Rows) -> None:
        """So many more."""
        fact = _fact(event)
        before = rows.get(TOTAL, fact.unit)
        written = (before.written if before else 0) + len(fact.content)
        rows.put(TOTAL, Total(fact.unit, written))


def _fact(event: Event) -> ReportSubmitted:
    assert isinstance(event.fact, ReportSubmitted)
    return event.fact


def record(recorder: PostgresRecorder, *contents: Content, unit: str = "U1") -> int:
    """Record one report a content; the last position."""
    requests = [AppendRequest(events=(_new_event(content, unit),)) for content in contents]
    for outcome in recorder.append(requests):
        assert not isinstance(outcome, Exception), outcome
    return recorder.head().position


def _new_event(content: Content, unit: str) -> NewEvent:
    fact = ReportSubmitted(
        report=ReportId(uuid4().hex),
        obligation=ObligationId("O1"),
        unit=UnitId(unit),
        form=FormRef("F1"),
        form_revision=1,
        capacity="holder",
        content=dict(content),
    )
    envelope = Envelope(
        id=EventId(str(uuid4())), received_at=BEGAN, actor=Actor(via=Via.API, system="test")
    )
    return encode(fact, envelope, fact.tags(), "main")


def values(
    connection: Connection, ledger_id: int, position: int | None = None, cell: Table[Cell] = CELL
) -> dict[str, int]:
    """Every cell's value as of a position."""
    reader = Reader(connection, ledger_id, position)
    return {row.name: row.value for row in reader.find(cell)}


PATIENCE_SECONDS = 20.0


def running(
    database: Database,
    recorder: PostgresRecorder,
    *projections: Projection,
    decoding: Callable[[bytes], Event] = decode,
) -> Runner:
    """A projector of the recorder's ledger."""
    return Runner(
        database, recorder.ledger_id, recorder, projections or (Cells(),), decode=decoding
    )


@contextmanager
def following(projector: Runner) -> Iterator[None]:
    """The projector at work in a thread."""
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        yield
    finally:
        projector.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def standing(database: Database, ledger_id: int, name: str) -> Standing:
    """Where the named projection's latest build stands."""
    with database.pooled(Role.READER) as connection:
        return [one for one in standings(connection, ledger_id) if one.name == name][-1]


def shown(
    database: Database, recorder: PostgresRecorder, position: int | None = None
) -> dict[str, int]:
    """The cells as of a position."""
    with database.pooled(Role.READER) as connection:
        return values(connection, recorder.ledger_id, position)


def wait_for_position(projector: Runner, position: int) -> None:
    """Wait also for the projector to have enrolled its projections."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return projector.progress.wait_for(position, PATIENCE_SECONDS)
        except ViewMissing:
            assert time.monotonic() < deadline
            time.sleep(0.01)
