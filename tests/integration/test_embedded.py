"""The embedded PostgreSQL is durable, shared, and comes back whatever is killed."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from ledger.embedded import SYSTEM_USER, EmbeddedServer
from ledger.errors import DatabaseUnreachable, WrongPostgres

RESTART_SECONDS_MAX = 3.0

# Another program that uses the folder until its input closes.
NEIGHBOUR = """
import sys
from pathlib import Path
from ledger.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
server.start()
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def neighbour(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has started or joined the server."""
    with subprocess.Popen(
        [sys.executable, "-c", NEIGHBOUR, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for a server; not pytest's own, which every run that begins closes to others."""
    with tempfile.TemporaryDirectory(prefix="ledger-home-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"


@pytest.fixture
def server(home: Path) -> Iterator[EmbeddedServer]:
    """A server that runs."""
    server = EmbeddedServer(home)
    server.start()
    yield server
    server.close()


def ask(server: EmbeddedServer, question: str) -> object:
    """The one value that answers a question."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        row = connection.execute(question.encode()).fetchone()
        return row[0] if row else None


def tell(server: EmbeddedServer, statement: str) -> None:
    """Run a statement that answers nothing."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(statement.encode())


def postmaster(server: EmbeddedServer) -> psutil.Process:
    """The server's first process."""
    return psutil.Process(int((server.data / "postmaster.pid").read_text().splitlines()[0]))


def residents(server: EmbeddedServer) -> list[psutil.Process]:
    """Every living process that works in the server's folder."""
    return [
        process
        for process in psutil.process_iter(["cwd", "status"])
        if process.info["cwd"] == str(server.data)
    ]


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition comes true in time; a server that is down counts as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return True
        except psycopg.OperationalError:
            pass
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("data_checksums", "on"),
        ("listen_addresses", ""),
        ("TimeZone", "UTC"),
        ("server_encoding", "UTF8"),
    ],
)
def test_is_durable_and_private(server_url: str, setting: str, value: str) -> None:
    """A commit survives a power cut, a damaged page is noticed, and no network address listens."""
    if os.environ.get("LEDGER_TEST_DATABASE_URL"):
        pytest.skip("the tests use a server that was given")
    with psycopg.connect(server_url) as connection:
        row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()

    assert row == (value,)


def test_sorts_by_code_point(server: EmbeddedServer) -> None:
    """The order of text does not depend on the machine's locales."""
    assert ask(
        server, "SELECT string_agg(t, '' ORDER BY t) FROM unnest('{a,B,é,Z}'::text[]) t"
    ) == ("BZaé")


def test_last_one_out_stops_it(home: Path) -> None:
    """A process that leaves does not stop the server under another; the last one does."""
    server = EmbeddedServer(home)
    server.start()
    with neighbour(home):
        server.close()
        assert ask(server, "SELECT 1") == 1

    assert residents(server) == []


def test_stops_when_its_last_user_is_killed(home: Path) -> None:
    """A program that is killed leaves no server behind."""
    server = EmbeddedServer(home)
    with neighbour(home) as user:
        assert residents(server)
        user.kill()

    assert eventually(lambda: residents(server) == [], 10)


def test_stays_when_one_of_two_users_is_killed(home: Path) -> None:
    """A program that is killed takes nothing away from the others."""
    server = EmbeddedServer(home)
    with neighbour(home) as user:
        server.start()
        user.kill()
    time.sleep(0.3)
    answer = ask(server, "SELECT 1")
    server.close()

    assert answer == 1


def test_close_twice_is_harmless(home: Path) -> None:
    """Closing again, or before starting, does nothing."""
    server = EmbeddedServer(home)
    server.close()
    server.start()
    server.close()
    server.close()

    assert residents(server) == []


def test_survives_our_death(home: Path) -> None:
    """After kill -9 of the program that started it, the next one uses the server at once."""
    server = EmbeddedServer(home)
    with neighbour(home) as starter:
        tell(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        starter.kill()

    server.start()
    answer = ask(server, "SELECT answer FROM kept")
    server.close()

    assert answer == 42
    assert residents(server) == []


def test_comes_back_after_kill(server: EmbeddedServer) -> None:
    """After kill -9 of every process of PostgreSQL it runs again by itself, with its commits."""
    tell(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    for process in residents(server):
        # One of them may be gone already: its parent's death took it along.
        with suppress(psutil.NoSuchProcess):
            process.kill()

    assert eventually(lambda: ask(server, "SELECT answer FROM kept") == 42, RESTART_SECONDS_MAX)


def test_comes_back_twice(server: EmbeddedServer) -> None:
    """The second kill is survived like the first."""
    for _ in range(2):
        killed = postmaster(server)
        killed.kill()

        assert eventually(
            lambda killed=killed: ask(server, "SELECT 1") == 1 and postmaster(server) != killed,  # type: ignore[misc]
            RESTART_SECONDS_MAX,
        )


def test_a_zombie_does_not_block_the_start(home: Path) -> None:
    """A killed server that its parent never waited for counts as dead, although its id exists."""
    server = EmbeddedServer(home)
    with neighbour(home) as starter:
        starter.send_signal(signal.SIGSTOP)
        for process in residents(server):
            process.kill()
        zombie = postmaster(server)
        assert eventually(lambda: zombie.status() == psutil.STATUS_ZOMBIE, 2)
        began = time.monotonic()
        server.start()
        took = time.monotonic() - began
        answer = ask(server, "SELECT 1")
        starter.send_signal(signal.SIGCONT)
    server.close()

    assert answer == 1
    assert took < RESTART_SECONDS_MAX


def test_a_busy_orphan_does_not_block_the_start(server: EmbeddedServer) -> None:
    """A statement that outlives its killed server is ended, so that the next server can start."""
    connection = psycopg.pq.PGconn.connect(server.url().encode())
    connection.send_query(
        b"SELECT count(*) FROM generate_series(1, 40000) a, generate_series(1, 40000) b"
    )
    time.sleep(0.2)
    killed = postmaster(server)
    killed.kill()
    recovered = eventually(
        lambda: ask(server, "SELECT 1") == 1 and postmaster(server) != killed, RESTART_SECONDS_MAX
    )
    connection.finish()

    assert recovered


def test_a_reused_process_id_does_not_block_the_start(home: Path) -> None:
    """A stale pid file that names a living process of somebody else is not believed."""
    server = EmbeddedServer(home)
    server.start()
    server.close()
    (server.data / "postmaster.pid").write_text(f"{os.getpid()}\n{server.data}\n0\n5432\n\n\n")

    server.start()
    answer = ask(server, "SELECT 1")
    server.close()

    assert answer == 1


def test_an_interrupted_first_start_is_begun_anew(home: Path) -> None:
    """A half-made data folder is thrown away, never used."""
    unfinished = home / "postgres-new-abandoned"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    server = EmbeddedServer(home)
    server.start()
    answer = ask(server, "SELECT 1")
    server.close()

    assert answer == 1
    assert not unfinished.exists()


def test_refuses_another_major_version(home: Path) -> None:
    """A folder of another PostgreSQL is left alone, and the message says what to do."""
    server = EmbeddedServer(home)
    server.start()
    server.close()
    (server.data / "PG_VERSION").write_text("17\n")

    with pytest.raises(WrongPostgres, match=r"written by PostgreSQL 17 .* another LEDGER_HOME"):
        server.start()


def test_says_why_it_does_not_start(home: Path) -> None:
    """A damaged folder gives the server's own words, not a time-out."""
    server = EmbeddedServer(home)
    server.start()
    server.close()
    (server.data / "global" / "pg_control").unlink()

    with pytest.raises(DatabaseUnreachable, match="pg_control"):
        server.start()


def test_says_when_the_folder_cannot_be_used(tmp_path: Path) -> None:
    """A LEDGER_HOME that is a file is an error in one line."""
    (tmp_path / "file").write_text("")

    with pytest.raises(DatabaseUnreachable, match="LEDGER_HOME cannot be used"):
        EmbeddedServer(tmp_path / "file").start()


@pytest.mark.parametrize("name", ["深" * 60, "two,hosts", "with space", "quote'\"d", "per%20cent"])
def test_lives_in_any_folder(tmp_path: Path, name: str) -> None:
    """A path too long for a socket, or with signs that addresses give a meaning, is no obstacle."""
    server = EmbeddedServer(tmp_path / name)
    server.start()
    answer = ask(server, "SELECT 1")
    server.close()

    assert answer == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must step down")
def test_root_steps_down(server: EmbeddedServer) -> None:
    """Started by root, the server runs as a user without rights, in folders of its own."""
    assert {process.username() for process in residents(server)} == {SYSTEM_USER}
    assert server.data.stat().st_mode & 0o077 == 0
