"""`ledger.verify`: a sound log is accepted, and no more is read than was asked for.

Every kind of damage, in every kind of source, is found at the right position: read next
`test_damaged_database.py`, `test_damaged_folder.py`, `test_checkpoints.py`,
`test_damaged_export.py`, `test_personal_values.py`.
"""

import shutil
from pathlib import Path

import pytest

from ledger.verifying import spreading, stretches
from tests.damaging import SIZE, bundle, flip, kept, of_database, of_folder
from tests.sealing import Sealed


def test_a_sound_log_is_accepted(sealed: Sealed) -> None:
    """Database and folder: everything read, the signed root reached, nothing wrong."""
    for report in (of_folder(sealed), of_database(sealed)):
        assert report.faults == []
        assert (report.size, report.entries_read) == (SIZE, SIZE)
        assert report.root == sealed.published().root.hex()


def test_a_sound_log_is_accepted_by_several_processes(sealed: Sealed) -> None:
    """The same answer however the work is spread."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stretches, "STRETCH_TILES", 1)
        patched.setattr(spreading, "ALONE_MAX", 1)
        for report in (of_folder(sealed, processes=2), of_database(sealed, processes=2)):
            assert report.faults == []
            assert report.root == sealed.published().root.hex()


def test_only_what_is_new_is_read(sealed: Sealed, tmp_path: Path) -> None:
    """Since a kept checkpoint: earlier entries are not read, and the checkpoint is proven."""
    for report in (
        of_folder(sealed, since=kept(tmp_path / "kept")),
        of_database(sealed, since=kept(tmp_path / "kept")),
    ):
        assert report.faults == []
        assert (report.first_position, report.entries_read) == (257, SIZE - 256)
        assert report.root == sealed.published().root.hex()
        assert report.kept[0].consistent


def test_what_is_old_is_proven_by_hashes(sealed: Sealed, tmp_path: Path) -> None:
    """An old bundle that was changed is not read; an old hash that was is found."""
    bundle(sealed.folder.path, 0, lambda entries: entries.pop(), 256)
    assert of_folder(sealed, since=kept(tmp_path / "kept")).faults == []
    flip(sealed.folder.path, "tile/1/000.p/2", 3)
    assert of_folder(sealed, since=kept(tmp_path / "kept")).faults


def test_a_request_with_a_key_may_begin_before(sealed: Sealed) -> None:
    """The entries of one request lie on both sides of the position: its key is still in order."""
    assert of_database(sealed, first_position=513).faults == []


def test_hashes_alone_may_be_checked(sealed: Sealed) -> None:
    """Without the entries, tiles and root are checked, and the report says what was not."""
    shutil.rmtree(sealed.folder.path / "tile" / "entries")
    report = of_folder(sealed, tiles_only=True)

    assert report.faults == []
    assert any("ENTRIES NOT READ" in note for note in report.notes)
    flip(sealed.folder.path, "tile/0/001", 5)
    assert of_folder(sealed, tiles_only=True).faults
