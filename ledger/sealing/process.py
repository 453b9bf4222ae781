"""The sealer in a process of its own, so that it takes no share of the interpreter from callers.

Hashing small entries holds the interpreter, and whoever waits for an append then waits for that
too; beside the service the sealer has a processor's idle time to itself. The process is told what
to seal on its standard input, and lives for as long as that stays open: when the service ends, in
whatever way, it ends after its pass.
Read next: `ledger/sealing/sealer.py`, which is what it does.
"""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from ledger.database import Database
from ledger.sealing.folder import LogFolder
from ledger.sealing.keys import LogKeys
from ledger.sealing.sealer import REST_SECONDS, Sealer

LOOK_SECONDS: Final = 0.5
"""How often somebody looks whether the process is still there, or whether to stop it."""

END_SECONDS: Final = 8.0
"""How long a pass may take to its end; what is killed instead is done by the next sealer."""

log = logging.getLogger(__name__)


class SealerTask(msgspec.Struct, frozen=True, kw_only=True):
    """What to seal, where its keys are, and into which folder."""

    database_url: str
    """May hold a password, so it stands in no list of processes."""
    silence_seconds: float
    ledger_id: int
    ledger: str
    keys: str
    folder: str


class SealerProcess:
    """Has one ledger sealed beside this process; whichever sealer leads, the others stand by."""

    def __init__(self, task: SealerTask) -> None:
        self._task = task

    @classmethod
    def of(
        cls, database: Database, ledger_id: int, keys: LogKeys, folder: LogFolder
    ) -> "SealerProcess":
        """The same as a `Sealer` of these, elsewhere."""
        task = SealerTask(
            database_url=database.url,
            silence_seconds=database.silence_seconds,
            ledger_id=ledger_id,
            ledger=keys.ledger,
            keys=str(keys.path.parent.absolute()),
            folder=str(folder.path.absolute()),
        )
        return cls(task)

    def run(self, stopping: threading.Event) -> None:
        """Keep the process going until `stopping`."""
        while not stopping.is_set():
            try:
                with self._begun() as process:
                    while process.poll() is None:
                        if stopping.wait(LOOK_SECONDS):
                            return
            except OSError as error:
                log.warning("the sealer's process cannot begin: %s", error)
            log.warning("the sealer's process ended; another one begins")
            stopping.wait(REST_SECONDS)

    @contextmanager
    def _begun(self) -> Iterator[subprocess.Popen[bytes]]:
        # In a session of its own: what interrupts the service from a terminal is not its end.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__], stdin=subprocess.PIPE, start_new_session=True
        )
        assert process.stdin is not None, "it was asked for"
        try:
            process.stdin.write(msgspec.json.encode(self._task) + b"\n")
            process.stdin.flush()
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a process come to its end, or make it."""
    assert process.stdin is not None, "it was asked for"
    with suppress(BrokenPipeError):  # it may be gone already
        process.stdin.close()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> None:
    """Seal what standard input says, until it ends."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=SealerTask)
    stopping = threading.Event()
    threading.Thread(target=_wait_for_the_end, args=(stopping,), daemon=True).start()
    keys = LogKeys(Path(task.keys), task.ledger)
    folder = LogFolder(Path(task.folder))
    database = Database(task.database_url, silence_seconds=task.silence_seconds)
    try:
        Sealer(database, task.ledger_id, keys, folder).run(stopping)
    finally:
        database.close()


def _wait_for_the_end(stopping: threading.Event) -> None:
    """Whoever began this process holds the other end for as long as it lives."""
    sys.stdin.buffer.read()
    stopping.set()


if __name__ == "__main__":
    main()
