"""The working calendar: what is worked, dues across holidays, and wall clocks that jump."""

from datetime import UTC, date, datetime, time, timedelta

import holidays
import pytest

from ledger.calendar_seed import FIRST_YEAR, seeded_calendar
from ledger.decisions.calendar import PublishCalendar, ReviseCalendar
from ledger.errors import Conflict, Invalid, NotAllowed
from ledger.model.calendar import (
    SATURDAY,
    Calendar,
    closing_instant,
    day_start,
    local_day,
    local_to_utc,
)
from tests.deciding import Deciding

SHANGHAI = "Asia/Shanghai"
LAST_SEEDED = 2026
NOON = datetime(2026, 1, 1, 4, tzinfo=UTC)
DISPUTED = date(2005, 12, 31)
"""The one day of 23 years on which the two libraries differ; it was announced as worked."""


def published(*years: int) -> Calendar:
    """The calendar of these years, as the seed publishes it."""
    ledger = Deciding(NOON)
    for year in years:
        command = seeded_calendar(year)
        assert command is not None
        ledger.operator(command)
    return ledger.history.calendar


def test_fifth_working_day_after_national_day_is_worked_saturday_aware() -> None:
    """The 5th working day after 2026-09-30 is 13 October, because Saturday the 10th is worked."""
    calendar = published(2026)
    assert calendar.is_working(date(2026, 10, 10))
    assert calendar.nth_working_day_after(date(2026, 9, 30), 5) == date(2026, 10, 13)


def test_seed_agrees_with_another_library_on_every_day() -> None:
    """Two libraries agree on every day from 2004 to 2026 but one, and that one is known."""
    years = range(FIRST_YEAR, LAST_SEEDED + 1)
    calendar = published(*years)
    other = holidays.country_holidays("CN", years=years)
    day, differing = date(FIRST_YEAR, 1, 1), []
    while day.year <= LAST_SEEDED:
        if calendar.is_working(day) is not other.is_working_day(day):
            differing.append(day)
        day += timedelta(days=1)
    assert differing == [DISPUTED]


def test_seed_refuses_to_guess_a_year() -> None:
    """A year that nobody announced has no seed, so that its dues stay provisional."""
    assert seeded_calendar(LAST_SEEDED + 1) is None


def test_unpublished_year_knows_weekends_only() -> None:
    """Before its announcement a year is answered by weekends, and says that it is unannounced."""
    calendar = Calendar()
    assert calendar.announcement(2027) is None
    assert calendar.is_working(date(2027, 1, 1))
    assert not calendar.is_working(date(2027, 1, 2))


def test_own_days_come_before_the_calendar() -> None:
    """A unit's own day off, or worked, wins over what everybody else does (ruling 40)."""
    calendar = published(2026)
    friday, saturday = date(2026, 4, 10), date(2026, 4, 11)
    own = {friday: False, saturday: True}
    assert not calendar.is_working(friday, own)
    assert calendar.is_working(saturday, own)
    assert calendar.nth_working_day_after(date(2026, 4, 9), 1, own) == saturday


def test_adding_working_days_keeps_the_wall_time() -> None:
    """Ten working days later is the same local time, on a day counted by the calendar."""
    calendar = published(2026)
    start = datetime(2026, 9, 24, 10, 1, tzinfo=UTC)
    later = calendar.add_working_days(start, 5)
    assert local_day(later, SHANGHAI) == date(2026, 10, 9)
    assert later.time() == start.time()


def test_working_days_between_counts_like_adding() -> None:
    """Counting the worked days up to the nth worked day gives n."""
    calendar = published(2026)
    first = date(2026, 1, 31)
    for count in range(40):
        until = calendar.nth_working_day_after(first, count)
        assert calendar.working_days_between(first, until) == count


def test_given_minute_is_included() -> None:
    """18:00 includes its whole minute: the exclusive instant is 18:01 (docs/rules.md R3)."""
    instant = closing_instant(date(2026, 4, 8), "18:00", SHANGHAI)
    assert instant == datetime(2026, 4, 8, 10, 1, tzinfo=UTC)


def test_skipped_wall_time_moves_forward_by_what_was_skipped() -> None:
    """02:30 of a night on which clocks go from 02:00 to 03:00 is 03:30."""
    instant = local_to_utc(date(2026, 3, 29), time(2, 30), "Europe/Berlin")
    assert instant == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_repeated_wall_time_is_its_later_occurrence() -> None:
    """02:30 of a night on which clocks go back from 03:00 to 02:00 is the second 02:30."""
    instant = local_to_utc(date(2026, 10, 25), time(2, 30), "Europe/Berlin")
    assert instant == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_day_begins_at_local_midnight() -> None:
    """A day in Shanghai begins at 16:00 UTC of the day before."""
    assert day_start(date(2026, 4, 8), SHANGHAI) == datetime(2026, 4, 7, 16, tzinfo=UTC)


def test_year_is_published_once_and_revised_from_then_on() -> None:
    """A second publication is refused; a revision replaces the whole year and is numbered."""
    ledger = Deciding(NOON)
    publish = PublishCalendar(year=2026, source_ref="1", days_off=(), makeup_days=())
    revise = ReviseCalendar(
        year=2026, source_ref="2", days_off=(date(2026, 4, 10),), makeup_days=()
    )
    with pytest.raises(Conflict, match="publish it first"):
        ledger.operator(revise)
    ledger.operator(publish)
    with pytest.raises(Conflict, match="revise it instead"):
        ledger.operator(publish)
    ledger.operator(revise)
    in_force = ledger.history.calendar.announcement(2026)
    assert in_force is not None
    assert in_force.revision == 2
    assert not ledger.history.calendar.is_working(date(2026, 4, 10))


def test_every_bad_day_of_an_announcement_is_named() -> None:
    """Days off are weekdays of the year, make-up days its weekend days; all others are named."""
    ledger = Deciding(NOON)
    command = PublishCalendar(
        year=2026,
        source_ref=" ",
        days_off=(date(2026, 4, 11), date(2027, 1, 1)),
        makeup_days=(date(2026, 4, 10),),
    )
    with pytest.raises(Invalid) as refused:
        ledger.operator(command)
    found = [problem.field for problem in refused.value.fields]
    assert sorted(found) == ["days_off", "days_off", "makeup_days", "source_ref"]


def test_only_an_administrator_publishes_the_calendar() -> None:
    """What moves everybody's dues is not for everybody."""
    ledger = Deciding(NOON)
    command = PublishCalendar(year=2026, source_ref="1", days_off=(), makeup_days=())
    with pytest.raises(NotAllowed, match="administrator"):
        ledger.person("somebody", command)


def test_weekend_begins_on_saturday() -> None:
    """The one constant that everything rests on."""
    assert date(2026, 4, 11).weekday() == SATURDAY
