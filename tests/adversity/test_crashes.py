"""Killed again and again under load: what was acknowledged is there, once, and nothing else is."""

import logging
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from ledger.database import EMBEDDED_DATABASE, Database, connect_as_login
from ledger.embedded import EmbeddedServer
from ledger.embedded_folder import Folder
from ledger.errors import DatabaseUnreachable
from ledger.recorder import create_ledger
from tests.journals import ASYNCHRONOUS, HASTY, Checker, Progress, figures, log_of
from tests.torturing import FULL, eventually, own_home, own_server

CYCLES = 200 if FULL else 20
THREADS = 3
WRITERS = {"one": (), "two": (HASTY,)}
"""Two writing processes; the second does not wait for a database that is gone."""

KILLS = ("postmaster", "backend", "writer", "everything", "server process", "guard", "writers")
KILLS_OF_THE_SERVER = ("backend", "postmaster")
RESTART_SECONDS_MAX = 60.0

logger = logging.getLogger(__name__)


class Torture:
    """Two writing processes, their server, and whoever kills them."""

    def __init__(self, home: Path, ledger_id: int, *plant: str) -> None:
        self.home = home
        self._ledger_id = ledger_id
        self._plant = plant
        self._folder = Folder(home)
        self._url = EmbeddedServer(home).url(EMBEDDED_DATABASE)
        self._writers: dict[str, subprocess.Popen[bytes]] = {}
        self.draw = random.Random(20261123)  # noqa: S311 - faults, not secrets
        self.restart_seconds: list[float] = []
        self.checker = Checker(home, ledger_id)
        self._progress = Progress(home, tuple(WRITERS))
        self.let_write()

    def let_write(self) -> None:
        """Start whoever does not run."""
        for name, manner in WRITERS.items():
            writer = self._writers.get(name)
            if writer is None or writer.poll() is not None:
                self._writers[name] = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "tests.journals", str(self.home)),
                        *(str(self._ledger_id), name, str(THREADS), *self._plant, *manner),
                    ]
                )

    def all_wrote(self) -> bool:
        """Whether every writer was told of success since the last kill."""
        return len(self._progress.seen()) == len(WRITERS)

    def strike(self, kind: str) -> float:
        """Kill; the time at which it was done. What was written before it counts no more."""
        killed_at = time.time()
        for process in self._victims(kind):
            with suppress(psutil.Error):
                process.kill()
        self._progress.begin(killed_at + 0.05)  # answers on their way when it was killed
        return killed_at

    def kill(self, kind: str) -> None:
        """Kill, start again, and wait until every writer was told of success since."""
        killed_at = self.strike(kind)
        self.let_write()

        def all_write() -> bool:
            self.let_write()
            return self.all_wrote()

        eventually(all_write, RESTART_SECONDS_MAX)
        logger.debug("%s: %.1f s", kind, time.time() - killed_at)
        if kind in {"postmaster", "everything"}:
            self.restart_seconds.append(self._progress.seen()[0] - killed_at)

    def check(self) -> list[str]:
        """What the checker finds while the writers go on; its own line may break with the rest."""
        give_up_at = time.monotonic() + RESTART_SECONDS_MAX
        while True:
            try:
                with connect_as_login(self._url) as connection:
                    return self.checker.advance(connection)
            except (DatabaseUnreachable, psycopg.OperationalError):
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.05)

    def end(self) -> list[str]:
        """Let the writers finish in good order; what the checker finds in everything."""
        server = EmbeddedServer(self.home)
        server.start()
        for writer in self._writers.values():
            writer.terminate()
        for writer in self._writers.values():
            writer.wait(RESTART_SECONDS_MAX)
        try:
            with connect_as_login(self._url) as connection:
                return [
                    *self.checker.finish(connection),
                    *Checker(self.home, self._ledger_id).finish(connection),
                ]
        finally:
            server.close()

    def end_at_once(self) -> None:
        """Leave nobody behind."""
        for writer in self._writers.values():
            writer.kill()
            writer.wait()

    def _victims(self, kind: str) -> Iterator[psutil.Process]:
        if kind in {"writer", "writers", "everything"}:
            names = [self.draw.choice(list(WRITERS))] if kind == "writer" else list(WRITERS)
            for name in names:
                yield psutil.Process(self._writers[name].pid)
        if kind in {"guard", "everything"}:
            yield from self._guards()
        server = self._folder.server()
        if server is None:
            return
        if kind in {"postmaster", "everything"}:
            yield server
        if kind in {"backend", "server process"}:
            children = [
                child
                for child in server.children()
                if ("ledger [local]" in "".join(child.cmdline())) == (kind == "backend")
            ]
            yield self.draw.choice(children)

    def _guards(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if str(self.home) in command and "embedded_folder.py" in " ".join(command):
                yield process


@contextmanager
def torture(*plant: str) -> Iterator[Torture]:
    """Writers at work on a new ledger in a home of their own."""
    with own_home() as home:
        (home / "journals").mkdir()
        keys, _ = log_of(home)
        with own_server(home) as database:
            ledger_id = create_ledger(database, "main", simulated=False)
            keys.new("localhost/adversity/main", sealed_before=False)
            tortured = Torture(home, ledger_id, *plant)
            if plant:
                _delay_the_journal(database)
            eventually(tortured.all_wrote)
        try:
            yield tortured
        finally:
            tortured.end_at_once()


def _delay_the_journal(database: Database) -> None:
    """Let a commit that is not waited for stay in memory for long."""
    with connect_as_login(database.url) as connection:
        connection.execute("ALTER SYSTEM SET wal_writer_delay = '10s'")
        connection.execute("ALTER SYSTEM SET wal_writer_flush_after = '1GB'")
        connection.execute("SELECT pg_reload_conf()")


@pytest.mark.timeout(CYCLES * 30)
def test_kill_9_loses_doubles_and_halves_nothing() -> None:
    """Whatever is killed under load, the log holds what was acknowledged, once, and no more."""
    with torture() as tortured:
        for cycle in range(CYCLES):
            kind = KILLS[cycle % len(KILLS)]
            time.sleep(tortured.draw.uniform(0.1, 0.5))
            tortured.kill(kind)
            assert tortured.check() == [], kind
        assert tortured.end() == []

        found = figures(tortured.checker)
        slowest = max(tortured.restart_seconds)
        logger.info("%d cycles: %s; slowest restart %.1f s", CYCLES, found, slowest)
        assert all(found.values()), found


def test_a_planted_asynchronous_commit_is_caught() -> None:
    """When commits are answered before they are durable, the checker finds what a crash lost."""
    with torture(ASYNCHRONOUS) as tortured:
        found: list[str] = []

        def is_found_or_all_write() -> bool:
            """A writer that remembers what was lost writes no more, and then it is found."""
            found[:] = tortured.check()
            return bool(found) or tortured.all_wrote()

        for cycle in range(8):
            time.sleep(0.5)
            tortured.strike(KILLS_OF_THE_SERVER[cycle % 2])
            eventually(is_found_or_all_write, RESTART_SECONDS_MAX)
            if found:
                break

        assert any(one.startswith(("LOST", "OTHERWISE")) for one in found), found
