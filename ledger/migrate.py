"""Migrations: apply migrations/NNNN_name.sql once each, in order, and refuse an edited one.

Forward only. Each file runs in one transaction together with the line that says it ran, with the
SHA-256 of its bytes: a product whose promise is that nothing is changed unnoticed must notice a
changed migration first. How to write one: migrations/README.md.
"""

import hashlib
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from ledger.database import Database, Role, connect_as_login
from ledger.errors import (
    MigrationEdited,
    MigrationMissing,
    MigrationNotAtomic,
    MigrationPending,
)

# Beside the packages, in the source tree and when installed alike.
FOLDER = Path(__file__).parent.parent / "migrations"
# Two programs that start at once migrate one after the other.
ADVISORY_LOCK = 4_710_271_828_182


class Migration(msgspec.Struct, frozen=True):
    """One file: its number, its name, and what it says."""

    number: int
    name: str
    content: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


PREPARE = """
SELECT pg_advisory_lock(%s);
"""
BOOKKEEPING = """
CREATE SCHEMA IF NOT EXISTS ledger;
CREATE TABLE IF NOT EXISTS ledger.migration (
    number int PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""
IS_MIGRATED = "SELECT to_regclass('ledger.migration') IS NOT NULL"
APPLIED = "SELECT number, name, sha256 FROM ledger.migration ORDER BY number"
BECOME = sql.SQL("SET LOCAL ROLE {}")
RECORD = "INSERT INTO ledger.migration (number, name, sha256) VALUES (%s, %s, %s)"


def migrate(database: Database, folder: Path = FOLDER) -> list[str]:
    """Apply what is not applied yet, as the login user; the names applied, in order."""
    migrations = read_folder(folder)
    with connect_as_login(database.url) as connection:
        # Held until the connection closes.
        connection.execute(PREPARE, (ADVISORY_LOCK,))
        connection.execute(BOOKKEEPING)
        pending = _pending(connection, migrations)
        for migration in pending:
            _apply(connection, migration)
    return [migration.name for migration in pending]


def is_migrated(database: Database, folder: Path = FOLDER) -> bool:
    """Whether there is anything here yet; `MigrationPending` when not all of it is."""
    with connect_as_login(database.url) as connection:
        row = connection.execute(IS_MIGRATED).fetchone()
        if row is None or not row[0]:
            return False
        if pending := _pending(connection, read_folder(folder)):
            names = ", ".join(migration.name for migration in pending)
            raise MigrationPending(f"the database has not had {names} yet; run `ledger migrate`")
    return True


def read_folder(folder: Path) -> list[Migration]:
    """The files in order; MigrationMissing when their numbers have a gap or a double."""
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    migrations = [Migration(int(path.name[:4]), path.name, path.read_bytes()) for path in files]
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            raise MigrationMissing(
                f"{migration.name} stands where number {expected:04} is expected; "
                "numbers begin at 0001 and have no gap and no double"
            )
    return migrations


def _pending(connection: psycopg.Connection, migrations: list[Migration]) -> list[Migration]:
    """The files that were not applied, after checking those that were."""
    by_number = {migration.number: migration for migration in migrations}
    for number, name, digest in connection.execute(APPLIED):
        migration = by_number.pop(number, None)
        if migration is None:
            raise MigrationMissing(
                f"the database has {name} and this version does not; install a newer version"
            )
        if (migration.name, migration.digest) != (name, digest):
            raise MigrationEdited(
                f"{migration.name} was edited after it was applied as {name}; restore it and "
                "write a new one with the next number"
            )
    return list(by_number.values())


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    """Run one file and note it, or do neither."""
    with connection.transaction():
        if migration.number > 1:
            # The first makes the roles; whatever follows belongs to the owner, not to the login.
            connection.execute(BECOME.format(sql.Identifier(Role.OWNER)))
        connection.execute(migration.content)
        if connection.info.transaction_status != TransactionStatus.INTRANS:
            raise MigrationNotAtomic(
                f"{migration.name} ends its transaction; remove COMMIT and ROLLBACK from it, and "
                "restore the database it was tried on"
            )
        connection.execute(RECORD, (migration.number, migration.name, migration.digest))
