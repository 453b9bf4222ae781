"""What a command is: the facts it must know, and the decision it takes from them.

A command is pure. `boundary` names the histories it needs, given what is known so far; the log
reads until that stops growing, and the same boundary becomes the condition of the append: if any
of it changes meanwhile, the decision is taken anew. `decide` returns drafts or raises a refusal.
Whoever executes commands calls `reads` and `decided`, which add what holds for every command.
Read next: `ledger/log.py`, which executes commands.
"""

from abc import abstractmethod

import msgspec
from eventsourcing.dcb.domain import Selector

from ledger.entry import Context, Draft
from ledger.model.history import History
from ledger.model.naming import named_boundary, require_named


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to record something, decided from facts."""

    @abstractmethod
    def boundary(self, history: History) -> list[Selector]:
        """Every history that the decision reads, each selector with at least one tag."""

    @abstractmethod
    def decide(self, history: History, context: Context) -> list[Draft]:
        """The facts to record, or a `Refused` that says what to do."""

    def reads(self, history: History) -> list[Selector]:
        """The boundary, and all that happened to the files which the command names."""
        return [*self.boundary(history), *named_boundary(getattr(self, "evidence", ()))]

    def decided(self, history: History, context: Context) -> list[Draft]:
        """The facts to record; whatever the command, it names only files that it may."""
        drafts = self.decide(history, context)
        for draft in drafts:
            require_named(history, context, draft.evidence)
        return drafts
