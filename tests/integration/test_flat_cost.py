"""What a fact costs the views does not grow with the log: versions, bytes and the largest row."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest

from api.commands.opening import Opened
from ledger.codec import decode
from ledger.entry import Event
from projections.folding import MemoryRows
from projections.tables import Key, Projection, Rows, Table
from projections.views import VIEWS

GROWTH_MAX = 1.25
"""Later facts may be of other kinds; a cost that grows with the log doubles from half to half."""

ROW_BYTES_MAX = 8_192


class Kept(msgspec.Struct, frozen=True):
    """A row that remembers everything: what no view may do."""

    name: str
    positions: tuple[int, ...] = ()


class Hoarding:
    """Keeps the position of every fact in one row."""

    name = "hoarding"
    version = 1
    kept: Table[Kept] = Table("kept", Kept, key=("name",))
    tables: tuple[Table[Any], ...] = (kept,)

    def __init__(self, types: frozenset[str]) -> None:
        self.types = types

    def reads(self, event: Event) -> Iterable[tuple[Table[Any], Key]]:
        """Nothing ahead."""
        return ()

    def fold(self, event: Event, rows: Rows) -> None:
        """One position more."""
        before = rows.get(self.kept, "all") or Kept("all")
        rows.put(self.kept, Kept("all", (*before.positions, event.position)))


class Cost(msgspec.Struct):
    """What was written for a stretch of the log."""

    facts: int = 0
    versions: int = 0
    size: int = 0
    largest: int = 0

    def take(self, rows: MemoryRows) -> None:
        """Add what the last fact changed."""
        self.facts += 1
        for changes in rows.take_changes():
            for row, _ in (*changes.added, *changes.changed):
                size = len(changes.table.encode(row))
                self.versions += 1
                self.size += size
                self.largest = max(self.largest, size)


def cost_by_half(projection: Projection, events: list[Event]) -> Iterator[Cost]:
    """What each half of a year costs a view, without the founding of the network before it."""
    founding = len(events) // 3
    halves = (Cost(), Cost())
    rows = MemoryRows(projection.tables)
    for number, event in enumerate(events):
        if event.type in projection.types:
            projection.fold(event, rows)
            rows.settle(event.position)
        later = 2 * (number - founding) >= len(events) - founding
        (halves[later] if number >= founding else Cost()).take(rows)
    yield from halves


def cost(views: Iterable[Projection], events: list[Event]) -> tuple[float, float, int]:
    """How versions and bytes a fact grew from half to half, and the largest row in bytes."""
    told = [tuple(cost_by_half(view, events)) for view in views]
    grown = [
        sum(getattr(late, name) / late.facts for _, late in told)
        / sum(getattr(early, name) / early.facts for early, _ in told)
        for name in ("versions", "size")
    ]
    return grown[0], grown[1], max(one.largest for halves in told for one in halves)


@pytest.fixture(scope="module")
def events(demonstration: Opened) -> list[Event]:
    """A year of the small demonstration."""
    return [decode(one.entry) for page in demonstration.recorder.stream() for one in page]


def test_late_facts_cost_the_views_what_early_ones_do(events: list[Event]) -> None:
    """Neither versions nor their bytes grow with what was recorded before."""
    versions, size, largest = cost(VIEWS, events)
    assert versions < GROWTH_MAX
    assert size < GROWTH_MAX
    assert largest < ROW_BYTES_MAX


def test_a_row_that_grows_with_the_log_is_noticed(events: list[Event]) -> None:
    """The measure itself: a view that hoards doubles what a fact costs."""
    hoarding = Hoarding(frozenset({event.type for event in events}))
    versions, size, largest = cost([hoarding], events)
    assert versions == pytest.approx(1)
    assert size > GROWTH_MAX
    assert largest > ROW_BYTES_MAX
