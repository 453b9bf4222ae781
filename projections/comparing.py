"""What differs between two moments: row by row, field by field, and the facts that caused it.

Rows that differ are found through their stored versions (`between.py`). An obligation may differ
although no fact is about it: a due passes, or a day off moves it; so obligations are judged at
both moments, and what time alone did is told apart. Everything is looked at once, in a stable
order, and told page by page. Read next: `showing.py`, for the rows themselves.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from ledger.errors import Invalid
from ledger.model.history import CALENDAR_KEY, RULES_KEY, History
from ledger.model.obligations import Obligation
from ledger.model.rules import Rules
from ledger.timeliness import Outcome
from ledger.vocabulary import Moment, UnitRef
from projections.between import Between, Ends, Named
from projections.calendar import CALENDAR, RULES
from projections.citing import Citation, citation_of
from projections.differing import RowChange, difference, key_text
from projections.duties import DUTY
from projections.judging import assessed
from projections.obligations import OBLIGATION
from projections.organisation import PERSON, POST, UNIT
from projections.rewinding import Rewound
from projections.selecting import Below, below
from projections.standpoint import AsOf, Standpoint
from projections.tables import Key, Table
from projections.views import VIEWS

PAGE_MAX: Final = 500
CAUSES_MAX: Final = 20
"""Facts cited for one row; `causes_total` says how many there are."""

CALENDAR_DAYS: Final = 2
"""A working day takes no more days than this, holidays included, where many are counted."""

SPARE_DAYS: Final = 30


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What the verdict says of an obligation at one of the moments."""

    outcome: Outcome
    due: datetime
    kind: str | None = None
    pending: str | None = None


class RowDifference(RowChange, frozen=True, kw_only=True):
    """A row that differs, the facts between that caused it, and how an obligation is judged.

    `causes` are the first of `causes_total`. `judged_before` is None where the obligation was not
    opened yet, or for rows that are none. `by_time`: the same verdict would have followed without
    any fact, because time passed; then `fields` and `causes` may be empty.
    """

    causes: tuple[Citation, ...]
    causes_total: int
    judged_before: Judgement | None = None
    judged_after: Judgement | None = None
    by_time: bool = False


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a table differ; `judged_otherwise` are those whose fields do not."""

    view: str
    table: str
    added: int
    changed: int
    removed: int
    judged_otherwise: int


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A page of what differs, in the order of views, tables and keys, and the counts of all.

    `as_of` is the later moment, `since` the earlier one; `next` names the last row of a page that
    another follows: its table and key.
    """

    as_of: AsOf
    since: Moment
    unit: UnitRef | None
    counts: tuple[Count, ...]
    rows: tuple[RowDifference, ...]
    next: tuple[str, ...] | None


class _Differing(msgspec.Struct, frozen=True):
    """A row of the list: where it stands, both its ends, and how it is judged at both."""

    order: int
    view: str
    table: Table[Any]
    key: Key
    ends: Ends[Any]
    judged: tuple[Judgement | None, Judgement | None] = (None, None)

    @property
    def place(self) -> tuple[int, Key]:
        return self.order, self.key

    @property
    def change(self) -> Literal["added", "changed", "removed"]:
        if self.ends.before is None:
            return "added"
        return "removed" if self.ends.after is None else "changed"


_TABLES: Final = tuple((view.name, table) for view in VIEWS for table in view.tables)
_ORDER: Final = {table.name: number for number, (_, table) in enumerate(_TABLES)}


def compare(  # noqa: PLR0913  (what can be asked)
    before: Standpoint,
    after: Standpoint,
    *,
    unit: UnitRef | None = None,
    within: frozenset[UnitRef] | None = None,
    limit: int = PAGE_MAX,
    beyond: Sequence[str] | None = None,
) -> Comparison:
    """What differs at `after` from `before`: everything, or what ever stood below `unit`.

    With a unit: the rows of the units, their posts, who held those, and their obligations; of
    the units `within` alone, for a key that reaches no other. `beyond` is the `next` of the page
    before. `Invalid` when `before` is the later one.
    """
    if not 0 < limit <= PAGE_MAX:
        raise Invalid.field("limit", f"a page has 1 to {PAGE_MAX} rows")
    earlier, later = before.moment, after.moment
    if earlier.position > later.position or earlier.instant > later.instant:
        raise Invalid.field(
            "to",
            f"position {later.position} at {later.instant.isoformat()} lies before position "
            f"{earlier.position} at {earlier.instant.isoformat()}; exchange the two",
        )
    found = _Comparing(before, after, unit, within)
    rows = found.rows()
    start = _start(rows, beyond)
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    return Comparison(
        as_of=after.as_of,
        since=earlier,
        unit=unit,
        counts=_counts(rows),
        rows=tuple(found.told(page)),
        next=(page[-1].table.name, *key_text(page[-1].key)) if more else None,
    )


def _start(rows: Sequence[_Differing], beyond: Sequence[str] | None) -> int:
    if beyond is None:
        return 0
    for number, one in enumerate(rows):
        if (one.table.name, *key_text(one.key)) == tuple(beyond):
            return number + 1
    raise Invalid.field("beyond", f"{'/'.join(beyond)} does not differ; begin at the first page")


def _counts(rows: Iterable[_Differing]) -> tuple[Count, ...]:
    found: dict[str, dict[str, int]] = {}
    for one in rows:
        figures = found.setdefault(one.table.name, dict.fromkeys(_FIGURES, 0))
        is_same = one.ends.before == one.ends.after
        figures["judged_otherwise" if is_same else one.change] += 1
    return tuple(
        Count(view=view, table=table.name, **found[table.name])
        for view, table in _TABLES
        if table.name in found
    )


_FIGURES: Final = ("added", "changed", "removed", "judged_otherwise")


class _Comparing:
    """One comparison at work."""

    def __init__(
        self,
        before: Standpoint,
        after: Standpoint,
        unit: UnitRef | None,
        within: frozenset[UnitRef] | None,
    ) -> None:
        self._before, self._after = before, after
        self._ledger_id = after.questions.ledger_id
        self._between = Between(
            after.connection, self._ledger_id, after.reader, before.moment.position
        )
        self._below = None if unit is None else below(after.background, unit, within)

    def rows(self) -> list[_Differing]:
        """Every row that differs, in order."""
        found = [
            _Differing(_ORDER[table.name], view, table, key, ends)
            for view, table in _TABLES
            if table is not OBLIGATION
            for key, ends in self._ends(table).items()
        ]
        found += self._obligations()
        return sorted(found, key=lambda one: one.place)

    def _ends(self, table: Table[Any]) -> dict[Key, Ends[Any]]:
        if self._below is None:
            return self._between.ends(table)
        named = named_in(table, self._below)
        return {} if named is None else self._between.ends(table, named)

    # --- Obligations: what changed, and what is judged otherwise ----------------------------

    def _obligations(self) -> Iterator[_Differing]:
        """The obligations that differ, or are judged otherwise."""
        ends = self._ends(OBLIGATION)
        named = None if self._below is None else named_in(OBLIGATION, self._below)
        ended_since, disturbed = self._doubtful()
        for row in self._between.unmoved(OBLIGATION, named, ended_since, disturbed):
            ends[OBLIGATION.key_of(row)] = Ends(row, row)
        judged = [self._judge(ends, number) for number in (0, 1)]
        for key, one in ends.items():
            pair = (judged[0].get(key), judged[1].get(key))
            if one.before is not one.after or pair[0] != pair[1]:
                view, table = _TABLES[_ORDER[OBLIGATION.name]]
                yield _Differing(_ORDER[table.name], view, table, key, one, pair)

    def _doubtful(self) -> tuple[date, list[str]]:
        """From which day on a period's end leaves something to time, and the units disturbed."""
        tables: tuple[Table[Any], ...] = (CALENDAR, DUTY, RULES)
        if any(self._between.ends(table) for table in tables):
            return date.min, []
        rows = self._after.background.rows
        disturbed = {str(key) for (key,) in self._ends(UNIT)}
        # Days of its own may put off the dues of a unit for as long as they last.
        disturbed |= {one.unit for one in rows["unit"].values() if one.local_days}
        disturbed |= {one.unit for one in rows["unit"].values() if one.force_majeure}
        dues = (terms.due.working_days for duty in rows["duty"].values() for terms in duty.terms)
        rules = (Rules(), *(one for book in rows["rules"].values() for one in book))
        graces = (
            one.late_channel_working_days + one.first_period_grace_working_days for one in rules
        )
        days = (max(dues, default=0) + max(graces)) * CALENDAR_DAYS + SPARE_DAYS
        return self._before.moment.instant.date() - timedelta(days=days), sorted(disturbed)

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

    # --- A page of them, with everything that is told ----------------------------------------

    def told(self, page: Sequence[_Differing]) -> Iterator[RowDifference]:
        """Rows of the list with their fields and causes."""
        keys: dict[str, list[Key]] = {}
        for one in page:
            keys.setdefault(one.table.name, []).append(one.key)
        turned = {
            (table.name, key): {*positions}
            for _, table in _TABLES
            for key, positions in self._between.causes(table, keys.get(table.name, ())).items()
        }
        passed = self._by_time(page)
        elsewhere = self._elsewhere([one for one in page if one.key not in passed])
        causes = {
            one.place: sorted(
                turned.get((one.table.name, one.key), set()) | elsewhere.get(one.key, set())
            )
            for one in page
        }
        shown = {at for positions in causes.values() for at in positions[:CAUSES_MAX]}
        entries = self._between.entries(shown)
        for one in page:
            positions = causes[one.place]
            yield RowDifference(
                view=one.view,
                table=one.table.name,
                key=key_text(one.key),
                change=one.change,
                fields=difference(one.ends.before, one.ends.after),
                causes=tuple(citation_of(entries[at]) for at in positions[:CAUSES_MAX]),
                causes_total=len(positions),
                judged_before=one.judged[0],
                judged_after=one.judged[1],
                by_time=one.key in passed,
            )

    def _by_time(self, page: Sequence[_Differing]) -> set[Key]:
        """Of the obligations judged otherwise, those that would be so without any fact."""
        rows = [one.ends.before for one in page if one.judged[0] not in (None, one.judged[1])]
        then = self._judged_later(rows)
        return {one.key for one in page if one.key in then and then[one.key] == one.judged[1]}

    def _elsewhere(self, page: Sequence[_Differing]) -> dict[Key, set[int]]:
        """Facts that are not about an obligation, where those about it do not explain enough."""
        otherwise = [one for one in page if one.judged[0] != one.judged[1]]
        alone = self._judged_later([one.ends.after for one in otherwise])
        found: dict[Key, set[int]] = {}
        for one in otherwise:
            row: Any = one.ends.after
            if alone[one.key] != one.judged[1]:
                found[one.key] = set()
                for table, key in _leads_to(row):
                    found[one.key].update(*self._between.causes(table, [(key,)]).values())
        return found

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


def _leads_to(row: Obligation) -> tuple[tuple[Table[Any], str], ...]:
    """The rows beside its own that an obligation is judged by."""
    return (
        (UNIT, row.unit),
        (POST, row.post),
        (DUTY, row.duty),
        (CALENDAR, CALENDAR_KEY),
        (RULES, RULES_KEY),
    )


def named_in(table: Table[Any], held: Below) -> Named | None:
    """The rows of a table that belong to a subtree; None where none does."""
    if table in (UNIT, POST, OBLIGATION):
        return Named("unit", sorted(held.units))
    return Named("person", sorted(held.persons)) if table is PERSON else None
