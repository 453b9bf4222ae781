"""Replay, comparison and views through the API: what they show, to whom, and what they refuse."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.database import Database
from ledger.entry import Context
from ledger.erasure import Erasure
from ledger.identifiers import new_fact_id
from ledger.vocabulary import Actor, Via
from tests.visiting import Doors, doors, project

OWN = "B1"
BEFORE, AFTER = "2026-03-20T00:00:00+08:00", "2026-04-20T00:00:00+08:00"


def walk(doors: Doors, path: str, role: str = "auditor", **given: Any) -> Iterator[dict[str, Any]]:
    """Every step of a selection, forwards."""
    joint = "&" if "?" in path else "?"
    after: int | None = 0
    while after is not None:
        answer = doors.get(f"{path}{joint}after={after}", role, **given)
        assert answer.status_code == 200, answer.json()
        step = answer.json()
        if step["fact"] is None:
            return
        yield step
        assert step["next"] is None or step["next"] > step["fact"]["position"]
        after = None if step["next"] is None else step["fact"]["position"]


def pages(doors: Doors, path: str, role: str = "auditor", **given: Any) -> Iterator[dict[str, Any]]:
    """Every page of an answer."""
    cursor = ""
    while True:
        answer = doors.get(f"{path}{cursor}", role, **given)
        assert answer.status_code == 200, answer.json()
        yield answer.json()
        if (following := answer.json()["next_cursor"]) is None:
            assert "link" not in answer.headers
            return
        assert f"cursor={following}" in answer.headers["link"]
        cursor = f"&cursor={following}"


def test_a_step_shows_the_fact_and_what_it_changed(network: Doors) -> None:
    """The entry byte for byte with its hash, and each field of each row before and after."""
    answer = network.get("/replay?subject=obligation:weekly.O1.2026W08&after=0")
    first = answer.json()
    second = network.get(f"/replay?subject=obligation:weekly.O1.2026W08&after={first['next'] - 1}")

    assert (first["fact"]["type"], first["previous"]) == ("obligation.opened", None)
    (row,) = [one for one in first["changes"] if one["table"] == "obligation"]
    assert (row["view"], row["key"], row["change"]) == (
        "obligations",
        ["weekly.O1.2026W08"],
        "added",
    )
    assert {"field": "unit", "before": None, "after": "O1"} in row["fields"]
    assert answer.headers["ledger-position"] == str(first["fact"]["position"])
    assert len(answer.headers["ledger-hash"]) == 64
    body = second.content
    entry = body[body.index(b'"entry":') + 8 : body.index(b',"erased"')]
    assert hashlib.sha256(b"\0" + entry).hexdigest() == second.json()["fact"]["leaf_hash"]
    assert second.json()["previous"] == first["fact"]["position"]


def test_steps_go_both_ways_and_to_any_moment(network: Doors) -> None:
    """`at` is the last fact by then, a position or a time; what one walks meets everything once."""
    steps = list(walk(network, "/replay?unit=O1"))
    positions = [one["fact"]["position"] for one in steps]

    assert positions == sorted(set(positions))
    assert [one["previous"] for one in steps] == [None, *positions[:-1]]
    middle = len(positions) // 2
    for question, expected in (
        (f"at={positions[middle]}", middle),
        (f"at={positions[middle + 1] - 1}", middle),
        (f"at={steps[middle]['fact']['recorded_at']}", None),
        (f"before={positions[middle]}", middle - 1),
        (f"after={positions[middle]}", middle + 1),
        (f"at={positions[-1]}&as_of={positions[middle]}", middle),
    ):
        found = network.get(f"/replay?unit=O1&{question}").json()
        if expected is None:
            assert found["fact"]["recorded_at"] == steps[middle]["fact"]["recorded_at"]
        else:
            assert found["fact"]["position"] == positions[expected], question


def test_types_and_times_leave_out_the_rest(network: Doors) -> None:
    """As they do where the facts are listed."""
    path = f"?type=report.submitted&type=report.returned&since={BEFORE}".replace("+", "%2B")
    listed = network.get(f"/events{path}&subject=unit:O1&limit=500").json()["events"]
    steps = list(walk(network, f"/replay{path}&subject=unit:O1"))

    assert [one["fact"]["position"] for one in steps] == [one["position"] for one in listed]
    assert len(steps) > 5


@pytest.mark.parametrize(
    ("question", "previous", "following"),
    [
        ("subject=person:nobody", False, False),
        ("type=no.such.type", False, False),
        ("unit=O1&type=no.such.type", False, False),
        ("unit=O1&at=1", False, True),
        ("unit=O1&before=1", False, True),
        ("unit=O1&after=9007199254740991", True, False),
        ("unit=O1&as_of=1", False, False),
    ],
)
def test_where_no_fact_is(
    network: Doors, question: str, *, previous: bool, following: bool
) -> None:
    """An answer without a fact says whether there is one before, and one after."""
    if question == "unit=O1&as_of=1":
        assert network.get(f"/replay?{question}").status_code == 404
        return
    answer = network.get(f"/replay?{question}")

    found = answer.json()
    assert (answer.status_code, found["fact"], found["changes"]) == (200, None, [])
    assert (found["previous"] is not None, found["next"] is not None) == (previous, following)


def test_comparisons_show_rows_fields_and_causes(network: Doors) -> None:
    """A report that came, a due that passed, an appointment: each with what caused it."""
    path = f"/compare?from={BEFORE}&to={AFTER}&unit={OWN}&limit=7".replace("+", "%2B")
    found = list(pages(network, path))
    rows = [row for page in found for row in page["rows"]]

    assert len(found) > 3
    assert all(page["counts"] == found[0]["counts"] for page in found)
    assert len({(row["table"], *row["key"]) for row in rows}) == len(rows)
    counted = sum(
        one["added"] + one["changed"] + one["removed"] + one["judged_otherwise"]
        for one in found[0]["counts"]
    )
    assert counted == len(rows)
    by_key = {row["key"][0]: row for row in rows}
    reported = by_key["weekly.O1.2026W13"]
    assert [one["type"] for one in reported["causes"]][:2] == [
        "obligation.opened",
        "report.submitted",
    ]
    assert (reported["judged_before"], reported["by_time"]) == (None, False)
    missed = by_key["weekly.O1.2026W12"]
    assert missed["by_time"]
    assert [missed[one]["outcome"] for one in ("judged_before", "judged_after")] == [
        "pending",
        "missed",
    ]
    acting = by_key["O3-head"]
    assert "acting.appointed" in {one["type"] for one in acting["causes"]}
    for row in rows:
        assert row["by_time"] or row["causes"]
        for cause in row["causes"]:
            assert found[0]["since"]["position"] < cause["position"]


def test_a_cause_is_the_fact_itself(network: Doors) -> None:
    """Its position and its hash are those of the log."""
    row = network.get("/compare?from=1&to=40").json()["rows"][0]
    cause = row["causes"][0]
    fact = network.get(f"/events/{cause['position']}").json()

    assert fact["leaf_hash"] == cause["leaf_hash"]
    assert fact["entry"]["id"] == cause["event"]


def test_the_later_moment_comes_second(network: Doors) -> None:
    """Who mixes them up is told to exchange them."""
    answer = network.get("/compare?from=40&to=30")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "to"
    assert "exchange" in answer.json()["errors"][0]["message"]


def test_nothing_differs_from_itself(network: Doors) -> None:
    """One moment twice."""
    found = network.get("/compare?from=40&to=40").json()

    assert (found["rows"], found["counts"], found["next_cursor"]) == ([], [], None)


def test_views_say_what_can_be_asked_of_them(network: Doors) -> None:
    """Every table with its key and columns; each can be asked for."""
    tables = [table for view in network.get("/views").json()["views"] for table in view["tables"]]

    assert {one["table"] for one in tables} >= {"unit", "post", "person", "duty", "obligation"}
    for table in tables:
        found = network.get(f"/views/{table['table']}?limit=1").json()
        assert found["table"] == table["table"]
        if found["rows"]:
            columns = {column["name"] for column in table["columns"]}
            assert set(table["key"]) <= columns
            column = table["key"][0]
            value = found["rows"][0][column]
            again = network.get(f"/views/{table['table']}?where={column}={value}").json()
            assert again["rows"] == found["rows"]


def test_rows_of_a_view_are_those_of_the_moment(network: Doors) -> None:
    """Found by columns, page by page, as they were."""
    path = "/views/obligations?where=unit=O1&where=unit=O2&where=duty=weekly&limit=9"
    now = [row for page in pages(network, path) for row in page["rows"]]
    then = network.get(f"/views/obligation?where=unit=O1&as_of={BEFORE}".replace("+", "%2B")).json()

    assert len(now) == 54
    assert {row["unit"] for row in now} == {"O1", "O2"}
    assert [row["obligation"] for row in now] == sorted(row["obligation"] for row in now)
    assert {row["period"] for row in then["rows"]} < {row["period"] for row in now}
    assert all(row["period"] < "2026W13" for row in then["rows"])


REFUSED: dict[str, tuple[int, str]] = {
    "/replay?subject=unit:O1&unit=O1": (422, "unit"),
    "/replay?subject=planet:X": (422, "subject"),
    "/replay?subject=unit:": (422, "subject"),
    "/replay?subject=unit:O%0A1": (400, "subject"),
    "/replay?unit=NONE": (404, ""),
    "/replay?at=1&after=2": (400, "at"),
    "/replay?at=yesterday": (422, "at"),
    "/replay?at=999999999": (422, "at"),
    "/replay?at=2026-04-01T18:00:00": (422, "at"),
    "/replay?at=2999-01-01T00:00:00Z": (422, "at"),
    "/replay?after=-1": (400, "after"),
    "/replay?after=x": (400, "after"),
    "/replay?before=1.5": (400, "before"),
    "/replay?since=2026-04-01T18:00:00": (400, "since"),
    "/replay?until=never": (400, "until"),
    "/replay?as_of=9999999": (422, "as_of"),
    "/replay?" + "&".join(f"type=t{number}" for number in range(21)): (400, "type"),
    "/replay?unti=O1": (400, ""),
    "/compare": (400, "from"),
    "/compare?from=nothing": (422, "from"),
    "/compare?from=999999999": (422, "from"),
    "/compare?from=1&to=999999999": (422, "to"),
    "/compare?from=1&to=x": (422, "to"),
    "/compare?from=2999-01-01T00:00:00Z": (422, "from"),
    "/compare?from=1&limit=0": (400, "limit"),
    "/compare?from=1&limit=501": (400, "limit"),
    "/compare?from=1&unit=NONE": (404, ""),
    "/compare?from=1&cursor=AAAA": (400, "cursor"),
    "/views/nothing": (404, ""),
    "/views/organisation": (404, ""),
    "/views/post?where=unit": (422, "where"),
    "/views/post?where=title_en=Head": (422, "title_en"),
    "/views/obligation?where=period_end=april": (422, "period_end"),
    "/views/obligation?where=period_end=2026-02-30": (422, "period_end"),
    "/views/post?where=unit=%00": (400, "where"),
    "/views/post?limit=501": (400, "limit"),
    "/views/post?cursor=AAAA": (400, "cursor"),
    "/views/post?unit=NONE": (404, ""),
    "/views/" + "v" * 5_000: (404, ""),
}
"""Questions to their status, and the field that is named."""


@pytest.mark.parametrize("path", REFUSED)
def test_refusals(network: Doors, path: str) -> None:
    """Each is a problem that names what is wrong."""
    status, field = REFUSED[path]
    answer = network.get(path)

    assert answer.status_code == status, answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    named = json.dumps(answer.json())
    assert field in named


def test_a_cursor_of_another_question_is_refused(network: Doors) -> None:
    """A page goes on only where it began."""
    path = "/compare?from=1&to=400&limit=5"
    cursor = network.get(path).json()["next_cursor"]

    for other in ("/compare?from=2&to=400&limit=5", "/compare?from=1&limit=5"):
        assert network.get(f"{other}&cursor={cursor}").status_code == 400
    assert network.get(f"{path}&cursor={cursor}").status_code == 200


# --- Keys that are bound to a unit ---------------------------------------------------------------


def units_of(tags: list[str]) -> set[str]:
    """The units that a fact's tags name, themselves or by their posts and obligations."""
    found = set()
    for tag in tags:
        kind, _, key = tag.removeprefix("dossier:").partition(":")
        if kind in {"unit", "post"}:
            found.add(key.split("-", maxsplit=1)[0])
        elif kind == "obligation":
            found.add(key.split(".")[1])
    return found


WITHIN = {"B1", "S1", "S2", "T1", "O1", "O2", "O3", "O4", "O5"}


def unit_of(change: dict[str, Any]) -> str | None:
    """The unit that a row belongs to; None for what belongs to everybody."""
    table, key = change["table"], change["key"][0]
    if table == "obligation":
        return str(key.split(".")[1])
    if table in {"unit", "post", "person"}:
        return str(key.split("-")[0])
    return None


@pytest.mark.parametrize(
    "question", ["", "?unit=B1", "?unit=S1", "?subject=unit:O1", "?subject=duty:weekly"]
)
def test_a_bound_key_steps_through_its_subtree_alone(network: Doors, question: str) -> None:
    """No fact and no row of anywhere else, whatever is stepped through."""
    steps = list(walk(network, f"/replay{question}", "manager", unit=OWN))

    assert steps
    for step in steps:
        named = units_of(step["fact"]["entry"]["tags"])
        assert not named or named & WITHIN, step["fact"]
        owners = {unit_of(one) for one in step["changes"]} - {None}
        assert owners <= WITHIN, step


def test_a_bound_key_compares_its_subtree_alone(network: Doors) -> None:
    """Without a unit it means its own; no row of anywhere else differs for it."""
    path = "/compare?from=1&limit=500"
    own = [row for page in pages(network, path, unit=OWN) for row in page["rows"]]
    whole = [row for page in pages(network, f"{path}&unit={OWN}") for row in page["rows"]]

    assert own == whole
    assert {unit_of(row) for row in own} == WITHIN


def test_a_bound_key_sees_rows_of_its_subtree_alone(network: Doors) -> None:
    """In every view that has units, and everybody's in all others."""
    for table, everybody in (("unit", False), ("post", False), ("person", False), ("duty", True)):
        rows = network.get(f"/views/{table}?limit=500", unit=OWN).json()["rows"]
        all_rows = network.get(f"/views/{table}?limit=500").json()["rows"]
        if everybody:
            assert rows == all_rows
        else:
            assert {row[table].split("-")[0] for row in rows} == WITHIN
            assert len(rows) < len(all_rows)
    path = "/views/obligation?limit=500"
    owed = [row for page in pages(network, path, unit=OWN) for row in page["rows"]]
    assert {row["unit"] for row in owed} == {"O1", "O2", "O3", "O4", "O5"}
    elsewhere = network.get("/views/obligation?where=unit=O6", unit=OWN).json()
    assert elsewhere["rows"] == []


def test_a_dashboard_sees_no_rows(network: Doors) -> None:
    """Rows name the facts that they are made of, which a dashboard does not see."""
    statuses = [
        network.get(path, "dashboard").status_code
        for path in ("/replay", "/compare?from=1", "/views/unit", "/views")
    ]

    assert statuses == [403, 403, 403, 200]


def test_names_stay_sealed_in_rows_and_steps(network: Doors) -> None:
    """What a person is called is in no row and in no step, only what commits to it."""
    row = network.get("/views/person?where=person=O1-boss").content.decode()
    step = network.get("/replay?subject=person:O1-boss").content.decode()

    for text in (row, step):
        assert "commitment" in text
        assert "person" in text
        assert not any("\u4e00" <= character <= "\u9fff" for character in text)


@pytest.fixture
def own(database: Database, tmp_path: Path) -> Iterator[Doors]:
    """A network of this test's own, to record more in."""
    with doors(database, tmp_path) as opened:
        yield opened


def test_a_fact_about_two_branches_shows_each_its_own_row(own: Doors) -> None:
    """A typhoon closes an outlet here and one there: who is bound here sees the row here."""
    command = {
        "units": ["O1", "O6"],
        "document": "a typhoon",
        "day": "2026-07-01",
        "working": False,
    }
    receipt = own.post("/calendar/set-local-day", command).json()
    project(own.opened)
    position = receipt["receipts"][0]["position"]

    step = f"/replay?subject=unit:O1&at={position}"
    rows = {
        unit: {tuple(one["key"]) for one in own.get(step, unit=unit).json()["changes"]}
        for unit in (None, OWN)
    }

    assert rows[None] - rows[OWN] == {("O6",)}
    assert ("O1",) in rows[OWN]
    whole = own.get(f"/compare?from={position - 1}&to={position}").json()["rows"]
    bound = own.get(f"/compare?from={position - 1}&to={position}", unit=OWN).json()["rows"]
    assert {one["key"][0] for one in whole} > {"O1", "O6"}
    assert {unit_of(one) for one in bound} == {"O1"}


def test_the_erased_stay_erased_in_the_past(own: Doors) -> None:
    """A step of long ago says who was erased since, and by which fact."""
    opened = own.opened
    registered = own.get("/replay?subject=person:O1-boss").json()["fact"]
    context = Context(
        actor=Actor(via=Via.OPERATOR, system="operations"),
        received_at=opened.clock.now(),
        new_id=new_fact_id,
    )
    Erasure(opened.log, opened.sealed._keys, opened.sealed).erase("O1-boss", "requested", context)
    project(opened)

    step = own.get(f"/replay?subject=person:O1-boss&at={registered['position']}").json()
    head = opened.recorder.head().position

    assert registered["erased"] == {}
    assert step["fact"]["erased"] == {"O1-boss": head}
    assert step["fact"]["entry"] == registered["entry"]
