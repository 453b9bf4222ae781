"""What a superuser does to the database, who passes every trigger: the log's folder tells."""

import time

import pytest

from ledger.errors import LogStopped
from ledger.sealing import sealer as sealing
from tests.recording import request
from tests.sealing import Sealed, in_thread
from tests.torturing import eventually


def test_a_database_set_back_stops_sealer_and_writers(sealed: Sealed) -> None:
    """ROLLBACK names both ends, and nobody writes over it; what is there can be read."""
    sealed.grown(300)
    sealed.rewind(290)

    with pytest.raises(LogStopped, match="ROLLBACK: head 290 < checkpoint 300"):
        sealed.another().seal()
    with pytest.raises(LogStopped, match="ROLLBACK: head 290 < checkpoint 300"):
        sealed.recorder.append_one(request())
    assert sealed.recorder.head().position == 290
    assert len(sealed.recorder.read(limit=5).events) == 5
    assert sealed.published().size == 300


def test_a_rollback_is_told_from_an_edit_without_the_state(sealed: Sealed) -> None:
    """The checkpoint and the fence alone say how far the ledger reached."""
    sealed.grown(300)
    (sealed.folder.path / "state").unlink()
    sealed.rewind(290)

    with pytest.raises(LogStopped, match="ROLLBACK: head 290 < checkpoint 300"):
        sealed.another().seal()


def test_a_running_sealer_finds_a_rollback(sealed: Sealed) -> None:
    """The database is set back behind a living sealer: within seconds nothing is recorded."""
    sealed.grown(300)
    with in_thread(sealed.another().run):
        sealed.rewind(290)
        eventually(sealed.stopped)

    assert "ROLLBACK" in str(sealed.stopped())


@pytest.mark.parametrize(("size", "parted_at"), [(700, 500), (700, 0), (256, 255), (600, 599)])
def test_another_history_is_a_fork(sealed: Sealed, size: int, parted_at: int) -> None:
    """Set back and written over: the first position that differs is named, nothing is signed."""
    sealed.grown(size)
    sealed.rewind(parted_at)
    sealed.append(size - parted_at + 100)

    with pytest.raises(LogStopped, match=f"FORK at {parted_at + 1}: "):
        sealed.another().seal()
    with pytest.raises(LogStopped, match=f"FORK at {parted_at + 1}: "):
        sealed.recorder.append_one(request())
    assert sealed.published().size == size
    sealed.require_readable(sealed.published())


def test_a_running_sealer_finds_a_fork(sealed: Sealed) -> None:
    """Set back and written over between two passes of a living sealer."""
    sealed.grown(300)
    with sealed.another()._leading() as lead:
        sealed.rewind(200)
        sealed.append(400)
        with pytest.raises(LogStopped, match="FORK at 201: "):
            lead.advance()


def test_an_entry_that_is_not_its_leaf_is_edited(sealed: Sealed) -> None:
    """An entry changed before it was sealed, its leaf hash forgotten, is named and not signed."""
    sealed.grown(300)
    sealed.append(300)
    sealed.edit(433, leaf=False)

    with pytest.raises(LogStopped, match="EDITED at 433"):
        sealed.another().seal()
    assert "EDITED at 433" in str(sealed.stopped())
    assert sealed.published().size == 300


def test_a_row_that_is_gone_is_named(sealed: Sealed) -> None:
    """A row deleted before it was sealed."""
    sealed.append(300)
    with sealed.superuser() as connection:
        connection.execute("DELETE FROM ledger.event WHERE position = 77")

    with pytest.raises(LogStopped, match="EDITED at 77: the row is gone"):
        sealed.another().seal()


@pytest.mark.parametrize("position", [1, 256, 257, 650])
@pytest.mark.parametrize("leaf", [True, False])
def test_an_old_row_edited_is_found_by_the_scrub(sealed: Sealed, position: int, leaf: bool) -> None:
    """However well the edit was made, the running service finds the row and stops."""
    sealed.grown(650)
    with in_thread(sealed.another().run):
        sealed.edit(position, leaf=leaf)
        eventually(sealed.stopped)

    # A pass looks at the newest row too: it sees a fork, unless the scrub was there before it.
    cases = ("FORK", "EDITED") if leaf and position == 650 else ("EDITED",)
    case, _, rest = str(sealed.stopped()).partition(" at ")
    assert case in cases
    assert rest.startswith(f"{position}: ")


def test_a_row_put_back_and_the_log_resumed(sealed: Sealed) -> None:
    """When the row is as it was, the owner lets facts in again and the sealer goes on."""
    sealed.grown(300)
    kept = sealed.recorder.read(after=99, limit=1).events[0].entry
    sealed.edit(100, leaf=False)
    with in_thread(sealed.another().run):
        eventually(sealed.stopped)
        with sealed.superuser() as connection:
            connection.execute("UPDATE ledger.event SET entry = %s WHERE position = 100", (kept,))
            connection.execute("SELECT ledger.resume_v1(%s)", (sealed.ledger_id,))
        sealed.append(5)
        eventually(lambda: sealed.published().size == 305)

    assert sealed.stopped() is None


def test_beside_a_stopped_log_the_sealer_stands_still(sealed: Sealed) -> None:
    """Until somebody resumes it there is nothing to lead: the fence does not move."""
    sealed.grown(300)
    sealed.edit(100, leaf=False)
    with in_thread(sealed.another().run):
        eventually(sealed.stopped)
        epoch = epoch_of(sealed)
        time.sleep(2.5 * sealing.STANDBY_SECONDS)

        assert epoch_of(sealed) == epoch


def epoch_of(sealed: Sealed) -> int:
    """How often the lead was taken."""
    with sealed.superuser() as connection:
        row = connection.execute("SELECT epoch FROM ledger.seal").fetchone()
    assert row is not None
    return int(row[0])


def test_a_seal_written_by_somebody_else_is_a_fork(sealed: Sealed) -> None:
    """The fence moved by hand to another root: two records contradict each other."""
    sealed.grown(100)
    with sealed.superuser() as connection:
        connection.execute("UPDATE ledger.seal SET root = sha256('x')")

    with pytest.raises(LogStopped, match=r"FORK at or before 100: .* two roots"):
        sealed.another().seal()
