"""Units: establish, rename, move, close, reopen, suspend, resume, merge, and attach support.

A line unit stands under a line unit of a higher level; no move makes a circle, at any instant.
"""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from eventsourcing.dcb.domain import Selector

from ledger.decisions.dated import Dated, Problems, line_above_unit
from ledger.entry import Context, Draft
from ledger.errors import Conflict, Invalid, NotAllowed
from ledger.events import organisation as facts
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.authority import is_operator, units_above
from ledger.model.history import History, about
from ledger.model.organisation import Organisation
from ledger.vocabulary import DutyId, Level, UnitId, UnitKind, UnitRef

MERGED_DUTIES_MAX: Final = 500

_zones = cache(available_timezones)

_ORDER: Final = {level: place for place, level in enumerate(Level)}


class EstablishUnit(Dated, frozen=True, kw_only=True):
    """Let a unit exist; only the headquarters stands under nothing."""

    unit: UnitId
    level: Level
    name_zh: str
    name_en: str
    parent: UnitId | None = None
    kind: UnitKind = UnitKind.LINE
    zone: str = DEFAULT_ZONE

    def boundary(self, history: History) -> list[Selector]:
        """The unit, its parent, and who leads above."""
        above = line_above_unit(history, self.parent) if self.parent else []
        return [about("unit", self.unit), *above, *self.by_boundary(history)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.established`; refuses a code in use, and a parent that cannot carry it."""
        problems = self.problems(context)
        problems.code("unit", self.unit)
        problems.name("name_zh", self.name_zh)
        problems.name("name_en", self.name_en)
        known = self.zone in _zones()
        problems.check("zone", "name a zone such as Asia/Shanghai", good=known)
        if self.parent is None:
            top = self.level is Level.HEADQUARTERS and self.kind is UnitKind.LINE
            problems.check("parent", "only the headquarters stands under nothing", good=top)
        problems.refuse()
        row = history.rows["unit"].get(self.unit)
        if row is not None and row.life:
            raise Conflict(f"unit {self.unit!r} exists already; choose another code")
        if self.parent is not None:
            history.unit(self.parent)
            _check_parent(self.parent, self.level, self.kind, history, self.at(context))
            _require_leader(self, history, context, self.parent)
        elif not is_operator(context):
            raise NotAllowed("only an administrator may establish the headquarters")
        fact = facts.UnitEstablished(
            unit=self.unit,
            level=self.level,
            name_zh=self.name_zh,
            name_en=self.name_en,
            parent=self.parent,
            kind=self.kind,
            zone=self.zone,
        )
        return [self.draft(fact)]


class OfUnit(Dated, frozen=True, kw_only=True):
    """A command about one unit that exists, given by an operator or a leader above."""

    unit: UnitId

    def boundary(self, history: History) -> list[Selector]:
        """The unit, and who leads above."""
        return [*line_above_unit(history, self.unit), *self.by_boundary(history)]

    def require(self, history: History, context: Context, problems: Problems) -> None:
        """Refuse what is malformed, unknown, or not for this actor."""
        problems.refuse()
        history.unit(self.unit)
        self.require_above_unit(history, context, self.unit)

    def require_alive(self, history: History, context: Context) -> None:
        """Refuse when the unit does not exist at the effective instant."""
        if not history.organisation.is_alive(self.unit, self.at(context)):
            raise Conflict(f"unit {self.unit!r} does not exist then; check `effective_from`")


class RenameUnit(OfUnit, frozen=True, kw_only=True):
    """Give a unit other names."""

    name_zh: str
    name_en: str

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.renamed`."""
        problems = self.problems(context)
        problems.name("name_zh", self.name_zh)
        problems.name("name_en", self.name_en)
        self.require(history, context, problems)
        self.require_alive(history, context)
        fact = facts.UnitRenamed(unit=self.unit, name_zh=self.name_zh, name_en=self.name_en)
        return [self.draft(fact)]


class ReparentUnit(OfUnit, frozen=True, kw_only=True):
    """Move a unit under another parent; it takes what is below it along."""

    parent: UnitId

    def boundary(self, history: History) -> list[Selector]:
        """The unit and its new parent, and who leads above both."""
        return [*super().boundary(history), *line_above_unit(history, self.parent)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.reparented`; refuses circles, and anybody who does not lead above both places."""
        self.require(history, context, self.problems(context))
        self.require_alive(history, context)
        row, at = history.unit(self.unit), self.at(context)
        history.unit(self.parent)
        _require_leader(self, history, context, self.parent)
        if row.level is Level.HEADQUARTERS and row.kind is UnitKind.LINE:
            raise Invalid.field("unit", "the headquarters stands under nothing")
        _check_parent(self.parent, row.level, row.kind, history, at)
        if history.organisation.parent(self.unit, at) == self.parent:
            raise Conflict(f"unit {self.unit!r} stands under {self.parent!r} already")
        if _makes_circle(history, self.unit, self.parent, at):
            raise Invalid.field("parent", f"{self.parent!r} stands below {self.unit!r}")
        return [self.draft(facts.UnitReparented(unit=self.unit, parent=self.parent))]


class CloseUnit(OfUnit, frozen=True, kw_only=True):
    """Let a unit cease to exist; what is below it answers to the next unit above."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.closed`."""
        self.require(history, context, self.problems(context))
        self.require_alive(history, context)
        return [self.draft(facts.UnitClosed(unit=self.unit))]


class ReopenUnit(OfUnit, frozen=True, kw_only=True):
    """Let a closed unit exist again, under the same code."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.reopened`; refuses a unit that is not closed then."""
        self.require(history, context, self.problems(context))
        organisation, at = history.organisation, self.at(context)
        if organisation.life(self.unit, at) is None or organisation.is_alive(self.unit, at):
            raise Conflict(f"unit {self.unit!r} is not closed then; check `effective_from`")
        return [self.draft(facts.UnitReopened(unit=self.unit))]


class SuspendUnit(OfUnit, frozen=True, kw_only=True):
    """Let a unit stop working for a time: nothing is expected of it meanwhile."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.suspended`; refuses a unit that does not work then."""
        self.require(history, context, self.problems(context))
        if not history.organisation.is_working(self.unit, self.at(context)):
            raise Conflict(f"unit {self.unit!r} does not work then; check `effective_from`")
        return [self.draft(facts.UnitSuspended(unit=self.unit))]


class ResumeUnit(OfUnit, frozen=True, kw_only=True):
    """Let a suspended unit work again."""

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.resumed`; refuses a unit that is not suspended then."""
        self.require(history, context, self.problems(context))
        life = history.organisation.life(self.unit, self.at(context))
        if life is None or life.change != "suspended":
            raise Conflict(f"unit {self.unit!r} is not suspended then; check `effective_from`")
        return [self.draft(facts.UnitResumed(unit=self.unit))]


class MergeUnit(OfUnit, frozen=True, kw_only=True):
    """Let a unit be absorbed; only the duties listed pass to the absorber (ruling 35)."""

    into: UnitId
    duties: tuple[DutyId, ...] = ()

    def boundary(self, history: History) -> list[Selector]:
        """Both units, the duties listed, and who leads above."""
        listed = [about("duty", duty) for duty in self.duties[:MERGED_DUTIES_MAX]]
        return [*super().boundary(history), *line_above_unit(history, self.into), *listed]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`unit.merged`; refuses an absorber that does not exist then or is the unit itself."""
        problems = self.problems(context)
        problems.check("into", "name another unit", good=self.into != self.unit)
        once = len(set(self.duties)) == len(self.duties) <= MERGED_DUTIES_MAX
        problems.check("duties", f"list each duty once, {MERGED_DUTIES_MAX} at most", good=once)
        self.require(history, context, problems)
        self.require_alive(history, context)
        absorber = history.unit(self.into)
        _require_leader(self, history, context, self.into)
        for duty in self.duties:
            history.duty(duty)
        if absorber.kind is not history.unit(self.unit).kind:
            raise Invalid.field("into", "a line unit and a support unit do not merge")
        if not history.organisation.is_alive(self.into, self.at(context)):
            raise Conflict(f"unit {self.into!r} does not exist then; name one that does")
        fact = facts.UnitMerged(unit=self.unit, into=self.into, duties=self.duties)
        return [self.draft(fact)]


class AttachSupport(OfUnit, frozen=True, kw_only=True):
    """Let a support unit support a unit: a dotted line, which holds nobody to account."""

    supporter: UnitId

    def boundary(self, history: History) -> list[Selector]:
        """Both units, and who leads above the supported one."""
        return [*super().boundary(history), about("unit", self.supporter)]

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`support_line.attached`; refuses a supporter that is a line unit."""
        self.require(history, context, self.problems(context))
        self.require_alive(history, context)
        organisation, at = history.organisation, self.at(context)
        if history.unit(self.supporter).kind is not UnitKind.SUPPORT:
            raise Invalid.field("supporter", f"{self.supporter!r} is no support unit")
        if not organisation.is_alive(self.supporter, at):
            raise Conflict(f"unit {self.supporter!r} does not exist then; name one that does")
        if organisation.is_supported_by(self.unit, self.supporter, at):
            raise Conflict(f"unit {self.supporter!r} supports {self.unit!r} already")
        fact = facts.SupportLineAttached(unit=self.unit, supporter=self.supporter)
        return [self.draft(fact)]


class DetachSupport(OfUnit, frozen=True, kw_only=True):
    """End a support unit's support of a unit."""

    supporter: UnitId

    def decide(self, history: History, context: Context) -> list[Draft]:
        """`support_line.detached`; refuses what is not attached then."""
        self.require(history, context, self.problems(context))
        if not history.organisation.is_supported_by(self.unit, self.supporter, self.at(context)):
            raise Conflict(f"unit {self.supporter!r} does not support {self.unit!r} then")
        fact = facts.SupportLineDetached(unit=self.unit, supporter=self.supporter)
        return [self.draft(fact)]


def _require_leader(command: Dated, history: History, context: Context, parent: UnitRef) -> None:
    """Refuse whoever leads neither the parent nor a unit above it, and is no operator."""
    head = history.organisation.head_post(parent, context.received_at)
    if head is None or head != command.by:
        command.require_above_unit(history, context, parent)
    else:
        command.require_in_post(history, context, head)


def _check_parent(
    parent: UnitId, level: Level, kind: UnitKind, history: History, at: datetime
) -> None:
    row = history.unit(parent)
    if not history.organisation.is_alive(parent, at):
        raise Invalid.field("parent", f"{parent!r} does not exist then; name a unit that does")
    if kind is UnitKind.LINE and row.kind is not UnitKind.LINE:
        raise Invalid.field(
            "parent", f"{parent!r} is a support unit; a line unit stands under none"
        )
    above = _ORDER[row.level] < _ORDER[level]
    if not above and not (kind is UnitKind.SUPPORT and row.level is level):
        raise Invalid.field("parent", f"{parent!r} is a {row.level}: no level above {level}")


def _makes_circle(history: History, unit: UnitId, parent: UnitId, at: datetime) -> bool:
    """Whether the unit would stand below itself at `at`, or later by moves known already."""
    organisation = history.organisation
    return any(
        unit in (parent, *organisation.ancestors(parent, moment))
        for moment in (at, *_later_moves(history, organisation, unit, parent, at))
    )


def _later_moves(
    history: History, organisation: Organisation, unit: UnitId, parent: UnitId, at: datetime
) -> Iterator[datetime]:
    """The later instants at which the way up from the parent changes, until the unit moves on."""
    onwards = [one.at for one in organisation.units[unit].parents if one.at > at]
    end = min(onwards, default=None)
    for above in units_above(history, parent):
        row = organisation.units.get(above)
        for placed in row.parents if row else ():
            if placed.at > at and (end is None or placed.at < end):
                yield placed.at
