"""`ledger bench append`: facts a second, one a call and a thousand a call, alone and in a crowd.

References: the library's stock recorder on the same PostgreSQL, UmaDB where it is installed, and
PostgreSQL's own benchmark with one INSERT a transaction. Read next: `api/bench/references.py`.
"""

from collections.abc import Callable
from functools import partial

from api.bench.contest import Rates, Show, alternate, called_by, fresh_database, ratios, table
from api.bench.goal import Goal, at_least
from api.bench.references import (
    our_call,
    pgbench,
    pgbench_rate,
    stock_call,
    stock_recorder,
    umadb_call,
    umadb_client,
)
from ledger.database import Database, open_database
from ledger.recorder import PostgresRecorder, create_ledger
from ledger.settings import Settings

CROWD = 64
BATCH_EVENTS = 1_000
OURS, STOCK, UMADB, PGBENCH = "this ledger", "stock DCB recorder", "UmaDB", "pgbench INSERT"


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:
    """Measure on the server of the settings, in databases that are dropped afterwards."""
    server = open_database(settings)
    try:
        with fresh_database(server) as mine, fresh_database(server, migrated=False) as theirs:
            return _contest(mine, theirs, quick=quick, show=show)
    finally:
        server.close()


def _contest(mine: Database, theirs: Database, *, quick: bool, show: Show) -> list[Goal]:
    rounds, seconds = (2, 0.6) if quick else (5, 2.5)
    rate = partial(called_by, seconds=seconds)
    ours = PostgresRecorder(mine, create_ledger(mine, "bench", simulated=False))

    def our_rate(callers: int, size: int = 1, *, conditional: bool = False) -> Callable[[], float]:
        return lambda: rate(callers, prepare=partial(our_call, ours, size, conditional=conditional))

    def stock_rate(
        callers: int, size: int = 1, *, conditional: bool = False
    ) -> Callable[[], float]:
        def measure() -> float:
            # Opened for its turn: a connection a caller is most of what a server has to give.
            with stock_recorder(theirs, callers) as stock:
                return rate(
                    callers, prepare=partial(stock_call, stock, size, conditional=conditional)
                )

        return measure

    try:
        with umadb_client() as umadb:
            alone = {OURS: our_rate(1), STOCK: stock_rate(1)}
            crowd = {OURS: our_rate(CROWD), STOCK: stock_rate(CROWD)}
            if umadb:
                crowd[UMADB] = lambda: rate(CROWD, prepare=partial(umadb_call, *umadb))
            if pgbench():
                crowd[PGBENCH] = lambda: pgbench_rate(theirs, CROWD, seconds)
            conditional = {
                OURS: our_rate(CROWD, conditional=True),
                STOCK: stock_rate(CROWD, conditional=True),
            }
            batches = {
                OURS: our_rate(1, BATCH_EVENTS),
                STOCK: stock_rate(1, BATCH_EVENTS),
            }
            columns = {
                "1 caller": alternate(rounds, alone),
                "64 callers": alternate(rounds, crowd),
                "64, conditional": alternate(rounds, conditional),
                "batches of 1,000": alternate(rounds, batches),
            }
    finally:
        ours.close()
    show(table("append", "events/s", columns))
    return _goals(columns)


def _goals(columns: dict[str, Rates]) -> list[Goal]:
    promised = (
        ("64 callers against the stock DCB recorder", "64 callers", STOCK, 8.0),
        ("64 callers, conditional, against the stock DCB recorder", "64, conditional", STOCK, 18.0),
        ("64 callers against UmaDB", "64 callers", UMADB, 2.5),
        ("64 callers against pgbench single INSERT", "64 callers", PGBENCH, 1.0),
        ("one caller against the stock DCB recorder", "1 caller", STOCK, 1.0),
        ("batches of 1,000 against the stock DCB recorder", "batches of 1,000", STOCK, 2.5),
    )
    return [
        at_least(goal, bound, ratios(columns[case], OURS, reference))
        for goal, case, reference, bound in promised
        if reference in columns[case]
    ]
