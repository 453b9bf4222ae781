"""Rows that remember when they were true: the one idea behind every `as_of`.

A row holds from the position of the fact that made it until before the position of the fact that
changed it. The row that holds now stands in one table, every closed version in another, and a
question as of a position asks both in one statement, so that a projector at work in between
cannot make it see a row twice or not at all. The answer equals a replay to that position
(tests/property/test_as_of_equals_replay.py), and costs what the same question costs now
(`intervals.py`).

Declare tables with `tables.py`; ask with `Reader`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from typing import Any, Final, Generic, TypeVar

import msgspec
import psycopg

from ledger.errors import TooManyRows, ViewBehind, ViewMissing
from projections.asking import (
    changes_statement,
    every_statement,
    find_statement,
    get_statement,
    tally_statement,
    versions_statement,
)
from projections.intervals import path_to
from projections.positions import Standing, standings
from projections.tables import Column, Key, Projection, R, Rows, Table, plain

__all__ = [
    "Column",
    "Projection",
    "Range",
    "Reader",
    "Rows",
    "Table",
    "Version",
]

ROWS_MAX: Final = 200_000
"""More rows than this are no answer but an export; ask page by page (`limit`, `beyond`)."""


VERSIONS_MAX: Final = 500_000
"""More versions than this are not read at once."""

V = TypeVar("V")


class Range(msgspec.Struct, frozen=True):
    """Values from `at_least` (inclusive) to `below` (exclusive); None leaves an end open."""

    at_least: object = None
    below: object = None


Where = Mapping[str, Any]
"""Column to a value, None, several values (list, tuple or set: any of them), or a `Range`."""


class Version(msgspec.Struct, Generic[R], frozen=True):
    """A row, and the positions between which it held; `valid_to` None: it still does."""

    row: R
    valid_from: int
    valid_to: int | None


class Reader:
    """Answers as of one position of one ledger, whatever is projected meanwhile.

    It keeps to the builds that served when it was made, so a caller that pages keeps its reader,
    or makes one with the same position. `position` None: the last that every view has reached.
    """

    def __init__(
        self, connection: psycopg.Connection, ledger_id: int, position: int | None = None
    ) -> None:
        self._connection = connection
        self._ledger_id = ledger_id
        builds = standings(connection, ledger_id)
        self.serving = [one for one in builds if one.serving]
        """The builds that answer, with their versions and positions."""
        self._building = {table: one for one in builds for table in one.tables}
        self._standings = {table: one for one in self.serving for table in one.tables}
        going = [one.position for one in self.serving if one.stopped_at is None]
        self.position: int = min(going, default=0) if position is None else position

    def get(self, table: Table[R], *key: Any) -> R | None:  # noqa: ANN401
        """The row that the key named."""
        for row in self.get_many(table, [key]).values():
            return row
        return None

    def get_many(self, table: Table[R], keys: Iterable[Key]) -> dict[Key, R]:
        """The rows that the keys named, without those that named none."""
        wanted = [tuple(plain(value) for value in key) for key in keys]
        standing = self._standing(table)
        if not wanted or self.position == 0:
            return {}
        columns = {
            f"key_{number}": list(values) for number, values in enumerate(zip(*wanted, strict=True))
        }
        cursor = self._connection.execute(
            get_statement(table, standing.generation),
            {**columns, "ledger_id": self._ledger_id, "position": self.position},
        )
        rows = [table.decode(body) for (body,) in cursor]
        return {table.key_of(row): row for row in rows}

    def find(
        self,
        table: Table[R],
        where: Where | None = None,
        *,
        limit: int | None = None,
        beyond: Key | None = None,
    ) -> list[R]:
        """The rows that match, in the order of their keys; `beyond` a key, at most `limit`.

        Columns are the table's key and indexed fields. `TooManyRows` without a limit.
        """
        asked = self._ask(table, where or {})
        if asked is None:
            return []
        conditions, arguments, standing = asked
        if beyond is not None:
            arguments |= {f"beyond_{n}": plain(value) for n, value in enumerate(beyond)}
        arguments["limit"] = ROWS_MAX + 1 if limit is None else limit
        statement = find_statement(
            table, standing.generation, conditions, beyond=beyond is not None
        )
        found = self._connection.execute(statement, arguments).fetchall()
        if limit is None and len(found) > ROWS_MAX:
            raise TooManyRows
        return [table.decode(body) for (body,) in found]

    def count(self, table: Table[Any], where: Where | None = None) -> int:
        """How many rows match."""
        return sum(self.tally(table, (), where).values())

    def tally(
        self, table: Table[Any], by: Sequence[str], where: Where | None = None
    ) -> dict[Key, int]:
        """How many rows match, for each combination of values of the columns `by`."""
        asked = self._ask(table, where or {})
        if asked is None:
            return {}
        conditions, arguments, standing = asked
        _require_columns(table, by)
        statement = tally_statement(table, standing.generation, conditions, tuple(by))
        found = self._connection.execute(statement, arguments)
        return {tuple(values): number for *values, number in found}

    def versions(self, table: Table[R], *key: Any) -> list[Version[R]]:  # noqa: ANN401
        """Everything the key named up to the position, oldest first."""
        standing = self._standing(table)
        arguments = {f"key_{number}": plain(value) for number, value in enumerate(key)}
        cursor = self._connection.execute(
            versions_statement(table, standing.generation),
            {**arguments, "ledger_id": self._ledger_id, "position": self.position},
        )
        return [Version(table.decode(body), since, until) for body, since, until in cursor]

    def changes(
        self, table: Table[R], keys: Iterable[Key], since: int
    ) -> dict[Key, list[Version[R]]]:
        """What those of the keys named that changed after `since`, from then on, oldest first.

        The version that held at `since` comes first, if there was one; keys that name the same as
        then are left out.
        """
        wanted = [tuple(plain(value) for value in key) for key in keys]
        standing = self._standing(table)
        if not wanted or self.position <= since:
            return {}
        columns = {
            f"key_{number}": list(values) for number, values in enumerate(zip(*wanted, strict=True))
        }
        arguments = {"ledger_id": self._ledger_id, "position": self.position, "since": since}
        cursor = self._connection.execute(
            changes_statement(table, standing.generation), {**columns, **arguments}
        )
        found: dict[Key, list[Version[R]]] = {}
        for body, valid_from, valid_to in cursor:
            row = table.decode(body)
            found.setdefault(table.key_of(row), []).append(Version(row, valid_from, valid_to))
        return found

    def every(
        self,
        table: Table[Any],
        where: Where | None = None,
        *,
        since: int = 0,
        decode: Callable[[str, int], V],
        limit: int = VERSIONS_MAX,
    ) -> list[tuple[str, V, int, int | None]]:
        """Every version up to the position of the rows that match: key, what, since, until.

        In no order, and without those that ended at or before `since`. `decode` makes what is
        wanted of a body and the position from which it holds. `TooManyRows` beyond the `limit`.
        """
        asked = self._ask(table, where or {})
        if asked is None:
            return []
        conditions, arguments, standing = asked
        arguments |= {"since": since, "limit": limit + 1}
        statement = every_statement(table, standing.generation, conditions)
        found = self._connection.execute(statement, arguments).fetchall()
        if len(found) > limit:
            raise TooManyRows
        return [(key, decode(body, begin), begin, end) for key, body, begin, end in found]

    def as_of(self, position: int) -> "Reader":
        """The same builds as of another position."""
        other = copy(self)
        other.position = position
        return other

    def newest(self, tables: Iterable[Table[Any]]) -> "Reader":
        """The same builds as of the last position that all of these tables have reached."""
        return self.as_of(min(self._standing(table).position for table in tables))

    def builds(self, tables: Iterable[Table[Any]]) -> tuple[int, ...]:
        """The builds (generations) that answer for these tables."""
        return tuple(self._standing(table).generation for table in tables)

    def _standing(self, table: Table[Any]) -> Standing:
        standing = self._standings.get(table.name)
        if standing is None and table.name in self._building:
            raise ViewBehind(
                f"view {table.name} is being built and stands at "
                f"{self._building[table.name].position}; ask again when it has caught up"
            )
        if standing is None:
            raise ViewMissing(
                f"view {table.name} was never built for this ledger; run `ledger project`"
            )
        standing.require(self.position)
        return standing

    def _ask(
        self, table: Table[Any], where: Where
    ) -> tuple[tuple[tuple[str, str], ...], dict[str, object], Standing] | None:
        """Conditions, their arguments and the build to ask; None as of the empty ledger."""
        standing = self._standing(table)
        _require_columns(table, where)
        if self.position == 0:
            return None
        conditions: list[tuple[str, str]] = []
        arguments: dict[str, object] = {
            "ledger_id": self._ledger_id,
            "position": self.position,
            "path": path_to(self.position, standing.position),
        }
        for name, wanted in where.items():
            for kind, value in _conditions(wanted):
                conditions.append((name, kind))
                arguments[f"{name}_{kind}"] = value
        return tuple(conditions), arguments, standing


def _require_columns(table: Table[Any], names: Iterable[str]) -> None:
    unknown = [name for name in names if name not in table.column_names]
    assert not unknown, (
        f"{table.name}: {unknown} is neither key nor index; rows are not found by it"
    )


def _conditions(wanted: object) -> list[tuple[str, object]]:
    if wanted is None:
        return [("null", None)]
    if isinstance(wanted, Range):
        ends = (("least", wanted.at_least), ("below", wanted.below))
        return [(kind, plain(value)) for kind, value in ends if value is not None]
    if isinstance(wanted, (list, tuple, AbstractSet)):
        return [("any", [plain(value) for value in wanted])]
    return [("is", plain(wanted))]
