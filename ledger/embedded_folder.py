"""The folder of an embedded PostgreSQL: who lives in it, who uses it, and how it is put to rest.

Run as a program it is the guard of one folder: it waits until no process uses the server any more,
however the last one ended (kill -9 included), and stops the server. It imports no more than it
needs, because one runs beside every server. Read next: `ledger/embedded.py`, which starts both.
"""

import fcntl
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

STOP_TIMEOUT_SECONDS = 30
POLL_SECONDS = 0.02

STATUS_LINE, READY = 7, "ready"
"""In postmaster.pid, as pg_ctl reads it: how far the server is."""


class Folder:
    """A server's home: its data, its locks, and the processes that live there.

    Who is alive is never guessed from process ids (a killed server may stay a zombie, and ids are
    reused) but asked of the kernel through locks, which it drops when a process ends:

        postgres.lock   held by the server and all its children, which inherit the descriptor
        users.lock      shared by every process that uses the server
        start.lock      held while somebody makes the folder or starts the server
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "postgres"

    def lock(self, name: str) -> IO[bytes]:
        """An open lock file, not locked yet."""
        return (self.home / name).open("ab")

    def server(self) -> psutil.Process | None:
        """The server's first process; a zombie or a stranger with its number is not it."""
        try:
            pid = int((self.data / "postmaster.pid").read_text("utf-8").splitlines()[0])
            process = psutil.Process(pid)
            return process if process.cwd() == str(self.data) else None
        except (OSError, ValueError, IndexError, psutil.Error):
            return None

    def says_ready(self) -> bool:
        """Whether the server last wrote that it takes connections; it may have died since."""
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8").splitlines()
        except OSError:
            return False
        return len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == READY

    def end_orphans(self) -> None:
        """End what a killed server left behind busy, which would keep the next from starting."""
        if self.server() or not (self.data / "postmaster.pid").exists():
            return
        for process in psutil.process_iter(["cwd"]):
            if process.info["cwd"] == str(self.data):
                with suppress(psutil.NoSuchProcess):
                    process.kill()

    def stop(self) -> None:
        """Shut the server down in good order, and at once if that takes too long."""
        with self.lock("postgres.lock") as lock:
            for wish in (signal.SIGINT, signal.SIGQUIT):
                deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
                # Asked again and again, because a server that starts may miss the first time.
                while not try_lock(lock, fcntl.LOCK_EX) and time.monotonic() < deadline:
                    if server := self.server():
                        with suppress(psutil.NoSuchProcess):
                            server.send_signal(wish)
                    self.end_orphans()
                    time.sleep(POLL_SECONDS)


def try_lock(lock: IO[bytes], kind: int) -> bool:
    """Take the lock, shared or exclusive, unless somebody stands against it."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def guard(home: Path) -> None:
    """Wait until nobody uses the server, then stop it; who comes meanwhile waits for the end."""
    folder = Folder(home)
    with folder.lock("users.lock") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        if folder.data.exists():
            folder.stop()


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
