"""What callers send: commands in plain words, every bad field named, every personal one sealed."""

from typing import Any

import msgspec
import pytest

from api.cursors import Cursor, Cursors
from api.problems import BadBody, BadParameter
from api.scope import named_by
from api.strictness import INTEGER_MAX, JSON_DEPTH_MAX, parse_strict
from api.validation import PROBLEMS_MAX, problems_of
from api.wire import sealed, wire_of
from ledger.decisions.organisation import AppointHolder, CompleteHandover, RegisterPerson
from ledger.decisions.relief import GrantExtension
from ledger.decisions.reports import SubmitReport
from ledger.events.duties import FormField
from ledger.vocabulary import Sealed


def seal(field: str, words: str) -> Sealed:
    """A seal that a test can read."""
    return Sealed(commitment=f"{field}={words}", person="somebody")


def test_personal_values_are_words_on_the_wire() -> None:
    """Everywhere in a command: at the top, in a reason, in a list of evidence."""
    sent: dict[str, Any] = {
        "person": "p1",
        "name": "王小明",
        "reason": {"code": "hired", "text": "校园招聘"},
        "evidence": [{"sha256": "a" * 64, "media_type": "application/pdf", "name": "合同.pdf"}],
    }

    wire = msgspec.convert(sent, wire_of(RegisterPerson))
    command = sealed(wire, RegisterPerson, seal)

    assert isinstance(command, RegisterPerson)
    assert command.name.commitment == "name=王小明"
    assert command.number is None
    assert command.reason is not None
    assert command.reason.text is not None
    assert command.reason.text.commitment == "reason.text=校园招聘"
    assert command.evidence[0].name is not None
    assert command.evidence[0].name.commitment == "evidence.name=合同.pdf"


def test_nested_structs_take_no_unknown_fields_on_the_wire() -> None:
    """A typo inside a form's field would otherwise be a rule that nobody checks."""
    field = {"code": "n", "kind": "integer", "label_zh": "数", "label_en": "n", "minmum": 0}

    problems = problems_of(field, wire_of(FormField))

    assert [one.field for one in problems] == ["minmum"]
    assert "minimum" in problems[0].message


def test_what_needs_no_words_is_itself() -> None:
    """A command whose structs are strict already is its own wire."""
    wire = wire_of(SubmitReport)

    assert [one.name for one in msgspec.structs.fields(wire)] == list(
        SubmitReport.__struct_fields__
    )
    assert wire_of(wire) is wire


def test_every_problem_is_found() -> None:
    """At the top, nested, in lists and maps; what is missing as well as what is too much."""
    sent = {"obligation": 1, "content": {"a": [], "b": 2}, "evidence": [{"sha256": 1}], "x": 1}

    found = {one.field: one.message for one in problems_of(sent, wire_of(SubmitReport))}

    assert set(found) == {
        "obligation",
        "content.a",
        "evidence[0].sha256",
        "evidence[0].media_type",
        "x",
        "form_revision",
    }
    assert found["form_revision"] == "is missing"
    assert "`" not in "".join(found.values())


def test_problems_end_somewhere() -> None:
    """A body that is wrong everywhere needs no endless answer."""
    sent = {"obligation": "o", "form_revision": 1, "content": {str(n): [] for n in range(9_999)}}

    assert len(problems_of(sent, SubmitReport)) == PROBLEMS_MAX


def test_good_input_has_no_problems() -> None:
    """Also where a field may be one of several types, or nothing."""
    sent = {"obligation": "o", "form_revision": 1, "content": {"a": 1, "b": "x", "c": None}}

    assert problems_of(sent, SubmitReport) == ()


def test_commands_name_what_places_them() -> None:
    """Units, posts and obligations, alone, optional and in lists; persons come from anywhere."""
    appoint = AppointHolder(post="P", person="x", by="Q")
    handover = CompleteHandover(post="P", outgoing="x", incoming="y", items=("o1", "o2"))

    assert sorted(named_by(AppointHolder, appoint)) == [("post", "P"), ("post", "Q")]
    assert sorted(named_by(CompleteHandover, handover)) == [
        ("obligation", "o1"),
        ("obligation", "o2"),
        ("post", "P"),
    ]
    assert {field for field, _ in named_by(GrantExtension, _extension())} == {"obligation", "post"}


def _extension() -> GrantExtension:
    return msgspec.convert(
        {"obligation": "o", "by": "P", "reason": {"code": "x"}, "due": "2026-01-01T00:00:00Z"},
        GrantExtension,
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2, 3.5, true, null, "x\\ny"]}', {"a": [1, -2, 3.5, True, None, "x\ny"]}),
        (f'{{"a": {INTEGER_MAX}}}', {"a": INTEGER_MAX}),
        ("[" * JSON_DEPTH_MAX + "]" * JSON_DEPTH_MAX, None),
        ('{"a": "' + "[{" * 99 + '"}', {"a": "[{" * 99}),
        ('{"a": "\\"' + "[" * 99 + '"}', {"a": '"' + "[" * 99}),
        ('"\\ud83d\\ude00"', "😀"),
    ],
)
def test_careful_json_is_read(text: str, value: object) -> None:
    """Strictness refuses nothing that two readers would understand alike."""
    found = parse_strict(text.encode())

    assert value is None or found == value


@pytest.mark.parametrize(
    "text",
    [
        "[" * (JSON_DEPTH_MAX + 1) + "]" * (JSON_DEPTH_MAX + 1),
        f"{INTEGER_MAX + 1}",
        f"-{INTEGER_MAX + 1}",
        '{"a":{"b":1,"b":1}}',
        '"\\u001f"',
        '"\\u007f"',
        '{"a\\n":1}',
        '"\\udc00"',
    ],
)
def test_careless_json_is_refused(text: str) -> None:
    """One more level, one more digit, one name twice: refused."""
    with pytest.raises(BadBody):
        parse_strict(text.encode())


def test_cursors() -> None:
    """A cursor says where to go on to whoever made it, for the question that it was made for."""
    cursors, cursor = (
        Cursors(b"secret"),
        Cursor(17, "2026-01-01T00:00:00+00:00", ("o1",), settled=True),
    )
    text = cursors.make(cursor, "question")

    assert cursors.read(text, "question") == cursor
    for secret, given, question in (
        (b"other", text, "question"),
        (b"secret", text, "another"),
        (b"secret", text[:-2], "question"),
        (b"secret", "", "question"),
        (b"secret", "a" * 5_000, "question"),
        (b"secret", "你好", "question"),
    ):
        with pytest.raises(BadParameter, match="cursor"):
            Cursors(secret).read(given, question)
