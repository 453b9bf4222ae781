"""History stepped through: each fact, and what it changed in every view, field by field.

What a fact changed is found by folding it once more on the rows as they were before it: a fold is
pure, so this is what the projector did (tests/property/test_replaying.py holds it against the
stored versions), and it needs no index of changes. Which facts there are to step through, and
which is the next, `selecting.py` says. Read next: `comparing.py`, for what lies between two
moments.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ledger.codec import decode
from ledger.entry import Event
from ledger.recorder import Stored
from projections.folding import MemoryRows
from projections.past.differing import RowChange, row_change
from projections.past.selecting import Course, Selection
from projections.standpoint import AsOf, Standpoint
from projections.tables import Key, Projection, Table
from projections.time_travel import Reader
from projections.timeline import Told, told
from projections.views import VIEWS

_KINDS: Final = {"rule_book": "rules", "edition": "rules"}
"""Tables that are not called as the things in them are."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One fact, the state after it, and what it changed.

    `previous` and `next` are the positions of the facts before and after it in the selection.
    `behind` names the views that have not come to it, so that what it changes there is unknown.
    """

    as_of: AsOf
    fact: Told
    changes: tuple[RowChange, ...]
    previous: int | None
    next: int | None
    behind: tuple[str, ...] = ()


def step_at(here: Standpoint, selection: Selection, position: int) -> Step | None:
    """The last fact of the selection at or before a position; None before the first."""
    course = Course(here, selection)
    return _step(here, course, course.preceding(position + 1))


def step_after(here: Standpoint, selection: Selection, position: int) -> Step | None:
    """The first fact of the selection after a position; None after the last."""
    course = Course(here, selection)
    return _step(here, course, course.following(position))


def step_before(here: Standpoint, selection: Selection, position: int) -> Step | None:
    """The last fact of the selection before a position; None before the first."""
    course = Course(here, selection)
    return _step(here, course, course.preceding(position))


def steps(here: Standpoint, selection: Selection, after: int = 0) -> Iterator[Step]:
    """Every fact of the selection after a position, one after the other."""
    course = Course(here, selection)
    following = course.following(after)
    previous = None if following is None else course.preceding(following.position)
    while following is not None:
        stored, following = following, course.following(following.position)
        yield _told_step(here, stored, previous, following)
        previous = stored


def _step(here: Standpoint, course: Course, stored: Stored | None) -> Step | None:
    if stored is None:
        return None
    previous, following = course.preceding(stored.position), course.following(stored.position)
    return _told_step(here, stored, previous, following)


def _told_step(
    here: Standpoint, stored: Stored, previous: Stored | None, following: Stored | None
) -> Step:
    then = here.questions.stand(here.connection, stored.position)
    changes, behind = changes_of(then, decode(stored.entry))
    return Step(
        as_of=then.as_of,
        fact=told(stored),
        changes=changes,
        previous=None if previous is None else previous.position,
        next=None if following is None else following.position,
        behind=behind,
    )


def changes_of(
    then: Standpoint, event: Event, views: Sequence[Projection] = VIEWS
) -> tuple[tuple[RowChange, ...], tuple[str, ...]]:
    """What a fact changed in the views, at the standpoint right after it; and who is behind it."""
    before = Reader(then.connection, then.questions.ledger_id, event.position - 1)
    reached = {one.name: one.position >= event.position for one in before.serving}
    changes: list[RowChange] = []
    for view in views:
        if event.type in view.types and reached.get(view.name, False):
            changes += _folded_again(before, view, event)
    behind = (view.name for view in views if not reached.get(view.name, False))
    return tuple(changes), tuple(behind)


def _folded_again(before: Reader, view: Projection, event: Event) -> Iterator[RowChange]:
    def load(table: Table[Any], keys: list[Key]) -> list[tuple[Any, int]]:
        return [(row, 0) for row in before.get_many(table, keys).values()]

    rows = MemoryRows(view.tables, load)
    rows.fetch(view.reads(event))
    view.fold(event, rows)
    rows.settle(event.position)
    for changes in rows.take_changes():
        table = changes.table
        was = {table.key_of(row): row for row, _, _ in changes.closed}
        now = {table.key_of(row): row for row, _ in (*changes.added, *changes.changed)}
        for key in sorted({*was, *now}):
            change = row_change(view.name, table, was.get(key), now.get(key))
            assert change is not None, "a version that says nothing new is none"
            yield change


def seen_by(step: Step, sees: Callable[[str, str], bool]) -> Step:
    """The step without the rows that somebody may not see; asked with a row's kind and key."""
    seen = (one for one in step.changes if sees(_KINDS.get(one.table, one.table), one.key[0]))
    return replace(step, changes=tuple(seen))


def with_erased(step: Step, erased_in: Callable[[bytes], dict[str, int]]) -> Step:
    """The same with what was erased in the entry."""
    fact = replace(step.fact, erased=erased_in(bytes(step.fact.entry)))
    return replace(step, fact=fact)
