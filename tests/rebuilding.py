"""What the tests of rebuilding share: a history of cells, their rebuild, and what there is of it.

Read next: `tests/integration/test_rebuilding.py`.
"""

from contextlib import closing

from ledger.codec import decode
from ledger.database import Database, Role, connect_as_login
from ledger.recorder import PostgresRecorder
from projections.building.build_difference import BuildDifference, build_difference
from projections.building.rebuilding import Rebuild
from projections.positions import Standing, standings
from projections.runner import Runner
from projections.tables import Projection
from tests.projecting import Cells, record


def rebuild(
    database: Database, recorder: PostgresRecorder, *projections: Projection
) -> closing[Rebuild]:
    """A rebuild of projections (the cells) of the recorder's ledger."""
    return closing(
        Rebuild(database, recorder.ledger_id, recorder, projections or (Cells(),), decode)
    )


def project(database: Database, recorder: PostgresRecorder, *projections: Projection) -> int:
    """Everything recorded so far, folded for those who ask."""
    return Runner(database, recorder.ledger_id, recorder, projections or (Cells(),)).catch_up()


def builds(database: Database, ledger_id: int, name: str = "cells") -> dict[int, Standing]:
    """Every build of a projection, by generation."""
    with database.pooled(Role.READER) as connection:
        found = standings(connection, ledger_id)
    return {one.generation: one for one in found if one.name == name}


def difference(
    database: Database, recorder: PostgresRecorder, work: Rebuild, seed: int = 1
) -> BuildDifference:
    """What the first view rebuilt says otherwise."""
    with database.pooled(Role.READER) as connection:
        return build_difference(connection, recorder.ledger_id, work.builds()[0], seed)


def history(recorder: PostgresRecorder, count: int = 40) -> int:
    """Facts that add, change and remove cells; the last position."""
    return record(
        recorder,
        *({f"c{n % 7}": None if n % 11 == 0 else n, f"d{n % 5}": n} for n in range(1, count + 1)),
    )


TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'views'::regnamespace AND relkind = 'r'
"""


def tables(database: Database) -> set[str]:
    """The tables of views that there are."""
    with connect_as_login(database.url) as admin:
        return {name for (name,) in admin.execute(TABLES)}
