"""A database that lost what it had acknowledged looks healthy: no first write is let in."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ledger.database import Database, connect_as_login
from ledger.embedded_folder import Folder
from ledger.errors import DatabaseUnreachable, LogStopped, OutcomeUnknown
from ledger.recorder import PostgresRecorder, create_ledger
from ledger.sealing.guard import Guard
from ledger.sealing.sealer import Sealer
from tests.journals import log_of
from tests.recording import new_event, positions, request
from tests.torturing import eventually, own_home, own_server

WAL_PLACE = """
SELECT pg_walfile_name(pg_current_wal_lsn()), file_offset
FROM pg_walfile_name_offset(pg_current_wal_lsn())
"""
HEAD = "SELECT position FROM ledger.head WHERE ledger_id = %s"


@contextmanager
def opened(database: Database, ledger_id: int, home: Path) -> Iterator[PostgresRecorder]:
    """A recorder that looks at the log before it writes, as the service opens it."""
    keys, folder = log_of(home)
    recorder = PostgresRecorder(database, ledger_id, Guard(folder, keys))
    try:
        yield recorder
    finally:
        recorder.close()


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of the test's own."""
    with own_home() as home:
        yield home


def founded(database: Database, home: Path) -> int:
    """A new ledger with keys of its log."""
    ledger_id = create_ledger(database, "main", simulated=False)
    keys, _ = log_of(home)
    keys.new("localhost/adversity/main", sealed_before=False)
    return ledger_id


def seal(database: Database, ledger_id: int, home: Path) -> int:
    """Sign what is there; how much that is."""
    return Sealer(database, ledger_id, *log_of(home)).seal().size


def head_of(database: Database, ledger_id: int) -> int:
    """Where the ledger ends, as the database tells."""
    with connect_as_login(database.url) as connection:
        row = connection.execute(HEAD, (ledger_id,)).fetchone()
    assert row
    return int(row[0])


def wal_place(database: Database) -> tuple[str, int]:
    """The newest WAL file, and where in it the next record goes."""
    with connect_as_login(database.url) as connection:
        row = connection.execute(WAL_PLACE).fetchone()
    assert row
    return str(row[0]), int(row[1])


def flip(home: Path, place: tuple[str, int]) -> None:
    """Flip a few bytes of the WAL from a place on."""
    name, offset = place
    with (Folder(home).data / "pg_wal" / name).open("r+b") as file:
        file.seek(offset + 8)
        content = file.read(32)
        file.seek(offset + 8)
        file.write(bytes(byte ^ 0xFF for byte in content))


def crash_and_damage(home: Path, place: tuple[str, int]) -> None:
    """Kill the server and damage its WAL before anybody can start it again."""
    server = Folder(home).server()
    assert server
    with (home / "start.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        server.kill()
        eventually(lambda: not any(_living(home)))
        flip(home, place)


def _living(home: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cwd", "status"]):
        if process.info["cwd"] == str(Folder(home).data):
            yield process


def test_commits_that_damaged_wal_lost_are_noticed_before_the_first_write(home: Path) -> None:
    """Flipped bytes in the newest WAL drop acknowledged commits; nothing is written over them."""
    with own_server(home) as database:
        ledger_id = founded(database, home)
        with opened(database, ledger_id, home) as recorder:
            recorder.append([request(new_event("t", "kept")) for _ in range(20)])
            place = wal_place(database)
            recorder.append_one(request(new_event("t", "lost")))
            recorder.append_one(request(new_event("t", "lost")))
            assert seal(database, ledger_id, home) == 22
        crash_and_damage(home, place)
        eventually(lambda: _answers(database))

        assert head_of(database, ledger_id) == 20, "the damage should have cost two events"
        with opened(database, ledger_id, home) as recorder:
            for _ in range(2):
                with pytest.raises(LogStopped, match=r"ROLLBACK.*20.*22"):
                    recorder.append_one(request())
        assert head_of(database, ledger_id) == 20


def test_a_writer_remembers_what_it_acknowledged(home: Path) -> None:
    """Even what no checkpoint covers yet is missed by the process that acknowledged it."""
    with own_server(home) as database:
        ledger_id = founded(database, home)
        recorder = PostgresRecorder(database, ledger_id)
        recorder.append([request() for _ in range(20)])
        place = wal_place(database)
        assert positions(recorder.append_one(request())) == [21]
        crash_and_damage(home, place)
        eventually(lambda: _answers(database))

        # Its first request may have gone out on the broken line, so that nobody can tell.
        with pytest.raises((LogStopped, OutcomeUnknown), match=r"ROLLBACK.*20.*21"):
            recorder.append_one(request())
        with pytest.raises(LogStopped, match=r"ROLLBACK.*20.*21"):
            recorder.append_one(request())
        assert head_of(database, ledger_id) == 20
        recorder.close()


def _answers(database: Database) -> bool:
    try:
        connect_as_login(database.url).close()
    except DatabaseUnreachable:
        return False
    return True


def test_an_old_backup_is_noticed_before_the_first_write(home: Path) -> None:
    """Yesterday's copy of the data folder, brought back, is behind the log: nothing is written."""
    backup = home / "backup"
    with own_server(home) as database:
        ledger_id = founded(database, home)
        with opened(database, ledger_id, home) as recorder:
            recorder.append([request() for _ in range(30)])
        seal(database, ledger_id, home)
    eventually(lambda: Folder(home).server() is None)
    shutil.copytree(Folder(home).data, backup)
    with own_server(home) as database:
        with opened(database, ledger_id, home) as recorder:
            recorder.append([request() for _ in range(10)])
        assert seal(database, ledger_id, home) == 40
    eventually(lambda: Folder(home).server() is None)
    shutil.rmtree(Folder(home).data)
    backup.rename(Folder(home).data)

    with own_server(home) as database, opened(database, ledger_id, home) as recorder:
        with pytest.raises(LogStopped, match=r"ROLLBACK.*30.*40"):
            recorder.append_one(request())
        assert head_of(database, ledger_id) == 30


def test_an_old_backup_that_was_written_to_is_noticed(home: Path) -> None:
    """A copy that went its own way, further than the log, is a fork, and is not written to."""
    backup = home / "backup"
    with own_server(home) as database:
        ledger_id = founded(database, home)
        with opened(database, ledger_id, home) as recorder:
            recorder.append([request() for _ in range(30)])
    eventually(lambda: Folder(home).server() is None)
    shutil.copytree(Folder(home).data, backup)
    with own_server(home) as database:
        with opened(database, ledger_id, home) as recorder:
            recorder.append([request() for _ in range(10)])
        seal(database, ledger_id, home)
    eventually(lambda: Folder(home).server() is None)
    shutil.rmtree(Folder(home).data)
    backup.rename(Folder(home).data)

    with own_server(home) as database:
        careless = PostgresRecorder(database, ledger_id)
        careless.append([request() for _ in range(15)])
        careless.close()
        with opened(database, ledger_id, home) as recorder, pytest.raises(LogStopped, match="FORK"):
            recorder.append_one(request())
        assert head_of(database, ledger_id) == 45
