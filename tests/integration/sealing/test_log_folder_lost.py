"""Folders of the log lost, restored or damaged: made anew from rows that agree, or refused."""

import shutil
from pathlib import Path

import pytest

from ledger.errors import BadSetting, LeadershipLost, LogStopped
from ledger.merkle import root_of
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.keys import LogKeyMissing, LogKeys
from ledger.sealing.tiles import TileId
from tests.recording import positions, request
from tests.sealing import Sealed, in_thread
from tests.torturing import eventually


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
