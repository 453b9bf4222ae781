"""Answers that can be cited: every read, asked again of the same moment, is the same to the byte.

Every read route of the schema is walked on the small demonstration. What must not matter happens
in between: more facts, backdated ones too, another name for somebody, a run of the clock, a
rebuild of the views, a restart. Only an erasure may change an answer (docs/erasure.md).
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.clock import Clock
from ledger.database import Database
from tests.demonstrating import settings
from tests.visiting import Doors, doors, fresh_database, project

BRANCH, UNIT, OUTLET, POST = "B51", "S5105", "O510502", "O510502-head"
OBLIGATION = "outlet-weekly.O510502.2026W36"
PERIOD = "2026W30..2026W38"

MOMENTS = ("3000", "2026-09-10T03:00:00Z", "3000@2026-09-21T03:00:00Z", "{head}")
"""As of a position, of a settled time, of both, and of the last fact."""

EXAMPLES: dict[str, tuple[str, ...]] = {
    "/who-failed": (f"?period={PERIOD}&unit={BRANCH}", "?period=2026W30..2026W36&limit=7"),
    "/obligations": (f"?period=2026W36&unit={BRANCH}", "?period=2026W34..2026W36&limit=50"),
    "/matrix": (f"?duty=outlet-weekly&period={PERIOD}&unit={BRANCH}&limit=20",),
    "/units/{unit}": (f"/units/{UNIT}", f"/units/{OUTLET}"),
    "/units/{unit}/status": (f"/units/{UNIT}/status", f"/units/{OUTLET}/status"),
    "/posts/{post}": (f"/posts/{POST}",),
    "/obligations/{obligation}": (f"/obligations/{OBLIGATION}",),
    "/obligations/{obligation}/verdict": (f"/obligations/{OBLIGATION}/verdict",),
    "/obligations/{obligation}/trace": (f"/obligations/{OBLIGATION}/trace",),
    "/organisation": ("?depth=9", f"?unit={BRANCH}&on=2026-08-01&depth=2&ended=true"),
    "/duties": ("",),
    "/duties/{duty}": ("/duties/outlet-weekly",),
    "/forms/{form}": ("/forms/weekly",),
    "/calendar": ("",),
    "/timeline/{subject}": (
        f"/timeline/unit:{OUTLET}?limit=9",
        f"/timeline/post:{POST}?order=newest&limit=2",
    ),
    "/events": (f"?subject=unit:{OUTLET}&limit=20", "?type=holder.appointed&order=newest&limit=50"),
    "/events/{event}": ("/events/306",),
    "/replay": (f"?subject=unit:{OUTLET}&after=700", f"?unit={UNIT}&at=2500", "?before=2000"),
    "/compare": (
        f"?from=2026-08-31T16:00:00Z&to={{moment}}&unit={UNIT}&limit=40",
        "?from=2700&to={moment}&limit=100",
    ),
    "/organisation/difference": (
        "?on=2026-09-01&known_then=2300&known_at={moment}&limit=2",
        f"?on=2026-09-01&known_then=2300&known_at={{moment}}&unit={UNIT}",
    ),
    "/persons/{person}": ("/persons/{holder}",),
    "/views": ("",),
    "/views/{table}": ("/views/post?limit=100", f"/views/obligation?where=unit={OUTLET}"),
}
"""What is asked of each read route; a new route needs a line here."""


def hash_of(body: bytes) -> str:
    """The hash as an auditor takes it: without `as_of` and the page's cursor, compact, SHA-256."""
    content = json.loads(body)
    for name in ("as_of", "next_cursor", "next"):
        content.pop(name, None)
    compact = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(compact.encode()).hexdigest()


@contextmanager
def opened(database: Database, home: Path) -> Iterator[Doors]:
    """The demonstration behind its doors, in what might be another process."""
    with doors(database, home, told=False) as found:
        yield found


@pytest.fixture(scope="module")
def database(server_url: str, demonstration_template: str) -> Iterator[Database]:
    """The small demonstration in a database of this module's own."""
    with fresh_database(server_url, demonstration_template) as found:
        yield found


@pytest.fixture(scope="module")
def home(demonstration_template: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demonstration's keys, so that what is sealed here stays here."""
    assert demonstration_template, "the demonstration was loaded, and its keys are there"
    return Path(shutil.copytree(settings().home, tmp_path_factory.mktemp("citing") / "home"))


def judged_routes(network: Doors) -> dict[str, dict[str, Any]]:
    """Every read route whose answer is as of a moment, below the ledger's address."""
    document = network.client.get("/schema/openapi.json").json()
    return {
        path.removeprefix("/api/v1/{ledger}"): item["get"]
        for path, item in document["paths"].items()
        if "get" in item and "Ledger-Hash" in item["get"]["responses"]["200"].get("headers", ())
    }


def addresses(network: Doors) -> list[str]:
    """Every example of every read route, at every moment."""
    head = network.opened.recorder.head().position
    (unit,) = network.get(f"/organisation?unit={BRANCH}&depth=0").json()["units"]
    holder = next(post["person"] for post in unit["posts"] if post["person"])
    found = []
    for template, examples in EXAMPLES.items():
        for example in examples:
            path = example if example.startswith("/") else template + example
            if "{moment}" not in path:
                path += ("&" if "?" in path else "?") + "as_of={moment}"
            moments = (moment.format(head=head) for moment in MOMENTS)
            found += [path.format(moment=moment, holder=holder) for moment in moments]
    return found


def pages(network: Doors, address: str) -> list[Any]:
    """The answer and all that follow it."""
    found = [network.get(address)]
    while following := found[-1].headers.get("link", "").partition(">")[0]:
        found.append(network.get(following.removeprefix("</api/v1/demo")))
    return found


def walk(network: Doors, asked: list[str]) -> dict[str, list[Any]]:
    """Every page of every answer, each checked against its own hash."""
    found = {address: pages(network, address) for address in asked}
    for address, answers in found.items():
        for answer in answers:
            assert answer.status_code == 200, (address, answer.text)
            as_of = answer.json()["as_of"]
            assert as_of["ledger"] == "demo"
            assert as_of["hash"] == answer.headers["ledger-hash"] == hash_of(answer.content)
            assert str(as_of["position"]) == answer.headers["ledger-position"]
            assert as_of["settled"], address
            assert as_of["views"]
    return found


def disturb(network: Doors, *, first: bool = True) -> None:
    """More facts: new names, backdated changes on both lines, and five days of the clock."""
    since = "2026-08-03T00:00:00+08:00"
    commands: list[tuple[str, dict[str, Any]]] = [
        ("rename-unit", {"unit": UNIT, "name_zh": "新名", "name_en": "New name"}),
        ("rename-unit", {"unit": BRANCH, "name_zh": "改", "name_en": "X", "effective_from": since}),
    ]
    person = "9f2c4c1f7a5e4a0fb1d5a1c2e3f40516"
    if first:
        appointed = {"post": POST, "person": person, "effective_from": since, "by": "S5105-head"}
        commands += [
            ("register-person", {"person": person, "name": "新人"}),
            ("appoint-holder", appointed),
        ]
    for command, body in commands:
        answer = network.post(f"/organisation/{command}", body)
        assert answer.status_code == 201, answer.text
    Clock(network.opened.log).tick(network.opened.clock.now() + timedelta(days=5))
    project(network.opened)


def test_every_answer_is_the_same_when_it_is_asked_again(database: Database, home: Path) -> None:
    """After more facts, a run of the clock, a rebuild and a restart: byte for byte, every page."""
    with opened(database, home) as network:
        assert set(EXAMPLES) == set(judged_routes(network))
        asked = addresses(network)
        before = walk(network, asked)
        assert sum(len(answers) > 1 for answers in before.values()) >= 8
        disturb(network)
        after = walk(network, asked)
    rebuild(database, home)
    with opened(database, home) as network:
        rebuilt = walk(network, asked)

    for again in (after, rebuilt):
        differ = [
            address
            for address, answers in before.items()
            if [one.content for one in answers] != [one.content for one in again[address]]
        ]
        assert differ == []


def test_now_is_asked_for_again_by_position_and_instant(database: Database, home: Path) -> None:
    """What was answered now has the same content as of its position and instant together."""
    paths = [
        f"/who-failed?period=2026W30..2026W44&unit={BRANCH}",
        f"/units/{OUTLET}/status",
        f"/organisation?unit={UNIT}",
        "/duties",
    ]
    with opened(database, home) as network:
        now = [network.get(path) for path in paths]
        disturb(network, first=False)
        for path, answer in zip(paths, now, strict=True):
            said = answer.json()["as_of"]
            moment = f"{said['position']}@{answer.headers['ledger-as-of']}"
            join = "&" if "?" in path else "?"
            again = network.get(f"{path}{join}as_of={moment}")

            assert not said["settled"]
            assert again.json()["as_of"]["settled"]
            assert again.headers["ledger-hash"] == answer.headers["ledger-hash"]
            assert again.json() | {"as_of": None} == answer.json() | {"as_of": None}


def test_the_command_line_cites_the_same_hash(database: Database, home: Path) -> None:
    """The same question in another process, as JSON and in the last line of a table."""
    asked = ("--period", "2026W36", "--unit", BRANCH, "--as-of", "3000")
    with opened(database, home) as network:
        answer = network.get(f"/who-failed?period=2026W36&unit={BRANCH}&as_of=3000")
    told = json.loads(command(database, home, "who-failed", *asked, "--json"))
    last = command(database, home, "who-failed", *asked).decode().splitlines()[-1]
    as_of = answer.json()["as_of"]

    assert told["as_of"] == as_of
    assert as_of["hash"] == answer.headers["ledger-hash"]
    assert last == (
        "as of position 3,000 of ledger demo, 2026-09-16 10:00 (settled); --as-of "
        f"3000@{answer.headers['ledger-as-of']}; views: "
        + ", ".join(f"{name} {version}" for name, version in sorted(as_of["views"].items()))
        + f"; sha256 {as_of['hash']}"
    )


def test_a_name_is_the_one_known_then(database: Database, home: Path) -> None:
    """Nobody had a name before the fact that registered it."""
    person = "1f2c4c1f7a5e4a0fb1d5a1c2e3f40516"
    with opened(database, home) as network:
        named = {"person": person, "name": "后来登记"}
        answer = network.post("/organisation/register-person", named)
        assert answer.status_code == 201, answer.text
        project(network.opened)
        position = answer.json()["position"]
        with network.opened.questions.at(position - 1) as here:
            assert network.opened.names_of(here, [person]) == {}
        with network.opened.questions.at(position) as here:
            assert network.opened.names_of(here, [person]) == {person: "后来登记"}


def test_an_etag_follows_the_content(database: Database, home: Path) -> None:
    """Asked again now, what has not changed is not sent again, though the instant is another."""
    with opened(database, home) as network:
        first = network.get("/duties")
        same = network.get("/duties", headers={"if-none-match": first.headers["etag"]})

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["ledger-as-of"] > first.headers["ledger-as-of"]


@pytest.mark.parametrize(
    "moment",
    [
        "3000@",
        "@2026-09-10T03:00:00Z",
        "3000@2026-09-10",
        "999999@2026-09-10T03:00:00Z",
        "3000@2199-01-01T00:00:00Z",
        "3000@2026-09-10T03:00:00Z@1",
        "-1@2026-09-10T03:00:00Z",
    ],
)
def test_a_moment_that_is_none_is_refused(database: Database, home: Path, moment: str) -> None:
    """Half a moment, one that has not come, or one beyond the ledger: named as a bad `as_of`."""
    with opened(database, home) as network:
        answer = network.get("/duties", params={"as_of": moment})

    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == ["as_of"]


def rebuild(database: Database, home: Path) -> None:
    """Every view from the first fact, by the command, in a process of its own."""
    command(database, home, "rebuild", "--all", "--json")


def command(database: Database, home: Path, *arguments: str) -> bytes:
    """What a command prints, in a process of its own."""
    environ = {
        "LEDGER_DATABASE_URL": database.url,
        "LEDGER_HOME": str(home),
        "LEDGER_NAME": "demo",
        "PATH": "/usr/bin:/bin",
    }
    run = [str(Path(sys.executable).parent / "ledger"), *arguments]
    return subprocess.run(run, env=environ, check=True, capture_output=True).stdout
