"""The switch from one build to another: for leaders, readers, other ledgers and new versions."""

from datetime import timedelta

import pytest

from ledger.codec import decode
from ledger.database import Database, Role, connect_as_login
from ledger.entry import Event
from ledger.errors import LeadershipLost
from ledger.recorder import PostgresRecorder
from projections.building import rebuilding
from projections.building.rebuilding import drop_retired
from projections.leading import Lead
from projections.runner import Runner
from projections.tables import Rows
from projections.time_travel import Reader
from tests.projecting import CELL, TOTAL, Cell, Cells, following, record, shown, values
from tests.rebuilding import builds, difference, history, project, rebuild, tables


def test_a_leader_that_began_before_the_switch_is_refused(
    database: Database, recorder: PostgresRecorder
) -> None:
    """It saves nothing more, neither into the old build nor into the new one."""
    history(recorder)
    lead = Lead(database, recorder.ledger_id, recorder, (Cells(),), decode)
    lead.catch_up()
    with rebuild(database, recorder) as work:
        work.switch()
    record(recorder, {"late": 1})
    with pytest.raises(LeadershipLost):
        lead.catch_up()
    lead.close()
    assert "late" not in shown(database, recorder)
    project(database, recorder)
    assert shown(database, recorder)["late"] == 1


def test_the_switch_waits_for_a_save_and_folds_what_it_saved(
    database: Database, recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded and projected between build and switch is in the new build too."""
    history(recorder)
    project(database, recorder)
    stand_still = rebuilding._stand_still
    with rebuild(database, recorder) as work:

        def just_before(*arguments: object) -> int:
            record(recorder, {"between": 1})
            project(database, recorder)
            return stand_still(*arguments)

        monkeypatch.setattr(rebuilding, "_stand_still", just_before)
        work.switch()
    assert shown(database, recorder)["between"] == 1
    assert builds(database, recorder.ledger_id)[2].position == 41


EVERY_VALUE_WRONG = """
UPDATE views.cell SET body = replace(body::text, '"value":', '"value":9')::json
"""


def test_a_reader_that_pages_keeps_its_build(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Pages that began before a switch end as they began; the next reader has the new build."""
    head = history(recorder)
    project(database, recorder)
    with connect_as_login(database.url) as admin:
        admin.execute(EVERY_VALUE_WRONG)
    wrong = shown(database, recorder)
    with database.pooled(Role.READER) as connection:
        reader = Reader(connection, recorder.ledger_id, head)
        paged = reader.find(CELL, limit=3)
        with rebuild(database, recorder) as work:
            work.switch()
        record(recorder, {"c1": 5000})
        project(database, recorder)
        while page := reader.find(CELL, limit=3, beyond=(paged[-1].name,)):
            paged += page
        assert {row.name: row.value for row in paged} == wrong
        assert values(connection, recorder.ledger_id, head) != wrong


def test_a_replaced_build_goes_after_its_time_and_never_while_it_is_read(
    database: Database, recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kept for as long as told, at least a minute; a transaction that reads it keeps it too."""
    history(recorder)
    project(database, recorder)
    with rebuild(database, recorder) as work:
        work.switch()
    assert drop_retired(database, recorder.ledger_id, timedelta(hours=1)) == []
    assert drop_retired(database, recorder.ledger_id, timedelta(0)) == []
    assert "cell" in tables(database)

    monkeypatch.setattr(rebuilding, "KEPT_MIN", timedelta(0))
    with database.pooled(Role.READER) as connection, connection.transaction():
        connection.execute("SELECT count(*) FROM views.cell_history")
        (left,) = drop_retired(database, recorder.ledger_id, timedelta(0))
        assert left.still_read
        assert "cell" in tables(database)
    (gone,) = drop_retired(database, recorder.ledger_id, timedelta(0))
    assert (gone.name, gone.generation, gone.still_read) == ("cells", 1, False)
    assert not tables(database) & {"cell", "cell_history"}
    assert {"cell_g2", "cell_g2_history"} <= tables(database)
    assert shown(database, recorder)["d0"] == 40


def test_ledgers_rebuild_by_themselves(
    database: Database,
    recorder: PostgresRecorder,
    simulated_recorder: PostgresRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another ledger keeps its build, and its rows when the tables' other owner has left them."""
    history(recorder)
    project(database, recorder)
    with rebuild(database, recorder) as work:
        work.switch()
    project(database, simulated_recorder)
    assert [*builds(database, simulated_recorder.ledger_id)] == [2]
    with rebuild(database, simulated_recorder) as work:
        work.build()
        assert [*builds(database, simulated_recorder.ledger_id)] == [2, 3]
    with rebuild(database, recorder) as work:
        work.switch()
        assert [*builds(database, recorder.ledger_id)] == [1, 2, 4]
    monkeypatch.setattr(rebuilding, "KEPT_MIN", timedelta(0))
    drop_retired(database, recorder.ledger_id, timedelta(0))
    assert [*builds(database, recorder.ledger_id)] == [4]
    assert {"cell", "cell_g2", "cell_g3", "cell_g4"} & tables(database) == {
        "cell_g2",
        "cell_g3",
        "cell_g4",
    }
    assert [one.serving for one in builds(database, simulated_recorder.ledger_id).values()] == [
        True,
        False,
    ]


class Wider(Cells):
    """A later version: every cell's value is doubled, and there is a table more."""

    def __init__(self) -> None:
        super().__init__(version=2)
        self.tables = (CELL, TOTAL)

    def fold(self, event: Event, rows: Rows) -> None:
        """Twice as much."""
        super().fold(event, rows)
        for name in event.fact.content:  # type: ignore[attr-defined]
            row = rows.get(CELL, name)
            if row is not None:
                rows.put(CELL, Cell(row.name, row.unit, row.value * 2, row.note))


def test_a_new_version_is_rebuilt_and_switched_where_nobody_leads(
    database: Database, recorder: PostgresRecorder
) -> None:
    """What differs is shown, and needs no word: another version is meant to differ."""
    history(recorder)
    project(database, recorder)
    with rebuild(database, recorder, Wider()) as work:
        work.build()
        told = difference(database, recorder, work)
        assert work.switch()
    assert told.differs
    assert not told.same_version
    assert [(one.table, one.compared) for one in told.tables] == [("cell", True), ("total", False)]
    assert told.tables[0].rows_changed == 12
    assert shown(database, recorder)["d0"] == 80
    project(database, recorder, Wider())
    assert builds(database, recorder.ledger_id)[2].serving


def test_a_new_version_waits_for_its_program_where_another_leads(
    database: Database, recorder: PostgresRecorder
) -> None:
    """A projector of the old version would take its own build back; the new one's lets it serve."""
    history(recorder)
    projector = Runner(database, recorder.ledger_id, recorder, (Cells(),))
    projector.catch_up()
    with following(projector):
        with rebuild(database, recorder, Wider()) as work:
            work.build()
            assert not work.switch()
        assert builds(database, recorder.ledger_id)[1].serving
    record(recorder, {"d0": 50})
    assert project(database, recorder, Wider()) == 41
    assert builds(database, recorder.ledger_id)[2].serving
    assert shown(database, recorder)["d0"] == 100


def test_a_projector_leaves_what_is_being_rebuilt_alone(
    database: Database, recorder: PostgresRecorder
) -> None:
    """One that starts with the new version builds its own; what ends last serves."""
    head = history(recorder)
    project(database, recorder)
    with rebuild(database, recorder, Wider()) as work:
        work.build()
        assert project(database, recorder, Wider()) == head
        found = builds(database, recorder.ledger_id)
        assert [one.serving for one in found.values()] == [False, False, True]
        assert found[2].rebuilding
        assert not difference(database, recorder, work).differs
        assert work.switch()
    found = builds(database, recorder.ledger_id)
    assert [one.serving for one in found.values()] == [False, True, False]
    record(recorder, {"d0": 50})
    assert project(database, recorder, Wider()) == head + 1
    assert shown(database, recorder)["d0"] == 100
