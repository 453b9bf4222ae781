"""The kinds of work that the clock keeps in its agenda."""

from datetime import date, datetime

import msgspec

from ledger.model.periods import Period
from ledger.vocabulary import Cadence, DutyId, ObligationId, UnitId


class Chain(msgspec.Struct, frozen=True):
    """The periods of one cadence of a duty in one zone, opened one after another."""

    duty: DutyId
    cadence: Cadence
    zone: str


class OpenPeriod(msgspec.Struct, frozen=True):
    """Open a period for every unit that owes it; `then_next` carries the chain on."""

    chain: Chain
    period: Period
    then_next: bool
    told_at: datetime | None = None


class Review(msgspec.Struct, frozen=True):
    """Ask again what a unit owes (by one duty, or all) from a day on: a fact told us otherwise."""

    unit: UnitId
    since: date
    told_at: datetime
    duty: DutyId | None = None


class Redate(msgspec.Struct, frozen=True):
    """Compute dues again: of one unit, or of everything that is due about a year."""

    cause: str
    document: str | None
    unit: UnitId | None = None
    year: int | None = None


class Check(msgspec.Struct, frozen=True):
    """See whether a due has passed without a report, or a notice of it was wrong."""

    obligation: ObligationId


class BeginYear(msgspec.Struct, frozen=True):
    """See whether a year that begins has a calendar."""

    year: int


Work = OpenPeriod | Review | Redate | Check | BeginYear
