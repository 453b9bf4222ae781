"""Rows in memory: one fact is one change, what says nothing new is no version, rows age."""

from typing import Any

import msgspec
import pytest

from projections.folding import MemoryRows
from projections.tables import Key, Table


class Cell(msgspec.Struct, frozen=True):
    """A named value."""

    name: str
    value: int


CELL = Table("cell", Cell, key=("name",))


def loaded(*rows: tuple[Cell, int]) -> tuple[MemoryRows, list[list[Key]]]:
    """Rows that stand in the database, and the keys that were asked of it."""
    asked: list[list[Key]] = []

    def load(_table: Table[Any], keys: list[Key]) -> list[tuple[Cell, int]]:
        asked.append(keys)
        return [(row, since) for row, since in rows if (row.name,) in keys]

    return MemoryRows((CELL,), load), asked


def test_two_changes_by_one_fact_are_one_version() -> None:
    """Only what a fact leaves behind was ever visible."""
    rows = MemoryRows((CELL,))
    rows.put(CELL, Cell("a", 1))
    rows.settle(1)
    rows.put(CELL, Cell("a", 2))
    rows.remove(CELL, "a")
    rows.put(CELL, Cell("a", 3))
    seen = rows.get(CELL, "a")
    rows.settle(2)

    (changes,) = rows.take_changes()
    assert seen == Cell("a", 3)
    assert changes.closed == [(Cell("a", 1), 1, 2)]
    assert changes.added == [(Cell("a", 3), 2)]


def test_a_version_that_says_nothing_new_is_not_written() -> None:
    """Putting the same row again closes nothing."""
    rows = MemoryRows((CELL,))
    for position in (1, 2, 3):
        rows.put(CELL, Cell("a", 1))
        rows.settle(position)

    (changes,) = rows.take_changes()
    assert (changes.closed, changes.added) == ([], [(Cell("a", 1), 1)])
    rows.put(CELL, Cell("a", 1))
    rows.settle(4)
    assert rows.take_changes() == []


def test_a_failed_fold_leaves_nothing_behind() -> None:
    """What a fold had put before it failed is forgotten."""
    rows = MemoryRows((CELL,))
    rows.put(CELL, Cell("a", 1))
    rows.forget_touched()
    rows.settle(1)

    assert rows.get(CELL, "a") is None
    assert rows.take_changes() == []


def test_stored_rows_are_changed_or_gone_and_new_ones_added() -> None:
    """What the database holds decides between inserting, updating and deleting."""
    rows, asked = loaded((Cell("a", 1), 3), (Cell("b", 1), 4))
    rows.fetch([(CELL, ("a",)), (CELL, ("b",)), (CELL, ("c",))])
    rows.put(CELL, Cell("a", 2))
    rows.remove(CELL, "b")
    rows.put(CELL, Cell("c", 1))
    rows.settle(9)

    (changes,) = rows.take_changes()
    assert [sorted(keys) for keys in asked] == [[("a",), ("b",), ("c",)]]
    assert changes.closed == [(Cell("a", 1), 3, 9), (Cell("b", 1), 4, 9)]
    assert changes.changed == [(Cell("a", 2), 9)]
    assert changes.added == [(Cell("c", 1), 9)]
    assert changes.gone == [("b",)]


def test_a_row_that_comes_and_goes_within_a_batch_leaves_only_its_version() -> None:
    """Nothing is deleted that was never written."""
    rows = MemoryRows((CELL,))
    rows.put(CELL, Cell("a", 1))
    rows.settle(1)
    rows.remove(CELL, "a")
    rows.settle(2)

    (changes,) = rows.take_changes()
    assert changes.closed == [(Cell("a", 1), 1, 2)]
    assert (changes.added, changes.changed, changes.gone) == ([], [], [])


def test_rows_not_used_for_two_ages_are_asked_for_again() -> None:
    """Memory is bounded: rows are let go, and found again when they are needed."""
    rows, asked = loaded((Cell("a", 1), 3))
    for _ in range(2):
        assert rows.get(CELL, "a") == Cell("a", 1)
        rows.age()
    rows.age()
    assert rows.get(CELL, "a") == Cell("a", 1)
    assert len(asked) == 2


def test_a_first_build_asks_the_database_nothing_until_rows_were_let_go() -> None:
    """While every row is known, a key that is not known names nothing."""
    rows, asked = loaded((Cell("a", 1), 3))
    rows = MemoryRows((CELL,), rows._versions["cell"]._loader, empty=True)
    assert rows.get(CELL, "a") is None
    assert not rows.wants_reads()
    rows.put(CELL, Cell("b", 1))
    rows.settle(1)
    rows.take_changes()
    rows.age()
    assert rows.get(CELL, "a") is None
    assert asked == []
    rows.age()
    rows.age()
    assert rows.get(CELL, "a") == Cell("a", 1)


def test_a_fact_is_not_folded_twice() -> None:
    """A position that a row already holds from cannot change it again."""
    rows = MemoryRows((CELL,))
    rows.put(CELL, Cell("a", 1))
    rows.settle(1)
    rows.put(CELL, Cell("a", 2))
    with pytest.raises(AssertionError):
        rows.settle(1)
