"""What differs between two states of a row, field by field.

A row is a struct of structs and tuples, so a difference is a list of paths, each with the value
before and after. A tuple of items is compared by what its items say they are: an item carries the
fact that it came from, so that one taken away from the middle is one change, and not a change of
all that follow it. Pure; whoever finds the rows is `replaying.py` (one fact) and `comparing.py`
(two moments).
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, Literal, TypeAlias

import msgspec

from projections.tables import Key, Table, plain

Change: TypeAlias = Literal["added", "changed", "removed"]
"""What became of a row, or of anything that stands one way at one moment, or not at all."""


class FieldChange(msgspec.Struct, frozen=True):
    """One field that changed: its dotted path in the row, and its JSON value before and after.

    An item of a list is named by the place, from 0, that it has in the list as it is after; one
    that went (`after` is null) by the place that it had. So the changes make one row of the
    other: outer lists before inner ones, in each what went before what came.
    """

    field: str
    before: Any
    after: Any


class RowChange(msgspec.Struct, frozen=True, kw_only=True):
    """One row that differs: which view and table it stands in, and every field that changed."""

    view: str
    table: str
    key: tuple[str, ...]
    change: Change
    fields: tuple[FieldChange, ...]


def row_change(
    view: str, table: Table[Any], before: msgspec.Struct | None, after: msgspec.Struct | None
) -> RowChange | None:
    """How a row of a table differs; None where it does not."""
    if before == after:
        return None
    row = before if after is None else after
    return RowChange(
        view=view,
        table=table.name,
        key=key_text(table.key_of(row)),
        change=change_of(before, after),
        fields=difference(before, after),
    )


def change_of(before: object | None, after: object | None) -> Change:
    """What became of it, where it differs; None: it was not, or is not any more."""
    if before is None:
        return "added"
    return "removed" if after is None else "changed"


def key_text(key: Key) -> tuple[str, ...]:
    """A row's key as answers and cursors spell it."""
    return tuple(str(plain(value)) for value in key)


def difference(
    before: msgspec.Struct | None, after: msgspec.Struct | None
) -> tuple[FieldChange, ...]:
    """Every field that differs, in the order declared.

    Of a row that comes or goes: every field that says something, each from or to null.
    """
    if before is None or after is None:
        row = before if after is None else after
        return tuple(
            FieldChange(name, None, value) if before is None else FieldChange(name, value, None)
            for name, value in ({} if row is None else _said(row)).items()
        )
    return tuple(_fields("", before, after))


def _said(row: msgspec.Struct) -> dict[str, Any]:
    """A row's fields as JSON, without those that say nothing."""
    said: dict[str, Any] = _json(row)
    return {name: value for name, value in said.items() if value is not None and value != []}


def _fields(path: str, before: msgspec.Struct, after: msgspec.Struct) -> Iterator[FieldChange]:
    for name in after.__struct_fields__:
        yield from _value(f"{path}{name}", getattr(before, name), getattr(after, name))


def _value(path: str, before: object, after: object) -> Iterator[FieldChange]:
    if before == after:
        return
    if isinstance(before, tuple) and isinstance(after, tuple):
        yield from _items(path, before, after)
    elif isinstance(before, msgspec.Struct) and type(before) is type(after):
        yield from _fields(f"{path}.", before, after)
    else:
        yield FieldChange(path, _json(before), _json(after))


def _items(path: str, before: tuple[Any, ...], after: tuple[Any, ...]) -> Iterator[FieldChange]:
    matcher = SequenceMatcher(None, _names(before), _names(after), autojunk=False)
    for how, start, end, other, other_end in matcher.get_opcodes():
        if how == "equal":
            for number in range(end - start):
                place = other + number
                yield from _value(f"{path}.{place}", before[start + number], after[place])
            continue
        for place in range(start, end):
            yield FieldChange(f"{path}.{place}", _json(before[place]), None)
        for place in range(other, other_end):
            yield FieldChange(f"{path}.{place}", None, _json(after[place]))


def _names(items: tuple[Any, ...]) -> list[object]:
    """What makes each item itself: the fact that it came from, or else all that it says."""
    return [getattr(one, "event", None) or msgspec.json.encode(one) for one in items]


def _json(value: object) -> Any:  # noqa: ANN401
    """A value as whoever reads the answer sees it: lists, strings, numbers."""
    return msgspec.json.decode(msgspec.json.encode(value))
