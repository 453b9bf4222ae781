"""What a form, a duty or a rule set may say: every problem at once, each with its remedy.

These are limits of shape; whether somebody may demand it stands in `ledger/decisions/duties.py`.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Final, Protocol

import msgspec

from ledger.errors import FieldProblem
from ledger.events.duties import DueRule, FormField
from ledger.model.rules import Rules
from ledger.vocabulary import CODE_PATTERN, Level, Stage

CODE: Final = re.compile(CODE_PATTERN)
WALL_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
FIELDS_MAX: Final = 200
CHOICES_MAX: Final = 200
TITLE_CHARACTERS_MAX: Final = 200
DUE_WORKING_DAYS_MAX: Final = 60
PARAMETER_MAX: Final = 999

BACK_DAYS_MAX: Final = 1_100
"""How far back a demand may reach; every period since is opened when it is published."""

AHEAD_DAYS_MAX: Final = 3_660
"""How far ahead anything may be dated: ten years."""


class Stated(Protocol):
    """What a duty's description says about when, where and by whom."""

    @property
    def due(self) -> DueRule: ...
    @property
    def levels(self) -> tuple[Level, ...]: ...
    @property
    def stages(self) -> tuple[Stage, ...]: ...
    @property
    def post_role(self) -> str: ...
    @property
    def owed_by_level(self) -> Level | None: ...


def code_problems(field: str, code: str) -> Iterator[FieldProblem]:
    """A code becomes part of identifiers and of URLs."""
    if not CODE.fullmatch(code):
        message = "1 to 40 letters, digits, '-' or '_', beginning with a letter or digit"
        yield FieldProblem(field, message)


def title_problems(title_zh: str, title_en: str) -> Iterator[FieldProblem]:
    """Both languages are shown, so both are needed."""
    for name, title in (("title_zh", title_zh), ("title_en", title_en)):
        if not 0 < len(title.strip()) <= TITLE_CHARACTERS_MAX:
            yield FieldProblem(name, f"give 1 to {TITLE_CHARACTERS_MAX} characters")


def field_problems(fields: tuple[FormField, ...]) -> Iterator[FieldProblem]:
    """The fields of a form, each with its own code."""
    if not 0 < len(fields) <= FIELDS_MAX:
        yield FieldProblem("fields", f"give 1 to {FIELDS_MAX} fields")
    seen: set[str] = set()
    for index, one in enumerate(fields):
        at = f"fields[{index}]"
        yield from code_problems(f"{at}.code", one.code)
        if one.code in seen:
            yield FieldProblem(f"{at}.code", f"{one.code!r} is used twice")
        seen.add(one.code)
        if (one.kind == "choice") != bool(one.choices) or len(one.choices) > CHOICES_MAX:
            message = f"a choice lists 1 to {CHOICES_MAX} choices, and nothing else does"
            yield FieldProblem(f"{at}.choices", message)
        if one.minimum is not None and one.maximum is not None and one.minimum > one.maximum:
            yield FieldProblem(f"{at}.minimum", "must not exceed the maximum")
        if (one.minimum, one.maximum) != (None, None) and one.kind not in _BOUNDED:
            yield FieldProblem(f"{at}.minimum", f"only {', '.join(_BOUNDED)} have bounds")


_BOUNDED: Final = ("integer", "decimal", "text")


def demand_problems(stated: Stated) -> Iterator[FieldProblem]:
    """When it is due, what it asks about, and who owes it."""
    if not WALL_TIME.fullmatch(stated.due.time):
        yield FieldProblem("due.time", "write a wall time as HH:MM, 00:00 to 23:59")
    if not 0 <= stated.due.working_days <= DUE_WORKING_DAYS_MAX:
        message = f"0 (the period's last day) to {DUE_WORKING_DAYS_MAX}"
        yield FieldProblem("due.working_days", message)
    if not stated.levels or len(set(stated.levels)) != len(stated.levels):
        yield FieldProblem("levels", "list at least one level, each once")
    if (Level.OUTLET in stated.levels) != bool(stated.stages):
        yield FieldProblem("stages", "list the stages if outlets are asked about, else none")
    yield from code_problems("post_role", stated.post_role)
    order = list(Level)
    lowest = max((order.index(one) for one in stated.levels), default=0)
    if stated.owed_by_level is not None and order.index(stated.owed_by_level) >= lowest:
        yield FieldProblem("owed_by_level", "must be above the levels asked about")


def date_problems(
    field: str, at: date | datetime | None, received_at: datetime
) -> Iterator[FieldProblem]:
    """A beginning within reason: three years back to ten years ahead of the request."""
    if at is None:
        return
    day = at.date() if isinstance(at, datetime) else at
    first = received_at.date() - timedelta(days=BACK_DAYS_MAX)
    last = received_at.date() + timedelta(days=AHEAD_DAYS_MAX)
    if not first <= day <= last:
        yield FieldProblem(field, f"must lie from {first} to {last}")


def parameter_problems(parameters: dict[str, int | str]) -> Iterator[FieldProblem]:
    """A rule set names known parameters; what it leaves out has its default."""
    defaults = msgspec.structs.asdict(Rules())
    fixed = ("revision", "algorithm", "event", "position")
    allowed = [name for name in defaults if name not in fixed]
    for name, value in parameters.items():
        field = f"parameters.{name}"
        if name not in allowed:
            yield FieldProblem(field, f"is none of: {', '.join(allowed)}")
        elif isinstance(defaults[name], str):
            if not isinstance(value, str) or not WALL_TIME.fullmatch(value):
                yield FieldProblem(field, "write a wall time as HH:MM")
        elif not isinstance(value, int) or not 0 <= value <= PARAMETER_MAX:
            yield FieldProblem(field, f"give a whole number from 0 to {PARAMETER_MAX}")
