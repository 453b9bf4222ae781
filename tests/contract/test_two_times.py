"""What was in force on a day, as known at a moment, and how two knowings of it differ."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from api import cli
from api.commands import printing
from tests.visiting import CLOSED, Doors, project

DAY = "2026-03-09"
SINCE = "2026-03-01T00:00:00+08:00"
NEW = "9f2c4c1f7a5e4a0fb1d5a1c2e3f40516"


@pytest.fixture(scope="module")
def known_then(network: Doors) -> int:
    """The position before anybody said that O2 was led by somebody else since 1 March."""
    position = network.opened.recorder.head().position
    holder = {"post": "O2-head", "person": "O2-boss", "effective_from": SINCE}
    for command, body in (
        ("register-person", {"person": NEW, "name": "新负责人"}),
        ("relieve-holder", {**holder, "cause": "transferred"}),
        ("appoint-holder", {**holder, "person": NEW, "by": "S1-head"}),
    ):
        answer = network.post(f"/organisation/{command}", body)
        assert answer.status_code == 201, answer.text
    project(network.opened)
    return position


def test_every_organisational_question_takes_both_times(network: Doors, known_then: int) -> None:
    """A post's holder, a person's posts, a unit's state, a duty's terms, a day: on, as of."""

    def ask(path: str, on: str, as_of: int | None = None) -> Any:
        given = f"?on={on}" + (f"&as_of={as_of}" if as_of else "")
        answer = network.get(path + given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    then, now = ask("/posts/O2-head", DAY, known_then), ask("/posts/O2-head", DAY)
    assert (then["standing"]["person"], now["standing"]["person"]) == ("O2-boss", NEW)
    assert now["line"] == ["S1-head", "B1-head", "R1-head", "HQ-head"]
    assert ask("/posts/O2-head", "2026-02-20")["standing"]["person"] == "O2-boss"

    held = [{"post": "O2-head", "capacity": "holder"}]
    assert ask("/persons/O2-boss", DAY, known_then)["standing"]["posts"] == held
    assert ask("/persons/O2-boss", DAY)["standing"]["posts"] == []
    assert ask(f"/persons/{NEW}", DAY)["standing"]["posts"] == held

    recorded = next(
        one["position"]
        for one in network.get(f"/timeline/unit:{CLOSED}?type=unit.closed").json()["events"]
    )
    closed = f"/units/{CLOSED}"
    assert ask(closed, "2026-05-01", recorded - 1)["standing"]["state"] == "established"
    assert ask(closed, "2026-05-01", recorded)["standing"]["state"] == "closed"
    assert ask(closed, "2026-04-20")["standing"]["state"] == "established"
    assert ask(closed, "2026-04-20")["above"] == ["S2", "B1", "R1", "HQ"]

    assert ask("/duties", "2025-06-01")["in_force"] == {}
    assert [*ask("/duties", DAY)["in_force"]] == ["weekly"]
    assert ask("/duties/weekly", DAY)["standing"]["revision"] == 1
    assert [ask("/calendar", day)["day"]["working"] for day in ("2026-01-01", DAY)] == [False, True]


def test_a_question_without_a_day_is_of_the_moment(network: Doors, known_then: int) -> None:
    """`on` is null where nobody gave one, and the standing is that of the moment."""
    now = network.get("/posts/O2-head").json()
    then = network.get(f"/posts/O2-head?as_of={known_then}").json()

    assert (now["on"], then["on"]) == (None, None)
    assert (now["standing"]["person"], then["standing"]["person"]) == (NEW, "O2-boss")


def test_what_differs_is_told_with_the_facts_that_did_it(network: Doors, known_then: int) -> None:
    """Field by field; both facts together are the cause, and each is cited as the log has it."""
    path = f"/organisation/difference?on={DAY}&known_then={known_then}"
    answer = network.get(f"{path}&post=O2-head")
    found = answer.json()
    (one,) = found["differences"]

    assert answer.status_code == 200, answer.text
    assert (one["kind"], one["key"], one["change"]) == ("post", "O2-head", "changed")
    assert {"field": "person", "before": "O2-boss", "after": NEW} in one["fields"]
    assert [cause["type"] for cause in one["causes"]] == ["holder.relieved", "holder.appointed"]
    assert (one["each_alone"], one["weighed"], one["elsewhere"]) == (False, True, 0)
    assert found["names"]["persons"] == {"O2-boss": "李秀英", NEW: "新负责人"}
    assert found["then"]["position"] == known_then
    for cause in one["causes"]:
        assert known_then < cause["position"] <= found["as_of"]["position"]
        assert cause["effective_from"] == "2026-02-28T16:00:00Z"
        fact = network.get(f"/events/{cause['position']}").json()
        assert fact["leaf_hash"] == cause["leaf_hash"]


def test_a_subtree_differs_by_what_lies_in_it(network: Doors, known_then: int) -> None:
    """The unit above shows the post and both persons; another branch shows nothing of it."""
    path = f"/organisation/difference?on={DAY}&known_then={known_then}"
    above = network.get(f"{path}&unit=B1").json()
    beside = network.get(f"{path}&unit=B2").json()
    pages: list[Any] = []
    address = f"{path}&limit=1"
    while address:
        answer = network.get(address)
        pages += answer.json()["differences"]
        address = answer.headers.get("link", "").partition(">")[0].removeprefix("</api/v1/demo")

    told = [(one["kind"], one["key"]) for one in above["differences"]]
    assert told == [("person", NEW), ("person", "O2-boss"), ("post", "O2-head")]
    assert (beside["total"], beside["differences"]) == (0, [])
    assert pages == network.get(path).json()["differences"]
    assert len(pages) >= 3


def test_nothing_that_changes_the_answer(network: Doors, known_then: int) -> None:
    """A day before the facts took effect, and two moments with nothing between."""
    head = network.opened.recorder.head().position
    for query in (
        f"on=2026-02-20&known_then={known_then}&post=O2-head",
        f"on={DAY}&known_then={head}&known_at={head}",
        f"on={DAY}&known_then=0&known_at=0",
    ):
        found = network.get(f"/organisation/difference?{query}").json()
        assert (found["total"], found["differences"], found["next_cursor"]) == (0, [], None)


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("known_then=5", 400, None),
        ("on=2026-03-09", 400, None),
        ("on=yesterday&known_then=5", 422, "on"),
        ("on=2026-03-09&known_then=never", 422, "known_then"),
        ("on=2026-03-09&known_then=5&known_at=999999", 422, "known_at"),
        ("on=2026-03-09&known_then=50&known_at=40", 422, "known_then"),
        ("on=2026-03-09&known_then=5&unit=O1&post=O1-head", 422, "unit"),
        ("on=2026-03-09&known_then=5&limit=0", 400, None),
        ("on=2026-03-09&known_then=5&post=nobody", 404, None),
        ("on=2026-03-09&known_then=5&person=nobody", 404, None),
        ("on=2026-03-09&known_then=5&unit=nobody", 404, None),
    ],
)
def test_bad_questions_are_refused(
    network: Doors, query: str, status: int, field: str | None
) -> None:
    """Each with the field that is wrong."""
    answer = network.get(f"/organisation/difference?{query}")

    assert answer.status_code == status, answer.text
    if field is not None:
        assert [one["field"] for one in answer.json()["errors"]] == [field]


def test_a_bound_key_sees_no_fact_beyond_its_unit(network: Doors) -> None:
    """A superior that changed by a fact about a unit above: the difference shows, not the fact."""
    position = network.opened.recorder.head().position
    since = "2026-05-04T00:00:00+08:00"
    body = {"unit": "S3", "parent": "B1", "effective_from": since}
    assert network.post("/organisation/reparent-unit", body).status_code == 201
    project(network.opened)
    path = f"/organisation/difference?on=2026-05-10&known_then={position}"

    whole = network.get(f"{path}&post=S3-head").json()["differences"][0]
    within = network.get(f"{path}&unit=S3", unit="S3").json()["differences"]
    outlet = network.get(path, unit="O6").json()["differences"]
    outside = network.get(f"{path}&post=S3-head", unit="O6")

    assert [cause["type"] for cause in whole["causes"]] == ["unit.reparented"]
    assert {(one["kind"], one["key"]) for one in within} == {("unit", "S3"), ("post", "S3-head")}
    assert outlet == []
    assert outside.status_code == 404


def test_causes_outside_of_the_key_are_counted_only(network: Doors) -> None:
    """The outlet's superior is gone because of a fact about the unit above, which is not shown."""
    since = {"post": "S2-head", "effective_from": "2026-05-04T00:00:00+08:00"}
    gone = {**since, "person": "S2-boss", "cause": "transferred"}
    assert network.post("/organisation/relieve-holder", gone).status_code == 201
    position = network.opened.recorder.head().position
    answer = network.post("/organisation/abolish-post", since)
    assert answer.status_code == 201, answer.text
    project(network.opened)
    path = f"/organisation/difference?on=2026-05-10&known_then={position}&post=O4-head"

    whole = network.get(path).json()["differences"][0]
    bound = network.get(path, unit="O4").json()["differences"][0]

    assert {one["field"] for one in whole["fields"]} == {"superior"}
    assert ([one["type"] for one in whole["causes"]], whole["elsewhere"]) == (["post.abolished"], 0)
    assert (bound["causes"], bound["elsewhere"]) == ([], 1)


def test_the_command_tells_the_same(
    network: Doors,
    known_then: int,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """`ledger org --on D --as-of X --and Y`: the same answer and hash; in words, each cause."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", network.opened.database.url)
    monkeypatch.setenv("LEDGER_HOME", str(Path(network.ledgers.settings.home)))
    monkeypatch.setenv("LEDGER_NAME", "demo")
    until = network.opened.recorder.head().position
    asked = ("--on", DAY, "--as-of", str(known_then), "--and", str(until))

    def run(*arguments: str) -> tuple[int, str, str]:
        capfdbinary.readouterr()
        status = cli.run(["org", *arguments])
        captured = capfdbinary.readouterr()
        return status, captured.out.decode(), captured.err.decode()

    path = f"/organisation/difference?on={DAY}&known_then={known_then}&known_at={until}"
    answer = network.get(f"{path}&post=O2-head").json()
    told = run(*asked, "--post", "O2-head", "--json")
    words = run(*asked, "--post", "O2-head", "--language", "en")[1]
    nothing = run("--on", "2026-02-20", *asked[2:], "--post", "O2-head")[1]
    monkeypatch.setattr(printing, "PIPE_WIDTH", 40)
    narrow = run(*asked, "--post", "O2-head", "--language", "en")[1].splitlines()

    assert msgspec.json.decode(told[1])["as_of"]["hash"] == answer["as_of"]["hash"]
    assert "person: O2-boss -> " + NEW in words
    for cause in answer["differences"][0]["causes"]:
        assert cause["leaf_hash"] in words
        assert cause["event"] in words
        assert any(cause["event"] in one and cause["leaf_hash"] in one for one in narrow)
    assert "without all of these together the earlier answer would still hold" in words
    assert "nothing arrived between that changes the answer" in nothing
    for wrong in (
        ("--on", DAY, "--and", "5"),
        ("--as-of", "5", "--and", "9"),
        ("--post", "O2-head"),
        (*asked, "--post", "O2-head", "--unit", "O2"),
    ):
        assert run(*wrong)[0] == 2
    assert run("--on", DAY, "--as-of", "9", "--and", "5")[0] == 1
