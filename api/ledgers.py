"""The ledgers that this process serves: each opened once, with all that its doors need.

One database may hold many ledgers; a request names one, and everything behind it (log, views,
keys, sealed values, clock) belongs to that one. A simulated ledger's clock goes on from its last
fact, so that a demonstration of last year still has a "now" that moves.
"""

import asyncio
import os
import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from api.auth import Doorkeeper
from api.cursors import Cursors
from ledger.access import AccessKeys
from ledger.attachments import AttachmentStore, attachments_folder
from ledger.database import Database
from ledger.entry import Context
from ledger.erasure import Erasure
from ledger.errors import NotFound
from ledger.events.duties import FormField
from ledger.identifiers import new_fact_id
from ledger.log import Log
from ledger.recorder import LedgerInfo, PostgresRecorder, find_ledger
from ledger.sealed import PersonalKeys, SealedStore
from ledger.sealing.folder import log_folder
from ledger.sealing.guard import open_recorder
from ledger.sealing.keys import LogKeys, ReceiptsKey, origin_of
from ledger.settings import Settings
from ledger.uploads import Uploads
from ledger.vocabulary import Actor, Via
from projections.names import person_names
from projections.positions import Progress
from projections.standpoint import Questions, Standpoint

SECRET_BYTES: Final = 32
LEDGERS_MAX: Final = 64


class LedgerClock:
    """What time it is in a ledger: the world's, or for a simulated one its own."""

    def __init__(self, last_recorded_at: datetime | None, *, simulated: bool) -> None:
        self._offset = timedelta(0)
        if simulated and last_recorded_at is not None:
            self._offset = last_recorded_at - datetime.now(UTC)

    def now(self) -> datetime:
        """The ledger's instant."""
        return self.at(datetime.now(UTC))

    def at(self, instant: datetime) -> datetime:
        """The ledger's instant when the world's clock showed `instant`."""
        return instant + self._offset


class OpenLedger:
    """One ledger, ready for its doors."""

    def __init__(
        self, database: Database, info: LedgerInfo, settings: Settings, recorder: PostgresRecorder
    ) -> None:
        self.info = info
        self.database = database
        self.recorder = recorder
        self.log = Log(self.recorder, info.name, simulated=info.simulated)
        self.clock = LedgerClock(self.recorder.head().recorded_at, simulated=info.simulated)
        self.keys = AccessKeys(database, info.ledger_id)
        self.secret = secret_of(settings)
        self.doorkeeper = Doorkeeper(
            self.keys, info.name, self.secret, is_open=settings.console_open
        )
        self.cursors = Cursors(self.secret)
        keys = Path(settings.home) / "keys"
        self.log_origin = origin_of(settings.log_origin, info.name, simulated=info.simulated)
        self.log_keys = LogKeys(keys, info.name)
        self.log_folder = log_folder(settings, info.name)
        self.receipts_key = ReceiptsKey(keys, info.name).signing(self.log_origin)
        personal_keys = PersonalKeys(keys, info.name)
        self.sealed = SealedStore(database, info.ledger_id, personal_keys)
        self.attachments = AttachmentStore(
            attachments_folder(settings), info.name, personal_keys, follow=self.sealed.erased
        )
        self.uploads = Uploads(self.log, self.attachments, settings)
        # What an erasure left undone, or a restored database undid, is done before any door opens.
        Erasure(self.log, personal_keys, self.sealed).finish(self._context_of_start())
        self.personal_fields: dict[tuple[str, int], tuple[float, tuple[FormField, ...]]] = {}
        self.questions = Questions(database, self.recorder, info, self.clock.now)
        self.progress = Progress(database, info.ledger_id)

    def names_of(self, here: Standpoint, persons: Iterable[str]) -> dict[str, str | None]:
        """The names that persons had as known there; None for those who were erased since."""
        return person_names(here.background, self.sealed, persons)

    def _context_of_start(self) -> Context:
        actor = Actor(via=Via.OPERATOR, system="start")
        return Context(actor=actor, received_at=self.clock.now(), new_id=new_fact_id)

    def close(self) -> None:
        """Let what is being appended finish, then stop."""
        self.recorder.close()


class Ledgers:
    """Opens ledgers by name, each at its first request."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self._opened: dict[str, OpenLedger] = {}
        self._lock = threading.Lock()

    async def get(self, name: str) -> OpenLedger:
        """An open ledger; `NotFound` where no ledger has this name."""
        if (found := self._opened.get(name)) is not None:
            return found
        return await asyncio.to_thread(self.open, name)

    def open(self, name: str) -> OpenLedger:
        """The same, from a thread that may wait."""
        with self._lock:
            if name not in self._opened:
                info = find_ledger(self.database, name)
                if info is None or len(self._opened) >= LEDGERS_MAX:
                    raise NotFound(f"there is no ledger {name!r} here; check the address")
                recorder = open_recorder(self.database, info, self.settings)
                try:
                    self._opened[name] = OpenLedger(self.database, info, self.settings, recorder)
                except BaseException:
                    # It is asked for again at every request: nothing may be left behind.
                    recorder.close()
                    raise
            return self._opened[name]

    def all_open(self) -> list[OpenLedger]:
        """The ledgers opened so far."""
        return list(self._opened.values())

    def close(self) -> None:
        """Close every ledger; the database stays open."""
        with self._lock:
            for opened in self._opened.values():
                opened.close()
            self._opened.clear()


def secret_of(settings: Settings) -> bytes:
    """What signs sessions and cursors: LEDGER_SECRET, or a file made at the first start."""
    if settings.secret:
        return settings.secret.encode()
    path = Path(settings.home) / "keys" / "door.key"
    if path.exists():
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_suffix(f".{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(SECRET_BYTES))
    # Of two processes that start together one link succeeds, and both read that file.
    with suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    return path.read_bytes()
