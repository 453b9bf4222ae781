"""What differs between two moments: on a story whose every fact is known."""

from collections.abc import Iterator
from datetime import date

import pytest

from ledger.database import Database
from ledger.errors import Invalid, NotFound, TooManyRows, ViewMissing
from ledger.events import platform
from ledger.vocabulary import Moment
from projections.editions import EDITIONS
from projections.past import between
from projections.past.comparing import CAUSES_MAX, Comparison, RowDifference, compare
from projections.past.replaying import steps
from projections.past.selecting import Selection
from projections.views import VIEWS
from tests.quarter import END, quarter
from tests.scenario import wall
from tests.telling import Told


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """A ledger that holds the quarter."""
    with Told(database, quarter().events) as found:
        found.now = wall(END)
        yield found


def compared(told: Told, one: object, other: object, **how: object) -> Comparison:
    """The comparison of two moments, positions or wall times."""
    asked = [wall(moment) if isinstance(moment, str) else moment for moment in (one, other)]
    with told.questions.at(asked[1]) as later:
        earlier = told.questions.stand(later.connection, asked[0])
        return compare(earlier, later, **how)


def row(found: Comparison, key: str) -> RowDifference:
    """The row with this key."""
    (one,) = [one for one in found.rows if one.key == (key,)]
    return one


def test_a_fact_about_the_unit_changes_what_is_judged(told: Told) -> None:
    """O4 was closed in hindsight: its report is expected no more, and the closing is cited."""
    found = row(compared(told, 55, 56), "monthly.O4.2026-04")

    assert (found.change, found.fields) == ("changed", ())
    assert [one and one.outcome for one in (found.judged_before, found.judged_after)] == [
        "missed",
        "not_expected",
    ]
    assert [(one.position, one.type) for one in found.causes] == [(56, "unit.closed")]
    assert not found.by_time


@pytest.mark.parametrize("year", [2026, 2027])
def test_a_fact_about_the_calendar_changes_what_is_judged(told: Told, year: int) -> None:
    """An outage on the afternoon of the due moves it; declaring and ratifying it are cited.

    Also when both moments lie so late that time has long been done with that due.
    """
    story = quarter()
    down = platform.OutageDeclared(
        outage="down",
        calendar="CN",
        started_at=wall("2026-05-12 15:00"),
        ended_at=wall("2026-05-12 17:30"),
        probe_ref="probe",
    )
    story.say("down", "2026-05-22 09:00", down)
    story.say("ratified", "2026-05-22 10:00", platform.OutageRatified(outage="down", calendar="CN"))
    told.tell(story.events[-2:])

    told.now = wall(f"{year}-07-01 00:00")
    moments = [Moment(at, wall(f"{year}-06-0{at - 55} 00:00")) for at in (56, 58)]
    found = row(compared(told, *moments, unit="O"), "monthly.O.2026-04")

    assert (found.fields, found.by_time) == ((), False)
    assert found.judged_before is not None
    assert found.judged_after is not None
    assert found.judged_before.due < found.judged_after.due
    assert [one.type for one in found.causes] == ["outage.declared", "outage.ratified"]


def test_time_alone_needs_no_cause(told: Told) -> None:
    """The due of May passes between two instants that know the same facts."""
    told.now = wall("2026-07-01 00:00")
    found = compared(told, "2026-06-05 12:00", "2026-06-20 12:00")

    assert [one.key for one in found.rows] == [
        (f"monthly.{unit}.2026-05",) for unit in ("O", "O2", "O3")
    ]
    assert all(one.by_time and not one.causes and not one.fields for one in found.rows)
    (counted,) = found.counts
    assert (counted.table, counted.judged_otherwise, counted.changed) == ("obligation", 3, 0)


def test_what_came_and_went_differs_in_nothing(told: Told) -> None:
    """Two versions of one row that say the same are no difference, whatever lay between."""
    found = compared(told, 1, 56, unit="O2")

    keys = {one.key for one in found.rows}
    assert ("monthly.O2.2026-04",) in keys
    assert ("monthly.O.2026-04",) not in keys


def test_between_neighbours_differs_what_the_fact_changed(told: Told) -> None:
    """From every position to the next: the rows of the step, field by field, and its fact."""
    with told.questions.at() as here:
        for step in steps(here, Selection(after=1)):
            position = step.fact.position
            found = compared(told, position - 1, position).rows
            rows = [one for one in found if one.judged_before == one.judged_after or one.fields]

            changed = sorted((one.table, one.key, one.change, one.fields) for one in step.changes)
            assert sorted((one.table, one.key, one.change, one.fields) for one in rows) == changed
            assert all([one.position for one in row.causes] == [position] for row in rows)


def test_causes_are_counted_and_the_first_are_cited(told: Told) -> None:
    """A row that many facts changed names the first of them, and says how many there are."""
    edition = row(compared(told, 1, 56), "background")

    assert len(edition.causes) == CAUSES_MAX < edition.causes_total
    assert [one.position for one in edition.causes] == sorted(
        one.position for one in edition.causes
    )
    assert edition.causes[0].position == 2


def test_too_much_is_refused_with_a_way_out(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than one answer looks at: a unit, or nearer moments, are the way."""
    monkeypatch.setattr(between, "TOUCHED_MAX", 3)

    with pytest.raises(TooManyRows, match="name a unit"):
        compared(told, 1, 56)
    assert compared(told, 55, 56, unit="O4").rows


def test_what_cannot_be_compared_is_refused(told: Told) -> None:
    """The later moment first, an unknown unit, a page that is none."""
    with pytest.raises(Invalid, match="exchange the two"):
        compared(told, 56, 55)
    with pytest.raises(NotFound, match="no unit 'X'"):
        compared(told, 1, 56, unit="X")
    with pytest.raises(Invalid, match="begin at the first page"):
        compared(told, 1, 56, beyond=("unit", "X"))
    with pytest.raises(Invalid, match="1 to 500 rows"):
        compared(told, 1, 56, limit=501)


def test_the_empty_ledger_is_a_moment_too(told: Told) -> None:
    """Compared with the beginning, everything was added."""
    found = compared(told, 0, 56)

    assert {one.change for one in found.rows} == {"added"}
    assert date(2026, 3, 1).isoformat() in str(row(found, "monthly.O.2026-03").fields)


def test_a_view_that_was_never_built_is_named(database: Database) -> None:
    """Two moments are compared in every view; without one of them the question is refused."""
    there = tuple(view for view in VIEWS if view is not EDITIONS)
    with (
        Told(database, quarter().events, views=there) as told,
        pytest.raises(ViewMissing, match="edition was never built"),
    ):
        compared(told, 1, 40)
