"""Opening the ledgers that a service serves: what cannot be opened leaves nothing behind."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.ledgers import Ledgers
from ledger.database import Database, connect_as_login
from ledger.errors import LedgerError
from ledger.founding import found_ledger
from ledger.settings import Settings


def sessions(database: Database) -> int:
    """How many sessions of others this database has."""
    with connect_as_login(database.url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_ledger_that_cannot_be_opened_leaves_nothing_behind(
    database: Database, tmp_path: Path
) -> None:
    """Every request asks for it again: threads and sessions would pile up."""
    found_ledger(database, "main", simulated=False, now=datetime.now(UTC))
    first = Ledgers(database, Settings(home=str(tmp_path)))
    first.open("main")
    first.close()
    moved = Ledgers(database, Settings(home=str(tmp_path), log_origin="example.com/moved"))
    threads, before = threading.active_count(), sessions(database)

    for _ in range(3):
        with pytest.raises(LedgerError, match="holds the key"):
            moved.open("main")

    assert (threading.active_count(), sessions(database)) == (threads, before)
