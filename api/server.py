"""The service running: database, views, clock and doors in one process, until it is told to stop.

Threads follow the log beside the doors: one projects its views, one seals what is recorded, one
keeps time. Several such processes may serve one database; of each kind of thread one leads and
the others stand by, or find their work done.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

import psycopg
import structlog
import uvicorn

from api.app import create_app
from api.ledgers import Ledgers, OpenLedger
from api.observability import configure_logging
from ledger.attachments import attachments_folder
from ledger.clock import Clock
from ledger.database import open_database
from ledger.entry import Context
from ledger.errors import BadSetting, LedgerError
from ledger.founding import found_ledger
from ledger.identifiers import new_fact_id
from ledger.migrate import migrate
from ledger.recorder import find_ledger
from ledger.sealing.guard import guard_of
from ledger.sealing.keys import ensured_keys
from ledger.sealing.process import SealerProcess
from ledger.settings import Settings
from ledger.vocabulary import Actor, Via
from projections.building.builds import require_same_folds
from projections.runner import Runner
from projections.views import VIEWS

REST_SECONDS: Final = 1.0
"""How long a thread rests after an error before it begins anew."""

STOP_SECONDS: Final = 10
"""How long requests may finish, and threads may end, when the service stops."""

KEEP_ALIVE_SECONDS: Final = 30
SWEEP_SECONDS: Final = 3_600.0

logger = structlog.get_logger(__name__)


def serve(settings: Settings, ready: Callable[[str], None] = lambda _address: None) -> None:
    """Serve until interrupted; `ready` hears the address once requests are answered there."""
    configure_logging(settings.log_level)
    _require_free_port(settings)
    with running(settings) as ledgers:
        server = _Server(_config(settings, ledgers), ready)
        with contextlib.suppress(KeyboardInterrupt):
            server.run()


@contextmanager
def running(settings: Settings) -> Iterator[Ledgers]:
    """Everything behind the doors: the database migrated, the ledger there, its threads at work."""
    database = open_database(settings)
    try:
        migrate(database)
        if find_ledger(database, settings.name) is None:
            found_ledger(
                database,
                settings.name,
                simulated=False,
                now=datetime.now(UTC),
                guard=guard_of(settings, settings.name),
            )
        require_same_folds(database, VIEWS)
        ledgers = Ledgers(database, settings)
        opened = ledgers.open(settings.name)
        try:
            with _threads(ledgers, opened):
                yield ledgers
        finally:
            ledgers.close()
    finally:
        database.close()


@contextmanager
def _threads(ledgers: Ledgers, opened: OpenLedger) -> Iterator[None]:
    runner = Runner(opened.database, opened.info.ledger_id, opened.recorder, VIEWS)
    stopping = threading.Event()
    keys = ensured_keys(opened.database, opened.info, ledgers.settings)
    sealer = SealerProcess.of(opened.database, opened.info.ledger_id, keys, opened.log_folder)
    threads = [
        threading.Thread(target=_sweep, args=(ledgers, stopping), name="sweeper", daemon=True),
        threading.Thread(target=runner.run, name="projector", daemon=True),
        threading.Thread(target=sealer.run, args=(stopping,), name="sealer", daemon=True),
    ]
    if not opened.info.simulated:
        # A simulated ledger's time is told by whoever simulates it.
        target = lambda: _keep_time(opened, stopping)  # noqa: E731  (a thread's one line)
        threads.append(threading.Thread(target=target, name="clock", daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        runner.stop()
        for thread in threads:
            thread.join(STOP_SECONDS)


def _keep_time(opened: OpenLedger, stopping: threading.Event) -> None:
    """Run the clock; after an error begin with a fresh one, which finds in the log what is done."""
    while not stopping.is_set():
        try:
            Clock(opened.log).run(stopping)
        except (LedgerError, psycopg.Error) as error:
            logger.warning("clock rests", ledger=opened.info.name, error=str(error))
            stopping.wait(REST_SECONDS)


def _sweep(ledgers: Ledgers, stopping: threading.Event) -> None:
    """Let go, every hour, of files that nobody named in time, and of files of who was erased."""
    while not stopping.is_set():
        for name in ledgers_with_files(ledgers.settings):
            try:
                sweep(ledgers.open(name))
            except (LedgerError, psycopg.Error, OSError) as error:
                logger.warning("sweeper rests", ledger=name, error=str(error))
        stopping.wait(SWEEP_SECONDS)


def sweep(opened: OpenLedger) -> int:
    """Look through the files of one ledger; how many were let go of."""
    actor = Actor(via=Via.CLOCK, system="sweeper")
    context = Context(actor=actor, received_at=opened.clock.now(), new_id=new_fact_id)
    return opened.uploads.sweep(context, opened.sealed.erased(now=True))


def ledgers_with_files(settings: Settings) -> list[str]:
    """The names of the ledgers that files were ever sent to."""
    folder = attachments_folder(settings)
    return sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def _config(settings: Settings, ledgers: Ledgers) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(ledgers),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        # A forwarded address is believed only from a proxy that was named; none is by default.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            self._ready(f"http://{host}:{self.config.port}")


def _require_free_port(settings: Settings) -> None:
    """Find out before the database is started, and say it in one line."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise BadSetting(
                f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}); "
                "stop what uses it, or choose another LEDGER_PORT"
            ) from error
