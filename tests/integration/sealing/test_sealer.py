"""The sealer: what it publishes is true, stays true, and keeps up; one seals, and no other.

Read next: `test_sealer_killed.py` for crashes, `test_sealer_deceived.py` for a database that was
changed, `test_log_folder_lost.py` for the other side of it.
"""

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger.database import Database, connect_as_login
from ledger.errors import LeadershipLost, LogStopped, SealerLeading
from ledger.merkle import EMPTY_ROOT, root_of
from ledger.recorder import PostgresRecorder
from ledger.sealing import sealer as sealing
from ledger.sealing.checkpoint import Checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.session import SealerSession
from ledger.sealing.tiles import TileId
from tests.recording import request
from tests.sealing import (
    DICE,
    Sealed,
    append_until,
    in_thread,
    is_sealed,
    require_consistent,
    sealing_process,
)
from tests.torturing import eventually


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
    with in_thread(sealed.another().run), in_thread(lambda stop: append_until(stop, sealed)):
        give_up_at = time.monotonic() + 7
        while time.monotonic() < give_up_at:
            if sealed.folder.latest() is not None:
                checkpoint = sealed.published()
                assert sealed.folder.tree(checkpoint.size).root() == checkpoint.root
                seen[checkpoint.size] = checkpoint

    assert len(seen) >= 5
    assert sorted(seen) == list(seen), "sizes never go back"
    require_consistent(sealed.folder, list(seen.values()))


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
            eventually(partial(is_sealed, sealed, size))
            assert time.monotonic() - recorded < 1.0


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
        in_thread(lambda stop: append_until(stop, sealed)),
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
        eventually(partial(is_sealed, sealed, reached + 1))
        note(sealed.folder)
    leaves = sealed.leaves()

    assert all(root == root_of(leaves[:size]) for size, root in found.items())
    assert sealed.stopped() is None


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
