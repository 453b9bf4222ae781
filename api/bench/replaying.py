"""`ledger bench replay`: the whole log read as typed facts, against its bytes copied out raw.

What every rebuild, export and replay does first. The reference is PostgreSQL's own COPY of the
entries, in text, with nothing done to them. Read next: `ledger/recorder/reading.py` (entries by the
hundred, the next ones read meanwhile), `ledger/codec.py` (an entry decoded at once).
"""

import time
from functools import partial
from typing import Final

import psycopg

from api.bench.contest import Show, alternate, fresh_database, ratios, table
from api.bench.filling import filling
from api.bench.goal import Goal, at_least
from ledger.codec import decode
from ledger.database import Role, open_database
from ledger.recorder import PostgresRecorder
from ledger.settings import Settings

OURS, RAW, BINARY = "facts decoded", "COPY", "COPY, binary"
FACTS, FACTS_QUICK = 400_000, 20_000
COPY: Final = """
COPY (SELECT entry FROM ledger.event WHERE ledger_id = {ledger_id} ORDER BY position) TO STDOUT
"""


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:
    """Measure on the server of the settings, in a database that is dropped afterwards."""
    facts, rounds = (FACTS_QUICK, 2) if quick else (FACTS, 9)
    server = open_database(settings)
    try:
        with fresh_database(server) as database, filling(database, small=quick) as told:
            while told.position < facts:
                told.append(told.draw(facts - told.position))
            with database.connect(Role.READER) as connection:
                raw = partial(_copied, connection, told.info.ledger_id, told.position)
                contestants = {
                    OURS: partial(_replayed, told.recorder, told.position),
                    RAW: partial(raw, ""),
                    # Shown, not promised: the same without spelling each byte as two digits.
                    BINARY: partial(raw, " (FORMAT binary)"),
                }
                # Once unmeasured: what was written just now is not in its place yet.
                alternate(1, contestants)
                rates = alternate(rounds, contestants)
    finally:
        server.close()
    show(table("replay", "facts/s", {f"{facts:,} facts": rates}))
    goal = "replay with decode against raw COPY TO"
    return [at_least(goal, 0.55, ratios(rates, OURS, RAW))]


def _replayed(recorder: PostgresRecorder, facts: int) -> float:
    """Facts a second, each of them typed and let go."""
    started, found = time.perf_counter(), 0
    for stored in recorder.stream():
        found += len([decode(one.entry) for one in stored])
    elapsed = time.perf_counter() - started
    assert found == facts, f"{found} of {facts} facts were read"
    return facts / elapsed


def _copied(connection: psycopg.Connection, ledger_id: int, facts: int, form: str) -> float:
    """Entries a second, copied out and thrown away."""
    started, found = time.perf_counter(), 0
    statement = COPY.format(ledger_id=ledger_id).strip() + form
    with connection.cursor().copy(statement.encode()) as copy:
        for _ in copy:
            found += 1
    elapsed = time.perf_counter() - started
    assert found >= facts, f"{found} of {facts} entries were copied"
    return facts / elapsed
