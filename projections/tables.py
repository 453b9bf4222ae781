"""What a projection declares: tables of rows, and the fold that fills them.

A table is one frozen struct (a row), the fields that name a row (its key), and the fields by
which rows are found. Everything else follows from that: columns, SQL, and both ways to bytes.
Read next: `time_travel.py` (how a row remembers when it was true), `folding.py` (how it is made).
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from enum import Enum
from functools import cached_property
from operator import attrgetter
from types import NoneType, UnionType
from typing import (
    Any,
    Final,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    runtime_checkable,
)

import msgspec

from ledger.entry import Event

Key: TypeAlias = tuple[Any, ...]
"""The values of a row's key fields, in the order declared."""

ColumnType = Literal["text", "bigint", "boolean", "date", "timestamptz"]

R = TypeVar("R", bound=msgspec.Struct)

_TABLE_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OUR_COLUMNS: Final = frozenset({"ledger_id", "valid_from", "valid_to", "fork", "body"})
_COLUMN_TYPES: Final[tuple[tuple[type, ColumnType], ...]] = (
    # Order matters: a bool is an int, a datetime is a date.
    (bool, "boolean"),
    (int, "bigint"),
    (datetime, "timestamptz"),
    (date, "date"),
    (str, "text"),
)
_ESCAPED: Final = re.compile(r"[\\\t\n\r]")
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Column(msgspec.Struct, frozen=True):
    """A field of a row that is also a column, because rows are named or found by it."""

    name: str
    type: ColumnType
    nullable: bool


class Table(msgspec.Struct, Generic[R], frozen=True, dict=True):
    """Rows of one shape: `key` names one, each group in `indexed` finds several quickly.

    Nested values are frozen structs and tuples, never lists or dicts that a fold could change in
    place. `indexed` may hold the empty group `()`: it makes the whole table quick to list as of
    a past position.
    """

    name: str
    row: type[R]
    key: tuple[str, ...]
    indexed: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        assert _TABLE_NAME.fullmatch(self.name), f"{self.name!r} is no name for a table"
        assert not self.name.endswith("_history"), f"{self.name}: the engine adds _history itself"
        assert self.row.__struct_config__.frozen, f"{self.name}: a row is a frozen struct"
        assert self.key, f"{self.name}: a row needs a key"
        assert len({*self.indexed}) == len(self.indexed), f"{self.name}: an index stands twice"
        nullable = [column.name for column in self.key_columns if column.nullable]
        assert not nullable, f"{self.name}: a key is never null: {nullable}"

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The key's columns, then every other one that an index needs, each once."""
        names = dict.fromkeys((*self.key, *(name for group in self.indexed for name in group)))
        clash = _OUR_COLUMNS & names.keys()
        assert not clash, f"{self.name}: the engine's own columns are named {sorted(clash)}"
        hints = get_type_hints(self.row)
        return tuple(_column(self.name, name, hints[name]) for name in names)

    @cached_property
    def key_columns(self) -> tuple[Column, ...]:
        return self.columns[: len(self.key)]

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def key_of(self) -> Callable[[R], Key]:
        """A row's key, always a tuple."""
        if len(self.key) > 1:
            return attrgetter(*self.key)
        field = attrgetter(self.key[0])
        return lambda row: (field(row),)

    @cached_property
    def columns_text(self) -> Callable[[R], str]:
        """A row's columns as COPY wants them: text, tabs between, nothing at the end."""
        fields = attrgetter(*self.column_names, self.column_names[0])
        spell = [_SPELLINGS[column.type] for column in self.columns]

        def mixed(row: R) -> str:
            # strict=False leaves out the field that only makes every getter answer a tuple.
            return "\t".join([one(value) for one, value in zip(spell, fields(row), strict=False)])

        if any(column.type != "text" or column.nullable for column in self.columns):
            return mixed
        tabs = len(self.columns) - 1
        texts_of: Callable[[R], Iterable[str]] = (
            attrgetter(*self.column_names) if tabs else self.key_of
        )

        def texts(row: R) -> str:
            # One look at the whole line instead of one at each value.
            line = "\t".join(texts_of(row))
            plainly = line.replace("\t", "", tabs).isprintable() and "\\" not in line
            return line if plainly else mixed(row)

        return texts

    @cached_property
    def encode(self) -> Callable[[R], bytes]:
        """The whole row as JSON."""
        return msgspec.json.Encoder().encode

    @cached_property
    def decode(self) -> Callable[[str], R]:
        """The row of a JSON text that `encode` made."""
        return msgspec.json.Decoder(self.row).decode

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of everything declared here, nested shapes included."""
        schema = _undescribed(msgspec.json.schema(self.row))
        declared = (self.name, self.key, self.indexed, schema)
        return hashlib.sha256(msgspec.json.encode(declared, order="deterministic")).hexdigest()


class Rows(Protocol):
    """The rows of one projection as its fold sees them: everything before this event applied."""

    def get(self, table: Table[R], *key: Any) -> R | None:  # noqa: ANN401
        """The row that this key names, or None."""

    def put(self, table: Table[R], row: R) -> None:
        """From this event on, the row's key names this row."""

    def remove(self, table: Table[R], *key: Any) -> None:  # noqa: ANN401
        """From this event on, the key names nothing."""


@runtime_checkable
class Projection(Protocol):
    """A way to look at the facts: tables, and the fold that keeps them.

    A fold is a pure function of event and rows: it reads no clock and nothing outside. A changed
    fold or shape is a new `version`, which is built from the first fact on.
    """

    name: str
    version: int
    tables: tuple[Table[Any], ...]
    types: frozenset[str]

    def reads(self, event: Event) -> Iterable[tuple[Table[Any], Key]]:
        """The rows that the fold will ask for, as far as the event tells.

        A hint for speed: named rows are fetched together, others one by one when asked for.
        """

    def fold(self, event: Event, rows: Rows) -> None:
        """What the event changes."""


def shape_of(projection: Projection) -> str:
    """SHA-256 (hex) of all that a projection declares about its rows."""
    prints = " ".join(sorted(table.fingerprint for table in projection.tables))
    return hashlib.sha256(prints.encode()).hexdigest()


def _undescribed(schema: Any) -> Any:  # noqa: ANN401  (any part of a schema)
    """A schema without docstrings, which say nothing of the shape."""
    match schema:
        case dict():
            return {
                key: _undescribed(value)
                for key, value in schema.items()
                if key != "description" or not isinstance(value, str)
            }
        case list():
            return [_undescribed(part) for part in schema]
    return schema


def plain(value: object) -> object:
    """A field's value as the database takes it."""
    return value.value if isinstance(value, Enum) else value


def _column(table: str, name: str, hint: object) -> Column:
    parts = [part for part in _alternatives(hint) if part is not NoneType]
    kinds = {_column_type(part) for part in parts}
    assert len(kinds) == 1, f"{table}.{name}: {hint} cannot be a column"
    kind = kinds.pop()
    assert kind, f"{table}.{name}: {hint} cannot be a column"
    return Column(name, kind, nullable=len(parts) < len(_alternatives(hint)))


def _alternatives(hint: object) -> tuple[object, ...]:
    """A hint's possible types, with names for types, annotations and literals resolved."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(found for part in get_args(hint) for found in _alternatives(part))
    if hasattr(hint, "__supertype__"):
        return _alternatives(hint.__supertype__)
    if hasattr(hint, "__metadata__"):
        return _alternatives(get_args(hint)[0])
    if get_origin(hint) is Literal:
        return tuple({type(value) for value in get_args(hint)})
    return (hint,)


def _column_type(hint: object) -> ColumnType | None:
    if not isinstance(hint, type):
        return None
    return next((column for kind, column in _COLUMN_TYPES if issubclass(hint, kind)), None)


def _spell_text(value: object) -> str:
    if value is None:
        return "\\N"
    # str() of an enum with a str mixed in would be its name in the program.
    text = str.__str__(value) if isinstance(value, str) else str(value)
    return text.translate(_ESCAPES) if _ESCAPED.search(text) else text


def _spell_plain(value: object) -> str:
    return "\\N" if value is None else str(value)


def _spell_integer(value: Any) -> str:  # noqa: ANN401
    return "\\N" if value is None else str(int(value))


def _spell_instant(value: datetime | None) -> str:
    if value is None:
        return "\\N"
    assert value.tzinfo is not None, "an instant without its zone"
    return value.isoformat()


_SPELLINGS: Final[dict[ColumnType, Callable[[Any], str]]] = {
    "text": _spell_text,
    "bigint": _spell_integer,
    "boolean": _spell_plain,
    "date": _spell_plain,
    "timestamptz": _spell_instant,
}
