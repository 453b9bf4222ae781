"""What every write promises: receipts, repetition without harm, and personal words sealed."""

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.ledgers import Ledgers
from api.writing import KEY_CHARACTERS_MAX, KEY_CHARACTERS_MIN
from ledger.sealed import Mark
from tests.auditing import note_text
from tests.visiting import Doors, project

RENAME = "/organisation/rename-unit"


def name(en: str = "Nanjing") -> dict[str, str]:
    """A harmless command."""
    return {"unit": "S3", "name_zh": "南京", "name_en": en}


def test_a_receipt_leads_to_the_fact(network: Doors) -> None:
    """Position, id, hash and instant, and the address where all of them stand for ever."""
    answer = network.post(RENAME, name())
    receipt = answer.json()
    project(network.opened)

    fact = network.client.get(answer.headers["location"], headers=network.key())

    assert answer.status_code == 201
    assert answer.headers["ledger-position"] == str(receipt["position"])
    assert receipt["receipts"][0]["event_id"] == receipt["event_id"]
    assert fact.json()["leaf_hash"] == receipt["leaf_hash"]
    assert fact.json()["entry"]["id"] == receipt["event_id"]
    assert fact.json()["entry"]["recorded_at"] == receipt["recorded_at"]


def test_a_receipt_is_signed(network: Doors) -> None:
    """Whoever has the gate's public key checks, offline, what was promised and to the byte what."""
    answer = network.post("/organisation/register-person", {"person": uuid4().hex, "name": "张"})
    vkey = network.opened.receipts_key.verifier.vkey()
    origin = "localhost/ledger/simulated/demo"

    for one in (answer.json(), *answer.json()["receipts"]):
        assert note_text(one["receipt"], vkey).split("\n") == [
            "accountability-ledger/receipt@v1",
            origin,
            str(one["position"]),
            b64encode(bytes.fromhex(one["leaf_hash"])).decode(),
            one["event_id"],
            one["recorded_at"],
            "",
        ]
    assert vkey.startswith(f"{origin}/receipts+")
    assert vkey in network.get("/log").json()["receipt_keys"]


def test_a_receipt_outlives_the_process(network: Doors) -> None:
    """The gate's key is made once: another process answers a repetition with the same signature."""
    key = uuid4().hex
    first = network.post(RENAME, name(), idempotency_key=key).json()
    ledgers = Ledgers(network.ledgers.database, network.ledgers.settings)
    with TestClient(create_app(ledgers)) as client:
        again = client.post(
            f"/api/v1/demo{RENAME}",
            json=name(),
            headers={**network.key(), "idempotency-key": key},
        )
    ledgers.close()

    assert again.json() == first
    assert again.headers["idempotency-replayed"] == "true"


def test_repeating_a_key_changes_nothing(network: Doors) -> None:
    """The first receipt again, marked as a repetition; quotes around the key do not matter."""
    key = uuid4().hex

    first = network.post(RENAME, name(), idempotency_key=key)
    again = network.post(RENAME, name(), idempotency_key=f'"{key}"')

    assert again.status_code == first.status_code == 201
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers


def test_a_key_is_for_one_request(network: Doors) -> None:
    """Another body or another command under the same key is refused."""
    key = uuid4().hex
    network.post(RENAME, name(), idempotency_key=key)

    other_body = network.post(RENAME, name("Other"), idempotency_key=key)
    other_command = network.post("/organisation/close-unit", {"unit": "S3"}, idempotency_key=key)

    for answer in (other_body, other_command):
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/key-reused")


def test_a_key_belongs_to_its_principal(network: Doors) -> None:
    """Somebody else's equal key is another key."""
    key = uuid4().hex
    mine = network.post(RENAME, name(), idempotency_key=key)

    theirs = network.post(RENAME, name(), "administrator", person="HQ-boss", idempotency_key=key)

    assert theirs.status_code == 201
    assert theirs.json()["position"] != mine.json()["position"]


@pytest.mark.parametrize(
    "key", ["", "short", "x" * (KEY_CHARACTERS_MIN - 1), "x" * (KEY_CHARACTERS_MAX + 1), "a b" * 9]
)
def test_a_write_needs_a_key(network: Doors, key: str) -> None:
    """Without a key of good length a repetition could not be told from a second request."""
    answer = network.post(RENAME, name(), idempotency_key=key)

    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/idempotency-key-missing")


def test_repeating_a_request_with_personal_words(network: Doors) -> None:
    """Sealing twice gives two commitments; the repetition is recognised all the same."""
    key = uuid4().hex
    body = {**name(), "reason": {"code": "merger", "text": "两家中支合并办公"}}

    first = network.post(RENAME, body, idempotency_key=key)
    again = network.post(RENAME, body, idempotency_key=key)

    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


def entry_of(network: Doors, receipt: dict[str, Any]) -> Any:
    """The entry that a receipt stands for, and its bytes."""
    position = receipt["position"]
    (stored,) = network.opened.recorder.read(after=position - 1, until=position, limit=1).events
    return network.opened.questions.event_at(position), stored.entry.decode()


def test_names_are_sealed_at_the_door(network: Doors) -> None:
    """The entry commits to a name and does not hold it; who may see names is shown it."""
    body = {"person": uuid4().hex, "name": "欧阳明月", "number": "A0099887", "phone": "13800001234"}

    receipt = network.post("/organisation/register-person", body).json()
    event, text = entry_of(network, receipt)
    fact = event.fact
    revealed = network.opened.sealed.reveal(
        [(one.person, one.commitment) for one in (fact.name, fact.number, fact.phone)]
    )

    for words in ("欧阳明月", "A0099887", "13800001234"):
        assert words not in text
    assert revealed == ["欧阳明月", "A0099887", "13800001234"]
    assert network.opened.sealed.find("number", "a0099887") == [body["person"]]


def test_personal_fields_of_a_form_are_sealed(network: Doors) -> None:
    """`remark` is personal in the form, `headcount` is not."""
    obligation = "weekly.O4.2026W22"
    body = {
        "obligation": obligation,
        "form_revision": 1,
        "content": {"headcount": 12, "remark": "李四病假"},
    }

    answer = network.post("/reports/submit-report", body, "obligor", person="O4-boss")
    event, text = entry_of(network, answer.json())
    remark = event.fact.content["remark"]

    assert "李四病假" not in text
    assert event.fact.content["headcount"] == 12
    assert network.opened.sealed.reveal([(remark.person, remark.commitment)]) == ["李四病假"]
    assert remark.person == "O4-boss"
    assert Mark.MISSING not in network.opened.sealed.reveal([(remark.person, remark.commitment)])


def test_a_refused_attempt_is_kept(network: Doors) -> None:
    """The gate names every bad field, and the log holds the attempt."""
    obligation = "weekly.O1.2026W12"
    before = network.opened.recorder.head().position
    body = {
        "obligation": obligation,
        "form_revision": 7,
        "content": {"hedcount": 3, "remark": True},
    }

    answer = network.post("/reports/submit-report", body, "obligor", person="O1-boss")
    event = network.opened.questions.event_at(before + 1)

    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/gate-refused")
    assert len(answer.json()["errors"]) >= 1
    assert event.type == "report.submission_refused"
    assert f"obligation:{obligation}" in event.tags


def test_a_personal_field_of_the_wrong_kind(network: Doors) -> None:
    """It is refused for what it is, kept as an attempt, and its words stand nowhere."""
    body = {
        "obligation": "weekly.O1.2026W12",
        "form_revision": 1,
        "content": {"headcount": 3, "remark": True},
    }

    answer = network.post("/reports/submit-report", body, "obligor", person="O1-boss")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "content.remark", "message": "must be text, and not blank"}
    ]


def test_many_at_once_on_a_simulated_ledger(network: Doors) -> None:
    """Told times never overtake each other, so that nobody is refused for being a moment late."""

    def register(number: int) -> int:
        body = {"person": uuid4().hex, "name": f"张{number}"}
        return int(network.post("/organisation/register-person", body).status_code)

    with ThreadPoolExecutor(16) as callers:
        statuses = set(callers.map(register, range(48)))

    assert statuses == {201}


def test_a_person_acts_as_that_person(network: Doors) -> None:
    """Who holds the key is who the fact names; a post above grants what is below it."""
    obligation = "weekly.O4.2026W22"
    body = {"obligation": obligation, "by": "S2-head", "reason": {"code": "flood"}}

    granted = network.post("/relief/grant-waiver", body, "manager", person="S2-boss")
    refused = network.post(
        "/relief/grant-waiver", {**body, "by": "S3-head"}, "manager", person="S3-boss"
    )
    event, _ = entry_of(network, granted.json())

    assert (event.actor.person, event.actor.via) == ("S2-boss", "api")
    assert refused.status_code == 403
    assert "S2-head" in refused.json()["detail"]


def test_annulling_names_a_position(network: Doors) -> None:
    """The log knows the type and the tags of what is annulled; the caller names its place."""
    made = network.post(RENAME, name("By mistake")).json()

    answer = network.post(
        "/organisation/annul-fact", {"position": made["position"], "reason": {"code": "mistake"}}
    )
    event, _ = entry_of(network, answer.json())

    assert event.fact.annulled == made["event_id"]
    assert "unit:S3" in event.tags


def test_the_instant_of_receipt_is_the_gates(network: Doors) -> None:
    """No caller states when a request was received."""
    answer = network.post(RENAME, {**name(), "received_at": "2020-01-01T00:00:00Z"})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "received_at")
