"""Rebuilding beside serving: the same rows, differences found, and nobody who waits.

Read next: `test_rebuilding_interrupted.py`, `test_switching_builds.py`.
"""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ledger.codec import decode
from ledger.database import Database, connect_as_login
from ledger.errors import ViewMissing
from ledger.recorder import PostgresRecorder
from projections import leading
from projections.building.rebuilding import Rebuild
from projections.building.verifying import verify_build, verify_views
from projections.runner import Runner
from tests.projecting import PATIENCE_SECONDS, Cells, Totals, following, record, shown
from tests.rebuilding import builds, difference, history, project, rebuild


def test_a_rebuilt_view_is_the_same_and_serves(
    database: Database, recorder: PostgresRecorder
) -> None:
    """The new build has every version that the old one has, and answers from then on."""
    head = history(recorder)
    project(database, recorder)
    before = [shown(database, recorder, position) for position in range(1, head + 1)]
    with rebuild(database, recorder) as work:
        assert work.build() == head
        told = difference(database, recorder, work)
        assert not builds(database, recorder.ledger_id)[2].serving
        assert work.switch()

    assert not told.differs
    assert (told.position, len(told.sampled), told.sampled[-1]) == (head, 6, head)
    found = builds(database, recorder.ledger_id)
    assert [(one.serving, one.rebuilding) for one in found.values()] == [
        (False, False),
        (True, False),
    ]
    assert [shown(database, recorder, position) for position in range(1, head + 1)] == before
    record(recorder, {"c1": 1000})
    assert project(database, recorder) == head + 1
    assert shown(database, recorder)["c1"] == 1000
    assert builds(database, recorder.ledger_id)[1].position == head


ANOTHER_ROW = """
INSERT INTO views.cell
SELECT ledger_id, 'z', unit, value, note, valid_from, body FROM views.cell WHERE name = 'c3'
"""
PLANTED = {
    "a value": (
        "UPDATE views.cell SET body = replace(body::text, ':38', ':39')::json WHERE name = 'c3'",
        (0, 0, 1),
    ),
    "a column": ("UPDATE views.cell SET value = 7 WHERE name = 'c3'", (0, 0, 1)),
    "a row lost": ("DELETE FROM views.cell WHERE name = 'c3'", (1, 0, 0)),
    "a row too many": (ANOTHER_ROW, (0, 1, 0)),
    "a version lost": (
        "DELETE FROM views.cell_history WHERE (name, valid_from) = ('c3', 3)",
        (0, 0, 0),
    ),
    "an end off by one": (
        "UPDATE views.cell_history SET valid_to = 11 WHERE (name, valid_from) = ('c3', 3)",
        (0, 0, 0),
    ),
    "a fork that is not found": (
        "UPDATE views.cell_history SET fork = 1 WHERE (name, valid_from) = ('c3', 3)",
        (0, 0, 0),
    ),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_row_is_found_and_mended(
    database: Database, recorder: PostgresRecorder, what: str
) -> None:
    """Whatever the old build holds wrong, now or of the past, is counted, named, and mended."""
    head = history(recorder)
    project(database, recorder)
    right = [shown(database, recorder, position) for position in range(1, head + 1)]
    statement, counted = PLANTED[what]
    with connect_as_login(database.url) as admin:
        assert admin.execute(statement).rowcount == 1
    with rebuild(database, recorder) as work:
        work.build()
        told = difference(database, recorder, work)
        checked = verify_build(database, recorder.ledger_id, recorder, Cells(), 2)
        assert work.switch()

    assert told.differs
    (table,) = told.tables
    assert (table.rows_added, table.rows_removed, table.rows_changed) == counted
    assert table.versions == 1
    assert table.first[0].key == (("z",) if "too many" in what else ("c3",))
    assert checked.agrees
    assert [shown(database, recorder, position) for position in range(1, head + 1)] == right
    assert verify_views(database, recorder.ledger_id, recorder, [Cells()])[0].agrees


def test_a_rebuild_that_loses_a_fact_is_caught(
    database: Database, recorder: PostgresRecorder
) -> None:
    """By the difference, by the answers sampled, and by the log folded once more."""
    head = history(recorder)
    project(database, recorder)

    class Losing:
        def __init__(self) -> None:
            self.head = recorder.head

        def stream(self, *, after: int, until: int | None = None) -> Iterator[list[object]]:
            for page in recorder.stream(after=after, until=until):
                yield [one for one in page if one.position != 31]

    with closing(Rebuild(database, recorder.ledger_id, Losing(), (Cells(),), decode)) as work:
        assert work.build() == head
        told = difference(database, recorder, work)
        checked = verify_build(database, recorder.ledger_id, recorder, Cells(), 2)

    assert told.differs
    assert {one.key for one in told.tables[0].first} == {("c3",), ("d1",)}
    assert [one.position for one in told.answers] == [
        position for position in told.sampled if 31 <= position < 38
    ]
    assert not checked.agrees
    assert checked.first_position == 24
    assert shown(database, recorder, 33)["d1"] == 31


def test_answers_are_sampled_at_positions_that_the_seed_chooses(
    database: Database, recorder: PostgresRecorder
) -> None:
    """The same seed asks the same, another one otherwise, and the present always."""
    head = history(recorder)
    project(database, recorder)
    with rebuild(database, recorder) as work:
        work.build()
        asked = [difference(database, recorder, work, seed).sampled for seed in (1, 1, 2)]
    assert asked[0] == asked[1] != asked[2]
    assert all(one[-1] == head for one in asked)


def test_appends_and_the_projector_go_on_meanwhile(
    database: Database, recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for a rebuild, no answer goes back at the switch, and no fact is lost by it."""
    monkeypatch.setattr(leading, "BATCH_EVENTS", 10)
    history(recorder, 60)
    projector = Runner(database, recorder.ledger_id, recorder, (Cells(), Totals()))
    projector.catch_up()
    with following(projector):
        for round_number in range(3):
            last = 0
            with rebuild(database, recorder, Cells(), Totals()) as work:
                for number in range(15):
                    last = record(recorder, {"live": round_number * 100 + number})
                    projector.progress.wait_for(last, PATIENCE_SECONDS)
                    if number % 5 == 0:
                        work.build()
                        assert not difference(database, recorder, work).differs
                assert work.switch()
                assert work.position >= last
                assert projector.progress.projected_position() >= last
            last = record(recorder, {"after": round_number})
            projector.progress.wait_for(last, PATIENCE_SECONDS)
            assert shown(database, recorder)["after"] == round_number
            assert shown(database, recorder)["live"] == round_number * 100 + 14
    for checked in verify_views(database, recorder.ledger_id, recorder, [Cells(), Totals()]):
        assert checked.agrees, checked
    assert [one.serving for one in builds(database, recorder.ledger_id).values()] == [
        False,
        False,
        False,
        True,
    ]


def test_a_view_that_was_never_built_is_built(
    database: Database, recorder: PostgresRecorder
) -> None:
    """There is nothing to compare with, and it serves at once."""
    history(recorder)
    with pytest.raises(ViewMissing):
        shown(database, recorder)
    with rebuild(database, recorder) as work:
        work.build()
        assert not difference(database, recorder, work).differs
        assert work.switch()
    assert shown(database, recorder)["d0"] == 40
