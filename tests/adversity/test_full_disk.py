"""A disk that fills up: callers are told, nothing acknowledged is lost, and it goes on after."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ledger.database import Database
from ledger.errors import DatabaseUnreachable, LedgerError, LogStopped, OutcomeUnknown
from ledger.recorder import AppendRequest, PostgresRecorder, create_ledger
from ledger.verify import Demand, FolderLog, Trust, verify_log
from ledger.verifying.report import Fault
from tests.recording import new_event, request
from tests.sealing import Sealed
from tests.torturing import eventually, own_home, own_server

DISK_MEGABYTES = 220
LEFT_MEGABYTES = 24
MEGABYTE = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of some megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = f"size={DISK_MEGABYTES}m,mode=755"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "ledger-full-disk", str(folder)],  # noqa: S607
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607


def filled(folder: Path, left_bytes: int) -> Path:
    """A file that takes all the room but this."""
    ballast = folder / "ballast"
    found = os.statvfs(folder)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, found.f_bavail * found.f_bsize - left_bytes)
    return ballast


def heavy() -> AppendRequest:
    """Half a megabyte that does not compress."""
    return request(*(new_event("heavy", text=os.urandom(16_000).hex()) for _ in range(16)))


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path) -> None:
    """Appends fail with a clear error while the disk is full, and succeed when it is not."""
    with own_home(small_disk) as home, own_server(home) as database:
        recorder = PostgresRecorder(database, create_ledger(database, "main", simulated=False))
        recorder.append_one(request())
        ballast = filled(small_disk, LEFT_MEGABYTES * MEGABYTE)
        acknowledged, refusals = dict[int, bytes](), list[LedgerError]()
        while len(refusals) < 3:
            for outcome in recorder.append([heavy()]):
                if isinstance(outcome, LedgerError):
                    refusals.append(outcome)
                else:
                    acknowledged |= {one.position: one.leaf_hash for one in outcome.receipts}

        for refusal in refusals:
            assert isinstance(refusal, LogStopped | DatabaseUnreachable | OutcomeUnknown), refusal
        assert acknowledged
        ballast.unlink()
        eventually(lambda: not isinstance(recorder.append([request()])[0], LedgerError))

        stored = {one.position: one.leaf_hash for page in recorder.stream() for one in page}
        assert list(stored) == list(range(1, recorder.head().position + 1))
        assert acknowledged.items() <= stored.items()
        recorder.close()


def test_a_full_disk_under_the_logs_folder_signs_nothing(
    small_disk: Path, database: Database, recorder: PostgresRecorder
) -> None:
    """What could not be written is not signed: the log stays whole, and is sealed on afterwards."""
    sealed = Sealed(database, recorder, small_disk / "home")
    before = sealed.grown(300)
    ballast = filled(small_disk, 0)
    sealed.append(600)
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            sealed.another().seal()
        assert sealed.published() == before
        assert faults(sealed) == []
    ballast.unlink()

    assert sealed.another().seal().size == 900
    assert faults(sealed) == []


def faults(sealed: Sealed) -> Sequence[Fault]:
    """What an auditor finds in the log's folder."""
    demand = Demand(trust=Trust(tuple(sealed.keys.verifiers()), "given"), processes=1)
    return verify_log(FolderLog(str(sealed.folder.path)), demand).faults
