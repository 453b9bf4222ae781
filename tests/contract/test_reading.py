"""What every read promises: its moment, pages that hold together, conditional GET."""

import hashlib
import json
import threading
from typing import Any

import msgspec
import pytest

from api.visits import MIN_POSITION_WAIT_SECONDS
from tests.timekeeping import wall
from tests.visiting import Doors, project

READS = (
    "/who-failed?period=2026W10..2026W16",
    "/obligations?period=2026W14",
    "/matrix?duty=weekly&period=2026W10..2026W16",
    "/obligations/weekly.O3.2026W13",
    "/obligations/weekly.O3.2026W13/verdict",
    "/obligations/weekly.O3.2026W13/trace",
    "/units/O1",
    "/units/O1/status",
    "/posts/O3-head",
    "/organisation?depth=9",
    "/duties",
    "/duties/weekly",
    "/forms/weekly",
    "/calendar",
    "/events?subject=unit:O1",
    "/events/17",
    "/timeline/obligation:weekly.O3.2026W13",
)
AS_OF = "2026-05-15T12:00:00+08:00"


@pytest.mark.parametrize("path", READS)
def test_every_read_says_what_it_is_as_of(network: Doors, path: str) -> None:
    """Position and instant, now and in the past; the past is asked by time or position alike."""
    join = "&" if "?" in path else "?"

    now = network.get(path)
    then = network.get(f"{path}{join}as_of={AS_OF.replace('+', '%2B')}")
    position = then.headers["ledger-position"]
    same = network.get(f"{path}{join}as_of={position}")

    head = network.opened.recorder.head().position
    assert (now.status_code, now.headers["ledger-position"]) == (200, str(head))
    assert then.headers["ledger-as-of"] == "2026-05-15T04:00:00.000000Z"
    assert int(position) < head
    assert (same.status_code, same.headers["ledger-position"]) == (200, position)


def test_the_past_answers_what_was_known(network: Doors) -> None:
    """The closing of O5 in April was recorded in May: before that its weeks were missed."""
    path = "/obligations?period=2026W18..2026W18&unit=O5"

    def outcomes(suffix: str) -> list[str]:
        return [one["outcome"] for one in network.get(path + suffix).json()["obligations"]]

    assert outcomes("&as_of=2026-05-19T12:00:00Z") == ["missed"]
    assert outcomes("") == ["not_expected"]


def test_hash_of_the_bytes_shown(network: Doors) -> None:
    """An entry stands in the answer byte for byte: its hash can be taken from the answer."""
    body = network.get("/events?limit=50").content
    shown = msgspec.json.decode(body)["events"]

    for one in shown:
        start = body.index(b'"entry":{"position":%d,' % one["position"]) + len(b'"entry":')
        stored = network.opened.recorder.read(
            after=one["position"] - 1, until=one["position"], limit=1
        ).events[0]
        entry = body[start : start + len(stored.entry)]

        assert hashlib.sha256(b"\0" + entry).hexdigest() == one["leaf_hash"]


PAGED = {
    "/who-failed?period=2026W01..2026W25": ("failures", "next_cursor", "obligation"),
    "/obligations?period=2026W01..2026W25": ("obligations", "next_cursor", None),
    "/matrix?duty=weekly&period=2026W01..2026W25": ("rows", "next_cursor", "unit"),
    "/events?subject=unit:O1": ("events", "next", "position"),
    "/events?subject=unit:O1&order=newest": ("events", "next", "position"),
    "/timeline/unit:O1?order=newest": ("events", "next_cursor", "position"),
    "/timeline/unit:O1?order=oldest": ("events", "next_cursor", "position"),
}


@pytest.mark.parametrize("path", PAGED)
def test_pages_together_are_the_whole(network: Doors, path: str) -> None:
    """Small pages, followed by their links, are the one large page: nothing twice, none missing."""
    rows, following, _ = PAGED[path]
    whole = network.get(f"{path}&limit=500").json()[rows]
    found: list[Any] = []
    address = f"{path}&limit=3"
    positions = set()
    while address:
        answer = network.get(address)
        found += answer.json()[rows]
        positions.add(answer.headers["ledger-position"])
        link = answer.headers.get("link", "")
        assert bool(link) == (answer.json()[following] is not None)
        address = link.partition(">")[0].removeprefix("</api/v1/demo")

    assert found == whole
    assert len(found) > 3
    assert len(positions) == 1


def test_a_cursor_is_bound_to_its_question(network: Doors) -> None:
    """Another filter, another address, a changed letter: the cursor is refused, not misread."""
    path = "/who-failed?period=2026W01..2026W25&limit=3"
    cursor = network.get(path).json()["next_cursor"]
    changed = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    statuses = [
        network.get(f"{path}&cursor={cursor}").status_code,
        network.get(f"{path}&cursor={changed}").status_code,
        network.get(f"{path}&unit=B1&cursor={cursor}").status_code,
        network.get(f"/obligations?period=2026W01..2026W25&limit=3&cursor={cursor}").status_code,
        network.get(f"{path}&cursor={cursor}", unit="B1").status_code,
    ]

    assert statuses == [200, 400, 400, 400, 400]


def test_pages_keep_the_moment_of_the_first(network: Doors) -> None:
    """A fact recorded between two pages does not shift the second."""
    path = "/obligations?period=2026W01..2026W25&limit=5"
    first = network.get(path)
    cursor = first.json()["next_cursor"]
    before = network.get(f"{path}&cursor={cursor}").json()
    network.post(
        "/organisation/rename-unit", {"unit": "S3", "name_zh": "南京", "name_en": "Nanjing"}
    )
    project(network.opened)

    after = network.get(f"{path}&cursor={cursor}").json()

    assert after["as_of"]["position"] == first.json()["as_of"]["position"]
    assert after["as_of"]["instant"] == first.json()["as_of"]["instant"]
    assert after["obligations"] == before["obligations"]


def test_reading_ones_own_write(network: Doors) -> None:
    """`min_position` waits until the views have seen a receipt; if they do not, it says so."""
    written = network.post(
        "/organisation/rename-unit", {"unit": "S2", "name_zh": "宁波", "name_en": "Ningbo"}
    ).json()
    path = f"/units/S2?min_position={written['position']}"
    behind = network.get(path)
    late = threading.Timer(MIN_POSITION_WAIT_SECONDS / 4, project, (network.opened,))
    late.start()
    waited = network.get(path)
    late.join()

    assert (behind.status_code, behind.headers["retry-after"]) == (503, "1")
    assert behind.json()["type"] == "/problems/not-yet-there"
    assert waited.status_code == 200
    assert waited.json()["names"][-1]["name_en"] == "Ningbo"


def test_conditional_reads(network: Doors) -> None:
    """What has not changed is not sent again; what names persons is never kept."""
    first = network.get("/duties/weekly")
    again = network.get(
        "/duties/weekly", headers={"if-none-match": f'"x", {first.headers["etag"]}'}
    )
    personal = network.get("/obligations/weekly.O3.2026W13/trace")

    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "private, no-cache"
    assert personal.headers["cache-control"] == "no-store"
    assert "etag" not in personal.headers


def test_head_is_get_without_its_body(network: Doors) -> None:
    """The same headers, no body, on every read."""
    path = "/api/v1/demo/duties/weekly"

    got = network.client.get(path, headers=network.key())
    head = network.client.head(path, headers=network.key())

    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "etag", "ledger-position"):
        assert head.headers[name] == got.headers[name]


def test_the_organisation_on_a_date(network: Doors) -> None:
    """`on` says what was in force, `as_of` what was known of it."""

    def units(query: str) -> set[str]:
        answer = network.get(f"/organisation?depth=9{query}").json()
        return {one["unit"] for one in answer["units"]}

    assert "O5" not in units("&on=2026-05-01")
    assert "O5" in units("&on=2026-04-20")
    assert "O5" in units("&on=2026-05-01&as_of=2026-05-10T00:00:00Z")


def test_a_verdict_is_the_same_wherever_it_is_read(network: Doors) -> None:
    """Verdict, trace and who-failed tell one story."""
    obligation = "weekly.O3.2026W13"
    at = "as_of=2026-06-01T00:00:00Z"
    verdict = network.get(f"/obligations/{obligation}/verdict?{at}").json()
    verdict.pop("as_of")
    trace = network.get(f"/obligations/{obligation}/trace?{at}").json()
    failures = network.get(f"/who-failed?period=2026W13&{at}").json()["failures"]
    (failure,) = (one for one in failures if one["obligation"] == obligation)

    assert trace["verdict"] == verdict
    assert failure["persons"] == verdict["attribution"]["persons"]
    assert json.dumps(failure["basis"]) == json.dumps(verdict["basis"])


def test_the_clock_of_a_simulated_ledger_goes_on(network: Doors) -> None:
    """Now is after the last fact of the story, not the world's now."""
    instant = network.get("/duties").headers["ledger-as-of"]

    assert instant >= "2026-06-2"
    assert network.opened.clock.now() < wall("2026-07-15")
