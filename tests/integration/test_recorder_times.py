"""Ledgers and their times: made once, apart from each other, and never going back in time."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ledger.database import Database, connect_as_login
from ledger.errors import ClockJumped, Conflict, Invalid, NotFound, TimeWentBack
from ledger.recorder import Item, PostgresRecorder, create_ledger, find_ledger
from tests.recording import new_event, positions, request

START = datetime(2026, 4, 1, 2, 3, 4, 5, UTC)


def test_ledgers_are_apart(database: Database, recorder: PostgresRecorder) -> None:
    """Two ledgers of one database have positions, ids, keys and conditions of their own."""
    other = PostgresRecorder(database, create_ledger(database, "other", simulated=False))
    event = new_event("t", "a")

    for one in (recorder, other):
        asked = request(event, key="k", unless=(Item((), ("a",)),))
        assert positions(one.append_one(asked)) == [1]
    other.close()


def test_a_ledger_is_found_by_name(database: Database) -> None:
    """A name is taken once; a name that does not fit into an address is refused."""
    ledger_id = create_ledger(database, "demo", simulated=True)

    found = find_ledger(database, "demo")

    assert found is not None
    assert (found.ledger_id, found.name, found.simulated) == (ledger_id, "demo", True)
    assert find_ledger(database, "none") is None
    with pytest.raises(Conflict):
        create_ledger(database, "demo", simulated=False)
    with pytest.raises(Invalid):
        create_ledger(database, "De Mo", simulated=False)
    with pytest.raises(NotFound):
        PostgresRecorder(database, ledger_id + 1)


def test_a_simulated_ledger_takes_its_times_from_the_caller(
    simulated_recorder: PostgresRecorder,
) -> None:
    """Times may stand still, never go back, and each request has its own in its entries."""
    times = [START, START, START + timedelta(days=1)]

    outcomes = simulated_recorder.append([request(recorded_at=at) for at in times])
    early = simulated_recorder.append(
        [request(recorded_at=START), request(recorded_at=START + timedelta(days=2))]
    )

    assert [positions(one) for one in outcomes] == [[1], [2], [3]]
    assert isinstance(early[0], TimeWentBack)
    assert positions(early[1]) == [4]
    entries = [one.entry for one in simulated_recorder.read().events]
    stored = [json.loads(entry)["recorded_at"] for entry in entries]
    assert [datetime.fromisoformat(at) for at in stored] == [*times, START + timedelta(days=2)]
    assert simulated_recorder.head().recorded_at == START + timedelta(days=2)


def test_times_within_one_call_may_not_go_back(simulated_recorder: PostgresRecorder) -> None:
    """Of two requests in the wrong order, the second is refused and the first stands."""
    outcomes = simulated_recorder.append(
        [request(recorded_at=START + timedelta(1)), request(recorded_at=START)]
    )

    assert positions(outcomes[0]) == [1]
    assert isinstance(outcomes[1], TimeWentBack)


def test_a_refused_last_request_does_not_move_a_simulated_clock(
    simulated_recorder: PostgresRecorder,
) -> None:
    """The head's time is that of the last event that was accepted."""
    simulated_recorder.append_one(request(new_event("t", "a"), recorded_at=START))
    refused = request(unless=(Item((), ("a",)),), recorded_at=START + timedelta(days=9))
    simulated_recorder.append([request(recorded_at=START + timedelta(days=1)), refused])

    assert simulated_recorder.head().recorded_at == START + timedelta(days=1)

    simulated_recorder.append([refused])

    assert simulated_recorder.head().recorded_at == START + timedelta(days=1)


def test_a_simulated_ledger_needs_a_time_with_a_zone(simulated_recorder: PostgresRecorder) -> None:
    """No time, or one that names no zone, is refused."""
    for at in (None, START.replace(tzinfo=None)):
        with pytest.raises(Invalid):
            simulated_recorder.append_one(request(recorded_at=at))


def test_a_position_is_found_by_time(simulated_recorder: PostgresRecorder) -> None:
    """The last position at or before an instant, settled only before the head's time."""
    days = (1, 2, 2, 2, 5, 8)
    simulated_recorder.append([request(recorded_at=START + timedelta(day)) for day in days])

    found = [simulated_recorder.position_at(START + timedelta(day)) for day in range(10)]

    assert [position for position, _ in found] == [0, 1, 4, 4, 4, 5, 5, 5, 6, 6]
    assert [settled for _, settled in found] == [True] * 8 + [False] * 2


def test_a_ledger_from_the_future_takes_no_writes_until_confirmed(
    database: Database, recorder: PostgresRecorder
) -> None:
    """When the log's time is beyond the limit ahead, appends stop; confirmed, time still rises."""
    recorder.append_one(request())
    with connect_as_login(database.url) as connection:
        connection.execute("UPDATE ledger.head SET recorded_at = recorded_at + interval '1 hour'")
    ahead = recorder.head().recorded_at

    for _ in range(2):
        with pytest.raises(ClockJumped):
            recorder.append_one(request())
    recorder.confirm_clock()
    (receipt,) = recorder.append_one(request()).receipts

    assert ahead is not None
    assert receipt.recorded_at == ahead + timedelta(microseconds=1)
