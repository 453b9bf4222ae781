"""A ledger that a benchmark fills with the story: appended and projected in the service's own way.

Read next: `api/bench/story.py` (what is told), `api/bench/scale.py` (what it costs).
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

from api.bench.project import ActivityProjection
from api.bench.story import NAME, begin
from ledger.codec import decode
from ledger.database import Database
from ledger.recorder import Appended, AppendRequest, find_ledger
from projections.leading import Lead
from projections.standpoint import Questions
from projections.views import VIEWS

REQUESTS_TOGETHER = 256
"""What so many callers might ask at once, a minute's reports each."""


class Filling:
    """One ledger and its story so far; used by one thread, within `filling`."""

    def __init__(self, database: Database, *, small: bool, opened: ExitStack) -> None:
        self.database = database
        self.recorder, self.story = begin(database, small=small)
        opened.callback(self.recorder.close)
        info = find_ledger(database, NAME)
        assert info is not None, "the story has begun"
        self.info = info
        self.first = self.position = self.recorder.head().position
        """Where the story begins, and where it has come to."""

        self._requests = self.story.requests()
        self._lead: Lead | None = None
        self._opened = opened

    def draw(self, events: int) -> list[AppendRequest]:
        """What comes next: requests of about so many events."""
        drawn, count = [], 0
        for request in self._requests:
            drawn.append(request)
            count += len(request.events)
            if count >= events:
                break
        return drawn

    def append(self, requests: list[AppendRequest]) -> int:
        """Record them; how many events they were."""
        before = self.position
        for start in range(0, len(requests), REQUESTS_TOGETHER):
            for outcome in self.recorder.append(requests[start : start + REQUESTS_TOGETHER]):
                assert isinstance(outcome, Appended), outcome
                self.position = outcome.receipts[-1].position
        return self.position - before

    def project(self) -> None:
        """Bring every view up, and one more whose rows change with every report."""
        if self._lead is None:
            views = (*VIEWS, ActivityProjection(1))
            lead = Lead(self.database, self.info.ledger_id, self.recorder, views, decode)
            self._lead = self._opened.enter_context(closing(lead))
        reached = self._lead.catch_up()
        assert reached == self.position, f"the views stand at {reached}, not at {self.position}"

    def fill(self, facts: int, at_once: int) -> None:
        """Tell the story up to about so many facts, projected."""
        while self.position < facts:
            self.append(self.draw(min(at_once, facts - self.position)))
            self.project()

    def questions(self) -> Questions:
        """Whoever asks; knows nothing yet."""
        return Questions(self.database, self.recorder, self.info, self._now)

    def _now(self) -> datetime:
        return self.recorder.head().recorded_at or datetime.now(UTC)


@contextmanager
def filling(database: Database, *, small: bool) -> Iterator[Filling]:
    """A ledger in this migrated database, to be filled; afterwards nobody writes to it."""
    with ExitStack() as opened:
        yield Filling(database, small=small, opened=opened)
