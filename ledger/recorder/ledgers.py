"""The ledgers of a database: made once, found by name, never changed.

Read next: `ledger/recorder/postgres.py`.
"""

import re
from typing import Final

import msgspec
from psycopg import errors

from ledger.database import Database, Role
from ledger.errors import Conflict, Invalid, NotFound

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
TRIES_MAX: Final = 10

CREATE = """
WITH made AS (
    INSERT INTO ledger.ledger (ledger_id, name, clock)
    SELECT coalesce(max(ledger_id), 0) + 1, %(name)s, %(clock)s FROM ledger.ledger
    RETURNING ledger_id, clock
)
INSERT INTO ledger.head (ledger_id, simulated)
SELECT ledger_id, clock = 'simulated' FROM made
RETURNING ledger_id
"""
BY_NAME = "SELECT ledger_id, name, clock = 'simulated' FROM ledger.ledger WHERE name = %s"
BY_ID = "SELECT ledger_id, name, clock = 'simulated' FROM ledger.ledger WHERE ledger_id = %s"


class LedgerInfo(msgspec.Struct, frozen=True):
    """A ledger's number, its name, and whether its times come from the caller."""

    ledger_id: int
    name: str
    simulated: bool


def create_ledger(database: Database, name: str, *, simulated: bool) -> int:
    """Make a ledger; Conflict when the name is taken."""
    if not NAME.fullmatch(name):
        raise Invalid.field("name", "a ledger's name has small letters, digits and hyphens")
    clock = "simulated" if simulated else "real"
    with database.connect(Role.OWNER) as connection:
        for _ in range(TRIES_MAX):
            try:
                row = connection.execute(CREATE, {"name": name, "clock": clock}).fetchone()
            except errors.UniqueViolation as error:
                # Either the name is taken, or somebody took the number at this moment.
                if connection.execute(BY_NAME, (name,)).fetchone():
                    raise Conflict(f"there is a ledger {name} already; choose another") from error
                continue
            assert row is not None, "INSERT RETURNING answers a row"
            return int(row[0])
    raise Conflict("ledgers are being made faster than they can be numbered; try again")


def find_ledger(database: Database, name: str) -> LedgerInfo | None:
    """The ledger of this name."""
    with database.pooled(Role.READER) as connection:
        row = connection.execute(BY_NAME, (name,)).fetchone()
    return None if row is None else LedgerInfo(*row)


def ledger_of(database: Database, ledger_id: int) -> LedgerInfo:
    """The ledger of this number; NotFound when there is none."""
    with database.pooled(Role.READER) as connection:
        row = connection.execute(BY_ID, (ledger_id,)).fetchone()
    if row is None:
        raise NotFound(f"there is no ledger {ledger_id} in this database; create it")
    return LedgerInfo(*row)
