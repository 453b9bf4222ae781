"""Nobody waits for ever: whatever happens to the writer, every caller gets a true answer."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from random import Random

import psycopg
import pytest

from ledger.database import Database, connect_as_login
from ledger.errors import DatabaseUnreachable, LedgerError, LogStopped, OutcomeUnknown
from ledger.recorder import Appended, AppendRequest, PostgresRecorder
from ledger.recorder import batch as batching
from ledger.recorder import postgres as recording
from ledger.recorder import writer as writing
from ledger.recorder.call import AppendCall
from ledger.recorder.session import Session
from tests.recording import new_event, positions, request
from tests.torturing import Line, together

HANG_SECONDS = 15.0
READY = b"Z\0\0\0\5I"
"""The last message of every answer: the transaction has ended."""

FAILS_AT_COMMIT = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the commit failed'; END $$;
CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON ledger.event
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.type = 'failing') EXECUTE FUNCTION fail();
"""
TALKS = """
CREATE FUNCTION talk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE NOTICE '%', repeat('x', 2000); RETURN NULL; END $$;
CREATE TRIGGER talk AFTER INSERT ON ledger.event FOR EACH ROW EXECUTE FUNCTION talk();
"""


@pytest.fixture
def line(database: Database) -> Iterator[Line]:
    """A line to the database that breaks when it is told to."""
    line = Line(database.url)
    yield line
    line.close()


@pytest.fixture
def distant(line: Line, recorder: PostgresRecorder) -> Iterator[PostgresRecorder]:
    """A recorder of the same ledger whose connections go over the line."""
    database = Database(line.url)
    distant = PostgresRecorder(database, recorder.ledger_id)
    yield distant
    distant.close()
    database.close()


def heavy(events: int, size_bytes: int) -> AppendRequest:
    """A request of so many events of about this size."""
    return request(*(new_event("heavy", text="x" * size_bytes) for _ in range(events)))


def append_all(
    recorder: PostgresRecorder, count: int, make: Callable[[], AppendRequest] = request
) -> None:
    """Append a list of so many requests, all of which must be recorded."""
    for outcome in recorder.append([make() for _ in range(count)]):
        positions(outcome)


# -- room in the queue -----------------------------------------------------------------------------


@pytest.mark.parametrize("callers", [1, 5])
def test_callers_who_fill_the_queue_by_themselves_are_served(
    recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch, callers: int
) -> None:
    """A caller whose first window takes all the room is not kept waiting for it by himself."""
    monkeypatch.setattr(writing, "QUEUE_BYTES_MAX", 100_000)
    monkeypatch.setattr(recording, "WINDOW_EVENTS", 10)
    work = partial(append_all, recorder, 6, partial(heavy, 10, 12_000))

    together(HANG_SECONDS, *[work] * callers)

    assert recorder.head().position == callers * 60
    assert recorder._writer._queued_bytes == 0


def test_room_is_counted_once_after_a_lost_connection(
    recorder: PostgresRecorder, distant: PostgresRecorder, line: Line
) -> None:
    """Requests that were sent twice, alone or in lists, leave the queue as empty as it was."""
    for number in range(6):
        line.cut_all()
        work = [partial(append_all, distant, number + 1, partial(heavy, 3, 100))] * 4
        together(HANG_SECONDS, *work, partial(append_all, distant, 1))
        line.cut_all()
        distant.append_one(request())

    assert distant._writer._queued_bytes == 0
    assert distant.head().position == recorder.head().position


# -- large and small, closing in the middle --------------------------------------------------------


class Closing:
    """Callers of a recorder that is closed while they append; what was recorded for them."""

    def __init__(self, recorder: PostgresRecorder) -> None:
        self._recorder = recorder
        self.recorded: list[int] = []

    def note(self, outcome: Appended | LedgerError) -> bool:
        """Whether the recorder is still open."""
        if isinstance(outcome, Appended):
            self.recorded.extend(positions(outcome))
            return True
        assert isinstance(outcome, LogStopped), outcome
        return False

    def large(self) -> None:
        """Two requests of 10,000 events, and one of one."""
        for outcome in self._recorder.append([heavy(10_000, 10), heavy(10_000, 10), request()]):
            self.note(outcome)

    def single(self) -> None:
        """One event after another, until the recorder is closed."""
        while self.note(self._recorder.append([request(new_event("t", "a"))])[0]):
            """Go on."""

    def alone(self) -> None:
        """The same, written by the caller himself when he can."""
        with suppress(LogStopped):
            while True:
                self.note(self._recorder.append_one(request()))


@pytest.mark.parametrize("seconds", [0.4, 0.9, 1.4])
def test_large_and_single_requests_are_all_answered_while_the_recorder_closes(
    database: Database, recorder: PostgresRecorder, seconds: float
) -> None:
    """Lists of 10,000 events and single ones, closed in the middle: each is recorded or refused."""
    closing = PostgresRecorder(database, recorder.ledger_id)
    callers = Closing(closing)

    def close() -> None:
        time.sleep(seconds)
        closing.close()

    single = [callers.single] * 3
    together(HANG_SECONDS, callers.large, callers.large, *single, callers.alone, close)

    assert sorted(callers.recorded) == list(range(1, recorder.head().position + 1))


def test_answers_larger_than_the_sockets_buffer_come_with_notices(
    database: Database, recorder: PostgresRecorder
) -> None:
    """Twenty megabytes of notices before an answer of 320 kilobytes do not stop the writer."""
    with connect_as_login(database.url) as connection:
        connection.execute(TALKS)

    together(
        HANG_SECONDS,
        partial(append_all, recorder, 1, partial(heavy, 10_000, 10)),
        partial(append_all, recorder, 1, partial(heavy, 1_000, 5_000)),
        *[partial(append_all, recorder, 50)] * 4,
    )

    assert recorder.head().position == 11_200


# -- lines cut while something is on its way -------------------------------------------------------


@pytest.mark.parametrize("passing_bytes", [1_500, 9_000, 70_000, 900_000, 3_000_000])
def test_a_line_cut_while_a_request_is_sent_is_survived(
    recorder: PostgresRecorder, distant: PostgresRecorder, line: Line, passing_bytes: int
) -> None:
    """A large request whose line breaks in the middle of it, and those beside it, are recorded."""
    draw = Random(passing_bytes)  # noqa: S311 - faults, not secrets
    budgets = iter([passing_bytes, None, passing_bytes, None])
    line.budget = lambda: next(budgets, None)
    distant.append_one(request(new_event()))
    line.cut_all()

    together(
        HANG_SECONDS,
        partial(append_all, distant, 1, partial(heavy, 2_000, 1_000)),
        *[partial(append_all, distant, draw.randrange(1, 20)) for _ in range(3)],
    )

    stored = [one.position for page in recorder.stream() for one in page]
    assert stored == list(range(1, recorder.head().position + 1))


def test_other_threads_run_while_the_end_of_an_answer_is_on_its_way(
    distant: PostgresRecorder, line: Line
) -> None:
    """Between an answer and its last bytes the writer waits without stopping the process."""
    distant.append_one(request())
    line.hold_back = lambda data: len(READY) if data.endswith(READY) and len(data) > 100 else 0
    ticks, over = list[float](), threading.Event()

    def tick() -> None:
        while not over.wait(0.01):
            ticks.append(time.monotonic())

    def append() -> None:
        append_all(distant, 1, partial(heavy, 20, 10))
        over.set()

    together(HANG_SECONDS, tick, append)

    assert max(after - before for before, after in pairwise(ticks)) < 0.4


# -- answers that are no acknowledgement -----------------------------------------------------------


def test_an_answer_whose_commit_failed_is_not_believed(
    database: Database, recorder: PostgresRecorder
) -> None:
    """The server answers the call before it commits; when the commit fails, nobody is told yes."""
    with connect_as_login(database.url) as connection:
        connection.execute(FAILS_AT_COMMIT)

    (outcome,) = recorder.append([request(new_event("failing"))])

    assert isinstance(outcome, LedgerError)
    assert recorder.head().position == 0
    assert positions(recorder.append_one(request())) == [1]


def test_a_mistake_in_the_writer_is_told_to_those_who_wait(
    recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw ends neither the writer nor the wait: unknown, then business."""
    outcomes: list[Appended | LedgerError] = []

    def run(*_: object) -> list[bytes]:
        raise ZeroDivisionError

    with monkeypatch.context() as planted:
        planted.setattr(AppendCall, "run", run)
        works = [lambda: outcomes.extend(recorder.append([request() for _ in range(3)]))] * 4
        together(HANG_SECONDS, *works)
        with pytest.raises(ZeroDivisionError):
            recorder.append_one(request())

    assert [type(one) for one in outcomes] == [OutcomeUnknown] * 12
    assert positions(recorder.append_one(request())) == [1]
    append_all(recorder, 2)


def test_a_call_that_was_interrupted_leaves_no_answer_to_the_next(
    recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the caller writes for himself: the next request gets its own answer."""
    recorder.append_one(request(new_event("t", "first")))

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as planted:
        planted.setattr(AppendCall, "_wait_for", interrupt)
        with pytest.raises(KeyboardInterrupt):
            recorder.append_one(request(new_event("t", "interrupted")))

    appended = recorder.append_one(request(new_event("t", "next")))
    (stored,) = recorder.read(after=appended.receipts[0].position - 1).events
    assert stored.leaf_hash == appended.receipts[0].leaf_hash


# -- the answer is lost, and then the way to look it up --------------------------------------------


def test_what_was_recorded_is_never_called_unreachable(
    recorder: PostgresRecorder,
    distant: PostgresRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the receipts of a recorded request cannot be read, the outcome is unknown, not no."""
    recorder.append_one(request(key="k"))

    def unreadable(*_: object) -> None:
        raise DatabaseUnreachable

    monkeypatch.setattr(distant._reader, "at", unreadable)
    outcomes = distant.append([request(), request(key="k"), request()])

    assert [type(one) for one in outcomes] == [Appended, OutcomeUnknown, Appended]
    with pytest.raises(OutcomeUnknown):
        distant.append_one(request(key="k"))


def test_the_look_up_itself_may_lose_its_line(
    recorder: PostgresRecorder, distant: PostgresRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second cut, while a lost answer is looked up, is survived like the first."""
    recorded = Session.recorded
    cuts = [0, 0]

    def cut_first(self: Session, ids: list[bytes]) -> dict[bytes, int]:
        if cuts:
            cuts.pop()
            self._connection.close()
            raise psycopg.OperationalError("the line was cut")
        return recorded(self, ids)

    distant.append_one(request())
    monkeypatch.setattr(Session, "recorded", cut_first)
    session = distant._writer._session
    assert session is not None
    run = session._call.run

    def lose_answer(*given: object) -> list[bytes]:
        run(*given)
        session._connection.close()
        raise psycopg.OperationalError("the answer was lost")

    monkeypatch.setattr(session._call, "run", lose_answer)

    assert positions(distant.append_one(request())) == [2]
    assert recorder.head().position == 2


# -- a database that is gone -----------------------------------------------------------------------


def test_who_comes_while_the_database_is_known_to_be_gone_is_told_at_once(
    recorder: PostgresRecorder, monkeypatch: pytest.MonkeyPatch, line: Line
) -> None:
    """One request waits for the database to come back; those queued behind do not wait in turn."""
    monkeypatch.setattr(writing, "RECONNECT_SECONDS", 1.0)
    database = Database(line.url)
    distant = PostgresRecorder(database, recorder.ledger_id)
    monkeypatch.setattr(batching, "BATCH_EVENTS_MAX", 5)
    distant.append_one(request())
    line.close()
    began = time.monotonic()

    outcomes = distant.append([heavy(4, 10) for _ in range(12)])

    assert {type(one) for one in outcomes} <= {DatabaseUnreachable, OutcomeUnknown}
    assert time.monotonic() - began < 6
    distant.close()
    database.close()
