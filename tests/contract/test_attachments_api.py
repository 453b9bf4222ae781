"""Files at the door: sent under their hash, named by reports, fetched by who sees the report."""

import asyncio
import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pytest

from api.auth import MAY, Permission
from api.ledgers import LedgerClock
from api.server import ledgers_with_files, sweep
from ledger.attached_content import CHUNK_BYTES
from ledger.attachments import WAITING, State
from ledger.codec import decode
from ledger.database import connect_as_login
from ledger.decisions.access import ROLES
from ledger.decisions.attachments import UNNAMED_KEPT
from ledger.entry import Context
from ledger.erasure import Erasure
from ledger.identifiers import new_fact_id
from ledger.sealed import Mark
from ledger.settings import Settings
from ledger.vocabulary import Actor, Via
from tests.timekeeping import wall
from tests.visiting import LEDGER, Doors, doors, fresh_database, project

PDF_TYPE = "application/pdf"
OPEN = "weekly.O1.2026W26"
"""Opened on 22 June, due on the 29th; nobody has reported yet."""


def pdf(words: str) -> bytes:
    """A file that looks like one."""
    return f"%PDF-1.7\n{words}\n".encode()


def sha256(content: bytes) -> str:
    """What a caller names a file by."""
    return hashlib.sha256(content).hexdigest()


def send(doors: Doors, content: bytes, person: str = "O1-boss", **given: Any) -> Any:
    """Send a file as a person."""
    name = given.pop("name", sha256(content))
    key = doors.key(given.pop("role", "obligor"), given.pop("unit", None), person)
    headers = {**key, "content-type": PDF_TYPE, **given.pop("headers", {})}
    path = f"/api/v1/{LEDGER}/uploads/{name}"
    return doors.client.put(path, content=content, headers=headers)


def fetch(doors: Doors, attachment: str, role: str = "auditor", **given: Any) -> Any:
    """Fetch a file."""
    return doors.get(f"/attachments/{attachment}", role, **given)


def report(doors: Doors, content: bytes, obligation: str = OPEN, **given: Any) -> Any:
    """Report for the open week, naming the file."""
    evidence = [{"sha256": sha256(content), "media_type": PDF_TYPE, "name": "盖章的周报.pdf"}]
    body = {
        "obligation": obligation,
        "form_revision": 1,
        "content": {"headcount": 7},
        "evidence": evidence,
    }
    given.setdefault("person", "O1-boss")
    return doors.post("/reports/submit-report", body, "obligor", **given)


@pytest.fixture(scope="module")
def filed(network: Doors) -> tuple[bytes, str, int]:
    """A file that O1's report of the open week names: its content, its name, the fact's place."""
    content = pdf("the week as the seal saw it")
    sent = send(network, content)
    assert sent.status_code == 201, sent.text
    answer = report(network, content)
    assert answer.status_code == 201, answer.text
    project(network.opened)
    return content, sent.json()["attachment"], answer.json()["position"]


@pytest.fixture
def small(server_url: str, template: str, tmp_path: Path) -> Iterator[Doors]:
    """The network of a test's own, where a file may have 4 KiB."""
    with (
        fresh_database(server_url, template) as database,
        doors(database, tmp_path, attachment_bytes_max=4_096) as opened,
    ):
        yield opened


# --- there and back ----------------------------------------------------------------------------


def test_what_was_sent_is_fetched(network: Doors, filed: tuple[bytes, str, int]) -> None:
    """Byte for byte, under the name its reporter gave it, and only ever as a download."""
    content, attachment, _ = filed

    answer = fetch(network, attachment)

    assert (answer.status_code, answer.content) == (200, content)
    kind, _, name = answer.headers["content-disposition"].partition("; filename*=UTF-8''")
    assert (kind, unquote(name)) == ("attachment", "盖章的周报.pdf")
    assert answer.headers["content-type"] == PDF_TYPE
    assert answer.headers["content-length"] == str(len(content))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert {"sandbox", "default-src 'none'"} <= {
        one.strip() for one in answer.headers["content-security-policy"].split(";")
    }


def test_the_entry_tells_neither_name_nor_hash(
    network: Doors, filed: tuple[bytes, str, int]
) -> None:
    """It holds commitments only, and every fact about the file is found by one tag."""
    content, attachment, position = filed

    entry = network.get(f"/events/{position}").json()["entry"]
    told = network.get(f"/events?subject=attachment:{attachment}").json()["events"]

    assert entry["evidence"][0]["sha256"] == attachment
    assert sha256(content) not in str(entry)
    assert "盖章" not in str(entry)
    assert [one["entry"]["type"] for one in told] == [
        "attachment.received",
        "attachment.stored",
        "report.submitted",
    ]
    assert told[0]["entry"]["tags"] == [f"attachment:{attachment}"]


def test_sending_again_is_harmless(network: Doors, filed: tuple[bytes, str, int]) -> None:
    """The first receipt again, marked so; nothing is recorded, and the body is not read."""
    content, attachment, _ = filed
    head = network.opened.recorder.head().position

    again = send(network, content)

    assert again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["attachment"] == attachment
    assert network.opened.recorder.head().position == head
    other = send(network, content, headers={"content-type": "text/plain"})
    assert (other.status_code, other.json()["type"]) == (409, "/problems/conflict")


def test_a_file_may_be_larger_than_a_command(network: Doors) -> None:
    """25 MiB is the limit of files; 1 MiB stays that of everything else."""
    content = pdf("x" * 3_000_000)

    sent = send(network, content)
    answer = fetch(network, sent.json()["attachment"], "obligor", person="O1-boss")

    assert sent.status_code == 201
    assert answer.content == content
    json = {"content-type": "application/json"}
    command = network.post("/reports/submit-report", b"{" + b" " * 1_100_000, headers=json)
    assert command.status_code == 413


def test_head_says_what_get_would(network: Doors, filed: tuple[bytes, str, int]) -> None:
    """Length and kind, without the content."""
    _, attachment, _ = filed
    headers = network.key("auditor")

    answer = network.client.head(f"/api/v1/{LEDGER}/attachments/{attachment}", headers=headers)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == PDF_TYPE


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "given", "status", "word"),
    [
        (b"", {}, 422, "empty"),
        (pdf("another"), {"name": "f" * 64}, 422, sha256(pdf("another"))),
        (pdf("x"), {"name": "F" * 64}, 422, "64 small hex digits"),
        (pdf("x"), {"name": "..%2f..%2fkeys"}, 404, ""),
        (pdf("x"), {"headers": {"content-type": "text/html"}}, 422, "text/csv"),
        (pdf("x"), {"headers": {"content-type": ""}}, 422, "text/csv"),
        (b"MZ a program that says it is a page", {}, 422, "another kind of file"),
        (b"%P", {}, 422, "another kind of file"),
        (pdf("x"), {"headers": {"content-encoding": "gzip"}}, 415, "Content-Encoding"),
        (pdf("x" * 4_096), {}, 413, "4,096"),
    ],
    ids=[
        "nothing",
        "another content",
        "large letters",
        "a way out of the folder",
        "a page",
        "no type",
        "a program",
        "too short to be one",
        "compressed",
        "too large",
    ],
)
def test_what_is_not_taken(
    small: Doors, content: bytes, given: dict[str, Any], status: int, word: str
) -> None:
    """Each refusal says what to do, and leaves no file behind."""
    answer = send(small, content, **given)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert word in answer.text
    assert list(small.opened.attachments.folder.rglob("*.*")) == []
    assert small.opened.attachments.waiting() == []


def test_a_file_whose_length_is_not_told_is_limited_too(small: Doors) -> None:
    """What comes in chunks is counted as it comes."""
    content = pdf("x" * 2_000_000)
    key = small.key("obligor", None, "O1-boss")
    sent: list[int] = []

    def parts() -> Iterator[bytes]:
        for start in range(0, len(content), 65_536):
            sent.append(start)
            yield content[start : start + 65_536]

    answer = small.client.put(
        f"/api/v1/{LEDGER}/uploads/{sha256(content)}",
        content=parts(),
        headers={**key, "content-type": PDF_TYPE},
    )

    assert "content-length" not in {name.lower() for name in answer.request.headers}
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/attachment-too-large")
    assert small.opened.attachments.waiting() == []


@pytest.mark.parametrize("who", ["S1-boss", "O2-boss"])
def test_somebody_elses_file_is_not_named(network: Doors, who: str) -> None:
    """Knowing a hash is no right to the file: one names what one sent."""
    content = pdf(f"sent by {who}")
    assert send(network, content, person=who).status_code == 201

    answer = report(network, content, "weekly.O4.2026W26", person="O4-boss")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "evidence[0].sha256"
    assert "upload the file first" in answer.text


# --- who may fetch -----------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    ("unit", "sees"),
    [
        (None, True),
        ("HQ", True),
        ("B1", True),
        ("S1", True),
        ("O1", True),
        ("T1", True),
        ("B2", False),
        ("O2", False),
        ("S3", False),
    ],
)
def test_who_sees_the_report_fetches_the_file(
    network: Doors, filed: tuple[bytes, str, int], role: str, unit: str | None, sees: bool
) -> None:
    """Every role, in every place of the line: as for the fact itself."""
    _, attachment, position = filed

    answer = fetch(network, attachment, role, unit=unit)
    fact = network.get(f"/events/{position}", role, unit=unit)

    allowed = Permission.SEE_ATTACHMENTS in MAY[role]
    assert answer.status_code == ((200 if sees else 404) if allowed else 403)
    assert answer.status_code == fact.status_code


def test_what_nobody_names_is_its_senders_alone(network: Doors) -> None:
    """Not even an administrator is told that it exists."""
    content = pdf("a draft")
    attachment = send(network, content).json()["attachment"]

    own = fetch(network, attachment, "obligor", person="O1-boss")
    others = {
        fetch(network, attachment, "obligor", person="O2-boss").status_code,
        fetch(network, attachment, "manager", person="S1-boss").status_code,
        fetch(network, attachment, "administrator").status_code,
        fetch(network, attachment, "auditor").status_code,
    }
    never = fetch(network, "0" * 64, "administrator")

    assert (own.status_code, own.content) == (200, content)
    assert own.headers["content-disposition"].endswith(f"attachment-{attachment[:8]}")
    assert others == {404}
    hidden = fetch(network, attachment, "administrator").json()["detail"]
    assert hidden == never.json()["detail"].replace("0" * 64, attachment)


@pytest.mark.parametrize("name", ["x", "..", "A" * 64, "0" * 63, "%00", "'; --"])
def test_names_of_nothing(network: Doors, name: str) -> None:
    """Whatever is asked for, there is no such thing."""
    assert fetch(network, name).status_code in {400, 404}


def test_only_roles_that_report_send(network: Doors) -> None:
    """Auditors and dashboards look; a browser's session never sends."""
    content = pdf("from an auditor")
    for role in ROLES:
        allowed = Permission.SEND_ATTACHMENTS in MAY[role]
        answer = send(network, content, role=role)
        assert (answer.status_code == 403) is not allowed, role


# --- erased, lost, altered ---------------------------------------------------------------------


def test_erased_lost_and_altered_files(small: Doors) -> None:
    """Each is told apart; an altered byte is never given out."""
    opened, content = small.opened, pdf("soon gone")
    attachment = send(small, content).json()["attachment"]
    report(small, content)
    project(opened)
    path = opened.attachments.folder / WAITING / attachment
    stored = path.read_bytes()

    path.write_bytes(stored[:-1] + bytes([stored[-1] ^ 1]))
    altered = fetch(small, attachment)
    path.unlink()
    lost = fetch(small, attachment)
    path.write_bytes(stored)
    restored = fetch(small, attachment)
    opened.sealed._keys.destroy("O1-boss")
    erased = fetch(small, attachment)

    assert altered.status_code == 500
    assert (lost.status_code, lost.json()["type"]) == (404, "/problems/attachment-missing")
    assert restored.content == content
    assert (erased.status_code, erased.json()["type"]) == (404, "/problems/attachment-erased")


def test_the_name_goes_with_the_key(small: Doors) -> None:
    """A name that was erased is not shown, wherever the file itself may still be."""
    content = pdf("named")
    attachment = send(small, content).json()["attachment"]
    report(small, content)
    project(small.opened)
    naming = small.opened.uploads.known(attachment).namings[0]
    assert naming.name is not None
    small.opened.sealed._keys.destroy("O1-boss")

    revealed = small.opened.sealed.reveal([(naming.name.person, naming.name.commitment)])

    assert revealed == [Mark.ERASED]


def test_sweeping(small: Doors) -> None:
    """What nobody names goes after a day, what is named stays, and may be fetched all along."""
    opened = small.opened
    named, draft = pdf("named"), pdf("never named")
    kept, lost = (send(small, one).json()["attachment"] for one in (named, draft))
    report(small, named)
    project(opened)
    now = opened.clock.now()
    operator = Actor(via=Via.OPERATOR, system="tests")

    def sweep_at(later: timedelta) -> int:
        context = Context(actor=operator, received_at=now + later, new_id=new_fact_id)
        return opened.uploads.sweep(context, opened.sealed.erased(now=True))

    early, late, again = (
        sweep_at(UNNAMED_KEPT / 2),
        sweep_at(UNNAMED_KEPT + timedelta(minutes=1)),
        sweep_at(UNNAMED_KEPT + timedelta(minutes=2)),
    )

    assert (early, late, again) == (0, 1, 0)
    assert fetch(small, kept).content == named
    assert fetch(small, lost, "obligor", person="O1-boss").json()["type"] == (
        "/problems/attachment-erased"
    )
    assert opened.attachments.waiting() == []
    sent_again = send(small, draft)
    assert (sent_again.status_code, sent_again.json()["attachment"]) == (201, lost)
    assert fetch(small, lost, "obligor", person="O1-boss").content == draft


def test_files_of_who_was_erased_are_swept(small: Doors) -> None:
    """Once the fact stands, what nobody can open goes too; other people's files stay."""
    opened, content = small.opened, pdf("of O1's head")
    attachment = send(small, content).json()["attachment"]
    report(small, content)
    project(opened)
    assert sweep(opened) == 0
    kept = opened.attachments.folder / attachment[:2] / attachment
    assert kept.exists()
    opened.sealed._keys.destroy("O1-boss")
    assert sweep(opened) == 0, "the log does not tell of it yet"
    assert kept.exists()
    operator = Actor(via=Via.OPERATOR, system="tests")
    context = Context(actor=operator, received_at=opened.clock.now(), new_id=new_fact_id)
    Erasure(opened.log, opened.sealed._keys, opened.sealed).erase("O1-boss", "requested", context)

    assert sweep(opened) == 1
    assert not kept.exists()
    assert sweep(opened) == 0, "nothing is looked through twice"
    assert fetch(small, attachment).json()["type"] == "/problems/attachment-erased"
    assert opened.attachments.state(attachment, "O1-boss") is State.ERASED


def test_every_ledger_with_files_is_swept(small: Doors, tmp_path: Path) -> None:
    """Not only the one that `/` leads to, and simulated ones like any other."""
    settings = Settings(home=str(tmp_path))
    assert small.opened.info.simulated
    assert ledgers_with_files(settings) == []
    send(small, pdf("somebody's"))
    (tmp_path / "attachments" / "another").mkdir()

    assert ledgers_with_files(settings) == ["another", small.opened.info.name]


def test_the_page_of_a_fact_leads_to_its_files(small: Doors) -> None:
    """A link for each file that the reader may fetch; one that is gone is said to be gone."""
    content = pdf("seen from the page")
    attachment = send(small, content).json()["attachment"]
    position = report(small, content).json()["position"]
    project(small.opened)
    key = small.key("auditor")

    def page(language: str) -> str:
        headers = {**key, "accept-language": language}
        return str(small.client.get(f"/{LEDGER}/events/{position}", headers=headers).text)

    address = f"/api/v1/{LEDGER}/attachments/{attachment}"
    assert f'<a href="{address}" download>下载附件 {attachment[:8]}' in page("zh-CN")
    assert f'<a href="{address}" download>Download attachment {attachment[:8]}' in page("en")
    assert small.client.get(address, headers=key).content == content
    small.opened.sealed._keys.destroy("O1-boss")
    assert address not in page("en")
    assert f"Attachment {attachment[:8]} ({PDF_TYPE}) is not here any more." in page("en")


# --- a line that breaks ----------------------------------------------------------------------


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


# --- what an auditor computes --------------------------------------------------------------------


def test_the_commitment_is_opened_to_who_may_fetch_the_file(small: Doors) -> None:
    """With the nonce and the file anybody computes what the entry says, with no key of ours."""
    content = pdf("to be computed by hand")
    attachment = send(small, content).json()["attachment"]
    report(small, content)
    project(small.opened)
    answer = small.get(f"/attachments/{attachment}/commitment", "auditor")
    told = answer.json()
    named = hmac.digest(bytes.fromhex(told["nonce"]), hashlib.sha256(content).digest(), "sha256")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert (told["attachment"], told["sha256"]) == (attachment, sha256(content))
    assert named.hex() == attachment
    stranger = small.get(f"/attachments/{attachment}/commitment", "manager", unit="S2")
    assert stranger.status_code == fetch(small, attachment, "manager", unit="S2").status_code == 404
    small.opened.sealed._keys.destroy("O1-boss")
    gone = small.get(f"/attachments/{attachment}/commitment", "auditor")
    assert gone.json()["type"] == "/problems/attachment-erased"


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
