"""What many obligations came to: by period, with the figures that every question asks of them.

A tally is kept with the span of instants and the edition of the background for which it holds
(`sheaves.py`), and so are its figures. Read next: `tallying.py`, which makes it.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from functools import cached_property
from itertools import compress
from typing import TypeAlias

import msgspec

from ledger.timeliness import Outcome
from ledger.vocabulary import ObligationId
from projections.figures.briefs import Brief, Tallied
from projections.figures.measures import Measure, measure

Place: TypeAlias = tuple[date, date, str, str]
"""The last and the first day of a period, its key, and the duty: it orders them in time."""


class Span(msgspec.Struct, frozen=True):
    """Instants from `since` (inclusive) to `until` (exclusive); None leaves an end open."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, instant: datetime) -> bool:
        """Whether the instant lies within."""
        after = self.since is None or self.since <= instant
        return after and (self.until is None or instant < self.until)


def between(turns: Sequence[datetime], instant: datetime) -> Span:
    """The instants at which the clock is compared with the same result as at this one."""
    past = [one for one in turns if one <= instant]
    coming = [one for one in turns if one > instant]
    return Span(max(past, default=None), min(coming, default=None))


class Counted(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Obligations of one duty and period at a moment: what was plainly met, and the rest."""

    place: Place
    met: Sequence[Brief]
    rest: Sequence[Tallied]

    @cached_property
    def met_units(self) -> Sequence[str]:
        """The unit of each that was met."""
        return [one.unit for one in self.met]

    @cached_property
    def units(self) -> frozenset[str]:
        """Every unit that owed any of them."""
        return frozenset(self.met_units).union(one.unit for one in self.rest)

    @cached_property
    def accepted_units(self) -> Sequence[str]:
        """The unit of each that was met and accepted."""
        return [one.unit for one in self.met if one.accepted]

    @cached_property
    def last_due(self) -> datetime:
        """The last of their dues; there is at least one."""
        dues = {one.due for one in self.met}
        dues.update(one.due for one in self.rest)
        return max(dues)

    def ids(self, outcomes: Collection[Outcome] | None) -> list[ObligationId]:
        """The obligations with one of these outcomes; None: all."""
        with_met = outcomes is None or Outcome.ON_TIME in outcomes
        found = [one.obligation for one in self.met] if with_met else []
        found += [
            one.obligation for one in self.rest if outcomes is None or one.outcome in outcomes
        ]
        return found

    @cached_property
    def measure(self) -> Measure:
        """The figures; the ids of what went well would be thousands."""
        accepted = len(self.accepted_units)
        return measure(self.rest, met=len(self.met), accepted=accepted, failures_only=True)

    def outcomes(self) -> Iterator[Brief | Tallied]:
        """Each of them."""
        yield from self.met
        yield from self.rest

    def of_units(self, units: frozenset[str]) -> Iterator[Brief | Tallied]:
        """The outcomes of some units."""
        yield from compress(self.met, map(units.__contains__, self.met_units))
        yield from (one for one in self.rest if one.unit in units)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """A sheaf at a moment; it holds before the background of this edition, within the span."""

    edition: int
    span: Span
    periods: tuple[Counted, ...]


def by_period(duty: str, met: Sequence[Brief], rest: Sequence[Tallied]) -> tuple[Counted, ...]:
    """Obligations of one duty and last day by period: one, unless the duty's cadence changed."""
    places = {(one.period_end, one.period_start, one.period, duty) for one in met}
    places.update((one.period_end, one.period_start, one.period, duty) for one in rest)
    if len(places) == 1:
        return (Counted(place=places.pop(), met=met, rest=rest),)
    return tuple(
        Counted(
            place=place,
            met=[one for one in met if (one.period_start, one.period) == place[1:3]],
            rest=[one for one in rest if (one.period_start, one.period) == place[1:3]],
        )
        for place in sorted(places)
    )
