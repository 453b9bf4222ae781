"""The past told to people at a terminal: steps, differences, rows."""

import json
from collections.abc import Iterable
from typing import Any, Final

from api.commands.printing import escape, local, print_table, print_whole
from projections.citing import Citation
from projections.past.comparing import Comparison, RowDifference
from projections.past.contrasting import Judgement
from projections.past.differing import FieldChange, difference
from projections.past.replaying import Step
from projections.past.showing import Shown, Views

HASH_CHARACTERS: Final = 16


def tell_step(step: Step) -> None:
    """The fact in one line, then each row that it changed, and each field of it."""
    print_whole(f"[bold]{_fact(step.fact)}[/bold]")
    if step.fact.erased:
        by = ", ".join(map(str, sorted({*step.fact.erased.values()})))
        print_whole(f"  [dim]personal values in it were erased at {by}[/dim]")
    for change in step.changes:
        print_whole(f"  {change.change} {escape(change.table)} {_key(change.key)}")
        _tell_fields(change.fields)
    for view in step.behind:
        print_whole(f"  [dim]view {escape(view)} has not come to it[/dim]")


def tell_comparison(found: Comparison) -> None:
    """The counts, then each row that differs with its fields and what caused it."""
    print_whole(
        f"From position {found.since.position:,}, {local(found.since.instant)}, to "
        f"position {found.as_of.position:,}, {local(found.as_of.instant)}"
    )
    print_table(
        ("table", "added", "changed", "removed", "judged otherwise"),
        (
            (one.table, one.added, one.changed, one.removed, one.judged_otherwise)
            for one in found.counts
        ),
    )
    for one in found.rows:
        print_whole(f"[bold]{one.change} {escape(one.table)} {_key(one.key)}[/bold]{_verdict(one)}")
        _tell_fields(one.fields)
        for cause in one.causes:
            print_whole(f"    [dim]because of {_fact(cause)}[/dim]")
        if one.causes_total > len(one.causes):
            print_whole(f"    [dim]and {one.causes_total - len(one.causes)} facts more[/dim]")
    if found.next is not None:
        print_whole(f"more: --beyond {escape('/'.join(found.next))}")


def tell_rows(found: Shown) -> None:
    """Each row, field by field."""
    for row in found.rows:
        print_whole(f"[bold]{escape(found.table)}[/bold]")
        for field in difference(None, row):
            print_whole(f"    {escape(field.field)}: {_value(field.after)}")
    if not found.rows:
        print_whole(f"no such row in {escape(found.table)}")
    if found.next is not None:
        print_whole(f"more: --beyond {escape('/'.join(found.next))}")


def tell_views(found: Views) -> None:
    """One line a table: its view, and what its rows are found by."""
    print_table(
        ("table", "view", "version", "position", "key", "columns"),
        (
            (
                table.table,
                one.view,
                one.version,
                one.position,
                ", ".join(table.key),
                ", ".join(f"{column.name} ({column.type})" for column in table.columns),
            )
            for one in found.views
            for table in one.tables
        ),
    )


def _fact(fact: Citation) -> str:
    actor = fact.actor.person or fact.actor.system or fact.actor.via
    return escape(
        f"{fact.position:>9,}  {local(fact.recorded_at)}  {fact.type}  {fact.event}  by {actor}  "
        f"{fact.leaf_hash[:HASH_CHARACTERS]}"
    )


def _key(key: tuple[str, ...]) -> str:
    return escape("/".join(key))


def _tell_fields(fields: Iterable[FieldChange]) -> None:
    for one in fields:
        print_whole(f"    {escape(one.field)}: {_value(one.before)} -> {_value(one.after)}")


def _value(value: Any) -> str:  # noqa: ANN401  (whatever JSON holds)
    return escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _verdict(one: RowDifference) -> str:
    if one.judged_before == one.judged_after:
        return ""
    why = ", by time alone" if one.by_time else ""
    return f"  {_judged(one.judged_before)} -> {_judged(one.judged_after)}{why}"


def _judged(one: Judgement | None) -> str:
    if one is None:
        return "not opened"
    more = ", ".join(filter(None, (one.kind, one.pending)))
    return escape(f"{one.outcome} ({more})" if more else one.outcome)
