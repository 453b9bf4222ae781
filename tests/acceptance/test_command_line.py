"""The command `ledger`: what it prints, to people and to programs, and how it says no."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from api import cli
from ledger.database import Database, Role, connect_as_login
from ledger.events.duties import FormPublished
from ledger.vocabulary import FormId, FormRef
from projections.positions import standings
from projections.views import VIEWS
from tests.quarter import quarter
from tests.scenario import Scenario
from tests.telling import Told
from tests.visiting import fresh_database

Run = Callable[..., tuple[int, str, str]]

QUESTIONS = [
    ("who-failed", "--period", "2026-04"),
    ("trace", "monthly.O2.2026-04"),
    ("matrix", "--duty", "monthly", "--period", "2026-03..2026-05"),
    ("status", "O2"),
    ("org", "--depth", "4", "--on", "2026-04-01"),
    ("timeline", "unit:O"),
]


@pytest.fixture(scope="module")
def told_url(server_url: str, template: str) -> Iterator[str]:
    """A database with one ledger that holds the quarter, for commands that only ask."""
    with fresh_database(server_url, template) as database:
        with Told(database, quarter().events, name="told") as told:
            told.project()
        yield database.url


def runner(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    home: Path,
) -> Run:
    """Runs a command in this process against a database: its status, output and errors."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", url)
    monkeypatch.setenv("LEDGER_HOME", str(home))
    monkeypatch.setenv("LEDGER_NAME", "told")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.run(list(arguments))
        captured = capfdbinary.readouterr()
        return status, captured.out.decode(), captured.err.decode()

    return run


@pytest.fixture
def ask(
    told_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> Run:
    """Runs a command that only asks."""
    return runner(told_url, monkeypatch, capfdbinary, tmp_path)


@pytest.fixture
def act(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> Run:
    """Runs a command against a ledger of this test's own."""
    Told(database, quarter().events).close()
    return runner(database.url, monkeypatch, capfdbinary, tmp_path)


def test_who_failed_is_told_in_a_table(ask: Run) -> None:
    """Each failure with its unit, outcome and who answers; the figures and the moment below."""
    status, out, err = ask("who-failed", "--period", "2026-04", "--language", "en")

    assert status == 0, err
    assert "Who failed to report, 2026-04-01 to 2026-04-30" in out
    assert "s-chief, direct (by vacancy)" in out
    assert "expected 3, on time 0, late 1, missed 2" in out
    assert "as of position 56" in out


def test_the_trace_is_told_as_a_story(ask: Run) -> None:
    """Demand, line, outcome, path, who answers, and every event with its hash."""
    status, out, _ = ask("trace", "monthly.O2.2026-04")

    assert status == 0
    for part in ("demanded by", "空岗承接", "looked at", "s-chief, 直接责任", "obligation.opened"):
        assert part in out


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one[0])
def test_every_question_answers_in_json(ask: Run, question: tuple[str, ...]) -> None:
    """With --json, exactly one document, which says what it is as of."""
    status, out, err = ask(*question, "--json")

    assert (status, err) == (0, "")
    assert msgspec.json.decode(out)["as_of"]["position"] == 56


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one[0])
def test_every_question_is_asked_of_the_past(ask: Run, question: tuple[str, ...]) -> None:
    """As of a position, in words and in JSON; as of a time, the position that it means."""
    assert "as of position 45" in ask(*question, "--as-of", "45")[1]
    status, out, _ = ask(*question, "--as-of", "2026-05-20T09:30:00+08:00", "--json")

    assert status == 0
    assert msgspec.json.decode(out)["as_of"]["position"] == 54


def test_without_a_period_it_is_last_month(ask: Run) -> None:
    """The month before the ledger's own now: the story ends in May."""
    assert "2026-04-01 to 2026-04-30" in ask("who-failed")[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("who-failed", "--period", "april"), "write 2026, 2026H1"),
        (("who-failed", "--as-of", "yesterday"), "neither a position"),
        (("who-failed", "--as-of", "57"), "ends at position 56"),
        (("who-failed", "--unit", "X"), "no unit 'X'"),
        (("trace", "nothing"), "no obligation 'nothing'"),
        (("matrix", "--duty", "X"), "no duty 'X'"),
        (("timeline", "everything"), "unit:X"),
        (("--ledger", "other", "who-failed"), "only told"),
        (("clock",), "give --until"),
        (("keys", "api", "new", "--role", "king", "--system", "x"), "must be one of"),
        (("keys", "api", "revoke", "nobody"), "no API key"),
        (("export", "/nowhere/file"), "No such file or directory"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(
    ask: Run, arguments: tuple[str, ...], says: str
) -> None:
    """Exit status 1, nothing on standard output, one line on standard error."""
    status, out, err = ask(*arguments)

    assert (status, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("ledger: ")
    assert says in line


@pytest.mark.parametrize(
    "arguments", [("who-failed", "--weather"), ("frobnicate",), ("trace",), ("matrix",)]
)
def test_a_usage_error_is_status_2(ask: Run, arguments: tuple[str, ...]) -> None:
    """Unknown options and commands, and arguments that are missing."""
    assert ask(*arguments)[0] == 2


def test_an_unknown_setting_is_refused(ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable would silently do nothing."""
    monkeypatch.setenv("LEDGER_PROT", "1")
    status, _, err = ask("who-failed")

    assert status == 1
    assert "did you mean LEDGER_PORT" in err


def test_where_no_ledger_is_it_says_how_to_begin(
    empty_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> None:
    """An empty database names the commands that make something of it."""
    status, _, err = runner(empty_url, monkeypatch, capfdbinary, tmp_path)("who-failed")

    assert status == 1
    assert "ledger demo" in err


def test_migrate_is_done_once(
    empty_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> None:
    """The first time it names what it applied, the second time there is nothing to do."""
    run = runner(empty_url, monkeypatch, capfdbinary, tmp_path)

    assert "0001_roles.sql" in msgspec.json.decode(run("migrate", "--json")[1])["applied"]
    assert run("migrate")[1] == "nothing to do\n"


def test_an_export_is_checked_by_hashing_its_lines(ask: Run, tmp_path: Path) -> None:
    """Each line hashes to its leaf hash, and the manifest says what the file must hold."""
    file = tmp_path / "entries.ndjson"
    status, _, _ = ask("export", str(file), "--after", "50")
    lines = file.read_bytes().splitlines()
    manifest = msgspec.json.decode((tmp_path / "entries.ndjson.manifest.json").read_bytes())
    shown = msgspec.json.decode(ask("timeline", "obligation:monthly.O3.2026-04", "--json")[1])

    assert status == 0
    assert (manifest["rows"], manifest["first_position"], manifest["last_position"]) == (6, 51, 56)
    assert manifest["entries_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert manifest["last_leaf_hash"] == hashlib.sha256(b"\0" + lines[-1]).hexdigest()
    hashes = {hashlib.sha256(b"\0" + line).hexdigest() for line in lines}
    assert {one["leaf_hash"] for one in shown["events"] if one["position"] > 50} <= hashes


def test_an_export_goes_to_standard_output(ask: Run) -> None:
    """`-` writes the lines there, and the manifest to standard error."""
    status, out, err = ask("export", "-", "--until", "2")

    assert status == 0
    assert [msgspec.json.decode(line)["position"] for line in out.splitlines()] == [1, 2]
    assert msgspec.json.decode(err[err.index("{\n") :])["last_position"] == 2


def test_an_export_that_fails_leaves_no_file(ask: Run, tmp_path: Path) -> None:
    """Only a whole file has its name."""
    folder = tmp_path / "taken"
    folder.mkdir()
    (folder / "entries.ndjson").mkdir()
    assert ask("export", str(folder / "entries.ndjson"))[0] == 2


def test_views_are_projected_before_they_are_asked(act: Run, database: Database) -> None:
    """Nobody projects meanwhile, and still the answer knows the last fact."""
    act("keys", "api", "new", "--role", "auditor", "--system", "audit")
    with database.pooled(Role.READER) as connection:
        behind = standings(connection, 1)

    assert {one.position for one in behind} == {56}
    assert "as of position 57" in act("who-failed", "--period", "2026-04")[1]


def test_rebuilt_views_answer_the_same(act: Run) -> None:
    """Folded from the first fact beside the old ones, every view says what it said."""
    before = act("who-failed", "--period", "2026-03..2026-05", "--json")[1]
    status, out, err = act("rebuild", "--all", "--json")

    assert status == 0
    outcome = msgspec.json.decode(out)
    assert (outcome["switched"], outcome["position"]) == (True, 56)
    assert [one["view"] for one in outcome["differences"]] == [view.name for view in VIEWS]
    assert not any(table["versions"] for one in outcome["differences"] for table in one["tables"])
    assert all("doing" in msgspec.json.decode(line) for line in err.splitlines())
    assert act("who-failed", "--period", "2026-03..2026-05", "--json")[1] == before


PLANT = """
UPDATE views.unit
SET body = replace(body::text, '"name_en":"', '"name_en":"not ')::json
"""


def test_a_wrong_row_is_named_and_mended_only_when_accepted(database: Database, act: Run) -> None:
    """A view that says otherwise than its rebuild is shown; nothing changes without a word."""
    right = act("org", "--json")[1]
    with connect_as_login(database.url) as admin:
        admin.execute(PLANT)
    wrong = act("org", "--json")[1]
    assert wrong != right

    status, out, err = act("rebuild", "organisation")
    assert (status, act("org", "--json")[1]) == (1, wrong)
    assert ": changed, as of position" in out
    assert "the log folded once more agrees with the new build" in out
    assert "run it again with --accept" in err

    assert act("rebuild", "organisation", "--cancel")[1] == "organisation, build 2, was dropped\n"
    assert act("rebuild", "organisation", "--accept")[0] == 0
    assert act("org", "--json")[1] == right
    assert act("rebuild", "--tidy", "--keep", "0", "--json")[1] == "[]\n"
    assert act("rebuild", "nonsense")[0] == act("rebuild")[0] == 2


def test_a_key_is_shown_once_and_opens_until_it_is_revoked(act: Run) -> None:
    """Issued with its secret, listed without, and revoked; each time as a fact of the log."""
    issued = msgspec.json.decode(
        act("keys", "api", "new", "--role", "auditor", "--system", "audit", "--json")[1]
    )
    listed = act("keys", "api", "list", "--json")[1]
    assert issued["key"].startswith(f"ldg_{issued['access']}_")
    assert issued["key"] not in listed
    assert msgspec.json.decode(listed)[0]["revoked_at"] is None

    assert act("keys", "api", "revoke", issued["access"])[0] == 0
    assert msgspec.json.decode(act("keys", "api", "list", "--json")[1])[0]["revoked_at"]
    facts = msgspec.json.decode(act("timeline", f"access:{issued['access']}", "--json")[1])
    assert [one["type"] for one in facts["events"]] == ["access.granted", "access.revoked"]


def test_a_simulated_clock_goes_on_when_told(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> None:
    """It opens what is owed until then, notices what was not done, and does so once."""
    form = FormPublished(
        form=FormId(FormRef("monthly-form")), revision=1, title_zh="表", title_en="Form", fields=()
    )
    *before, published = Scenario().say("form", "2020-01-01 00:00", form).events
    Told(database, [published, *before]).close()
    act = runner(database.url, monkeypatch, capfdbinary, tmp_path)
    status, out, err = act("clock", "--until", "2026-06-12T12:00:00+08:00", "--json")

    assert status == 0, err
    recorded = msgspec.json.decode(out)["recorded"]
    assert recorded["obligation.opened"] >= 1
    assert recorded["obligation.missed"] >= 1
    again = act("clock", "--until", "2026-06-12T12:00:00+08:00", "--json")[1]
    assert msgspec.json.decode(again)["recorded"] == {}


def test_the_command_starts_fast() -> None:
    """Neither the database nor the web nor rich's tables are imported before they are needed."""
    heavy = ("psycopg", "litestar", "rich.table", "ledger.model.history", "uvicorn")
    script = f"import sys, api.cli; print([one for one in {heavy!r} if one in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


def test_every_command_explains_itself(ask: Run) -> None:
    """Help has a sentence for each command, and every one of them can be imported."""
    status, out, _ = ask("--help")

    assert status == 0
    for name in cli.COMMANDS:
        assert name in out
        assert "Usage" in ask(name, "--help")[1]
