"""Periods: what a duty asks about, with keys that sort and read the same everywhere.

`2026` a year, `2026H1` a half, `2026Q3` a quarter, `2026-04` a month, `2026W14` an ISO week
(Monday to Sunday, of the year that holds its Thursday), `2026-04-13` a day. Which days a daily
duty asks about is the calendar's matter (`duties.py`); here every day has a period.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import Final, assert_never

import msgspec

from ledger.errors import Invalid
from ledger.vocabulary import Cadence

ONE_DAY: Final = timedelta(days=1)
MONTHS_A_QUARTER: Final = 3
MONTHS_A_HALF: Final = 6
MONTHS_A_YEAR: Final = 12

_KEYS: Final[dict[Cadence, re.Pattern[str]]] = {
    Cadence.YEARLY: re.compile(r"(\d{4})"),
    Cadence.HALF_YEARLY: re.compile(r"(\d{4})H([12])"),
    Cadence.QUARTERLY: re.compile(r"(\d{4})Q([1-4])"),
    Cadence.MONTHLY: re.compile(r"(\d{4})-(0[1-9]|1[0-2])"),
    Cadence.WEEKLY: re.compile(r"(\d{4})W(\d{2})"),
    Cadence.DAILY: re.compile(r"(\d{4})-(\d{2})-(\d{2})"),
}


class Period(msgspec.Struct, frozen=True):
    """`[start, end]`, both days included."""

    cadence: Cadence
    key: str
    start: date
    end: date


@lru_cache(maxsize=4096)
def period_of(cadence: Cadence, day: date) -> Period:
    """The period of a cadence that holds a day."""
    match cadence:
        case Cadence.DAILY:
            return Period(cadence, day.isoformat(), day, day)
        case Cadence.WEEKLY:
            year, week, weekday = day.isocalendar()
            monday = day - timedelta(days=weekday - 1)
            return Period(cadence, f"{year}W{week:02}", monday, monday + timedelta(days=6))
        case Cadence.MONTHLY:
            return _months(cadence, day.year, day.month, 1, f"{day.year:04}-{day.month:02}")
        case Cadence.QUARTERLY:
            index = (day.month - 1) // MONTHS_A_QUARTER
            key = f"{day.year:04}Q{index + 1}"
            return _months(cadence, day.year, index * MONTHS_A_QUARTER + 1, MONTHS_A_QUARTER, key)
        case Cadence.HALF_YEARLY:
            index = (day.month - 1) // MONTHS_A_HALF
            key = f"{day.year:04}H{index + 1}"
            return _months(cadence, day.year, index * MONTHS_A_HALF + 1, MONTHS_A_HALF, key)
        case Cadence.YEARLY:
            return _months(cadence, day.year, 1, MONTHS_A_YEAR, f"{day.year:04}")
        case _:
            assert_never(cadence)


def _months(cadence: Cadence, year: int, month: int, count: int, key: str) -> Period:
    after = month + count
    end = date(year + (after > MONTHS_A_YEAR), (after - 1) % MONTHS_A_YEAR + 1, 1) - ONE_DAY
    return Period(cadence, key, date(year, month, 1), end)


def period_after(period: Period) -> Period:
    """The period that follows without a gap."""
    return period_of(period.cadence, period.end + ONE_DAY)


def periods_between(cadence: Cadence, first: date, last: date) -> Iterator[Period]:
    """Every period that shares a day with `[first, last]`, in order."""
    period = period_of(cadence, first)
    while period.start <= last:
        yield period
        period = period_after(period)


def parse_period(key: str) -> Period:
    """The period that a key names; `Invalid` says how keys are written."""
    for cadence, pattern in _KEYS.items():
        if found := pattern.fullmatch(key):
            try:
                return _parsed(cadence, [int(part) for part in found.groups()])
            except ValueError:
                break
    raise Invalid.field(
        "period",
        f"{key!r} is not a period; write 2026, 2026H1, 2026Q3, 2026-04, 2026W14 or 2026-04-13",
    )


def _parsed(cadence: Cadence, numbers: list[int]) -> Period:
    year = numbers[0]
    match cadence:
        case Cadence.DAILY:
            return period_of(cadence, date(*numbers))
        case Cadence.WEEKLY:
            return period_of(cadence, date.fromisocalendar(year, numbers[1], 1))
        case Cadence.MONTHLY:
            month = numbers[1]
        case Cadence.QUARTERLY:
            month = (numbers[1] - 1) * MONTHS_A_QUARTER + 1
        case Cadence.HALF_YEARLY:
            month = (numbers[1] - 1) * MONTHS_A_HALF + 1
        case Cadence.YEARLY:
            month = 1
        case _:
            assert_never(cadence)
    return period_of(cadence, date(year, month, 1))
