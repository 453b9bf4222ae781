"""The small demonstration ledger for tests: loaded once a run into a database to clone."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from api.commands.opening import Opened
from api.demo.founding import eve
from api.demo.run import load
from api.demo.scales import SCALES
from ledger.database import Database, connect_as_login
from ledger.founding import found_ledger
from ledger.settings import Settings

NAME = "demo"
SMALL = SCALES["small"]
LOCK = 4_710_271_828_184
SOURCES = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def demonstration_template(server_url: str, template: str) -> str:
    """The name of a database that holds the small demonstration, projected."""
    name = f"ledger_demo_{_digest()}_{template[-8:]}"
    with connect_as_login(server_url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,))
        if found.fetchone() is None:
            draft = f"ledger_draft_{uuid4().hex}"
            connection.execute(_clone(draft, template))
            opened = told(Database(make_conninfo(server_url, dbname=draft)))
            opened.bring_views_up()
            opened.recorder.close()
            opened.database.close()
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(draft), sql.Identifier(name)
                )
            )
    return name


@pytest.fixture(scope="module")
def demonstration(server_url: str, demonstration_template: str) -> Iterator[Opened]:
    """The small demonstration in a database of this module's own."""
    name = f"ledger_test_{uuid4().hex}"
    with connect_as_login(server_url) as connection:
        connection.execute(_clone(name, demonstration_template))
    database = Database(make_conninfo(server_url, dbname=name))
    opened = open_demonstration(database)
    yield opened
    opened.recorder.close()
    database.close()
    with connect_as_login(server_url) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def open_demonstration(database: Database) -> Opened:
    """The ledger `demo` of a database, founded if need be."""
    info = found_ledger(database, NAME, simulated=True, now=eve(SMALL))
    return Opened(settings(), database, info)


def told(database: Database) -> Opened:
    """The whole small story in a migrated database."""
    opened = open_demonstration(database)
    load(opened, SMALL)
    return opened


def settings() -> Settings:
    """Settings whose home the workers of a run share: the keys of persons are there."""
    home = os.environ.get("LEDGER_TEST_HOME") or tempfile.gettempdir()
    return Settings(home=str(Path(home) / "demonstration"), name=NAME)


def _clone(name: str, template: str) -> sql.Composed:
    return sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG").format(
        sql.Identifier(name), sql.Identifier(template)
    )


def _digest() -> str:
    """Changes with the program, so that a kept server holds no demonstration of an older one."""
    digest = hashlib.sha256()
    for folder in ("ledger", "projections", "api/demo"):
        for path in sorted((SOURCES / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
