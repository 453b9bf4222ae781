"""Files: what is on disk, what its name tells, and who may name it (rulings 42 and 48)."""

import hashlib
import hmac
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.attached_content import CHUNK_BYTES, HEADER_BYTES, AttachmentAltered
from ledger.attachments import (
    AttachmentGone,
    AttachmentMissing,
    AttachmentStore,
    State,
)
from ledger.decisions import reports
from ledger.decisions.attachments import (
    UNNAMED_KEPT,
    ReceiveAttachment,
    StoreAttachment,
    SweepAttachment,
)
from ledger.decisions.relief import RequestExtension
from ledger.decisions.reports import SubmitReport
from ledger.errors import Conflict, GateRefused, Invalid, NotFound
from ledger.events import reports as r
from ledger.media_types import MARKS, MEDIA_TYPES, mismatch
from ledger.model.naming import EVIDENCE_MAX
from ledger.personal_keys import PersonalKeys, PersonErased
from ledger.timeliness import Outcome
from ledger.verdict import verdict
from ledger.vocabulary import Evidence, Moment, ObligationId, Reason
from tests.timekeeping import World, duty, wall

PDF = b"%PDF-1.7\n" + b"seal of the branch\n" * 20
MARCH = "M.O.2026-03"
FILE, OTHER = "a" * 64, "b" * 64


# --- on disk -----------------------------------------------------------------------------------


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[PersonalKeys]:
    """A new file of keys."""
    keys = PersonalKeys(tmp_path / "keys", "main")
    yield keys
    keys.close()


@pytest.fixture
def store(tmp_path: Path, keys: PersonalKeys) -> AttachmentStore:
    """An empty folder of files."""
    return AttachmentStore(tmp_path / "attachments", "main", keys)


def test_a_file_of_another_content_is_altered(store: AttachmentStore) -> None:
    """Encrypted for its place by somebody who has the owner's key: still not what is named."""
    name = store.identify("p1", hashlib.sha256(PDF).hexdigest())
    incoming, another = store.begin("p1", name), PDF + b"!"
    incoming.write(another)
    store.keep(incoming, name, hashlib.sha256(another).hexdigest())

    assert b"".join(store.read(name, "p1")) == another
    assert store.state(name, "p1") is State.ALTERED


def test_the_log_is_asked_before_a_file_is_named(keys: PersonalKeys, tmp_path: Path) -> None:
    """With a key from before the erasure nothing is named, and so nothing is sent."""
    keys.made_for(["p1"])
    store = AttachmentStore(tmp_path, "main", keys, follow=lambda: keys.destroy("p1"))

    with pytest.raises(PersonErased):
        store.identify("p1", hashlib.sha256(PDF).hexdigest())


def put(store: AttachmentStore, content: bytes, owner: str = "p1", part: int = 1_000) -> str:
    """The content, sent part by part; what entries call it."""
    sha256 = hashlib.sha256(content).hexdigest()
    name = store.identify(owner, sha256)
    incoming = store.begin(owner, name)
    for start in range(0, len(content), part):
        incoming.write(content[start : start + part])
    assert store.keep(incoming, name, sha256) == len(content)
    return str(name)


def file_of(store: AttachmentStore, name: str) -> Path:
    """Where the file lies."""
    (found,) = store.folder.rglob(name)
    return found


@pytest.mark.parametrize(
    "size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7]
)
def test_what_was_sent_comes_back(store: AttachmentStore, size: int) -> None:
    """Every byte, whatever the length, in chunks that are never larger than one."""
    content = os.urandom(size)

    name = put(store, content)
    chunks = list(store.read(name, "p1"))

    assert b"".join(chunks) == content
    assert {len(one) for one in chunks[:-1]} <= {CHUNK_BYTES}
    assert store.size_of(name) == size
    assert store.state(name, "p1") is State.PRESENT


def test_nothing_of_the_content_stands_on_disk(store: AttachmentStore) -> None:
    """Neither the words nor their plain hash, in any file or file name."""
    put(store, PDF)
    words = {PDF[9:28], hashlib.sha256(PDF).digest(), hashlib.sha256(PDF).hexdigest().encode()}

    for path in (store.folder, *store.folder.rglob("*")):
        seen = path.name.encode() + (path.read_bytes() if path.is_file() else b"")
        assert not any(one in seen for one in words)
        assert path.stat().st_mode & 0o077 == 0


def test_the_name_is_an_hmac_under_a_nonce(store: AttachmentStore, keys: PersonalKeys) -> None:
    """Whoever is shown nonce and file can compute the name that the entry holds."""
    digest = hashlib.sha256(PDF).digest()
    own = HKDF(SHA256(), 32, None, b"ledger attachment names 1").derive(keys.made_for(["p1"])["p1"])
    nonce = hmac.digest(own, digest, "sha256")

    assert put(store, PDF) == hmac.digest(nonce, digest, "sha256").hex()


def test_the_same_file_has_one_name_a_person(store: AttachmentStore) -> None:
    """Sending it again is the same file; somebody else's cannot be told to be the same."""
    assert put(store, PDF) == put(store, PDF)
    assert put(store, PDF) != put(store, PDF, owner="p2")


def test_equal_files_are_encrypted_differently(store: AttachmentStore) -> None:
    """Each writing has a key of its own, so an interrupted one tells nothing about another."""
    name = put(store, PDF)
    first = file_of(store, name).read_bytes()
    put(store, PDF)

    assert file_of(store, name).read_bytes() != first


@pytest.mark.parametrize("content", [b"", PDF[:-1], PDF + b"\n"])
def test_what_is_not_the_content_is_refused(store: AttachmentStore, content: bytes) -> None:
    """Empty, cut short, or another file: nothing stays, and the message says what was found."""
    sha256 = hashlib.sha256(PDF).hexdigest()
    name = store.identify("p1", sha256)
    incoming = store.begin("p1", name)
    incoming.write(content)

    with pytest.raises(Invalid) as refused:
        store.keep(incoming, name, sha256)
    incoming.abandon()

    found = hashlib.sha256(content).hexdigest() if content else "is empty"
    assert found in str(refused.value)
    assert not store.holds(name)
    assert [one for one in store.folder.rglob("*") if one.is_file()] == []


def altered(content: bytes, how: str) -> bytes:
    """A stored file of three chunks and a little, changed by somebody who has no key."""
    body, sealed = content[HEADER_BYTES:], CHUNK_BYTES + 16
    chunks = [body[start : start + sealed] for start in range(0, len(body), sealed)]
    changed = {
        "a bit": content[:-1] + bytes([content[-1] ^ 1]),
        "a bit of the salt": content[: HEADER_BYTES - 1]
        + bytes([content[HEADER_BYTES - 1] ^ 1])
        + body,
        "the mark": b"X" + content[1:],
        "the last chunk gone": content[:HEADER_BYTES] + b"".join(chunks[:-1]),
        "all chunks gone": content[:HEADER_BYTES],
        "half a header": content[: HEADER_BYTES // 2],
        "chunks exchanged": content[:HEADER_BYTES] + b"".join([chunks[1], chunks[0], *chunks[2:]]),
        "a chunk twice": content[:HEADER_BYTES] + chunks[0] + b"".join(chunks),
        "something behind": content + b"x",
        "emptied": b"",
    }
    return changed[how]


ALTERATIONS = [
    "a bit",
    "a bit of the salt",
    "the mark",
    "the last chunk gone",
    "all chunks gone",
    "half a header",
    "chunks exchanged",
    "a chunk twice",
    "something behind",
    "emptied",
]


@pytest.mark.parametrize("how", ALTERATIONS)
def test_an_altered_file_is_noticed(store: AttachmentStore, how: str) -> None:
    """Whatever is done to the file, no altered byte is ever given out, nor a shortened file."""
    content = os.urandom(3 * CHUNK_BYTES + 7)
    name = put(store, content)
    path = file_of(store, name)
    path.write_bytes(altered(path.read_bytes(), how))

    given: list[bytes] = []
    with pytest.raises(AttachmentAltered):
        given.extend(store.read(name, "p1"))

    assert content.startswith(b"".join(given))
    assert store.state(name, "p1") is State.ALTERED


def test_files_cannot_be_exchanged(store: AttachmentStore) -> None:
    """A file under the name of another of the same person is not taken for it."""
    first, second = put(store, b"first"), put(store, b"second")
    file_of(store, first).write_bytes(file_of(store, second).read_bytes())

    with pytest.raises(AttachmentAltered):
        next(store.read(first, "p1"))
    assert store.state(first, "p1") is State.ALTERED


def test_erasing_the_person_erases_the_files(store: AttachmentStore, keys: PersonalKeys) -> None:
    """Without the key the file is noise, also in a copy made before, and nothing can be guessed."""
    name = put(store, PDF)
    before = file_of(store, name).read_bytes()

    keys.destroy("p1")
    file_of(store, name).write_bytes(before)

    assert store.state(name, "p1") is State.ERASED
    with pytest.raises(AttachmentGone):
        next(store.read(name, "p1"))
    with pytest.raises(PersonErased):
        store.identify("p1", hashlib.sha256(PDF).hexdigest())


def test_a_lost_file_and_a_lost_key_are_missing(store: AttachmentStore) -> None:
    """Lost is not erased: the one is a failing, the other a right."""
    name = put(store, PDF)
    without_key = store.state(name, "somebody whose key was never made")
    file_of(store, name).unlink()

    assert without_key is State.MISSING
    assert store.state(name, "p1") is State.MISSING
    with pytest.raises(AttachmentMissing):
        next(store.read(name, "p1"))
    with pytest.raises(AttachmentMissing):
        store.size_of(name)


def test_sweeping_spares_what_was_sent_meanwhile(store: AttachmentStore) -> None:
    """A file of the same name that came after the look is not the one that is let go of."""
    name = put(store, PDF)
    seen = store.seen(name)
    put(store, PDF)
    store.remove_waiting(name, seen)
    spared = store.holds(name)
    store.remove_waiting(name, store.seen(name))

    assert (spared, store.holds(name)) == (True, False)
    assert store.seen(name) == 0


# --- kinds of files ----------------------------------------------------------------------------


def test_the_first_bytes_of_common_files() -> None:
    """A file that says what it is passes; one that is another kind does not."""
    png = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
    heic = b"\0\0\0\x18ftypheic\0\0\0\0"

    assert mismatch("application/pdf", PDF) is None
    assert mismatch("image/png", png) is None
    assert mismatch("image/heic", heic) is None
    assert mismatch("text/csv", "网点,保费\n".encode("gb18030")) is None
    assert mismatch("application/x-own", b"whatever") is None
    for media_type in MARKS:
        assert mismatch(media_type, b"MZ\x90\0 a program") is not None
    assert mismatch("text/plain", png) is not None
    assert set(MARKS) < set(MEDIA_TYPES)


# --- who may name a file -----------------------------------------------------------------------


@pytest.fixture
def world() -> World:
    """A world in which March is open."""
    world = World()
    world.tell("2026-01-20 09:00", duty())
    world.until("2026-04-01 00:00")
    return world


def send(world: World, at: str, file: str = FILE, who: str = "O-boss") -> None:
    """Somebody begins to send a file."""
    receive = ReceiveAttachment(attachment=file, owner=who, media_type="application/pdf")
    world.person(who, receive, at=wall(at))


def arrive(world: World, at: str, file: str = FILE, who: str = "O-boss") -> None:
    """The file is here."""
    world.person(who, StoreAttachment(attachment=file, size_bytes=12), at=wall(at))


def naming(*files: str, **changes: object) -> SubmitReport:
    """A good report on March that names files."""
    evidence = tuple(Evidence(sha256=one, media_type="application/pdf") for one in files)
    fields = {"obligation": MARCH, "form_revision": 1, "content": {"headcount": 7}, **changes}
    return SubmitReport(evidence=evidence, **fields)


def outcome(world: World, at: str) -> tuple[Outcome, str | None]:
    """What the verdict says of March, and the receipt that it counts."""
    moment = Moment(world.events[-1].position, wall(at))
    computed = verdict(world.history, ObligationId(MARCH), moment).computed
    receipt = computed.received_at.astimezone(wall(at).tzinfo) if computed.received_at else None
    return computed.outcome, f"{receipt:%d %H:%M}" if receipt else None


@pytest.mark.parametrize(
    ("begun", "arrived", "reported", "expected"),
    [
        ("17:58", "18:03", "18:03", (Outcome.ON_TIME, "08 17:58")),
        ("18:00", "18:40", "18:59", (Outcome.ON_TIME, "08 18:00")),
        ("18:00", "18:40", "19:00", (Outcome.LATE, "08 19:00")),
        ("18:01", "18:02", "18:03", (Outcome.LATE, "08 18:03")),
        ("09:00", "09:01", "18:03", (Outcome.LATE, "08 18:03")),
        ("17:00", "17:01", "17:30", (Outcome.ON_TIME, "08 17:30")),
    ],
)
def test_an_upload_under_way_at_the_due(
    world: World, begun: str, arrived: str, reported: str, expected: tuple[Outcome, str]
) -> None:
    """Ruling 42: the report counts from when the gate knew the hash, within the window."""
    send(world, f"2026-04-08 {begun}")
    arrive(world, f"2026-04-08 {arrived}")
    world.person("O-boss", naming(FILE), at=wall(f"2026-04-08 {reported}"))

    assert outcome(world, "2026-04-09 09:00") == expected


def test_the_verdict_cites_the_upload(world: World) -> None:
    """Why a report at 18:03 is in time can be looked up: the try that was under way."""
    send(world, "2026-04-08 16:30")
    send(world, "2026-04-08 17:58")
    under_way = world.events[-1].id
    arrive(world, "2026-04-08 18:03")
    world.person("O-boss", naming(FILE), at=wall("2026-04-08 18:03"))

    judged = verdict(world.history, MARCH, Moment(world.events[-1].position, wall("2026-04-09")))

    assert under_way in judged.basis
    assert "uploading_at_due" in judged.computed.flags


def test_a_file_begun_after_the_due_spoils_the_others(world: World) -> None:
    """The gate knew all that the report holds only when it knew the last file."""
    for file, begun in ((FILE, "17:58"), (OTHER, "18:02")):
        send(world, f"2026-04-08 {begun}", file)
        arrive(world, "2026-04-08 18:03", file)
    world.person("O-boss", naming(FILE, OTHER), at=wall("2026-04-08 18:04"))

    assert outcome(world, "2026-04-09 09:00") == (Outcome.LATE, "08 18:04")


def test_the_notice_of_a_miss_is_withdrawn(world: World) -> None:
    """The clock said missed while the file was on its way, and takes it back."""
    send(world, "2026-04-08 17:58")
    world.until("2026-04-08 18:05")
    arrive(world, "2026-04-08 18:06")
    world.person("O-boss", naming(FILE), at=wall("2026-04-08 18:06"))
    world.until("2026-04-08 18:10")

    about_march = [one.type for one in world.events if f"obligation:{MARCH}" in one.tags]
    told = [one for one in about_march if one.startswith("obligation.miss")]
    assert told == ["obligation.missed", "obligation.miss_withdrawn"]


def refusal(world: World, command: SubmitReport, at: str = "2026-04-02 10:00") -> GateRefused:
    """How the gate refuses a report of the outlet's head."""
    with pytest.raises(GateRefused) as refused:
        world.person("O-boss", command, at=wall(at))
    return refused.value


def test_only_ones_own_whole_files_are_named(world: World) -> None:
    """Never sent, somebody else's, not yet whole, mislabelled, named twice, too many."""
    send(world, "2026-04-01 09:00", OTHER, who="S-boss")
    arrive(world, "2026-04-01 09:01", OTHER, who="S-boss")
    never, others = refusal(world, naming(FILE)), refusal(world, naming(OTHER))
    send(world, "2026-04-01 09:02")
    half = refusal(world, naming(FILE))
    arrive(world, "2026-04-01 09:03")
    wrong = Evidence(sha256=FILE, media_type="image/png")
    labelled = refusal(world, _with(wrong))
    twice = refusal(world, naming(FILE, FILE))
    many = refusal(world, naming(*(f"{number:064x}" for number in range(EVIDENCE_MAX + 1))))

    said = [one.fields[0].message for one in (never, others, half, labelled, twice, many)]
    assert "not uploaded by you" in said[0]
    assert said[1] == said[0]
    assert "not arrived" in said[2]
    assert "application/pdf" in said[3]
    assert "twice" in said[4]
    assert str(EVIDENCE_MAX) in said[5]
    # A refused attempt is kept, and names nothing that could open a file to others.
    assert all(draft.evidence == () for draft in never.drafts)


def _with(*evidence: Evidence) -> SubmitReport:
    fields = {"obligation": MARCH, "form_revision": 1, "content": {"headcount": 7}}
    return SubmitReport(evidence=evidence, **fields)


def test_a_refused_attempt_keeps_the_files_that_it_may_name(world: World) -> None:
    """Ruling 48: what was tried is kept whole."""
    send(world, "2026-04-01 09:00")
    arrive(world, "2026-04-01 09:01")

    (draft,) = refusal(world, naming(FILE, content={})).drafts

    assert [one.sha256 for one in draft.evidence] == [FILE]


def test_resubmitting_and_correcting_name_files_too(world: World) -> None:
    """The same rule, whatever the command: relief and reviews as well."""
    (sent,) = world.person("O-boss", naming(), at=wall("2026-04-02 10:00"))
    assert isinstance(sent.fact, r.ReportSubmitted)
    evidence = (Evidence(sha256=FILE, media_type="application/pdf"),)
    correct = reports.CorrectReport(
        obligation=MARCH,
        report=sent.fact.report,
        form_revision=1,
        content={"headcount": 8},
        reason=Reason("typing_error"),
        evidence=evidence,
    )
    ask = RequestExtension(
        obligation=MARCH,
        reason=Reason("illness"),
        requested_due=wall("2026-04-10 18:00"),
        evidence=evidence,
    )
    for command in (correct, ask):
        with pytest.raises(Invalid) as refused:
            world.person("O-boss", command)
        assert "not uploaded by you" in refused.value.fields[0].message
    send(world, "2026-04-02 10:01")
    arrive(world, "2026-04-02 10:02")
    for command in (correct, ask):
        (event,) = world.person("O-boss", command)
        assert f"attachment:{FILE}" in event.tags


# --- letting go --------------------------------------------------------------------------------


def test_what_nobody_names_is_let_go_of(world: World) -> None:
    """After a day; then it must be sent again before it is named."""
    send(world, "2026-04-01 09:00")
    arrive(world, "2026-04-01 09:01")
    sweep = SweepAttachment(attachment=FILE)
    with pytest.raises(Conflict):
        world.operator(sweep, at=wall("2026-04-02 08:59"))
    world.operator(sweep, at=wall("2026-04-01 09:00") + UNNAMED_KEPT)

    swept = refusal(world, naming(FILE), "2026-04-02 10:00")
    send(world, "2026-04-02 10:01")
    arrive(world, "2026-04-02 10:02")
    (event,) = world.person("O-boss", naming(FILE), at=wall("2026-04-02 10:03"))

    assert "was erased" in swept.fields[0].message
    assert event.type == "report.submitted"
    with pytest.raises(Conflict):
        world.operator(sweep, at=wall("2026-06-01 00:00"))


def test_what_is_stored_stays_so(world: World) -> None:
    """Another try of the same file, which never ends, takes nothing away."""
    send(world, "2026-04-01 09:00")
    arrive(world, "2026-04-01 09:01")
    send(world, "2026-04-01 09:02")

    (event,) = world.person("O-boss", naming(FILE), at=wall("2026-04-01 09:03"))

    assert event.type == "report.submitted"


def test_only_what_the_gate_heard_of_arrives(world: World) -> None:
    """A file that was never announced, or is somebody else's, or is here, is not stored."""
    with pytest.raises(NotFound):
        arrive(world, "2026-04-01 09:00")
    send(world, "2026-04-01 09:00")
    with pytest.raises(Conflict):
        arrive(world, "2026-04-01 09:01", who="S-boss")
    arrive(world, "2026-04-01 09:02")
    with pytest.raises(Conflict):
        arrive(world, "2026-04-01 09:03")
