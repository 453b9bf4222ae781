"""How one unit stands: now, and as of any position."""

from collections.abc import Iterator
from datetime import date

import pytest

from ledger.database import Database
from ledger.errors import NotFound
from ledger.vocabulary import UnitRef
from projections.status import Status, status
from tests.quarter import END, quarter
from tests.scenario import wall
from tests.telling import Told


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """A ledger that holds the quarter."""
    found = Told(database, quarter().events)
    found.now = wall(END)
    yield found
    found.close()


def of(told: Told, unit: str, asked: int | None = None) -> Status:
    """The status of one unit."""
    with told.questions.at(asked) as here:
        return status(here, UnitRef(unit))


def test_an_outlet_with_its_head_and_what_it_owes(told: Told) -> None:
    """Stage, line, effective head, the open report, and the last one received."""
    found = of(told, "O")

    assert (found.standing.stage, found.above) == ("established", ("S", "B", "R", "HQ"))
    assert [(one.role, one.person) for one in found.standing.posts] == [("head", "A")]
    assert [one.obligation for one in found.open] == ["monthly.O.2026-05"]
    assert found.overdue == ()
    assert found.last_report is not None
    assert found.last_report.obligation == "monthly.O.2026-04"
    assert found.names.persons.keys() == {"A"}


def test_what_is_overdue_comes_by_due(told: Told) -> None:
    """Two missing reports of an outlet that has no head."""
    found = of(told, "O2")

    assert [one.obligation for one in found.overdue] == ["monthly.O2.2026-03", "monthly.O2.2026-04"]
    assert found.standing.posts[0].capacity == "vacant"
    assert found.last_report is None


def test_a_closed_unit_is_shown_as_closed(told: Told) -> None:
    """Known now, it is closed; as of the position before, it was not."""
    closed = next(one.position for one in quarter().events if one.id == "closed")

    assert of(told, "O4").standing.state == "closed"
    assert of(told, "O4", closed - 1).standing.state == "established"


def test_a_quarter_is_looked_back(told: Told) -> None:
    """What was due longer ago than a quarter is left to the matrix."""
    assert of(told, "O").since == date(2026, 2, 22)


def test_what_did_not_exist_is_refused(told: Told) -> None:
    """An unknown unit, and one that was established later than the position asked."""
    with pytest.raises(NotFound, match="no unit 'X'"):
        of(told, "X")
    with pytest.raises(NotFound, match="no unit 'O4'"):
        of(told, "O4", 15)
