"""Letting facts in again after the log was stopped, told in the log itself.

Whoever reads the log later sees that it stood still, at which position, what was found there, and
who decided that it may go on. A code says what was put right, and no words are taken: they could
name a person, and nothing in this log can be erased.
Read next: `ledger/sealing/guard.py`, which looks before it lets anything in.
"""

from typing import Final

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Invalid
from ledger.events.platform import LogResumed
from ledger.model.authority import require_operator
from ledger.model.history import History, about
from ledger.vocabulary import LogId, PersonId, Reason

PUT_RIGHT: Final = (
    "row_put_back",
    "database_brought_back",
    "restored_from_log",
    "folder_brought_back",
    "stopped_by_mistake",
)
"""What an operator did, or found, before facts may be recorded again."""


class ResumeLog(Command, frozen=True, kw_only=True):
    """Go on after `finding` stopped the log at `position`; `by` decided it, if not the operator."""

    log: LogId
    finding: str
    position: int
    put_right: str
    by: PersonId | None = None

    def boundary(self, history: History) -> list[Selector]:
        """What was recorded of this log, and the person who decided."""
        del history
        selectors = [Selector(tags=(f"log:{self.log}",))]
        return selectors if self.by is None else [*selectors, about("person", self.by)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`log.resumed`, with what was put right as its reason."""
        require_operator(context, "let facts be recorded again")
        require_put_right(self.put_right)
        if self.by is not None:
            history.person(self.by)
        fact = LogResumed(log=self.log, finding=self.finding, position=self.position, by=self.by)
        return [Draft(fact=fact, reason=Reason(code=self.put_right))]


def require_put_right(code: str) -> None:
    """`Invalid` unless the code is one of `PUT_RIGHT`."""
    if code not in PUT_RIGHT:
        raise Invalid.field("reason", f"must be one of {', '.join(PUT_RIGHT)}")
