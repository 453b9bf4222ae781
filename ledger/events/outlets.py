"""The life of an outlet as its stages need it; the stage itself is computed (docs/rules.md R2)."""

from datetime import date
from typing import ClassVar

from ledger.events.fact import Fact
from ledger.vocabulary import EventId, UnitId


class OutletFact(Fact, frozen=True, kw_only=True):
    """A fact that says what an outlet is."""

    DOSSIERS: ClassVar[tuple[str, ...]] = ("unit",)


class OutletPlanned(OutletFact, frozen=True, kw_only=True):
    """An outlet is planned to open on a date; until six months before, it is `planned`."""

    TOPIC: ClassVar[str] = "outlet.planned"
    unit: UnitId
    planned_open: date


class OutletOpeningRescheduled(OutletFact, frozen=True, kw_only=True):
    """The planned opening moved; the preparing stage lengthens and never reaches back."""

    TOPIC: ClassVar[str] = "outlet.opening_rescheduled"
    unit: UnitId
    planned_open: date


class OutletOpened(OutletFact, frozen=True, kw_only=True):
    """An outlet opened on a date (month 1 begins); `corrects` names the fact it replaces."""

    TOPIC: ClassVar[str] = "outlet.opened"
    unit: UnitId
    opened_on: date
    corrects: EventId | None = None


class OutletAbandoned(OutletFact, frozen=True, kw_only=True):
    """A planned or preparing outlet will not open."""

    TOPIC: ClassVar[str] = "outlet.abandoned"
    unit: UnitId
