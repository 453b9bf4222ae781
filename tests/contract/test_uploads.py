"""Uploads over slow and broken lines: taken up again, and late for nobody (ruling 42)."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from api.ledgers import LedgerClock
from ledger.attached_content import CHUNK_BYTES
from ledger.attachments import WAITING
from ledger.codec import decode
from ledger.database import connect_as_login
from tests.attaching import OPEN, PDF_TYPE, fetch, pdf, report, send, sha256
from tests.timekeeping import wall
from tests.visiting import LEDGER, Doors, doors, fresh_database, project


def rest(doors: Doors, content: bytes, offset: int, name: str | None = None) -> Any:
    """Send what follows so many bytes."""
    key = doors.key("obligor", None, "O1-boss")
    headers = {**key, "content-type": PDF_TYPE, "upload-offset": str(offset)}
    path = f"/api/v1/{LEDGER}/uploads/{name or sha256(content)}"
    return doors.client.patch(path, content=content[offset:], headers=headers)


def arrived(doors: Doors, content: bytes) -> Any:
    """How much is here, as the door says."""
    path = f"/uploads/{sha256(content)}"
    return doors.get(path, "obligor", person="O1-boss")


LARGE: Final = pdf("x" * (3 * CHUNK_BYTES))


@pytest.fixture
def roomy(server_url: str, template: str, tmp_path: Path) -> Iterator[Doors]:
    """The network of a test's own, where a file may have 1 MiB."""
    with (
        fresh_database(server_url, template) as database,
        doors(database, tmp_path, attachment_bytes_max=1_048_576) as opened,
    ):
        yield opened


def test_an_upload_goes_on_where_it_broke(roomy: Doors) -> None:
    """What is on disk is told, the rest completes it, and the file is the one."""
    assert arrived(roomy, LARGE).json() == {
        "sha256": sha256(LARGE),
        "offset": 0,
        "is_complete": False,
    }
    upload_slowly(roomy, LARGE, lambda: None, ends=False, cut=2 * CHUNK_BYTES + 100)
    told = arrived(roomy, LARGE)
    offset = told.json()["offset"]
    assert (offset, told.headers["upload-offset"]) == (2 * CHUNK_BYTES, str(offset))
    assert told.headers["upload-complete"] == "?0"

    answer = rest(roomy, LARGE, offset)

    assert answer.status_code == 201, answer.text
    attachment = answer.json()["attachment"]
    assert fetch(roomy, attachment, "obligor", person="O1-boss").content == LARGE
    assert arrived(roomy, LARGE).json()["is_complete"]
    assert arrived(roomy, LARGE).headers["upload-offset"] == str(len(LARGE))
    waiting = roomy.opened.attachments.folder / WAITING
    assert [one.name for one in waiting.iterdir()] == [attachment], "nothing is left over"


def test_the_rest_must_follow_on_what_is_here(roomy: Doors) -> None:
    """Another offset is refused and told the right one; what is here stays."""
    upload_slowly(roomy, LARGE, lambda: None, ends=False, cut=2 * CHUNK_BYTES + 100)
    for offset in (0, CHUNK_BYTES, 3 * CHUNK_BYTES):
        answer = rest(roomy, LARGE, offset)
        assert answer.status_code == 409, offset
    assert arrived(roomy, LARGE).json()["offset"] == 2 * CHUNK_BYTES
    headers = {**roomy.key("obligor", None, "O1-boss"), "content-type": PDF_TYPE}
    path = f"/api/v1/{LEDGER}/uploads/{sha256(LARGE)}"
    assert roomy.client.patch(path, content=b"x", headers=headers).status_code == 422


def test_another_rest_does_not_make_the_file(roomy: Doors) -> None:
    """The whole is hashed, whoever sent which part: then it begins anew."""
    upload_slowly(roomy, LARGE, lambda: None, ends=False, cut=2 * CHUNK_BYTES + 100)
    other = LARGE[:-2] + b"y\n"
    answer = rest(roomy, other, 2 * CHUNK_BYTES, sha256(LARGE))

    assert answer.status_code == 422
    assert arrived(roomy, LARGE).json()["offset"] == 0
    assert send(roomy, LARGE).status_code == 201


def test_what_is_damaged_on_disk_is_not_gone_on_with(roomy: Doors) -> None:
    """An upload goes on after the last chunk that is whole; the caller asks again from where."""
    upload_slowly(roomy, LARGE, lambda: None, ends=False, cut=2 * CHUNK_BYTES + 100)
    (part,) = (roomy.opened.attachments.folder / WAITING).iterdir()
    stored = bytearray(part.read_bytes())
    stored[-1] ^= 1
    part.write_bytes(stored)

    assert rest(roomy, LARGE, 2 * CHUNK_BYTES).status_code == 409
    assert arrived(roomy, LARGE).json()["offset"] == CHUNK_BYTES
    assert rest(roomy, LARGE, CHUNK_BYTES).status_code == 201


def test_what_is_here_stays_when_the_log_cannot_hear_of_the_rest(roomy: Doors) -> None:
    """Nothing is recorded for a while: the rest is refused, and sent again later."""
    stopped = "UPDATE ledger.head SET stopped = %s"
    upload_slowly(roomy, LARGE, lambda: None, ends=False, cut=2 * CHUNK_BYTES + 100)
    with connect_as_login(roomy.opened.database.url) as connection:
        connection.execute(stopped, ("for a test",))
        refused = rest(roomy, LARGE, 2 * CHUNK_BYTES)
        connection.execute(stopped, (None,))

    assert refused.json()["type"] == "/problems/log-stopped"
    assert arrived(roomy, LARGE).json()["offset"] == 2 * CHUNK_BYTES
    assert rest(roomy, LARGE, 2 * CHUNK_BYTES).status_code == 201


# --- ruling 42, as it happens ------------------------------------------------------------------


def upload_slowly(
    doors: Doors, content: bytes, between: Any, *, ends: bool = True, cut: int = 10
) -> list[Any]:
    """One request whose content comes in two parts, and what happens between them."""
    key = doors.key("obligor", None, "O1-boss")["authorization"]
    path = f"/api/v1/{LEDGER}/uploads/{sha256(content)}"
    parts = iter((content[:cut], content[cut:]))
    answers: list[Any] = []

    async def receive() -> dict[str, Any]:
        part = next(parts, None)
        if part == content[cut:]:
            await asyncio.to_thread(between)
            if not ends:
                return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part or b"", "more_body": part == content[:cut]}

    async def answer(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http",
        "method": "PUT",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [
            (b"host", b"testserver"),
            (b"authorization", key.encode()),
            (b"content-type", PDF_TYPE.encode()),
        ],
        "server": ("testserver", 80),
        "client": ("testclient", 50_000),
        "extensions": {},
        "state": {},
        "app": doors.client.app,
    }
    asyncio.run(doors.client.app(scope, receive, answer))
    return answers


def at(doors: Doors, text: str) -> None:
    """Set the ledger's clock to a wall time."""
    doors.opened.clock = LedgerClock(wall(text), simulated=True)
    doors.opened.questions.now = doors.opened.clock.now


def test_a_slow_line_costs_nobody_a_deadline(small: Doors) -> None:
    """Ruling 42 through the door: begun 17:58, finished and reported 18:03, on time."""
    content = pdf("it took five minutes")
    at(small, "2026-06-29 17:58")
    heard: list[str] = []

    def five_minutes() -> None:
        # The log knows of the file before the file is here.
        last = small.opened.recorder.head().position
        (stored,) = small.opened.recorder.read(after=last - 1, limit=1).events
        heard.append(decode(stored.entry).type)
        at(small, "2026-06-29 18:03")

    (start, *_) = upload_slowly(small, content, five_minutes)
    answer = report(small, content)
    project(small.opened)
    verdict = small.get(f"/obligations/{OPEN}/verdict").json()

    assert (heard, start["status"], answer.status_code) == (["attachment.received"], 201, 201)
    computed = verdict["computed"]
    assert computed["outcome"] == "on_time"
    assert computed["flags"] == ["uploading_at_due"]
    assert datetime.fromisoformat(computed["received_at"]) < wall("2026-06-29 17:59")
    assert datetime.fromisoformat(computed["due"]).astimezone(UTC) == wall("2026-06-29 18:01")
    upload = small.get(f"/events/{answer.json()['position']}").json()["entry"]["data"]["upload"]
    assert upload in computed["basis"]


def test_an_upload_that_breaks_off_is_taken_up_again(small: Doors) -> None:
    """What was begun in time counts, though the file came at the second try."""
    content = pdf("the line broke")
    at(small, "2026-06-29 17:58")

    upload_slowly(small, content, lambda: None, ends=False)
    parts = [one.name for one in small.opened.attachments.folder.rglob(".part-*")]
    at(small, "2026-06-29 18:02")
    second = send(small, content)
    at(small, "2026-06-29 18:03")
    report(small, content)
    project(small.opened)
    computed = small.get(f"/obligations/{OPEN}/verdict").json()["computed"]

    assert parts == []
    assert second.json()["received_at"].startswith("2026-06-29T09:58")
    assert computed["outcome"] == "on_time"
