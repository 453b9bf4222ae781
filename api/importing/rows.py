"""Rows as steps: who does what, when it is claimed to have happened, by which command.

Every row is believed about its time: a unit was told of on its first day, a report arrived when
the row says. The steps of all files are then told in the order of their instants, with the clock
in between, so that what was owed last year is opened as of last year. Read next: `run.py`.
"""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any, Final

import msgspec

from api.importing.files import Read, Row
from api.importing.people import People
from ledger.calendar_seed import seeded_calendar
from ledger.decisions.calendar import PublishCalendar
from ledger.decisions.command import Command
from ledger.decisions.duties import PublishDuty, PublishForm, RetireDuty
from ledger.decisions.organisation.acting import AppointActing
from ledger.decisions.organisation.holders import AppointHolder
from ledger.decisions.organisation.people import DepartPerson
from ledger.decisions.organisation.posts import EstablishPost
from ledger.decisions.organisation.units import AttachSupport, CloseUnit, EstablishUnit
from ledger.decisions.outlets import OpenOutlet, PlanOutlet
from ledger.errors import Invalid
from ledger.events.duties import DueRule, FormField
from ledger.events.organisation import DEFAULT_ZONE
from ledger.model.calendar import day_start
from ledger.model.history import History
from ledger.vocabulary import FormId, FormRef, Level, PersonId, PostRef, Source, UnitKind

Maker = Callable[[History], Command]

LEVELS: Final = list(Level)
AFTER_ALL: Final = 100
"""The turn of what concerns two units, once both exist."""

ANNOUNCED: Final = (11, 15)
"""A year's calendar that no file brings counts as announced on this day of the year before."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One command of a row; `rank` orders steps of one instant as they depend on each other."""

    at: datetime
    rank: tuple[int, int]
    file: str
    row: int
    do: Command | Maker
    person: PersonId | None = None
    post: PostRef | None = None
    source: Source | None = None


class Told:
    """Makes steps of one file's rows."""

    def __init__(self, read: Read, rank: int) -> None:
        self._read = read
        self._rank = rank

    def step(  # noqa: PLR0913  (a step has these parts)
        self,
        row: Row,
        at: datetime,
        do: Command | Maker,
        *,
        person: PersonId | None = None,
        post: PostRef | None = None,
        turn: int = 0,
    ) -> Step:
        """A step of a row, at the instant claimed; `turn` orders it within its file."""
        source = Source(file_sha256=self._read.sha256, sheet=self._read.sheet.name, row=row.number)
        return Step(
            at=at,
            rank=(self._rank, turn),
            file=self._read.path.name,
            row=row.number,
            do=do,
            person=person,
            post=post,
            source=source,
        )

    def rows(self) -> Iterator[tuple[Row, dict[str, Any]]]:
        """Each row with its cells."""
        for row in self._read.rows:
            yield row, row.cells


def midnight(day: date) -> datetime:
    """The instant at which a day begins in China."""
    return day_start(day, DEFAULT_ZONE)


def calendar_steps(told: Told) -> Iterator[Step]:
    """One announcement a year, from all the rows of the year."""
    years: dict[int, list[tuple[Row, dict[str, Any]]]] = {}
    for row, cells in told.rows():
        years.setdefault(cells["day"].year, []).append((row, cells))
    for year, rows in years.items():
        command = PublishCalendar(
            year=year,
            source_ref=rows[0][1]["source"],
            days_off=tuple(cells["day"] for _, cells in rows if cells["kind"] == "off"),
            makeup_days=tuple(cells["day"] for _, cells in rows if cells["kind"] == "makeup"),
        )
        yield told.step(rows[0][0], midnight(date(year - 1, *ANNOUNCED)), command)


def known_calendars(years: range, present: set[int]) -> Iterator[Step]:
    """The years that no file brings, as the program knows them."""
    for year in years:
        command = seeded_calendar(year) if year not in present else None
        if command is not None:
            at = midnight(date(year - 1, *ANNOUNCED))
            yield Step(at=at, rank=(0, 0), file="", row=0, do=command)


def unit_steps(told: Told) -> Iterator[Step]:
    """A unit's establishment, plan, opening, support and end."""
    for row, cells in told.rows():
        began = midnight(cells["established_on"])
        names = ("unit", "level", "name_zh", "name_en", "parent", "kind")
        establish = EstablishUnit(**{name: cells[name] for name in names}, effective_from=began)
        level, support = LEVELS.index(cells["level"]), cells["kind"] is UnitKind.SUPPORT
        yield told.step(row, began, establish, turn=2 * level + support)
        unit = cells["unit"]
        if cells["supporter"]:
            attach = AttachSupport(unit=unit, supporter=cells["supporter"], effective_from=began)
            yield told.step(row, began, attach, turn=AFTER_ALL)
        if cells["planned_open"]:
            plan = PlanOutlet(unit=unit, planned_open=cells["planned_open"], effective_from=began)
            yield told.step(row, began, plan, turn=AFTER_ALL)
        if cells["opened_on"]:
            opened = OpenOutlet(unit=unit, opened_on=cells["opened_on"])
            yield told.step(row, midnight(cells["opened_on"]), opened, turn=AFTER_ALL + 1)
        if cells["closed_on"]:
            ended = midnight(cells["closed_on"])
            closed = CloseUnit(unit=unit, effective_from=ended)
            yield told.step(row, ended, closed, turn=AFTER_ALL + 2)


def post_steps(told: Told, began: dict[str, date], otherwise: datetime) -> Iterator[Step]:
    """A post from its first day, or its unit's; `otherwise`, when neither is said."""
    names = ("post", "unit", "role", "title_zh", "title_en", "superior")
    for row, cells in told.rows():
        since = cells["established_on"] or began.get(cells["unit"])
        at = midnight(since) if since else otherwise
        command = EstablishPost(**{name: cells[name] for name in names}, effective_from=at)
        yield told.step(row, at, command, turn=1 if cells["superior"] else 0)


def people_steps(told: Told, people: People, otherwise: datetime) -> Iterator[Step]:
    """A person once, and each tenure; `otherwise` registers who neither holds a post nor left."""

    def since_of(pair: tuple[Row, dict[str, Any]]) -> datetime:
        cells = pair[1]
        left: date | None = cells["departed_on"]
        found: datetime | None = cells["from"]
        return found or (midnight(left) if left else otherwise)

    seen: set[str] = set()
    for row, cells in sorted(told.rows(), key=since_of):
        number, since = cells["number"], since_of((row, cells))
        person = people.person(number)
        if number not in seen:
            seen.add(number)
            if registration := people.registration(number):
                yield told.step(row, since, registration)
        if cells["post"]:
            # Whoever left at this instant has made room before anybody is appointed.
            yield told.step(row, since, _tenure(cells, person), turn=2)
        if cells["departed_on"]:
            ended = midnight(cells["departed_on"])
            cause = cells["departure"] or "resigned"
            left = DepartPerson(person=person, cause=cause, effective_from=ended)
            yield told.step(row, ended, left, turn=1)


def _tenure(cells: dict[str, Any], person: PersonId) -> Command | Maker:
    if cells["from"] is None:
        return refused("from", "is required where a post is named")
    if cells["capacity"] != "acting":
        return AppointHolder(
            post=cells["post"],
            person=person,
            effective_from=cells["from"],
            effective_until=cells["until"],
            by=cells["appointed_by"],
        )
    if cells["until"] is None:
        return refused("until", "is required for an interim (`acting`) appointment")
    return AppointActing(
        post=cells["post"],
        person=person,
        effective_from=cells["from"],
        effective_until=cells["until"],
        by=cells["appointed_by"],
    )


def refused(column: str, reason: str) -> Maker:
    """What stands for a command that a row cannot make: it says why, when its turn comes."""

    def refuse(_history: History) -> Command:
        raise Invalid.field(column, reason)

    return refuse


def form_steps(told: Told, first: datetime) -> Iterator[Step]:
    """A form from all of its rows, known before the first duty."""
    forms: dict[str, list[tuple[Row, dict[str, Any]]]] = {}
    for row, cells in told.rows():
        forms.setdefault(cells["form"], []).append((row, cells))
    for form, rows in forms.items():
        title = rows[0][1]
        command = PublishForm(
            form=FormId(FormRef(form)),
            title_zh=title["title_zh"],
            title_en=title["title_en"],
            fields=tuple(_field(cells) for _, cells in rows),
        )
        yield told.step(rows[0][0], first, command)


def _field(cells: dict[str, Any]) -> FormField:
    return FormField(
        code=cells["field"],
        kind=cells["kind"],
        label_zh=cells["label_zh"],
        label_en=cells["label_en"],
        required=cells["required"],
        unit=cells["measure"],
        minimum=cells["minimum"],
        maximum=cells["maximum"],
        choices=cells["choices"],
    )


def duty_steps(told: Told) -> Iterator[Step]:
    """A duty, since it is known."""
    names = (
        "duty",
        "title_zh",
        "title_en",
        "form",
        "cadence",
        "owner",
        "scope",
        "levels",
        "stages",
        "post_role",
        "owed_by_level",
        "expectation",
        "final_report",
        "first_period",
    )
    for row, cells in told.rows():
        due = DueRule(cells["due_working_days"], cells["due_time"])
        command = PublishDuty(**{name: cells[name] for name in names}, due=due)
        yield told.step(row, cells["published_at"], command)
        if cells["retired_on"]:
            ended = midnight(cells["retired_on"])
            retire = RetireDuty(duty=cells["duty"], effective_from=ended)
            yield told.step(row, ended, retire)
