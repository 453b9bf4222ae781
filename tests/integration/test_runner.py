"""The projector: catching up, following, leading alone, stopping at what cannot be folded."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ledger.codec import decode
from ledger.database import Database, Role, connect_as_login
from ledger.entry import Event
from ledger.errors import (
    FoldChanged,
    LeadershipLost,
    ProjectorLeading,
    ShapeChanged,
    ViewBehind,
    ViewMissing,
    ViewStopped,
)
from ledger.recorder import PostgresRecorder
from projections import leading, positions, runner, saving
from projections.building import fingerprints
from projections.building.builds import require_same_folds
from projections.building.fingerprints import fingerprint_of, register
from projections.leading import Lead
from projections.positions import Standing, standings
from projections.runner import Runner
from projections.tables import Projection, Rows, Table
from projections.time_travel import Reader
from tests.projecting import CELL, TOTAL, Cell, Cells, Total, Totals, record, values

PATIENCE_SECONDS = 20.0


def running(
    database: Database,
    recorder: PostgresRecorder,
    *projections: Projection,
    decoding: Callable[[bytes], Event] = decode,
) -> Runner:
    """A projector of the recorder's ledger."""
    return Runner(
        database, recorder.ledger_id, recorder, projections or (Cells(),), decode=decoding
    )


@contextmanager
def following(projector: Runner) -> Iterator[None]:
    """The projector at work in a thread."""
    thread = threading.Thread(target=projector.run)
    thread.start()
    try:
        yield
    finally:
        projector.stop()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()


def standing(database: Database, ledger_id: int, name: str) -> Standing:
    """Where the named projection's latest build stands."""
    with database.pooled(Role.READER) as connection:
        return [one for one in standings(connection, ledger_id) if one.name == name][-1]


def shown(
    database: Database, recorder: PostgresRecorder, position: int | None = None
) -> dict[str, int]:
    """The cells as of a position."""
    with database.pooled(Role.READER) as connection:
        return values(connection, recorder.ledger_id, position)


def test_catches_up_from_where_it_was(database: Database, recorder: PostgresRecorder) -> None:
    """Each start goes on from the saved position and folds no fact twice."""
    folded: list[int] = []
    cells = Cells(after=lambda event: folded.append(event.position))
    record(recorder, {"a": 1}, {"a": 2, "b": 1})
    assert running(database, recorder, cells).catch_up() == 2
    record(recorder, {"b": None})
    assert running(database, recorder, cells).catch_up() == 3

    assert folded == [1, 2, 3]
    assert shown(database, recorder) == {"a": 2}
    assert shown(database, recorder, 2) == {"a": 2, "b": 1}
    assert standing(database, recorder.ledger_id, "cells").position == 3


def test_an_empty_ledger_is_caught_up_with(database: Database, recorder: PostgresRecorder) -> None:
    """Nothing recorded is nothing to fold."""
    assert running(database, recorder).catch_up() == 0
    assert shown(database, recorder) == {}


def test_follows_and_says_how_far_it_is(database: Database, recorder: PostgresRecorder) -> None:
    """A reader that waits for its own write sees it."""
    projector = running(database, recorder)
    with following(projector):
        for number in range(1, 6):
            _wait(projector, record(recorder, {"a": number}))
            assert shown(database, recorder) == {"a": number}
        assert projector.progress.projected_position(["cells"]) == 5


def _wait(projector: Runner, position: int) -> None:
    """Wait also for the projector to have enrolled its projections."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return projector.progress.wait_for(position, PATIENCE_SECONDS)
        except ViewMissing:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_waiting_ends(database: Database, recorder: PostgresRecorder) -> None:
    """Who waits for what does not come is told so in time, and who asks for no view at once."""
    projector = running(database, recorder)
    with pytest.raises(ViewMissing):
        projector.progress.wait_for(1, PATIENCE_SECONDS)
    projector.catch_up()
    began = time.monotonic()
    with pytest.raises(ViewBehind, match="stands at 0, not yet at 1"):
        projector.progress.wait_for(1, 0.1)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    with pytest.raises(ViewMissing, match="nonsense"):
        projector.progress.wait_for(0, 0.1, ["nonsense"])


def test_many_wait_with_few_questions(database: Database, recorder: PostgresRecorder) -> None:
    """Those who wait at the same time share what one of them asks."""
    projector = running(database, recorder)
    projector.catch_up()
    asked = 0
    ask = projector.progress.standings

    def counting() -> list[Standing]:
        nonlocal asked
        asked += 1
        return ask()

    projector.progress.standings = counting  # type: ignore[method-assign]
    record(recorder, {"a": 1})
    waiting = [
        threading.Thread(target=projector.progress.wait_for, args=(1, PATIENCE_SECONDS))
        for _ in range(40)
    ]
    began = time.monotonic()
    for thread in waiting:
        thread.start()
    time.sleep(0.3)
    asked_meanwhile, seconds = asked, time.monotonic() - began
    projector.catch_up()
    for thread in waiting:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()

    assert asked_meanwhile <= seconds / positions._POLL_SHARED_SECONDS + 1


def test_facts_are_decoded_once_for_all(database: Database, recorder: PostgresRecorder) -> None:
    """Projections that stand together share one scan."""
    decoded: list[bytes] = []

    def counting(entry: bytes) -> Event:
        decoded.append(entry)
        return decode(entry)

    record(recorder, *({"a": number} for number in range(25)))
    running(database, recorder, Cells(), Totals(), decoding=counting).catch_up()

    assert len(decoded) == 25
    with database.pooled(Role.READER) as connection:
        reader = Reader(connection, recorder.ledger_id)
        assert reader.get(TOTAL, "U1") == Total("U1", 25)
        assert reader.get(CELL, "a") == Cell("a", "U1", 24)


def test_a_new_projection_catches_up_alone_and_joins(
    database: Database, recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it does, the others stay served."""
    monkeypatch.setattr(leading, "BATCH_EVENTS", 10)
    order: list[tuple[str, int]] = []
    cells = Cells(after=lambda event: order.append(("cells", event.position)))
    record(recorder, *({"a": number} for number in range(30)))
    running(database, recorder, cells).catch_up()
    record(recorder, *({"a": number} for number in range(30, 35)))

    class Late(Totals):
        def fold(self, event: Event, rows: Rows) -> None:
            order.append(("late", event.position))
            super().fold(event, rows)

    assert running(database, recorder, cells, Late()).catch_up() == 35
    assert [one for one in order if one[0] == "cells"] == [("cells", n) for n in range(1, 36)]
    assert [one for one in order if one[0] == "late"] == [("late", n) for n in range(1, 36)]
    # The new facts were folded for the old view before the new view had seen half of the past.
    assert order.index(("cells", 35)) < order.index(("late", 21))


@pytest.fixture
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch has 7 facts in slices of 3, is copied, and leaves few rows in memory."""
    monkeypatch.setattr(leading, "BATCH_EVENTS", 7)
    monkeypatch.setattr(leading, "SLICE_EVENTS", 3)
    monkeypatch.setattr(leading, "ROWS_KEPT_MAX", 5)
    monkeypatch.setattr(saving, "_UPDATES_ONE_BY_ONE", 1)


@pytest.mark.usefixtures("in_small_parts")
def test_rows_survive_every_boundary(database: Database, recorder: PostgresRecorder) -> None:
    """Batches, slices, forgotten rows and restarts change nothing."""
    contents = [
        {f"{'hidden' if number % 3 else 'cell'}{number % 23}": None if number % 11 == 0 else number}
        for number in range(300)
    ]
    expected: dict[str, int] = {}
    for part in range(0, 300, 100):
        record(recorder, *contents[part : part + 100])
        running(database, recorder).catch_up()
        for content in contents[part : part + 100]:
            for name, value in content.items():
                expected.pop(name, None)
                if value is not None:
                    expected[name] = value
        assert shown(database, recorder) == expected


def test_only_one_leads(database: Database, recorder: PostgresRecorder) -> None:
    """A second projector is turned away while the first lives, and leads when it has gone."""
    record(recorder, {"a": 1})
    lead = Lead(database, recorder.ledger_id, recorder, (Cells(),), decode)
    with pytest.raises(ProjectorLeading):
        running(database, recorder).catch_up()
    lead.close()

    assert running(database, recorder).catch_up() == 1


def test_another_ledger_has_another_leader(
    database: Database, recorder: PostgresRecorder, simulated_recorder: PostgresRecorder
) -> None:
    """Ledgers share tables, not leaders and not rows."""
    record(recorder, {"a": 1})
    lead = Lead(database, recorder.ledger_id, recorder, (Cells(),), decode)
    assert running(database, simulated_recorder).catch_up() == 0
    lead.catch_up()
    lead.close()

    assert shown(database, recorder) == {"a": 1}
    assert shown(database, simulated_recorder) == {}


def test_a_leader_that_lost_its_lock_is_refused(
    database: Database, recorder: PostgresRecorder
) -> None:
    """A projector that was paused while another took over writes nothing when it wakes."""
    record(recorder, {"a": 1})
    paused = Lead(database, recorder.ledger_id, recorder, (Cells(),), decode)
    stored = recorder.read().events
    paused._connection.execute("SELECT pg_advisory_unlock_all()")
    winner = Lead(database, recorder.ledger_id, recorder, (Cells(),), decode)

    paused.advance(stored)
    with pytest.raises(LeadershipLost):
        paused.finish()
    assert shown(database, recorder) == {}
    assert winner.catch_up() == 1
    paused._foldings[0].begin(1)
    record(recorder, {"a": 2})
    with pytest.raises(LeadershipLost):
        paused.catch_up()
    winner.close()
    paused.close()
    assert shown(database, recorder) == {"a": 1}
    assert standing(database, recorder.ledger_id, "cells").position == 1


def test_a_batch_is_saved_once(database: Database, recorder: PostgresRecorder) -> None:
    """A save that starts from a position which is no longer the saved one is refused."""
    record(recorder, {"a": 1})
    with closing(Lead(database, recorder.ledger_id, recorder, (Cells(),), decode)) as lead:
        stored = recorder.read().events
        lead.advance(stored)
        lead.finish()
        lead._foldings[0].begin(0)
        lead.advance(stored)
        with pytest.raises(LeadershipLost):
            lead.finish()


def test_two_leaders_at_once_write_each_fact_once(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Saves that overlap are told apart by the position row, not by luck."""
    record(recorder, {"a": 1})
    first = Lead(database, recorder.ledger_id, recorder, (Cells(),), decode)
    stored = recorder.read().events
    first._connection.execute("SELECT pg_advisory_unlock_all()")
    with connect_as_login(database.url) as blocker, blocker.transaction():
        blocker.execute("SELECT FROM ledger.projection FOR UPDATE")
        first.advance(stored)
        assert first._saving is not None
        assert not first._saving.done.done()
        blocker.execute("UPDATE ledger.projection SET epoch = epoch + 1")
    with pytest.raises(LeadershipLost):
        first.finish()
    first.close()
    assert shown(database, recorder) == {}


def test_a_standby_takes_over(
    database: Database, recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the leader stops, another that runs goes on."""
    monkeypatch.setattr(runner, "STANDBY_SECONDS", 0.05)
    first, second = running(database, recorder), running(database, recorder)
    with following(second):
        with following(first):
            _wait(first, record(recorder, {"a": 1}))
        _wait(second, record(recorder, {"a": 2}))
    assert shown(database, recorder) == {"a": 2}


KILL_LEADER = """
SELECT pg_terminate_backend(pid)
FROM pg_locks
WHERE locktype = 'advisory'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def test_a_lost_connection_is_made_again(
    database: Database, recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A projector whose sessions were killed goes on from the saved position."""
    monkeypatch.setattr(runner, "STANDBY_SECONDS", 0.05)
    projector = running(database, recorder)
    with following(projector):
        _wait(projector, record(recorder, {"a": 1}))
        with connect_as_login(database.url) as admin:
            (killed,) = admin.execute(KILL_LEADER).fetchone() or (False,)
            assert killed
        _wait(projector, record(recorder, {"a": 2, "hidden": 1}))
    assert shown(database, recorder) == {"a": 2, "hidden": 1}


def test_a_fold_that_fails_stops_alone(database: Database, recorder: PostgresRecorder) -> None:
    """Its view says where and why and still answers for the past; the others go on."""
    record(recorder, {"a": 1}, {"a": 2}, {"a": 3, "boom": 1}, {"a": 4})
    running(database, recorder, Cells(), Totals()).catch_up()

    stopped = standing(database, recorder.ledger_id, "cells")
    assert (stopped.position, stopped.stopped_at) == (2, 3)
    assert stopped.stopped_reason is not None
    assert stopped.stopped_reason.startswith("report.submitted ")
    assert "RuntimeError: this fact cannot be folded" in stopped.stopped_reason
    assert standing(database, recorder.ledger_id, "totals").position == 4
    assert shown(database, recorder, 2) == {"a": 2}
    assert shown(database, recorder, 1) == {"a": 1}
    with pytest.raises(ViewStopped, match="stopped before position 3"):
        shown(database, recorder, 3)
    with database.pooled(Role.READER) as connection:
        assert Reader(connection, recorder.ledger_id).position == 4


@pytest.fixture
def alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Enters projections of one name and version into a register of folds, as alike."""

    def enter(*projections: Projection) -> None:
        prints = ", ".join(f'"{fingerprint_of(one)}"' for one in projections)
        file = tmp_path / "folds.toml"
        name, version = projections[0].name, projections[0].version
        file.write_text(f"[{name}]\nversion = {version}\nalike = [{prints}]\n")
        monkeypatch.setattr(fingerprints, "REGISTER", file)
        register.cache_clear()

    yield enter
    register.cache_clear()


def test_mended_code_resumes(
    database: Database, recorder: PostgresRecorder, alike: Callable[..., None]
) -> None:
    """A stopped projection tries again at the next start, from where it stopped."""

    class Mended(Cells):
        def fold(self, event: Event, rows: Rows) -> None:
            if event.position != 2:
                super().fold(event, rows)

    record(recorder, {"a": 1}, {"boom": 1}, {"a": 3})
    running(database, recorder).catch_up()
    alike(Cells(), Mended())
    assert running(database, recorder, Mended()).catch_up() == 3
    assert shown(database, recorder) == {"a": 3}
    assert standing(database, recorder.ledger_id, "cells").stopped_at is None


def test_a_mended_view_takes_nobody_back(
    database: Database,
    recorder: PostgresRecorder,
    alike: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it catches up, now stays where the other views are; then it counts again."""
    monkeypatch.setattr(leading, "BATCH_EVENTS", 3)
    seen: list[tuple[int, int]] = []

    class Mended(Cells):
        def fold(self, event: Event, rows: Rows) -> None:
            if event.position != 2:
                super().fold(event, rows)

    def looking(entry: bytes) -> Event:
        with database.pooled(Role.READER) as connection:
            now = Reader(connection, recorder.ledger_id).position
        seen.append((now, standing(database, recorder.ledger_id, "cells").position))
        return decode(entry)

    head = record(recorder, {"a": 1}, {"boom": 1}, *({"a": number} for number in range(20)))
    running(database, recorder, Cells(), Totals()).catch_up()
    alike(Cells(), Mended())
    running(database, recorder, Mended(), Totals(), decoding=looking).catch_up()

    assert {now for now, _ in seen} == {head}
    assert len({position for _, position in seen}) > 3
    assert standing(database, recorder.ledger_id, "cells").stopped_at is None
    assert shown(database, recorder) == {"a": 19}


@pytest.mark.parametrize("alone", [True, False])
def test_a_row_that_cannot_be_written_is_found(
    database: Database, recorder: PostgresRecorder, *, alone: bool
) -> None:
    """PostgreSQL's refusal of a batch stops one projection, at the very fact that caused it."""
    record(recorder, *({f"c{number}": number} for number in range(20)))
    record(recorder, {"c1": 100}, {"huge": 2**63 - 1, "c2": -(2**63) - 1}, {"c1": 102})
    running(database, recorder, Cells(), *(() if alone else (Totals(),))).catch_up()

    stopped = standing(database, recorder.ledger_id, "cells")
    assert (stopped.position, stopped.stopped_at) == (21, 22)
    assert shown(database, recorder, 21)["c1"] == 100
    assert "huge" not in shown(database, recorder, 21)
    if not alone:
        assert standing(database, recorder.ledger_id, "totals").position == 23


@pytest.mark.parametrize("known", [True, False])
def test_a_key_that_cannot_be_looked_up_leaves_no_half_fact(
    database: Database, recorder: PostgresRecorder, *, known: bool
) -> None:
    """A fact is folded whole or not at all, whether its rows were in memory or not."""
    record(recorder, {"a": 1})
    if not known:
        running(database, recorder).catch_up()
    record(recorder, {"a": 2, "hidden\0": 1}, {"a": 3})
    running(database, recorder).catch_up()

    stopped = standing(database, recorder.ledger_id, "cells")
    assert (stopped.position, stopped.stopped_at) == (1, 2)
    assert shown(database, recorder, 1) == {"a": 1}


@pytest.mark.usefixtures("in_small_parts")
def test_what_was_folded_on_unwritten_rows_is_folded_anew(
    database: Database, recorder: PostgresRecorder
) -> None:
    """The batch after one that could not be written stood on rows that are not there."""
    record(recorder, *({"a": number, f"c{number}": number} for number in range(10)))
    record(recorder, {"huge": 2**63})
    record(recorder, *({"a": number} for number in range(20, 40)))
    running(database, recorder, Cells(), Totals()).catch_up()

    assert standing(database, recorder.ledger_id, "cells").position == 10
    assert shown(database, recorder, 10)["a"] == 9
    with database.pooled(Role.READER) as connection:
        reader = Reader(connection, recorder.ledger_id, 31)
        assert reader.get(TOTAL, "U1") == Total("U1", 41)
        assert len(reader.versions(TOTAL, "U1")) == 31


def test_a_changed_shape_needs_a_new_version(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Rows of another shape do not mix with those that are stored."""
    record(recorder, {"a": 1})
    running(database, recorder).catch_up()
    narrower = Table("cell", Cell, key=("name",))
    with pytest.raises(ShapeChanged, match="raise its version"):
        running(database, recorder, Cells(cell=narrower)).catch_up()


def test_a_changed_fold_needs_a_new_version(
    database: Database,
    recorder: PostgresRecorder,
    simulated_recorder: PostgresRecorder,
    alike: Callable[..., None],
) -> None:
    """Rows of two folds do not mix, in no ledger; what folds alike goes on, a new version too."""

    class Otherwise(Cells):
        def fold(self, event: Event, rows: Rows) -> None:
            super().fold(event, rows)
            rows.put(CELL, Cell("last", "U1", event.position))

    record(recorder, {"a": 1})
    running(database, recorder).catch_up()
    for one in (recorder, simulated_recorder):
        with pytest.raises(FoldChanged, match="projection cells folds otherwise than version 1"):
            running(database, one, Otherwise()).catch_up()
    with pytest.raises(FoldChanged, match="raise its version"):
        require_same_folds(database, [Totals(), Otherwise()])
    require_same_folds(database, [Totals(), Cells(), Otherwise(version=2)])
    assert shown(database, recorder) == {"a": 1}
    assert running(database, recorder).catch_up() == 1

    assert running(database, recorder, Otherwise(version=2)).catch_up() == 1
    assert shown(database, recorder) == {"a": 1, "last": 1}
    alike(Cells(), Otherwise())
    require_same_folds(database, [Otherwise()])


UNTOLD = "UPDATE ledger.projection SET fingerprint = NULL, shape = '' RETURNING fingerprint"


def test_a_build_from_before_there_were_fingerprints_is_told_its_own(
    database: Database, recorder: PostgresRecorder
) -> None:
    """The first projector that goes on with it says which fold and shape it has."""

    class Otherwise(Cells):
        def fold(self, event: Event, rows: Rows) -> None:
            del event, rows

    running(database, recorder).catch_up()
    with connect_as_login(database.url) as admin:
        admin.execute(UNTOLD)
    running(database, recorder).catch_up()
    with pytest.raises(FoldChanged):
        running(database, recorder, Otherwise()).catch_up()
    with pytest.raises(ShapeChanged):
        running(database, recorder, Cells(cell=Table("cell", Cell, key=("name",)))).catch_up()


def test_a_new_version_is_built_beside_and_then_serves(
    database: Database, recorder: PostgresRecorder, simulated_recorder: PostgresRecorder
) -> None:
    """Until the new build has caught up the old one answers, and who began with it keeps it."""
    record(recorder, {"a": 1}, {"a": 2})
    running(database, recorder).catch_up()
    narrower = Table("cell", Cell, key=("name",), indexed=((),))
    with database.pooled(Role.READER) as connection:
        old = Reader(connection, recorder.ledger_id)
        stopped = running(database, recorder, Cells(version=2, cell=narrower))
        stopped.stop()
        stopped.catch_up()
        assert shown(database, recorder) == {"a": 2}
        assert standing(database, recorder.ledger_id, "cells").position == 0

        running(database, recorder, Cells(version=2, cell=narrower)).catch_up()
        assert old.count(CELL, {"unit": "U1"}) == 1
        latest = standing(database, recorder.ledger_id, "cells")
        assert (latest.version, latest.generation, latest.serving) == (2, 2, True)
        assert values(connection, recorder.ledger_id, 1, narrower) == {"a": 1}
        # A ledger that begins later has the same tables for the same version.
        running(database, simulated_recorder, Cells(version=2, cell=narrower)).catch_up()
        assert standing(database, simulated_recorder.ledger_id, "cells").generation == 2


def test_a_new_view_of_an_old_ledger_serves_when_it_has_caught_up(
    database: Database, recorder: PostgresRecorder
) -> None:
    """What every view has reached never goes back because a view was added."""
    record(recorder, {"a": 1}, {"a": 2})
    running(database, recorder).catch_up()
    stopped = running(database, recorder, Cells(), Totals())
    stopped.stop()
    stopped.catch_up()

    assert shown(database, recorder) == {"a": 2}
    assert stopped.progress.projected_position() == 2
    with database.pooled(Role.READER) as connection:
        with pytest.raises(ViewBehind, match="is being built and stands at 0"):
            Reader(connection, recorder.ledger_id).get(TOTAL, "U1")
        running(database, recorder, Cells(), Totals()).catch_up()
        assert Reader(connection, recorder.ledger_id).get(TOTAL, "U1") == Total("U1", 2)


def test_the_reader_may_read_and_only_the_projector_write(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Views are written by no other role."""
    record(recorder, {"a": 1})
    running(database, recorder).catch_up()
    for role in (Role.READER, Role.WRITER):
        with connect_as_login(database.url) as connection:
            connection.execute(f"SET ROLE {role}")
            with pytest.raises(Exception, match="permission denied"):
                connection.execute("UPDATE views.cell SET value = 0")
            with pytest.raises(Exception, match="permission denied"):
                connection.execute("UPDATE ledger.projection SET position = 0")
