"""`ledger bench import`: bulk import, 10,000 facts a batch, against COPY without a tag index.

COPY is the fastest way into PostgreSQL, and the reference stores six columns and a primary key
only: no tags, no keys, no hashes, no order kept against anybody. Read next: `api/bench/append.py`.
"""

import time
from functools import partial

from psycopg import Connection

from api.bench.contest import Show, alternate, fresh_database, ratios, table
from api.bench.goal import Goal, at_least
from api.bench.references import samples
from ledger.database import connect_as_login, open_database
from ledger.recorder import Appended, AppendRequest, NewEvent, PostgresRecorder, create_ledger
from ledger.settings import Settings

BATCH_EVENTS = 10_000
OURS, COPY, COPY_BINARY = "this ledger", "COPY, no tag index", "the same, binary"
PLAIN = """
CREATE TABLE plain (
    position bigint PRIMARY KEY, id uuid, type text, tags text[], recorded_at timestamptz,
    entry bytea
)
"""
COPY_IN = "COPY plain (position, id, type, tags, recorded_at, entry) FROM STDIN"
COPY_IN_BINARY = COPY_IN + " (FORMAT BINARY)"
COLUMNS = ("int8", "uuid", "text", "text[]", "timestamptz", "bytea")


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:
    """Measure on the server of the settings, in databases that are dropped afterwards."""
    rounds, batch_count = (3, 3) if quick else (7, 10)
    server = open_database(settings)
    try:
        with fresh_database(server) as mine, fresh_database(server, migrated=False) as theirs:
            recorder = PostgresRecorder(mine, create_ledger(mine, "bench", simulated=False))
            with connect_as_login(theirs.url) as connection:
                connection.execute(PLAIN)
                rates = alternate(
                    rounds,
                    {
                        OURS: partial(_import, recorder, batch_count),
                        COPY: partial(_copy, connection, batch_count, COPY_IN),
                        COPY_BINARY: partial(_copy, connection, batch_count, COPY_IN_BINARY),
                    },
                )
            recorder.close()
    finally:
        server.close()
    show(table("import", "events/s", {"10,000 a batch": rates}))
    return [at_least("bulk import against COPY", 0.35, ratios(rates, OURS, COPY))]


def _import(recorder: PostgresRecorder, batch_count: int) -> float:
    """A list of batches, as an import gives them: the next is packed while one is written."""
    requests = [AppendRequest(events=samples(BATCH_EVENTS)) for _ in range(batch_count)]
    started = time.perf_counter()
    outcomes = recorder.append(requests)
    elapsed = time.perf_counter() - started
    assert all(isinstance(outcome, Appended) for outcome in outcomes)
    return batch_count * BATCH_EVENTS / elapsed


def _copy(connection: Connection, batch_count: int, copy_in: str) -> float:
    """The same events, copied in transactions of the same size."""
    batches = [samples(BATCH_EVENTS) for _ in range(batch_count)]
    row = connection.execute("SELECT coalesce(max(position), 0), now() FROM plain").fetchone()
    assert row is not None
    position, now = row
    started = time.perf_counter()
    for batch in batches:
        _copy_batch(connection, copy_in, batch, position, now)
        position += len(batch)
    return batch_count * BATCH_EVENTS / (time.perf_counter() - started)


def _copy_batch(
    connection: Connection, copy_in: str, batch: tuple[NewEvent, ...], position: int, now: object
) -> None:
    with connection.cursor() as cursor, cursor.copy(copy_in) as copy:
        copy.set_types(COLUMNS)
        for place, event in enumerate(batch, start=position + 1):
            copy.write_row((place, event.id, event.type, list(event.tags), now, event.body))
