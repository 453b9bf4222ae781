"""A story of `tests/scenario.py` told to a real ledger: recorded, projected, ready for questions.

Labels become ids that are derived from them, so that a test can still speak of events by label.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Self
from uuid import NAMESPACE_OID, uuid5

from msgspec.structs import replace

from ledger.codec import decode, encode
from ledger.database import Database
from ledger.entry import Event
from ledger.events.organisation import FactAnnulled
from ledger.events.reports import ReportSubmitted
from ledger.model.history import History
from ledger.recorder import (
    Appended,
    AppendRequest,
    LedgerInfo,
    PostgresRecorder,
    create_ledger,
)
from projections.runner import Runner
from projections.standpoint import Questions
from projections.tables import Projection
from projections.views import VIEWS


def id_of(label: str) -> str:
    """The id of the event that a story tells under a label."""
    return str(uuid5(NAMESPACE_OID, label))


class Told:
    """A ledger that holds a story."""

    def __init__(
        self,
        database: Database,
        events: Sequence[Event],
        *,
        name: str = "told",
        views: Sequence[Projection] = VIEWS,
    ) -> None:
        self.database = database
        self.ledger_id = create_ledger(database, name, simulated=True)
        self.recorder = PostgresRecorder(database, self.ledger_id)
        self.name = name
        self.views = views
        info = LedgerInfo(self.ledger_id, name, simulated=True)
        self.questions = Questions(database, self.recorder, info, self._now)
        self.now: datetime | None = None
        self._told_until = events[0].recorded_at
        self.tell(events)

    def tell(self, events: Sequence[Event], *, project: bool = True) -> None:
        """Record what happened next, at the instants told, and project it."""
        requests = [self._request(event) for event in events]
        for outcome in self.recorder.append(requests):
            assert isinstance(outcome, Appended), outcome
        if project:
            self.project()

    def project(self) -> int:
        """Let the views catch up."""
        runner = Runner(self.database, self.ledger_id, self.recorder, self.views)
        return runner.catch_up()

    def events(self, until: int | None = None) -> list[Event]:
        """The events as the log holds them, up to a position."""
        pages = self.recorder.stream(until=until)
        return [decode(stored.entry) for page in pages for stored in page]

    def history(self, until: int | None = None) -> History:
        """The raw facts up to a position, folded."""
        return History.of(self.events(until))

    def close(self) -> None:
        """Let go of the ledger."""
        self.recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _now(self) -> datetime:
        head = self.recorder.head().recorded_at
        assert head is not None, "a story has begun"
        return self.now or head

    def _request(self, event: Event) -> AppendRequest:
        envelope = replace(event.envelope, id=id_of(event.id))
        fact = event.fact
        if isinstance(fact, FactAnnulled):
            fact = replace(fact, annulled=id_of(fact.annulled))
        if isinstance(fact, ReportSubmitted) and fact.upload is not None:
            fact = replace(fact, upload=id_of(fact.upload))
        new = encode(fact, envelope, event.tags, self.name)
        # A story may tell late what happened early; the log records it when it is told.
        self._told_until = max(event.recorded_at, self._told_until)
        return AppendRequest(events=(new,), recorded_at=self._told_until)
