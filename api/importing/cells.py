"""What may stand in a cell, and what it means: one reader a kind of value.

A reader takes the cell's text, trimmed and not empty, and returns the value or raises
`ValueError` with a sentence that says what is expected. Read next: `sheets.py`.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, Final

from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import local_to_utc
from ledger.vocabulary import CODE_PATTERN, Cadence, Level, Stage, UnitKind

CellReader = Callable[[str], Any]

TEXT_CHARACTERS_MAX: Final = 2_000
FIRST_YEAR: Final = 1949
LAST_YEAR: Final = 2199
LIST_SEPARATORS: Final = re.compile(r"[;；、]")

_DATE: Final = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?")
_WALL: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_YES: Final = frozenset({"yes", "true", "1", "y", "是"})
_NO: Final = frozenset({"no", "false", "0", "n", "否"})

LEVELS: Final = {
    "总部": Level.HEADQUARTERS,
    "区域": Level.REGION,
    "二级机构": Level.BRANCH,
    "三级机构": Level.SUB_BRANCH,
    "网点": Level.OUTLET,
}
STAGES: Final = {
    "规划期": Stage.PLANNED,
    "筹备期": Stage.PREPARING,
    "新设": Stage.NEW,
    "已有": Stage.ESTABLISHED,
}
KINDS: Final = {"管理线": UnitKind.LINE, "支持线": UnitKind.SUPPORT}
CADENCES: Final = {
    "日": Cadence.DAILY,
    "周": Cadence.WEEKLY,
    "月": Cadence.MONTHLY,
    "季": Cadence.QUARTERLY,
    "半年": Cadence.HALF_YEARLY,
    "年": Cadence.YEARLY,
}


def text(cell: str) -> str:
    """Any words on one line."""
    if len(cell) > TEXT_CHARACTERS_MAX:
        raise ValueError(f"has {len(cell):,} characters; at most {TEXT_CHARACTERS_MAX:,} fit")
    if not cell.isprintable():
        raise ValueError("holds a control character or a line break; write it on one line")
    return cell


def code(cell: str) -> str:
    """A code: it becomes part of identifiers and addresses."""
    if not re.fullmatch(CODE_PATTERN, cell):
        raise ValueError(
            "is not a code: at most 40 letters, digits, - and _, a letter or digit first"
        )
    return cell


def whole(minimum: int, maximum: int) -> CellReader:
    """A whole number within limits."""

    def read(cell: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", cell) or not minimum <= int(cell) <= maximum:
            raise ValueError(f"is not a whole number from {minimum:,} to {maximum:,}")
        return int(cell)

    return read


def boolean(cell: str) -> bool:
    """Yes or no, in either language."""
    word = cell.lower()
    if word not in _YES | _NO:
        raise ValueError("is neither yes nor no")
    return word in _YES


def day(cell: str) -> date:
    """A date, year first."""
    found = _DATE.fullmatch(cell)
    if not found:
        raise ValueError("is not a date; write 2026-04-01")
    try:
        value = date(*map(int, found.groups()))
    except ValueError:
        raise ValueError("is no day of the calendar") from None
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"is not in the years {FIRST_YEAR} to {LAST_YEAR}")
    return value


def instant(cell: str) -> datetime:
    """An instant: with an offset, or as wall time in China."""
    date_part, _, wall_part = cell.replace("T", " ").partition(" ")
    if found := _WALL.fullmatch(wall_part.strip()):
        try:
            hour, minute, second = (int(part or 0) for part in found.groups())
            wall = time(hour, minute, second)
        except ValueError:
            raise ValueError("is no time of day") from None
        return local_to_utc(day(date_part), wall, DEFAULT_ZONE)
    try:
        value = datetime.fromisoformat(cell)
    except ValueError:
        value = None
    if value is None or value.tzinfo is None:
        raise ValueError("is not an instant; write 2026-04-01 17:30, or 2026-04-01T17:30:00+08:00")
    day(value.date().isoformat())
    return value.astimezone(UTC)


def wall_time(cell: str) -> str:
    """A time of day to the minute."""
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", cell)
    if not found:
        raise ValueError("is not a time of day; write 18:00")
    return f"{int(found[1]):02}:{found[2]}"


def choice(*allowed: str) -> CellReader:
    """One of some words."""

    def read(cell: str) -> str:
        if cell.lower() not in allowed:
            raise ValueError(f"is none of {', '.join(allowed)}")
        return cell.lower()

    return read


def word_of(words: type[StrEnum], chinese: dict[str, Any]) -> CellReader:
    """One of an enumeration's words, in either language."""

    def read(cell: str) -> StrEnum:
        if cell in chinese:
            return chinese[cell]  # type: ignore[no-any-return]
        try:
            return words(cell.lower().replace("-", "_").replace(" ", "_"))
        except ValueError:
            raise ValueError(f"is none of {', '.join(words)} ({'、'.join(chinese)})") from None

    return read


def many(read_one: CellReader) -> CellReader:
    """Several values, separated by semicolons."""

    def read(cell: str) -> tuple[Any, ...]:
        return tuple(read_one(part.strip()) for part in LIST_SEPARATORS.split(cell) if part.strip())

    return read
