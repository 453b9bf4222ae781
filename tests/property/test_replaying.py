"""Every step says exactly what its fact changed, and the steps of everything are the history."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from ledger.database import Database
from ledger.entry import Event
from ledger.model.history import History
from projections.past import selecting
from projections.past.differing import key_text, row_change
from projections.past.replaying import Step, step_after, step_at, step_before, steps
from projections.past.selecting import Selection
from projections.standpoint import Standpoint
from projections.time_travel import Reader
from tests.replayed import TABLES, Row, applied
from tests.scenario import Scenario
from tests.stories import stories
from tests.telling import Told

UNITS = ("HQ", "B", "S", "S2", "O", "O2", "O3")

_names = count()

stories_replayed = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

VERSIONS = sql.SQL("""
SELECT body::text, valid_from, NULL::bigint FROM views.{current} WHERE ledger_id = %(ledger_id)s
UNION ALL
SELECT body::text, valid_from, valid_to FROM views.{history} WHERE ledger_id = %(ledger_id)s
""")


def stored_changes(
    connection: psycopg.Connection, ledger_id: int
) -> dict[int, set[tuple[str, tuple[str, ...]]]]:
    """By position, every row of which a version begins or ends there."""
    found: dict[int, set[tuple[str, tuple[str, ...]]]] = {}
    for table in TABLES.values():
        names = {
            "current": sql.Identifier(table.name),
            "history": sql.Identifier(f"{table.name}_history"),
        }
        for body, since, until in connection.execute(
            VERSIONS.format(**names), {"ledger_id": ledger_id}
        ):
            key = key_text(table.key_of(table.decode(body)))
            for position in (since, until):
                if position is not None:
                    found.setdefault(position, set()).add((table.name, key))
    return found


def rows_at(here: Standpoint) -> dict[tuple[str, tuple[str, ...]], Any]:
    """Every row of every view, by table and key."""
    return {
        (table.name, key_text(table.key_of(row))): row
        for table in TABLES.values()
        for row in here.reader.find(table)
    }


@stories_replayed
@given(story=stories())
def test_steps_are_the_stored_versions(database: Database, story: Scenario) -> None:
    """At every position the rows that changed are those of which versions begin or end there.

    And each change is the difference between the rows that the views hold before and after.
    """
    with (
        Told(database, story.events, name=f"replayed-{next(_names)}") as told,
        told.questions.at() as here,
    ):
        stored = stored_changes(here.connection, told.ledger_id)
        positions = []
        for step in steps(here, Selection()):
            position = step.fact.position
            positions.append(position)
            assert {(one.table, one.key) for one in step.changes} == stored.get(position, set())
            ends = [Reader(here.connection, told.ledger_id, at) for at in (position - 1, position)]
            for one in step.changes:
                table = TABLES[one.table]
                before, after = (reader.get(table, *one.key) for reader in ends)
                assert row_change(one.view, table, before, after) == one
            assert (step.as_of.position, step.behind) == (position, ())
        assert positions == list(range(1, len(story.events) + 1))


@stories_replayed
@given(story=stories(), data=st.data())
def test_the_steps_of_everything_lead_to_the_rows(
    database: Database, story: Scenario, data: st.DataObject
) -> None:
    """Whoever applies every step from the first fact on has the rows as of any position."""
    head = len(story.events)
    asked = {*data.draw(st.lists(st.integers(1, head), max_size=3)), head}
    with (
        Told(database, story.events, name=f"applied-{next(_names)}") as told,
        told.questions.at() as here,
    ):
        made: dict[tuple[str, tuple[str, ...]], Row | None] = {}
        for step in steps(here, Selection()):
            for one in step.changes:
                place = (one.table, one.key)
                made[place] = applied(made.get(place), one)
            if step.fact.position in asked:
                rows = {
                    (name, key): msgspec.convert(row, TABLES[name].row, strict=False)
                    for (name, key), row in made.items()
                    if row is not None
                }
                assert rows == rows_at(told.questions.stand(here.connection, step.fact.position))


def belongs(event: Event, chosen: Selection, history: History) -> bool:
    """Whether a fact belongs to a selection: said once more, as plainly as can be."""
    if chosen.types and event.type not in chosen.types:
        return False
    if chosen.subject is not None:
        return chosen.subject in event.tags
    if chosen.unit is None:
        return True
    units = {chosen.unit}
    for _ in history.rows["unit"]:
        for unit in history.rows["unit"].values():
            units |= {unit.unit for placed in unit.parents if placed.parent in units}
    posts = [post for post in history.rows["post"].values() if post.unit in units]
    served = {one.person for post in posts for one in (*post.appointments, *post.acting)}
    owed = history.rows["obligation"].values()
    placed = (
        {f"unit:{one}" for one in history.rows["unit"]}
        | {f"post:{one}" for one in history.rows["post"]}
        | {f"obligation:{one}" for one in history.rows["obligation"]}
    )
    below = (
        {f"unit:{one}" for one in units}
        | {f"post:{one.post}" for one in posts}
        | {f"obligation:{one.obligation}" for one in owed if one.unit in units}
    )
    persons = {f"person:{one}" for one in served}
    tags = set(event.tags)
    return bool(tags & below) or (not tags & placed and bool(tags & persons))


SUBJECTS = ("unit:O", "post:S-head", "person:A", "obligation:monthly.O.2026-03", "duty:none")
TYPES = ("report.submitted", "holder.appointed", "unit.established", "report.accepted", "unknown")


@pytest.fixture
def small_stretches() -> Iterator[pytest.MonkeyPatch]:
    """A way to change how the next fact is looked for, for each example."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@stories_replayed
@given(
    story=stories(),
    unit=st.sampled_from((*UNITS, None)),
    subject=st.sampled_from(SUBJECTS),
    types=st.lists(st.sampled_from(TYPES), max_size=2, unique=True),
    ways=st.tuples(
        st.sampled_from([(), (1,), (2, 5), selecting.STRETCHES]),
        st.sampled_from([0, selecting.FEW_UNITS]),
        st.sampled_from([0, selecting.MANY_UNITS_SHARE]),
        st.sampled_from([0, selecting.STRUCTURAL_UNITS_MAX]),
    ),
    data=st.data(),
)
def test_stepping_meets_every_fact_of_the_selection(  # noqa: PLR0913, PLR0917  (one a strategy)
    database: Database,
    small_stretches: pytest.MonkeyPatch,
    story: Scenario,
    unit: str | None,
    subject: str,
    types: list[str],
    ways: tuple[tuple[int, ...], int, int, int],
    data: st.DataObject,
) -> None:
    """Forwards, backwards, and from anywhere: the facts that belong to it, and no other.

    However the next one is found: in a stretch, by the index, or by walking the log.
    """
    small_stretches.setattr(selecting, "STRETCHES", ways[0])
    small_stretches.setattr(selecting, "FEW_UNITS", ways[1])
    small_stretches.setattr(selecting, "MANY_UNITS_SHARE", ways[2])
    small_stretches.setattr(selecting, "STRUCTURAL_UNITS_MAX", ways[3])
    head = len(story.events)
    until = data.draw(st.integers(1, head))
    chosen = Selection(
        subject=None if unit else subject,
        unit=unit,
        types=tuple(types),
        after=data.draw(st.integers(0, 3)),
        until=until,
    )
    with (
        Told(database, story.events, name=f"stepped-{next(_names)}") as told,
        told.questions.at() as here,
    ):
        history = told.history()
        expected = [
            one.position
            for one in told.events(until)
            if one.position > chosen.after and belongs(one, chosen, history)
        ]
        found = [*steps(here, chosen)]
        assert [one.fact.position for one in found] == expected
        for one, (before, after) in zip(found, _around(expected), strict=True):
            assert (one.previous, one.next) == (before, after)
        at = data.draw(st.integers(0, head + 1))
        assert _position(step_at(here, chosen, at)) == _last(expected, at + 1)
        assert _position(step_before(here, chosen, at)) == _last(expected, at)
        assert _position(step_after(here, chosen, at)) == next(
            (one for one in expected if one > at), None
        )


def _around(positions: list[int]) -> list[tuple[int | None, int | None]]:
    padded = [None, *positions, None]
    return list(zip(padded, padded[2:], strict=False))


def _last(positions: list[int], before: int) -> int | None:
    return max((one for one in positions if one < before), default=None)


def _position(step: Step | None) -> int | None:
    return None if step is None else step.fact.position
