"""Rebuilding beside serving: built, compared, switched; interrupted, resumed, cancelled."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.codec import decode
from ledger.database import Database, Role, connect_as_login
from ledger.entry import Event
from ledger.errors import LeadershipLost, RebuildGoing, RebuildStopped, ViewMissing
from ledger.recorder import PostgresRecorder
from ledger.sealing import session as sealing
from projections import leading, positions
from projections.building import rebuilding
from projections.building.build_difference import BuildDifference, build_difference
from projections.building.rebuilding import Rebuild, cancel_rebuild, drop_retired
from projections.building.verifying import verify_build, verify_views
from projections.leading import Lead
from projections.positions import Standing, standings
from projections.runner import Runner
from projections.tables import Projection, Rows
from projections.time_travel import Reader
from tests.projecting import CELL, TOTAL, Cell, Cells, Totals, record, values

PATIENCE_SECONDS = 20.0


def rebuild(
    database: Database, recorder: PostgresRecorder, *projections: Projection
) -> closing[Rebuild]:
    """A rebuild of projections (the cells) of the recorder's ledger."""
    return closing(
        Rebuild(database, recorder.ledger_id, recorder, projections or (Cells(),), decode)
    )


def project(database: Database, recorder: PostgresRecorder, *projections: Projection) -> int:
    """Everything recorded so far, folded for those who ask."""
    return Runner(database, recorder.ledger_id, recorder, projections or (Cells(),)).catch_up()


def builds(database: Database, ledger_id: int, name: str = "cells") -> dict[int, Standing]:
    """Every build of a projection, by generation."""
    with database.pooled(Role.READER) as connection:
        found = standings(connection, ledger_id)
    return {one.generation: one for one in found if one.name == name}


def shown(
    database: Database, recorder: PostgresRecorder, position: int | None = None
) -> dict[str, int]:
    """The cells as of a position."""
    with database.pooled(Role.READER) as connection:
        return values(connection, recorder.ledger_id, position)


def difference(
    database: Database, recorder: PostgresRecorder, work: Rebuild, seed: int = 1
) -> BuildDifference:
    """What the first view rebuilt says otherwise."""
    with database.pooled(Role.READER) as connection:
        return build_difference(connection, recorder.ledger_id, work.builds()[0], seed)


def history(recorder: PostgresRecorder, count: int = 40) -> int:
    """Facts that add, change and remove cells; the last position."""
    return record(
        recorder,
        *({f"c{n % 7}": None if n % 11 == 0 else n, f"d{n % 5}": n} for n in range(1, count + 1)),
    )


@contextmanager
def following(projector: Runner) -> Iterator[None]:
    """The projector at work in a thread, after it has caught up."""
    projector.catch_up()
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        yield
    finally:
        projector.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'views'::regnamespace AND relkind = 'r'
"""


def tables(database: Database) -> set[str]:
    """The tables of views that there are."""
    with connect_as_login(database.url) as admin:
        return {name for (name,) in admin.execute(TABLES)}


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


def test_only_one_rebuilds(database: Database, recorder: PostgresRecorder) -> None:
    """A second one is turned away, and so is who would drop what is being built."""
    history(recorder)
    project(database, recorder)
    with rebuild(database, recorder):
        with pytest.raises(RebuildGoing), rebuild(database, recorder):
            pass
        with pytest.raises(RebuildGoing):
            cancel_rebuild(database, recorder.ledger_id, ["cells"])
        project(database, recorder)
    with rebuild(database, recorder) as work:
        work.switch()


def test_no_two_leaders_share_a_lock() -> None:
    """Projecting, rebuilding and sealing a ledger are led by different ones at the same time."""
    assert len({positions._PROJECTOR_LOCK, positions._REBUILD_LOCK, sealing.LOCK}) == 3


def test_a_rebuild_that_was_taken_over_writes_nothing(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Whoever was paused and lost the lock unnoticed is refused by the epoch."""
    history(recorder)
    project(database, recorder)
    with rebuild(database, recorder) as paused:
        paused._connection.execute("SELECT pg_advisory_unlock_all()")
        with rebuild(database, recorder) as winner:
            with pytest.raises(LeadershipLost):
                paused.build()
            winner.build()
            assert not difference(database, recorder, winner).differs


def test_a_cancelled_rebuild_leaves_nothing(database: Database, recorder: PostgresRecorder) -> None:
    """Its tables and its row are gone, and the old build answers as before."""
    history(recorder)
    project(database, recorder, Cells(), Totals())
    before = tables(database)
    with rebuild(database, recorder, Cells(), Totals()) as work:
        work.build()
        assert tables(database) > before
    assert [
        (one.name, one.generation)
        for one in cancel_rebuild(database, recorder.ledger_id, ["cells", "totals"])
    ] == [("cells", 2), ("totals", 2)]
    assert tables(database) == before
    assert [*builds(database, recorder.ledger_id)] == [1]
    assert cancel_rebuild(database, recorder.ledger_id, ["cells"]) == []


def test_a_rebuild_goes_on_where_it_was(
    database: Database, recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was saved is not folded again, whoever projects in between."""
    monkeypatch.setattr(leading, "BATCH_EVENTS", 10)
    history(recorder)
    project(database, recorder)
    decoded: list[int] = []

    def interrupted(entry: bytes) -> Event:
        event = decode(entry)
        decoded.append(event.position)
        if decoded.count(25) == 1 and event.position == 25:
            raise KeyboardInterrupt
        return event

    place = (database, recorder.ledger_id, recorder, (Cells(),), interrupted)
    with pytest.raises(KeyboardInterrupt), closing(Rebuild(*place)) as work:
        work.build()
    half = builds(database, recorder.ledger_id)[2]
    assert half.rebuilding
    assert half.position in {10, 20}
    assert builds(database, recorder.ledger_id)[1].serving
    record(recorder, {"more": 1})
    # A projector that starts meanwhile leaves the half-built one alone.
    project(database, recorder)
    assert builds(database, recorder.ledger_id)[2].position == half.position
    decoded.clear()
    decoded.append(25)
    with closing(Rebuild(*place)) as work:
        assert work.build() == 41
        assert not difference(database, recorder, work).differs
    assert decoded[1:] == [*range(half.position + 1, 42)]


KILLED = """
import sys, time
from ledger.codec import decode
from ledger.database import Database
from ledger.recorder import PostgresRecorder
from projections import leading
from projections.building.rebuilding import Rebuild
from tests.projecting import Cells
leading.BATCH_EVENTS = 10
database = Database(sys.argv[1])
recorder = PostgresRecorder(database, int(sys.argv[2]))
work = Rebuild(database, recorder.ledger_id, recorder, (Cells(),), decode)
save = work._save
def slowly(steps):
    save(steps)
    print(steps[0].after, flush=True)
    time.sleep(0.05)
work._save = slowly
work.build()
"""


def test_a_killed_rebuild_is_resumed(database: Database, recorder: PostgresRecorder) -> None:
    """After kill -9 the next rebuild goes on from the saved position, and nothing is wrong."""
    history(recorder, 200)
    project(database, recorder)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, database.url, str(recorder.ledger_id)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 100:
                process.send_signal(signal.SIGKILL)
                break
    _wait_until_alone(database, recorder)
    half = builds(database, recorder.ledger_id)[2]
    assert 100 <= half.position < 200
    with rebuild(database, recorder) as work:
        assert work.position == half.position
        work.build()
        assert not difference(database, recorder, work).differs
        assert verify_build(database, recorder.ledger_id, recorder, Cells(), 2).agrees
        assert work.switch()


def _wait_until_alone(database: Database, recorder: PostgresRecorder) -> None:
    """A killed process's session ends a moment later."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            cancel_rebuild(database, recorder.ledger_id, ["nothing"])
        except RebuildGoing:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_a_fact_that_cannot_be_folded_stops_the_rebuild(
    database: Database, recorder: PostgresRecorder
) -> None:
    """It is named, and nothing is switched."""
    record(recorder, {"a": 1}, {"boom": 1}, {"a": 2})
    project(database, recorder)
    with (
        rebuild(database, recorder) as work,
        pytest.raises(RebuildStopped, match=r"stopped before position 2: report\.submitted"),
    ):
        work.switch()
    assert builds(database, recorder.ledger_id)[1].serving


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
    with following(Runner(database, recorder.ledger_id, recorder, (Cells(),))):
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
