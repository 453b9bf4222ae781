"""The life of an outlet as its stages need it: plan, reschedule, open, give up (docs/rules.md R2).

Whoever leads a unit above the outlet decides; nobody ever records a stage.
"""

from datetime import date

from eventsourcing.dcb.domain import Selector
from msgspec.structs import replace

from ledger.decisions.dated import Dated, Problems, line_above_unit
from ledger.entry import Context, Draft
from ledger.errors import Conflict, Invalid
from ledger.events import outlets as facts
from ledger.model.calendar import day_start, local_day
from ledger.model.history import History
from ledger.model.organisation import Unit
from ledger.model.outlets import opening_of, planned_open
from ledger.vocabulary import EventId, Level, UnitId


class OfOutlet(Dated, frozen=True, kw_only=True):
    """A command about an outlet, given by an operator or a leader above."""

    unit: UnitId

    def boundary(self, history: History) -> list[Selector]:
        """The outlet, and who leads above."""
        return [*line_above_unit(history, self.unit), *self.by_boundary(history)]

    def outlet(self, history: History, context: Context, problems: Problems) -> Unit:
        """The outlet; refuses what is malformed, no outlet, gone by then, or not for this actor."""
        problems.refuse()
        row = history.unit(self.unit)
        if row.level is not Level.OUTLET:
            raise Invalid.field("unit", f"{self.unit!r} is a {row.level}, not an outlet")
        self.require_above_unit(history, context, self.unit)
        if not history.organisation.is_alive(self.unit, self.at(context)):
            raise Conflict(f"outlet {self.unit!r} does not exist then; check `effective_from`")
        return row

    def today(self, row: Unit, context: Context) -> date:
        """The local day from which the command holds."""
        return local_day(self.at(context), row.zone)

    def refuse_opened(self, row: Unit) -> None:
        """Refuse what makes no sense once the outlet is open."""
        opened = opening_of(row)
        if opened is not None:
            raise Conflict(f"outlet {self.unit!r} opened on {opened.day}; correct the opening")


class PlanOutlet(OfOutlet, frozen=True, kw_only=True):
    """Plan the opening of an outlet; it prepares from six months before."""

    planned_open: date

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`outlet.planned`; refuses an outlet that has a plan, or is open."""
        problems = self.problems(context)
        problems.day("planned_open", self.planned_open, context)
        row = self.outlet(history, context, problems)
        self.refuse_opened(row)
        planned = planned_open(row, self.today(row, context))
        if planned is not None:
            raise Conflict(f"outlet {self.unit!r} is planned for {planned}; reschedule it")
        return [self.draft(facts.OutletPlanned(unit=self.unit, planned_open=self.planned_open))]


class RescheduleOpening(OfOutlet, frozen=True, kw_only=True):
    """Move the planned opening; a stage that has begun is not taken back."""

    planned_open: date

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`outlet.opening_rescheduled`; refuses an outlet without a plan, or open already."""
        problems = self.problems(context)
        problems.day("planned_open", self.planned_open, context)
        row = self.outlet(history, context, problems)
        self.refuse_opened(row)
        planned = planned_open(row, self.today(row, context))
        if planned is None:
            raise Conflict(f"outlet {self.unit!r} has no plan; plan it first")
        if planned == self.planned_open:
            raise Conflict(f"outlet {self.unit!r} is planned for {planned} already")
        fact = facts.OutletOpeningRescheduled(unit=self.unit, planned_open=self.planned_open)
        return [self.draft(fact)]


class OpenOutlet(OfOutlet, frozen=True, kw_only=True):
    """Record that an outlet opened; `corrects` names the opening that this one replaces."""

    opened_on: date
    corrects: EventId | None = None

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`outlet.opened`; refuses a day to come, and a second opening that corrects nothing."""
        problems = self.problems(context)
        problems.day("opened_on", self.opened_on, context)
        row = self.outlet(history, context, problems)
        if self.opened_on > local_day(context.received_at, row.zone):
            raise Invalid.field("opened_on", "has not come yet; record the opening when it happens")
        before = opening_of(row)
        if before is None and self.corrects is not None:
            raise Invalid.field("corrects", "there is no opening to correct; leave it out")
        if before is not None and self.corrects != before.event:
            raise Conflict(
                f"outlet {self.unit!r} opened on {before.day}; to correct that, name the fact "
                f"{before.event!r} in `corrects`"
            )
        fact = facts.OutletOpened(unit=self.unit, opened_on=self.opened_on, corrects=self.corrects)
        draft = self.draft(fact)
        if self.effective_from is None:
            draft = replace(draft, effective_from=day_start(self.opened_on, row.zone))
        return [draft]


class AbandonOutlet(OfOutlet, frozen=True, kw_only=True):
    """Give an outlet up before it opened: it exists no longer."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`outlet.abandoned`; refuses an outlet that has opened (close it instead)."""
        row = self.outlet(history, context, self.problems(context))
        self.refuse_opened(row)
        return [self.draft(facts.OutletAbandoned(unit=self.unit))]
