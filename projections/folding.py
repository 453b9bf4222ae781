"""Rows in memory while facts are folded: what each fact changed, and which versions it closed.

The projector is the only writer of its tables, and the database refuses a second one, so rows
stay known from batch to batch (`_Versions`, bounded). A fact's changes count as one: they are kept
aside until its fold has ended, so a fold that fails leaves no half of them behind.
Read next: `runner.py`, which drives this, and `saving.py`, which writes it down.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, TypeAlias

import msgspec

from projections.tables import Key, Projection, R, Rows, Table

Loader: TypeAlias = Callable[[Table[Any], list[Key]], Iterable[tuple[Any, int]]]
"""Finds the current rows that keys name, each with the position from which it holds."""

_ABSENT: Final[tuple[None, int]] = (None, 0)


class Changes(msgspec.Struct, Generic[R], frozen=True):
    """What a batch did to one table.

    `closed` are versions that held from one position until before another; `added` and `changed`
    are rows that hold now, each with the position from which it does, and say whether the
    database holds another for its key; `gone` are the keys that name none any more.
    """

    table: Table[R]
    closed: list[tuple[R, int, int]]
    added: list[tuple[R, int]]
    changed: list[tuple[R, int]]
    gone: list[Key]


class MemoryRows(Rows):
    """The rows of one projection: known ones in memory, others found by the loader.

    Without a loader it is the whole truth by itself, as tests of a fold want it. `empty` says
    that the loader would find nothing yet, so that a first build asks the database nothing.
    """

    def __init__(
        self, tables: Iterable[Table[Any]], loader: Loader | None = None, *, empty: bool = False
    ) -> None:
        self._versions = {table.name: _Versions(table, loader, empty=empty) for table in tables}
        self._touched: list[_Versions[Any]] = []

    def get(self, table: Table[R], *key: Any) -> R | None:  # noqa: ANN401
        versions: _Versions[R] = self._versions[table.name]
        if key in versions.touched:
            return versions.touched[key]
        return (versions.recent.get(key) or versions.recall(key))[0]

    def put(self, table: Table[R], row: R) -> None:
        versions: _Versions[R] = self._versions[table.name]
        key = versions.key_of(row)
        if not versions.touched:
            self._touched.append(versions)
        if key not in versions.recent:
            # Here, where it may fail: settling is all or nothing.
            versions.recall(key)
        versions.touched[key] = row

    def remove(self, table: Table[R], *key: Any) -> None:  # noqa: ANN401
        versions: _Versions[R] = self._versions[table.name]
        if not versions.touched:
            self._touched.append(versions)
        versions.recall(key)
        versions.touched[key] = None

    def settle(self, position: int) -> None:
        """Make what the fold put and removed true from this position on."""
        for versions in self._touched:
            recent, changed = versions.recent, versions.changed
            for key, row in versions.touched.items():
                before, since = recent.get(key, _ABSENT)
                # A version that says nothing new answers no question.
                if row == before:
                    continue
                assert since < position, "a fact was folded twice"
                if before is not None:
                    versions.closed.append((before, since, position))
                if key not in changed:
                    changed[key] = before is not None
                recent[key] = (row, position)
            versions.touched.clear()
        self._touched.clear()

    def forget_touched(self) -> None:
        """Drop what a fold that failed had put and removed."""
        for versions in self._touched:
            versions.touched.clear()
        self._touched.clear()

    def wants_reads(self) -> bool:
        """Whether naming rows beforehand can save anything."""
        return not all(versions.complete for versions in self._versions.values())

    def fetch(self, reads: Iterable[tuple[Table[Any], Key]]) -> None:
        """Find the rows named that are not known yet, one query a table."""
        wanted: dict[str, set[Key]] = {}
        for table, key in reads:
            if not self._versions[table.name].knows(key):
                wanted.setdefault(table.name, set()).add(key)
        for name, keys in wanted.items():
            self._versions[name].load(list(keys))

    def recent(self) -> int:
        """How many rows were used since `age` was called the last time."""
        return sum(len(versions.recent) for versions in self._versions.values())

    def age(self) -> None:
        """Let go of the rows not used since this was called the last time."""
        for versions in self._versions.values():
            versions.age()

    def take_changes(self) -> list[Changes[Any]]:
        """What changed since this was called the last time; the caller writes it down."""
        return [changes for versions in self._versions.values() if (changes := versions.take())]


class _Versions(Generic[R]):
    """The current version of each known row of one table, in two generations by last use."""

    def __init__(self, table: Table[R], loader: Loader | None, *, empty: bool) -> None:
        self.touched: dict[Key, R | None] = {}
        self.recent: dict[Key, tuple[R | None, int]] = {}
        self.key_of = table.key_of
        # True while no row can stand in the database that is not known here.
        self.complete = empty or loader is None
        self._table = table
        self._loader = loader
        self._older: dict[Key, tuple[R | None, int]] = {}
        self.closed: list[tuple[R, int, int]] = []
        # Changed since the last save; True where the database holds a row for the key.
        self.changed: dict[Key, bool] = {}

    def recall(self, key: Key) -> tuple[R | None, int]:
        """A row that was not used lately: from memory, or else from the database."""
        if not self.knows(key):
            self.load([key])
        return self.recent.get(key, _ABSENT)

    def knows(self, key: Key) -> bool:
        if key in self._older:
            self.recent[key] = self._older.pop(key)
        return self.complete or key in self.recent

    def load(self, keys: list[Key]) -> None:
        assert self._loader is not None, "nothing to load from"
        found = {self.key_of(row): (row, since) for row, since in self._loader(self._table, keys)}
        self.recent.update({key: found.get(key, _ABSENT) for key in keys})

    def age(self) -> None:
        assert not self.changed, "rows are let go only after they were written down"
        if self._loader is not None:
            self.complete = self.complete and not self._older
            self._older, self.recent = self.recent, {}

    def take(self) -> Changes[R] | None:
        if not self.changed:
            return None
        changes: Changes[R] = Changes(self._table, self.closed, [], [], [])
        for key, stored in self.changed.items():
            row, since = self.recent[key]
            if row is not None:
                (changes.changed if stored else changes.added).append((row, since))
            elif stored:
                changes.gone.append(key)
        self.closed, self.changed = [], {}
        return changes


def fold_all(projection: Projection, events: Iterable[Any]) -> MemoryRows:
    """A replay in memory alone: the rows after these events, by the same fold."""
    rows = MemoryRows(projection.tables)
    for event in events:
        if event.type in projection.types:
            projection.fold(event, rows)
            rows.settle(event.position)
    return rows
