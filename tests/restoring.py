"""What tests of the verifiable log share: a sealed ledger, and its rows to compare.

A database is set back by cloning it at one moment and going on in the original.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ledger.database import Database, connect_as_login
from ledger.recorder import find_ledger
from ledger.sealing.checkpoint import Checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.keys import LogKeys
from ledger.sealing.sealer import Sealer

ROWS = {
    "event": """
        SELECT position, recorded_at, type, tags, leaf_hash, entry FROM ledger.event
        WHERE ledger_id = %s ORDER BY position""",
    "event_tag": """
        SELECT tag, position FROM ledger.event_tag WHERE ledger_id = %s ORDER BY tag, position""",
    "event_key": """
        SELECT key, position, event_count FROM ledger.event_key
        WHERE ledger_id = %s ORDER BY key""",
    "head": """
        SELECT position, recorded_at, simulated, clock_limit, stopped FROM ledger.head
        WHERE ledger_id = %s""",
}
"""Every row of the log; of idempotency keys all but the fingerprint, which no entry tells."""


def rows_of(database: Database, ledger: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row of a ledger's log."""
    info = find_ledger(database, ledger)
    assert info is not None, "the ledger is there"
    with connect_as_login(database.url) as connection:
        return {
            table: connection.execute(query, (info.ledger_id,)).fetchall()
            for table, query in ROWS.items()
        }


def seal(database: Database, ledger: str, home: Path) -> Checkpoint:
    """Seal a ledger into `home`, with the key that is there or is made now."""
    info = find_ledger(database, ledger)
    assert info is not None, "the ledger is there"
    keys = LogKeys(home / "keys", ledger)
    keys.ensure(f"example.org/{ledger}", sealed_before=False)
    return Sealer(database, info.ledger_id, keys, LogFolder(home / "log" / ledger)).seal()


@contextmanager
def cloned(server_url: str, database: Database) -> Iterator[Database]:
    """A copy of a database as it is now; nobody may be connected to it."""
    name = f"ledger_test_{uuid4().hex}"
    source = str(conninfo_to_dict(database.url)["dbname"])
    with connect_as_login(server_url) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY WAL_LOG").format(
                sql.Identifier(name), sql.Identifier(source)
            )
        )
    clone = Database(make_conninfo(server_url, dbname=name))
    try:
        yield clone
    finally:
        clone.close()
        with connect_as_login(server_url) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )
