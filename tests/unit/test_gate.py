"""The gate: every problem of a report's content at once, and nothing that is none."""

from datetime import UTC, datetime

import pytest

from ledger.events.duties import FormField
from ledger.events.reports import FieldValue
from ledger.model.duties import FormRevision
from ledger.model.gate import content_problems
from ledger.vocabulary import EventId, PersonRef, Sealed


def field(code: str, kind: str, **more: object) -> FormField:
    """A field of the form."""
    return FormField(code=code, kind=kind, label_zh=code, label_en=code, **more)


FORM = FormRevision(
    event=EventId("published"),
    position=1,
    received_at=datetime(2026, 1, 1, tzinfo=UTC),
    revision=1,
    title_zh="月报",
    title_en="Monthly",
    fields=(
        field("headcount", "integer", minimum=0, maximum=500),
        field("premium", "decimal", required=False),
        field("remark", "text", required=False, maximum=20),
        field("held_on", "date", required=False),
        field("mood", "choice", required=False, choices=("good", "bad")),
        field("open", "boolean", required=False),
        field("customer", "text", required=False, personal=True),
    ),
)
SEALED = Sealed(commitment="0" * 64, person=PersonRef("p1"))


def problems(content: dict[str, FieldValue], *, nil_return: bool = False) -> dict[str, str]:
    """The problems by field."""
    found = content_problems(FORM, content, nil_return=nil_return)
    return {one.field: one.message for one in found}


def test_good_report_passes() -> None:
    """Everything filled in as the form asks is accepted."""
    content: dict[str, FieldValue] = {
        "headcount": 12,
        "premium": "1024.50",
        "remark": "一切正常",
        "held_on": "2026-04-13",
        "mood": "good",
        "open": True,
        "customer": SEALED,
    }
    assert problems(content) == {}


@pytest.mark.parametrize(
    ("code", "value", "says"),
    [
        ("headcount", "12", "whole number"),
        ("headcount", True, "whole number"),
        ("headcount", -1, "at least 0"),
        ("headcount", 501, "at most 500"),
        ("headcount", 2**53, "whole number"),
        ("premium", "1,024.50", "decimal"),
        ("premium", "1e3", "decimal"),
        ("premium", "NaN", "decimal"),
        ("premium", True, "decimal"),
        ("premium", "1" * 19, "18 digits"),
        ("remark", "  ", "not blank"),
        ("remark", "x" * 21, "at most 20 characters"),
        ("remark", 7, "text"),
        ("held_on", "13.4.2026", "2026-04-13"),
        ("held_on", "2026-02-30", "2026-04-13"),
        ("held_on", 20260413, "2026-04-13"),
        ("mood", "fair", "good, bad"),
        ("open", 1, "true or false"),
        ("customer", "王小明", "sealed"),
        ("remark", SEALED, "not be sealed"),
    ],
)
def test_bad_value_is_refused_with_what_is_wanted(code: str, value: FieldValue, says: str) -> None:
    """Each kind of field says what it wants instead."""
    content: dict[str, FieldValue] = {"headcount": 1, code: value}
    assert says in problems(content)[f"content.{code}"]


def test_every_problem_is_named_at_once() -> None:
    """Three wrongs make three messages."""
    content: dict[str, FieldValue] = {"premium": "x", "unknown": 1}
    assert sorted(problems(content)) == ["content.headcount", "content.premium", "content.unknown"]


def test_empty_report_is_stopped_unless_it_is_a_nil_return() -> None:
    """Ruling 50: nothing said is no report; saying that there was nothing is one."""
    assert "nil return" in problems({})["content"]
    assert problems({}, nil_return=True) == {}


def test_nil_return_has_no_content() -> None:
    """A nil return that says something contradicts itself."""
    assert "nil_return" in problems({"headcount": 1}, nil_return=True)
