"""Duties and forms as their facts tell them: every revision, assignment, link and retirement.

A duty never reaches back: `terms_for` names the revision that a period was, or will be, opened
with (docs/rules.md R12). Who owes what under those terms is in `expectation.py`.
"""

from datetime import date, datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ledger.entry import Event
from ledger.events import duties as d
from ledger.events.fact import Fact
from ledger.events.organisation import FactAnnulled
from ledger.model.calendar import local_day
from ledger.model.dossier import without
from ledger.model.periods import Period, period_of
from ledger.vocabulary import (
    Cadence,
    DutyId,
    DutyRef,
    EventId,
    FormId,
    FormRef,
    Level,
    PostRef,
    Stage,
    UnitRef,
)


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The duty as one publication or revision states it, in force from `at` on."""

    event: EventId
    position: int
    at: datetime
    received_at: datetime
    revision: int
    title_zh: str
    title_en: str
    form: FormRef
    cadence: Cadence
    due: d.DueRule
    owner: PostRef
    scope: UnitRef
    levels: tuple[Level, ...]
    stages: tuple[Stage, ...] = ()
    post_role: str = "head"
    owed_by_level: Level | None = None
    expectation: d.ExpectationPolicy = "alive_at_due"
    final_report: bool = False
    first_period: date | None = None

    def first_day(self, zone: str) -> date:
        """No period that starts before this day is opened under these terms."""
        if self.first_period is not None:
            return period_of(self.cadence, self.first_period).start
        return local_day(self.at, zone)


class Assignment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A unit was put under the duty, or taken from it, at `at`."""

    event: EventId
    position: int
    at: datetime
    received_at: datetime
    unit: UnitRef
    assigned: bool


class Retirement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The duty opens nothing from `at` on."""

    event: EventId
    position: int
    at: datetime


class Link(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One submission discharges this duty and the other (ruling 58)."""

    event: EventId
    position: int
    other: DutyRef


class Objection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An obligor holds that the duty asks for what another one asks already."""

    event: EventId
    position: int
    received_at: datetime
    unit: UnitRef
    duplicate_of: DutyRef | None = None


class Duty(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The dossier of one duty."""

    duty: DutyId
    terms: tuple[Terms, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    retirements: tuple[Retirement, ...] = ()
    links: tuple[Link, ...] = ()
    objections: tuple[Objection, ...] = ()

    def latest(self) -> Terms:
        """The newest revision, whether in force yet or not."""
        return max(self.terms, key=lambda one: one.revision)

    def terms_for(self, period: Period, zone: str) -> Terms | None:
        """The revision that a period of its cadence is opened with; None when none asks for it."""
        asking = [one for one in self.terms if one.first_day(zone) <= period.start]
        last = max(asking, key=_in_force, default=None)
        return last if last and last.cadence == period.cadence else None

    def assignment(self, unit: UnitRef, day: date, zone: str) -> Assignment | None:
        """The assignment or exclusion of a unit that holds on a local day, if any."""
        said = [
            one for one in self.assignments if one.unit == unit and local_day(one.at, zone) <= day
        ]
        return max(said, key=_in_force, default=None)

    def is_retired(self, at: datetime) -> bool:
        """Whether the duty opens nothing any more."""
        return any(one.at <= at for one in self.retirements)

    def noticed_at(self, terms: Terms) -> datetime:
        """Since when this demand was known: a revision of words alone is no new notice (59)."""
        revisions = sorted(self.terms, key=lambda one: one.revision, reverse=True)
        known = terms.received_at
        for one in revisions:
            if one.revision > terms.revision:
                continue
            if _demand(one) != _demand(terms):
                break
            known = one.received_at
        return known


class FormRevision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a report's fields."""

    event: EventId
    position: int
    received_at: datetime
    revision: int
    title_zh: str
    title_en: str
    fields: tuple[d.FormField, ...]


class Form(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The dossier of one form."""

    form: FormId
    revisions: tuple[FormRevision, ...] = ()

    def revision(self, number: int) -> FormRevision | None:
        """One version by its number."""
        return next((one for one in self.revisions if one.revision == number), None)

    def latest(self) -> FormRevision:
        """The newest version."""
        return max(self.revisions, key=lambda one: one.revision)

    def acceptable(self, opened_with: int, period_end: date, zone: str) -> tuple[int, ...]:
        """The versions that a period's report may use: its own, and newer ones within it (60)."""
        return tuple(
            one.revision
            for one in self.revisions
            if one.revision == opened_with
            or (one.revision > opened_with and local_day(one.received_at, zone) <= period_end)
        )


def fold_duty(row: Duty | None, event: Event, key: str) -> Duty | None:
    """The dossier of duty `key` after one more event that is tagged with it."""
    fact = event.fact
    if isinstance(fact, d.DutyTerms):
        row = row or Duty(duty=DutyId(DutyRef(key)))
        return replace(row, terms=(*row.terms, _terms(fact, event)))
    if row is None:
        return None
    if isinstance(fact, FactAnnulled):
        return without(row, fact.annulled)
    return replace(row, **_change(row, fact, event, key))


def _change(row: Duty, fact: Fact, event: Event, key: str) -> dict[str, object]:
    marks: dict[str, Any] = {"event": event.id, "position": event.position}
    match fact:
        case d.DutyAssigned() | d.DutyUnassigned():
            assigned = Assignment(
                **marks,
                at=event.effective_from,
                received_at=event.received_at,
                unit=fact.unit,
                assigned=isinstance(fact, d.DutyAssigned),
            )
            return {"assignments": (*row.assignments, assigned)}
        case d.DutyRetired():
            retired = Retirement(**marks, at=event.effective_from)
            return {"retirements": (*row.retirements, retired)}
        case d.DutyLinked():
            other = fact.duplicate_of if key == fact.duty else fact.duty
            return {"links": (*row.links, Link(**marks, other=other))}
        case d.DutyObjected():
            objection = Objection(
                **marks,
                received_at=event.received_at,
                unit=fact.unit,
                duplicate_of=fact.duplicate_of,
            )
            return {"objections": (*row.objections, objection)}
    return {}


def fold_form(row: Form | None, event: Event, key: str) -> Form | None:
    """The dossier of form `key` after one more event that is tagged with it."""
    fact = event.fact
    if isinstance(fact, FactAnnulled):
        return without(row, fact.annulled) if row else None
    if not isinstance(fact, d.FormPublished):
        return row
    row = row or Form(form=FormId(FormRef(key)))
    published = FormRevision(
        event=event.id,
        position=event.position,
        received_at=event.received_at,
        revision=fact.revision,
        title_zh=fact.title_zh,
        title_en=fact.title_en,
        fields=fact.fields,
    )
    return replace(row, revisions=(*row.revisions, published))


DUTY_FACTS: Final[frozenset[type[Fact]]] = frozenset(
    {
        d.DutyPublished,
        d.DutyRevised,
        d.DutyRetired,
        d.DutyAssigned,
        d.DutyUnassigned,
        d.DutyLinked,
        d.DutyObjected,
    }
)
"""The facts that a duty is folded from."""

FORM_FACTS: Final[frozenset[type[Fact]]] = frozenset({d.FormPublished})
"""The facts that a form is folded from."""


def _terms(fact: d.DutyTerms, event: Event) -> Terms:
    stated = {
        name: getattr(fact, name)
        for name in fact.__struct_fields__
        if name not in ("duty", "revision")
    }
    return Terms(
        **stated,
        revision=fact.revision if isinstance(fact, d.DutyRevised) else 1,
        event=event.id,
        position=event.position,
        at=event.effective_from,
        received_at=event.received_at,
    )


def _in_force(item: Terms | Assignment) -> tuple[datetime, int]:
    return item.at, item.position


def _demand(terms: Terms) -> tuple[object, ...]:
    return terms.form, terms.cadence, terms.due, terms.levels, terms.stages, terms.owed_by_level
