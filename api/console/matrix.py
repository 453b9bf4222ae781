"""The reporting matrix made ready to show: cells with a sign and a word, figures then and now.

The answer itself is `projections/matrix.py`'s; here it gets its words, its addresses, and the
choices that the filter form offers.
"""

from datetime import date, timedelta
from typing import Final

import msgspec
from markupsafe import Markup

from api.console.charts import proportions
from api.console.layout import Choice, Page
from ledger.model.calendar import local_day
from ledger.model.periods import ONE_DAY, parse_period, period_of
from ledger.vocabulary import Cadence, UnitRef
from projections.matrix import Account, Cell, Column, Group, Matrix, Row
from projections.names import Label, UnitLabel
from projections.spans import Span
from projections.standpoint import Standpoint

COLUMNS_SHOWN: Final = {
    Cadence.DAILY: 10,
    Cadence.WEEKLY: 12,
    Cadence.MONTHLY: 6,
    Cadence.QUARTERLY: 6,
    Cadence.HALF_YEARLY: 4,
    Cadence.YEARLY: 3,
}
"""How many periods a page shows unless it is asked for others."""

ROWS_SHOWN: Final = 100
OBLIGATIONS_SHOWN: Final = 10_000
"""Obligations that a page judges unless it is asked for others: each twice, now and then."""

_ZONE: Final = "Asia/Shanghai"


class CellView(msgspec.Struct, frozen=True):
    """One cell: its class, sign and words, and where it leads; `changed` when then was not now."""

    kind: str
    sign: str
    title: str
    address: str
    is_excused: bool
    changed: bool


class RowView(msgspec.Struct, frozen=True):
    """A unit's row, or the subtotal of the units below one parent."""

    label: str
    code: str
    address: str
    account: Account
    cells: tuple[CellView | None, ...] = ()
    units: int = 0
    bar: Markup = Markup("")


class ColumnView(msgspec.Struct, frozen=True):
    """A period's head."""

    label: str
    detail: str
    title: str
    account: Account


def default_span(here: Standpoint, cadence: Cadence, unit: str | None) -> str:
    """The last periods that began before the moment, written as the form writes them.

    Above many units fewer periods are shown, so that a page that nobody narrowed is soon there.
    """
    day = local_day(here.moment.instant, _ZONE)
    units = here.background.rows["unit"]
    below = here.background.ever_below(UnitRef(unit)) if unit in units else units
    shown = min(COLUMNS_SHOWN[cadence], max(OBLIGATIONS_SHOWN // (len(below) + 1), 2))
    last = period_of(cadence, day)
    first = last
    for _ in range(shown - 1):
        first = period_of(cadence, first.start - ONE_DAY)
    return f"{first.key}..{last.key}"


def neighbours(cadence: Cadence, span: Span) -> tuple[str, str]:
    """The spans as long as this one before and after it."""
    length = span.last - span.first + timedelta(days=1)
    before = (span.first - length, span.first - ONE_DAY)
    after = (span.last + ONE_DAY, span.last + length)
    return _keys(cadence, *before), _keys(cadence, *after)


def _keys(cadence: Cadence, first: date, last: date) -> str:
    return f"{period_of(cadence, first).key}..{period_of(cadence, last).key}"


def duty_choices(page: Page, here: Standpoint, chosen: str | None) -> tuple[Choice, ...]:
    """Every duty that has terms, by name."""
    rows = here.background.rows["duty"]
    named = [(one, rows[one].latest()) for one in sorted(rows) if rows[one].terms]
    return tuple(
        Choice(code, page.language.label(Label(terms.title_zh, terms.title_en)), code == chosen)
        for code, terms in named
    )


def columns(page: Page, found: Matrix) -> tuple[ColumnView, ...]:
    """The periods, each with its days and when it was accounted for."""
    return tuple(_column(page, one) for one in found.columns)


def _column(page: Page, one: Column) -> ColumnView:
    words = page.language
    title = words.text(
        "{period}: {first} to {last}; last due before {due}",
        period=one.period,
        first=one.first,
        last=one.last,
        due=words.when(one.last_due),
    )
    if one.then.reached:
        title += words.text(
            "; as known then = position {position}", position=words.number(one.then.position)
        )
    period = parse_period(one.period)
    short = one.period if period.cadence is Cadence.YEARLY else one.period[4:].lstrip("-")
    return ColumnView(short, words.month_day(one.last), title, one.account)


def rows(page: Page, found: Matrix) -> list[RowView]:
    """The page's units, each group of them under its subtotal."""
    shown: list[RowView] = []
    groups = {one.parent: one for one in found.groups}
    previous: object = object()
    for row in found.rows:
        if row.parent != previous:
            shown.append(_group(page, found, groups[row.parent]))
            previous = row.parent
        shown.append(_row(page, found, row))
    return shown


def _group(page: Page, found: Matrix, group: Group) -> RowView:
    label = _unit(page, found, group.parent or "")
    counts = page.language.text(
        "{on_time} on time, {late} late, {missed} missed, {pending} pending",
        on_time=group.account.now.on_time,
        late=group.account.now.late,
        missed=group.account.now.missed,
        pending=group.account.now.pending,
    )
    return RowView(
        label=label,
        code=group.parent or "",
        address=page.link(unit=group.parent, cursor=None),
        account=group.account,
        units=group.units,
        bar=proportions(group.account.now, counts),
    )


def _row(page: Page, found: Matrix, row: Row) -> RowView:
    label = _unit(page, found, row.unit)
    heads = [one.period for one in found.columns]
    cells = tuple(
        _cell(page, label, period, cell) if cell else None
        for period, cell in zip(heads, row.cells, strict=True)
    )
    return RowView(label, row.unit, page.link(unit=row.unit, cursor=None), row.account, cells)


def _cell(page: Page, unit: str, period: str, cell: Cell) -> CellView:
    words = page.language
    outcome = words.word("outcome", cell.outcome)
    parts = [f"{unit} {period}", outcome]
    if cell.excused:
        parts.append(words.text("excused"))
    if cell.received_at is not None:
        parts.append(words.text("received {instant}", instant=words.when(cell.received_at)))
    else:
        parts.append(words.text("due before {instant}", instant=words.when(cell.due)))
    changed = cell.then is not None and (cell.then, cell.then_excused) != (
        cell.outcome,
        cell.excused,
    )
    if changed:
        then = words.word("outcome", cell.then)
        if cell.then_excused:
            then += words.text(", ") + words.text("excused")
        parts.append(words.text("as known then: {outcome}", outcome=then))
    return CellView(
        kind=cell.outcome.value,
        sign=words.word("glyph", cell.outcome),
        title=words.text("; ").join(parts),
        address=page.address("traces", cell.obligation),
        is_excused=cell.excused,
        changed=changed,
    )


def _unit(page: Page, found: Matrix, unit: str) -> str:
    named: UnitLabel | None = found.names.units.get(unit)
    return page.language.label(named, unit)
