"""Which obligations a question counts, period by period, and what became of each.

A large question counts sheaves (`sheaves.py`). A small one, about a branch whose sheaves nobody
asked for, reads the rows of its units alone: the same outcomes, without reading a network for
the sake of a part of it. Read next: `tallying.py`, `accounting.py`.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec.structs import replace

from ledger.model.obligations import Obligation
from ledger.vocabulary import DutyRef, Moment, ObligationId, UnitRef
from projections.background import Background
from projections.figures.briefs import Brief, Tallied, tallied_of
from projections.figures.sheaves import Sheaf
from projections.figures.tallies import Counted, Place, Tally
from projections.figures.tallying import tally_all
from projections.judging import Judged, judge
from projections.obligations import OBLIGATION
from projections.rewinding import Rewound, held
from projections.spans import UNITS_NAMED_MAX, Placements, Span, obligations_of, require
from projections.standpoint import Standpoint


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
        self._source: dict[Place, Sheaf] = {}

    def periods(self) -> list[Counted]:
        found: list[Counted] = []
        for sheaf, tally in zip(self._sheaves, tally_all(self._here, self._sheaves), strict=True):
            for one in self._counted(tally):
                self._source[one.place] = sheaf
                found.append(one)
        return sorted(found, key=lambda one: one.place)

    def then(self, now: Counted, moment: Moment) -> Counted:
        (tally,) = tally_all(self._here, [self._source[now.place]], moment)
        known = (one for one in self._counted(tally) if one.place == now.place)
        return next(known, replace(now, met=(), rest=()))

    def _counted(self, tally: Tally) -> Iterator[Counted]:
        """The periods of a sheaf, as far as they lie within."""
        if self._within is None:
            yield from tally.periods
            return
        for one in tally.periods:
            met = [brief for brief in one.met if self._within.holds(brief)]
            rest = [told for told in one.rest if self._within.holds(told)]
            if met or rest:
                yield replace(one, met=met, rest=rest)


class _Rows:
    """Counted over the rows of a few units."""

    def __init__(self, here: Standpoint, rows: Sequence[Obligation]) -> None:
        self._here, self._rows = here, rows
        self._source: dict[Place, list[Obligation]] = {}
        self._rewinding: tuple[int, Rewound] | None = None

    def periods(self) -> list[Counted]:
        judged = judge(self._here.history(self._rows), self._rows, self._here.moment)
        found: dict[Place, list[Tallied]] = {}
        for one in judged:
            row = one.row
            place = (row.period_end, row.period_start, row.period, str(row.duty))
            self._source.setdefault(place, []).append(row)
            found.setdefault(place, []).append(tallied_of(one))
        return [
            Counted(place=place, met=(), rest=rest)
            for place, rest in sorted(found.items(), key=lambda item: item[0])
        ]

    def then(self, now: Counted, moment: Moment) -> Counted:
        rows = self._source[now.place]
        keys = [(one.obligation,) for one in rows]
        changed = self._here.reader.changes(OBLIGATION, keys, moment.position)
        known = [
            row
            for one in rows
            if (row := held(changed.get((one.obligation,)), one, moment.position)) is not None
        ]
        history = self._rewound(moment.position).history(known, moment.position)
        told = [tallied_of(one) for one in judge(history, known, moment)]
        return replace(now, rest=told)

    def _rewound(self, position: int) -> Background:
        # Periods come in the order of time, so the first is asked for the earliest moment.
        if self._rewinding is None or position < self._rewinding[0]:
            rewound = Rewound(self._here.reader, self._here.background, self._rows, position)
            self._rewinding = (position, rewound)
        return self._rewinding[1].at(position)
