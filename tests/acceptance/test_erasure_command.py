"""`ledger keys personal`: a person is erased while the service runs, and every door shows a mark.

The doors that showed the name are asked before, by a service that goes on running; then a command
in another process erases the person; then they are asked again, now and as of before.
"""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from api import cli
from api.app import create_app
from api.ledgers import Ledgers
from ledger.founding import found_ledger
from ledger.settings import Settings
from tests.visiting import LEDGER, Doors, doors, fresh_database, project

WHO, NAME, NUMBER = "O1-boss", "王小明", "E-1002003"
NEW, NEW_NAME = "a51f7cf2a3c94a6b8d1c2e3f40516273", "司马相如"
TRACE = "weekly.O1.2026W12"
"""An outlet's week that nobody reported: its head answers for it."""

PLACES = (
    f"/obligations/{TRACE}/trace",
    "/who-failed?period=2026W12",
    "/organisation?depth=9",
    "/units/O1/status",
)
"""What names persons; a question mark or not."""

Run = Callable[..., tuple[int, str, str]]


class Story:
    """The network before and after, its service running all the time."""

    def __init__(self, network: Doors, url: str, home: Path) -> None:
        self.network = network
        self.url, self.home = url, home
        self.before = 0
        self.registered = 0
        self.erased_by = 0
        self.told: dict[str, Any] = {}

    def environment(self) -> dict[str, str]:
        """Under which a command works on this ledger."""
        return {
            **os.environ,
            "LEDGER_DATABASE_URL": self.url,
            "LEDGER_HOME": str(self.home),
            "LEDGER_NAME": LEDGER,
        }

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """A command in a process of its own."""
        program = "import sys; from api.cli import main; main(sys.argv[1:])"
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env=self.environment(),
            check=False,
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module")
def story(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    """Everything is asked once with the names; then another process erases the person."""
    home = tmp_path_factory.mktemp("home")
    with fresh_database(server_url, template) as database, doors(database, home) as network:
        found = Story(network, database.url, home)
        person = {"person": NEW, "name": NEW_NAME, "number": NUMBER}
        answer = network.post("/organisation/register-person", person)
        assert answer.status_code < 300, answer.text
        project(network.opened)
        found.before = network.opened.recorder.head().position
        found.registered = found.before
        found.told = {path: network.get(path) for path in PLACES}
        found.told["page"] = page(network, f"/demo/traces/{TRACE}")
        done = found.command("keys", "personal", "destroy", WHO, "--reason", "requested", "--json")
        assert done.returncode == 0, done.stderr
        found.erased_by = json.loads(done.stdout)["position"]
        done = found.command("keys", "personal", "destroy", NEW, "--reason", "purpose_ended")
        assert done.returncode == 0, done.stderr
        assert "backups of the keys" in done.stderr
        project(network.opened)
        yield found


@pytest.fixture
def run(
    story: Story, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Run:
    """Runs a command in this process: its status, output and errors."""
    for name, value in story.environment().items():
        monkeypatch.setenv(name, value)

    def asked(*arguments: str) -> tuple[int, str, str]:
        status = cli.run(list(arguments))
        captured = capfdbinary.readouterr()
        return status, captured.out.decode(), captured.err.decode()

    return asked


def page(network: Doors, path: str, language: str = "zh-CN") -> str:
    """A page as an auditor sees it."""
    headers = {**network.key("auditor"), "accept-language": language}
    answer = network.client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def joined(path: str, query: str) -> str:
    """An address with one more parameter."""
    return f"{path}{'&' if '?' in path else '?'}{query}" if query else path


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize("when", ["now", "as of before"])
def test_answers_of_the_api_show_the_mark(story: Story, path: str, when: str) -> None:
    """The name was there; now the id is among the erased and has no name, in the past too."""
    assert NAME in story.told[path].text
    assert story.told[path].json()["names"]["erased"] == []
    asked = joined(path, "" if when == "now" else f"as_of={story.before}")

    answer = story.network.get(asked)

    assert answer.status_code == 200
    assert NAME not in answer.text
    assert answer.json()["names"]["persons"][WHO] is None
    assert WHO in answer.json()["names"]["erased"]


@pytest.mark.parametrize("path", PLACES)
def test_an_answer_with_names_is_kept_nowhere(story: Story, path: str) -> None:
    """No browser and no proxy may keep it, so none shows the name from its own store."""
    headers = story.told[path].headers

    assert headers["cache-control"] == "no-store"
    assert "etag" not in headers


def test_whoever_may_not_see_names_is_not_told_who_is_erased(story: Story) -> None:
    """A dashboard gets neither names nor marks."""
    answer = story.network.get("/organisation?depth=9", role="dashboard")

    assert answer.json()["names"]["erased"] == []
    assert set(answer.json()["names"]["persons"].values()) == {None}


@pytest.mark.parametrize(
    "path",
    [
        f"/timeline/person:{WHO}",
        f"/events?subject=person:{WHO}",
    ],
)
@pytest.mark.parametrize("when", ["now", "as of before"])
def test_facts_say_that_what_they_sealed_is_erased(story: Story, path: str, when: str) -> None:
    """Entries stand as they were hashed; beside each, who of those in it was erased, by what."""
    asked = joined(path, "" if when == "now" else f"as_of={story.before}")

    events = story.network.get(asked).json()["events"]
    marked = {one["position"]: one["erased"] for one in events}
    registered = next(one for one in events if one["entry"]["type"] == "person.registered")

    assert marked[registered["position"]] == {WHO: story.erased_by}
    assert all(one["erased"] == {} for one in events if "commitment" not in json.dumps(one))
    assert (story.erased_by in marked) == (when == "now")
    one = story.network.get(f"/events/{registered['position']}").json()
    assert one["erased"] == {WHO: story.erased_by}


def test_the_fact_names_nothing_but_the_id_and_a_code(story: Story) -> None:
    """Who, by the random id, and why, by a code; done by the operator at the command line."""
    entry = story.network.get(f"/events/{story.erased_by}").json()["entry"]

    assert entry["type"] == "personal_key.destroyed"
    assert entry["data"] == {"person": WHO}
    assert entry["reason"] == {"code": "requested"}
    assert entry["tags"] == [f"person:{WHO}", "register:erasures"]


@pytest.mark.parametrize(
    ("language", "mark"), [("zh-CN", f"已删除人员 ({WHO})"), ("en", f"erased person ({WHO})")]
)
@pytest.mark.parametrize("when", ["now", "as of before"])
def test_the_page_of_a_trace_shows_the_mark(
    story: Story, language: str, mark: str, when: str
) -> None:
    """In both languages, in the sentences, the persons, the lines and the events."""
    assert NAME in story.told["page"]
    path = f"/demo/traces/{TRACE}"

    shown = page(
        story.network, joined(path, "" if when == "now" else f"as_of={story.before}"), language
    )

    assert NAME not in shown
    assert shown.count(mark) > 1


@pytest.mark.parametrize(
    ("language", "words"), [("zh-CN", "的个人信息已按事实"), ("en", "were erased by fact")]
)
def test_the_page_of_a_fact_says_that_its_values_are_erased(
    story: Story, language: str, words: str
) -> None:
    """Under the entry, whole page and part of a page; as of before the erasure too."""
    for place in ("events", "_/events"):
        for query in ("", f"?as_of={story.before}"):
            shown = page(story.network, f"/demo/{place}/{story.registered}{query}", language)
            assert words in shown
            assert NEW in shown
        assert words not in page(story.network, f"/demo/{place}/1", language)


@pytest.mark.parametrize("when", ["now", "as of before"])
@pytest.mark.parametrize(
    "question",
    [
        ("org", "--depth", "9"),
        ("trace", TRACE),
        ("who-failed", "--period", "2026W12"),
        ("status", "O1"),
    ],
    ids=lambda one: one[0],
)
def test_commands_show_the_mark(
    story: Story, run: Run, question: tuple[str, ...], when: str
) -> None:
    """In words in both languages, and as a code in JSON; as of before the erasure too."""
    moment = () if when == "now" else ("--as-of", str(story.before))

    for language, mark in (("zh", f"已删除 ({WHO})"), ("en", f"erased ({WHO})")):
        status, out, err = run(*question, *moment, "--language", language)
        assert (status, NAME in out) == (0, False), err
        assert mark in " ".join(out.split())

    found = json.loads(run(*question, *moment, "--json")[1])
    assert WHO in found["names"]["erased"]
    assert found["names"]["persons"][WHO] is None


def test_the_timeline_of_the_command_shows_the_mark(story: Story, run: Run) -> None:
    """Each entry with erased values names the fact that erased them."""
    for moment in ((), ("--as-of", str(story.before))):
        status, out, _ = run("timeline", f"person:{WHO}", *moment)
        assert status == 0
        assert NAME not in out
        assert f" {story.erased_by} " in out
        events = json.loads(run("timeline", f"person:{WHO}", *moment, "--json")[1])["events"]
        assert {WHO: story.erased_by} in [one["erased"] for one in events]


def test_an_export_holds_no_name_and_lists_the_erased(
    story: Story, run: Run, tmp_path: Path
) -> None:
    """The entries byte for byte, and beside them the persons nobody can name any more."""
    file = tmp_path / "all.ndjson"

    assert run("export", str(file), "--until", str(story.before))[0] == 0

    manifest = json.loads((tmp_path / "all.ndjson.manifest.json").read_bytes())
    assert manifest["erased"][WHO] == story.erased_by
    assert {WHO, NEW} <= set(manifest["erased"])
    exported = file.read_text(encoding="utf-8")
    assert not any(secret in exported for secret in (NAME, NEW_NAME, NUMBER))


def test_nobody_finds_the_erased_by_number(story: Story) -> None:
    """The running service has forgotten the number, though another process erased the person."""
    assert story.network.opened.sealed.find("number", NUMBER) == []


def test_the_erased_take_nothing_new(story: Story) -> None:
    """The running service refuses words for them, and says what to do."""
    answer = story.network.post(
        "/organisation/register-person", {"person": NEW, "name": NEW_NAME, "number": NUMBER}
    )

    assert answer.status_code in {409, 422, 403}, answer.text
    assert answer.json()["type"].endswith("person-erased")


def test_what_is_left_is_counted(story: Story, run: Run) -> None:
    """Present before, erased after; what was lost without an erasure is missing."""
    erased = msgspec.json.decode(run("keys", "personal", "show", NEW, "--json")[1])
    present = msgspec.json.decode(run("keys", "personal", "show", "O2-boss", "--json")[1])
    nobody = msgspec.json.decode(run("keys", "personal", "show", "nobody", "--json")[1])

    assert (erased["key"], erased["erased"], erased["present"], erased["stored"]) == (
        "destroyed",
        2,
        0,
        0,
    )
    assert erased["erased_by"] > story.erased_by
    assert (present["key"], present["present"], present["erased_by"]) == ("present", 1, None)
    assert (nobody["key"], nobody["present"], nobody["missing"]) == ("none", 0, 0)
    assert NEW in run("keys", "personal", "show", NEW)[1]


def test_a_start_after_an_interrupted_erasure_finishes_it(story: Story) -> None:
    """The service opens its ledgers, and what had lost its key loses its ciphertexts."""
    opened = story.network.opened
    sealed = opened.sealed.seal("O3-boss", "phone", "13900000000")
    pair = (sealed.person, sealed.commitment)
    begun = (
        "import sys; from api.cli import main\n"
        "import ledger.erasure as e\n"
        "from ledger.sealed import SealedStore\n"
        "import os\n"
        "SealedStore.delete_erased = lambda self: os._exit(7)\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["keys", "personal", "destroy", "O3-boss", "--reason", "required_by_law"]
    ended = subprocess.run(
        [sys.executable, "-c", begun, *arguments], env=story.environment(), check=False
    )
    assert ended.returncode == 7
    assert [one.value for one in opened.sealed.check([pair])] == ["locked"]

    again = Ledgers(opened.database, Settings(home=str(story.home), name=LEDGER))
    with TestClient(create_app(again)) as client:
        client.get("/health/live")
        again.open(LEDGER)
    again.close()

    assert [one.value for one in opened.sealed.check([pair])] == ["absent"]


def test_a_backup_takes_no_key_that_the_log_says_is_destroyed(
    story: Story, run: Run, tmp_path: Path
) -> None:
    """Interrupted right after the fact, the key is still there: the copy is made without it."""
    who = "5c1d0a7be2f84b0f9a6d3e1c7b2f4a90"
    story.network.opened.sealed.seal(who, "phone", "13900000001")
    begun = (
        "import os, sys; from api.cli import main\n"
        "from ledger.personal_keys import PersonalKeys\n"
        "destroy = PersonalKeys.destroy\n"
        "def only_others(self, *persons):\n"
        f"    os._exit(7) if {who!r} in persons else destroy(self, *persons)\n"
        "PersonalKeys.destroy = only_others\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["keys", "personal", "destroy", who, "--reason", "requested"]
    ended = subprocess.run(
        [sys.executable, "-c", begun, *arguments], env=story.environment(), check=False
    )
    assert ended.returncode == 7

    assert run("keys", "personal", "backup", str(tmp_path / "keys.backup"))[0] == 0

    with closing(sqlite3.connect(tmp_path / "keys.backup")) as copy:
        found = copy.execute("SELECT key FROM personal_key WHERE person = ?", (who,)).fetchall()
    assert found == [(None,)]


def test_a_reason_in_words_is_refused(run: Run) -> None:
    """One line that names the codes; nothing is recorded."""
    status, _, err = run("keys", "personal", "destroy", "O2-boss", "--reason", "she asked")

    assert status == 1
    assert "requested" in err
    assert run("keys", "personal", "destroy", "O2-boss")[0] == 2
    assert run("keys", "personal", "destroy", "mistyped", "--reason", "requested")[0] == 1


def test_keys_are_not_restored_to_a_ledger_that_lost_its_end(
    story: Story, run: Run, server_url: str, template: str, tmp_path: Path
) -> None:
    """Behind its checkpoint a ledger may have lost erasures: it is restored before the keys."""
    backup = tmp_path / "keys.backup"
    assert run("keys", "personal", "backup", str(backup))[0] == 0
    assert run("checkpoint")[0] == 0
    with fresh_database(server_url, template) as lost:
        found_ledger(lost, LEDGER, simulated=True, now=datetime(2025, 12, 1, tzinfo=UTC))
        ended = Story(story.network, lost.url, story.home).command(
            "keys", "personal", "restore", str(backup)
        )

    assert ended.returncode == 1
    assert "ROLLBACK: head 1 <" in ended.stderr
    assert run("keys", "personal", "restore", str(backup))[0] == 0


def test_keys_are_backed_up_and_restored_by_command(story: Story, run: Run, tmp_path: Path) -> None:
    """A backup from before brings back lost keys, and nobody who was erased since."""
    backup = tmp_path / "keys.backup"
    assert run("keys", "personal", "backup", str(backup))[0] == 0
    status, _, err = run("keys", "personal", "backup", str(backup))
    assert status == 1
    assert "exists" in err
    assert run("keys", "personal", "destroy", "O4-boss", "--reason", "unlawful")[0] == 0

    fresh = tmp_path / "fresh"
    environ = {**story.environment(), "LEDGER_HOME": str(fresh)}
    program = "import sys; from api.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", program, "keys", "personal", "restore", str(backup), "--json"],
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["erased"] >= 3
    shown = subprocess.run(
        [sys.executable, "-c", program, "status", "O4", "--json"],
        env=environ,
        check=False,
        capture_output=True,
        text=True,
    )
    assert json.loads(shown.stdout)["names"]["erased"] == ["O4-boss"]
    assert "黄嘉怡" not in shown.stdout
    assert (
        "李秀英"
        in subprocess.run(
            [sys.executable, "-c", program, "status", "O2"],
            env=environ,
            check=False,
            capture_output=True,
            text=True,
        ).stdout
    )
