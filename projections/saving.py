"""How rows are kept: tables made from what is declared, loaded by key, written a batch at a time.

Each declared table has two: `views.<table>` with the row that holds now, small and in place, and
`views.<table>_history` with the versions that held before, only ever appended to. A rebuild is a
new generation with tables of its own (`_g2` and so on). Everything written, and the position
that it leads to, is one transaction, refused unless this projector still leads.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, LiteralString

import msgspec
import psycopg
from psycopg import sql

from ledger.errors import LeadershipLost
from projections.folding import Changes
from projections.intervals import fork_of
from projections.tables import Column, Key, R, Table, plain

# One lock for all ledgers: two projectors that start at once make tables one after the other.
_MAKE_TABLES_LOCK: Final = 4_710_271_828_184
# Below this, statements are quicker than a temporary table.
_UPDATES_ONE_BY_ONE: Final = 100
_COPY_LINES: Final = 1_000


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch means for one projection: its changes, and the position they lead to."""

    name: str
    generation: int
    before: int
    after: int
    changes: Sequence[Changes[Any]] = ()
    stopped_at: int | None = None
    stopped_reason: str | None = None


class Names(msgspec.Struct, frozen=True):
    """What the two tables behind a declared table are called in schema `views`."""

    current: str
    history: str

    @classmethod
    def of(cls, table: Table[Any], generation: int) -> "Names":
        """The first generation has plain names, later ones say which they are."""
        return cls.behind(table.name, generation)

    @classmethod
    def behind(cls, table: str, generation: int) -> "Names":
        """The same for a table that is known by name only."""
        suffix = "" if generation == 1 else f"_g{generation}"
        return cls(f"{table}{suffix}", f"{table}{suffix}_history")


MAKE_CURRENT: Final = sql.SQL("""
CREATE TABLE IF NOT EXISTS views.{name} (
    ledger_id  int    NOT NULL,
    {columns},
    valid_from bigint NOT NULL,
    body       json   NOT NULL,
    PRIMARY KEY (ledger_id, {key})
) WITH (fillfactor = 70)
""")
MAKE_HISTORY: Final = sql.SQL("""
CREATE TABLE IF NOT EXISTS views.{name} (
    ledger_id  int    NOT NULL,
    {columns},
    valid_from bigint NOT NULL,
    valid_to   bigint NOT NULL CHECK (valid_to > valid_from),
    fork       bigint NOT NULL,
    body       json   NOT NULL,
    PRIMARY KEY (ledger_id, {key}, valid_from)
)
""")
MAKE_INDEX: Final = sql.SQL("CREATE INDEX IF NOT EXISTS {name} ON views.{table} ({columns})")
MAKE_TABLES_LOCK: Final = "SELECT pg_advisory_xact_lock(%s)"


def make_tables(connection: psycopg.Connection, table: Table[Any], generation: int) -> None:
    """Make both tables of a declared table and their indexes, unless they are there."""
    names = Names.of(table, generation)
    with connection.transaction():
        connection.execute(MAKE_TABLES_LOCK, (_MAKE_TABLES_LOCK,))
        for make, name in ((MAKE_CURRENT, names.current), (MAKE_HISTORY, names.history)):
            connection.execute(
                make.format(
                    name=sql.Identifier(name),
                    columns=sql.SQL(",\n    ").join(_define(one) for one in table.columns),
                    key=_identifiers(table.key),
                )
            )
        for number, group in enumerate(table.indexed, start=1):
            if group and group != table.key[: len(group)]:
                _make_index(connection, names.current, number, group)
            # The path first finds the versions, the ends of each then decide.
            _make_index(
                connection, names.history, number, (*group, "fork", "valid_to", "valid_from")
            )


def _make_index(
    connection: psycopg.Connection, table: str, number: int, columns: Sequence[str]
) -> None:
    connection.execute(
        MAKE_INDEX.format(
            name=sql.Identifier(f"{table}_index_{number}"),
            table=sql.Identifier(table),
            columns=_identifiers(("ledger_id", *columns)),
        )
    )


def _define(column: Column) -> sql.Composable:
    # Order by code point: quick to compare, and the same on every server.
    collation: LiteralString = ' COLLATE "C"' if column.type == "text" else ""
    nullable: LiteralString = "" if column.nullable else " NOT NULL"
    return sql.Identifier(column.name) + sql.SQL(f" {column.type}{collation}{nullable}")


def _identifiers(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


LOAD: Final = sql.SQL("""
SELECT body::text, valid_from
FROM views.{name}
WHERE ledger_id = %s AND ({key}) IN (SELECT * FROM unnest({arrays}))
""")


def load_rows(
    connection: psycopg.Connection,
    ledger_id: int,
    generation: int,
    table: Table[R],
    keys: Sequence[Key],
) -> Iterator[tuple[R, int]]:
    """The current rows that the keys name, each with the position from which it holds."""
    columns = [[plain(value) for value in values] for values in zip(*keys, strict=True)]
    cursor = connection.execute(_load(table, generation), (ledger_id, *columns))
    for body, valid_from in cursor:
        yield table.decode(body), valid_from


@lru_cache(maxsize=256)
def _load(table: Table[Any], generation: int) -> sql.Composed:
    return LOAD.format(
        name=sql.Identifier(Names.of(table, generation).current),
        key=_identifiers(table.key),
        arrays=sql.SQL(", ").join(sql.SQL(f"%s::{one.type}[]") for one in table.key_columns),
    )


ADVANCE: Final = """
UPDATE ledger.projection
SET position = %(after)s, stopped_at = %(stopped_at)s, stopped_reason = %(stopped_reason)s
WHERE ledger_id = %(ledger_id)s AND name = %(name)s AND generation = %(generation)s
  AND position = %(before)s AND epoch = %(epoch)s
"""


def save(connection: psycopg.Connection, ledger_id: int, epoch: int, steps: Sequence[Step]) -> None:
    """Write a batch of several projections and their positions, in one transaction.

    `LeadershipLost` when another projector has led since: then nothing is written.
    """
    positions = [
        {
            "ledger_id": ledger_id,
            "epoch": epoch,
            "name": step.name,
            "generation": step.generation,
            "before": step.before,
            "after": step.after,
            "stopped_at": step.stopped_at,
            "stopped_reason": step.stopped_reason,
        }
        for step in sorted(steps, key=lambda one: (one.name, one.generation))
    ]
    with connection.transaction(), connection.cursor() as cursor:
        # First, so that whoever lost the lead waits for the winner here and writes nothing.
        cursor.executemany(ADVANCE, positions)
        if cursor.rowcount != len(steps):
            raise LeadershipLost
        for step in steps:
            for changes in step.changes:
                _write(cursor, ledger_id, step.generation, changes)


COPY_HISTORY: Final = sql.SQL("""
COPY views.{name} (ledger_id, {columns}, valid_from, valid_to, fork, body) FROM STDIN
""")
COPY_CURRENT: Final = sql.SQL("""
COPY views.{name} (ledger_id, {columns}, valid_from, body) FROM STDIN
""")
DELETE: Final = sql.SQL("DELETE FROM views.{name} WHERE ledger_id = %s AND {match}")
UPDATE_ONE: Final = sql.SQL("""
UPDATE views.{name} SET {assignments} WHERE ledger_id = %s AND {match}
""")
UPDATE_BATCH: Final = sql.SQL("""
UPDATE views.{name} AS held
SET {assignments}
FROM batch
WHERE held.ledger_id = %s AND held.ledger_id = batch.ledger_id AND {match}
""")
MAKE_BATCH: Final = sql.SQL("""
CREATE TEMPORARY TABLE batch ON COMMIT DROP AS
SELECT ledger_id, {columns}, valid_from, body FROM views.{name} WHERE false
""")
COPY_BATCH: Final = sql.SQL("COPY batch FROM STDIN")
DROP_BATCH: Final = "DROP TABLE batch"


class _Statements(msgspec.Struct, frozen=True):
    """The statements that write one table's changes."""

    copy_history: sql.Composed
    copy_current: sql.Composed
    delete: sql.Composed
    update_one: sql.Composed
    update_batch: sql.Composed
    make_batch: sql.Composed


def _write(
    cursor: psycopg.Cursor[Any], ledger_id: int, generation: int, changes: Changes[Any]
) -> None:
    table, statements = changes.table, _statements(changes.table, generation)
    if changes.closed:
        _copy(cursor, statements.copy_history, _history_lines(ledger_id, table, changes.closed))
    if changes.added:
        _copy(cursor, statements.copy_current, _current_lines(ledger_id, table, changes.added))
    if changes.gone:
        cursor.executemany(
            statements.delete,
            [(ledger_id, *(plain(value) for value in key)) for key in changes.gone],
        )
    if len(changes.changed) > _UPDATES_ONE_BY_ONE:
        cursor.execute(statements.make_batch)
        _copy(cursor, COPY_BATCH, _current_lines(ledger_id, table, changes.changed))
        cursor.execute(statements.update_batch, (ledger_id,))
        assert cursor.rowcount == len(changes.changed), "a row to change is not there"
        cursor.execute(DROP_BATCH)
    elif changes.changed:
        cursor.executemany(statements.update_one, _updates(ledger_id, table, changes.changed))
        assert cursor.rowcount == len(changes.changed), "a row to change is not there"


def _history_lines(
    ledger_id: int, table: Table[R], closed: Iterable[tuple[R, int, int]]
) -> Iterator[str]:
    encode, text = table.encode, table.columns_text
    for row, since, until in closed:
        body = encode(row).decode().replace("\\", "\\\\")
        fork = fork_of(since, until)
        yield f"{ledger_id}\t{text(row)}\t{since}\t{until}\t{fork}\t{body}\n"


def _current_lines(
    ledger_id: int, table: Table[R], current: Iterable[tuple[R, int]]
) -> Iterator[str]:
    encode, text = table.encode, table.columns_text
    for row, since in current:
        body = encode(row).decode().replace("\\", "\\\\")
        yield f"{ledger_id}\t{text(row)}\t{since}\t{body}\n"


def _updates(
    ledger_id: int, table: Table[R], current: Iterable[tuple[R, int]]
) -> list[tuple[object, ...]]:
    return [
        (
            *(plain(getattr(row, name)) for name in table.column_names[len(table.key) :]),
            since,
            table.encode(row).decode(),
            ledger_id,
            *(plain(value) for value in table.key_of(row)),
        )
        for row, since in current
    ]


def _copy(
    cursor: psycopg.Cursor[Any], statement: sql.SQL | sql.Composed, lines: Iterable[str]
) -> None:
    # Lines begin with their key. In its order neighbours meet on one page of table and index
    # instead of all over them, however large both have grown.
    ordered = sorted(lines)
    # The server works on one part while the next is joined.
    with cursor.copy(statement) as copy:
        for start in range(0, len(ordered), _COPY_LINES):
            copy.write("".join(ordered[start : start + _COPY_LINES]))


@lru_cache(maxsize=256)
def _statements(table: Table[Any], generation: int) -> _Statements:
    names = Names.of(table, generation)
    current = sql.Identifier(names.current)
    columns = _identifiers(table.column_names)
    updated = [*table.column_names[len(table.key) :], "valid_from", "body"]
    one = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in updated)
    batch = sql.SQL(", ").join(
        sql.SQL("{0} = batch.{0}").format(sql.Identifier(name)) for name in updated
    )
    match_one = sql.SQL(" AND ").join(
        sql.SQL("{} = %s").format(sql.Identifier(name)) for name in table.key
    )
    match_batch = sql.SQL(" AND ").join(
        sql.SQL("held.{0} = batch.{0}").format(sql.Identifier(name)) for name in table.key
    )
    return _Statements(
        copy_history=COPY_HISTORY.format(name=sql.Identifier(names.history), columns=columns),
        copy_current=COPY_CURRENT.format(name=current, columns=columns),
        delete=DELETE.format(name=current, match=match_one),
        update_one=UPDATE_ONE.format(name=current, assignments=one, match=match_one),
        update_batch=UPDATE_BATCH.format(name=current, assignments=batch, match=match_batch),
        make_batch=MAKE_BATCH.format(name=current, columns=columns),
    )
