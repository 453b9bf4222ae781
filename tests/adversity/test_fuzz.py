"""Concurrent, batched, conditional appends from two processes, held to a serial model."""

import logging
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ledger.database import Database, connect_as_login
from ledger.recorder import PostgresRecorder, create_ledger
from tests.fuzzing import Told, findings
from tests.torturing import FULL

logger = logging.getLogger(__name__)

REQUESTS = 100_000 if FULL else 3_000
PROCESSES, THREADS = 2, 16

LOCK_BEGINS, LOCK_ENDS = "    UPDATE ledger.head AS head", "    IF NOT FOUND"
NO_LOCK = """
    SELECT coalesce((SELECT max(event.position) FROM ledger.event
                     WHERE event.ledger_id = _ledger_id), 0),
           greatest(head.recorded_at + interval '1 microsecond', clock_timestamp()),
           head.simulated, head.clock_limit, head.stopped
    INTO _last, _recorded_at, _simulated, _clock_limit, _stopped
    FROM ledger.head WHERE head.ledger_id = _ledger_id;
    PERFORM pg_sleep(0.002);
"""
LATER = """
    UPDATE ledger.head SET position = _last + cardinality(_event_requests)
    WHERE head.ledger_id = _ledger_id;
"""


def fuzz(
    database: Database, folder: Path, ledger_ids: list[int], requests: int
) -> dict[int, list[Told]]:
    """What the callers of two processes were told, ledger by ledger."""
    files = [folder / f"{number}.told" for number in range(PROCESSES)]
    common = [str(THREADS), str(requests // PROCESSES)]
    running = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.fuzzing", database.url, str(number), *common),
                *(str(file), *map(str, ledger_ids)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number, file in enumerate(files)
    ]
    for process in running:
        assert process.stdout
        assert process.stdout.readline(), "it is ready"
    for process in running:
        assert process.stdin
        process.stdin.close()
    assert [process.wait() for process in running] == [0] * PROCESSES
    for process in running:
        assert process.stdout
        process.stdout.close()
    told: dict[int, list[Told]] = {ledger_id: [] for ledger_id in ledger_ids}
    for file in files:
        for one in msgspec.msgpack.decode(file.read_bytes(), type=list[Told]):
            told[one.ledger_id].append(one)
    return told


def findings_in(database: Database, ledger_id: int, told: list[Told]) -> list[str]:
    """What the model cannot explain in one ledger."""
    reading = PostgresRecorder(database, ledger_id)
    stored = [one for page in reading.stream() for one in page]
    reading.close()
    return findings(told, stored)


def doctored(told: list[Told]) -> Iterator[list[Told]]:
    """The same answers with one of each kind that names another position."""
    for kind in sorted({one.outcome for one in told}):
        place = next(place for place, one in enumerate(told) if one.outcome == kind)
        changed = msgspec.structs.replace(
            told[place], positions=[position + 9_999 for position in told[place].positions]
        )
        yield [*told[:place], changed, *told[place + 1 :]]


@pytest.mark.timeout(1800)
def test_outcomes_are_those_of_one_request_after_another(
    database: Database, tmp_path: Path
) -> None:
    """Accepted, refused with that position, replayed, key reused, duplicate: as in the model."""
    ledger_ids = [
        create_ledger(database, "fuzzed", simulated=False),
        create_ledger(database, "fuzzed-simulated", simulated=True),
    ]

    told = fuzz(database, tmp_path, ledger_ids, REQUESTS)

    outcomes = Counter[str]()
    for ledger_id in ledger_ids:
        assert findings_in(database, ledger_id, told[ledger_id]) == []
        outcomes.update(one.outcome for one in told[ledger_id])
        if not FULL:
            assert all(findings_in(database, ledger_id, one) for one in doctored(told[ledger_id]))
    logger.info("%d requests: %s", outcomes.total(), dict(outcomes))
    assert set(outcomes) == {
        *("accepted", "replayed", "condition-failed"),
        *("key-reused", "duplicate-id", "time-went-back"),
    }
    assert min(outcomes.values()) > outcomes.total() / 1_000


def test_a_planted_missing_lock_is_caught(database: Database, tmp_path: Path) -> None:
    """When appends no longer take the head first, the model cannot explain the answers."""
    ledger_id = create_ledger(database, "unlocked", simulated=False)
    with connect_as_login(database.url) as connection:
        row = connection.execute(
            "SELECT pg_get_functiondef('ledger.append_v1'::regproc)"
        ).fetchone()
        assert row
        source = str(row[0])
        begin, end = source.index(LOCK_BEGINS), source.index(LOCK_ENDS)
        mutant = source[:begin] + NO_LOCK + source[end:]
        assert mutant.count("    -- 5. A hint") == 1
        connection.execute(mutant.replace("    -- 5. A hint", LATER + "    -- 5. A hint"))

    told = fuzz(database, tmp_path, [ledger_id], 600)

    assert findings_in(database, ledger_id, told[ledger_id])
