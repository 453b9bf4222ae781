"""What stored versions say of the time between two positions: which rows differ, and since when.

A row differs when another version of it held at the later position than at the earlier one; the
facts that did it are those at whose positions versions began, or ended, in between. Read next:
`comparing.py`, which asks this of every view.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final, Generic

import msgspec
import psycopg
from psycopg import sql

from ledger.errors import TooManyRows
from ledger.recorder import Stored
from projections.saving import Names
from projections.tables import Key, R, Table, plain
from projections.time_travel import Reader

TOUCHED_MAX: Final = 100_000
"""Rows of one table that one comparison looks at; it is asked of less when there are more."""

ENDS: Final = sql.SQL("""
SELECT 0, body::text FROM views.{history}
WHERE ledger_id = %(ledger_id)s{match}
  AND valid_from <= %(since)s AND valid_to > %(since)s AND valid_to <= %(until)s
UNION ALL
SELECT 1, body::text FROM views.{history}
WHERE ledger_id = %(ledger_id)s{match}
  AND valid_from > %(since)s AND valid_from <= %(until)s AND valid_to > %(until)s
UNION ALL
SELECT 1, body::text FROM views.{current}
WHERE ledger_id = %(ledger_id)s{match} AND valid_from > %(since)s AND valid_from <= %(until)s
LIMIT %(limit)s
""")
MATCH: Final = sql.SQL(" AND {column} = ANY (%(values)s::text[])")

# What has no relief, no channel and no moved due says by its period when time was done with it.
UNMOVED: Final = sql.SQL("""
SELECT body FROM (
    SELECT body::text AS body, period_end, unit, duty FROM views.{current}
    WHERE ledger_id = %(ledger_id)s{match} AND valid_from <= %(since)s
    UNION ALL
    SELECT body::text, period_end, unit, duty FROM views.{history}
    WHERE ledger_id = %(ledger_id)s{match} AND valid_from <= %(since)s AND valid_to > %(until)s
) AS held
WHERE period_end >= %(ended_since)s::date
   OR unit = ANY (%(units)s::text[]) OR duty = ANY (%(duties)s::text[])
   OR body LIKE '%%"reliefs":%%' OR body LIKE '%%"channel":%%' OR body LIKE '%%"due_changes":%%'
LIMIT %(limit)s
""")

CAUSES: Final = sql.SQL("""
SELECT {key}, position FROM (
    SELECT {key}, valid_from AS position FROM views.{current} WHERE {named}
    UNION
    SELECT {key}, valid_from FROM views.{history} WHERE {named}
    UNION
    SELECT {key}, valid_to FROM views.{history} WHERE {named}
) AS turned
WHERE position > %(since)s AND position <= %(until)s
ORDER BY position
""")
ENTRIES: Final = """
SELECT position, entry FROM ledger.event
WHERE ledger_id = %(ledger_id)s AND position = ANY (%(positions)s::bigint[])
"""


class Ends(msgspec.Struct, Generic[R], frozen=True):
    """One row at the earlier and at the later position; None where its key named nothing."""

    before: R | None
    after: R | None


class Named(msgspec.Struct, frozen=True):
    """The rows whose column has one of these values."""

    column: str
    values: Sequence[str]


class Doubtful(msgspec.Struct, frozen=True, kw_only=True):
    """Obligations that may be judged otherwise although no fact is about them.

    Those of periods that ended since a day, of some units, of some duties, and, whatever these
    say, all that were postponed or relieved.
    """

    ended_since: date
    units: Sequence[str]
    duties: Sequence[str]


class Between:
    """Asks the builds that a reader asks, about the time from `since` until its own position."""

    def __init__(
        self, connection: psycopg.Connection, ledger_id: int, reader: Reader, since: int
    ) -> None:
        self._connection = connection
        self._ledger_id = ledger_id
        self._reader = reader
        self._since, self._until = since, reader.position

    def ends(self, table: Table[R], named: Named | None = None) -> dict[Key, Ends[R]]:
        """The rows that differ, by key."""
        found: dict[Key, list[R | None]] = {}
        for is_after, body in self._ask(ENDS, table, named):
            row = table.decode(body)
            found.setdefault(table.key_of(row), [None, None])[is_after] = row
        return {
            key: Ends(before, after) for key, (before, after) in found.items() if before != after
        }

    def unmoved(self, table: Table[R], named: Named | None, doubtful: Doubtful) -> list[R]:
        """Of the obligations that no fact changed, those that time or other facts may have."""
        asked = msgspec.structs.asdict(doubtful)
        return [table.decode(body) for (body,) in self._ask(UNMOVED, table, named, **asked)]

    def causes(self, table: Table[Any], keys: Iterable[Key]) -> dict[Key, list[int]]:
        """Where the versions of rows began or ended in between, by key, in order."""
        wanted = [tuple(plain(value) for value in key) for key in keys]
        if not wanted:
            return {}
        columns = sql.SQL(", ").join(sql.Identifier(name) for name in table.key)
        arrays = sql.SQL(", ").join(
            sql.SQL(f"%(key_{number})s::{column.type}[]")
            for number, column in enumerate(table.key_columns)
        )
        statement = CAUSES.format(
            key=columns,
            named=sql.SQL(
                "ledger_id = %(ledger_id)s AND ({}) IN (SELECT * FROM unnest({}))"
            ).format(columns, arrays),
            **self._names(table),
        )
        values = {
            f"key_{number}": list(one) for number, one in enumerate(zip(*wanted, strict=True))
        }
        found: dict[Key, list[int]] = {}
        for *key, position in self._connection.execute(statement, {**self._bounds(), **values}):
            found.setdefault(tuple(key), []).append(position)
        return found

    def entries(self, positions: Iterable[int]) -> dict[int, Stored]:
        """The entries that stand at positions."""
        asked = {"ledger_id": self._ledger_id, "positions": sorted({*positions})}
        found = self._connection.execute(ENTRIES, asked)
        return {position: Stored(position, bytes(entry)) for position, entry in found}

    def _ask(
        self, question: sql.SQL, table: Table[Any], named: Named | None, **asked: object
    ) -> list[tuple[Any, ...]]:
        match = sql.SQL("") if named is None else MATCH.format(column=sql.Identifier(named.column))
        values = [] if named is None else list(named.values)
        statement = question.format(match=match, **self._names(table))
        rows = self._connection.execute(
            statement, {**self._bounds(), **asked, "values": values, "limit": TOUCHED_MAX + 1}
        ).fetchall()
        if len(rows) > TOUCHED_MAX:
            raise TooManyRows(
                f"more than {TOUCHED_MAX:,} rows of view {table.name} stand between these moments; "
                "name a unit, or choose moments that lie nearer to each other"
            )
        return rows

    def _names(self, table: Table[Any]) -> dict[str, sql.Identifier]:
        (generation,) = self._reader.builds((table,))
        names = Names.of(table, generation)
        return {"current": sql.Identifier(names.current), "history": sql.Identifier(names.history)}

    def _bounds(self) -> dict[str, int]:
        return {"ledger_id": self._ledger_id, "since": self._since, "until": self._until}
