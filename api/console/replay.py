"""What the replay page shows: an axis of time, and changed rows with values as people read them.

Read next: `replay_pages.py` (the route), `projections/past/replaying.py` (what a step is).
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import msgspec
from markupsafe import Markup

from api.console.language import ZONE, Language
from api.console.layout import Choice, Page
from ledger.codec import registry
from ledger.entry import Event
from projections.obligations import OBLIGATION
from projections.past.comparing import Comparison, RowDifference
from projections.past.differing import RowChange
from projections.standpoint import Standpoint
from projections.timeline import Told

TICKS: Final = 8
"""Stretches that the axis is divided into."""

SHOWN_CHARACTERS_MAX: Final = 2_000

EventAt = Callable[[int], Event]


class Tick(msgspec.Struct, frozen=True):
    """A mark on the axis: how far along it is in hundredths, its position, and its fact's day."""

    percent: str
    position: int
    label: str


def axis(head: int, event_at: EventAt) -> tuple[Tick, ...]:
    """Marks at even distances from the first fact to the last, each with the day it was recorded.

    Positions are what a log has; the days show how time ran along them.
    """
    places = sorted({1 + (head - 1) * number // TICKS for number in range(TICKS + 1)})
    return tuple(
        Tick(
            percent=f"{100 * (place - 1) / max(head - 1, 1):.2f}",
            position=place,
            label=f"{event_at(place).recorded_at.astimezone(ZONE):%Y-%m-%d}",
        )
        for place in places
    )


def kinds_of_fact(words: Language, chosen: str | None) -> list[Choice]:
    """Every type of fact, by what it is called."""
    found = [Choice(one, words.word("event", one), one == chosen) for one in registry()]
    return sorted(found, key=lambda one: one.label)


def local(instant: datetime) -> str:
    """An instant as a form's field for day and time wants it: the wall clock of Shanghai."""
    return f"{instant.astimezone(ZONE):%Y-%m-%dT%H:%M:%S}"


def is_backdated(fact: Told) -> bool:
    """Whether the fact says that it was in force on a day before it was received."""
    return fact.effective_from.astimezone(ZONE).date() < fact.received_at.astimezone(ZONE).date()


def shown(words: Language, value: object) -> str | Markup:
    """A field's value: instants on the wall clock, what holds fields field by field."""
    match value:
        case None:
            return Markup('<span class="nothing">–</span>')
        case str():
            return _text(words, value)
        case dict():
            parts = (
                Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(name, shown(words, one))
                for name, one in value.items()
            )
            return Markup("<dl>{}</dl>").format(Markup("").join(parts))
        case list() if any(isinstance(one, dict | list) for one in value):
            items = (Markup("<li>{}</li>").format(shown(words, one)) for one in value)
            return Markup("<ul>{}</ul>").format(Markup("").join(items))
        case list():
            return ", ".join(map(str, value))[:SHOWN_CHARACTERS_MAX]
    return msgspec.json.encode(value).decode()


def _text(words: Language, value: str) -> str | Markup:
    try:
        instant = msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        return value[:SHOWN_CHARACTERS_MAX]
    if instant.tzinfo is None:
        return value
    return Markup('<time datetime="{}">{}</time>').format(value, words.when(instant, seconds=True))


def row_address(page: Page, change: RowChange) -> str | None:
    """Where a row is shown whole: an obligation by its trace, others by their own replay."""
    (key, *_) = change.key
    if change.table == "obligation":
        return page.address("traces", key)
    if change.table in {"unit", "post", "person", "duty"}:
        return page.link(subject=f"{change.table}:{key}", unit=None, cursor=None)
    return None


class Group(msgspec.Struct, frozen=True):
    """The rows of one unit, or of none."""

    label: str
    rows: list[RowDifference]


class Counted(msgspec.Struct, frozen=True):
    """How many rows of a kind differ."""

    label: str
    number: int


def counts(words: Language, found: Comparison) -> list[Counted]:
    """How many rows differ, by what they are."""
    return [
        Counted(
            words.word("table", one.table),
            one.added + one.changed + one.removed + one.judged_otherwise,
        )
        for one in found.counts
    ]


def units_of(rows: Iterable[RowDifference], here: Standpoint) -> list[str | None]:
    """The unit that each row belongs to; None for what belongs to none."""
    known = here.background.rows
    keys = [one.key for one in rows if one.table == OBLIGATION.name]
    obligations = here.reader.get_many(OBLIGATION, keys)

    def unit_of(one: RowDifference) -> str | None:
        (key, *_) = one.key
        if one.table == "unit":
            return key
        if one.table == "post":
            return known["post"][key].unit if key in known["post"] else None
        found = obligations.get(one.key)
        return found.unit if found else None

    return [unit_of(one) for one in rows]


def grouped(labelled: Iterable[tuple[str, RowDifference]]) -> list[Group]:
    """Rows under the name of their unit, each unit where its first row stands."""
    found: dict[str, list[RowDifference]] = {}
    for label, row in labelled:
        found.setdefault(label, []).append(row)
    return [Group(label, rows) for label, rows in found.items()]
