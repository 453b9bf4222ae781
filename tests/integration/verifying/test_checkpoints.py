"""Checkpoints that are wrong, foreign, older or forked are told from those that may be trusted."""

import shutil
from pathlib import Path

import pytest

from ledger.database import connect_as_login
from ledger.merkle import leaf_hash
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.note import SigningKey, sign_note
from ledger.verify import Trust
from tests.damaging import SIZE, kept, of_database, of_folder
from tests.sealing import ORIGIN, Sealed


def replace_checkpoint(sealed: Sealed, note: str) -> None:
    """Publish another checkpoint."""
    (sealed.folder.path / "checkpoint").write_text(note)


def test_a_wrong_root_is_found(sealed: Sealed) -> None:
    """Signed by the right key, but of other entries."""
    forged = Checkpoint(ORIGIN, SIZE, leaf_hash(b"other"))
    replace_checkpoint(sealed, sign_checkpoint(forged, sealed.keys.signing()))

    for report in (of_folder(sealed), of_database(sealed)):
        assert any(
            "these are not the entries that were signed" in one.what for one in report.faults
        )


@pytest.mark.parametrize("origin", ["example.com/other", ORIGIN])
def test_a_checkpoint_of_another_log_is_found(sealed: Sealed, origin: str) -> None:
    """Another log's name, or another key under this log's name."""
    root = bytes.fromhex(of_folder(sealed).root or "")
    other = SigningKey.generate(origin)
    replace_checkpoint(sealed, sign_checkpoint(Checkpoint(origin, SIZE, root), [other]))

    for report in (of_folder(sealed), of_database(sealed)):
        assert report.first is not None
        assert any("No key that you trust" in one.what for one in report.faults)


def test_another_origin_under_the_right_key_is_found(sealed: Sealed) -> None:
    """A log's key may sign for its own log alone."""
    other = Checkpoint("example.com/other", SIZE, sealed.published().root)
    replace_checkpoint(sealed, sign_note(other.text(), sealed.keys.signing()))

    (fault,) = of_folder(sealed).faults
    assert "none of that log's keys" in fault.what


def test_an_unknown_signature_is_refused_unless_asked(sealed: Sealed) -> None:
    """Nothing vouches for its bytes; whoever knows of it may let it pass."""
    keys = [*sealed.keys.signing(), SigningKey.generate("witness.example")]
    replace_checkpoint(sealed, sign_note(sealed.published().text(), keys))

    (fault,) = of_folder(sealed).faults
    assert "1 of the checkpoint's 2 signatures" in fault.what
    lenient = Trust(tuple(sealed.keys.verifiers()), "given", ignore_unknown=True)
    assert of_folder(sealed, trust=lenient).faults == []


def test_both_keys_of_a_rotation_are_accepted(sealed: Sealed) -> None:
    """While two keys sign, knowing both is knowing every byte."""
    sealed.keys.rotate()
    sealed.grown(1)

    assert of_folder(sealed).faults == []


def test_without_a_key_the_report_says_so(sealed: Sealed) -> None:
    """Everything is computed all the same, and nobody is told that a signature was checked."""
    report = of_folder(sealed, trust=Trust())

    assert report.faults == []
    assert report.checkpoint is not None
    assert "NOT VERIFIED" in report.checkpoint.signature


def test_a_kept_checkpoint_is_proven(sealed: Sealed, tmp_path: Path) -> None:
    """The log of 602 begins with the one of 300 that an auditor kept."""
    for report in (
        of_folder(sealed, kept=(kept(tmp_path / "kept"),)),
        of_database(sealed, kept=(kept(tmp_path / "kept"),)),
    ):
        assert report.faults == []
        assert {(one.size, one.consistent) for one in report.kept} == {(300, True)}


def test_a_genuine_old_checkpoint_is_a_rollback(sealed: Sealed, tmp_path: Path) -> None:
    """An old checkpoint in place of the newest is found by whoever kept a newer one."""
    newest = sealed.folder.path / "checkpoint"
    (tmp_path / "newest").write_bytes(newest.read_bytes())
    newest.write_bytes((tmp_path / "kept").read_bytes())

    assert of_folder(sealed).faults == []
    for report in (
        of_folder(sealed, kept=(kept(tmp_path / "newest"),)),
        of_database(sealed, kept=(kept(tmp_path / "newest"),)),
    ):
        assert report.first is not None
        assert report.first.position == 301
        assert "ROLLBACK" in report.first.what


def test_a_fork_is_found(sealed: Sealed, tmp_path: Path) -> None:
    """Two checkpoints of the right key that contradict each other."""
    forged = Checkpoint(ORIGIN, 300, leaf_hash(b"other"))
    (tmp_path / "forged").write_text(sign_checkpoint(forged, sealed.keys.signing()))

    for report in (
        of_folder(sealed, kept=(kept(tmp_path / "forged"),)),
        of_database(sealed, kept=(kept(tmp_path / "forged"),)),
    ):
        assert report.first is not None
        assert report.first.what.startswith("FORK")


def test_rows_alone_are_held_to_what_was_kept(sealed: Sealed, tmp_path: Path) -> None:
    """Folder and seal taken away: what an auditor kept is compared with the rows all the same."""
    forged = Checkpoint(ORIGIN, 300, leaf_hash(b"other"))
    (tmp_path / "forged").write_text(sign_checkpoint(forged, sealed.keys.signing()))
    (tmp_path / "newest").write_bytes((sealed.folder.path / "checkpoint").read_bytes())
    shutil.rmtree(sealed.folder.path)
    with connect_as_login(sealed.database.url) as connection:
        connection.execute("ALTER TABLE ledger.seal DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM ledger.seal")

    report = of_database(sealed, kept=(kept(tmp_path / "kept"), kept(tmp_path / "newest")))
    assert report.faults == []
    assert {(one.size, one.consistent) for one in report.kept} == {(300, True), (SIZE, True)}
    first = of_database(sealed, kept=(kept(tmp_path / "forged"),)).first
    assert first is not None
    assert first.what.startswith("FORK")
    sealed.rewind(590)
    faults = of_database(sealed, kept=(kept(tmp_path / "newest"),)).faults
    assert any(one.position == 591 and one.what.startswith("ROLLBACK") for one in faults)


def test_a_folder_that_is_gone_is_missed(sealed: Sealed) -> None:
    """The database remembers that it was sealed."""
    shutil.rmtree(sealed.folder.path)

    assert any("holds no checkpoint" in one.what for one in of_database(sealed).faults)
