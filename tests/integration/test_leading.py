"""One projector leads a ledger: alone, refused once it lost its lock, followed by a standby."""

import pytest

from ledger.codec import decode
from ledger.database import Database, connect_as_login
from ledger.errors import LeadershipLost, ProjectorLeading
from ledger.recorder import PostgresRecorder
from projections import runner
from projections.leading import Lead
from tests.projecting import Cells, following, record, running, shown, standing, wait_for_position


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
            wait_for_position(first, record(recorder, {"a": 1}))
        wait_for_position(second, record(recorder, {"a": 2}))
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
        wait_for_position(projector, record(recorder, {"a": 1}))
        with connect_as_login(database.url) as admin:
            (killed,) = admin.execute(KILL_LEADER).fetchone() or (False,)
            assert killed
        wait_for_position(projector, record(recorder, {"a": 2, "hidden": 1}))
    assert shown(database, recorder) == {"a": 2, "hidden": 1}
