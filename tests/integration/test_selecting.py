"""Which facts belong to a subtree: those about its units, posts, obligations, and its people."""

from collections.abc import Iterator

import pytest

from ledger.database import Database
from ledger.errors import Invalid, NotFound
from ledger.events.organisation import LeaveRecorded
from projections.past import selecting
from projections.past.replaying import steps
from projections.past.selecting import Course, Selection
from tests.quarter import END, quarter
from tests.scenario import wall
from tests.telling import Told


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """The quarter; then E, head of O3, goes on leave and later heads O, which O3 never met."""
    story = quarter()
    story.say("leave", "2026-05-22 09:00", LeaveRecorded(person="E", kind="annual"))
    story.appoint("O-head", "E", "2026-05-23 09:00")
    story.say("leave of A", "2026-05-23 10:00", LeaveRecorded(person="A", kind="annual"))
    with Told(database, story.events) as found:
        found.now = wall(END)
        yield found


LEAVE_OF_E, APPOINTED, LEAVE_OF_A = 57, 58, 59
WAYS = [(), selecting.STRETCHES]


def positions(told: Told, selection: Selection) -> list[int]:
    """Where the facts of a selection stand."""
    with told.questions.at() as here:
        return [one.fact.position for one in steps(here, selection)]


@pytest.mark.parametrize("stretches", WAYS, ids=["by the index", "in a stretch"])
def test_what_is_about_a_person_goes_where_they_served(
    told: Told, monkeypatch: pytest.MonkeyPatch, stretches: tuple[int, ...]
) -> None:
    """A leave belongs to every unit where its person held a post; an appointment, to its own."""
    monkeypatch.setattr(selecting, "STRETCHES", stretches)

    found = positions(told, Selection(unit="O3", after=56))
    both = positions(told, Selection(unit="S", after=56))

    assert found == [LEAVE_OF_E]
    assert both == [LEAVE_OF_E, APPOINTED, LEAVE_OF_A]


@pytest.mark.parametrize("stretches", WAYS, ids=["by the index", "in a stretch"])
def test_a_unit_that_left_belongs_to_both(
    told: Told, monkeypatch: pytest.MonkeyPatch, stretches: tuple[int, ...]
) -> None:
    """What ever stood below counts, unless a key reaches it no more."""
    monkeypatch.setattr(selecting, "STRETCHES", stretches)
    mine = [one.position for one in told.events() if "unit:O2" in one.tags]

    for unit in ("S", "S2"):
        assert {*mine} <= {*positions(told, Selection(unit=unit))}
        within = frozenset({unit})
        assert not {*mine} & {*positions(told, Selection(unit=unit, within=within))}


def test_only_what_may_be_seen_of_a_subject(told: Told) -> None:
    """One looks on until there is a fact that may be seen, and no further than the last."""
    obligations = Selection(subject="duty:monthly", sees=lambda tags: "unit:O3" in tags)
    mine = [one.position for one in told.events() if {"unit:O3", "duty:monthly"} <= {*one.tags}]

    assert positions(told, obligations) == mine
    assert positions(told, Selection(subject="duty:monthly", sees=lambda _: False)) == []


def test_selections_that_are_none(told: Told) -> None:
    """One subject or one unit, and both of the kinds that there are."""
    with told.questions.at() as here:
        with pytest.raises(Invalid, match="choose one"):
            Course(here, Selection(subject="unit:O", unit="O"))
        with pytest.raises(Invalid, match="no subject"):
            Course(here, Selection(subject="planet:O"))
        with pytest.raises(NotFound, match="no unit 'X'"):
            Course(here, Selection(unit="X"))
