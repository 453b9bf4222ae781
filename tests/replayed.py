"""What a list of field changes means, in the plainest way: a row of JSON made of another."""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from projections.past.differing import FieldChange, RowChange
from projections.views import VIEWS

TABLES = {table.name: table for view in VIEWS for table in view.tables}

Row = dict[str, Any]


def applied(row: Row | None, change: RowChange) -> Row | None:
    """The row after a change; None where it is no more."""
    if change.change == "removed":
        return None
    return with_fields({} if row is None else row, change.fields)


def with_fields(row: Row, fields: Iterable[FieldChange]) -> Row:
    """The row with its fields as they are after: outer lists first, what went before what came."""
    made = deepcopy(row)
    changes = list(fields)
    for depth in range(max((len(_path(one)) for one in changes), default=0) + 1):
        items = [one for one in changes if _is_item(one) and len(_path(one)) == depth]
        for one in sorted(items, key=_path, reverse=True):
            if one.after is None:
                *before, last = _path(one)
                del _at(made, before)[last]
        for one in sorted(items, key=_path):
            if one.before is None:
                *before, last = _path(one)
                _at(made, before).insert(last, one.after)
    for one in changes:
        *before, last = _path(one)
        if not (_is_item(one) and None in (one.before, one.after)):
            _at(made, before)[last] = one.after
    return made


def _is_item(change: FieldChange) -> bool:
    return isinstance(_path(change)[-1], int)


def _path(change: FieldChange) -> tuple[Any, ...]:
    return tuple(int(one) if one.isdigit() else one for one in change.field.split("."))


def _at(row: Any, path: list[Any]) -> Any:
    for one in path:
        row = row.setdefault(one, []) if isinstance(row, dict) else row[one]
    return row
