"""The projector: waits for its turn to lead a ledger, catches up, then follows the log for ever.

Start here for how views come about: `Runner.run` is what a service runs in a thread,
`Runner.catch_up` what a command or a test calls. Several processes may run one; one leads, the
others stand by. Read next: `leading.py` (how a batch is folded and saved).
"""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final, Protocol

import psycopg

from ledger.codec import decode
from ledger.database import Database
from ledger.entry import Event
from ledger.errors import DatabaseUnreachable, LeadershipLost, ProjectorLeading
from ledger.recorder import Subscription
from projections.leading import Lead, Source
from projections.positions import Progress
from projections.tables import Projection

STANDBY_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class Log(Source, Protocol):
    """The log as the projector follows it; `ledger.recorder.PostgresRecorder` is one."""

    def subscribe(self, *, after: int) -> Subscription:
        """Everything after a position, as it is recorded."""


class Runner:
    """Keeps the views of one ledger; `progress` says how far they are."""

    def __init__(
        self,
        database: Database,
        ledger_id: int,
        source: Log,
        projections: Sequence[Projection],
        *,
        decode: Callable[[bytes], Event] = decode,
    ) -> None:
        names = [projection.name for projection in projections]
        assert len({*names}) == len(names), f"two projections share a name: {names}"
        self.progress = Progress(database, ledger_id)
        self._database = database
        self._ledger_id = ledger_id
        self._source = source
        self._projections = projections
        self._decode = decode
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._subscription: Subscription | None = None

    def catch_up(self) -> int:
        """Fold everything recorded so far; the position that all views stand at.

        `ProjectorLeading` when another process does it, `LeadershipLost` when one took over.
        """
        with self._lead() as lead:
            return lead.catch_up(self._stopping.is_set)

    def run(self) -> None:
        """Lead or stand by until `stop`; a database that went away is waited for."""
        while not self._stopping.is_set():
            try:
                with self._lead() as lead:
                    log.info("projecting ledger %d", self._ledger_id)
                    position = lead.catch_up(self._stopping.is_set)
                    self._follow(lead, position)
            except ProjectorLeading:
                self._stopping.wait(STANDBY_SECONDS)
            except LeadershipLost as error:
                # Somebody leads, or a rebuilt view serves: beginning anew tells which.
                log.warning("projector of ledger %d begins anew: %s", self._ledger_id, error)
            except (DatabaseUnreachable, psycopg.OperationalError) as error:
                log.warning("projector of ledger %d stands by: %s", self._ledger_id, error)
                self._stopping.wait(STANDBY_SECONDS)

    def stop(self) -> None:
        """Let `run` or `catch_up` return after the batch at hand; from any thread."""
        self._stopping.set()
        with self._lock:
            if self._subscription is not None:
                self._subscription.stop()

    def _follow(self, lead: Lead, position: int) -> None:
        if not lead.going:
            # Nothing is left to fold; mended code starts anew.
            self._stopping.wait()
            return
        with self._source.subscribe(after=position) as subscription:
            with self._lock:
                self._subscription = subscription
            try:
                if self._stopping.is_set():
                    return
                for stored in subscription:
                    lead.advance(stored)
                    lead.finish()
                    if self._stopping.is_set():
                        return
            finally:
                with self._lock:
                    self._subscription = None

    def _lead(self) -> closing[Lead]:
        return closing(
            Lead(self._database, self._ledger_id, self._source, self._projections, self._decode)
        )
