"""The work of the hot reads and of a conditional append, counted: a range of an index, no more.

The reads run inside functions, whose plans EXPLAIN does not show; the rows that they touched are
counted by the server. The plans are made on empty tables first, as they are in a new ledger.
"""

import random
from collections.abc import Iterator

import psycopg
import pytest

from ledger.database import Database, connect_as_login
from ledger.recorder import PostgresRecorder
from tests.recording import new_event, request

EVENTS = 30_000
COUNTS = """
SELECT coalesce(sum(seq_scan), 0), coalesce(sum(idx_tup_fetch), 0)
FROM pg_stat_xact_user_tables
WHERE schemaname = 'ledger' AND relname IN ('event', 'event_tag')
"""
ONE_TAG, TWO_TAGS, TYPE_AND_TAG = ("", "rare:7"), ("", "common:1\x1frare:7"), ("t", "rare:7")
READ = """
SELECT count(*) FROM ledger.matching_v1(1, '{1}', ARRAY[%s], ARRAY[%s], '{0}', ARRAY[%s], '{100}')
"""


@pytest.fixture
def session(database: Database, recorder: PostgresRecorder) -> Iterator[psycopg.Connection]:
    """A session that planned its reads on an empty ledger, which then grew and was not analysed."""
    draw = random.Random(7)  # noqa: S311  (a ledger, not a secret)
    with connect_as_login(database.url) as connection:
        for table in ("event", "event_tag", "event_key"):
            connection.execute(f"ALTER TABLE ledger.{table} SET (autovacuum_enabled = false)")
        for kind, tags in (ONE_TAG, TWO_TAGS):
            for _ in range(8):
                connection.execute(READ, (kind, tags, 2**40))
        for start in range(0, EVENTS, 5_000):
            recorder.append_one(
                request(
                    *(
                        new_event("t", f"common:{n % 2}", f"rare:{draw.randrange(3_000)}")
                        for n in range(start, start + 5_000)
                    )
                )
            )
        yield connection


def work(connection: psycopg.Connection, query: str, *parameters: object) -> tuple[int, int]:
    """Sequential scans, and rows fetched, by one statement."""
    with connection.transaction():
        before = connection.execute(COUNTS).fetchone()
        connection.execute(query, parameters)
        after = connection.execute(COUNTS).fetchone()
    # What earlier statements did may still be among the counts.
    assert before is not None
    assert after is not None
    return after[0] - before[0], after[1] - before[1]


def test_a_read_by_tags_costs_its_own_history(session: psycopg.Connection) -> None:
    """Ten events among 30,000 are read by fetching tens of rows, whichever tag is named first."""
    for labels in (ONE_TAG, TWO_TAGS, TYPE_AND_TAG):
        scans, rows = work(session, READ, *labels, 2**40)

        assert scans == 0
        assert 5 <= rows < 150, labels


def test_a_time_is_found_in_few_steps(session: psycopg.Connection) -> None:
    """The position of an instant is found by halving: some fifteen rows of 30,000."""
    scans, rows = work(session, "SELECT ledger.position_at_v1(1, now() - interval '1 second')")

    assert scans == 0
    assert 10 <= rows <= 20


def test_a_page_costs_its_length(session: psycopg.Connection) -> None:
    """A page from the middle of the log fetches what it returns."""
    scans, rows = work(
        session,
        "SELECT entry FROM ledger.event WHERE ledger_id = 1 AND position > 15000"
        " ORDER BY position LIMIT 50",
    )

    assert scans == 0
    assert 50 <= rows <= 60


def test_a_conditional_append_costs_what_stands_after(session: psycopg.Connection) -> None:
    """A condition on a common tag near the head looks at what came since, not at 15,000 rows."""
    call = """
    SELECT ledger.append_v1(1, now(), NULL, '{1}', ARRAY[gen_random_uuid()], '{t}', '{x}',
        ARRAY['{"a":1}'::bytea], '{}', '{}', '{}', '{1}', ARRAY[%s]::bigint[], '{u}', '{common:1}')
    """
    scans, rows = work(session, call, EVENTS - 20)

    assert scans == 0
    assert 10 <= rows < 100
