"""Both languages are complete: every sentence and every code of a page has its words."""

import re
import tomllib
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from jinja2.ext import babel_extract

import api.console
from api.console.language import (
    LANGUAGES,
    Language,
    Ratio,
    catalogue,
    chosen,
    language,
    other_than,
)
from api.console.layout import moment_of, templates
from ledger.codec import registry
from ledger.model.organisation import Capacity
from ledger.timeliness import Outcome
from ledger.vocabulary import Cadence, Level, Stage, Via
from projections.views import VIEWS

CONSOLE = Path(api.console.__file__).parent
CODES: dict[str, list[str]] = {
    "outcome": [*Outcome],
    "glyph": [*Outcome],
    "capacity": [*Capacity, "acting_overdue"],
    "level": [*Level],
    "stage": [*Stage],
    "cadence": [*Cadence],
    "via": [*Via],
    "event": sorted(registry()),
    "acted_as": [
        "holder",
        "acting",
        "delegate",
        "clerk",
        "support",
        "superior",
        "stranger",
        "operator",
    ],
    "role": ["direct", "management", "retained", "noted"],
    "change": ["added", "changed", "removed"],
    "table": [table.name for view in VIEWS for table in view.tables],
}


def sentences() -> set[str]:
    """Every sentence that pages say, in templates and in Python."""
    found: set[str] = set()
    for path in (CONSOLE / "templates").rglob("*.html"):
        with path.open("rb") as file:
            extracted = babel_extract(file, ("_",), [], {})
            found |= {
                message if isinstance(message, str) else str(message[0])
                for _, _, message, _ in extracted
                if message
            }
    python = extract_from_dir(CONSOLE, [("**.py", "python")], keywords={"text": None})
    return found | {message for _, _, message, _, _ in python if isinstance(message, str)}


def test_every_sentence_is_translated() -> None:
    """None stays English on a Chinese page, and the catalogue holds none that nobody says."""
    known = {str(one.id) for one in catalogue("zh-CN") if one.id and one.context is None}

    assert sentences() - known == set()
    assert known - sentences() == set()


def test_placeholders_survive_translation() -> None:
    """A translation fills in exactly what its sentence names."""
    for one in catalogue("zh-CN"):
        if one.id and one.context is None:
            names = set(re.findall(r"{(\w+)}", str(one.id)))
            assert names == set(re.findall(r"{(\w+)}", str(one.string))), one.id


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_code_has_words(code: str) -> None:
    """Whatever an answer can hold is worded in both languages."""
    words = language(code)
    without = [
        (context, one)
        for context, codes in CODES.items()
        for one in codes
        if words.word(context, one) == str(one)
        and (code, context) != ("en", "glyph")
        # An English word may be its own code.
        and not (code == "en" and str(one).isalpha())
    ]

    assert without == []


def test_both_languages_word_the_same_codes() -> None:
    """What one language has words for, the other has too."""
    first, second = (
        {(one.context, str(one.id)) for one in catalogue(code) if one.context} for code in LANGUAGES
    )

    assert first == second


def test_codes_written_in_the_rules_have_words() -> None:
    """Reasons, grounds, flags and standings stand as literals in the rules; each has its words."""
    rules = Path(__file__).parents[2] / "ledger"
    known = {str(one.id) for one in catalogue("zh-CN") if one.context}
    grounds = re.findall(
        r'self\._add\(\s*"(\w+)",\s*"(\w+)"', (rules / "attribution.py").read_text("utf-8")
    )
    flags = re.findall(r'_flags\.append\("(\w+)"\)', (rules / "attribution.py").read_text("utf-8"))
    weighed = (rules / "relief.py").read_text("utf-8")
    standings = re.findall(r'return "(\w+)"|standing = "(\w+)"', weighed)
    eased = re.findall(r'_(?:excused|mitigated)\.append\("(\w+)"\)', weighed)
    judged = (rules / "timeliness.py").read_text("utf-8")
    flagged = re.findall(r'(?:found|flags|excused)\.append\("(\w+)"\)', judged)
    literals = {
        *(one for pair in grounds for one in pair),
        *flags,
        *(one for pair in standings for one in pair if one),
        *eased,
        *flagged,
    }

    assert len(literals) > 25
    assert literals - known == set()


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "expected"),
    [
        (None, None, "", "zh-CN"),
        (None, None, "en-GB,en;q=0.9,zh-CN;q=0.8", "en"),
        (None, None, "fr,zh-TW;q=0.5,en;q=0.4", "zh-CN"),
        (None, None, "en;q=0", "zh-CN"),
        (None, None, "en;q=x", "zh-CN"),
        (None, "en", "zh-CN", "en"),
        ("zh-CN", "en", "en", "zh-CN"),
        ("klingon", "en", "", "en"),
        ("klingon", "vulcan", "," * 10_000, "zh-CN"),
    ],
)
def test_the_language_of_a_request(
    asked: str | None, remembered: str | None, accepted: str, expected: str
) -> None:
    """Asked for, then remembered, then preferred, then Chinese."""
    assert chosen(asked, remembered, accepted).code == expected


def test_the_other_language() -> None:
    """There are two."""
    assert other_than(language("en")).code == "zh-CN"
    assert other_than(language("zh-CN")).code == "en"


@pytest.mark.parametrize(
    ("length", "zh", "en"),
    [
        (timedelta(minutes=5, seconds=59), "5 分", "5 min"),
        (timedelta(hours=3, minutes=4), "3 小时 4 分", "3 h 4 min"),
        (timedelta(days=2, hours=1, minutes=59), "2 天 1 小时", "2 d 1 h"),
        (timedelta(seconds=-5), "0 分", "0 min"),
    ],
)
def test_lengths(length: timedelta, zh: str, en: str) -> None:
    """The two largest units, cut and not rounded."""
    assert (Language("zh-CN").span(length), Language("en").span(length)) == (zh, en)


@pytest.mark.parametrize(
    ("ratio", "percent"),
    [
        ((0, 0), "–"),
        ((1, 1), "100%"),
        ((9_999, 10_000), "99.9%"),
        ((1, 3), "33.3%"),
        ((0, 5), "0%"),
    ],
)
def test_percentages_are_cut(ratio: tuple[int, int], percent: str) -> None:
    """99.99 % is not all of it, and nothing of nothing is no percentage."""
    assert Ratio(*ratio).percent == percent


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("184233", "184233"),
        ("2026-04-01 18:00", "2026-04-01T18:00:00+08:00"),
        ("2026-04-01T18:00:30", "2026-04-01T18:00:30+08:00"),
        ("2026-04-01", "2026-04-01T23:59:59.999999+08:00"),
        ("2026-06-01", "2026-06-01T04:00:00+00:00"),
        ("2026-06-02", "2026-06-02T23:59:59.999999+08:00"),
        ("2026-02-30", "2026-02-30"),
        ("2026-04-01T18:00:00Z", "2026-04-01T18:00:00Z"),
    ],
)
def test_moments_as_people_write_them(text: str | None, expected: str | None) -> None:
    """A wall time is Shanghai's, a day its end, and today's end is now."""
    now = datetime(2026, 6, 1, 4, tzinfo=UTC)

    assert moment_of(text, now) == expected


def test_vendored_files_are_as_published() -> None:
    """What others made is unchanged, with its licence beside it."""
    folder = CONSOLE / "static"
    manifest = tomllib.loads((folder / "vendored.toml").read_text("utf-8"))

    assert set(manifest) == {path.name for path in folder.glob("*.min.js")}
    for name, one in manifest.items():
        assert sha256((folder / name).read_bytes()).hexdigest() == one["sha256"]
        assert (folder / one["licence_file"]).read_text("utf-8").strip()


def test_templates_hold_no_style_and_no_script_of_their_own() -> None:
    """The content policy would refuse them; nothing is marked safe by hand either."""
    for name in templates.list_templates():
        text = (CONSOLE / "templates" / name).read_text("utf-8")
        assert not re.search(r'\sstyle="|<style|\son\w+="|javascript:|\|\s*safe', text), name
        assert not re.search(r"<script(?![^>]*nonce)", text), name
