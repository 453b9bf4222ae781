"""Periods: their keys, their bounds, and that they leave no day out."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Invalid
from ledger.model.periods import parse_period, period_after, period_of, periods_between
from ledger.vocabulary import Cadence


@pytest.mark.parametrize(
    ("cadence", "key", "start", "end"),
    [
        (Cadence.DAILY, "2026-04-13", date(2026, 4, 13), date(2026, 4, 13)),
        (Cadence.WEEKLY, "2026W16", date(2026, 4, 13), date(2026, 4, 19)),
        (Cadence.MONTHLY, "2026-04", date(2026, 4, 1), date(2026, 4, 30)),
        (Cadence.QUARTERLY, "2026Q2", date(2026, 4, 1), date(2026, 6, 30)),
        (Cadence.HALF_YEARLY, "2026H1", date(2026, 1, 1), date(2026, 6, 30)),
        (Cadence.YEARLY, "2026", date(2026, 1, 1), date(2026, 12, 31)),
    ],
)
def test_key_and_bounds_of_a_day(cadence: Cadence, key: str, start: date, end: date) -> None:
    """13 April 2026 lies in these periods, under these keys."""
    period = period_of(cadence, date(2026, 4, 13))
    assert (period.key, period.start, period.end) == (key, start, end)


def test_week_belongs_to_the_year_of_its_thursday() -> None:
    """1 January 2027 is a Friday, so it lies in the last week of 2026."""
    period = period_of(Cadence.WEEKLY, date(2027, 1, 1))
    assert (period.key, period.start) == ("2026W53", date(2026, 12, 28))


@given(
    cadence=st.sampled_from(Cadence),
    day=st.dates(min_value=date(1900, 1, 1), max_value=date(2200, 1, 1)),
)
def test_periods_tile_time(cadence: Cadence, day: date) -> None:
    """A day lies in its period, the next begins the day after its end, and the key names it."""
    period = period_of(cadence, day)
    assert period.start <= day <= period.end
    assert period_after(period).start == period.end + timedelta(days=1)
    assert parse_period(period.key) == period


def test_periods_between_share_a_day_with_both_ends() -> None:
    """From the middle of March to the middle of May there are three months."""
    found = periods_between(Cadence.MONTHLY, date(2026, 3, 15), date(2026, 5, 15))
    assert [one.key for one in found] == ["2026-03", "2026-04", "2026-05"]


@pytest.mark.parametrize(
    "key", ["", "26", "2026-13", "2026-02-30", "2026W00", "2026W54", "2025W53", "2026Q5", "0000"]
)
def test_bad_key_is_refused_with_the_way_to_write_it(key: str) -> None:
    """What is no period is refused, and the message shows every form of key."""
    with pytest.raises(Invalid, match="2026W14"):
        parse_period(key)
