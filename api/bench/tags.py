"""`ledger bench tags`: reading the events of two tags at once, out of two million.

One tag has 200,000 events, the other 100, some ten have both: what one person did under a duty
of everybody. Reference: the library's stock recorder, with the same events.
Read next: `ledger/recorder/reading.py`.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

from eventsourcing.dcb.api import DCBQuery, DCBQueryItem
from eventsourcing.dcb.postgres_tt import PostgresDCBRecorderTT

from api.bench.contest import Show, alternate, fresh_database, ratios, table
from api.bench.goal import Goal, at_least
from api.bench.references import KIND, PADDING, PERSONS, UNITS, stock_recorder
from ledger.database import Database, connect_as_login, open_database
from ledger.recorder import Item, PostgresRecorder, create_ledger
from ledger.settings import Settings

OURS, STOCK = "this ledger", "stock DCB recorder"
EVENTS, EVENTS_QUICK = 2_000_000, 100_000
DUTIES = 10
SCALE = {"units": UNITS, "duties": DUTIES, "persons": PERSONS, "kind": KIND, "padding": PADDING}

# Loading by append would take minutes for the reference, so both are filled by the server; the
# rows are those that appending would have written.
SOURCE = """
CREATE TABLE sample AS
SELECT n AS position,
       ARRAY['unit:' || n * 7919 %% %(units)s, 'duty:' || n / 7 %% %(duties)s,
             'obligation:' || n, 'person:' || n * 104729 %% %(persons)s] AS tags,
       convert_to(format('{"position":%%s,"recorded_at":"2026-01-01T00:00:00.000000Z","id":"%%s",'
                         '"type":"%%s","v":1,"data":{"text":"%%s"}}',
                         n, gen_random_uuid(), %(kind)s::text, %(padding)s::text), 'UTF8') AS entry
FROM generate_series(1, %(events)s::bigint) AS n
"""
OURS_FILLED = """
INSERT INTO ledger.event
SELECT 1, position, '2026-01-01', %(kind)s, tags, sha256('\\x00'::bytea || entry), entry
FROM sample ORDER BY position;
"""
OURS_TAGGED = """
INSERT INTO ledger.event_tag
SELECT 1, hashtextextended(tag, 0), position FROM sample, unnest(tags) AS tag ORDER BY 2, 3
"""
OURS_ENDED = "UPDATE ledger.head SET position = %(events)s, recorded_at = '2026-01-01'"
STOCK_FILLED = """
INSERT INTO dcb_events_tt_main (type, data, tags)
SELECT %(kind)s, entry, tags FROM sample ORDER BY position
"""
STOCK_TAGGED = """
INSERT INTO dcb_events_tt_tag
SELECT tag, position FROM sample, unnest(tags) AS tag ORDER BY 1, 2
"""


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:
    """Measure on the server of the settings, in databases that are dropped afterwards."""
    events = EVENTS_QUICK if quick else EVENTS
    rounds, reads = (3, 5) if quick else (7, 5)
    server = open_database(settings)
    try:
        with (
            fresh_database(server) as mine,
            fresh_database(server, migrated=False) as theirs,
            stock_recorder(theirs, 1) as stock,
        ):
            ours = PostgresRecorder(mine, create_ledger(mine, "bench", simulated=False))
            _fill(mine, events, (OURS_FILLED, OURS_TAGGED, OURS_ENDED))
            _fill(theirs, events, (STOCK_FILLED, STOCK_TAGGED))
            rates = alternate(
                rounds,
                {
                    OURS: partial(_rate, partial(_ours_read, ours), 100 * reads),
                    STOCK: partial(_rate, partial(_stock_read, stock), reads),
                },
            )
            ours.close()
    finally:
        server.close()
    show(table(f"two tags of {events:,} events", "reads/s", {"reads": rates}))
    # A small log is read fast by anybody: the goal is one of size.
    bound = 1.0 if quick else 100.0
    goal = f"two-tag read on {events:,} events against the stock DCB recorder"
    return [at_least(goal, bound, ratios(rates, OURS, STOCK))]


def _fill(database: Database, events: int, statements: Sequence[str]) -> None:
    with connect_as_login(database.url) as connection:
        for statement in (SOURCE, *statements):
            connection.execute(statement, {**SCALE, "events": events})
        connection.execute("DROP TABLE sample")
        connection.execute("VACUUM ANALYZE")


def _rate(read: Callable[[int], int], count: int) -> float:
    """Reads a second, each of another person and duty."""
    found = 0
    started = time.perf_counter()
    for number in range(count):
        found += read(number)
    elapsed = time.perf_counter() - started
    assert found, "the tags read must have events in common"
    return count / elapsed


def _tags(number: int) -> tuple[str, str]:
    return f"duty:{number * 31 % DUTIES}", f"person:{number * 17 % PERSONS}"


def _ours_read(recorder: PostgresRecorder, number: int) -> int:
    return len(recorder.read((Item((), _tags(number)),)).events)


def _stock_read(recorder: PostgresDCBRecorderTT, number: int) -> int:
    query = DCBQuery([DCBQueryItem([], list(_tags(number)))])
    return sum(1 for _ in recorder.read(query))
