"""The organisation on a date, as known at a position: two times that do not mix."""

from collections.abc import Iterator
from datetime import date

import pytest

from ledger.database import Database
from ledger.errors import Invalid, NotFound
from ledger.events import organisation as o
from ledger.vocabulary import UnitId, UnitKind, UnitRef
from projections.structure import Structure, UnitStanding, organisation_on
from tests.scenario import Scenario, wall
from tests.telling import Told


def story() -> Scenario:
    """The usual network; a support unit; A leads O until 10 March, told only in April."""
    told = Scenario().unit("T", "branch", "B", kind=UnitKind.SUPPORT, at="2025-12-01 00:00")
    attached = o.SupportLineAttached(unit="O", supporter="T")
    told.say("helps", "2025-12-01 00:00", attached)
    told.appoint("O-head", "A", "2026-01-01 00:00")
    told.relieve("O-head", "A", "2026-03-10 00:00", received="2026-04-01 00:00")
    told.say("closed", "2026-04-02 00:00", o.UnitClosed(unit="O"), effective="2026-05-01 00:00")
    return told


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """A ledger that holds the story."""
    found = Told(database, story().events)
    yield found
    found.close()


def outlet(structure: Structure) -> UnitStanding:
    """How the outlet O stands."""
    return next(one for one in structure.units if one.unit == "O")


def test_units_stand_in_the_order_of_the_tree(told: Told) -> None:
    """Parents come before what is below them, each with its depth, level and parent."""
    with told.questions.at() as here:
        found = organisation_on(here, date(2026, 3, 1))

    assert [(one.unit, one.depth, one.parent) for one in found.units] == [
        ("HQ", 0, None),
        ("R", 1, "HQ"),
        ("B", 2, "R"),
        ("S", 3, "B"),
        ("O", 4, "S"),
        ("T", 3, "B"),
    ]
    assert outlet(found).supporters == ("T",)
    assert outlet(found).stage == "established"
    assert found.names.units["O"].level == "outlet"
    assert outlet(found).posts[0].superior == "S-head"


def test_what_was_in_force_and_what_was_known(told: Told) -> None:
    """On 20 March A still led the outlet as known then, and had left as known later."""
    on = date(2026, 3, 20)
    with told.questions.at(wall("2026-03-31 00:00")) as here:
        then = outlet(organisation_on(here, on)).posts[0]
    with told.questions.at() as here:
        now = outlet(organisation_on(here, on)).posts[0]

    assert (then.capacity, then.person) == ("holder", "A")
    assert (now.capacity, now.person) == ("vacant", None)


def test_a_date_means_its_end(told: Told) -> None:
    """What changed on a day is shown as changed on that day; an instant is taken as it is."""
    with told.questions.at() as here:
        day = outlet(organisation_on(here, date(2026, 3, 10))).posts[0]
        instant = outlet(organisation_on(here, wall("2026-03-09 23:59"))).posts[0]

    assert (day.person, instant.person) == (None, "A")


def test_closed_units_are_shown_when_asked_for(told: Told) -> None:
    """A unit that has ended is left out, unless the asker wants it; one to come always is."""
    with told.questions.at() as here:
        without = organisation_on(here, date(2026, 5, 1))
        ended = organisation_on(here, date(2026, 5, 1), ended=True)
        before = organisation_on(here, date(2019, 5, 1), ended=True)

    assert "O" not in [one.unit for one in without.units]
    assert (outlet(ended).state, outlet(ended).posts[0].capacity) == ("closed", "absent")
    assert before.units == ()


def test_a_subtree_to_a_depth(told: Told) -> None:
    """Only what is asked for, no deeper than asked; what is unknown is refused."""
    with told.questions.at() as here:
        found = organisation_on(here, unit=UnitId(UnitRef("B")), depth=1)
        with pytest.raises(NotFound, match="nowhere"):
            organisation_on(here, unit=UnitId(UnitRef("nowhere")))
        with pytest.raises(Invalid, match="depth"):
            organisation_on(here, depth=99)

    assert [(one.unit, one.depth) for one in found.units] == [("B", 0), ("S", 1), ("T", 1)]
