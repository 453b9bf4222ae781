"""What the adversity tests share: a server of their own, lines that break, waits that end.

Read next: `tests/journals.py` for writers that note what they were told, and its checker.
"""

import faulthandler
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.database import EMBEDDED_DATABASE, Database, create_database
from ledger.embedded import EmbeddedServer
from ledger.embedded_folder import Folder
from ledger.migrate import migrate

FULL = os.environ.get("LEDGER_TEST_FULL") == "1"
"""Whether the long forms run: `make torture`."""

HOME_PREFIX = "ledger-adversity-"
CHUNK_BYTES = 65_536
SLOW_SECONDS = 60.0


def eventually(ask: Callable[[], object], seconds: float = SLOW_SECONDS) -> None:
    """Wait until something is so."""
    give_up_at = time.monotonic() + seconds
    while not ask():
        assert time.monotonic() < give_up_at, "it never came to that"
        time.sleep(0.01)


def together(seconds: float, *works: Callable[[], None]) -> None:
    """Do everything at once; when it does not end in time, show where every thread stands."""
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    give_up_at = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, give_up_at - time.monotonic()))
    if failures:
        raise failures[0]
    hanging = sum(thread.is_alive() for thread in threads)
    if hanging:
        faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
    assert not hanging, f"{hanging} of {len(threads)} did not end within {seconds:.0f} seconds"


@contextmanager
def own_home(folder: Path | None = None) -> Iterator[Path]:
    """A folder for a server that a test may kill; whatever is left of it ends with the test."""
    home = Path(tempfile.mkdtemp(prefix=HOME_PREFIX, dir=folder))
    try:
        yield home
    finally:
        end_server(home)
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def own_server(home: Path) -> Iterator[Database]:
    """The server of a home, started, migrated, and stopped in good order."""
    server = EmbeddedServer(home)
    server.start()
    create_database(server.url(), EMBEDDED_DATABASE)
    database = Database(server.url(EMBEDDED_DATABASE), server.close)
    try:
        migrate(database)
        yield database
    finally:
        database.close()


def end_server(home: Path) -> None:
    """Kill whatever lives in a home, its guard included."""
    folder = Folder(home)
    for process in psutil.process_iter(["cwd", "cmdline"]):
        guards = str(home) in (process.info["cmdline"] or [])
        if guards or process.info["cwd"] == str(folder.data):
            with suppress(psutil.Error):
                process.kill()


class Line:
    """A proxy to PostgreSQL; each connection is cut after as many bytes as `budget` says.

    `budget` is asked twice a connection: how many bytes pass upwards, and how many downwards,
    before both ends are cut (None: any number).
    """

    def __init__(self, url: str, budget: Callable[[], int | None] = lambda: None) -> None:
        self._target = conninfo_to_dict(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.budget = budget
        self.cut_count = 0
        self.hold_back: Callable[[bytes], int] = lambda _: 0
        """How many of the last bytes of an answer come a moment late."""
        self._ways = _open_ways()
        host, port = self._listener.getsockname()
        self.url = make_conninfo(url, host=host, port=port, sslmode="disable")
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections, and cut those that are open."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # which wakes who waits in accept
        self._listener.close()
        self.cut_all()

    def swallow(self) -> None:
        """From now on let nothing through on the connections that are open, and break none."""
        ways, self._ways = self._ways, _open_ways()
        for flows in ways:
            flows.clear()

    def swallow_answers(self) -> None:
        """The same for what the server says on them; what it is told goes on to arrive."""
        (_, downwards), self._ways = self._ways, _open_ways()
        downwards.clear()

    def fall_silent(self) -> Callable[[], None]:
        """Let nothing through, on new connections neither; what comes back ends that."""
        ways = self._ways
        for flows in ways:
            flows.clear()

        def flow_again() -> None:
            for flows in ways:
                flows.set()

        return flow_again

    def cut_all(self) -> None:
        """Cut every connection that is open now."""
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with suppress(OSError):
                    server = self._connect()
                    self._open |= {client, server}
                    upwards, downwards = self._ways
                    for ends in (
                        (client, server, False, upwards),
                        (server, client, True, downwards),
                    ):
                        threading.Thread(
                            target=self._pump, args=(*ends, self.budget()), daemon=True
                        ).start()

    def _connect(self) -> socket.socket:
        host, port = str(self._target["host"]), self._target.get("port") or 5432
        if host.startswith("/"):
            server = socket.socket(socket.AF_UNIX)
            server.connect(f"{host}/.s.PGSQL.{port}")
            return server
        return socket.create_connection((host, int(port)))

    def _pump(
        self,
        source: socket.socket,
        sink: socket.socket,
        downwards: bool,
        flows: threading.Event,
        left: int | None,
    ) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                flows.wait()
                if left is not None:
                    data, left = data[:left], left - len(data)
                held = self.hold_back(data) if downwards else 0
                sink.sendall(data[: len(data) - held])
                if held:
                    time.sleep(0.5)
                    sink.sendall(data[len(data) - held :])
                if left is not None and left <= 0:
                    self.cut_count += 1
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            self._open.discard(end)


def _open_ways() -> tuple[threading.Event, threading.Event]:
    """Upwards and downwards: whether anything is let through."""
    upwards, downwards = threading.Event(), threading.Event()
    upwards.set()
    downwards.set()
    return upwards, downwards


def random_budget(seed: int) -> Callable[[], int]:
    """From a few bytes to a few hundred thousand, every magnitude as often; every line breaks."""
    draw = random.Random(seed)  # noqa: S311 - faults, not secrets

    def budget() -> int:
        return int(10 ** (5.7 if draw.random() < 0.3 else draw.uniform(1, 5.7)))

    return budget
