"""`ledger replay`, `compare` and `show`: the past at a terminal, and for programs."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from api import cli
from tests.quarter import quarter
from tests.telling import Told
from tests.visiting import fresh_database

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def told_url(server_url: str, template: str) -> Iterator[str]:
    """A database with one ledger that holds the quarter."""
    with fresh_database(server_url, template) as database:
        with Told(database, quarter().events, name="told") as told:
            told.project()
        yield database.url


@pytest.fixture
def ask(
    told_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> Run:
    """Runs a command in this process: its status, output and errors; `typed` is what is typed."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", told_url)
    monkeypatch.setenv("LEDGER_HOME", str(tmp_path))
    monkeypatch.setenv("LEDGER_NAME", "told")

    def run(*arguments: str, typed: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        status = cli.run(list(arguments))
        captured = capfdbinary.readouterr()
        return status, captured.out.decode(), captured.err.decode()

    return run


VOIDED = "obligation:monthly.O3.2026-04"


def test_a_step_is_a_fact_and_its_changes(ask: Run) -> None:
    """The fact in one line, each row that it changed, each field before and after."""
    status, out, err = ask("replay", VOIDED)

    lines = out.splitlines()
    assert (status, err) == (0, "")
    facts = [line for line in lines if not line.startswith(" ") or line.lstrip()[0].isdigit()]
    assert [line.split()[3] for line in facts] == [
        "obligation.opened",
        "report.submitted",
        "report.voided",
    ]
    assert "  changed obligation monthly.O3.2026-04" in lines
    assert next(line for line in lines if "voided_by" in line).startswith(
        "    submissions.0.voided_by: null -> "
    )


def test_steps_for_programs_are_lines(ask: Run) -> None:
    """One JSON document a line, each with the hash that it is cited by."""
    status, out, _ = ask("replay", "--unit", "S2", "--type", "report.submitted", "--json")

    steps = [msgspec.json.decode(line) for line in out.splitlines()]
    assert status == 0
    assert [one["fact"]["type"] for one in steps] == ["report.submitted"] * 2
    assert [one["as_of"]["position"] for one in steps] == [one["fact"]["position"] for one in steps]
    assert all(len(one["as_of"]["hash"]) == 64 for one in steps)
    assert [one["next"] for one in steps] == [steps[1]["fact"]["position"], None]


def test_from_and_to_and_how_many(ask: Run) -> None:
    """A position is wanted itself; what follows is said."""

    def positions(*arguments: str) -> list[int]:
        lines = ask("replay", *arguments, "--json")[1].splitlines()
        return [msgspec.json.decode(line)["fact"]["position"] for line in lines]

    assert positions("--limit", "500") == [*range(1, 57)]
    assert positions("--from", "10", "--to", "12") == [10, 11, 12]
    assert positions("--from", "2026-05-20T09:00:00+08:00") == [55, 56]
    assert positions("--to", "2026-05-20T09:00:00+08:00", "--type", "report.voided") == [54]
    few = ask("replay", "--from", "10", "--limit", "2")[1]
    assert few.splitlines()[-1] == "more: --from 12"


def test_stepping_by_hand(ask: Run) -> None:
    """Forwards, backwards, to a position and to a time; mistakes are explained, `q` ends it."""
    typed = "n\n\np\n45\n2026-05-20T09:00:00+08:00\nn\nsideways\n9999\np 1\nq\nn\n"
    status, out, err = ask("replay", "unit:O2", "--step", typed=typed)

    assert (status, err) == (0, "")
    shown = [line for line in out.splitlines() if "  by " in line]
    positions = [int(line.lstrip("> ").split()[0].replace(",", "")) for line in shown]
    mine = [one.position for one in quarter().events if "unit:O2" in one.tags]
    assert positions[:4] == [mine[0], mine[1], mine[2], mine[1]]
    assert positions[4] == max(one for one in mine if one <= 45)
    assert positions[5:] == [max(one for one in mine if one <= 54), 55]
    assert out.count("neither a position") == 2
    assert "ends at position 56" in out


def test_stepping_beyond_the_ends(ask: Run) -> None:
    """There is nothing there, and one stays where one was."""
    status, out, _ = ask("replay", VOIDED, "--step", typed="p\n0\nn\nn\nn\nn\n")

    assert status == 0
    assert out.count("there is no fact there") == 4
    assert ask("replay", "unit:none", "--step")[1] == "there is no such fact\n"


def test_a_comparison_is_told(ask: Run) -> None:
    """How many rows differ, each with its fields, its verdicts, and the facts that caused it."""
    status, out, err = ask("compare", "--at", "2026-05-19T12:00:00+08:00", "--and", "56")

    assert (status, err) == (0, "")
    assert "changed obligation monthly.O3.2026-04  on_time -> missed" in out
    assert "submissions.0.voided_by: null -> " in out
    assert "report.voided" in out
    assert "changed unit O4" in out
    assert "changed obligation monthly.O4.2026-04  missed -> not_expected" in out
    assert "sha256" in out.splitlines()[-1]


def test_time_alone_is_told_apart(ask: Run) -> None:
    """No fact between the two moments, and yet a due passed."""
    moments = ("--at", "44@2026-05-12T12:00:00+08:00", "--and", "44@2026-05-13T12:00:00+08:00")
    status, out, _ = ask("compare", *moments, "--unit", "O2")

    assert status == 0
    assert "monthly.O2.2026-04  pending (not_due) -> missed, by time alone" in out
    assert "because of" not in out


def test_comparisons_go_on_where_they_ended(ask: Run) -> None:
    """`next` of one page is `--beyond` of the following."""
    whole = msgspec.json.decode(ask("compare", "--at", "1", "--json", "--limit", "500")[1])
    rows: list[object] = []
    beyond: tuple[str, ...] = ()
    while True:
        out = ask("compare", "--at", "1", "--json", "--limit", "9", *beyond)[1]
        page = msgspec.json.decode(out)
        rows += page["rows"]
        if page["next"] is None:
            break
        beyond = ("--beyond", "/".join(page["next"]))
    told = ask("compare", "--at", "1", "--limit", "9")[1]

    assert rows == whole["rows"]
    assert page["counts"] == whole["counts"]
    assert "more: --beyond " in told


def test_rows_are_shown_as_they_were(ask: Run) -> None:
    """All of a view, one by its key, some by a column, as of a moment."""
    now = msgspec.json.decode(ask("show", "unit", "O4", "--json")[1])["rows"]
    then = msgspec.json.decode(ask("show", "unit", "O4", "--as-of", "55", "--json")[1])["rows"]
    below = msgspec.json.decode(ask("show", "post", "--unit", "S2", "--json")[1])["rows"]
    told = ask("show", "obligation", "--where", "unit=O3", "--limit", "2")[1]

    assert [one["change"] for one in now[0]["life"]] == ["established", "closed"]
    assert [one["change"] for one in then[0]["life"]] == ["established"]
    assert {one["unit"] for one in below} == {"S2", "O2", "O3", "O4"}
    assert "    period: 2026-03" in told
    assert "more: --beyond monthly.O3.2026-04" in told
    assert "no such row in unit" in ask("show", "unit", "X")[1]


def test_views_are_listed(ask: Run) -> None:
    """Without a name, every table with its view, version and columns."""
    told = ask("show")[1]
    views = msgspec.json.decode(ask("show", "--json")[1])["views"]

    assert "obligation (text), unit (text), period_end (date), duty (text)" in told
    assert {table["table"] for view in views for table in view["tables"]} >= {"unit", "edition"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("replay", "everything"), "unit:X"),
        (("replay", "unit:O", "--unit", "O"), "choose one"),
        (("replay", "--unit", "X"), "no unit 'X'"),
        (("replay", "--from", "yesterday"), "from: 'yesterday' is neither a position"),
        (("replay", "--to", "57"), "to: the ledger ends at position 56"),
        (("compare", "--at", "40", "--and", "30"), "exchange the two"),
        (("compare", "--at", "x"), "at: 'x' is neither a position"),
        (("compare", "--at", "57"), "at: the ledger ends at position 56"),
        (("compare", "--at", "1", "--and", "x"), "and: 'x' is neither a position"),
        (("compare", "--at", "1", "--and", "57"), "and: the ledger ends at position 56"),
        (("org", "--on", "2026-04-01", "--as-of", "1", "--and", "57"), "and: the ledger ends"),
        (("matrix", "--duty", "weekly", "--then", "x"), "then: 'x' is neither a position"),
        (("compare", "--at", "1", "--beyond", "unit/X"), "begin at the first page"),
        (("show", "nothing"), "there is no view 'nothing'; ask for one of unit, post"),
        (("show", "post", "--where", "x"), "write column=value"),
        (("show", "post", "--where", "role=head"), "is no column of post"),
        (("show", "post", "--beyond", "a/b"), "a key of post is post"),
    ],
)
def test_refusals_say_what_to_do(ask: Run, arguments: tuple[str, ...], says: str) -> None:
    """One line on standard error, exit status 1."""
    status, out, err = ask(*arguments)

    assert (status, out) == (1, "")
    assert says in err
    assert err.count("\n") == 1
