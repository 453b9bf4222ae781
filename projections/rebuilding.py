"""Emptying the views of a ledger, so that the projector folds them again from the first fact."""

from typing import Final

from psycopg import sql

from ledger.database import Database, Role
from projections.positions import standings, take_lead
from projections.saving import Names

EMPTY: Final = sql.SQL("DELETE FROM views.{name} WHERE ledger_id = %s")
BEGIN_AGAIN: Final = """
UPDATE ledger.projection
SET position = 0, stopped_at = NULL, stopped_reason = NULL
WHERE ledger_id = %s
"""


def empty_views(database: Database, ledger_id: int) -> None:
    """Take every row of every view of the ledger away, all at once or not at all.

    `ProjectorLeading` while a projector is at work. Until the views are folded again, questions
    are told to wait.
    """
    connection = database.connect(Role.PROJECTOR)
    try:
        take_lead(connection, ledger_id)
        with connection.transaction():
            for standing in standings(connection, ledger_id):
                for table in standing.tables:
                    names = Names.behind(table, standing.generation)
                    for name in (names.current, names.history):
                        connection.execute(EMPTY.format(name=sql.Identifier(name)), (ledger_id,))
            connection.execute(BEGIN_AGAIN, (ledger_id,))
    finally:
        connection.close()
