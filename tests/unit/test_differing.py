"""What differs between two states of a row: fields by their paths, items by what they say."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.past.differing import difference, row_change
from projections.tables import Table
from tests.replayed import with_fields


class Mark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that a fact said."""

    event: str
    value: int = 0
    notes: tuple[str, ...] = ()
    inner: "Mark | None" = None


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row with everything that rows have."""

    name: str
    flag: bool = False
    note: str | None = None
    marks: tuple[Mark, ...] = ()
    words: tuple[str, ...] = ()


ROW = Table("row", Row, key=("name",))

marks = st.recursive(
    st.builds(Mark, event=st.sampled_from("abcd"), value=st.integers(0, 2)),
    lambda inner: st.builds(
        Mark,
        event=st.sampled_from("abcd"),
        value=st.integers(0, 2),
        notes=st.lists(st.sampled_from("xyz"), max_size=3).map(tuple),
        inner=st.none() | inner,
    ),
    max_leaves=3,
)
rows = st.builds(
    Row,
    name=st.just("n"),
    flag=st.booleans(),
    note=st.none() | st.sampled_from(["p", "q"]),
    marks=st.lists(marks, max_size=4).map(tuple),
    words=st.lists(st.sampled_from("xyz"), max_size=4).map(tuple),
)


def change(before: Row | None, after: Row | None) -> list[tuple[str, Any, Any]]:
    """The changes as plain tuples."""
    return [(one.field, one.before, one.after) for one in difference(before, after)]


def test_a_field_that_changed_has_its_values() -> None:
    """Defaults are values like all others."""
    assert change(Row("n"), Row("n", flag=True, note="p")) == [
        ("flag", False, True),
        ("note", None, "p"),
    ]


def test_nested_fields_have_dotted_paths() -> None:
    """An item is named by its place, its fields by their names."""
    before = Row("n", marks=(Mark("a"), Mark("b", value=1)))
    after = Row("n", marks=(Mark("a"), Mark("b", value=2)))

    assert change(before, after) == [("marks.1.value", 1, 2)]


def test_an_item_that_went_is_one_change() -> None:
    """What followed it did not change because it moved up."""
    before = Row("n", marks=(Mark("a"), Mark("b"), Mark("c", value=1)))
    after = Row("n", marks=(Mark("b"), Mark("c", value=2)))

    assert change(before, after) == [
        ("marks.0", {"event": "a"}, None),
        ("marks.1.value", 1, 2),
    ]


def test_items_without_a_fact_are_what_they_say() -> None:
    """A word among words comes and goes by itself."""
    assert change(Row("n", words=("x", "y")), Row("n", words=("x", "z", "y"))) == [
        ("words.1", None, "z")
    ]


def test_a_row_that_comes_or_goes_says_everything_it_says() -> None:
    """Every field, without those that say nothing."""
    row = Row("n", marks=(Mark("a"),))
    said = [("name", "n"), ("marks", [{"event": "a"}])]

    assert change(None, row) == [(field, None, value) for field, value in said]
    assert change(row, None) == [(field, value, None) for field, value in said]


def test_the_same_row_differs_in_nothing() -> None:
    """Neither a row nor nothing differs from itself."""
    assert change(Row("n"), Row("n")) == change(None, None) == []
    assert row_change("rows", ROW, Row("n"), Row("n")) is None


@pytest.mark.parametrize(
    ("before", "after", "how"),
    [(None, Row("n"), "added"), (Row("n"), None, "removed"), (Row("n"), Row("n", True), "changed")],
)
def test_a_row_says_how_it_changed(before: Row | None, after: Row | None, how: str) -> None:
    """Added, changed or removed, under its key."""
    found = row_change("rows", ROW, before, after)

    assert found is not None
    assert (found.view, found.table, found.key, found.change) == ("rows", "row", ("n",), how)


@given(before=rows, after=rows)
def test_changes_make_one_row_of_the_other(before: Row, after: Row) -> None:
    """Whatever differs is in the changes, and nothing else is."""
    fields = difference(before, after)
    made = with_fields(msgspec.json.decode(msgspec.json.encode(before)), fields)

    assert msgspec.convert(made, Row) == after
    assert bool(fields) is (before != after)
    assert all(one.before != one.after for one in fields)
