"""Tables are derived from row shapes: columns, fingerprints, COPY text, and what is refused."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import NewType

import msgspec
import pytest

from projections.tables import Column, Table

Id = NewType("Id", str)


class Kind(StrEnum):
    """A text with few values."""

    RED = "red"


class Row(msgspec.Struct, frozen=True):
    """One field of every kind."""

    id: Id
    kind: Kind
    count: int
    flag: bool
    day: date | None
    at: datetime
    parts: tuple[int, ...] = ()


INDEXED = (("kind", "count"), ("flag",), ("day", "at"))
TABLE = Table("row", Row, key=("id",), indexed=INDEXED)


def test_columns_follow_from_the_types() -> None:
    """Names, types and nulls of the columns come from the row's annotations."""
    expected = (
        Column("id", "text", nullable=False),
        Column("kind", "text", nullable=False),
        Column("count", "bigint", nullable=False),
        Column("flag", "boolean", nullable=False),
        Column("day", "date", nullable=True),
        Column("at", "timestamptz", nullable=False),
    )
    assert expected == TABLE.columns


def test_text_for_copy_is_escaped() -> None:
    """Tabs, line ends and backslashes of a value cannot end a column."""
    row = Row(
        Id("a\tb\\c\nd"), Kind.RED, 3, flag=True, day=None, at=datetime(2026, 1, 2, tzinfo=UTC)
    )
    expected = "a\\tb\\\\c\\nd\tred\t3\tTrue\t\\N\t2026-01-02T00:00:00+00:00"
    assert expected == TABLE.columns_text(row)
    texts = Table("texts", Row, key=("id", "kind"))
    assert texts.columns_text(row) == "a\\tb\\\\c\\nd\tred"


@pytest.mark.parametrize(
    "text", ["plain", "汉字", "a\tb", "a\\b", "a\nb", "a\rb", "", "\x85", "\xa0"]
)
def test_text_columns_alone_are_escaped_alike(text: str) -> None:
    """The quick way for text columns spells every value as the careful way does."""
    row = Row(Id(text), Kind.RED, 1, flag=False, day=None, at=datetime(2026, 1, 2, tzinfo=UTC))
    careful = TABLE.columns_text(row).split("\t")[0]

    assert Table("texts", Row, key=("id",)).columns_text(row) == careful
    assert Table("texts", Row, key=("id", "kind")).columns_text(row) == f"{careful}\tred"


def test_a_changed_shape_changes_the_fingerprint() -> None:
    """Key, indexes and fields, nested ones too, are part of the fingerprint."""

    class Longer(Row, frozen=True):
        more: int = 0

    same = Table("row", Row, key=("id",), indexed=INDEXED)
    others = (
        Table("row", Row, key=("id",)),
        Table("row", Row, key=("id", "kind"), indexed=INDEXED),
        Table("row", Longer, key=("id",), indexed=INDEXED),
    )
    assert same.fingerprint == TABLE.fingerprint
    assert TABLE.fingerprint not in {other.fingerprint for other in others}


class Loose(msgspec.Struct):
    """A row that could be changed in place."""

    id: str


class Clashing(msgspec.Struct, frozen=True):
    """A row with a field that is the engine's own."""

    valid_from: int


@pytest.mark.parametrize(
    ("name", "row", "key", "indexed"),
    [
        ("Row", Row, ("id",), ()),
        ("row_history", Row, ("id",), ()),
        ("row", Row, (), ()),
        ("row", Row, ("day",), ()),
        ("row", Row, ("missing",), ()),
        ("row", Row, ("id",), (("parts",),)),
        ("row", Row, ("id",), (("flag",), ("flag",))),
        ("row", Loose, ("id",), ()),
        ("row", Clashing, ("valid_from",), ()),
    ],
)
def test_a_bad_declaration_is_refused(
    name: str,
    row: type[msgspec.Struct],
    key: tuple[str, ...],
    indexed: tuple[tuple[str, ...], ...],
) -> None:
    """A table that could not be kept is refused where it is declared."""
    with pytest.raises((AssertionError, KeyError)):
        Table(name, row, key, indexed)
