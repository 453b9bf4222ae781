"""Importing: the sample set gives the answers of its README, and bad rows record nothing."""

import shutil
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.commands.opening import Opened
from api.importing.files import find, read
from api.importing.run import Report, import_files, run
from ledger.codec import decode
from ledger.database import Database
from ledger.entry import Event
from ledger.events.platform import ImportCommitted
from ledger.founding import found_ledger
from ledger.sealing.keys import receipts_key
from ledger.settings import Settings
from ledger.vocabulary import ObligationId, Via
from projections.failures import Failures, who_failed
from projections.spans import parse_span
from projections.tracing import trace
from tests.auditing import note_text

EXAMPLES = Path(__file__).parents[2] / "examples"
ORIGIN = "localhost/ledger/main"
NOW = datetime(2026, 8, 3, 2, 0, tzinfo=UTC)


@pytest.fixture
def opened(database: Database, tmp_path: Path) -> Iterator[Opened]:
    """An empty real ledger."""
    info = found_ledger(database, "main", simulated=False, now=NOW)
    found = Opened(Settings(home=str(tmp_path / "home"), name="main"), database, info)
    yield found
    found.recorder.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the sample set, to be spoilt."""
    return Path(shutil.copytree(EXAMPLES, tmp_path / "files"))


def imported(opened: Opened, *paths: Path, commit: bool = True) -> Report:
    """What importing these files reports."""
    reads = [read(path) for path in find(list(paths))]
    return import_files(opened, "main", reads, commit=commit, now=NOW)


def june(opened: Opened) -> Failures:
    """Who failed in June, asked of the views."""
    opened.bring_views_up()
    with opened.questions.at() as here:
        return who_failed(here, parse_span("2026-06"))


def test_the_sample_set_gives_the_answers_of_its_readme(opened: Opened) -> None:
    """Five failures, who answers for each, and the figures, as worked out by hand."""
    report = imported(opened, EXAMPLES)
    assert report.problems == ()

    found = june(opened)
    number_of = _numbers(opened)
    failed = {
        one.obligation: (
            one.kind,
            {(who.role, who.ground, number_of[who.person]) for who in one.persons if who.person},
        )
        for one in found.failures
    }
    assert failed == {
        "weekly.O1.2026W24": ("late", {("direct", "holder", "1011")}),
        "weekly.O2.2026W25": (
            "unreported",
            {("direct", "vacancy", "1005"), ("noted", "left_the_post_empty", "1012")},
        ),
        "weekly.O3.2026W26": (
            "unreported",
            {("direct", "acting", "1015"), ("management", "appointed_acting", "1005")},
        ),
        "monthly.O1.2026-06": ("late", {("direct", "holder", "1011")}),
        "monthly.O5.2026-06": ("late", {("direct", "holder", "1017")}),
    }
    figures = found.measure
    assert (figures.expected, figures.on_time, figures.late, figures.missed) == (23, 18, 3, 2)
    assert (figures.excused, figures.pending, figures.exempt) == (0, 0, 1)


def test_imported_reports_say_so(opened: Opened) -> None:
    """A report from a file is flagged, and its fact names file, sheet and row."""
    imported(opened, EXAMPLES)
    opened.bring_views_up()
    with opened.questions.at() as here:
        computed = trace(here, ObligationId("monthly.O2.2026-06")).verdict.computed
    assert set(computed.flags) == {"by_support_line", "imported"}

    sent = [one for one in events(opened) if one.type == "report.submitted"]
    assert len(sent) == 21
    sha256 = read(EXAMPLES / "submissions.csv").sha256
    assert {one.actor.via for one in sent} == {Via.IMPORT}
    assert {(one.envelope.source.file_sha256, one.envelope.source.sheet) for one in sent} == {  # type: ignore[union-attr]
        (sha256, "submissions")
    }
    rows = sorted(one.envelope.source.row or 0 for one in sent)  # type: ignore[union-attr]
    assert rows == list(range(2, 23))


def test_a_dry_run_records_nothing(opened: Opened) -> None:
    """Without a commit the ledger stays as it was, and the report says that all is in order."""
    before = opened.recorder.head()
    report = imported(opened, EXAMPLES, commit=False)

    assert {one.outcome for one in report.files} == {"ready"}
    assert opened.recorder.head() == before


def test_the_same_files_again_change_nothing(opened: Opened) -> None:
    """A file is known by its hash; importing it again is harmless."""
    imported(opened, EXAMPLES)
    before = opened.recorder.head()
    report = imported(opened, EXAMPLES)

    assert {one.outcome for one in report.files} == {"known"}
    assert opened.recorder.head() == before
    kinds = [one.fact.file_kind for one in events(opened) if isinstance(one.fact, ImportCommitted)]
    assert len(kinds) == len(set(kinds)) == 7


def test_a_file_has_one_signed_receipt(opened: Opened) -> None:
    """For its import, over its hash and rows; importing it again answers the same."""
    ready = imported(opened, EXAMPLES, commit=False)
    first = imported(opened, EXAMPLES)
    again = imported(opened, EXAMPLES)
    vkey = receipts_key(opened.settings, "main").signing(ORIGIN).verifier.vkey()

    assert {one.receipt for one in ready.files} == {None}
    assert [one.receipt for one in again.files] == [one.receipt for one in first.files]
    for one in first.files:
        assert one.receipt is not None
        _, origin, position, leaf, *_ = note_text(one.receipt, vkey).split("\n")
        place = int(position)
        (stored,) = opened.recorder.read(after=place - 1, until=place, limit=1).events
        fact = decode(stored.entry).fact
        assert isinstance(fact, ImportCommitted)
        assert (origin, b64decode(leaf)) == (ORIGIN, stored.leaf_hash)
        assert (fact.file_sha256, fact.rows) == (one.sha256, one.rows)


def test_later_reports_come_in_another_file(opened: Opened, folder: Path) -> None:
    """What was missed is late once the missing report is brought, and the past keeps the miss."""
    submissions = folder / "submissions.csv"
    header, *_ = submissions.read_text(encoding="utf-8").splitlines()
    imported(opened, EXAMPLES)
    before = june(opened)
    submissions.write_text(
        f"{header}\nweekly,O2,2026W25,2026-06-26 10:00,1013,,9,47000,,\n", encoding="utf-8"
    )
    assert imported(opened, submissions).problems == ()

    after = june(opened)
    kinds = {one.obligation: one.kind for one in after.failures}
    assert kinds[ObligationId("weekly.O2.2026W25")] == "late"
    with opened.questions.at(before.as_of.position) as here:
        then = who_failed(here, parse_span("2026-06"))
    assert then.measure == before.measure


SPOILT = {
    "posts.csv": (
        "\nHQ-head,HQ,head,",
        "\nHQ-head,HX,head,",
        (2, "", "there is no unit 'HX'"),
    ),
    "people.csv": (
        "1013,赵一凡,,O2-head,,2026-06-24 00:00",
        "1013,赵一凡,,O2-head,,2026-06-21 00:00",
        (11, "", "holds post 'O2-head'"),
    ),
    "duties.csv": (
        "HQ-dual,HQ,outlet,new;established",
        "HQ-boss,HQ,outlet,new;established",
        (2, "owner", "there is no post 'HQ-boss'"),
    ),
    "submissions.csv": (
        "weekly,O1,2026W23,2026-06-08 10:12,1011,,12,86000",
        "weekly,O1,2026W23,2026-06-08 10:12,1011,,many,-5",
        (2, "field:headcount", "whole number"),
    ),
    "relief.csv": (
        "2026-07-03 09:00,S2-head,1006",
        "2026-07-03 09:00,T1-head,1006",
        (2, "", "there is no post 'T1-head'"),
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_bad_row_is_named_and_nothing_is_recorded(
    opened: Opened, folder: Path, name: str
) -> None:
    """What the rules refuse is a problem of its row; a commit records nothing of any file."""
    good, bad, (row, column, reason) = SPOILT[name]
    text = (folder / name).read_text(encoding="utf-8")
    assert good in text
    (folder / name).write_text(text.replace(good, bad, 1), encoding="utf-8")
    before = opened.recorder.head()

    report = imported(opened, folder)

    own = [one for one in report.problems if one.file == name and one.row == row]
    assert any(one.column == column and reason in one.reason for one in own), report.problems
    assert {one.outcome for one in report.files} == {"refused"}
    assert opened.recorder.head() == before


def test_all_reasons_of_a_row_are_named(opened: Opened, folder: Path) -> None:
    """A report with three bad fields has three problems, each with its value."""
    path = folder / "submissions.csv"
    text = path.read_text(encoding="utf-8")
    good = "monthly,O1,2026-06,2026-07-03 18:01:00,1011,,12,341000,91.50"
    assert good in text
    spoilt = good.replace("12,341000,91.50", "many,-5,high")
    path.write_text(text.replace(good, spoilt), encoding="utf-8")

    report = imported(opened, folder, commit=False)

    assert {(one.column, one.value) for one in report.problems} == {
        ("field:headcount", "many"),
        ("field:premium", "-5"),
        ("field:persistency", "high"),
    }


def test_nobody_is_invented(opened: Opened, folder: Path) -> None:
    """A report by a number that no file and no ledger knows is refused."""
    path = folder / "submissions.csv"
    text = path.read_text(encoding="utf-8").replace("10:12,1011", "10:12,4711")
    path.write_text(text, encoding="utf-8")

    (problem,) = imported(opened, folder, commit=False).problems
    assert (problem.column, problem.value) == ("number", "4711")


def test_people_keep_their_identity_between_imports(opened: Opened, folder: Path) -> None:
    """Somebody known by employee number is not registered twice, and names are not in the log."""
    imported(opened, EXAMPLES)
    people = folder / "people.csv"
    header, *_ = people.read_text(encoding="utf-8").splitlines()
    people.write_text(
        f"{header}\n1007,张晓雯,,S2-head,,2026-07-20 00:00,,B1-head,,\n"
        "1006,和建军,,,,,,,2026-07-20,retired\n",
        encoding="utf-8",
    )
    assert imported(opened, people).problems == ()

    registered = [one for one in events(opened) if one.type == "person.registered"]
    assert len(registered) == 14
    log = b"".join(stored.entry for page in opened.recorder.stream() for stored in page).decode()
    assert "张晓雯" not in log
    assert "10000000005" not in log


def test_the_command_checks_without_a_ledger(
    server_url: str, empty_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run needs no ledger and founds none; a commit founds it."""
    del server_url
    settings = Settings(database_url=empty_url, home=str(tmp_path), name="main")

    assert run(settings, [EXAMPLES], commit=False, as_json=True) == 0
    assert '"committed": false' in capsys.readouterr().out
    assert run(settings, [EXAMPLES], commit=True, as_json=True) == 0
    assert '"committed": true' in capsys.readouterr().out


def events(opened: Opened) -> list[Event]:
    """Everything recorded."""
    return [decode(stored.entry) for page in opened.recorder.stream() for stored in page]


def _numbers(opened: Opened) -> dict[str, str]:
    """Employee numbers by person."""
    numbers = [row.cells["number"] for row in read(EXAMPLES / "people.csv").rows]
    return {opened.sealed.find("number", number)[0]: number for number in numbers}
