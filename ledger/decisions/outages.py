"""Outages of the platform: declared from probes, ratified by somebody else (rulings 45 to 47).

Operations declare, never obligors; only a second authority's word moves dues. Announced
maintenance is declared too, and moves nothing.
"""

from typing import Final

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Conflict, FieldProblem, Invalid, NotAllowed, NotFound
from ledger.events.platform import OutageDeclared, OutageRatified
from ledger.model.authority import require_operator
from ledger.model.calendar import DEFAULT_CALENDAR
from ledger.model.history import History, about
from ledger.vocabulary import Instant

NAME_CHARACTERS_MAX: Final = 80


class _Outage(Command, frozen=True, kw_only=True):
    """Something about one outage, by its name."""

    outage: str

    def boundary(self, history: History) -> list[Selector]:
        """The calendar, which holds every outage."""
        del history
        return [about("calendar", DEFAULT_CALENDAR)]


class DeclareOutage(_Outage, frozen=True, kw_only=True):
    """Declare from probes that the platform was down; `announced`: as maintenance."""

    started_at: Instant
    ended_at: Instant
    probe_ref: str
    announced: bool = False

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`outage.declared`; refuses a name in use, and an end that has not come."""
        require_operator(context, "declare an outage")
        problems = []
        if not 0 < len(self.outage.strip()) <= NAME_CHARACTERS_MAX:
            problems.append(FieldProblem("outage", f"give 1 to {NAME_CHARACTERS_MAX} characters"))
        if not self.started_at < self.ended_at <= context.received_at:
            problems.append(FieldProblem("ended_at", "must be after started_at, and have come"))
        if not self.probe_ref.strip():
            problems.append(FieldProblem("probe_ref", "name the probes that saw it"))
        if problems:
            raise Invalid(fields=tuple(problems))
        if any(one.outage == self.outage for one in history.calendar.outages):
            raise Conflict(f"outage {self.outage!r} is declared already; choose another name")
        fact = OutageDeclared(
            outage=self.outage,
            calendar=DEFAULT_CALENDAR,
            started_at=self.started_at,
            ended_at=self.ended_at,
            probe_ref=self.probe_ref,
            announced=self.announced,
        )
        return [Draft(fact=fact)]


class RatifyOutage(_Outage, frozen=True, kw_only=True):
    """Confirm an outage as a second authority; from now on it moves the dues that it disturbed."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`outage.ratified`; refuses who declared it, and what is ratified already."""
        require_operator(context, "ratify an outage")
        found = [one for one in history.calendar.outages if one.outage == self.outage]
        if not found:
            raise NotFound(f"there is no outage {self.outage!r}; declare it first")
        if found[-1].ratified_by is not None:
            raise Conflict(f"outage {self.outage!r} is ratified already")
        actor = context.actor
        if found[-1].declared_by in (actor.person, actor.system):
            raise NotAllowed("whoever declared an outage does not ratify it; ask somebody else")
        return [Draft(fact=OutageRatified(outage=self.outage, calendar=DEFAULT_CALENDAR))]
