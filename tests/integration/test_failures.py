"""Who failed to report: over a span and a subtree, as of any moment."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ledger.database import Database
from ledger.errors import Invalid, NotFound, ViewBehind
from ledger.events.organisation import UnitRenamed
from ledger.verdict import verdict
from ledger.vocabulary import DutyRef, ObligationId, UnitRef
from projections.failures import Failures, who_failed
from projections.spans import parse_span
from projections.standpoint import parse_as_of
from tests.quarter import END, quarter
from tests.scenario import wall
from tests.telling import Told

SPRING = parse_span("2026-03..2026-05")


@pytest.fixture
def told(database: Database) -> Iterator[Told]:
    """A ledger that holds the quarter."""
    found = Told(database, quarter().events)
    found.now = wall(END)
    yield found
    found.close()


def ids(found: Failures) -> list[str]:
    """The obligations that failed, in the order of the answer."""
    return [one.obligation for one in found.failures]


def position_of(label: str) -> int:
    """Where the story's event stands."""
    return next(one.position for one in quarter().events if one.id == label)


def test_the_late_and_the_missing_and_nobody_else(told: Told) -> None:
    """Failures come by due and unit; on time, exempt, pending and not expected are counted only."""
    with told.questions.at() as here:
        found = who_failed(here, SPRING)

    assert ids(found) == [
        "monthly.O2.2026-03",
        "monthly.O.2026-04",
        "monthly.O2.2026-04",
        "monthly.O3.2026-04",
    ]
    assert [one.outcome for one in found.failures] == ["missed", "late", "missed", "missed"]
    counted = found.measure
    assert (counted.expected, counted.on_time, counted.late, counted.missed) == (9, 2, 1, 3)
    assert (counted.pending, counted.exempt, counted.not_expected) == (3, 1, 2)
    assert (counted.timeliness.numerator, counted.timeliness.denominator) == (2, 6)
    assert counted.quality.numerator == 1
    assert counted.ids.exempt == ("monthly.O4.2026-03",)
    assert counted.ids.on_time is None, "thousands of ids that nobody asked for"


def test_a_failure_names_persons_and_the_path_climbed(told: Told) -> None:
    """Where nobody holds the post, the nearest superior answers, and each hop says why."""
    with told.questions.at() as here:
        (first, *_) = who_failed(here, SPRING).failures

    assert [(one.role, one.ground, one.person) for one in first.persons] == [
        ("direct", "vacancy", "s-chief")
    ]
    assert [(hop.post, hop.reason) for hop in first.path] == [
        ("O2-head", "vacant"),
        ("S-head", "holder"),
    ]


def test_a_moved_unit_counts_where_it_stood_when_it_was_due(told: Told) -> None:
    """Ruling 34: what was due before the move stays with the old branch."""
    with told.questions.at() as here:
        old = who_failed(here, SPRING, unit=UnitRef("B"))
        new = who_failed(here, SPRING, unit=UnitRef("B2"))

    assert ids(old) == ["monthly.O2.2026-03", "monthly.O.2026-04", "monthly.O2.2026-04"]
    assert ids(new) == ["monthly.O3.2026-04"]
    assert "monthly.O2.2026-05" in new.measure.ids.pending
    assert "monthly.O2.2026-05" not in old.measure.ids.pending


def test_a_question_about_one_duty_or_one_month(told: Told) -> None:
    """A period belongs to the span that holds its last day; another duty has none of these."""
    with told.questions.at() as here:
        march = who_failed(here, parse_span("2026-03"))
        week = who_failed(here, parse_span("2026W14"))
        duty = who_failed(here, SPRING, duty=DutyRef("monthly"))

    assert ids(march) == ["monthly.O2.2026-03"]
    assert ids(week) == ["monthly.O2.2026-03"], "the week of 30 March holds the month's last day"
    assert duty.measure.expected == 9


def test_what_was_known_before_a_report_was_voided(told: Told) -> None:
    """As of the position before, the report still counts; as of the void, it does not."""
    voided = position_of("voided")
    april = parse_span("2026-04")
    with told.questions.at(voided - 1) as here:
        before = who_failed(here, april)
    with told.questions.at(voided) as here:
        after = who_failed(here, april)

    assert "monthly.O3.2026-04" not in ids(before)
    assert "monthly.O3.2026-04" in ids(after)
    assert before.as_of.position == voided - 1
    assert before.as_of.settled


def test_the_answer_at_a_time_is_the_answer_at_its_position(told: Told) -> None:
    """A time knows the last position recorded by then, and judges at that time."""
    asked = wall("2026-05-13 12:00")
    with told.questions.at(asked) as here:
        found = who_failed(here, SPRING)

    assert found.as_of.position == position_of("O3 2026-04")
    assert found.as_of.instant == asked
    assert "monthly.O4.2026-04" in ids(found), "the closing was not known yet"


def test_pages_hold_everything_once_and_in_order(told: Told) -> None:
    """Page by page, the same failures as at once; the figures are those of all pages."""
    with told.questions.at() as here:
        whole = who_failed(here, SPRING)
        pages = [who_failed(here, SPRING, limit=1)]
        while pages[-1].next is not None:
            pages.append(who_failed(here, SPRING, limit=1, after=pages[-1].next))

    assert [one for page in pages for one in page.failures] == list(whole.failures)
    assert {page.total for page in pages} == {4}
    assert all(page.measure == whole.measure for page in pages)


def test_every_failure_is_the_verdict_from_raw_facts(told: Told) -> None:
    """At every position, what the views answer is what the verdict says of the log itself."""
    last = told.recorder.head().position
    for position in range(30, last + 1):
        with told.questions.at(position) as here:
            found = who_failed(here, SPRING)
            moment = here.moment
        history = told.history(position)
        expected = {
            one: answer
            for one in history.rows["obligation"]
            if (answer := verdict(history, one, moment)).attribution is not None
        }
        assert sorted(ids(found)) == sorted(expected)
        for one in found.failures:
            answer = expected[one.obligation]
            assert one.basis == answer.basis
            assert answer.attribution is not None
            assert one.persons == answer.attribution.persons
            assert one.due == answer.computed.due


def test_names_are_joined_and_persons_are_left_to_the_door(told: Told) -> None:
    """Units, posts and duties have names in both languages; persons are listed without."""
    with told.questions.at() as here:
        names = who_failed(here, SPRING).names

    assert names.duties["monthly"].en == "Monthly report"
    assert names.units["O2"].level == "outlet"
    assert names.posts["S-head"].unit == "S"
    assert names.persons == {"s-chief": None, "A": None, "E": None}


def test_what_cannot_be_asked_is_refused_with_a_reason(told: Told) -> None:
    """Unknown things, the future, pages that are none: each says what is wrong."""
    head = told.recorder.head().position
    with told.questions.at() as here:
        with pytest.raises(NotFound, match="no unit 'X'"):
            who_failed(here, SPRING, unit=UnitRef("X"))
        with pytest.raises(NotFound, match="no duty 'X'"):
            who_failed(here, SPRING, duty=DutyRef("X"))
        with pytest.raises(Invalid, match="1 to 500"):
            who_failed(here, SPRING, limit=0)
        with pytest.raises(Invalid, match="not among these"):
            who_failed(here, SPRING, after=ObligationId("monthly.O.2026-03"))
    with pytest.raises(Invalid, match=f"ends at position {head}"), told.questions.at(head + 1):
        pass
    with (
        pytest.raises(Invalid, match="has not come"),
        told.questions.at(wall(END) + timedelta(seconds=1)),
    ):
        pass
    with pytest.raises(Invalid, match="ends before it begins"):
        parse_span("2026-05..2026-03")


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-04-01", "2026-04-01T10:00", "-1", "１２", "1e3"]
)
def test_an_as_of_is_a_position_or_a_time_with_its_offset(text: str) -> None:
    """Anything else could be read in two ways, and is refused."""
    with pytest.raises(Invalid, match="as_of"):
        parse_as_of(text)


def test_before_the_first_fact_nothing_was_owed(told: Told) -> None:
    """As of position 0, and of a time before the ledger, the answer is empty."""
    with told.questions.at(0) as here:
        assert who_failed(here, SPRING).measure.expected == 0
    with told.questions.at(wall("2000-01-01 00:00")) as here:
        found = who_failed(here, SPRING)
    assert found.as_of.position == 0
    assert found.failures == ()


def test_a_view_that_is_behind_says_so(told: Told) -> None:
    """Now is as far as the views are; a position that they have not reached is refused."""
    seen = told.recorder.head().position
    story = quarter()
    story.say("renamed", END, UnitRenamed(unit="O", name_zh="新", name_en="New"))
    told.tell(story.events[-1:], project=False)
    with told.questions.at() as here:
        assert (here.as_of.position, told.recorder.head().position) == (seen, seen + 1)
    with pytest.raises(ViewBehind), told.questions.at(seen + 1) as here:
        who_failed(here, SPRING)
    told.project()
    with told.questions.at(seen + 1) as here:
        who_failed(here, SPRING)
