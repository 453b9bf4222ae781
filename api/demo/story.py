"""What a story is made of: acts, each by somebody, at an instant, in business time.

An act holds the command itself, or a function that makes it from what is known by then (a report
answers an obligation as it was opened). Read next: `cases.py`.
"""

from collections.abc import Callable
from datetime import date, datetime
from random import Random
from typing import Final

import msgspec

from api.demo.codes import form_id
from ledger.decisions.command import Command
from ledger.decisions.reports import SubmitReport
from ledger.errors import NotFound
from ledger.events.duties import FieldKind, FormField
from ledger.events.organisation import DEFAULT_ZONE
from ledger.events.reports import FieldValue
from ledger.model.calendar import day_start, local_to_utc
from ledger.model.history import History
from ledger.model.submitting import standing_report
from ledger.vocabulary import (
    ObligationId,
    PersonId,
    PostId,
    PostRef,
    Reason,
    ReportId,
    Source,
)

STORY_YEAR: Final = 2026

Maker = Callable[[History], Command]


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """`post` None: the platform's operator; `person` None: whoever exercises the post then.

    `second`: another operator, who ratifies what the first declared.
    """

    at: datetime
    do: Command | Maker
    post: PostRef | None = None
    person: PersonId | None = None
    source: Source | None = None
    may_be_refused: bool = False
    second: bool = False


def china(month: int, day: int, hour: int = 9, minute: int = 0, second: int = 0) -> datetime:
    """An instant of the story's year, as wall time in China."""
    wall = datetime(STORY_YEAR, month, day, hour, minute, second)  # noqa: DTZ001  (localised below)
    return local_to_utc(wall.date(), wall.time(), DEFAULT_ZONE)


def midnight(day: date) -> datetime:
    """The instant at which a day begins in China."""
    return day_start(day, DEFAULT_ZONE)


def reason(code: str) -> Reason:
    """A reason by its code; the demonstration seals no words."""
    return Reason(code=code)


def submit(
    obligation: ObligationId,
    random: Random,
    *,
    by: PostId | None = None,
    incomplete: bool = False,
    revision: int | None = None,
) -> Maker:
    """A report on an obligation, its fields filled as its form (of that revision) asks."""

    def make(history: History) -> Command:
        row = history.obligation(obligation)
        number = revision or row.form_revision
        form = history.form(form_id(row.form)).revision(number)
        assert form is not None, "an obligation is opened with a revision that exists"
        content = fill(form.fields, random)
        if incomplete:
            content.pop(next(one.code for one in form.fields if one.required))
        return SubmitReport(obligation=obligation, by=by, content=content, form_revision=number)

    return make


def fill(fields: tuple[FormField, ...], random: Random) -> dict[str, FieldValue]:
    """Plausible content for a form; optional fields stay empty."""
    return {one.code: _value(one, random) for one in fields if one.required}


def _value(field: FormField, random: Random) -> FieldValue:
    return _VALUES[field.kind](field, random)


def _integer(field: FormField, random: Random) -> FieldValue:
    if field.unit == "元":
        return random.randrange(20_000, 400_000, 100)
    return random.randint(field.minimum or 0, min(field.maximum or 40, 40))


_VALUES: Final[dict[FieldKind, Callable[[FormField, Random], FieldValue]]] = {
    "integer": _integer,
    "decimal": lambda _field, random: f"{random.randrange(7_000, 9_700) / 100:.2f}",
    "boolean": lambda _field, random: random.randrange(10) > 0,
    "choice": lambda field, random: random.choice(field.choices),
    "date": lambda _field, _random: f"{STORY_YEAR + 1}-03-01",
    "text": lambda _field, _random: "正常",
}


def report_on(history: History, obligation: ObligationId) -> ReportId:
    """The report that stands for an obligation, or the last that was received."""
    row = history.obligation(obligation)
    standing = standing_report(row)
    if standing is not None:
        return standing.report
    if not row.submissions:
        raise NotFound(f"nothing was received for {obligation!r}")
    return row.submissions[-1].report


def relief_of(history: History, obligation: ObligationId) -> str:
    """The newest extension or waiver that was asked for."""
    row = history.obligation(obligation)
    if not row.reliefs:
        raise NotFound(f"nothing was asked for {obligation!r}")
    return row.reliefs[-1].relief
