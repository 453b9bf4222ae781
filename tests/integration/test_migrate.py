"""Migrations apply once, in order, whole or not at all, and never after an edit."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.database import Database, Role
from ledger.embedded import EmbeddedServer
from ledger.errors import MigrationEdited, MigrationMissing, MigrationNotAtomic, MigrationPending
from ledger.migrate import FOLDER, is_migrated, migrate, read_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The real first migration, and a second one of the test's own."""
    shutil.copy(FOLDER / "0001_roles.sql", tmp_path)
    (tmp_path / "0002_first.sql").write_text("CREATE TABLE ledger.first (id int);")
    return tmp_path


@pytest.fixture
def empty(empty_url: str) -> Database:
    """A database without any migration."""
    return Database(empty_url)


def tables(database: Database) -> dict[str, str]:
    """Each table of the schema and its owner."""
    with psycopg.connect(database.url) as connection:
        found = connection.execute(
            "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'ledger'"
        )
        return dict(found.fetchall())


def test_applies_everything_once(empty: Database) -> None:
    """The project's own migrations apply to an empty database, and again there is nothing to do."""
    first, second = migrate(empty), migrate(empty)

    assert first == [migration.name for migration in read_folder(FOLDER)]
    assert second == []


def test_what_it_makes_belongs_to_the_owner(empty: Database, folder: Path) -> None:
    """Objects are the owner role's, whoever logged in."""
    migrate(empty, folder)

    assert tables(empty) == {"migration": "ledger_owner", "first": "ledger_owner"}


def test_applies_what_is_new(empty: Database, folder: Path) -> None:
    """A later run applies only later files."""
    migrate(empty, folder)
    (folder / "0003_second.sql").write_text("CREATE TABLE ledger.second (id int);")

    assert migrate(empty, folder) == ["0003_second.sql"]


def test_who_only_asks_is_told_what_is_missing(empty: Database, folder: Path) -> None:
    """Nothing there, older than the program, or as it should be: said before a question fails."""
    assert not is_migrated(empty, folder)
    migrate(empty, folder)
    assert is_migrated(empty, folder)
    (folder / "0003_second.sql").write_text("CREATE TABLE ledger.second (id int);")

    with pytest.raises(MigrationPending, match=r"has not had 0003_second\.sql yet; run `ledger mi"):
        is_migrated(empty, folder)


def test_a_file_applies_whole_or_not_at_all(empty: Database, folder: Path) -> None:
    """A file that fails in its last statement leaves nothing, and the files before it stay."""
    bad = folder / "0003_bad.sql"
    bad.write_text("CREATE TABLE ledger.half (id int); SELECT 1/0;")

    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty, folder)

    assert set(tables(empty)) == {"migration", "first"}
    bad.write_text("CREATE TABLE ledger.whole (id int);")
    assert migrate(empty, folder) == ["0003_bad.sql"]


def test_refuses_a_file_that_ends_its_transaction(empty: Database, folder: Path) -> None:
    """A COMMIT inside a file would make it apply by halves."""
    (folder / "0003_half.sql").write_text("CREATE TABLE ledger.half (id int); COMMIT;")

    with pytest.raises(MigrationNotAtomic, match=r"0003_half\.sql ends its transaction"):
        migrate(empty, folder)


@pytest.mark.parametrize("edit", ["content", "name"])
def test_refuses_an_edited_file_by_name(empty: Database, folder: Path, edit: str) -> None:
    """A file that is not what was applied stops everything, before anything new applies."""
    migrate(empty, folder)
    file = folder / "0002_first.sql"
    if edit == "content":
        file.write_text(file.read_text() + "\n")
    else:
        file.rename(folder / "0002_renamed.sql")
    (folder / "0003_second.sql").write_text("CREATE TABLE ledger.second (id int);")

    with pytest.raises(MigrationEdited, match=r"0002_.*\.sql was edited after it was applied"):
        migrate(empty, folder)

    assert "second" not in tables(empty)


@pytest.mark.parametrize("name", ["0004_gap.sql", "0002_double.sql"])
def test_refuses_a_gap_and_a_double(empty: Database, folder: Path, name: str) -> None:
    """Numbers begin at 0001 and follow each other, or nothing applies."""
    (folder / name).write_text("SELECT 1;")

    with pytest.raises(MigrationMissing, match="no gap and no double"):
        migrate(empty, folder)


def test_refuses_a_newer_database(empty: Database, folder: Path) -> None:
    """An older program leaves a newer database alone."""
    migrate(empty, folder)
    (folder / "0002_first.sql").unlink()

    with pytest.raises(MigrationMissing, match=r"the database has 0002_first\.sql"):
        migrate(empty, folder)


def test_two_programs_migrate_one_after_the_other(empty: Database, folder: Path) -> None:
    """Of several programs that start at once, one applies and the others find it done."""
    (folder / "0003_slow.sql").write_text("SELECT pg_sleep(0.2);")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: migrate(empty, folder), range(4)))

    assert sorted(map(len, results)) == [0, 0, 0, 3]


def test_a_login_without_superpowers_is_enough(tmp_path: Path) -> None:
    """On a new server a login that may create roles and owns its database migrates and works."""
    server = EmbeddedServer(tmp_path / "home")
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE hosted LOGIN CREATEROLE")
        connection.execute("CREATE DATABASE hosted OWNER hosted")
    database = Database(make_conninfo(server.url("hosted"), user="hosted"))

    first, second = migrate(database), migrate(database)
    for role in Role:
        with database.connect(role) as connection:
            connection.execute("SELECT count(*) FROM ledger.migration")
    database.close()
    server.close()

    assert first == [migration.name for migration in read_folder(FOLDER)]
    assert second == []
