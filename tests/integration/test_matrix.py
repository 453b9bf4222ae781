"""The reporting matrix: figures that add up, as known then beside as known now."""

from collections.abc import Iterator

import pytest

from ledger.database import Database
from ledger.errors import Invalid, NotFound
from ledger.verdict import verdict
from ledger.vocabulary import DutyRef, Moment, UnitRef
from projections.figures.measures import Measure
from projections.matrix import Account, Column, Group, Matrix, Row, matrix
from projections.spans import parse_span
from tests.quarter import END, quarter
from tests.scenario import wall
from tests.telling import Told

SPRING = parse_span("2026-03..2026-05")
MONTHLY = DutyRef("monthly")


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """A ledger that holds the quarter."""
    found = Told(database, quarter().events)
    found.now = wall(END)
    yield found
    found.close()


def row_of(found: Matrix, unit: str) -> Row:
    """The row of one unit."""
    return next(one for one in found.rows if one.unit == unit)


def outcomes(row: Row) -> list[tuple[str | None, str]]:
    """Each cell as (then, now)."""
    return [(one.then, one.outcome) for one in row.cells if one is not None]


def accounts(found: Matrix) -> list[Account]:
    """Every account of the matrix."""
    parts: list[Row | Column | Group] = [*found.rows, *found.columns, *found.groups]
    return [found.total, *(one.account for one in parts)]


def measures(found: Matrix) -> list[Measure]:
    """Every set of figures in the matrix."""
    return [one for account in accounts(found) for one in (account.now, account.then)]


def test_cells_are_units_by_periods(told: Told) -> None:
    """Each unit has a cell a period, by parent and code, and leads to its obligation."""
    with told.questions.at() as here:
        found = matrix(here, SPRING, MONTHLY)

    assert [one.period for one in found.columns] == ["2026-03", "2026-04", "2026-05"]
    assert [(one.parent, one.unit) for one in found.rows] == [
        ("S", "O"),
        ("S2", "O2"),
        ("S2", "O3"),
        ("S2", "O4"),
    ]
    cells = row_of(found, "O").cells
    assert [one.obligation for one in cells if one] == [
        "monthly.O.2026-03",
        "monthly.O.2026-04",
        "monthly.O.2026-05",
    ]


def test_then_is_what_the_period_was_accounted_with(told: Told) -> None:
    """A late report, a void and a closing in hindsight change now, and never then."""
    with told.questions.at() as here:
        found = matrix(here, SPRING, MONTHLY)

    assert outcomes(row_of(found, "O")) == [
        ("on_time", "on_time"),
        ("missed", "late"),
        ("pending", "pending"),
    ]
    assert outcomes(row_of(found, "O3"))[1] == ("on_time", "missed")
    assert outcomes(row_of(found, "O4")) == [
        ("exempt", "exempt"),
        ("missed", "not_expected"),
        ("not_expected", "not_expected"),
    ]


def test_a_period_is_accounted_one_working_day_after_its_last_due(told: Told) -> None:
    """March on 9 April and April on 13 May; May is still to come, so then is now."""
    with told.questions.at() as here:
        march, april, may = matrix(here, SPRING, MONTHLY).columns

    assert march.then.instant == wall("2026-04-09 18:01")
    assert april.then.instant == wall("2026-05-13 18:01")
    assert march.then.reached
    assert april.then.reached
    assert not may.then.reached
    assert may.account.then == may.account.now


def test_figures_add_up_everywhere(told: Told) -> None:
    """E = T + L + M + P, excused within L and M, and each figure counts the ids it carries."""
    with told.questions.at() as here:
        found = matrix(here, SPRING, MONTHLY)

    rows = [side for row in found.rows for side in (row.account.now, row.account.then)]
    for one in measures(found):
        assert one.expected == one.on_time + one.late + one.missed + one.pending
        for name in ("late", "missed", "pending", "excused", "exempt", "not_expected"):
            assert getattr(one, name) == len(getattr(one.ids, name))
        if one in rows:
            assert one.on_time == len(one.ids.on_time or ())
        else:
            assert one.ids.on_time is None, "thousands of ids that nobody asked for"
        assert set(one.ids.excused) <= {*one.ids.late, *one.ids.missed}
        assert one.timeliness.denominator == one.expected - one.pending
        for ratio in (one.timeliness, one.completeness, one.quality):
            assert 0 <= ratio.numerator <= ratio.denominator


def test_rows_columns_and_groups_each_make_the_total(told: Told) -> None:
    """Nothing is counted twice or left out, whichever way one adds."""
    with told.questions.at() as here:
        found = matrix(here, SPRING, MONTHLY)

    for parts in (found.rows, found.columns, found.groups):
        for side in ("now", "then"):
            figures = [getattr(one.account, side) for one in parts]
            total = getattr(found.total, side)
            assert sum(one.expected for one in figures) == total.expected
            late = sorted(id_ for one in figures for id_ in one.ids.late)
            assert late == sorted(total.ids.late)


def test_then_is_what_the_ledger_answered_then(told: Told) -> None:
    """Asked as of the account's own moment, the matrix shows the same as it calls *then*."""
    with told.questions.at() as here:
        found = matrix(here, SPRING, MONTHLY)
    for number, column in enumerate(found.columns[:2]):
        moment = Moment(column.then.position, column.then.instant)
        with told.questions.at(moment) as here:
            before = matrix(here, parse_span(column.period), MONTHLY)
        for row in before.rows:
            (cell,) = row.cells
            assert cell is not None
            later = row_of(found, row.unit).cells[number]
            assert later is not None
            assert (later.then, later.then_excused) == (cell.outcome, cell.excused)


def test_every_cell_is_the_verdict_from_raw_facts(told: Told) -> None:
    """Then and now, each cell says what the verdict says of the log up to that moment."""
    with told.questions.at() as here:
        found = matrix(here, SPRING, MONTHLY)
        now = here.moment
    for number, column in enumerate(found.columns):
        then = Moment(column.then.position, column.then.instant)
        for row in found.rows:
            cell = row.cells[number]
            assert cell is not None
            answer = verdict(told.history(), cell.obligation, now).computed
            before = verdict(told.history(then.position), cell.obligation, then).computed
            assert (cell.outcome, cell.due, cell.kind) == (
                answer.outcome,
                answer.due,
                answer.kind,
            )
            assert cell.then == before.outcome


def test_the_asker_may_name_another_then(told: Told) -> None:
    """One moment for every column, instead of each period's own."""
    with told.questions.at() as here:
        found = matrix(here, SPRING, MONTHLY, then=wall("2026-05-16 00:00"))

    assert outcomes(row_of(found, "O"))[1] == ("late", "late")
    assert {one.then.instant for one in found.columns} == {wall("2026-05-16 00:00")}


def test_an_obligation_that_was_not_open_then_has_no_then(told: Told) -> None:
    """In April nobody owed May's report yet."""
    with told.questions.at() as here:
        found = matrix(here, parse_span("2026-05"), MONTHLY, then=wall("2026-04-20 00:00"))

    assert all(cell is not None and cell.then is None for row in found.rows for cell in row.cells)
    assert found.total.then.expected == 0


def test_a_page_holds_some_rows_and_the_figures_of_all(told: Told) -> None:
    """Rows go on after the last unit of the page before; columns and total are over all."""
    with told.questions.at() as here:
        whole = matrix(here, SPRING, MONTHLY)
        first = matrix(here, SPRING, MONTHLY, limit=3)
        second = matrix(here, SPRING, MONTHLY, limit=3, after=first.next)

    assert (*first.rows, *second.rows) == whole.rows
    assert (first.rows_total, second.next) == (4, None)
    assert first.total == second.total == whole.total


def test_a_branch_has_its_own_rows_only(told: Told) -> None:
    """O2 owed March and April to B, and owes May to B2."""
    with told.questions.at() as here:
        found = matrix(here, SPRING, MONTHLY, unit=UnitRef("B"))

    assert [one.unit for one in found.rows] == ["O", "O2"]
    assert [cell is None for cell in row_of(found, "O2").cells] == [False, False, True]


def test_what_cannot_be_asked_is_refused_with_a_reason(told: Told) -> None:
    """Unknown duties and units, and pages that are none."""
    with told.questions.at() as here:
        with pytest.raises(NotFound, match="no duty 'X'"):
            matrix(here, SPRING, DutyRef("X"))
        with pytest.raises(NotFound, match="no unit 'X'"):
            matrix(here, SPRING, MONTHLY, unit=UnitRef("X"))
        with pytest.raises(Invalid, match="rows"):
            matrix(here, SPRING, MONTHLY, limit=0)
        with pytest.raises(Invalid, match="no row"):
            matrix(here, SPRING, MONTHLY, after=UnitRef("HQ"))


def test_no_obligations_make_an_empty_matrix(told: Told) -> None:
    """A span before everything has neither columns nor rows, and figures of nothing."""
    with told.questions.at() as here:
        found = matrix(here, parse_span("2020"), MONTHLY)

    assert (found.columns, found.rows, found.total.now.expected) == ((), (), 0)
