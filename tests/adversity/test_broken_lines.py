"""Connections that break after any number of bytes, in either direction."""

import logging
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from ledger.database import Database, connect_as_login
from ledger.errors import DatabaseUnreachable, OutcomeUnknown
from ledger.recorder import AppendRequest, Item, PostgresRecorder
from tests.recording import new_event, request
from tests.torturing import FULL, Line, random_budget, together

WRITERS, REQUESTS = 4, 2_000 if FULL else 60
TRIES_MAX = 50
SECONDS_MAX = 1_500.0 if FULL else 150.0
END_READERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND query NOT LIKE '%append_v1%'
"""

logger = logging.getLogger(__name__)


class Crowd:
    """Writers who ask again under the same key until they know."""

    def __init__(self, recorder: PostgresRecorder) -> None:
        self._recorder = recorder
        self.recorded: dict[str, tuple[int, ...]] = {}
        self.told = Counter[str]()

    def write(self, name: str) -> Callable[[], None]:
        """One writer's work."""
        draw = random.Random(name)  # noqa: S311 - a crowd, not a secret

        def work() -> None:
            for number in range(REQUESTS):
                key = f"{name} {number}"
                count = draw.choice((1, 1, 3, 40))
                events = [new_event("sent", f"key:{key}", text="x" * 200) for _ in range(count)]
                self._settle(request(*events, key=key), key)

        return work

    def _settle(self, asked: AppendRequest, key: str) -> None:
        unreachable = False
        for _ in range(TRIES_MAX):
            try:
                appended = self._recorder.append_one(asked)
            except (OutcomeUnknown, DatabaseUnreachable) as error:
                self.told[error.code] += 1
                unreachable = isinstance(error, DatabaseUnreachable)
                continue
            assert not (unreachable and appended.replayed), "it was said that nothing was recorded"
            self.recorded[key] = tuple(one.position for one in appended.receipts)
            self.told["recorded"] += 1
            return
        raise AssertionError("it was never settled")


@pytest.fixture
def line(database: Database) -> Iterator[Line]:
    """A line to the database that breaks at random."""
    line = Line(database.url)
    yield line
    line.close()


@pytest.mark.timeout(SECONDS_MAX + 100)
def test_lines_that_break_at_random_bytes_lose_and_double_nothing(
    recorder: PostgresRecorder, line: Line
) -> None:
    """Cut anywhere, a commit's answer included: each request is recorded once, as it was told."""
    database = Database(line.url)
    distant = PostgresRecorder(database, recorder.ledger_id)
    line.budget = random_budget(20261123)
    crowd = Crowd(distant)

    together(SECONDS_MAX, *(crowd.write(f"writer {number}") for number in range(WRITERS)))

    line.budget = lambda: None
    found: dict[str, list[int]] = {}
    for page in recorder.stream():
        for stored in page:
            key = stored.entry.partition(b'"key:')[2].partition(b'"')[0].decode()
            found.setdefault(key, []).append(stored.position)
    assert {key: tuple(places) for key, places in found.items()} == crowd.recorded
    assert len(found) == WRITERS * REQUESTS
    everywhere = sorted(place for places in found.values() for place in places)
    assert everywhere == list(range(1, recorder.head().position + 1))
    logger.info("%d cuts: %s", line.cut_count, dict(crowd.told))
    assert line.cut_count > max(20, len(found) / 100)
    distant.close()
    database.close()


def test_reads_survive_that_all_their_sessions_are_ended_at_once(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Eight readers whose pooled sessions are ended together, again and again, miss nothing."""
    recorder.append([request(new_event("t", f"tag:{number}")) for number in range(8)])
    ended, over = 0, threading.Event()

    def read(number: int) -> Callable[[], None]:
        def work() -> None:
            while not over.is_set():
                items = (Item((), (f"tag:{number}",)),)
                assert [one.position for one in recorder.read(items).events] == [number + 1]
                assert recorder.head().position == 8
                assert len(recorder.read().events) == 8

        return work

    def end_sessions() -> None:
        nonlocal ended
        try:
            with connect_as_login(database.url) as connection:
                for _ in range(25):
                    ended += len(connection.execute(END_READERS).fetchall())
                    over.wait(0.03)
        finally:
            over.set()

    together(60, *(read(number) for number in range(8)), end_sessions)

    assert ended >= 8


def test_a_read_after_all_idle_sessions_were_ended_succeeds(
    database: Database, recorder: PostgresRecorder
) -> None:
    """However many sessions lay idle and were ended, the next read is answered."""
    recorder.append_one(request())
    start = threading.Barrier(8)

    def read() -> None:
        with recorder._reader._session() as session:
            start.wait()
            session.execute("SELECT 1")

    together(30, *[read] * 8)
    assert len(recorder._reader._free) == 8
    with connect_as_login(database.url) as connection:
        connection.execute(END_READERS)

    assert recorder.head().position == 1
