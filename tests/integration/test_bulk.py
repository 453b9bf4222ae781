"""Bulk execution: the same decisions and the same facts as one by one, and nobody in between."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from ledger.bulk import Bulk, seeded_ids
from ledger.codec import decode
from ledger.database import Database
from ledger.decisions.organisation.posts import EstablishPost
from ledger.decisions.organisation.units import EstablishUnit
from ledger.entry import Context
from ledger.errors import BulkDiverged, Conflict
from ledger.log import Log
from ledger.recorder import PostgresRecorder, create_ledger
from ledger.vocabulary import Actor, Level, PostId, UnitId, Via

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def log(database: Database) -> Iterator[Log]:
    """The log of a new simulated ledger."""
    recorder = PostgresRecorder(database, create_ledger(database, "bulk", simulated=True))
    yield Log(recorder, "bulk", simulated=True)
    recorder.close()


def context(minute: int, seed: str = "test") -> Context:
    """The operator, so many minutes after the beginning."""
    return Context(
        actor=Actor(via=Via.OPERATOR),
        received_at=BEGINNING + timedelta(minutes=minute),
        new_id=seeded_ids(f"{seed}-{minute}"),
    )


def establish(name: str, parent: str | None = None) -> EstablishUnit:
    """A command that establishes a unit."""
    level = Level.OUTLET if parent else Level.HEADQUARTERS
    over = UnitId(parent) if parent else None
    return EstablishUnit(unit=UnitId(name), level=level, name_zh=name, name_en=name, parent=over)


def entries(log: Log) -> list[bytes]:
    """Everything recorded, as the log holds it."""
    return [stored.entry for page in log.recorder.stream() for stored in page]


def test_facts_are_recorded_as_one_by_one(database: Database, log: Log) -> None:
    """In bulk and one by one, the same commands leave the same bytes."""
    commands = [establish("HQ"), *(establish(f"O{n}", "HQ") for n in range(40))]
    other = PostgresRecorder(database, create_ledger(database, "single", simulated=True))
    single = Log(other, "bulk", simulated=True)

    with Bulk(log, batch_events=7) as bulk:
        for minute, command in enumerate(commands):
            bulk.execute(command, context(minute))
    for minute, command in enumerate(commands):
        single.execute(command, context(minute))

    assert entries(log) == entries(single)
    other.close()


def test_predicted_events_are_the_recorded_ones(log: Log) -> None:
    """Positions, ids and instants are known before the batch is appended, and hold."""
    with Bulk(log) as bulk:
        predicted = [*bulk.execute(establish("HQ"), context(0))]
        post = EstablishPost(
            post=PostId("HQ-head"), unit=UnitId("HQ"), role="head", title_zh="总", title_en="Head"
        )
        predicted += bulk.execute(post, context(1))
        assert bulk.history.post(PostId("HQ-head")).unit == "HQ"

    recorded = [decode(entry) for entry in entries(log)]
    assert [(e.position, e.id, e.recorded_at, e.tags) for e in recorded] == [
        (e.position, e.id, e.recorded_at, e.tags) for e in predicted
    ]
    assert [one.fact for one in recorded] == [one.fact for one in predicted]


def test_a_second_load_knows_the_first(log: Log) -> None:
    """A new load folds what the ledger holds, so that a repeated command is refused."""
    with Bulk(log) as bulk:
        bulk.execute(establish("HQ"), context(0))

    with Bulk(log) as bulk, pytest.raises(Conflict, match="exists already"):
        bulk.execute(establish("HQ"), context(1))


def test_somebody_else_writing_stops_the_load_and_nothing_is_recorded(log: Log) -> None:
    """A fact recorded meanwhile refuses the whole batch: none of its events enters."""
    with Bulk(log) as bulk:
        bulk.execute(establish("HQ"), context(0))

    bulk = Bulk(log)
    for minute in range(1, 50):
        bulk.execute(establish(f"O{minute}", "HQ"), context(minute))
    log.execute(establish("X", "HQ"), context(60))
    with pytest.raises(BulkDiverged):
        bulk.flush()

    assert log.recorder.head().position == 2


def test_an_error_drops_what_is_pending(log: Log) -> None:
    """A load that breaks off leaves only whole batches behind."""
    with suppress(ZeroDivisionError), Bulk(log) as bulk:
        bulk.execute(establish("HQ"), context(0))
        raise ZeroDivisionError

    assert log.recorder.head().position == 0


def test_a_load_cut_short_is_taken_up(log: Log) -> None:
    """Told anew, a load records what is missing, and compares what is there."""
    commands = [establish("HQ"), *(establish(f"O{n}", "HQ") for n in range(20))]
    with Bulk(log, batch_events=5) as bulk:
        for minute, command in enumerate(commands[:12]):
            bulk.execute(command, context(minute))

    with Bulk(log, batch_events=4, retell_after=0) as bulk:
        for minute, command in enumerate(commands):
            bulk.execute(command, context(minute))

    units = [decode(entry).tags[0] for entry in entries(log)]
    assert units == ["unit:HQ", *(f"unit:O{n}" for n in range(20))]


def test_another_story_is_not_taken_up(log: Log) -> None:
    """What would be recorded differs from what is: the load stops and records nothing."""
    with Bulk(log) as bulk:
        bulk.execute(establish("HQ"), context(0))

    bulk = Bulk(log, retell_after=0)
    for minute, command in enumerate([establish("HQ"), establish("O1", "HQ")]):
        bulk.execute(command, context(minute, seed="other"))
    with pytest.raises(BulkDiverged, match="not what this load would record"):
        bulk.flush()

    assert log.recorder.head().position == 1


def test_a_rehearsal_decides_and_records_nothing(log: Log) -> None:
    """Rehearsed commands see each other's facts; the ledger stays as it was."""
    with Bulk(log, rehearse=True) as bulk:
        bulk.execute(establish("HQ"), context(0))
        with pytest.raises(Conflict):
            bulk.execute(establish("HQ"), context(1))

    assert log.recorder.head().position == 0


def test_seeded_ids_repeat() -> None:
    """The same seed gives the same ids, which are UUIDs of version 8."""
    first, second, other = seeded_ids(1), seeded_ids(1), seeded_ids(2)
    ids = [first() for _ in range(3)]

    assert ids == [second() for _ in range(3)]
    assert other() not in ids
    assert all(one.version == 8 for one in ids)
