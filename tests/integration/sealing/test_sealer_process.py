"""The sealer beside the service: begun with what it needs, begun again, gone with its service."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from ledger.database import Database
from ledger.patience import SILENCE_SECONDS
from ledger.sealing import process
from ledger.sealing.process import SealerProcess
from tests import torturing
from tests.sealing import Sealed, in_thread, is_sealed
from tests.torturing import Line

WAIT_SECONDS: Final = 30.0
eventually = partial(torturing.eventually, seconds=WAIT_SECONDS)
MODULE: Final = "ledger.sealing.process"

SERVICE: Final = """
import sys, threading
from pathlib import Path
from ledger.database import Database
from ledger.sealing.folder import LogFolder
from ledger.sealing.keys import LogKeys
from ledger.sealing.process import SealerProcess

url, ledger_id, home = sys.argv[1:]
keys, folder = LogKeys(Path(home) / "keys", "main"), LogFolder(Path(home) / "log" / "main")
SealerProcess.of(Database(url), int(ledger_id), keys, folder).run(threading.Event())
"""


def beside(sealed: Sealed) -> SealerProcess:
    """Its sealer, in a process of its own."""
    return SealerProcess.of(sealed.database, sealed.ledger_id, sealed.keys, sealed.folder)


def children_of(parent: int) -> Iterator[int]:
    """The sealers that a process began."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = stat.read_text().rsplit(")", 1)[1].split()
            words = (stat.parent / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if int(told[1]) == parent and MODULE in words and told[0] != "Z":
            yield int(stat.parent.name)


def is_there(pid: int) -> bool:
    """Whether a process lives."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_facts_are_sealed_beside_the_service(sealed: Sealed) -> None:
    """What is recorded is under a true checkpoint, signed by a process that is gone afterwards."""
    with in_thread(beside(sealed).run):
        sealed.append(300)
        eventually(lambda: is_sealed(sealed, 300))
        (pid,) = children_of(os.getpid())
    sealed.require_true()

    assert not is_there(pid)
    assert sealed.another().seal().size == 300, "the lead was given back"


def test_it_is_as_patient_with_the_database_as_its_service(sealed: Sealed) -> None:
    """A line that fell silent is lost, on both ends, after the seconds that a service was told."""
    line = Line(sealed.database.url)
    distant = Database(line.url, silence_seconds=1.0)
    sealer = SealerProcess.of(distant, sealed.ledger_id, sealed.keys, sealed.folder)
    with in_thread(sealer.run):
        sealed.append(10)
        eventually(lambda: is_sealed(sealed, 10))
        line.swallow()
        sealed.append(10)
        began = time.monotonic()
        eventually(lambda: is_sealed(sealed, 20))
        assert time.monotonic() - began < SILENCE_SECONDS / 2
    line.close()


def test_where_the_database_is_stands_in_no_list_of_processes(sealed: Sealed) -> None:
    """Its address may hold a password: any user of the machine may read command lines."""
    with in_thread(beside(sealed).run):
        eventually(lambda: list(children_of(os.getpid())))
        (pid,) = children_of(os.getpid())
        told = Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()

    assert sealed.database.url not in told
    assert str(sealed.folder.path) not in told


def test_a_sealer_that_was_killed_is_begun_again(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody need look after it."""
    monkeypatch.setattr(process, "REST_SECONDS", 0.05)
    with in_thread(beside(sealed).run):
        sealed.append(10)
        eventually(lambda: is_sealed(sealed, 10))
        for pid in children_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        sealed.append(10)
        eventually(lambda: is_sealed(sealed, 20))
    sealed.require_true()


def test_killed_with_its_service_it_does_not_go_on(sealed: Sealed) -> None:
    """A service that is killed leaves no sealer behind, which would lead where nobody looks."""
    given = [sealed.database.url, str(sealed.ledger_id), str(sealed.home)]
    service = subprocess.Popen([sys.executable, "-c", SERVICE, *given])
    try:
        sealed.append(10)
        eventually(lambda: is_sealed(sealed, 10))
        (pid,) = children_of(service.pid)
    finally:
        service.kill()
        service.wait()

    eventually(lambda: not is_there(pid))
    assert sealed.another().seal().size == 10


def test_a_sealer_that_does_not_end_is_ended(
    sealed: Sealed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stopping service waits for a pass, not for ever."""
    monkeypatch.setattr(process, "END_SECONDS", 0.2)
    stopping = threading.Event()
    running = threading.Thread(target=beside(sealed).run, args=(stopping,))
    running.start()
    sealed.append(1)
    eventually(lambda: is_sealed(sealed, 1))
    (pid,) = children_of(os.getpid())
    os.kill(pid, signal.SIGSTOP)
    stopping.set()
    running.join(WAIT_SECONDS)

    assert not running.is_alive()
    assert not is_there(pid)
