"""The log as files over HTTP: a stranger's reader fetches everything and recomputes the root."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import uvicorn
from litestar.testing import TestClient

from api.app import create_app
from api.ledgers import Ledgers
from tests.auditing import (
    address,
    checkpoint_of,
    fetch_entries,
    fetch_level,
    root_over,
    sha256,
)
from tests.visiting import Doors, doors, fresh_database, seal

TILES_KEPT = "public, max-age=31536000, immutable"
BUNDLES_KEPT = "private, max-age=31536000, immutable"


class Log(NamedTuple):
    """A ledger whose log was sealed twice, and where it is served."""

    doors: Doors
    vkey: str
    first: str
    """The earlier checkpoint."""
    size: int

    def get(self, path: str, **given: Any) -> Any:
        """Ask below the log's address without a key."""
        return self.doors.client.get(f"/log/demo/{path}", **given)

    def fetch(self, path: str) -> bytes:
        """A file, as an auditor of the whole ledger gets it."""
        answer = self.get(path, headers=self.doors.key("auditor"))
        assert answer.status_code == 200, (path, answer.text)
        content: bytes = answer.content
        return content


def rename(visited: Doors, times: int) -> None:
    """Facts to be sealed."""
    for number in range(times):
        name = {"unit": "S3", "name_zh": "南京", "name_en": f"Nanjing {number}"}
        assert visited.post("/organisation/rename-unit", name).status_code == 201


@pytest.fixture(scope="module")
def log(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """The network, sealed, and sealed again five facts later."""
    home: Path = tmp_path_factory.mktemp("home")
    with fresh_database(server_url, template) as database, doors(database, home) as opened:
        seal(opened.opened)
        first = opened.opened.log_folder.latest()
        assert first is not None
        rename(opened, 5)
        seal(opened.opened)
        (key,) = opened.opened.log_keys.verifiers()
        yield Log(opened, key.vkey(), first, opened.opened.recorder.head().position)


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """The application behind a real server; the port."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server starts"
            thread.join(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def as_public(log: Log) -> Ledgers:
    """The same ledger, served by somebody who made its log public."""
    settings = msgspec.structs.replace(log.doors.ledgers.settings, log_public=True)
    return Ledgers(log.doors.ledgers.database, settings)


def test_the_checkpoint(log: Log) -> None:
    """Anybody gets the newest signed note, as text that is never kept for long."""
    answer = log.get("checkpoint")
    tree = checkpoint_of(answer.text, log.vkey)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "max-age=1"
    assert (tree.origin, tree.size) == ("localhost/ledger/simulated/demo", log.size)
    assert checkpoint_of(log.first, log.vkey).size == log.size - 5


def test_an_unchanged_checkpoint_is_not_sent_again(log: Log) -> None:
    """Whoever has it is told so."""
    tag = log.get("checkpoint").headers["etag"]

    again = log.get("checkpoint", headers={"if-none-match": tag})

    assert (again.status_code, again.content) == (304, b"")


def test_a_stranger_recomputes_the_root(log: Log) -> None:
    """From bundles to leaves, from leaves to every level of tiles, to the signed root."""
    tree = checkpoint_of(log.get("checkpoint").text, log.vkey)
    entries = fetch_entries(log.fetch, tree.size)
    leaves = [sha256(b"\x00" + one) for one in entries]
    stored = [one.entry for page in log.doors.opened.recorder.stream() for one in page]
    whole = tree.size // 256

    assert tree.size > 256, "the network has full tiles"
    assert entries == stored
    assert fetch_level(log.fetch, 0, tree.size) == leaves
    assert fetch_level(log.fetch, 1, whole) == [
        root_over(leaves[at * 256 : at * 256 + 256]) for at in range(whole)
    ]
    assert root_over(leaves) == tree.root


def test_tiles_are_kept_for_ever(log: Log) -> None:
    """Hash tiles by anybody; entries, while the log is not public, by nobody in between."""
    answers = {path: log.get(path) for path in (address("0", 0), address("1", 0, log.size // 256))}
    bundle = log.get(address("entries", 0), headers=log.doors.key("auditor"))

    for path, answer in answers.items():
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["cache-control"] == TILES_KEPT
    assert len(answers[address("0", 0)].content) == 8192
    assert bundle.headers["content-type"] == "application/octet-stream"
    assert bundle.headers["cache-control"] == BUNDLES_KEPT


def test_a_public_log_shows_its_entries(log: Log) -> None:
    """Where the operator said so, anybody reads them and everybody may keep them."""
    ledgers = as_public(log)
    with TestClient(create_app(ledgers), raise_server_exceptions=False) as client:
        answer = client.get(f"/log/demo/{address('entries', 0)}")
    ledgers.close()

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == TILES_KEPT
    assert answer.content == log.fetch(address("entries", 0))


def test_head_is_get_without_its_body(log: Log) -> None:
    """The same headers, for a client that asks what is there first."""
    for path in ("checkpoint", address("0", 0), address("entries", 0)):
        key = log.doors.key("auditor")
        got = log.get(path, headers=key)
        head = log.doors.client.head(f"/log/demo/{path}", headers=key)

        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-length", "content-type", "cache-control", "etag"):
            assert head.headers[name] == got.headers[name], path


def test_partial_tiles_of_every_checkpoint(log: Log) -> None:
    """Who holds the earlier checkpoint finds its partial tiles, which begin the later ones."""
    earlier, later = (size % 256 for size in (log.size - 5, log.size))
    place = log.size // 256

    assert 0 < earlier < later, "both checkpoints end in the same tile"
    for kind in ("0", "entries"):
        shorter = log.fetch(address(kind, place, earlier))
        assert log.fetch(address(kind, place, later)).startswith(shorter)


def test_a_part_of_a_full_tile(log: Log) -> None:
    """A partial tile that was replaced is the beginning of the full one; no entry is cut off."""
    hashes, entries = log.fetch(address("0", 0)), log.fetch(address("entries", 0))
    part = log.fetch(address("entries", 0, 7))

    assert log.fetch(address("0", 0, 7)) == hashes[: 7 * 32]
    assert entries.startswith(part)
    assert fetch_entries(lambda _: part, 7) == fetch_entries(lambda _: entries, 256)[:7]


def test_nothing_beyond_the_checkpoint(log: Log) -> None:
    """What lies in the folder and no checkpoint covers yet is not there; soon it will be."""
    folder, key = log.doors.opened.log_folder, log.doors.key("auditor")
    newest, covered = folder.latest(), checkpoint_of(log.first, log.vkey).size
    assert newest is not None
    # The earlier checkpoint again, as a reader sees it while the sealer has only written tiles.
    (folder.path / "checkpoint").write_text(log.first, "utf-8")
    try:
        answers = [
            log.get(address(kind, log.size // 256, log.size % 256), headers=key)
            for kind in ("0", "entries")
        ]
        fetched = log.fetch(address("0", covered // 256, covered % 256))
    finally:
        (folder.path / "checkpoint").write_text(newest, "utf-8")

    assert fetched
    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (404, "1")
        assert answer.json()["type"] == "/problems/not-sealed-yet"
    assert log.get(address("0", log.size // 256)).status_code == 404


HOSTILE = (
    "",
    "tile",
    "tile/",
    "tile/0",
    "tile/0/",
    "tile/entries",
    "tile/entries/",
    "state",
    "lock",
    "vkeys",
    "checkpoint/",
    "checkpoint/000",
    "/checkpoint",
    "./checkpoint",
    "tile/../checkpoint",
    "%63heckpoint",
    "checkpoint%00",
    "CHECKPOINT",
    "tile/0/000/",
    "tile//0/000",
    "tile/0//000",
    "/tile/0/000",
    "tile/./0/000",
    "tile/0/./000",
    "tile/0/0",
    "tile/0/00",
    "tile/0/0000",
    "tile/0/x000/000",
    "tile/0/x000",
    "tile/00/000",
    "tile/-1/000",
    "tile/+0/000",
    "tile/0x0/000",
    "tile/64/000",
    "tile/63/000",
    "tile/999/000",
    "tile/0/-01",
    "tile/0/001.p",
    "tile/0/000.p/",
    "tile/0/000.p/0",
    "tile/0/000.p/01",
    "tile/0/000.p/256",
    "tile/0/000.p/257",
    "tile/0/000.p/-1",
    "tile/0/000.p/7/",
    "tile/0/000.p/7/7",
    "tile/0/000.P/7",
    "tile/0/999",
    "tile/0/x999/999",
    "tile/0/" + "x999/" * 5 + "999",
    "tile/0/" + "x999/" * 500 + "999",
    "tile/0/" + "9" * 5_000,
    "tile/0/000%00",
    "tile/0/%30%30%30",
    "tile%2F0%2F000",
    "tile/0/000%0A",
    "tile/0/%EF%BC%90%EF%BC%90%EF%BC%90",
    "tile/0/%D9%A0%D9%A0%D9%A0",
    "tile/0/%ff",
    "tile/data/000",
    "tile/8/0/000",
    "tile/entries/../0/000",
    "tile/0/../entries/000",
    "tile//entries/000",
    "tile/%65ntries/000",
    "tile/Entries/000",
    "tile/entries%2F000",
    "tile/../../../keys/log-demo.key",
    "tile/%2e%2e/%2e%2e/%2e%2e/keys/log-demo.key",
    "tile/..%2f..%2f..%2fkeys%2flog-demo.key",
    "../../keys/log-demo.key",
    "../main/checkpoint",
    "tile/0/../../state",
    "tile/0/..%5c..%5cstate",
    "tile/entries//etc/passwd",
    "tile/entries/..%00/etc/passwd",
)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_hostile_addresses(log: Log, method: str) -> None:
    """A file has one address; every other is not there, and none of them is an error of ours."""
    ledgers = as_public(log)
    wrong = []
    with serving(create_app(ledgers)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        for path in HOSTILE:
            # What is typed here is what is sent: this client does not tidy addresses up.
            connection.request(method, f"/log/demo/{path}")
            answer = connection.getresponse()
            content = answer.read()
            kind = answer.getheader("content-type")
            # No address of ours takes a control character, which is said at once.
            control = path.startswith("tile/") and ("%00" in path or "%0A" in path)
            expected = (400 if control else 404, "application/problem+json")
            if (answer.status, kind) != expected or b"KEY" in content:
                wrong.append((path, answer.status, content[:200]))
        connection.request(method, f"/log/demo/{address('entries', 0)}")
        served = connection.getresponse()
        served.read()
        connection.close()
    ledgers.close()

    assert wrong == []
    assert served.status == 200, "the same client is served what is spelled right"


def test_other_requests_are_refused(log: Log) -> None:
    """Parameters, methods and ledgers that there are not."""
    parameter = log.get("checkpoint?size=3")
    written = log.doors.client.post("/log/demo/checkpoint")
    elsewhere = log.doors.client.get("/log/nowhere/checkpoint")
    tile_elsewhere = log.doors.client.get("/log/nowhere/tile/0/000")

    assert (parameter.status_code, parameter.json()["type"]) == (400, "/problems/unknown-parameter")
    assert written.status_code == 405
    assert [one.status_code for one in (elsewhere, tile_elsewhere)] == [404, 404]


def test_any_accept_is_answered(log: Log) -> None:
    """Clients of logs name other types than ours, or none."""
    answer = log.get("checkpoint", headers={"accept": "text/html"})

    assert (answer.status_code, answer.headers["content-type"]) == (
        200,
        "text/plain; charset=utf-8",
    )


def test_before_the_first_checkpoint(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A ledger that was not sealed yet says when to come back."""
    home: Path = tmp_path_factory.mktemp("home")
    with (
        fresh_database(server_url, template) as database,
        doors(database, home, told=False) as opened,
    ):
        answers = [
            opened.client.get(f"/log/demo/{path}", headers=opened.key("auditor"))
            for path in ("checkpoint", address("0", 0, 1), address("entries", 0, 1))
        ]

    for answer in answers:
        assert (answer.status_code, answer.headers["retry-after"]) == (404, "1")
        assert answer.json()["type"] == "/problems/not-sealed-yet"


def test_the_folder_may_lie_elsewhere(log: Log, tmp_path: Path) -> None:
    """The setting says where, and what is served is what lies there."""
    folder = log.doors.opened.log_folder.path
    settings = msgspec.structs.replace(
        log.doors.ledgers.settings, log_dir=str(folder.parent), home=str(tmp_path)
    )
    ledgers = Ledgers(log.doors.ledgers.database, settings)
    with TestClient(create_app(ledgers), raise_server_exceptions=False) as client:
        served = client.get("/log/demo/checkpoint").text
    ledgers.close()

    assert served == log.get("checkpoint").text
