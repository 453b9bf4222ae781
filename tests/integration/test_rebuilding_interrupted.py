"""A rebuild that is alone, taken over, cancelled, stopped or killed: resumed, or gone."""

import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ledger.codec import decode
from ledger.database import Database
from ledger.entry import Event
from ledger.errors import LeadershipLost, RebuildGoing, RebuildStopped
from ledger.recorder import PostgresRecorder
from ledger.sealing import session as sealing
from projections import leading, positions
from projections.building.rebuilding import Rebuild, cancel_rebuild
from projections.building.verifying import verify_build
from tests.projecting import PATIENCE_SECONDS, Cells, Totals, record
from tests.rebuilding import builds, difference, history, project, rebuild, tables


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
