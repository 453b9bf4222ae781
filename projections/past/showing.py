"""The rows of a view themselves, as of any moment: found by their columns, page by page.

Answers elsewhere put rows of several views together and judge them. Here one sees what these
answers are made from, exactly as it is stored: every field, every fact that it names, sealed
values sealed.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final

import msgspec

from ledger.errors import Invalid, NotFound
from ledger.vocabulary import UnitRef
from projections.past.contrasting import named_in
from projections.past.differing import key_text
from projections.past.selecting import below
from projections.standpoint import AsOf, Standpoint
from projections.tables import Column, ColumnType, Key, Table
from projections.time_travel import Reader
from projections.views import VIEWS

PAGE_MAX: Final = 500
BIGINT_END: Final = 2**63


class ColumnShown(msgspec.Struct, frozen=True):
    """A column by which rows are found."""

    name: str
    type: ColumnType
    nullable: bool


class TableShown(msgspec.Struct, frozen=True, kw_only=True):
    """A table of a view: what names a row, and the columns by which rows are found."""

    table: str
    key: tuple[str, ...]
    columns: tuple[ColumnShown, ...]


class ViewShown(msgspec.Struct, frozen=True, kw_only=True):
    """A view: the version that answers, how far of what is known it has come, its tables."""

    view: str
    version: int
    position: int
    tables: tuple[TableShown, ...]


class Views(msgspec.Struct, frozen=True, kw_only=True):
    """Every view that answers."""

    as_of: AsOf
    views: tuple[ViewShown, ...]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A page of rows in the order of their keys; `next` is the key that the next begins beyond."""

    as_of: AsOf
    view: str
    table: str
    rows: tuple[Any, ...]
    next: tuple[str, ...] | None


def views_of(reader: Reader) -> tuple[ViewShown, ...]:
    """Every view that serves, and what one can ask of it."""
    tables = {view.name: view.tables for view in VIEWS}
    return tuple(
        ViewShown(
            view=one.name,
            version=one.version,
            position=min(one.position, reader.position),
            tables=tuple(
                TableShown(table=table.name, key=table.key, columns=_columns(table))
                for table in tables[one.name]
            ),
        )
        for one in reader.serving
        if one.name in tables
    )


def show(  # noqa: PLR0913  (what can be asked)
    here: Standpoint,
    view: str,
    *,
    where: Sequence[tuple[str, str]] = (),
    unit: UnitRef | None = None,
    within: frozenset[UnitRef] | None = None,
    limit: int = PAGE_MAX,
    beyond: Sequence[str] | None = None,
) -> Shown:
    """The rows of a view (`obligations`), or of one of its tables (`post`), as they were here.

    `where` has columns and values, nothing for null; values of one column are alternatives.
    `unit` leaves out what belongs to no unit that ever stood below it, `within` to no other than
    these. `beyond` is the `next` of the page before.
    """
    if not 0 < limit <= PAGE_MAX:
        raise Invalid.field("limit", f"a page has 1 to {PAGE_MAX} rows")
    name, table = _table(view)
    wanted = _wanted(table, where)
    named = None if unit is None else named_in(table, below(here.background, unit, within))
    if named is not None:
        _narrow(wanted, named.column, named.values)
    found = here.reader.find(
        table,
        wanted,
        limit=limit + 1,
        beyond=None if beyond is None else _key(table, beyond),
    )
    rows = found[:limit]
    return Shown(
        as_of=here.as_of,
        view=name,
        table=table.name,
        rows=tuple(rows),
        next=key_text(table.key_of(rows[-1])) if len(found) > limit else None,
    )


def _columns(table: Table[Any]) -> tuple[ColumnShown, ...]:
    return tuple(ColumnShown(one.name, one.type, one.nullable) for one in table.columns)


def condition(text: str) -> tuple[str, str]:
    """`column=value` as a pair."""
    column, equals, value = text.partition("=")
    if not equals:
        raise Invalid.field("where", f"{text[:80]!r} is no condition; write column=value")
    return column, value


def key_column(view: str) -> str:
    """The first column of a view's key."""
    return _table(view)[1].key[0]


def _table(view: str) -> tuple[str, Table[Any]]:
    """The table that a name means: its own, or that of a view that has one."""
    for one in VIEWS:
        for table in one.tables:
            if view == table.name or (view == one.name and len(one.tables) == 1):
                return one.name, table
    names = [table.name for one in VIEWS for table in one.tables]
    raise NotFound(f"there is no view {view!r}; ask for one of {', '.join(names)}")


def _wanted(table: Table[Any], where: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Columns to the values that they may have; None alone means null."""
    columns = {column.name: column for column in table.columns}
    found: dict[str, list[Any]] = {}
    for name, text in where:
        if name not in columns:
            raise Invalid.field(
                name, f"is no column of {table.name}; choose from {', '.join(columns)}"
            )
        found.setdefault(name, []).append(_value(columns[name], text))
    nulls = [name for name, values in found.items() if None in values]
    for name in nulls:
        if len(found[name]) > 1:
            raise Invalid.field(name, "nothing and something cannot be asked for at once")
    return {name: None if name in nulls else values for name, values in found.items()}


def _value(column: Column, text: str) -> object:
    if not text and column.nullable:
        return None
    if "\0" in text:
        raise Invalid.field(column.name, "holds a character that no value has")
    try:
        value = _READ[column.type](text)
    except ValueError:
        value = None
    if value is None:
        raise Invalid.field(column.name, f"{text[:40]!r} is no {column.type}")
    return value


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text)


def _integer(text: str) -> int | None:
    value = int(text) if text.isascii() else None
    return value if value is not None and abs(value) < BIGINT_END else None


def _instant(text: str) -> datetime | None:
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else None


_READ: Final[dict[ColumnType, Callable[[str], object]]] = {
    "text": str,
    "bigint": _integer,
    "boolean": _boolean,
    "date": date.fromisoformat,
    "timestamptz": _instant,
}


def _narrow(wanted: dict[str, Any], column: str, values: Iterable[str]) -> None:
    """Leave of a column's values only these."""
    if column in wanted:
        asked = wanted[column] or ()
        wanted[column] = sorted({*asked} & {*values})
    else:
        wanted[column] = list(values)


def _key(table: Table[Any], beyond: Sequence[str]) -> Key:
    if len(beyond) != len(table.key):
        raise Invalid.field("beyond", f"a key of {table.name} is {', '.join(table.key)}")
    return tuple(
        _value(column, text) for column, text in zip(table.key_columns, beyond, strict=True)
    )
