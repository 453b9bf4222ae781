"""A ledger in memory for tests of decisions: commands are decided as the log decides them.

Each decision is taken twice: from the facts that the command's boundary reads, and from every
fact. Both must agree, or the boundary leaves out something that the decision depends on.
"""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Access, Context, Draft, Event, envelope_of, tags_of
from ledger.errors import Refused
from ledger.model.history import History
from ledger.vocabulary import Actor, Via

ROUNDS_MAX = 12


class Deciding:
    """Every event so far, and the clock of the gate."""

    def __init__(self, now: datetime) -> None:
        self.events: list[Event] = []
        self.now = now
        self._ids = _ids()

    @property
    def history(self) -> History:
        """Everything that happened, folded."""
        return History.of(self.events)

    def operator(self, command: Command, *, at: datetime | None = None) -> list[Event]:
        """Record what an operator commands."""
        return self._do(command, Actor(via=Via.OPERATOR, system="tests"), None, at)

    def person(
        self, who: str, command: Command, *, at: datetime | None = None, role: str = "manager"
    ) -> list[Event]:
        """Record what a person commands."""
        return self._do(command, Actor(via=Via.API, person=who), Access(role), at)

    def read(self, command: Command) -> History:
        """The history that the command's boundary reads, as the log reads it."""
        known: list[Selector] = []
        history = History()
        for _ in range(ROUNDS_MAX):
            asked = [one for one in command.reads(history) if one not in known]
            if not asked:
                return history
            assert all(one.tags for one in asked), "a selector without tags reads everything"
            known.extend(asked)
            history = History.of(one for one in self.events if _matches(one, known))
        raise AssertionError("the boundary does not settle")

    def _do(
        self, command: Command, actor: Actor, access: Access | None, at: datetime | None
    ) -> list[Event]:
        self.now = at or self.now
        first, second = (
            self._decide(command, actor, access, history)
            for history in (self.read(command), self.history)
        )
        drafts = first
        assert repr(first) == repr(second), "the boundary leaves something out"
        if isinstance(drafts, Refused):
            raise drafts
        context = self._context(actor, access)
        events = [
            Event(one.fact, envelope_of(one, context), tags_of(one), place, self.now)
            for place, one in enumerate(drafts, len(self.events) + 1)
        ]
        self.events.extend(events)
        return events

    def _decide(
        self, command: Command, actor: Actor, access: Access | None, history: History
    ) -> list[Draft] | Refused:
        context = self._context(actor, access, fixed=UUID(int=len(self.events)))
        try:
            return command.decided(history, context)
        except Refused as refusal:
            return refusal

    def _context(self, actor: Actor, access: Access | None, fixed: UUID | None = None) -> Context:
        new_id = (lambda: fixed) if fixed else self._ids.__next__
        return Context(actor=actor, received_at=self.now, new_id=new_id, access=access)


def _ids() -> Iterator[UUID]:
    number = 1 << 64
    while True:
        number += 1
        yield UUID(int=number)


def _matches(event: Event, selectors: list[Selector]) -> bool:
    return any(
        set(one.tags) <= set(event.tags) and (not one.types or type(event.fact) in one.types)
        for one in selectors
    )
