"""The sealer: what it publishes is true, stays true, and survives being killed anywhere.

The adversary is a superuser of the database, who passes every trigger; what is kept in the folder
is what tells. LEDGER_TEST_CYCLES kills a sealer more often than a usual run does.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.database import Database, connect_as_login
from ledger.errors import BadSetting, LeadershipLost, LogStopped, SealerLeading
from ledger.merkle import EMPTY_ROOT, root_of
from ledger.recorder import PostgresRecorder
from ledger.sealing import sealer as sealing
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.keys import LogKeyMissing, LogKeys
from ledger.sealing.session import SealerSession
from ledger.sealing.tiles import TileId
from tests.recording import positions, request
from tests.sealing import Sealed, in_thread, require_consistent

CYCLES = int(os.environ.get("LEDGER_TEST_CYCLES", "10"))
WAIT_SECONDS = 60.0
DICE = random.SystemRandom()


@pytest.fixture
def sealed(database: Database, recorder: PostgresRecorder, tmp_path: Path) -> Sealed:
    """A ledger with nothing in it, and its sealer."""
    return Sealed(database, recorder, tmp_path)


def eventually(ask: Callable[[], object]) -> None:
    """Wait until something is so."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not ask():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.01)


# -- growth ----------------------------------------------------------------------------------------


def test_an_empty_ledger_has_nothing_to_seal(sealed: Sealed) -> None:
    """Before the first fact there is a tree without leaves, and no file."""
    assert sealed.sealer.seal().root == EMPTY_ROOT
    assert sealed.folder.latest() is None


def test_every_checkpoint_begins_every_later_one(sealed: Sealed) -> None:
    """Whatever the batches, published trees are the rows' and grow out of each other."""
    counts = [1, 1, 253, 1, 1, 255, 256, 257, 3, 1_000]
    counts += DICE.choices(range(1, 700), k=8)
    checkpoints: list[Checkpoint] = []
    for count in counts:
        checkpoints.append(sealed.grown(count))
        assert sealed.published() == checkpoints[-1]
        sealed.require_readable(checkpoints[-1])

    assert [one.size for one in checkpoints] == [sum(counts[: n + 1]) for n in range(len(counts))]
    require_consistent(sealed.folder, checkpoints)
    sealed.require_whole()
    sealed.require_true()


def test_a_tree_of_three_levels(sealed: Sealed) -> None:
    """Beyond 65,536 entries a third level of tiles begins."""
    before = sealed.grown(65_535)
    after = sealed.grown(400)

    assert (sealed.folder.path / TileId(1, 0).path()).exists()
    assert (sealed.folder.path / TileId(2, 0, 1).path()).exists()
    require_consistent(sealed.folder, [before, after])
    sealed.require_true()


def test_partial_tiles_go_when_the_full_one_is_there(sealed: Sealed) -> None:
    """A log that grew one by one keeps the partial tiles of its right edge alone."""
    for _ in range(8):
        sealed.grown(40)

    assert not (sealed.folder.path / "tile/0/000.p").exists()
    assert not (sealed.folder.path / "tile/entries/000.p").exists()
    assert {one.name for one in (sealed.folder.path / "tile/0/001.p").iterdir()} == {"24", "64"}


def test_a_sealer_far_behind_signs_as_it_goes(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No pass is endless: a long log is sealed in several checkpoints."""
    monkeypatch.setattr(sealing, "PASS_ROWS_MAX", 300)
    seen: list[int] = []
    publish = LogFolder.publish

    def noting(self: LogFolder, note: str, *rest: Any) -> None:
        publish(self, note, *rest)
        seen.append(sealed.published(self).size)

    monkeypatch.setattr(LogFolder, "publish", noting)
    sealed.grown(1_000)

    assert seen == [300, 600, 900, 1_000]
    sealed.require_true()


def test_readers_find_all_that_a_checkpoint_covers(sealed: Sealed) -> None:
    """While the log grows, whoever fetches the newest checkpoint can compute its root at once."""
    seen: dict[int, Checkpoint] = {}
    with in_thread(sealed.another().run), in_thread(lambda stop: _append_until(stop, sealed)):
        give_up_at = time.monotonic() + 7
        while time.monotonic() < give_up_at:
            if sealed.folder.latest() is not None:
                checkpoint = sealed.published()
                assert sealed.folder.tree(checkpoint.size).root() == checkpoint.root
                seen[checkpoint.size] = checkpoint

    assert len(seen) >= 5
    assert sorted(seen) == list(seen), "sizes never go back"
    require_consistent(sealed.folder, list(seen.values()))


def _reaches(sealed: Sealed, size: int) -> bool:
    return sealed.folder.latest() is not None and sealed.published().size >= size


def _append_until(
    stopping: threading.Event, sealed: Sealed, *, pause_seconds: float = 0.05
) -> None:
    while not stopping.wait(pause_seconds):
        sealed.append(DICE.randrange(1, 400))


def test_a_simulated_ledger_is_sealed_too(
    database: Database, simulated_recorder: PostgresRecorder, tmp_path: Path
) -> None:
    """Told times change nothing: entries are bytes."""
    sealed = Sealed(database, simulated_recorder, tmp_path)
    told = [request(recorded_at=one) for one in _instants(300)]
    simulated_recorder.append(told)

    assert sealed.sealer.seal().size == 300
    sealed.require_true()


def _instants(count: int) -> Iterator[Any]:
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415  (here alone)

    began = datetime(2026, 1, 1, tzinfo=UTC)
    return (began + timedelta(minutes=n) for n in range(count))


def test_a_running_sealer_is_less_than_a_second_behind(sealed: Sealed) -> None:
    """A fact is under a checkpoint within the promised second."""
    with in_thread(sealed.another().run):
        sealed.append(1)
        eventually(lambda: sealed.folder.latest() is not None)
        for size in range(2, 7):
            sealed.append(1)
            recorded = time.monotonic()
            eventually(partial(_reaches, sealed, size))
            assert time.monotonic() - recorded < 1.0


# -- killed anywhere -------------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone."""


STEPS = [
    (LogFolder, "write_tiles", "before"),
    (LogFolder, "write_tiles", "after"),
    (SealerSession, "fence", "before"),
    (SealerSession, "fence", "after"),
    (LogFolder, "save_state", "before"),
    (LogFolder, "save_state", "after"),
    (LogFolder, "publish", "before"),
    (LogFolder, "publish", "after"),
    (LogFolder, "remove_partials", "after"),
]


@contextmanager
def killed_at(owner: type, name: str, when: str) -> Iterator[None]:
    """Whoever comes to this step is gone, before it or after it."""
    real = getattr(owner, name)

    def ends(*given: Any) -> None:
        if when == "after":
            real(*given)
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, ends)
        with pytest.raises(Killed):
            yield


@pytest.mark.parametrize(("owner", "name", "when"), STEPS)
@pytest.mark.parametrize("before", [0, 300, 512])
def test_killed_between_two_steps_the_next_sealer_does_the_rest(
    sealed: Sealed, owner: type, name: str, when: str, before: int
) -> None:
    """At every step of a pass: what is published stays true, and the log goes on."""
    checkpoints = [sealed.grown(before)] if before else []
    sealed.append(300)
    with killed_at(owner, name, when):
        sealed.sealer.seal()
    if sealed.folder.latest() is not None:
        checkpoints.append(sealed.published())
        sealed.require_readable(checkpoints[-1])
    sealed.require_whole()

    sealed.append(7)
    checkpoints.append(sealed.another().seal())

    assert checkpoints[-1].size == before + 307
    require_consistent(sealed.folder, checkpoints)
    sealed.require_true()


def test_what_was_fenced_is_what_is_signed(sealed: Sealed) -> None:
    """Rows edited between the fence and the signature, while no sealer lives, are not signed."""
    sealed.grown(100)
    sealed.append(50)
    with killed_at(SealerSession, "fence", "after"):
        sealed.sealer.seal()
    sealed.edit(120, leaf=True)

    with pytest.raises(LogStopped, match="FORK at 120"):
        sealed.another().seal()
    assert sealed.published().size == 100


def test_a_state_ahead_of_the_checkpoint_is_published(sealed: Sealed) -> None:
    """Killed before the signature, with nothing new recorded since: the next one signs it."""
    sealed.grown(100)
    sealed.append(1)
    with killed_at(LogFolder, "publish", "before"):
        sealed.sealer.seal()
    assert sealed.published().size == 100

    assert sealed.another().seal().size == 101
    assert sealed.published().size == 101


@contextmanager
def sealing_process(sealed: Sealed, home: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A sealer in a process of its own."""
    arguments = [sealed.database.url, str(sealed.ledger_id), str(home or sealed.home)]
    with subprocess.Popen([sys.executable, "-m", "tests.sealing", *arguments]) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()


def test_a_process_killed_at_any_instant_leaves_a_true_log(sealed: Sealed) -> None:
    """Killed over and over while facts are recorded: no half file, no checkpoint taken back."""
    seen: dict[int, Checkpoint] = {}
    with in_thread(lambda stop: _append_until(stop, sealed, pause_seconds=0.2)):
        for _ in range(CYCLES):
            with sealing_process(sealed) as process:
                before = max(seen, default=0)
                eventually(partial(_reaches, sealed, before + 1))
                time.sleep(DICE.uniform(0, 0.5))
                process.kill()
                process.wait()
            sealed.require_whole()
            checkpoint = sealed.published()
            sealed.require_readable(checkpoint)
            state = sealed.folder.state()
            assert state is not None
            assert state.size >= checkpoint.size >= before
            seen[checkpoint.size] = checkpoint
    sealed.sealer.seal()

    require_consistent(sealed.folder, list(seen.values()))
    sealed.require_true()


# -- two sealers -----------------------------------------------------------------------------------


def test_one_sealer_a_folder(sealed: Sealed) -> None:
    """A second one stands by, and takes over when the first ends."""
    sealed.append(10)
    with sealed.sealer._leading(), pytest.raises(SealerLeading):
        sealed.another().seal()

    assert sealed.another().seal().size == 10


def test_one_sealer_a_ledger(sealed: Sealed, tmp_path: Path) -> None:
    """A second one that writes elsewhere, on another machine, stands by too."""
    sealed.append(10)
    elsewhere = LogFolder(tmp_path / "elsewhere")
    with sealed.sealer._leading(), pytest.raises(SealerLeading):
        sealed.another(elsewhere).seal()

    assert sealed.another(elsewhere).seal().size == 10


def test_a_sealer_that_was_overtaken_signs_nothing(sealed: Sealed, tmp_path: Path) -> None:
    """Its lock lost unnoticed in the middle of a pass, a sealer is refused at the fence."""
    sealed.grown(10)
    elsewhere = LogFolder(tmp_path / "elsewhere")
    with sealed.sealer._leading() as sleeping:
        sealed.append(10)
        sleeping._grow(20)
        with connect_as_login(sealed.database.url) as connection:
            connection.execute("SELECT ledger.lead_seal_v1(%s)", (sealed.ledger_id,))
        with pytest.raises(LeadershipLost):
            sleeping._seal()
        with pytest.raises(LeadershipLost):
            sleeping.advance()
    assert sealed.published().size == 10
    assert sealed.stopped() is None

    sealed.append(10)
    assert sealed.another(elsewhere).seal().size == 30
    assert sealed.another().seal().size == 30


@pytest.mark.parametrize("pause", range(4))
def test_a_paused_sealer_wakes_up_fenced(sealed: Sealed, tmp_path: Path, pause: int) -> None:
    """Stopped at any instant, its connection ended, and woken when another leads: no two roots."""
    other = tmp_path / "other-host"
    shutil.copytree(sealed.home / "keys", other / "keys")
    elsewhere = LogFolder(other / "log" / "main")
    found: dict[int, bytes] = {}

    def note(folder: LogFolder) -> None:
        if folder.latest() is not None:
            checkpoint = sealed.published(folder)
            assert found.setdefault(checkpoint.size, checkpoint.root) == checkpoint.root

    with (
        in_thread(lambda stop: _append_until(stop, sealed)),
        sealing_process(sealed) as sleeping,
    ):
        eventually(lambda: sealed.folder.latest() is not None)
        time.sleep(DICE.uniform(0.2, 0.9) + pause / 10)
        sleeping.send_signal(signal.SIGSTOP)
        note(sealed.folder)
        before = sealed.published().size
        sealed.disconnect_sealer()
        with sealing_process(sealed, other) as awake:
            eventually(lambda: elsewhere.latest() is not None)
            eventually(lambda: sealed.published(elsewhere).size > before + 100)
            sleeping.send_signal(signal.SIGCONT)
            for _ in range(20):
                note(sealed.folder)
                note(elsewhere)
                time.sleep(0.05)
            awake.kill()
        # With nobody in its way it leads again, and finds its own tree within the other's.
        reached = sealed.published(elsewhere).size
        eventually(partial(_reaches, sealed, reached + 1))
        note(sealed.folder)
    leaves = sealed.leaves()

    assert all(root == root_of(leaves[:size]) for size, root in found.items())
    assert sealed.stopped() is None


# -- what a superuser does -------------------------------------------------------------------------


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


# -- folders that were lost, restored, or damaged --------------------------------------------------


def test_an_emptied_folder_is_made_anew_from_rows_that_agree(sealed: Sealed) -> None:
    """With the fence's root found in the rows, every file comes back as it was."""
    sealed.grown(600)
    before = {
        one: one.read_bytes() for one in sealed.folder.path.rglob("tile/**/*") if one.is_file()
    }
    checkpoint = sealed.published()
    shutil.rmtree(sealed.folder.path)

    assert sealed.another().seal() == checkpoint
    assert all(path.read_bytes() == content for path, content in before.items())
    sealed.require_true()


@pytest.mark.parametrize("edited", [1, 599])
def test_an_emptied_folder_is_not_made_from_edited_rows(sealed: Sealed, edited: int) -> None:
    """Whoever empties the folder and edits a row cannot have it signed: the fence knows."""
    sealed.grown(600)
    shutil.rmtree(sealed.folder.path)
    sealed.edit(edited, leaf=True)
    sealed.append(100)

    with pytest.raises(LogStopped, match="FORK at or before 600"):
        sealed.another().seal()
    assert sealed.folder.latest() is None


def test_a_folder_from_an_old_backup_goes_on(sealed: Sealed, tmp_path: Path) -> None:
    """Rows that lead from the old tree to the fence's root are sealed again, to the byte."""
    sealed.grown(300)
    shutil.copytree(sealed.folder.path, tmp_path / "backup")
    latest = sealed.grown(500)
    shutil.rmtree(sealed.folder.path)
    shutil.copytree(tmp_path / "backup", sealed.folder.path)

    assert sealed.another().seal() == latest
    sealed.require_true()


@pytest.mark.parametrize("edited", [300, 301, 800])
def test_a_folder_from_an_old_backup_does_not_hide_an_edit(
    sealed: Sealed, tmp_path: Path, edited: int
) -> None:
    """Rows edited since the backup do not give the fence's root."""
    sealed.grown(300)
    shutil.copytree(sealed.folder.path, tmp_path / "backup")
    sealed.grown(500)
    shutil.rmtree(sealed.folder.path)
    shutil.copytree(tmp_path / "backup", sealed.folder.path)
    sealed.edit(edited, leaf=True)

    with pytest.raises(LogStopped, match="FORK at"):
        sealed.another().seal()
    assert sealed.published().size == 300


def test_a_database_without_a_seal_is_compared_with_the_folder(sealed: Sealed) -> None:
    """Restored from the log, or from a dump without the fence: all rows are hashed once."""
    sealed.grown(600)
    _forget_seal(sealed)
    sealed.append(10)

    assert sealed.another().seal().size == 610
    sealed.require_true()


def test_a_database_without_a_seal_and_with_an_edit_is_a_fork(sealed: Sealed) -> None:
    """An edit in the middle, which the last row does not show, is found before any signature."""
    sealed.grown(600)
    _forget_seal(sealed)
    sealed.edit(400, leaf=True)

    with pytest.raises(LogStopped, match="FORK at"):
        sealed.another().seal()


def _forget_seal(sealed: Sealed) -> None:
    with sealed.superuser() as connection:
        connection.execute("UPDATE ledger.seal SET size = 0, root = NULL, sealed_at = NULL")


def test_a_lost_state_is_not_begun_anew(sealed: Sealed) -> None:
    """Without its state the folder's checkpoint and the fence still bind the sealer."""
    sealed.grown(600)
    (sealed.folder.path / "state").unlink()
    _forget_seal(sealed)
    sealed.edit(5, leaf=True)

    with pytest.raises(LogStopped, match="FORK at"):
        sealed.another().seal()


def test_a_damaged_tile_is_made_anew(sealed: Sealed) -> None:
    """A tile that does not lead to the signed root is to blame, not the row; it is repaired."""
    sealed.grown(700)
    tile = sealed.folder.path / TileId(0, 1).path()
    good = tile.read_bytes()
    tile.write_bytes(good[:320] + b"x" * 32 + good[352:])
    with in_thread(sealed.another().run):
        eventually(lambda: tile.read_bytes() == good)

    assert sealed.stopped() is None


def test_lost_partial_tiles_are_made_anew(sealed: Sealed) -> None:
    """A folder copied without its newest files is completed from rows that agree."""
    sealed.grown(700)
    shutil.rmtree(sealed.folder.path / "tile/0/002.p")
    shutil.rmtree(sealed.folder.path / "tile/entries/002.p")

    sealed.append(1)
    assert sealed.another().seal().size == 701
    sealed.require_true()


def test_another_logs_folder_is_refused(sealed: Sealed) -> None:
    """A wrong LEDGER_LOG_DIR is a mistake and no fork: nothing is stopped, nothing written."""
    sealed.append(10)
    foreign = LogKeys(sealed.home / "keys", "foreign")
    foreign.ensure("example.com/ledger/foreign", sealed_before=False)
    checkpoint = Checkpoint(foreign.origin, 5, root_of(sealed.leaves()[:5]))
    sealed.folder.publish(sign_checkpoint(checkpoint, foreign.signing()), foreign.verifiers())

    with pytest.raises(BadSetting, match=r"holds the log of example\.com/ledger/foreign"):
        sealed.another().seal()
    assert sealed.stopped() is None


def test_without_its_key_nothing_is_sealed(sealed: Sealed) -> None:
    """A sealer whose key is gone leaves the fence and the folder as they are."""
    sealed.grown(10)
    sealed.append(10)
    sealed.keys.path.unlink()

    with pytest.raises(LogKeyMissing):
        sealed.another().seal()
    assert sealed.folder.state() is not None
    assert positions(sealed.recorder.append_one(request())) == [21]


def test_a_newer_checkpoint_in_the_folder_is_not_overwritten(sealed: Sealed) -> None:
    """On a folder that two machines share without locks, the checkpoint never goes back."""
    sealed.grown(10)
    sealed.append(5)
    with sealed.sealer._leading() as slow:
        slow._grow(15)
        newer = Checkpoint(sealed.keys.origin, 20, root_of([b"x" * 32]))
        sealed.folder.publish(
            sign_checkpoint(newer, sealed.keys.signing()), sealed.keys.verifiers()
        )
        with pytest.raises(LeadershipLost, match="published checkpoint 20"):
            slow._seal()
    assert sealed.published().size == 20


def test_a_sealer_outlives_its_connection(sealed: Sealed) -> None:
    """The server ends the session: the sealer leads anew and goes on."""
    with in_thread(sealed.another().run):
        sealed.append(10)
        eventually(lambda: sealed.folder.latest() is not None)
        sealed.disconnect_sealer()
        sealed.append(10)
        eventually(lambda: sealed.published().size == 20)


def test_the_database_refuses_to_take_a_seal_back(sealed: Sealed) -> None:
    """A smaller size, or another root of the same size, is refused by the fence itself."""
    checkpoint = sealed.grown(10)
    with closing(SealerSession(sealed.database, sealed.ledger_id)) as session:
        session.fence(10, checkpoint.root)
        for size, root in ((9, checkpoint.root), (10, b"x" * 32)):
            with pytest.raises(LogStopped, match="two roots"):
                session.fence(size, root)
    with (
        connect_as_login(sealed.database.url) as connection,
        pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState),
    ):
        connection.execute("DELETE FROM ledger.seal")
