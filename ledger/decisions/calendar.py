"""Publishing the working calendar, and the days on which listed units do not work (ruling 40).

The calendar is announced by the state and entered by an operator; a stop-work order is declared
by an operator or by a post above every unit it names, always with its document's number.
"""

from datetime import date, timedelta
from typing import Final

from eventsourcing.dcb.domain import Selector

from ledger.decisions.command import Command
from ledger.entry import Context, Draft
from ledger.errors import Conflict, FieldProblem, Invalid, NotAllowed
from ledger.events.calendar import CalendarLocalDaySet, CalendarPublished, CalendarRevised
from ledger.events.platform import ForceMajeureDeclared
from ledger.model.authority import (
    exercises,
    is_operator,
    post_boundary,
    require_operator,
    units_above,
)
from ledger.model.calendar import DEFAULT_CALENDAR, SATURDAY, Announcement
from ledger.model.duty_limits import date_problems
from ledger.model.history import History, about
from ledger.vocabulary import Instant, PostRef, Power, UnitId

UNITS_MAX: Final = 120
"""Units in one declaration; more are declared in parts, under the same document.

Each is named by two tags, and an event has 256 at most.
"""

STOP_DAYS_MAX: Final = 366


YEAR_MIN: Final = 1949
YEAR_MAX: Final = 2199


class _Announce(Command, frozen=True, kw_only=True):
    """A whole year as announced: weekdays off, and weekend days worked."""

    year: int
    source_ref: str
    days_off: tuple[date, ...]
    makeup_days: tuple[date, ...]

    def boundary(self, history: History) -> list[Selector]:
        """The calendar's own announcements."""
        del history
        return [about("calendar", DEFAULT_CALENDAR)]

    def _checked(self, history: History, context: Context) -> Announcement | None:
        require_operator(context, "publish the calendar")
        problems = [
            FieldProblem(name, f"{day} {why}")
            for name, days, weekend, why in (
                ("days_off", self.days_off, False, "is a weekend day, which is off anyway"),
                ("makeup_days", self.makeup_days, True, "is a weekday, which is worked anyway"),
            )
            for day in days
            if (day.weekday() >= SATURDAY) is not weekend
        ]
        problems.extend(
            FieldProblem(name, f"{day} is not in {self.year}")
            for name, days in (("days_off", self.days_off), ("makeup_days", self.makeup_days))
            for day in days
            if day.year != self.year
        )
        if not YEAR_MIN <= self.year <= YEAR_MAX:
            problems.append(FieldProblem("year", f"must lie from {YEAR_MIN} to {YEAR_MAX}"))
        if not self.source_ref.strip():
            problems.append(FieldProblem("source_ref", "name the announcement or document"))
        if problems:
            raise Invalid(fields=tuple(problems))
        return history.calendar.announcement(self.year)


class PublishCalendar(_Announce, frozen=True, kw_only=True):
    """Publish a year for the first time; dues that waited for it become definite (ruling 39)."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`calendar.published`; a year is published once, and revised from then on."""
        if self._checked(history, context) is not None:
            raise Conflict(f"{self.year} is published already; revise it instead")
        fact = CalendarPublished(
            calendar=DEFAULT_CALENDAR,
            year=self.year,
            revision=1,
            source_ref=self.source_ref,
            days_off=self.days_off,
            makeup_days=self.makeup_days,
        )
        return [Draft(fact=fact)]


class ReviseCalendar(_Announce, frozen=True, kw_only=True):
    """Announce a year anew, whole; open dues may only move later by it (ruling 38)."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`calendar.revised`, numbered after the announcement that it replaces."""
        before = self._checked(history, context)
        if before is None:
            raise Conflict(f"{self.year} is not published yet; publish it first")
        fact = CalendarRevised(
            calendar=DEFAULT_CALENDAR,
            year=self.year,
            revision=before.revision + 1,
            source_ref=self.source_ref,
            days_off=self.days_off,
            makeup_days=self.makeup_days,
        )
        return [Draft(fact=fact)]


class _Declare(Command, frozen=True, kw_only=True):
    """Something about the working days of listed units, by document."""

    units: tuple[UnitId, ...]
    document: str
    by: PostRef | None = None

    def boundary(self, history: History) -> list[Selector]:
        """The units with all that stands above them, and the post that declares."""
        units = {above for unit in self.units for above in units_above(history, unit)}
        asked = [about("unit", unit) for unit in sorted(units)]
        if self.by is not None:
            asked.extend(one for one in post_boundary(history, self.by))
        return asked

    def _check(self, history: History, context: Context, *problems: FieldProblem) -> None:
        found = list(problems)
        if not self.document.strip():
            found.append(FieldProblem("document", "name the document's number"))
        if not 0 < len(self.units) <= UNITS_MAX:
            found.append(FieldProblem("units", f"list 1 to {UNITS_MAX} units"))
        if len(set(self.units)) != len(self.units):
            found.append(FieldProblem("units", "list each unit once"))
        if found:
            raise Invalid(fields=tuple(found))
        for unit in self.units:
            history.unit(unit)
        if not is_operator(context):
            self._require_above(history, context)

    def _require_above(self, history: History, context: Context) -> None:
        """The obligor does not declare its own day off; whoever leads it from above may."""
        post, organisation = self.by, history.organisation
        if post is None or exercises(history, context, post, Power.RELIEF) is None:
            raise NotAllowed("say in `by` in which post you declare this, and be effective in it")
        own = history.rows["post"][post].unit
        for unit in self.units:
            if own not in organisation.ancestors(unit, context.received_at):
                raise NotAllowed(f"post {post!r} does not stand above unit {unit!r}; ask one above")
        if not organisation.is_line(own):
            raise NotAllowed("a support unit declares nothing for the units that it supports")


class SetLocalDay(_Declare, frozen=True, kw_only=True):
    """A day off, or a working day, for listed units only."""

    day: date
    working: bool

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`calendar.local_day_set`; open dues of the units may move later by it."""
        self._check(history, context, *date_problems("day", self.day, context.received_at))
        fact = CalendarLocalDaySet(
            calendar=DEFAULT_CALENDAR,
            units=self.units,
            day=self.day,
            working=self.working,
            document=self.document,
        )
        return [Draft(fact=fact)]


class DeclareForceMajeure(_Declare, frozen=True, kw_only=True):
    """Listed units may not work during `[started_at, ended_at)`."""

    started_at: Instant
    ended_at: Instant

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`force_majeure.declared`; every local day that it touches is not worked."""
        problems = []
        if not timedelta(0) < self.ended_at - self.started_at <= timedelta(days=STOP_DAYS_MAX):
            message = f"must be after started_at, by {STOP_DAYS_MAX} days at most"
            problems.append(FieldProblem("ended_at", message))
        problems.extend(date_problems("started_at", self.started_at, context.received_at))
        self._check(history, context, *problems)
        fact = ForceMajeureDeclared(units=self.units, document=self.document)
        return [Draft(fact=fact, effective_from=self.started_at, effective_until=self.ended_at)]
