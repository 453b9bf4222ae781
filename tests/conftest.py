"""PostgreSQL for the tests: given by LEDGER_TEST_DATABASE_URL, or the embedded one.

One server for all workers of a run, one migrated template, and a clone of it for each test that
asks for `database`: some 30 ms, and nothing that a test does reaches another.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from ledger.database import Database, connect_as_login, create_database
from ledger.embedded import EmbeddedServer
from ledger.embedded_folder import Folder, try_lock
from ledger.migrate import FOLDER, migrate, read_folder
from ledger.recorder import PostgresRecorder, create_ledger
from tests.demonstrating import demonstration, demonstration_template

__all__ = ["demonstration", "demonstration_template"]

URL_VARIABLE = "LEDGER_TEST_DATABASE_URL"
HOME_VARIABLE = "LEDGER_TEST_HOME"
HOME_PREFIX = "ledger-tests-"
TEMPLATE_LOCK = 4_710_271_828_183


def pytest_configure(config: pytest.Config) -> None:
    """Choose the folder of the server before the workers start, so that they share one."""
    if not hasattr(config, "workerinput") and not os.environ.get(URL_VARIABLE):
        for left in Path(tempfile.gettempdir()).glob(f"{HOME_PREFIX}*/users.lock"):
            _remove_unless_used(left.parent)
        os.environ[HOME_VARIABLE] = tempfile.mkdtemp(prefix=HOME_PREFIX)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder when the last worker has left."""
    if not hasattr(config, "workerinput") and (home := os.environ.pop(HOME_VARIABLE, None)):
        shutil.rmtree(home, ignore_errors=True)


def _remove_unless_used(home: Path) -> None:
    """Remove what a run that was cut short has left."""
    folder = Folder(home)
    with folder.lock("users.lock") as users:
        if try_lock(users, fcntl.LOCK_EX):
            folder.stop()
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """Where to log in as somebody who may create databases and roles."""
    if given := os.environ.get(URL_VARIABLE):
        yield given
        return
    server = EmbeddedServer(Path(os.environ[HOME_VARIABLE]))
    server.start()
    yield server.url()
    server.close()


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a migrated database to clone; made once for each state of the migrations."""
    digests = "".join(migration.digest for migration in read_folder(FOLDER))
    name = f"ledger_template_{hashlib.sha256(digests.encode()).hexdigest()[:16]}"
    with connect_as_login(server_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (TEMPLATE_LOCK,))
        if not _exists(connection, name):
            # Renamed when complete, so that a run that was cut short leaves no half template.
            draft = f"ledger_draft_{uuid4().hex}"
            create_database(server_url, draft)
            migrate(Database(make_conninfo(server_url, dbname=draft)))
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(draft), sql.Identifier(name)
                )
            )
    return name


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A new database without any migration."""
    yield from _fresh(server_url, "template0")


@pytest.fixture
def database(server_url: str, template: str) -> Iterator[Database]:
    """A migrated database of this test's own."""
    for url in _fresh(server_url, template):
        database = Database(url)
        yield database
        database.close()


@pytest.fixture
def recorder(database: Database) -> Iterator[PostgresRecorder]:
    """The recorder of a new ledger named main."""
    recorder = PostgresRecorder(database, create_ledger(database, "main", simulated=False))
    yield recorder
    recorder.close()


@pytest.fixture
def simulated_recorder(database: Database) -> Iterator[PostgresRecorder]:
    """The recorder of a new ledger named simulated, whose times come from the caller."""
    recorder = PostgresRecorder(database, create_ledger(database, "simulated", simulated=True))
    yield recorder
    recorder.close()


def _fresh(server_url: str, template: str) -> Iterator[str]:
    name = f"ledger_test_{uuid4().hex}"
    with connect_as_login(server_url) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    yield make_conninfo(server_url, dbname=name)
    with connect_as_login(server_url) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def _exists(connection: psycopg.Connection, name: str) -> bool:
    found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
    return found is not None
