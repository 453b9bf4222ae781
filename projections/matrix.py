"""The reporting matrix: units by periods of one duty, as known then beside as known now.

What *then* means is in `accounting.py`, what the figures mean in `measures.py`.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final

import msgspec

from ledger.errors import Invalid
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import day_start
from ledger.model.obligations import Obligation
from ledger.model.periods import ONE_DAY
from ledger.timeliness import Outcome
from ledger.vocabulary import DutyId, DutyRef, ObligationId, UnitId, UnitRef
from projections.accounting import Known, Then, know
from projections.measures import FAILED, Measure, measure
from projections.names import Gathering, Names
from projections.spans import Span, obligations_of, require
from projections.standpoint import Asked, AsOf, Standpoint

ROWS_MAX: Final = 500


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """What one unit owed for one period; `others` were cancelled or replaced by this one.

    `then` and `then_excused` are the same as known then.
    """

    obligation: ObligationId
    outcome: Outcome
    kind: str | None
    excused: bool
    due: datetime
    received_at: datetime | None
    then: Outcome | None
    then_excused: bool
    others: tuple[ObligationId, ...] = ()


class Account(msgspec.Struct, frozen=True):
    """The same figures as known now, and as known then."""

    now: Measure
    then: Measure


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One period: its days, the last due, when it was accounted for, and its figures."""

    period: str
    first: date
    last: date
    last_due: datetime
    then: Then
    account: Account


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One unit: a cell a column (None: nothing was opened), and its figures."""

    unit: UnitId
    parent: UnitRef | None
    cells: tuple[Cell | None, ...]
    account: Account


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The units below one parent, whether on this page or not, and their figures."""

    parent: UnitRef | None
    units: int
    account: Account


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """A page of rows, by parent and unit; columns, groups and total are over every row.

    `next` is the unit after which the following page begins.
    """

    as_of: AsOf
    duty: DutyId
    span: Span
    unit: UnitRef | None
    rows_total: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    groups: tuple[Group, ...]
    total: Account
    next: UnitId | None
    names: Names


def matrix(  # noqa: PLR0913  (what can be asked)
    here: Standpoint,
    span: Span,
    duty: DutyRef,
    *,
    unit: UnitRef | None = None,
    then: Asked = None,
    failing: bool = False,
    limit: int = ROWS_MAX,
    after: UnitRef | None = None,
) -> Matrix:
    """The matrix of a duty below a unit, over the periods that end within the span.

    `then` names one moment for every column instead of each period's own. `failing` leaves out
    the rows of units that never failed, now or then; figures stay over all. A caller that pages
    keeps the Moment.
    """
    require("duty", duty, here.background)
    known = know(here, obligations_of(here, span, unit, duty), then)
    whole = _Whole(here, known, span)
    page, following = whole.page(limit, after, failing=failing)
    codes = Gathering()
    codes.mention(unit=unit, duty=duty)
    for one in (*whole.parents, *page):
        codes.mention(unit=one)
    return Matrix(
        as_of=here.as_of,
        duty=DutyId(duty),
        span=span,
        unit=unit,
        rows_total=len(whole.units),
        columns=tuple(whole.column(period, rows) for period, rows in known.periods),
        rows=tuple(whole.row(one) for one in page),
        groups=tuple(whole.group(one) for one in whole.parents),
        total=whole.total(),
        next=following,
        names=codes.names(here.background, here.moment.instant),
    )


class _Whole:
    """Every obligation of the matrix, judged now and then, to be counted and laid out."""

    def __init__(self, here: Standpoint, known: Known, span: Span) -> None:
        self._known = known
        self._by_unit: dict[UnitId, list[Obligation]] = {}
        self._by_cell: dict[tuple[UnitId, str], list[Obligation]] = {}
        for period, rows in known.periods:
            for row in rows:
                self._by_unit.setdefault(row.unit, []).append(row)
                self._by_cell.setdefault((row.unit, period), []).append(row)
        organisation = here.background.organisation
        at = min(here.moment.instant, day_start(span.last + ONE_DAY, DEFAULT_ZONE))
        self._parent = {one: organisation.parent(one, at) for one in self._by_unit}
        self.units = sorted(self._by_unit, key=lambda one: (self._parent[one] or "", one))
        self.parents = list(dict.fromkeys(self._parent[one] for one in self.units))

    def page(
        self, limit: int, after: UnitRef | None, *, failing: bool
    ) -> tuple[list[UnitId], UnitId | None]:
        """The units of one page, and the last of them if another page follows."""
        if not 0 < limit <= ROWS_MAX:
            raise Invalid.field("limit", f"a page has 1 to {ROWS_MAX} rows")
        units = [one for one in self.units if self._failed(one)] if failing else self.units
        if after is not None and after not in units:
            raise Invalid.field("after", f"{after!r} has no row in this matrix at this moment")
        start = 0 if after is None else units.index(UnitId(after)) + 1
        page = units[start : start + limit]
        return page, page[-1] if page and page[-1] != units[-1] else None

    def _failed(self, unit: UnitId) -> bool:
        """Whether anything of a unit's failed, now or then."""
        ids = [row.obligation for row in self._by_unit[unit]]
        judged = (known.get(one) for known in (self._known.now, self._known.then) for one in ids)
        return any(one is not None and one.outcome in FAILED for one in judged)

    def total(self) -> Account:
        """The figures over everything."""
        return self._account(row for rows in self._by_unit.values() for row in rows)

    def column(self, period: str, rows: Sequence[Obligation]) -> Column:
        """One period, with its figures."""
        return Column(
            period=period,
            first=rows[0].period_start,
            last=rows[0].period_end,
            last_due=max(self._known.now[one.obligation].due for one in rows),
            then=self._known.thens[period],
            account=self._account(rows),
        )

    def row(self, unit: UnitId) -> Row:
        """One unit, with its figures."""
        return Row(
            unit=unit,
            parent=self._parent[unit],
            cells=tuple(
                self._cell(self._by_cell.get((unit, period), ()))
                for period, _ in self._known.periods
            ),
            account=self._account(self._by_unit[unit]),
        )

    def group(self, parent: UnitRef | None) -> Group:
        """The units below one parent, with their figures."""
        units = [one for one in self.units if self._parent[one] == parent]
        rows = (row for unit in units for row in self._by_unit[unit])
        return Group(parent=parent, units=len(units), account=self._account(rows))

    def _account(self, rows: Iterable[Obligation]) -> Account:
        ids = [row.obligation for row in rows]
        then = (self._known.then[one] for one in ids if one in self._known.then)
        return Account(measure(self._known.now[one] for one in ids), measure(then))

    def _cell(self, rows: Sequence[Obligation]) -> Cell | None:
        if not rows:
            return None
        judged = [self._known.now[one.obligation] for one in rows]
        # What is still owed stands for what it replaced.
        first, *others = sorted(judged, key=lambda one: one.outcome is Outcome.NOT_EXPECTED)
        then = self._known.then.get(first.obligation)
        return Cell(
            obligation=first.obligation,
            outcome=first.outcome,
            kind=first.verdict.computed.kind if first.verdict else None,
            excused=first.excused,
            due=first.due,
            received_at=first.received_at,
            then=then.outcome if then else None,
            then_excused=then is not None and then.excused,
            others=tuple(one.obligation for one in others),
        )
