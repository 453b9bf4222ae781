"""Proofs over HTTP, checked by a stranger's verifier; and receipts, before any checkpoint."""

import uuid
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.auditing import (
    checkpoint_of,
    is_consistent,
    is_included,
    proof_of,
    root_over,
    sha256,
)
from tests.visiting import Doors, doors, fresh_database, project, seal

SIZES = (1, 2, 3, 7, 8, 127, 128, 129, 255, 256, 257, 258, 300)


class Log(NamedTuple):
    """A ledger whose log is sealed to its head."""

    doors: Doors
    vkey: str
    leaves: list[bytes]

    @property
    def size(self) -> int:
        """How many facts it has."""
        return len(self.leaves)

    def root(self, size: int) -> bytes:
        """The root that the log had at a size, from the entries themselves."""
        return root_over(self.leaves[:size])

    def get(self, path: str, role: str = "auditor", **given: Any) -> Any:
        """Ask below the ledger's address."""
        return self.doors.get(path, role, **given)


@pytest.fixture(scope="module")
def log(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """The network, sealed."""
    home: Path = tmp_path_factory.mktemp("home")
    with fresh_database(server_url, template) as database, doors(database, home) as opened:
        seal(opened.opened)
        (key,) = opened.opened.log_keys.verifiers()
        entries = [one.entry for page in opened.opened.recorder.stream() for one in page]
        assert len(entries) > max(SIZES), "the network has full tiles"
        yield Log(opened, key.vkey(), [sha256(b"\x00" + one) for one in entries])


def test_every_fact_has_its_proof(log: Log) -> None:
    """Whatever stands in the log is proved to do so, by its entry and the log's key alone."""
    root = log.root(log.size)
    for position in (1, 2, 3, 255, 256, 257, 258, log.size - 1, log.size):
        answer = log.get(f"/events/{position}/proof")
        place, path, note = proof_of(answer.text)
        tree = checkpoint_of(note, log.vkey)

        assert answer.status_code == 200, position
        assert (place, tree.size, tree.root) == (position - 1, log.size, root)
        assert is_included(place, tree.size, log.leaves[place], path, tree.root), position
        assert not is_included(place, tree.size, log.leaves[place - 1], path, tree.root)


def test_a_proof_is_a_file(log: Log) -> None:
    """Plain text under a name that says what it proves; another checkpoint makes another."""
    answer = log.get("/events/17/proof")

    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="demo-17.tlog-proof"'
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["ledger-position"] == str(log.size)
    assert answer.text.endswith(log.doors.client.get("/log/demo/checkpoint").text)


def test_a_fact_is_named_by_its_id_as_well(log: Log) -> None:
    """By position and by id, the same proof."""
    event_id = log.get("/events/17").json()["entry"]["id"]

    assert log.get(f"/events/{event_id}/proof").text == log.get("/events/17/proof").text


def test_what_is_not_there_has_no_proof(log: Log) -> None:
    """Beyond the head, before the first, unknown ids, and words."""
    places = (0, -1, log.size + 1_000_000, 2**63, 10**30, uuid.uuid4(), "abc", "%00", "1%0A", "１")
    answers = {place: log.get(f"/events/{place}/proof") for place in places}

    assert {place: one.status_code for place, one in answers.items()} == {
        place: 400 if place in {"%00", "1%0A"} else 404 for place in places
    }
    assert all("retry-after" not in one.headers for one in answers.values())


def test_a_bound_key_gets_proofs_of_what_it_sees(log: Log) -> None:
    """A fact outside of the unit is answered as if there were none, by position and by id."""
    seen = {
        position
        for position in range(1, log.size + 1, 7)
        if log.get(f"/events/{position}", unit="S3").status_code == 200
    }
    proved = {
        position
        for position in range(1, log.size + 1, 7)
        if log.get(f"/events/{position}/proof", unit="S3").status_code == 200
    }

    assert proved == seen
    assert 0 < len(seen) < log.size // 7


def test_what_is_recorded_and_not_yet_sealed(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It says to come back in a second, and then the proof is there."""
    home: Path = tmp_path_factory.mktemp("home")
    with (
        fresh_database(server_url, template) as database,
        doors(database, home, told=False) as opened,
    ):
        project(opened.opened)
        before = opened.get("/log").json()
        early = [opened.get(f"/events/{place}/proof") for place in (1, 2)]
        growth = opened.get("/log/consistency?from=0")
        seal(opened.opened)
        sealed = opened.get("/events/1/proof")
        (key,) = opened.opened.log_keys.verifiers()

    assert (before["newest"], before["log_keys"]) == (None, [])
    for answer in (early[0], growth):
        assert (answer.status_code, answer.headers["retry-after"]) == (404, "1")
        assert answer.json()["type"] == "/problems/not-sealed-yet"
    assert (early[1].status_code, early[1].json()["type"]) == (404, "/problems/not-found")
    assert sealed.status_code == 200
    assert checkpoint_of(proof_of(sealed.text).checkpoint, key.vkey()).size == 1


def test_any_two_sizes_are_consistent(log: Log) -> None:
    """The proof leads from the earlier root to the later one, whether either was ever signed."""
    sizes = (*SIZES, log.size - 1, log.size)
    for first in sizes:
        for second in (one for one in sizes if one >= first):
            answer = log.get(f"/log/consistency?from={first}&to={second}").json()
            roots = [b64decode(answer[end]["root"]) for end in ("from", "to")]
            path = [b64decode(one) for one in answer["proof"]]

            assert (answer["from"]["size"], answer["to"]["size"]) == (first, second)
            assert roots == [log.root(first), log.root(second)]
            assert is_consistent((first, second), (roots[0], roots[1]), path), (first, second)


def test_consistency_with_the_newest(log: Log) -> None:
    """Without `to` it is the newest checkpoint's size; the empty log begins every log."""
    newest = log.get("/log/consistency?from=100")
    empty = log.get("/log/consistency?from=0&to=0").json()
    from_nothing = log.get("/log/consistency?from=0").json()

    assert newest.json()["to"]["size"] == log.size
    assert newest.headers["ledger-position"] == str(log.size)
    assert (empty["from"], empty["proof"]) == (empty["to"], [])
    assert b64decode(empty["to"]["root"]) == sha256(b"")
    assert from_nothing["proof"] == []


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 400, None),
        ("?to=3", 400, None),
        ("?from=x", 400, "from"),
        ("?from=-1", 400, "from"),
        ("?from=1&from=2", 400, "from"),
        ("?from=1&size=2", 400, "size"),
        ("?from=9007199254740993", 400, "from"),
        (f"?from={'9' * 5_000}", 400, "from"),
        ("?from=3&to=2", 422, "from"),
        ("?from=3&to=1000000", 422, "to"),
        ("?from=1000000", 422, "from"),
    ],
)
def test_sizes_that_make_no_sense(log: Log, query: str, status: int, field: str | None) -> None:
    """Refused by name, and what is possible is said."""
    answer = log.get(f"/log/consistency{query}")

    assert answer.status_code == status
    assert field in {None, *(one["field"] for one in answer.json().get("errors", ()))}


def test_the_log_says_who_it_is(log: Log) -> None:
    """Name, keys and newest size, and that the keys must be had from elsewhere too."""
    answer = log.get("/log", "dashboard").json()
    tree = checkpoint_of(log.doors.client.get("/log/demo/checkpoint").text, log.vkey)

    assert answer["origin"] == tree.origin == "localhost/ledger/simulated/demo"
    assert answer["log_keys"] == [log.vkey]
    assert [one.split("+")[0] for one in answer["receipt_keys"]] == [f"{tree.origin}/receipts"]
    assert answer["newest"]["size"] == tree.size
    assert b64decode(answer["newest"]["root"]) == tree.root
    assert "elsewhere" in answer["warning"]


def test_two_keys_during_a_rotation(log: Log) -> None:
    """Both are shown, and either verifies the next checkpoint."""
    opened = log.doors.opened
    older, newer = (key.vkey() for key in opened.log_keys.rotate())
    log.doors.post("/organisation/rename-unit", {"unit": "S3", "name_zh": "南", "name_en": "N"})
    seal(opened)
    shown = log.get("/log").json()["log_keys"]
    note = proof_of(log.get("/events/1/proof").text).checkpoint

    assert shown == [older, newer]
    assert checkpoint_of(note, older) == checkpoint_of(note, newer)
