"""What a rebuilt view would change: every version of every row, and answers of the past.

Both builds are compared where both stand, inside the database: the versions of each row by a hash
of all that is kept of them, so that not only the present but every past position is compared. And
some positions, chosen by a seed, are asked as anybody would ask them, so that a version that is
there and is not found counts too. Read next: `rebuilding.py`.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import msgspec
import psycopg
from psycopg import sql

from projections.asking import AS_OF
from projections.building.rebuilding import Beside
from projections.intervals import path_to
from projections.positions import Standing
from projections.saving import Names
from projections.tables import Table

Change = Literal["added", "removed", "changed"]

FIRST_NAMED: Final = 5
"""So many differing versions of a table are named, the oldest first."""

SAMPLES: Final = 5


class VersionDiffering(msgspec.Struct, frozen=True):
    """A version that only one build has, or that says otherwise in the new one."""

    key: tuple[str, ...]
    valid_from: int
    change: Change


class TableDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of one table are otherwise now, and how many versions of all times."""

    table: str
    rows_added: int = 0
    rows_removed: int = 0
    rows_changed: int = 0
    versions: int = 0
    first: tuple[VersionDiffering, ...] = ()
    compared: bool = True
    """False where rows are named otherwise than before: then nothing was counted."""


class AnswerDiffering(msgspec.Struct, frozen=True, kw_only=True):
    """All rows of a table as of a position, where the two builds do not tell the same."""

    table: str
    position: int
    rows_old: int
    rows_new: int


class BuildDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What one view's new build says otherwise than the one that serves, up to a position."""

    view: str
    version_old: int | None
    version_new: int
    position: int
    tables: tuple[TableDifference, ...] = ()
    sampled: tuple[int, ...] = ()
    answers: tuple[AnswerDiffering, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether any row or answer, of now or of the past, is otherwise."""
        return bool(self.answers) or any(one.versions or not one.compared for one in self.tables)

    @property
    def same_version(self) -> bool:
        """Whether both builds should tell the same."""
        return self.version_old == self.version_new


def build_difference(
    connection: psycopg.Connection, ledger_id: int, beside: Beside, seed: int
) -> BuildDifference:
    """Compare a new build with the one that serves, while both may go on."""
    projection, old, new = beside.projection, beside.old, beside.new
    until = min(old.position, new.position) if old else 0
    told = BuildDifference(
        view=projection.name,
        version_old=old.version if old else None,
        version_new=new.version,
        position=until,
    )
    if old is None or until == 0:
        return told
    alike = old.version == new.version
    tables = tuple(
        _compare(connection, ledger_id, table, old, new, until, alike=alike)
        for table in projection.tables
    )
    told = msgspec.structs.replace(told, tables=tables)
    if not alike:
        # Another version may keep other columns, and is meant to answer otherwise.
        return told
    sampled = _positions(until, seed)
    answers = tuple(
        differing
        for table in projection.tables
        for differing in _ask_both(connection, ledger_id, table, (old, new), sampled)
    )
    return msgspec.structs.replace(told, sampled=sampled, answers=answers)


def _positions(until: int, seed: int) -> tuple[int, ...]:
    chosen = random.Random(seed).sample(range(1, until + 1), min(SAMPLES, until))  # noqa: S311  (a sample)
    return tuple(sorted({*chosen, until}))


# What changed after the position is as it was there: the version that held then is still open.
VERSIONS: Final = sql.SQL("""
    SELECT {key}, valid_from, NULL::bigint AS valid_to, NULL::bigint AS fork, {digest} AS digest
    FROM views.{current}
    WHERE ledger_id = %(ledger_id)s AND valid_from <= %(position)s
    UNION ALL
    SELECT {key}, valid_from,
           CASE WHEN valid_to <= %(position)s THEN valid_to END,
           CASE WHEN valid_to <= %(position)s THEN fork END,
           {digest}
    FROM views.{history}
    WHERE ledger_id = %(ledger_id)s AND valid_from <= %(position)s
""")
DIGEST: Final = sql.SQL("sha256(convert_to(ROW({columns}, body::text)::text, 'UTF8'))")
DIFFERENCE: Final = sql.SQL("""
WITH differing AS MATERIALIZED (
    SELECT {key}, valid_from,
           CASE WHEN old.digest IS NULL THEN 'added'
                WHEN new.digest IS NULL THEN 'removed'
                ELSE 'changed' END AS change,
           old.digest IS NOT NULL AND old.valid_to IS NULL AS held,
           new.digest IS NOT NULL AND new.valid_to IS NULL AS holds
    FROM ({old}) AS old FULL JOIN ({new}) AS new USING ({key}, valid_from)
    WHERE old.digest IS DISTINCT FROM new.digest
       OR old.valid_to IS DISTINCT FROM new.valid_to
       OR old.fork IS DISTINCT FROM new.fork
), row_now AS (
    SELECT bool_or(held) AS held, bool_or(holds) AS holds FROM differing GROUP BY {key}
)
SELECT (SELECT count(*) FROM row_now WHERE holds AND NOT held),
       (SELECT count(*) FROM row_now WHERE held AND NOT holds),
       (SELECT count(*) FROM row_now WHERE held AND holds),
       (SELECT count(*) FROM differing),
       ARRAY(
           SELECT json_build_array(json_build_array({key_texts}), valid_from, change)::text
           FROM differing
           ORDER BY valid_from, {key}
           LIMIT %(named)s
       )
""")
COLUMNS: Final = """
SELECT column_name
FROM information_schema.columns
WHERE table_schema = 'views' AND table_name = %s
"""


def _compare(  # noqa: PLR0913, PLR0917  (two builds of one table, and up to where)
    connection: psycopg.Connection,
    ledger_id: int,
    table: Table[Any],
    old: Standing,
    new: Standing,
    until: int,
    *,
    alike: bool,
) -> TableDifference:
    # A new table, or one whose rows are named by other fields, has nothing to be compared with.
    columns = connection.execute(COLUMNS, (Names.of(table, old.generation).current,)).fetchall()
    if not {*table.key} <= {name for (name,) in columns}:
        return TableDifference(table=table.name, compared=False)
    columns_kept = table.column_names if alike else table.key
    statement = DIFFERENCE.format(
        key=_names(table.key),
        key_texts=sql.SQL(", ").join(sql.SQL("{}::text").format(_names([k])) for k in table.key),
        old=_versions(table, old.generation, columns_kept),
        new=_versions(table, new.generation, columns_kept),
    )
    arguments = {"ledger_id": ledger_id, "position": until, "named": FIRST_NAMED}
    row = connection.execute(statement, arguments).fetchone()
    assert row is not None, "counts are one row"
    added, removed, changed, versions, first = row
    return TableDifference(
        table=table.name,
        rows_added=added,
        rows_removed=removed,
        rows_changed=changed,
        versions=versions,
        first=tuple(
            VersionDiffering(*msgspec.json.decode(one, type=tuple[tuple[str, ...], int, Change]))
            for one in first
        ),
    )


def _versions(table: Table[Any], generation: int, columns: Sequence[str]) -> sql.Composed:
    names = Names.of(table, generation)
    return VERSIONS.format(
        key=_names(table.key),
        digest=DIGEST.format(columns=_names(columns)),
        current=sql.Identifier(names.current),
        history=sql.Identifier(names.history),
    )


ANSWER: Final = sql.SQL("""
SELECT count(*),
       coalesce(sum(
           ('x' || left(encode(sha256(convert_to(body, 'UTF8')), 'hex'), 15))::bit(60)::bigint
       ), 0)
FROM ({as_of}) AS held
""")


def _ask_both(
    connection: psycopg.Connection,
    ledger_id: int,
    table: Table[Any],
    builds: tuple[Standing, Standing],
    positions: Sequence[int],
) -> Iterator[AnswerDiffering]:
    for position in positions:
        old, new = (_answer(connection, ledger_id, table, one, position) for one in builds)
        if old != new:
            yield AnswerDiffering(
                table=table.name, position=position, rows_old=old[0], rows_new=new[0]
            )


def _answer(
    connection: psycopg.Connection,
    ledger_id: int,
    table: Table[Any],
    build: Standing,
    position: int,
) -> tuple[int, int]:
    """How many rows a build tells as of a position, and the sum of their hashes."""
    names = Names.of(table, build.generation)
    as_of = AS_OF.format(
        columns=_names(table.key),
        current=sql.Identifier(names.current),
        history=sql.Identifier(names.history),
        match=sql.SQL(""),
    )
    path = path_to(position, build.position)
    arguments = {"ledger_id": ledger_id, "position": position, "path": path}
    row = connection.execute(ANSWER.format(as_of=as_of), arguments).fetchone()
    assert row is not None, "an aggregate has one row"
    return int(row[0]), int(row[1])


def _names(columns: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in columns)
