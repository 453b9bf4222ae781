"""Files at the door: sent under their hash, named by reports, fetched by who sees the report.

Read next: `test_attachments_gone.py` (erased, lost, altered, swept), `test_uploads.py` (slow and
broken lines).
"""

import hashlib
import hmac
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest

from api.auth import MAY, Permission
from ledger.decisions.access import ROLES
from tests.attaching import PDF_TYPE, fetch, pdf, report, send, sha256
from tests.visiting import LEDGER, Doors, project


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
