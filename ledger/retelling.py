"""Past and made-up histories told in order: commands, and between them the clock's own facts.

An import of last year's reports, or a demonstration, has to open last year's obligations at the
instants at which they would have been opened, and notice what was missed then. A retelling lets
time pass up to the next command, records in bulk what the clock would have recorded, and says so
to its caller, who may have more to tell because of it. Read next: `ledger/schedule/planner.py`.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from ledger.bulk import Bulk
from ledger.decisions.command import Command
from ledger.entry import Context, Draft, Event
from ledger.errors import GateRefused
from ledger.schedule import Planner, clock_context


class Retelling:
    """Commands and the passing of time, in the order of their instants, into one bulk."""

    def __init__(self, bulk: Bulk) -> None:
        self.bulk = bulk
        self.history = bulk.history
        self._planner = Planner(bulk.history)

    def execute(
        self, command: Command, context: Context, *, recorded_at: datetime | None = None
    ) -> tuple[Event, ...]:
        """Decide and buffer, as `Bulk.execute`; the clock hears of the facts."""
        try:
            drafts = command.decided(self.history, context)
        except GateRefused as refusal:
            self.record(refusal.drafts, context, recorded_at=recorded_at)
            raise
        return self.record(drafts, context, recorded_at=recorded_at)

    def record(
        self, drafts: Iterable[Draft], context: Context, *, recorded_at: datetime | None = None
    ) -> tuple[Event, ...]:
        """Buffer facts that are decided already; the clock hears of them."""
        events = self.bulk.record(drafts, context, recorded_at=recorded_at)
        for event in events:
            self._planner.observe(event)
        return events

    def pass_time(self, until: datetime) -> Iterator[tuple[Event, ...]]:
        """Let the clock record up to an instant; stops wherever it recorded something.

        Whoever breaks off and calls again loses nothing.
        """
        for planned in self._planner.run(until):
            yield tuple(
                event for one in planned for event in self.record(one.drafts, clock_context(one.at))
            )
