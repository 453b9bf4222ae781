"""The reporting matrix: units by periods of one duty, as known then beside as known now.

What *then* means is in `figures/accounting.py`, what the figures mean in `figures/measures.py`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import chain
from typing import Any, Final

import msgspec

from ledger.errors import Invalid
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import day_start
from ledger.model.periods import ONE_DAY
from ledger.timeliness import Outcome
from ledger.vocabulary import DutyId, DutyRef, ObligationId, UnitId, UnitRef
from projections.figures.accounting import Accounted, Then, account
from projections.figures.briefs import Brief, Tallied
from projections.figures.measures import FAILED, Measure, measure, total
from projections.figures.tallies import Counted
from projections.names import Gathering, Names
from projections.spans import Span
from projections.standpoint import Asked, AsOf, Standpoint

ROWS_MAX: Final = 500


class Cell(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class Account(msgspec.Struct, frozen=True, gc=False):
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


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One unit: a cell a column (None: nothing was opened), and its figures."""

    unit: UnitId
    parent: UnitRef | None
    cells: tuple[Cell | None, ...]
    account: Account


class Group(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    columns = account(here, span, unit, duty, then)
    whole = _Whole(here, columns, span)
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
        columns=tuple(map(_column, columns)),
        rows=tuple(whole.rows(page)),
        groups=tuple(whole.groups()),
        total=Account(
            total(one.now.measure for one in columns), total(one.before.measure for one in columns)
        ),
        next=following,
        names=codes.names(here.background, here.moment.instant),
    )


def _column(one: Accounted) -> Column:
    """One period, with its figures."""
    return Column(
        period=one.period,
        first=one.first,
        last=one.last,
        last_due=one.last_due,
        then=one.then,
        account=Account(one.now.measure, one.before.measure),
    )


class _Whole:
    """Every unit of the matrix, to be counted in groups and laid out page by page."""

    def __init__(self, here: Standpoint, columns: Sequence[Accounted], span: Span) -> None:
        self._columns = columns
        units: set[str] = set().union(*(one.now.units for one in columns))
        organisation = here.background.organisation
        at = min(here.moment.instant, day_start(span.last + ONE_DAY, DEFAULT_ZONE))
        self._parent = {
            UnitId(UnitRef(one)): organisation.parent(UnitRef(one), at) for one in units
        }
        self.units = sorted(self._parent, key=lambda one: (self._parent[one] or "", one))
        self.parents = list(dict.fromkeys(self._parent[one] for one in self.units))

    def page(
        self, limit: int, after: UnitRef | None, *, failing: bool
    ) -> tuple[list[UnitId], UnitId | None]:
        """The units of one page, and the last of them if another page follows."""
        if not 0 < limit <= ROWS_MAX:
            raise Invalid.field("limit", f"a page has 1 to {ROWS_MAX} rows")
        units = self.units
        if failing:
            failed = self._failed()
            units = [one for one in units if one in failed]
        if after is not None and after not in units:
            raise Invalid.field("after", f"{after!r} has no row in this matrix at this moment")
        start = 0 if after is None else units.index(UnitId(after)) + 1
        page = units[start : start + limit]
        return page, page[-1] if page and page[-1] != units[-1] else None

    def _failed(self) -> set[str]:
        """The units of which anything failed, now or then."""
        sides = chain.from_iterable((one.now.rest, one.before.rest) for one in self._columns)
        return {one.unit for rest in sides for one in rest if one.outcome in FAILED}

    def groups(self) -> Iterator[Group]:
        """The units below each parent, with their figures."""
        sizes = Counter(self._parent.values())
        now = self._by_parent([one.now for one in self._columns])
        before = self._by_parent([one.before for one in self._columns])
        for parent in self.parents:
            account = Account(now(parent), before(parent))
            yield Group(parent=parent, units=sizes[parent], account=account)

    def _by_parent(self, counted: Sequence[Counted]) -> Callable[[UnitRef | None], Measure]:
        """The figures of the units below one parent, of all that was counted at once."""
        parent_of: Any = self._parent.__getitem__
        met = Counter(map(parent_of, chain.from_iterable(one.met_units for one in counted)))
        accepted = Counter(
            map(parent_of, chain.from_iterable(one.accepted_units for one in counted))
        )
        rest: dict[UnitRef | None, list[Tallied]] = {}
        for one in chain.from_iterable(one.rest for one in counted):
            rest.setdefault(self._parent[one.unit], []).append(one)
        return lambda parent: measure(
            rest.get(parent, ()), met=met[parent], accepted=accepted[parent], failures_only=True
        )

    def rows(self, page: Sequence[UnitId]) -> Iterator[Row]:
        """The units of a page, each with its cells and figures."""
        units = frozenset(page)
        now = [_by_unit(one.now.of_units(units)) for one in self._columns]
        before = [_by_unit(one.before.of_units(units)) for one in self._columns]
        for unit in page:
            mine = [one.get(unit, ()) for one in now]
            then = [one.get(unit, ()) for one in before]
            yield Row(
                unit=unit,
                parent=self._parent[unit],
                cells=tuple(map(_cell, mine, then)),
                account=Account(
                    measure(chain.from_iterable(mine)), measure(chain.from_iterable(then))
                ),
            )


def _by_unit(told: Iterable[Brief | Tallied]) -> dict[str, list[Brief | Tallied]]:
    found: dict[str, list[Brief | Tallied]] = {}
    for one in told:
        found.setdefault(one.unit, []).append(one)
    return found


def _cell(now: Sequence[Brief | Tallied], before: Sequence[Brief | Tallied]) -> Cell | None:
    if not now:
        return None
    first, others = now[0], now[1:]
    if others:
        # What is still owed stands for what it replaced.
        first, *others = sorted(
            now, key=lambda one: (one.outcome is Outcome.NOT_EXPECTED, one.obligation)
        )
    then = next((one for one in before if one.obligation == first.obligation), None)
    return Cell(
        obligation=first.obligation,
        outcome=first.outcome,
        kind=first.kind,
        excused=first.excused,
        due=first.due,
        received_at=first.received_at,
        then=then.outcome if then else None,
        then_excused=then is not None and then.excused,
        others=tuple(one.obligation for one in others),
    )
