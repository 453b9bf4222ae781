"""What a command is: the facts it must know, and the decision it takes from them.

A command is pure. `boundary` names the histories it needs, given what is known so far; the log
reads until that stops growing, and the same boundary becomes the condition of the append: if any
of it changes meanwhile, the decision is taken anew. `decide` returns drafts or raises a refusal.
Read next: `ledger/log.py`, which executes commands.
"""

from abc import abstractmethod

import msgspec
from eventsourcing.dcb.domain import Selector

from ledger.entry import Context, Draft
from ledger.model.history import History


class Command(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request to record something, decided from facts."""

    @abstractmethod
    def boundary(self, history: History) -> list[Selector]:
        """Every history that the decision reads, each selector with at least one tag."""

    @abstractmethod
    def decide(self, history: History, context: Context) -> list[Draft]:
        """The facts to record, or a `Refused` that says what to do."""
