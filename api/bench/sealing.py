"""`ledger bench seal`: what sealing costs those who write, in the same process on the same disk.

Two ledgers take turns: one is sealed as it grows, by a sealer beside this process as `ledger serve`
runs it, and the other is not. Each turn ends with everything sealed, outside of the measured time.
Read next: `ledger/sealing/process.py`.
"""

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from api.bench.append import BATCH_EVENTS, CROWD
from api.bench.contest import Show, alternate, called_by, fresh_database, ratios, table
from api.bench.goal import Goal, at_least, at_most
from api.bench.references import our_call
from ledger.database import Database, open_database
from ledger.errors import LedgerError
from ledger.recorder import PostgresRecorder, create_ledger
from ledger.sealing.checkpoint import Checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.keys import LogKeys
from ledger.sealing.process import SealerProcess
from ledger.settings import Settings

SEALED, UNSEALED = "sealed as it grows", "not sealed"
PACED_CALLERS, PACE = 8, 5_000
LAG_SECONDS_MAX = 1.0
SEALED_SECONDS_MAX = 120.0


def run(settings: Settings, *, quick: bool, show: Show = print) -> list[Goal]:
    """Measure on the server of the settings, in a database and a folder that are removed."""
    server = open_database(settings)
    try:
        with fresh_database(server) as database, tempfile.TemporaryDirectory() as folder:
            return _contest(database, Path(folder), quick=quick, show=show)
    finally:
        server.close()


class _Ledger:
    """One contestant; with a folder it is sealed while it is written to."""

    def __init__(self, database: Database, name: str, home: Path | None) -> None:
        self.recorder = PostgresRecorder(database, create_ledger(database, name, simulated=False))
        self._sealer: SealerProcess | None = None
        if home is not None:
            keys, self._folder = LogKeys(home / "keys", name), LogFolder(home / "log" / name)
            keys.ensure(f"localhost/bench/{name}", sealed_before=False)
            self._sealer = SealerProcess.of(database, self.recorder.ledger_id, keys, self._folder)

    def rate(self, callers: int, size: int, seconds: float) -> float:
        """Events a second of so many callers, the sealer at work beside them."""
        measure = partial(called_by, callers, seconds, partial(our_call, self.recorder, size))
        if self._sealer is None:
            return measure()
        with self._at_work(self._sealer):
            rate = measure()
            self._wait_until_sealed()
        return rate

    def lag(self, seconds: float) -> float:
        """The longest that a fact waited for its checkpoint, in seconds, at PACE facts a second."""
        assert self._sealer, "asked of the ledger that is sealed"
        stopping = threading.Event()
        threads = [
            threading.Thread(target=self._pace, args=(stopping,)) for _ in range(PACED_CALLERS)
        ]
        with self._at_work(self._sealer):
            for thread in threads:
                thread.start()
            try:
                return max(self._waited(seconds))
            finally:
                stopping.set()
                for thread in threads:
                    thread.join()

    @contextmanager
    def _at_work(self, sealer: SealerProcess) -> Iterator[None]:
        """The sealer beside this process, which has taken the lead."""
        stopping = threading.Event()
        thread = threading.Thread(target=sealer.run, args=(stopping,))
        thread.start()
        try:
            our_call(self.recorder)()
            self._wait_until_sealed()
            yield
        finally:
            stopping.set()
            thread.join()

    def _wait_until_sealed(self) -> None:
        head, give_up_at = self.recorder.head().position, time.monotonic() + SEALED_SECONDS_MAX
        while self._published() < head:
            if time.monotonic() > give_up_at:
                raise LedgerError("the sealer does not come to an end; see what it says above")
            time.sleep(0.05)

    def _waited(self, seconds: float) -> list[float]:
        """How long the heads of each moment waited, in seconds."""
        waited, due = [], list[tuple[float, int]]()
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at or due:
            now, published = time.monotonic(), self._published()
            while due and due[0][1] <= published:
                waited.append(now - due.pop(0)[0])
            if now < give_up_at:
                due.append((now, self.recorder.head().position))
            time.sleep(0.01)
        return waited

    def _published(self) -> int:
        note = self._folder.latest()
        return 0 if note is None else Checkpoint.parse(note.partition("\n\n")[0] + "\n").size

    def _pace(self, stopping: threading.Event) -> None:
        """One caller's part of PACE facts a second, ten calls a second."""
        call = our_call(self.recorder, PACE // PACED_CALLERS // 10)
        next_at = time.monotonic()
        while not stopping.is_set():
            call()
            next_at = max(next_at + 0.1, time.monotonic() - 0.1)
            stopping.wait(max(0.0, next_at - time.monotonic()))


def _contest(database: Database, home: Path, *, quick: bool, show: Show) -> list[Goal]:
    rounds, seconds = (2, 0.6) if quick else (7, 3.0)
    sealed, unsealed = _Ledger(database, "sealed", home), _Ledger(database, "unsealed", None)

    def contestants(callers: int, size: int) -> dict[str, Callable[[], float]]:
        return {
            SEALED: lambda: sealed.rate(callers, size, seconds),
            UNSEALED: lambda: unsealed.rate(callers, size, seconds),
        }

    try:
        columns = {
            "64 callers": alternate(rounds, contestants(CROWD, 1)),
            "batches of 1,000": alternate(rounds, contestants(1, BATCH_EVENTS)),
        }
        lags = [sealed.lag(seconds) for _ in range(rounds)]
    finally:
        sealed.recorder.close()
        unsealed.recorder.close()
    show(table("seal", "events/s", columns))
    show(f"longest wait for a checkpoint at {PACE:,} facts/s: {median(lags):.2f} s")
    return [
        *(
            at_least(f"{case}, sealed against not sealed", 0.9, ratios(rates, SEALED, UNSEALED))
            for case, rates in columns.items()
        ),
        at_most(
            f"longest wait for a checkpoint at {PACE:,} facts/s, in seconds", LAG_SECONDS_MAX, lags
        ),
    ]
