"""Two moments beside each other: which rows differ, how obligations are judged, and since when.

Rows that differ are found through their stored versions (`between.py`). An obligation may differ
although no fact is about it: a due passes, or a day off moves it; so obligations are judged at
both moments, and what time alone did is told apart from what facts about others did.
Read next: `comparing.py`, which tells all this.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias

import msgspec

from ledger.model.calendar import Calendar
from ledger.model.history import CALENDAR_KEY, RULES_KEY, History
from ledger.model.obligations import Obligation
from ledger.model.rules import Rules
from ledger.timeliness import Outcome
from ledger.vocabulary import Moment, UnitRef
from projections.calendar import CALENDAR, RULES
from projections.duties import DUTY
from projections.judging import assessed
from projections.obligations import OBLIGATION
from projections.organisation import PERSON, POST, UNIT
from projections.past.between import Between, Doubtful, Ends, Named
from projections.past.differing import Change, change_of
from projections.past.selecting import Below, below
from projections.rewinding import Rewound
from projections.standpoint import Standpoint
from projections.tables import Key, Table
from projections.views import VIEWS

CALENDAR_DAYS: Final = 2
"""A working day takes no more days than this, holidays included, where many are counted."""

SPARE_DAYS: Final = 30

TABLES: Final = tuple((view.name, table) for view in VIEWS for table in view.tables)
"""Every table with its view, in the order in which differences are told."""

_ORDER: Final = {table.name: number for number, (_, table) in enumerate(TABLES)}
_OWED: Final = _ORDER[OBLIGATION.name]

Place: TypeAlias = tuple[int, Key]
"""Where a row stands in the list: its table's place in the order, and its key."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict says of an obligation at one of the moments."""

    outcome: Outcome
    due: datetime
    kind: str | None = None
    pending: str | None = None


class Differing(msgspec.Struct, frozen=True):
    """A row of the list, and how it is judged at both moments.

    `is_same`: no field of it differs, and it is only judged otherwise.
    """

    order: int
    key: Key
    change: Change
    is_same: bool
    judged: tuple[Judgement | None, Judgement | None] = (None, None)

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.order, self.key


_Both = tuple[Judgement | None, Judgement | None]


def _differing(order: int, key: Key, ends: Ends[Any], judged: _Both = (None, None)) -> Differing:
    change = change_of(ends.before, ends.after)
    return Differing(order, key, change, ends.before == ends.after, judged)


class Contrast:
    """One comparison at work."""

    def __init__(
        self,
        before: Standpoint,
        after: Standpoint,
        unit: UnitRef | None,
        within: frozenset[UnitRef] | None,
    ) -> None:
        self._before, self._after = before, after
        self.between = Between(
            after.connection, after.questions.ledger_id, after.reader, before.moment.position
        )
        self._below = None if unit is None else below(after.background, unit, within)

    def rows(self) -> list[Differing]:
        """Every row that differs, in order."""
        found = [
            _differing(order, key, ends)
            for order, (_, table) in enumerate(TABLES)
            if order != _OWED
            for key, ends in self._ends(table).items()
        ]
        found += self._obligations()
        return sorted(found, key=lambda one: one.place)

    def ends_of(self, page: Sequence[Differing]) -> dict[Place, Ends[Any]]:
        """The rows of some places, as they were and as they are."""
        found: dict[Place, Ends[Any]] = {}
        for order, keys in _by_table(one.place for one in page).items():
            table = TABLES[order][1]
            before = self._before.reader.get_many(table, keys)
            after = self._after.reader.get_many(table, keys)
            for key in keys:
                found[order, key] = Ends(before.get(key), after.get(key))
        return found

    def causes_of(
        self, page: Sequence[Differing], ends: Mapping[Place, Ends[Any]]
    ) -> tuple[dict[Place, list[int]], set[Place]]:
        """The positions of the facts that made rows differ; and what time alone did."""
        turned = self._turned(one.place for one in page)
        passed = self._by_time(page, ends)
        elsewhere = self._elsewhere([one for one in page if one.place not in passed], ends)
        causes = {
            one.place: sorted({*turned.get(one.place, ()), *elsewhere.get(one.place, ())})
            for one in page
        }
        return causes, passed

    def _turned(self, places: Iterable[Place]) -> dict[Place, list[int]]:
        """Where the versions of rows began or ended in between; each table is asked once."""
        return {
            (order, key): positions
            for order, keys in _by_table(places).items()
            for key, positions in self.between.causes(TABLES[order][1], keys).items()
        }

    def _ends(self, table: Table[Any]) -> dict[Key, Ends[Any]]:
        if self._below is None:
            return self.between.ends(table)
        named = named_in(table, self._below)
        return {} if named is None else self.between.ends(table, named)

    # --- Obligations: what changed, and what is judged otherwise ----------------------------

    def _obligations(self) -> Iterator[Differing]:
        """The obligations that differ, or are judged otherwise."""
        ends = self._ends(OBLIGATION)
        named = None if self._below is None else named_in(OBLIGATION, self._below)
        for row in self.between.unmoved(OBLIGATION, named, self._doubtful()):
            ends[OBLIGATION.key_of(row)] = Ends(row, row)
        judged = [self._judge(ends, number) for number in (0, 1)]
        for key, one in ends.items():
            pair = (judged[0].get(key), judged[1].get(key))
            if one.before is not one.after or pair[0] != pair[1]:
                yield _differing(_OWED, key, one, pair)

    def _doubtful(self) -> Doubtful:
        """Which obligations that no fact changed may be judged otherwise all the same."""
        rows = self._after.background.rows
        units = {str(key) for (key,) in self._ends(UNIT)}
        # Days of its own may put off the dues of a unit for as long as they last.
        own = (one for one in rows["unit"].values() if one.local_days or one.force_majeure)
        units.update(one.unit for one in own)
        dues = (terms.due.working_days for duty in rows["duty"].values() for terms in duty.terms)
        rules = (Rules(), *(one for book in rows["rules"].values() for one in book))
        graces = (
            one.late_channel_working_days + one.first_period_grace_working_days for one in rules
        )
        days = (max(dues, default=0) + max(graces)) * CALENDAR_DAYS + SPARE_DAYS
        since = date.min if self.between.ends(RULES) else self._before.moment.instant.date()
        turned = [
            day for ends in self.between.ends(CALENDAR).values() for day in _days_turned(ends)
        ]
        first = min((since, *turned))
        return Doubtful(
            ended_since=first - timedelta(days=min(days, (first - date.min).days)),
            units=sorted(units),
            duties=sorted(str(key) for (key,) in self.between.ends(DUTY)),
        )

    def _judge(self, ends: Mapping[Key, Ends[Obligation]], number: int) -> dict[Key, Judgement]:
        """How the rows of one end are judged."""
        if number == 0:
            rows = [one.before for one in ends.values() if one.before is not None]
            return _judged(self._history_before(rows), rows, self._before.moment)
        rows = [one.after for one in ends.values() if one.after is not None]
        return _judged(self._after.history(rows), rows, self._after.moment)

    def _history_before(self, rows: Sequence[Obligation]) -> History:
        if self._below is None:
            return self._before.history(rows)
        # The little of the background that these obligations reach, taken back to the earlier
        # moment: loading all of it would cost more than the question.
        position = self._before.moment.position
        rewound = Rewound(self._after.reader, self._after.background, rows, position)
        return rewound.at(position).history(rows, position)

    # --- Why obligations of a page are judged otherwise --------------------------------------

    def _by_time(self, page: Sequence[Differing], ends: Mapping[Place, Ends[Any]]) -> set[Place]:
        """Of the obligations judged otherwise, those that would be so without any fact."""
        otherwise = [one for one in page if one.judged[0] not in (None, one.judged[1])]
        then = self._judged_later([ends[one.place].before for one in otherwise])
        return {one.place for one in otherwise if then[one.key] == one.judged[1]}

    def _elsewhere(
        self, page: Sequence[Differing], ends: Mapping[Place, Ends[Any]]
    ) -> dict[Place, set[int]]:
        """Facts that are not about an obligation, where those about it do not explain enough."""
        otherwise = [one for one in page if one.judged[0] != one.judged[1]]
        alone = self._judged_later([ends[one.place].after for one in otherwise])
        led = {
            one.place: _leads_to(ends[one.place].after)
            for one in otherwise
            if alone[one.key] != one.judged[1]
        }
        turned = self._turned({place for places in led.values() for place in places})
        return {
            place: {position for one in places for position in turned.get(one, ())}
            for place, places in led.items()
        }

    def _judged_later(self, rows: Sequence[Any]) -> dict[Key, Judgement]:
        """What would be judged at the later moment if only these rows had changed by then."""
        moment = Moment(self._before.moment.position, self._after.moment.instant)
        return _judged(self._history_before(rows), rows, moment) if rows else {}


def _judged(history: History, rows: Iterable[Obligation], moment: Moment) -> dict[Key, Judgement]:
    return {
        OBLIGATION.key_of(row): Judgement(outcome=Outcome.ON_TIME, due=row.due)
        if found is None
        else Judgement(outcome=found.outcome, due=found.due, kind=found.kind, pending=found.pending)
        for row, found in assessed(history, rows, moment)
    }


def _days_turned(ends: Ends[Calendar]) -> Iterator[date]:
    """The days that facts about the calendar turned, and a year that was announced at last."""
    before, after = ends.before or Calendar(), ends.after or Calendar()
    for one in {*before.announcements} ^ {*after.announcements}:
        if one.revision == 1:
            yield date(one.year, 1, 1)
    for shift in {*before.shifts} ^ {*after.shifts}:
        yield from shift.days
    for outage in {*before.outages} ^ {*after.outages}:
        yield outage.started_at.date()


def _leads_to(row: Any) -> list[Place]:  # noqa: ANN401  (an obligation)
    """The rows beside its own that an obligation is judged by."""
    named = (
        (UNIT, row.unit),
        (POST, row.post),
        (DUTY, row.duty),
        (CALENDAR, CALENDAR_KEY),
        (RULES, RULES_KEY),
    )
    return [(_ORDER[table.name], (key,)) for table, key in named]


def named_in(table: Table[Any], held: Below) -> Named | None:
    """The rows of a table that belong to a subtree; None where none does."""
    if table in (UNIT, POST, OBLIGATION):
        return Named("unit", sorted(held.units))
    return Named("person", sorted(held.persons)) if table is PERSON else None


def _by_table(places: Iterable[Place]) -> dict[int, list[Key]]:
    """The keys of each table, by its place in the order."""
    found: dict[int, list[Key]] = {}
    for order, key in places:
        found.setdefault(order, []).append(key)
    return found
