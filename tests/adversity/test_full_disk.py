"""A disk that fills up: callers are told, nothing acknowledged is lost, and it goes on after."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import DatabaseUnreachable, LedgerError, LogStopped, OutcomeUnknown
from ledger.recorder import AppendRequest, PostgresRecorder, create_ledger
from tests.recording import new_event, request
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


def heavy() -> AppendRequest:
    """Half a megabyte that does not compress."""
    return request(*(new_event("heavy", text=os.urandom(16_000).hex()) for _ in range(16)))


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path) -> None:
    """Appends fail with a clear error while the disk is full, and succeed when it is not."""
    with own_home(small_disk) as home, own_server(home) as database:
        recorder = PostgresRecorder(database, create_ledger(database, "main", simulated=False))
        recorder.append_one(request())
        ballast = small_disk / "ballast"
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, free - LEFT_MEGABYTES * MEGABYTE)
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
