"""The gate: what a report's content must be, and every problem with one that is not.

Integers or decimal strings only: a float would be another number on another machine. A personal
field arrives sealed already, and no other field may hide what it says. A nil return (零报告) says
that there was nothing to report, and then nothing else. Read next: `ledger/decisions/reports.py`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from ledger.errors import FieldProblem
from ledger.events.duties import FieldKind, FormField
from ledger.events.reports import FieldValue
from ledger.model.duties import FormRevision
from ledger.vocabulary import Sealed

DECIMAL: Final = re.compile(r"-?\d{1,18}(\.\d{1,6})?")
TEXT_CHARACTERS_MAX: Final = 4_000
INTEGER_MAX: Final = 2**53 - 1
"""Beyond this, a reader that keeps numbers as doubles would show another one."""


def content_problems(
    form: FormRevision, content: Mapping[str, FieldValue], *, nil_return: bool
) -> Iterator[FieldProblem]:
    """Everything that is wrong with a report's content, by field."""
    given = {name for name, value in content.items() if value is not None}
    if nil_return:
        if given:
            yield FieldProblem("nil_return", "a nil return has no content; send one or the other")
        return
    if not given:
        yield FieldProblem("content", "is empty; if there was nothing, send a nil return (零报告)")
        return
    fields = {one.code: one for one in form.fields}
    for name in sorted(given - fields.keys()):
        yield FieldProblem(f"content.{name}", f"is no field of this form, revision {form.revision}")
    for one in form.fields:
        value = content.get(one.code)
        if value is None:
            if one.required:
                yield FieldProblem(f"content.{one.code}", "is compulsory")
        elif message := _problem(one, value):
            yield FieldProblem(f"content.{one.code}", message)


def value_problem(field: FormField, value: object) -> str | None:
    """What is wrong with a field's plain value; doors ask this before they seal a personal one."""
    return _CHECKS[field.kind](field, value)


def _problem(field: FormField, value: FieldValue) -> str | None:
    if isinstance(value, Sealed):
        return None if field.personal else "must not be sealed"
    problem = value_problem(field, value)
    return problem or ("is personal and must be sealed" if field.personal else None)


def _integer(field: FormField, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > INTEGER_MAX:
        return "must be a whole number"
    return _bounds(field, Decimal(value), "")


def _decimal(field: FormField, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return "must be a decimal, written as a string such as '12.50'"
    if not DECIMAL.fullmatch(str(value)):
        return "must be a decimal of 18 digits, and 6 after the point, at most, such as '12.50'"
    return _bounds(field, Decimal(value), "")


def _text(field: FormField, value: object) -> str | None:
    if not isinstance(value, str) or not value.strip():
        return "must be text, and not blank"
    if len(value) > TEXT_CHARACTERS_MAX:
        return f"has more than {TEXT_CHARACTERS_MAX:,} characters; attach it as a file"
    return _bounds(field, Decimal(len(value)), " characters")


def _date(_field: FormField, value: object) -> str | None:
    try:
        date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        return "must be a day, written as 2026-04-13"
    return None


def _choice(field: FormField, value: object) -> str | None:
    return None if value in field.choices else f"must be one of: {', '.join(field.choices)}"


def _boolean(_field: FormField, value: object) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _bounds(field: FormField, number: Decimal, what: str) -> str | None:
    if field.minimum is not None and number < field.minimum:
        return f"must be at least {field.minimum}{what}"
    if field.maximum is not None and number > field.maximum:
        return f"must be at most {field.maximum}{what}"
    return None


_CHECKS: Final[dict[FieldKind, Callable[[FormField, object], str | None]]] = {
    "integer": _integer,
    "decimal": _decimal,
    "text": _text,
    "date": _date,
    "choice": _choice,
    "boolean": _boolean,
}
