"""Projector and rebuild killed again and again under load: views stay what a replay says.

`make torture` kills 200 times. What was killed, and when, follows a seed that a failure prints.
"""

import logging
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ledger.codec import decode
from ledger.database import Database, Role
from ledger.recorder import PostgresRecorder
from projections.building.verifying import verify_views
from projections.folding import MemoryRows
from projections.positions import standings
from projections.runner import Runner
from projections.time_travel import Reader
from tests.projecting import CELL, TOTAL, Cells, Content, Totals, record
from tests.torturing import FULL

KILLS = 200 if FULL else 12
PLANTED_KILLS = 12
TIMEOUT_SECONDS = 3_600 if FULL else 300
SAMPLES = 10
PATIENCE_SECONDS = 60.0
AGAIN_SECONDS = 0.05

PROGRAM = """
import sys, time
from ledger.codec import decode
from ledger.database import Database
from ledger.errors import LedgerError
from ledger.recorder import PostgresRecorder
from projections import leading, runner, saving
from projections.building.rebuilding import Rebuild
from projections.runner import Runner
from tests.projecting import Cells, Totals

url, ledger_id, what = sys.argv[1], int(sys.argv[2]), sys.argv[3]
leading.BATCH_EVENTS, leading.ROWS_KEPT_MAX = 40, 20
runner.STANDBY_SECONDS = 0.02
database = Database(url)
recorder = PostgresRecorder(database, ledger_id)
views = (Cells(), Totals())
saved = saving.save

def save(connection, ledger_id, epoch, steps):
    if what == "planted":
        empty = [saving.Step(**{name: getattr(step, name) for name in step.__struct_fields__
                                if name != "changes"}) for step in steps]
        saved(connection, ledger_id, epoch, empty)
        time.sleep(0.005)
        with connection.transaction(), connection.cursor() as cursor:
            for step in steps:
                for changes in step.changes:
                    saving._write(cursor, ledger_id, step.generation, changes)
    else:
        saved(connection, ledger_id, epoch, steps)
    print(steps[0].after, flush=True)

leading.save = save
if what == "rebuilding":
    while True:
        try:
            work = Rebuild(database, ledger_id, recorder, views, decode)
            work.build()
            work.switch()
            work.close()
        except LedgerError:
            time.sleep(0.02)
else:
    Runner(database, ledger_id, recorder, views).run()
"""


@contextmanager
def at_work(database: Database, recorder: PostgresRecorder, what: str) -> Iterator[float]:
    """A process at work, killed at the end; yields when it has saved something."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database.url, str(recorder.ledger_id), what],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline(), f"the process that was {what} ended by itself"
            yield time.monotonic()
        finally:
            process.send_signal(signal.SIGKILL)


@contextmanager
def load(recorder: PostgresRecorder, chosen: random.Random) -> Iterator[None]:
    """Facts that add, change and remove cells are recorded until the end."""
    stopping = threading.Event()

    def some() -> Content:
        names = chosen.sample(range(60), chosen.randint(1, 3))
        return {f"c{name}": chosen.choice((None, chosen.randint(0, 9))) for name in names}

    def write() -> None:
        while not stopping.wait(AGAIN_SECONDS):
            record(recorder, *(some() for _ in range(20)), unit=f"U{chosen.randint(0, 9)}")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(PATIENCE_SECONDS)


def torment(
    database: Database, recorder: PostgresRecorder, kills: int, seed: int, *, planted: bool = False
) -> list[str]:
    """Kill whoever projects and whoever rebuilds, at moments of chance; what is wrong then."""
    chosen, others = random.Random(seed), random.Random(seed + 1)  # noqa: S311  (chance, not secrets)
    with load(recorder, others):
        for number in range(kills):
            what = "planted" if planted else "projecting"
            with at_work(database, recorder, what):
                if number % 2 and not planted:
                    with at_work(database, recorder, "rebuilding"):
                        # Now and then long enough for a switch or several.
                        time.sleep(chosen.uniform(0, chosen.choice((0.1, 0.5, 4))))
                time.sleep(chosen.uniform(0, 0.2))
    _catch_up(database, recorder)
    return [*wrong(database, recorder, chosen)]


def _catch_up(database: Database, recorder: PostgresRecorder) -> None:
    """A killed process's session may live for a moment longer."""
    runner = Runner(database, recorder.ledger_id, recorder, (Cells(), Totals()))
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        runner.progress.wait_for(recorder.head().position, PATIENCE_SECONDS, ["cells", "totals"])
    finally:
        runner.stop()
        thread.join(PATIENCE_SECONDS)


def wrong(database: Database, recorder: PostgresRecorder, chosen: random.Random) -> Iterator[str]:
    """Where the views are not what the log says, now or as of positions of chance."""
    for checked in verify_views(database, recorder.ledger_id, recorder, [Cells(), Totals()]):
        if not checked.agrees:
            yield checked.what
    sampled = {*chosen.sample(range(1, recorder.head().position + 1), SAMPLES)}
    cells, totals = MemoryRows((CELL,)), MemoryRows((TOTAL,))
    with database.pooled(Role.READER) as connection:
        for event in (decode(one.entry) for page in recorder.stream() for one in page):
            for projection, rows in ((Cells(), cells), (Totals(), totals)):
                projection.fold(event, rows)
                rows.settle(event.position)
            if event.position in sampled:
                reader = Reader(connection, recorder.ledger_id, event.position)
                if reader.find(CELL) != sorted(_all(cells, "cell"), key=lambda one: one.name):
                    yield f"cells as of {event.position}"
                if reader.find(TOTAL) != sorted(_all(totals, "total"), key=lambda one: one.unit):
                    yield f"totals as of {event.position}"


def _all(rows: MemoryRows, table: str) -> list[Any]:
    """Every row that a replay has made."""
    recent = rows._versions[table].recent
    return [row for row, _ in recent.values() if row is not None]


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_views_survive_kill_9(database: Database, recorder: PostgresRecorder) -> None:
    """Wherever projector and rebuild are killed, views go on as if nothing had been."""
    seed = random.randrange(1_000_000)  # noqa: S311  (the same)
    found = torment(database, recorder, KILLS, seed)
    assert not found, f"seed {seed}: {found}"
    with database.pooled(Role.READER) as connection:
        builds = [one for one in standings(connection, recorder.ledger_id) if one.name == "cells"]
    assert sum(one.serving for one in builds) == 1
    logging.getLogger(__name__).info("%d kills, seed %d, %d builds", KILLS, seed, len(builds))


def test_a_position_saved_by_itself_is_caught(
    database: Database, recorder: PostgresRecorder
) -> None:
    """When rows and position are two transactions, a kill between them is found."""
    assert torment(database, recorder, PLANTED_KILLS, 7, planted=True)
