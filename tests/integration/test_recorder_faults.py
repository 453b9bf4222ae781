"""What breaks in the middle of a batch: each caller learns the truth, and nothing happens twice."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import product
from uuid import uuid4

import psycopg
import pytest

from ledger.database import Database, connect_as_login
from ledger.errors import (
    DatabaseUnreachable,
    DuplicateId,
    Invalid,
    LedgerError,
    LogStopped,
    OutcomeUnknown,
)
from ledger.recorder import Appended, AppendRequest, PostgresRecorder, Subscription
from ledger.recorder import writer as writing
from ledger.recorder.admission import Prepared, element
from tests import torturing
from tests.cut_line import CutLine
from tests.recording import new_event, positions, request

WAIT_SECONDS = 20.0
eventually = partial(torturing.eventually, seconds=WAIT_SECONDS)
FREEZE = """
CREATE FUNCTION hold_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(77);
    RETURN NULL;
END $$;
CREATE TRIGGER hold_back AFTER INSERT ON ledger.event FOR EACH ROW
    WHEN (NEW.type = 'frozen') EXECUTE FUNCTION hold_back();
"""
FROZEN = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND wait_event = 'advisory' AND query LIKE '%append_v1%'
"""


class Freezer:
    """Holds back, before its commit, every transaction that inserts an event of type frozen."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute(FREEZE)
        connection.execute("SELECT pg_advisory_lock(77)")

    def pid(self) -> int | None:
        """The server process that is held back."""
        row = self._connection.execute(FROZEN).fetchone()
        return None if row is None else int(row[0])

    def wait(self) -> int:
        """Wait until a call is held back; its server process."""
        eventually(lambda: self.pid() is not None)
        pid = self.pid()
        assert pid is not None
        return pid

    def kill(self, pid: int) -> None:
        """End a server process."""
        self._connection.execute("SELECT pg_terminate_backend(%s)", (pid,))

    def thaw(self) -> None:
        """Let go."""
        self._connection.execute("SELECT pg_advisory_unlock(77)")


@pytest.fixture
def freezer(database: Database) -> Iterator[Freezer]:
    """A freezer of this database."""
    with connect_as_login(database.url) as connection:
        yield Freezer(connection)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for callers that wait."""
    with ThreadPoolExecutor(32) as pool:
        yield pool


def test_a_frozen_row_is_never_overtaken(
    recorder: PostgresRecorder, database: Database, freezer: Freezer, pool: ThreadPoolExecutor
) -> None:
    """While a position is written and not committed, no reader sees a later one."""
    other = PostgresRecorder(database, recorder.ledger_id)
    recorder.append_one(request())
    slow = pool.submit(recorder.append_one, request(new_event("frozen")))
    freezer.wait()

    later = [pool.submit(other.append_one, request()) for _ in range(4)]
    time.sleep(0.3)
    during = recorder.read()
    freezer.thaw()

    assert [one.position for one in during.events] == [1]
    assert during.head.position == 1
    assert positions(slow.result()) == [2]
    assert sorted(positions(one.result())[0] for one in later) == [3, 4, 5, 6]
    other.close()


def follow(subscription: Subscription, seen: list[int]) -> None:
    """Note every position that a subscription hands over."""
    for page in subscription:
        seen += [stored.position for stored in page]


def test_a_follower_is_not_led_past_a_frozen_row(
    recorder: PostgresRecorder, database: Database, freezer: Freezer, pool: ThreadPoolExecutor
) -> None:
    """A subscription that polls while a row is frozen hands over every position in order."""
    other = PostgresRecorder(database, recorder.ledger_id)
    seen: list[int] = []
    with recorder.subscribe(after=0) as subscription:
        follower = pool.submit(follow, subscription, seen)
        slow = pool.submit(recorder.append_one, request(new_event("frozen")))
        freezer.wait()
        later = [pool.submit(other.append_one, request()) for _ in range(8)]
        time.sleep(0.5)
        assert seen == []
        freezer.thaw()
        eventually(lambda: len(seen) == 9)
        subscription.stop()
        follower.result()

    assert seen == list(range(1, 10))
    assert positions(slow.result()) == [1]
    assert len(later) == 8
    other.close()


def test_a_killed_server_process_is_survived(
    recorder: PostgresRecorder, freezer: Freezer, pool: ThreadPoolExecutor
) -> None:
    """When the writer's server process dies before the commit, its batch is recorded once."""
    calls = [pool.submit(recorder.append_one, request(new_event("frozen"))) for _ in range(8)]
    freezer.kill(freezer.wait())
    freezer.thaw()

    found = sorted(positions(call.result())[0] for call in calls)

    assert found == list(range(1, 9))
    assert recorder.head().position == 8


def test_a_process_killed_at_every_attempt_is_reported(
    recorder: PostgresRecorder, freezer: Freezer, pool: ThreadPoolExecutor
) -> None:
    """A request that sees three connections break is told that nothing was recorded."""
    call = pool.submit(recorder.append_one, request(new_event("frozen"), key="k"))
    killed: set[int] = set()
    for _ in range(3):
        eventually(lambda: freezer.pid() not in {None, *killed})
        killed.add(freezer.wait())
        freezer.kill(freezer.wait())
    freezer.thaw()

    with pytest.raises(DatabaseUnreachable, match="nothing was recorded"):
        call.result()
    assert recorder.head().position == 0
    assert not recorder.append_one(request(new_event("frozen"), key="k")).replayed


@pytest.fixture
def line(database: Database) -> Iterator[CutLine]:
    """A line to the database that can be cut."""
    line = CutLine(database.url)
    yield line
    line.close()


@contextmanager
def over(line: CutLine, ledger_id: int) -> Iterator[PostgresRecorder]:
    """A recorder whose connections go over the line."""
    database = Database(line.url)
    recorder = PostgresRecorder(database, ledger_id)
    recorder.append_one(request())
    yield recorder
    recorder.close()
    database.close()


@pytest.mark.parametrize("key", [None, "k"])
def test_a_commit_whose_answer_was_lost_is_found(
    line: CutLine, recorder: PostgresRecorder, key: str | None
) -> None:
    """The line is cut after the commit: the caller gets the receipts of what was recorded."""
    with over(line, recorder.ledger_id) as cut_off:
        line.swallow_next = True

        appended = cut_off.append_one(request(new_event("t", "a"), new_event("t", "b"), key=key))

        assert not line.swallow_next, "the answer was not swallowed"
        assert not appended.replayed
        assert positions(appended) == [2, 3]
        assert [one.leaf_hash for one in appended.receipts] == [
            one.leaf_hash for one in recorder.read(after=1).events
        ]


def test_an_id_that_another_took_is_not_mistaken_for_ones_own(
    line: CutLine, recorder: PostgresRecorder
) -> None:
    """A request whose id was recorded before, with other content, learns that after a cut too."""
    event_id = uuid4()
    recorder.append_one(request(new_event("t", "theirs", event_id=event_id)))
    with over(line, recorder.ledger_id) as cut_off:
        line.swallow_next = True

        with pytest.raises(DuplicateId):
            cut_off.append_one(request(new_event("t", "mine", event_id=event_id)))


def test_a_call_on_its_way_is_waited_for(
    line: CutLine, recorder: PostgresRecorder, freezer: Freezer, pool: ThreadPoolExecutor
) -> None:
    """The line is cut while the call is still at work: nothing is decided until it has ended."""
    with over(line, recorder.ledger_id) as cut_off:
        line.swallow_next = line.cut_at_once = True
        call = pool.submit(cut_off.append_one, request(new_event("frozen")))
        freezer.wait()
        time.sleep(0.5)
        assert not call.done()
        freezer.thaw()

        assert positions(call.result()) == [2]
        assert recorder.head().position == 2


def test_when_nobody_can_be_asked_the_outcome_is_unknown(
    line: CutLine, recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is lost and the database stays away: unknown, until the key settles it."""
    monkeypatch.setattr(writing, "RECONNECT_SECONDS", 0.3)
    asked = request(new_event(), key="k")
    with over(line, recorder.ledger_id) as cut_off:
        line.swallow_next = line.refuse = True

        with pytest.raises(OutcomeUnknown):
            cut_off.append_one(asked)
        with pytest.raises(DatabaseUnreachable):
            cut_off.append_one(request())
        line.refuse = False
        settled = cut_off.append_one(request(new_event(), key="k"))

    assert settled.replayed
    assert settled.receipts[0].event_id == asked.events[0].id
    assert recorder.head().position == 2


# -- poison ----------------------------------------------------------------------------------------


def poisoned(asked: AppendRequest, body: bytes) -> Prepared:
    """A request that passed every check and yet carries what the database refuses."""
    prepared = Prepared(asked)
    prepared.bodies = element(body)
    return prepared


BODIES = (b"[1]", b'{"a":"' + b"x" * 70_000 + b'"}', b'{"a":\n1}')
PLACES = ({0}, {7}, {3, 4}, {0, 9, 15}, set(range(16)))


def test_poison_fails_alone(recorder: PostgresRecorder) -> None:
    """Whatever the database refuses in a batch is refused alone; its neighbours are recorded."""
    for body, places in product(BODIES, PLACES):
        before = recorder.head().position
        batch = [
            poisoned(request(), body) if place in places else Prepared(request(new_event("t", "a")))
            for place in range(16)
        ]

        answers = recorder._writer.submit(batch)

        assert {place for place, one in enumerate(answers) if isinstance(one, Invalid)} == places
        assert recorder.head().position == before + 16 - len(places)


def test_a_tag_is_indexed_once(database: Database, recorder: PostgresRecorder) -> None:
    """Two tags of one event with one hash (here: one tag twice) do not break the call."""
    twice = Prepared(request(new_event("t", "a")))
    twice.tags = element(b"a\x1fb\x1fa")

    recorder._writer.submit([twice])

    with connect_as_login(database.url) as connection:
        rows = connection.execute("SELECT count(*) FROM ledger.event_tag").fetchone()
    assert rows == (2,)


def test_poison_in_a_company_refuses_it_whole(recorder: PostgresRecorder) -> None:
    """Requests that enter together are refused together when the database refuses one of them."""
    company = object()
    batch = [Prepared(request(), company) for _ in range(4)]
    batch[2].bodies = element(b"[1]")

    answers = recorder._writer.submit(batch)

    assert [type(one) for one in answers] == [Invalid] * 4
    assert recorder.head().position == 0


def test_a_full_disk_refuses_the_batch_and_not_the_next(
    database: Database, recorder: PostgresRecorder
) -> None:
    """An error that no request is guilty of is told to all of them; the next batch goes in."""
    with connect_as_login(database.url) as connection:
        connection.execute("""
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'no space left'; END $$;
            CREATE TRIGGER full_disk BEFORE INSERT ON ledger.event_key EXECUTE FUNCTION full_disk();
        """)
        outcomes = recorder.append([request() for _ in range(5)])
        connection.execute("DROP TRIGGER full_disk ON ledger.event_key")

    assert [type(one) for one in outcomes] == [LogStopped] * 5
    assert "no space left" in str(outcomes[0])
    assert positions(recorder.append_one(request())) == [1]


def test_a_head_that_is_held_does_not_hang_callers(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Who waits for the head row too long is told so; later writes go in."""
    recorder.append_one(request())
    session = recorder._writer._session
    assert session is not None
    session._connection.execute("SET lock_timeout = '200ms'")
    with connect_as_login(database.url) as holder, holder.transaction():
        holder.execute("SELECT FROM ledger.head FOR UPDATE")
        with pytest.raises(LogStopped, match="holds the ledger's head"):
            recorder.append_one(request())

    assert positions(recorder.append_one(request())) == [2]


def test_callers_in_many_threads_each_get_their_own_answer(
    recorder: PostgresRecorder, freezer: Freezer, pool: ThreadPoolExecutor
) -> None:
    """Accepted, refused, repeated and invalid requests of one batch are not mixed up by a kill."""
    known = new_event("t", "known")
    recorder.append_one(request(known, key="done"))
    asked: list[AppendRequest] = [request(new_event("frozen"))]
    asked += [request(new_event("t", f"n:{n}")) for n in range(5)]
    asked += [
        request(key="done"),
        request(known),
        request(new_event("t"), key="done", fingerprint=b"x"),
    ]

    def append(one: AppendRequest) -> Appended | LedgerError:
        return recorder.append([one])[0]

    calls: list[Future[Appended | LedgerError]] = [pool.submit(append, one) for one in asked]
    freezer.kill(freezer.wait())
    freezer.thaw()
    outcomes = [call.result() for call in calls]

    assert sorted(positions(one)[0] for one in outcomes[:6]) == [2, 3, 4, 5, 6, 7]
    for one, outcome in zip(asked[:6], outcomes[:6], strict=True):
        assert isinstance(outcome, Appended)
        assert outcome.receipts[0].event_id == one.events[0].id
    assert isinstance(outcomes[6], Appended)
    assert outcomes[6].replayed
    assert [type(one).__name__ for one in outcomes[7:]] == ["DuplicateId", "KeyReused"]
