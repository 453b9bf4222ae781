"""The SQL of every question as of a position, made from a table's declaration.

Each asks the row that holds now and the versions that held before in one statement, so that a
projector at work in between cannot make it see a row twice or not at all. Whoever asks is
`Reader` in `time_travel.py`; why the past is found as quickly as the present, `intervals.py` says.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from psycopg import sql

from projections.saving import Names
from projections.tables import Table

_COMPARISONS: Final = {
    "null": sql.SQL("{column} IS NULL"),
    "least": sql.SQL("{column} >= {value}"),
    "below": sql.SQL("{column} < {value}"),
    "any": sql.SQL("{column} = ANY({value})"),
    "is": sql.SQL("{column} = {value}"),
}


def _match(table: Table[Any], conditions: Iterable[tuple[str, str]]) -> sql.Composed:
    types = {column.name: column.type for column in table.columns}
    return sql.SQL("").join(
        sql.SQL(" AND ")
        + _COMPARISONS[kind].format(
            column=sql.Identifier(name),
            value=sql.Placeholder(f"{name}_{kind}")
            + sql.SQL(f"::{types[name]}[]" if kind == "any" else f"::{types[name]}"),
        )
        for name, kind in conditions
    )


def _columns(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


# The newest version that began by then; it answers only if it had not ended. Taking the newest
# first, and looking at its end after, is what keeps this one step in the index.
GET: Final = sql.SQL("""
SELECT found.body
FROM unnest({arrays}) AS wanted ({key})
CROSS JOIN LATERAL (
    SELECT body::text AS body
    FROM views.{current}
    WHERE ledger_id = %(ledger_id)s AND {match} AND valid_from <= %(position)s
    UNION ALL
    SELECT body::text
    FROM (
        SELECT body, valid_to
        FROM views.{history}
        WHERE ledger_id = %(ledger_id)s AND {match} AND valid_from <= %(position)s
        ORDER BY valid_from DESC
        LIMIT 1
    ) AS newest
    WHERE valid_to > %(position)s
    LIMIT 1
) AS found
""")


@lru_cache(maxsize=256)
def get_statement(table: Table[Any], generation: int) -> sql.Composed:
    """The rows that keys named."""
    return _for_keys(GET, table, generation)


AS_OF: Final = sql.SQL("""
    SELECT {columns}, body::text AS body
    FROM views.{current}
    WHERE ledger_id = %(ledger_id)s AND valid_from <= %(position)s{match}
    UNION ALL
    SELECT {columns}, body::text
    FROM views.{history}
    WHERE ledger_id = %(ledger_id)s AND fork = ANY(%(path)s::bigint[])
      AND valid_from <= %(position)s AND valid_to > %(position)s{match}
""")
FIND: Final = sql.SQL("""
SELECT body
FROM ({as_of}) AS held
{beyond}
ORDER BY {key}
LIMIT %(limit)s
""")
TALLY: Final = sql.SQL("""
SELECT {by} count(*)
FROM ({as_of}) AS held
{group}
""")


def _as_of(
    table: Table[Any], generation: int, conditions: Iterable[tuple[str, str]]
) -> sql.Composed:
    names = Names.of(table, generation)
    return AS_OF.format(
        columns=_columns(table.column_names),
        current=sql.Identifier(names.current),
        history=sql.Identifier(names.history),
        match=_match(table, conditions),
    )


@lru_cache(maxsize=1024)
def find_statement(
    table: Table[Any],
    generation: int,
    conditions: tuple[tuple[str, str], ...],
    *,
    beyond: bool,
) -> sql.Composed:
    after = sql.SQL("WHERE ({key}) > ({values})").format(
        key=_columns(table.key),
        values=sql.SQL(", ").join(
            sql.SQL(f"%(beyond_{number})s::{column.type}")
            for number, column in enumerate(table.key_columns)
        ),
    )
    return FIND.format(
        as_of=_as_of(table, generation, conditions),
        beyond=after if beyond else sql.SQL(""),
        key=_columns(table.key),
    )


@lru_cache(maxsize=1024)
def tally_statement(
    table: Table[Any],
    generation: int,
    conditions: tuple[tuple[str, str], ...],
    by: tuple[str, ...],
) -> sql.Composed:
    return TALLY.format(
        as_of=_as_of(table, generation, conditions),
        by=_columns(by) + sql.SQL(",") if by else sql.SQL(""),
        group=sql.SQL("GROUP BY ") + _columns(by) if by else sql.SQL(""),
    )


VERSIONS: Final = sql.SQL("""
SELECT body::text, valid_from, NULL::bigint AS valid_to
FROM views.{current}
WHERE ledger_id = %(ledger_id)s AND {match} AND valid_from <= %(position)s
UNION ALL
SELECT body::text, valid_from, CASE WHEN valid_to <= %(position)s THEN valid_to END
FROM views.{history}
WHERE ledger_id = %(ledger_id)s AND {match} AND valid_from <= %(position)s
ORDER BY valid_from
""")


@lru_cache(maxsize=256)
def versions_statement(table: Table[Any], generation: int) -> sql.Composed:
    names = Names.of(table, generation)
    return VERSIONS.format(
        current=sql.Identifier(names.current),
        history=sql.Identifier(names.history),
        match=sql.SQL(" AND ").join(
            sql.SQL(f"{{}} = %(key_{number})s::{column.type}").format(sql.Identifier(column.name))
            for number, column in enumerate(table.key_columns)
        ),
    )


EVERY: Final = sql.SQL("""
SELECT {key}, body::text, valid_from, NULL::bigint AS valid_to
FROM views.{current}
WHERE ledger_id = %(ledger_id)s
  AND valid_from > %(since)s AND valid_from <= %(position)s{match}
UNION ALL
SELECT {key}, body::text, valid_from, CASE WHEN valid_to <= %(position)s THEN valid_to END
FROM views.{history}
WHERE ledger_id = %(ledger_id)s
  AND valid_to > %(since)s AND valid_from <= %(position)s{match}
LIMIT %(limit)s
""")


@lru_cache(maxsize=256)
def every_statement(
    table: Table[Any], generation: int, conditions: tuple[tuple[str, str], ...]
) -> sql.Composed:
    """Every version of the rows that match and changed since a position."""
    names = Names.of(table, generation)
    (key,) = table.key
    return EVERY.format(
        key=sql.Identifier(key),
        current=sql.Identifier(names.current),
        history=sql.Identifier(names.history),
        match=_match(table, conditions),
    )


CHANGES: Final = sql.SQL("""
SELECT found.body, found.valid_from, found.valid_to
FROM unnest({arrays}) AS wanted ({key})
CROSS JOIN LATERAL (
    SELECT body::text AS body, valid_from, NULL::bigint AS valid_to
    FROM views.{current}
    WHERE ledger_id = %(ledger_id)s AND {match}
      AND valid_from > %(since)s AND valid_from <= %(position)s
    UNION ALL
    SELECT body::text, valid_from, CASE WHEN valid_to <= %(position)s THEN valid_to END
    FROM views.{history}
    WHERE ledger_id = %(ledger_id)s AND {match}
      AND valid_to > %(since)s AND valid_from <= %(position)s
) AS found
ORDER BY found.valid_from
""")


@lru_cache(maxsize=256)
def changes_statement(table: Table[Any], generation: int) -> sql.Composed:
    """The versions of the keys that changed since a position."""
    return _for_keys(CHANGES, table, generation)


def _for_keys(question: sql.SQL, table: Table[Any], generation: int) -> sql.Composed:
    names = Names.of(table, generation)
    return question.format(
        arrays=sql.SQL(", ").join(
            sql.SQL(f"%(key_{number})s::{column.type}[]")
            for number, column in enumerate(table.key_columns)
        ),
        key=_columns(table.key),
        current=sql.Identifier(names.current),
        history=sql.Identifier(names.history),
        match=sql.SQL(" AND ").join(
            sql.SQL("{0} = wanted.{0}").format(sql.Identifier(name)) for name in table.key
        ),
    )
