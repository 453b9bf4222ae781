"""`ledger bench rebuild`: how much a rebuild beside serving slows questions and appends.

One process serves as the service does: somebody asks for a unit's obligations, somebody appends
fact after fact, and a projector follows. `ledger rebuild` is another process, so the rebuild here
is one too, of every view. With and without it take turns, and all share the processors.
Read next: `projections/building/rebuilding.py`.
"""

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from random import Random
from typing import Final

from api.bench.contest import Rates, Show, fresh_database, ratios, table
from api.bench.filling import Filling, filling
from api.bench.goal import Goal, at_least
from api.bench.story import CHINA, DAY
from api.demo.scales import SEED
from ledger.codec import decode
from ledger.database import Database, open_database
from ledger.recorder import AppendRequest, PostgresRecorder
from ledger.settings import Settings
from projections.building.rebuilding import Rebuild, cancel_rebuild
from projections.obligations import OBLIGATION
from projections.runner import Runner
from projections.time_travel import Range
from projections.views import VIEWS

BESIDE, ALONE = "while a rebuild goes on", "without"
FACTS, FACTS_QUICK = 200_000, 20_000
SECONDS, SECONDS_QUICK = 6.0, 1.0
AT_ONCE: Final = 20_000
DAYS_ASKED: Final = 7
KEPT_OF_QUESTIONS, KEPT_OF_APPENDS = 0.4, 0.4
"""What is left of the rates: a rebuild takes one processor of two, and the server's time too."""


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:
    """Measure on the server of the settings, in a database that is dropped afterwards."""
    facts, rounds = (FACTS_QUICK, 2) if quick else (FACTS, 5)
    server = open_database(settings)
    try:
        with fresh_database(server) as database, filling(database, small=quick) as told:
            while told.position < facts:
                told.append(told.draw(AT_ONCE))
            with _projected(told):
                service = _Service(told, SECONDS_QUICK if quick else SECONDS)
                for _ in range(rounds):
                    service.turn()
    finally:
        server.close()
    show(table("rebuild", "/s", {"questions": service.questions, "appends": service.appends}))
    show(table("rebuild of every view", "facts/s", {"rate": service.rebuilds}))
    said = "while every view is rebuilt, against without"
    return [
        at_least(f"{name} {said}", bound, ratios(rates, BESIDE, ALONE))
        for name, bound, rates in (
            ("questions", KEPT_OF_QUESTIONS, service.questions),
            ("appends", KEPT_OF_APPENDS, service.appends),
        )
    ]


@contextmanager
def _projected(told: Filling) -> Iterator[None]:
    """Views that follow the log in a thread, as a service has it."""
    runner = Runner(told.database, told.info.ledger_id, told.recorder, VIEWS)
    runner.catch_up()
    thread = threading.Thread(target=runner.run, name="projector")
    thread.start()
    try:
        yield
    finally:
        runner.stop()
        thread.join()


class _Service:
    """Questions and appends a second, with a rebuild and without."""

    def __init__(self, told: Filling, seconds: float) -> None:
        self._told = told
        self._seconds = seconds
        self._questions = told.questions()
        self._random = Random(SEED)  # noqa: S311  (which unit is asked about)
        self._drawn: deque[AppendRequest] = deque()
        self.questions: Rates = {BESIDE: [], ALONE: []}
        self.appends: Rates = {BESIDE: [], ALONE: []}
        self.rebuilds: Rates = {BESIDE: [], ALONE: []}

    def turn(self) -> None:
        """One round of both, and of a rebuild that nobody disturbs."""
        self._measure(ALONE, lambda: True)
        with _rebuilding(self._told) as beside:
            self._measure(BESIDE, beside.goes_on)
            self.rebuilds[BESIDE].append(beside.rate())
        with _rebuilding(self._told) as undisturbed:
            self.rebuilds[ALONE].append(undisturbed.rate())

    def _measure(self, name: str, goes_on: Callable[[], bool]) -> None:
        # Made up before, because that costs more than to append it.
        if len(self._drawn) < AT_ONCE:
            self._drawn.extend(_singly(self._told.draw(AT_ONCE)))
        rates: list[float] = [0.0, 0.0]

        def work(place: int, call: Callable[[], None]) -> None:
            done, started = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - started) < self._seconds and goes_on():
                call()
                done += 1
            rates[place] = done / elapsed

        threads = [
            threading.Thread(target=work, args=(place, call))
            for place, call in enumerate((self._ask, self._append))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.questions[name].append(rates[0])
        self.appends[name].append(rates[1])

    def _ask(self) -> None:
        """What a unit owed lately."""
        unit = self._random.choice(self._told.story.outlets)
        with self._questions.at() as here:
            today = (here.as_of.instant + CHINA).date()
            days = Range(today - DAYS_ASKED * DAY, today + DAY)
            here.reader.find(OBLIGATION, {"unit": unit, "period_end": days})

    def _append(self) -> None:
        self._told.recorder.append_one(self._drawn.popleft())


def _singly(requests: Sequence[AppendRequest]) -> Iterator[AppendRequest]:
    for request in requests:
        for event in request.events:
            yield AppendRequest(events=(event,), recorded_at=request.recorded_at)


class _Rebuilding:
    """A rebuild of every view in a process of its own."""

    def __init__(self, url: str, ledger_id: int) -> None:
        words = [sys.executable, "-m", "api.bench.rebuilding", url, str(ledger_id)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None, "it was asked for"
        self._said = self._process.stdout
        # Until it has begun: starting a program costs, but only once.
        self._said.readline()

    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def rate(self) -> float:
        """Wait for its end; its facts a second."""
        rate = float(self._said.readline())
        self.close()
        assert self._process.returncode == 0, "a rebuild comes to its end"
        return rate

    def close(self) -> None:
        """Wait for the process to be gone."""
        self._process.wait()
        self._said.close()


@contextmanager
def _rebuilding(told: Filling) -> Iterator[_Rebuilding]:
    """A rebuild under way; what it built is dropped afterwards, which is no part of it."""
    rebuilding = _Rebuilding(told.database.url, told.info.ledger_id)
    try:
        yield rebuilding
    finally:
        rebuilding.close()
        cancel_rebuild(told.database, told.info.ledger_id, [view.name for view in VIEWS])


def _rebuild_here(url: str, ledger_id: int) -> None:
    """The other process: says that it begins, builds every view, and says how fast."""
    database = Database(url)
    recorder = PostgresRecorder(database, ledger_id)
    try:
        with closing(Rebuild(database, ledger_id, recorder, VIEWS, decode)) as work:
            print("begun", flush=True)  # noqa: T201
            started = time.perf_counter()
            position = work.build()
            print(position / (time.perf_counter() - started))  # noqa: T201
    finally:
        recorder.close()
        database.close()


if __name__ == "__main__":
    _rebuild_here(sys.argv[1], int(sys.argv[2]))
