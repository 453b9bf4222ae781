"""A ledger in memory for tests of decisions: commands are decided as the log decides them.

Each decision is taken twice: from the facts that the command's boundary reads, and from every
fact. Both must agree, or the boundary leaves out something that the decision depends on.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from eventsourcing.dcb.domain import Selector

from ledger.decisions import organisation as do
from ledger.decisions.command import Command
from ledger.entry import Access, Context, Draft, Event, envelope_of, tags_of
from ledger.errors import Refused
from ledger.model.history import History
from ledger.vocabulary import Actor, Level, Via
from tests.scenario import wall

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


NOW = "2026-03-02 09:00"
LEVELS = {
    "HQ": (Level.HEADQUARTERS, None),
    "R": (Level.REGION, "HQ"),
    "B": (Level.BRANCH, "R"),
    "S": (Level.SUB_BRANCH, "B"),
    "S2": (Level.SUB_BRANCH, "B"),
    "O": (Level.OUTLET, "S"),
}


def vacate(ledger: Deciding, unit: str = "O", at: str = NOW) -> None:
    """Nobody holds the head post of the unit from then on."""
    chief = f"{unit.lower()}-chief"
    ledger.operator(do.RelieveHolder(post=f"{unit}-head", person=chief, effective_from=wall(at)))


def refused(
    ledger: Deciding, who: str, command: Command, error: type[Refused], says: str
) -> Refused:
    """The command is refused to the person (or the operator), in these words."""
    with pytest.raises(error, match=says) as caught:
        _ = ledger.operator(command) if who == "operator" else ledger.person(who, command)
    return caught.value


def with_changes(command: Any, **changes: Any) -> Any:
    """The same command with some fields changed."""
    fields = {name: getattr(command, name) for name in command.__struct_fields__}
    return type(command)(**{**fields, **changes})
