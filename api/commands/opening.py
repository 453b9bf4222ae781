"""A ledger opened for one command: the database, the log, and the views brought up to date."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from ledger.attachments import AttachmentStore, attachments_folder
from ledger.database import Database, Role, open_database
from ledger.entry import Context
from ledger.errors import NotFound, ProjectorLeading
from ledger.identifiers import new_fact_id
from ledger.log import Log
from ledger.migrate import is_migrated
from ledger.recorder import LedgerInfo, find_ledger
from ledger.sealed import PersonalKeys, SealedStore
from ledger.sealing.guard import open_recorder
from ledger.settings import Settings, load
from ledger.vocabulary import Actor, Via
from projections.names import person_names
from projections.positions import Progress, standings
from projections.runner import Runner
from projections.standpoint import Questions, Standpoint
from projections.views import VIEWS

VIEWS_WAIT_SECONDS: Final = 20.0


class Opened:
    """One ledger, for as long as a command runs."""

    def __init__(self, settings: Settings, database: Database, info: LedgerInfo) -> None:
        self.settings = settings
        self.database = database
        self.info = info
        self.recorder = open_recorder(database, info, settings)
        self.log = Log(self.recorder, info.name, simulated=info.simulated)
        self.questions = Questions(database, self.recorder, info, self.now)

    def now(self) -> datetime:
        """The machine's time; a simulated ledger stands at its last fact."""
        last = self.recorder.head().recorded_at
        return last if self.info.simulated and last is not None else datetime.now(UTC)

    def context(self) -> Context:
        """The operator at the command line, who is asking now."""
        actor = Actor(via=Via.OPERATOR, system="command line")
        return Context(actor=actor, received_at=self.now(), new_id=new_fact_id)

    @cached_property
    def personal_keys(self) -> PersonalKeys:
        """The keys of persons."""
        return PersonalKeys(Path(self.settings.home) / "keys", self.info.name)

    @cached_property
    def sealed(self) -> SealedStore:
        """The personal values of this ledger."""
        return SealedStore(self.database, self.info.ledger_id, self.personal_keys)

    @cached_property
    def attachments(self) -> AttachmentStore:
        """The files that facts of this ledger name."""
        return AttachmentStore(
            attachments_folder(self.settings),
            self.info.name,
            self.personal_keys,
            follow=self.sealed.erased,
        )

    def runner(self) -> Runner:
        """A projector of every view."""
        return Runner(self.database, self.info.ledger_id, self.recorder, VIEWS)

    def bring_views_up(self) -> int:
        """Project what was recorded, or wait for the projector that does; the position reached."""
        head = self.recorder.head().position
        if self.projected() == head:
            return head
        try:
            return self.runner().catch_up()
        except ProjectorLeading:
            Progress(self.database, self.info.ledger_id).wait_for(head, VIEWS_WAIT_SECONDS)
            return head

    def projected(self) -> int:
        """How far every view is; -1 while one was never built."""
        with self.database.pooled(Role.READER) as connection:
            found = standings(connection, self.info.ledger_id)
        serving = {one.name: one.position for one in found if one.serving}
        return min((serving.get(view.name, -1) for view in VIEWS), default=-1)

    def names_of(self, here: Standpoint, persons: Iterable[str]) -> dict[str, str | None]:
        """The names that persons had as known there; None for those who were erased since."""
        return person_names(here.background, self.sealed, persons)


@contextmanager
def database_of(environ: Mapping[str, str]) -> Iterator[tuple[Settings, Database]]:
    """The settings, and the database they name."""
    settings = load(environ)
    database = open_database(settings)
    try:
        yield settings, database
    finally:
        database.close()


@contextmanager
def opened(environ: Mapping[str, str]) -> Iterator[Opened]:
    """The ledger that the settings name; `NotFound` says which ledgers there are."""
    with database_of(environ) as (settings, database):
        found = Opened(settings, database, _find(database, settings.name))
        try:
            yield found
        finally:
            found.recorder.close()


NAMES: Final = "SELECT name FROM ledger.ledger ORDER BY name"


def ledger_if_any(database: Database, name: str) -> LedgerInfo | None:
    """The ledger of this name, in a database that may not be migrated yet."""
    return find_ledger(database, name) if is_migrated(database) else None


def _find(database: Database, name: str) -> LedgerInfo:
    if not is_migrated(database):
        raise NotFound(
            "there is no ledger here yet; begin with `ledger demo`, `ledger import` or "
            "`ledger serve`, or correct LEDGER_HOME or LEDGER_DATABASE_URL"
        )
    info = find_ledger(database, name)
    if info is not None:
        return info
    with database.pooled(Role.READER) as connection:
        names = [found for (found,) in connection.execute(NAMES)]
    raise NotFound(
        f"there is no ledger {name!r} here, only {', '.join(names) or 'none'}; "
        "name one with --ledger or LEDGER_NAME"
    )
