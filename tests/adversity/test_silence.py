"""Lines that swallow everything and never break: who waits learns the truth all the same, in time.

No error comes and no end: only the clock tells. What was sent may have been recorded, may be on
its way for hours yet, or may never arrive.
"""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from ledger.database import Database, Role, connect_as_login
from ledger.errors import DatabaseUnreachable, Invalid, OutcomeUnknown
from ledger.recorder import Appended, PostgresRecorder
from ledger.recorder import writer as writing
from ledger.recorder.admission import Prepared, element
from ledger.recorder.call import AppendCall
from tests.recording import new_event, positions, request
from tests.torturing import Line, eventually, together

SILENCE_SECONDS = 1.0
SOON_SECONDS = 10.0
SLEEPS = """
CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_sleep({}); RETURN NULL; END $$;
CREATE TRIGGER sleep AFTER INSERT ON ledger.event FOR EACH ROW
    WHEN (NEW.type = 'slow') EXECUTE FUNCTION sleep();
"""
SESSIONS = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND datname = current_database()
"""


@pytest.fixture
def line(database: Database) -> Iterator[Line]:
    """A line to the database that may fall silent."""
    line = Line(make_conninfo(database.url, connect_timeout="2"))
    yield line
    line.close()


@pytest.fixture
def distant(line: Line, recorder: PostgresRecorder) -> Iterator[PostgresRecorder]:
    """A recorder of the same ledger whose connections go over the line, and who is not patient."""
    database = Database(line.url, silence_seconds=SILENCE_SECONDS)
    distant = PostgresRecorder(database, recorder.ledger_id)
    distant.append_one(request())
    yield distant
    distant.close()
    database.close()


def append_two(recorder: PostgresRecorder) -> None:
    """Two requests, which must be recorded."""
    for outcome in recorder.append([request(), request()]):
        positions(outcome)


def test_what_never_arrives_is_recorded_over_another_line(
    recorder: PostgresRecorder, distant: PostgresRecorder, line: Line, database: Database
) -> None:
    """Silence is found out, the process that heard nothing is ended, and all is recorded once."""
    line.swallow()

    together(SOON_SECONDS, *[partial(append_two, distant)] * 3)

    assert recorder.head().position == 7
    with connect_as_login(database.url) as connection:
        (sessions,) = connection.execute(SESSIONS).fetchone() or (None,)
    assert sessions == 1, "only the new writer is there"


@pytest.mark.parametrize("alone", [True, False])
def test_whose_answer_is_swallowed_gets_the_receipts(
    recorder: PostgresRecorder, distant: PostgresRecorder, line: Line, *, alone: bool
) -> None:
    """What was committed before the silence is found, and not recorded again."""
    line.swallow_answers()
    began = time.monotonic()

    asked = request(new_event("t", "once"))
    appended = distant.append_one(asked) if alone else distant.append([asked])[0]

    assert SILENCE_SECONDS <= time.monotonic() - began < SOON_SECONDS
    assert isinstance(appended, Appended)
    assert positions(appended) == [2]
    assert not appended.replayed
    assert recorder.head().position == 2


def test_when_the_silence_lasts_the_outcome_is_unknown(
    recorder: PostgresRecorder,
    distant: PostgresRecorder,
    line: Line,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody can be asked: unknown, within a bounded time; the same key settles it afterwards."""
    monkeypatch.setattr(writing, "RECONNECT_SECONDS", 1.0)
    asked = request(key="k")
    flow_again = line.fall_silent()
    began = time.monotonic()

    with pytest.raises(OutcomeUnknown):
        distant.append_one(asked)
    with pytest.raises(DatabaseUnreachable):
        distant.append_one(request())
    assert time.monotonic() - began < SOON_SECONDS
    flow_again()

    assert positions(distant.append_one(request(*asked.events, key="k"))) == [2]
    assert recorder.head().position == 2


def test_a_call_that_takes_longer_than_the_silence_is_waited_for(
    recorder: PostgresRecorder, distant: PostgresRecorder, database: Database
) -> None:
    """A server at work is not taken for one that is gone: its end is waited for, and found."""
    with connect_as_login(database.url) as connection:
        connection.execute(SLEEPS.format(SILENCE_SECONDS * 1.4))

    assert positions(distant.append_one(request(new_event("slow")))) == [2]
    assert recorder.head().position == 2


def test_a_call_that_does_not_end_is_unknown(
    recorder: PostgresRecorder,
    distant: PostgresRecorder,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that works on and on: unknown in time, and recorded once in the end."""
    monkeypatch.setattr(writing, "RECONNECT_SECONDS", 1.0)
    with connect_as_login(database.url) as connection:
        connection.execute(SLEEPS.format(SILENCE_SECONDS * 5))
    asked = request(new_event("slow"), key="k")

    with pytest.raises(OutcomeUnknown):
        distant.append_one(asked)
    assert recorder.head().position == 1
    eventually(lambda: recorder.head().position == 2)

    assert distant.append_one(request(*asked.events, key="k")).replayed


def test_a_session_that_falls_silent_while_it_is_opened_is_given_up(
    recorder: PostgresRecorder,
    distant: PostgresRecorder,
    line: Line,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The call is prepared before the first one is made, and that answer may be missing too."""
    prepare, prepared = AppendCall.__init__, list[AppendCall]()

    def silently(call: AppendCall, *given: Any) -> None:
        if not prepared:
            line.swallow()
        prepared.append(call)
        prepare(call, *given)

    monkeypatch.setattr(AppendCall, "__init__", silently)
    line.cut_all()

    together(SOON_SECONDS, partial(append_two, distant))

    assert len(prepared) == 2, "the next session was prepared"
    assert recorder.head().position == 3


def test_reads_do_not_wait_for_ever(distant: PostgresRecorder, line: Line) -> None:
    """A read on a silent line is asked again on another, or refused, in a bounded time."""
    assert distant.head().position == 1
    line.swallow()
    assert distant.head().position == 1

    line.fall_silent()
    began = time.monotonic()
    with pytest.raises(DatabaseUnreachable):
        distant.head()
    assert time.monotonic() - began < SOON_SECONDS


def test_pooled_work_does_not_wait_for_ever(line: Line) -> None:
    """A pooled session on a silent line is lost, and work that is long by nature is not."""
    distant = Database(line.url, silence_seconds=SILENCE_SECONDS)
    with distant.pooled(Role.READER) as session, pytest.raises(psycopg.OperationalError):
        session.execute("SELECT pg_sleep(5)")
    with distant.connect(Role.READER) as session:
        session.execute("SELECT pg_sleep(1.5)")
    distant.close()


# -- order -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut_at", range(2, 8))
def test_a_callers_order_survives_poison_and_a_lost_line(
    recorder: PostgresRecorder,
    distant: PostgresRecorder,
    line: Line,
    monkeypatch: pytest.MonkeyPatch,
    cut_at: int,
) -> None:
    """A poisoned batch is halved and its line breaks: what is tried again keeps its place."""
    batch = [Prepared(request(new_event("t", f"n:{number}"))) for number in range(8)]
    batch[6].bodies = element(b"[1]")
    run, runs = AppendCall.run, [0]

    def cut(call: AppendCall, *given: object) -> list[bytes]:
        runs[0] += 1
        if runs[0] == cut_at:
            line.cut_all()
        return run(call, *given)

    monkeypatch.setattr(AppendCall, "run", cut)
    answers = distant._writer.submit(batch)

    assert [type(one) for one in answers].count(Invalid) == 1
    assert isinstance(answers[6], Invalid)
    stored = [one.entry for one in recorder.read(after=1).events]
    expected = [one.request.events[0].body[1:] for one in batch if one is not batch[6]]
    assert [entry.endswith(body) for entry, body in zip(stored, expected, strict=True)] == [
        True
    ] * 7
