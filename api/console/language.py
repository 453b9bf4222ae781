"""Two languages: sentences by their English words, codes by what they are codes of.

Facts and answers hold codes (`on_time`, `report.submitted`); a page shows words. The catalogues in
`locale/` have both: a sentence is looked up by itself, a code by its context and itself. A code
that nobody has worded yet is shown as it is, and a test fails.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Protocol
from zoneinfo import ZoneInfo

import msgspec
from babel import Locale
from babel.dates import format_date, get_day_names
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

FOLDER: Final = Path(__file__).parent / "locale"
LANGUAGES: Final = {"zh-CN": "zh_Hans_CN", "en": "en"}
DEFAULT: Final = "zh-CN"
ZONE: Final = ZoneInfo("Asia/Shanghai")
ACCEPTED_MAX: Final = 20


class Labelled(Protocol):
    """Anything with a name in both languages."""

    @property
    def zh(self) -> str: ...
    @property
    def en(self) -> str: ...


class Language:
    """One language of the pages."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.locale = Locale.parse(LANGUAGES[code])
        self._catalog = catalogue(code)

    def text(self, sentence: str, **values: object) -> str:
        """A sentence in this language, with `{names}` filled in."""
        found = self._catalog.get(sentence)
        words = str(found.string) if found and found.string else sentence
        return words.format(**values) if values else words

    def word(self, context: str, code: object) -> str:
        """What a code is called."""
        found = self._catalog.get(str(code), context)
        return str(found.string) if found and found.string else str(code)

    def words(self, context: str, codes: Iterable[object]) -> str:
        """Several codes, as a list within a sentence."""
        return self.text(", ").join(self.word(context, code) for code in codes)

    def label(self, named: Labelled | None, code: str = "") -> str:
        """The name of a thing, else its code."""
        if named is None:
            return code
        return named.zh if self.code == DEFAULT else named.en

    def when(self, instant: datetime | None, *, seconds: bool = False) -> str:
        """An instant on the wall clock of Shanghai; empty for none."""
        if instant is None:
            return ""
        local = instant.astimezone(ZONE)
        return local.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")

    def day(self, day: date) -> str:
        """A day with its weekday."""
        weekday = get_day_names("abbreviated", locale=self.locale)[day.weekday()]
        return f"{day.isoformat()} {weekday}"

    def month_day(self, day: date) -> str:
        """A day within its year, as short as can be."""
        return format_date(day, "MM-dd", locale=self.locale)

    def span(self, length: timedelta) -> str:
        """How long something took, in the two largest units."""
        minutes = max(int(length.total_seconds()) // 60, 0)
        days, minutes = divmod(minutes, 24 * 60)
        hours, minutes = divmod(minutes, 60)
        if days:
            return self.text("{days} d {hours} h", days=days, hours=hours)
        if hours:
            return self.text("{hours} h {minutes} min", hours=hours, minutes=minutes)
        return self.text("{minutes} min", minutes=minutes)

    def number(self, value: int) -> str:
        """A number with its thousands apart."""
        return f"{value:,}"


class Ratio(msgspec.Struct, frozen=True):
    """A ratio ready to show: both numbers, and the percentage they make (none of nothing)."""

    numerator: int
    denominator: int

    @property
    def percent(self) -> str:
        """One decimal, cut and not rounded: 99.96 % is not all of it."""
        if not self.denominator:
            return "–"
        tenths = 1000 * self.numerator // self.denominator
        return f"{tenths // 10}.{tenths % 10}%" if tenths % 10 else f"{tenths // 10}%"


def utc(instant: datetime) -> str:
    """An instant as the log spells it, to the second."""
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


@cache
def catalogue(code: str) -> Catalog:
    """The sentences and words of a language."""
    path = FOLDER / LANGUAGES[code] / "messages.po"
    with path.open("rb") as file:
        return read_po(file, locale=LANGUAGES[code], abort_invalid=True)


@cache
def language(code: str) -> Language:
    """The language with this code."""
    return Language(code)


def chosen(asked: str | None, remembered: str | None, accepted: str) -> Language:
    """The language of a request: asked for, remembered, preferred by the browser, or Chinese."""
    for code in (asked, remembered, *_preferred(accepted)):
        if code in LANGUAGES:
            return language(code)
    return language(DEFAULT)


def other_than(one: Language) -> Language:
    """The other language."""
    return language(next(code for code in LANGUAGES if code != one.code))


def _preferred(accepted: str) -> list[str]:
    """The codes that a browser's Accept-Language means, the dearest first."""
    found: list[tuple[float, str]] = []
    for one in accepted.split(",")[:ACCEPTED_MAX]:
        tag, _, weight = one.partition(";")
        primary = tag.strip().lower().partition("-")[0]
        code = {"zh": "zh-CN", "en": "en"}.get(primary)
        if code is not None:
            found.append((_quality(weight), code))
    return [code for quality, code in sorted(found, key=lambda pair: -pair[0]) if quality > 0]


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    try:
        return float(value) if name == "q" else 1.0
    except ValueError:
        return 0.0
