"""A writer that meets a database behind or beside what was sealed records nothing and says why.

What tells is the folder outside the database, or what the writer itself has answered for.
"""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg import errors

from ledger.database import Database, Role, connect_as_login
from ledger.errors import Conflict, Invalid, LedgerError, LogStopped, OutcomeUnknown
from ledger.founding import found_ledger
from ledger.merkle import root_of
from ledger.recorder import PostgresRecorder
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.folder import LogFolder, State
from ledger.sealing.guard import Guard, resume
from ledger.sealing.keys import LogKeys
from ledger.sealing.tiles import TileId
from tests.recording import new_event, positions, request
from tests.sealing import Sealed


@pytest.fixture
def sealed(database: Database, recorder: PostgresRecorder, tmp_path: Path) -> Sealed:
    """A ledger with 300 sealed facts."""
    sealed = Sealed(database, recorder, tmp_path)
    sealed.grown(300)
    return sealed


@contextmanager
def guarded(sealed: Sealed) -> Iterator[PostgresRecorder]:
    """A recorder as a service opens it."""
    guard = Guard(LogFolder(sealed.folder.path), LogKeys(sealed.home / "keys", "main"))
    recorder = PostgresRecorder(sealed.database, sealed.ledger_id, guard)
    yield recorder
    recorder.close()


def require_stopped_after_loss(recorder: PostgresRecorder, match: str) -> None:
    """Who was on the lost connection cannot know its outcome; from then on nothing is recorded."""
    with pytest.raises((OutcomeUnknown, LogStopped), match=match):
        recorder.append_one(request())
    require_stopped(recorder, match)


def require_stopped(recorder: PostgresRecorder, match: str) -> None:
    """Nothing is recorded, however often somebody tries; reading goes on."""
    head = recorder.head().position
    for _ in range(2):
        with pytest.raises(LogStopped, match=match):
            recorder.append_one(request())
        assert [type(one) for one in recorder.append([request(), request()])] == [LogStopped] * 2
    assert recorder.head().position == head
    assert recorder.read(limit=1).events


# -- at the start ----------------------------------------------------------------------------------


def test_a_ledger_as_it_was_sealed_is_written_to(sealed: Sealed) -> None:
    """At the checkpoint, and beyond it, there is nothing to refuse."""
    with guarded(sealed) as first:
        assert positions(first.append_one(request())) == [301]
    with guarded(sealed) as second:
        assert positions(second.append_one(request())) == [302]


def test_without_a_folder_there_is_nothing_to_compare(sealed: Sealed) -> None:
    """A ledger that was never sealed here is written to."""
    shutil.rmtree(sealed.folder.path)
    with guarded(sealed) as recorder:
        assert positions(recorder.append_one(request())) == [301]


@pytest.mark.parametrize("head", [0, 1, 299])
def test_a_ledger_behind_its_checkpoint_is_not_written_to(sealed: Sealed, head: int) -> None:
    """ROLLBACK, with both ends."""
    sealed.rewind(head)
    with guarded(sealed) as recorder, pytest.raises(LogStopped, match=f"ROLLBACK: head {head} < "):
        recorder.append_one(request())
    assert sealed.recorder.head().position == head


@pytest.mark.parametrize("parted_at", [0, 255, 256, 299])
def test_a_ledger_beside_its_checkpoint_is_not_written_to(sealed: Sealed, parted_at: int) -> None:
    """FORK, with the first position that differs."""
    sealed.rewind(parted_at)
    sealed.append(400)
    with guarded(sealed) as recorder:
        require_stopped(recorder, f"FORK at {parted_at + 1}: ")


def test_what_was_sealed_and_not_yet_published_counts(sealed: Sealed) -> None:
    """The folder's state may be ahead of its checkpoint by one interrupted pass."""
    note = sealed.folder.latest()
    assert note is not None
    sealed.grown(10)
    (sealed.folder.path / "checkpoint").write_text(note, encoding="utf-8")
    sealed.rewind(305)
    with guarded(sealed) as recorder:
        require_stopped(recorder, "ROLLBACK: head 305 < checkpoint 310")


def test_a_forged_checkpoint_is_not_believed(sealed: Sealed) -> None:
    """A checkpoint that another key signed, under the log's own name, stops the writer."""
    forger = LogKeys(sealed.home / "forger", "main")
    forger.ensure(sealed.keys.origin, sealed_before=False)
    checkpoint = Checkpoint(forger.origin, 5, root_of(sealed.leaves()[:5]))
    sealed.folder.save_state(State(0, ()))
    sealed.folder.publish(sign_checkpoint(checkpoint, forger.signing()), [])
    with guarded(sealed) as recorder:
        require_stopped(recorder, "is not this log's")


def test_without_the_keys_the_checkpoint_is_compared_all_the_same(sealed: Sealed) -> None:
    """A service that does not hold the keys sees a rollback too."""
    sealed.keys.path.unlink()
    sealed.rewind(200)
    with guarded(sealed) as recorder:
        require_stopped(recorder, "ROLLBACK: head 200 < checkpoint 300")


def test_tiles_that_are_gone_stop_the_writer(sealed: Sealed) -> None:
    """A checkpoint that nothing can be compared with is no reason to write."""
    shutil.rmtree(sealed.folder.path / "tile")
    with guarded(sealed) as recorder:
        require_stopped(recorder, "cannot be read")


def test_a_folder_that_cannot_be_read_stops_the_writer(sealed: Sealed) -> None:
    """What is no file of a log is an error that is told, and the writer lives on."""
    (sealed.folder.path / "checkpoint").unlink()
    (sealed.folder.path / "checkpoint").mkdir()
    with guarded(sealed) as recorder:
        require_stopped(recorder, "cannot be read")
        (sealed.folder.path / "checkpoint").rmdir()
        assert positions(recorder.append_one(request())) == [301]


def test_put_right_it_is_written_to_again(sealed: Sealed) -> None:
    """Every attempt looks anew, so that the service need not be started again."""
    kept = (sealed.folder.path / TileId(0, 1, 44).path()).read_bytes()
    (sealed.folder.path / TileId(0, 1, 44).path()).unlink()
    with guarded(sealed) as recorder:
        require_stopped(recorder, "cannot be read")
        (sealed.folder.path / TileId(0, 1, 44).path()).write_bytes(kept)
        assert positions(recorder.append_one(request())) == [301]


def test_a_sealed_ledger_is_not_founded_anew(sealed: Sealed) -> None:
    """A new database beside an old log: its first fact is refused."""
    guard = Guard(sealed.folder, sealed.keys)
    with pytest.raises(LogStopped, match="ROLLBACK: head 0 < checkpoint 300"):
        found_ledger(sealed.database, "again", simulated=False, now=datetime.now(UTC), guard=guard)


# -- after a lost connection -----------------------------------------------------------------------


def test_a_writer_that_reconnects_looks_again(sealed: Sealed) -> None:
    """The server crashed and came back with less than was sealed: the next write is refused."""
    with guarded(sealed) as recorder:
        recorder.append_one(request())
        sealed.rewind(250)
        sealed.disconnect()
        require_stopped_after_loss(recorder, "ROLLBACK: head 250 < ")


def test_a_writer_knows_what_it_has_answered_for(sealed: Sealed) -> None:
    """Facts acknowledged after the last checkpoint are lost: only the writer can tell, and does."""
    sealed.recorder.append([request() for _ in range(7)])
    sealed.rewind(303)
    sealed.disconnect()

    require_stopped_after_loss(
        sealed.recorder, "ROLLBACK: head 303 < position 307; the database was set"
    )


def test_a_writer_knows_which_fact_it_has_answered_for(sealed: Sealed) -> None:
    """Somebody else's facts stand where its own stood: the head alone would not tell."""
    sealed.recorder.append([request() for _ in range(7)])
    sealed.rewind(303)
    other = PostgresRecorder(sealed.database, sealed.ledger_id)
    other.append([request() for _ in range(20)])
    other.close()
    sealed.disconnect()

    require_stopped_after_loss(sealed.recorder, "FORK at or before 307: the database holds")


def test_a_writer_goes_on_after_a_crash_that_lost_nothing(sealed: Sealed) -> None:
    """A new session that finds everything as it was left writes on."""
    with guarded(sealed) as recorder:
        for position in range(301, 306):
            assert positions(recorder.append_one(request())) == [position]
            sealed.disconnect()


def test_refused_requests_are_not_remembered_as_answered(sealed: Sealed) -> None:
    """A batch of refusals alone moves nothing."""
    known = new_event()
    sealed.recorder.append_one(request(known))
    outcome = sealed.recorder.append([request(known), request(new_event(), recorded_at=None)])
    assert isinstance(outcome[0], LedgerError)
    sealed.recorder.append([request(known)])
    sealed.disconnect()

    assert positions(sealed.recorder.append_one(request())) == [303]


HELD = """
CREATE FUNCTION hold_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(77);
    RETURN NULL;
END $$;
CREATE TRIGGER hold_back AFTER INSERT ON ledger.event FOR EACH ROW
    WHEN (NEW.type = 'frozen') EXECUTE FUNCTION hold_back();
"""
IN_FLIGHT = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%append_v1%'
"""
IN_LINE = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%pg_advisory_lock%'
"""


def test_answers_in_flight_are_told_the_truth(sealed: Sealed) -> None:
    """Set back while a call is on its way: that caller's outcome is unknown, others are refused."""
    recorder, url = sealed.recorder, sealed.database.url
    with (
        connect_as_login(url) as connection,
        connect_as_login(url) as first_in_line,
        ThreadPoolExecutor(10) as pool,
    ):
        connection.execute(HELD)
        connection.execute("SELECT pg_advisory_lock(77)")
        recorder.append_one(request())
        session = recorder._writer._session
        assert session is not None
        flying = pool.submit(recorder.append_one, request(new_event("frozen")))
        while not (found := connection.execute(IN_FLIGHT).fetchone()):
            time.sleep(0.01)
        waiting = [pool.submit(recorder.append_one, request()) for _ in range(8)]
        # Whoever succeeds a lost session waits for its fence: here, until the database is set back.
        fence = pool.submit(first_in_line.execute, "SELECT pg_advisory_lock(%s)", (session.fence,))
        while not connection.execute(IN_LINE).fetchone():
            time.sleep(0.01)
        # The head row is locked until this ends, so the server process goes first.
        connection.execute("SELECT pg_terminate_backend(%s)", found)
        fence.result()
        sealed.rewind(300)
        first_in_line.execute("SELECT pg_advisory_unlock(%s)", (session.fence,))
        connection.execute("SELECT pg_advisory_unlock(77)")
        outcomes = [type(one.exception()) for one in [flying, *waiting]]

    assert outcomes[0] is OutcomeUnknown
    assert set(outcomes[1:]) == {LogStopped}
    assert recorder.head().position == 300


# -- stopped in the database -----------------------------------------------------------------------


def stop(sealed: Sealed, reason: str) -> None:
    """As the sealer does it."""
    with sealed.database.connect(Role.SEALER) as connection:
        connection.execute("SELECT ledger.stop_v1(%s, %s)", (sealed.ledger_id, reason))


def test_a_stopped_ledger_takes_no_writes(sealed: Sealed) -> None:
    """Every open session of every process is told the first reason; reads go on."""
    sealed.recorder.append_one(request(key="k"))
    with guarded(sealed) as other:
        other.append_one(request())
        stop(sealed, "ROLLBACK: for the test")
        stop(sealed, "another reason")
        require_stopped(sealed.recorder, "^ROLLBACK: for the test$")
        require_stopped(other, "^ROLLBACK: for the test$")
    assert sealed.recorder.lookup_key("somebody", "k") is not None


def test_one_ledger_stopped_does_not_stop_another(
    sealed: Sealed, simulated_recorder: PostgresRecorder
) -> None:
    """What was found in one ledger concerns no other in the same database."""
    stop(sealed, "stopped")
    told = request(recorded_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert positions(simulated_recorder.append_one(told)) == [1]


def test_neighbours_of_a_refused_request_learn_the_reason_too(sealed: Sealed) -> None:
    """In one batch of a stopped ledger nobody is told that the entry was at fault."""
    stop(sealed, "stopped")
    outcomes = sealed.recorder.append([request() for _ in range(20)])

    assert not any(isinstance(one, Invalid) for one in outcomes)
    assert {str(one) for one in outcomes} == {"stopped"}


def test_only_the_owner_resumes(sealed: Sealed) -> None:
    """No role of the service can let facts in again, nor touch the reason."""
    stop(sealed, "stopped")
    for role in (Role.WRITER, Role.SEALER, Role.PROJECTOR, Role.READER):
        with sealed.database.connect(role) as connection:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute("SELECT ledger.resume_v1(%s)", (sealed.ledger_id,))
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute("UPDATE ledger.head SET stopped = NULL")
    with sealed.database.connect(Role.WRITER) as connection:
        for call in ("lead_seal_v1(1)", "seal_v1(1, 1, 1, '')", "stop_v1(1, 'x')"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(f"SELECT ledger.{call}".encode())


def test_resuming_looks_first(sealed: Sealed) -> None:
    """While the database is behind the checkpoint it stays stopped; put right, it goes on."""
    guard = Guard(sealed.folder, sealed.keys)
    stop(sealed, "stopped for a reason")
    told: list[str] = []

    def resumed() -> str | None:
        return resume(sealed.database, sealed.ledger_id, guard, told.append)

    with connect_as_login(sealed.database.url) as connection:
        connection.execute("UPDATE ledger.head SET position = 299")
        with pytest.raises(LogStopped, match="ROLLBACK: head 299 < checkpoint 300"):
            resumed()
        assert sealed.stopped() == "stopped for a reason"
        connection.execute("UPDATE ledger.head SET position = 300")

    assert resumed() == "stopped for a reason"
    assert resumed() is None
    assert told == ["stopped for a reason"], "once, when facts may be recorded"
    assert positions(sealed.recorder.append_one(request())) == [301]


def test_a_log_whose_resumption_is_not_recorded_stays_stopped(sealed: Sealed) -> None:
    """Nobody goes on in silence: without the fact the log stands as it did."""
    stop(sealed, "stopped for a reason")

    def refuse(reason: str) -> None:
        assert sealed.stopped() is None, "so that the fact can be recorded"
        raise Conflict(reason)

    with pytest.raises(Conflict):
        resume(sealed.database, sealed.ledger_id, Guard(sealed.folder, sealed.keys), refuse)

    assert sealed.stopped() == "stopped for a reason"
