"""Which obligations a question counts, period by period, and what became of each.

A large question counts sheaves (`sheaves.py`). A small one, about a branch whose sheaves nobody
asked for, reads the rows of its units alone: the same outcomes, without reading a network for
the sake of a part of it. Read next: `tallying.py`, `accounting.py`.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any, Protocol

import msgspec

from ledger.model.obligations import Obligation
from ledger.timeliness import Outcome
from ledger.vocabulary import DutyRef, Moment, ObligationId, UnitRef
from projections.background import Background
from projections.briefs import Brief, Tallied, Tally, met_of, tallied_of
from projections.judging import Judged, judge
from projections.obligations import OBLIGATION
from projections.rewinding import Rewound, held
from projections.sheaves import Sheaf
from projections.spans import UNITS_NAMED_MAX, Placements, Span, obligations_of, require
from projections.standpoint import Standpoint
from projections.tallying import tally_all


class Counted(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Obligations of one duty and period at a moment: what was plainly met, and the rest."""

    duty: str
    period: str
    first: date
    last: date
    met: Sequence[Brief]
    rest: Sequence[Tallied]
    source: Any = None
    """What they were counted from, for whoever counted them."""

    @cached_property
    def met_units(self) -> Sequence[str]:
        """The unit of each that was met."""
        return [one.unit for one in self.met]

    @cached_property
    def accepted_units(self) -> Sequence[str]:
        """The unit of each that was met and accepted."""
        return [one.unit for one in self.met if one.accepted]

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

    def of_units(self, units: frozenset[str]) -> Iterator[Tallied]:
        """The outcomes of some units."""
        yield from (met_of(one) for one in self.met if one.unit in units)
        yield from (one for one in self.rest if one.unit in units)


class Counting(Protocol):
    """The obligations of a question, counted at one moment or another."""

    def periods(self) -> list[Counted]:
        """Each period of each duty at the standpoint, in the order of time."""

    def then(self, now: Counted, moment: Moment) -> Counted:
        """The same period at a moment before."""


def counting(
    here: Standpoint, span: Span, unit: UnitRef | None = None, duty: DutyRef | None = None
) -> Counting:
    """The obligations whose period ends within the span, of units that stood below `unit` then."""
    if duty is not None:
        require("duty", duty, here.background)
    if unit is None:
        return _Sheaves(here, span, None, duty)
    require("unit", unit, here.background)
    below = here.background.ever_below(unit)
    if len(below) > UNITS_NAMED_MAX or here.keeps_sheaves(span.first, span.last, duty):
        return _Sheaves(here, span, _Within(here, unit, below), duty)
    return _Rows(here, obligations_of(here, span, unit, duty))


def judged_again(here: Standpoint, obligations: Sequence[ObligationId]) -> list[Judged]:
    """The dossiers of a page of obligations, each judged in full, in the order given."""
    found = here.reader.get_many(OBLIGATION, [(one,) for one in obligations])
    rows = [found[one,] for one in obligations]
    return judge(here.history(rows), rows, here.moment)


class _Within:
    """The units that stood in a subtree when their reports were due."""

    def __init__(self, here: Standpoint, unit: UnitRef, below: set[str]) -> None:
        self._below = below
        self._placed = Placements(here.background.organisation, unit)

    def holds(self, one: Brief | Tallied) -> bool:
        return one.unit in self._below and self._placed.held(UnitRef(one.unit), one.opened_due)


class _Sheaves:
    """Counted over sheaves in memory."""

    def __init__(
        self, here: Standpoint, span: Span, within: _Within | None, duty: DutyRef | None
    ) -> None:
        self._here, self._within = here, within
        self._sheaves = here.sheaves(span.first, span.last, duty)

    def periods(self) -> list[Counted]:
        tallies = tally_all(self._here, self._sheaves)
        found = [
            counted
            for sheaf, tally in zip(self._sheaves, tallies, strict=True)
            for counted in self._split(sheaf, tally, self._here.moment)
            if counted.met or counted.rest
        ]
        return sorted(found, key=lambda one: (one.last, one.first, one.period, one.duty))

    def then(self, now: Counted, moment: Moment) -> Counted:
        sheaf: Sheaf = now.source
        (tally,) = tally_all(self._here, [sheaf], moment)
        for one in self._split(sheaf, tally, moment):
            if (one.first, one.period) == (now.first, now.period):
                return one
        return msgspec.structs.replace(now, met=(), rest=())

    def _split(self, sheaf: Sheaf, tally: Tally, moment: Moment) -> Iterator[Counted]:
        """The periods of a sheaf: one, unless the duty's cadence changed."""
        periods = sheaf.at(moment.position).periods
        for first, period in sorted(periods):
            met: Sequence[Brief] = tally.met
            rest: Sequence[Tallied] = tally.rest
            if len(periods) > 1:
                met = [one for one in met if (one.period_start, one.period) == (first, period)]
                rest = [one for one in rest if (one.period_start, one.period) == (first, period)]
            if self._within is not None:
                met = [one for one in met if self._within.holds(one)]
                rest = [one for one in rest if self._within.holds(one)]
            yield Counted(
                duty=sheaf.key[1],
                period=period,
                first=first,
                last=sheaf.key[0],
                met=met,
                rest=rest,
                source=sheaf,
            )


class _Rows:
    """Counted over the rows of a few units."""

    def __init__(self, here: Standpoint, rows: Sequence[Obligation]) -> None:
        self._here, self._rows = here, rows
        self._rewinding: tuple[int, Rewound] | None = None

    def periods(self) -> list[Counted]:
        judged = judge(self._here.history(self._rows), self._rows, self._here.moment)
        found: dict[tuple[date, date, str, str], tuple[list[Tallied], list[Obligation]]] = {}
        for one in judged:
            row = one.row
            key = (row.period_end, row.period_start, row.period, row.duty)
            told, rows = found.setdefault(key, ([], []))
            told.append(tallied_of(one))
            rows.append(row)
        return [
            Counted(
                duty=duty, period=period, first=first, last=last, met=(), rest=told, source=rows
            )
            for (last, first, period, duty), (told, rows) in sorted(
                found.items(), key=lambda item: item[0]
            )
        ]

    def then(self, now: Counted, moment: Moment) -> Counted:
        rows: list[Obligation] = now.source
        keys = [(one.obligation,) for one in rows]
        changed = self._here.reader.changes(OBLIGATION, keys, moment.position)
        known = [
            row
            for one in rows
            if (row := held(changed.get((one.obligation,)), one, moment.position)) is not None
        ]
        history = self._rewound(moment.position).history(known, moment.position)
        told = [tallied_of(one) for one in judge(history, known, moment)]
        return msgspec.structs.replace(now, rest=told)

    def _rewound(self, position: int) -> Background:
        # Periods come in the order of time, so the first is asked for the earliest moment.
        if self._rewinding is None or position < self._rewinding[0]:
            rewound = Rewound(self._here.reader, self._here.background, self._rows, position)
            self._rewinding = (position, rewound)
        return self._rewinding[1].at(position)
