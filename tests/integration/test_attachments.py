"""Uploads beside a real log: their order, crashes between, sweeping, what verification finds."""

import hashlib
import os
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger.attachments import WAITING, AttachmentStore, State
from ledger.codec import decode
from ledger.database import Database
from ledger.decisions.attachments import UNNAMED_KEPT
from ledger.decisions.organisation import EstablishUnit, RenameUnit
from ledger.entry import Context
from ledger.errors import Conflict, Invalid
from ledger.identifiers import new_fact_id
from ledger.log import Log
from ledger.model.attachments import Attachment
from ledger.personal_keys import PersonalKeys, PersonErased
from ledger.recorder import LedgerInfo, PostgresRecorder
from ledger.settings import Settings
from ledger.uploads import Announced, Uploads
from ledger.verify import Demand, FolderLog, Live, Trust, verify_database
from ledger.verifying.attachments import FileChecked, Files, check_files
from ledger.verifying.report import AttachedFiles
from ledger.vocabulary import Actor, Evidence, Level, Via
from tests.sealing import Sealed

PDF = b"%PDF-1.7\n" + b"seal of the branch\n" * 20
PDF_TYPE = "application/pdf"
OPERATOR = Actor(via=Via.OPERATOR, system="tests")


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[PersonalKeys]:
    """A new file of keys."""
    keys = PersonalKeys(tmp_path / "keys", "main")
    yield keys
    keys.close()


class Desk:
    """Somebody who sends files to a ledger and names them."""

    def __init__(self, recorder: PostgresRecorder, keys: PersonalKeys, folder: Path) -> None:
        self.recorder = recorder
        self.log = Log(recorder, "main")
        self.store = AttachmentStore(folder, "main", keys)
        self.uploads = Uploads(self.log, self.store, Settings())
        unit = EstablishUnit(unit="HQ", level=Level.HEADQUARTERS, name_zh="总", name_en="HQ")
        self.log.execute(unit, self.context())

    @staticmethod
    def context(later: timedelta = timedelta(0)) -> Context:
        """An operator, now or later."""
        return Context(actor=OPERATOR, received_at=datetime.now(UTC) + later, new_id=new_fact_id)

    def send(self, content: bytes) -> Attachment:
        """A whole upload."""
        announced = Announced(hashlib.sha256(content).hexdigest(), PDF_TYPE, len(content))
        row, incoming = self.uploads.begin(announced, self.context())
        if incoming is None:
            return row
        try:
            self.uploads.take(incoming, content, row)
            return self.uploads.finish(incoming, announced, row, self.context())
        finally:
            incoming.abandon()

    def name(self, content: bytes) -> int:
        """A fact that names the file; its position."""
        evidence = (Evidence(sha256=hashlib.sha256(content).hexdigest(), media_type=PDF_TYPE),)
        named = self.uploads.named(evidence, OPERATOR)
        command = RenameUnit(unit="HQ", name_zh="总", name_en=os.urandom(4).hex(), evidence=named)
        return self.log.execute(command, self.context()).receipts[0].position

    def verify(self, erasures: dict[str, int] | None = None) -> list[FileChecked]:
        """What verification says of the files that entries name."""
        files = Files()
        for page in self.recorder.stream(()):
            for stored in page:
                files.take(stored.position, stored.entry)
        return list(check_files(files, erasures or {}, self.store))

    def types(self) -> list[str]:
        """The types of all facts about files."""
        entries = (stored.entry for page in self.recorder.stream(()) for stored in page)
        return [one.type for one in map(decode, entries) if one.type.startswith("attachment.")]


@pytest.fixture
def desk(recorder: PostgresRecorder, keys: PersonalKeys, tmp_path: Path) -> Desk:
    """A desk at a new ledger."""
    return Desk(recorder, keys, tmp_path / "attachments")


def path_of(desk: Desk, attachment: str) -> Path:
    """Where a file lies."""
    (path,) = desk.store.folder.rglob(attachment)
    return path


def test_the_log_hears_first_and_last(desk: Desk) -> None:
    """Before the content is read, and after it is on disk; a repetition records nothing."""
    announced = Announced(hashlib.sha256(PDF).hexdigest(), PDF_TYPE)
    row, incoming = desk.uploads.begin(announced, desk.context())
    assert incoming is not None
    before = desk.types()
    desk.uploads.take(incoming, PDF, row)
    not_yet = desk.store.holds(row.attachment)
    desk.uploads.finish(incoming, announced, row, desk.context())
    desk.send(PDF)

    assert (before, not_yet) == (["attachment.received"], False)
    assert desk.types() == ["attachment.received", "attachment.stored"]


def test_a_crash_between_disk_and_log_is_mended_by_sending_again(desk: Desk) -> None:
    """The file is on disk and the log was not told: it may not be named, until it is sent again."""
    announced = Announced(hashlib.sha256(PDF).hexdigest(), PDF_TYPE)
    row, incoming = desk.uploads.begin(announced, desk.context())
    assert incoming is not None
    desk.uploads.take(incoming, PDF, row)
    desk.store.keep(incoming, row.attachment, announced.sha256)
    with pytest.raises(Invalid):
        desk.name(PDF)

    again = desk.send(PDF)
    desk.name(PDF)

    assert len(again.tries) == 2
    assert [one.state for one in desk.verify()] == [State.PRESENT]


def test_a_file_that_was_lost_may_be_sent_again(desk: Desk) -> None:
    """Named, then lost with a disk: whoever sent it has it, and the same name fits."""
    sent = desk.send(PDF)
    desk.name(PDF)
    path_of(desk, sent.attachment).unlink()
    lost = desk.verify()

    desk.send(PDF)

    assert [one.state for one in lost] == [State.MISSING]
    assert lost[0].fault is not None
    assert [(one.state, one.fault) for one in desk.verify()] == [(State.PRESENT, None)]


def test_many_send_one_file_at_once(desk: Desk) -> None:
    """One file, stored once, and everybody is answered."""
    with ThreadPoolExecutor(8) as threads:
        rows = list(threads.map(lambda _: desk.send(PDF), range(16)))

    assert len({one.attachment for one in rows}) == 1
    assert desk.types().count("attachment.stored") == 1
    assert desk.store.state(rows[0].attachment, rows[0].owner) is State.PRESENT
    assert [one.name for one in desk.store.folder.rglob(".part-*")] == []


def test_nothing_large_is_held_in_memory(desk: Desk) -> None:
    """24 MiB go in and out, and never more than a few chunks are held."""
    size, part = 24 * 1024 * 1024, b"x" * 65_536
    digest = hashlib.sha256(PDF)
    for _ in range(size // len(part)):
        digest.update(part)
    announced = Announced(digest.hexdigest(), PDF_TYPE)
    row, incoming = desk.uploads.begin(announced, desk.context())
    assert incoming is not None

    tracemalloc.start()
    desk.uploads.take(incoming, PDF, row)
    for _ in range(size // len(part)):
        desk.uploads.take(incoming, part, row)
    desk.uploads.finish(incoming, announced, row, desk.context())
    back = sum(map(len, desk.store.read(row.attachment, row.owner)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert back == size + len(PDF)
    assert peak < 4 * 1024 * 1024


def test_naming_and_sweeping_exclude_each_other(desk: Desk) -> None:
    """Whichever comes first: what a fact names is there, and what was swept is named nowhere."""
    for number in range(12):
        content = PDF + bytes([number])
        desk.send(content)
        later = desk.context(UNNAMED_KEPT + timedelta(minutes=1))
        with ThreadPoolExecutor(2) as threads:
            naming = threads.submit(_or_refused, lambda content=content: desk.name(content))
            sweeping = threads.submit(desk.uploads.sweep, later, {})
        named, swept = naming.result(), sweeping.result()

        assert bool(named) != bool(swept)
    assert {one.state for one in desk.verify()} <= {State.PRESENT}


def _or_refused(name: object) -> int:
    try:
        return int(name())  # type: ignore[operator]
    except (Invalid, Conflict):
        return 0


def test_sweeping_settles_what_is_named(desk: Desk) -> None:
    """It is looked at once; a file that the log never heard of is left alone."""
    sent = desk.send(PDF)
    desk.name(PDF)
    stranger = desk.store.folder / WAITING / ("f" * 64)
    stranger.write_bytes(b"from a newer database")

    swept = desk.uploads.sweep(desk.context(UNNAMED_KEPT * 2), {})

    assert swept == 0
    assert desk.store.waiting() == ["f" * 64]
    assert path_of(desk, sent.attachment).parent.name == sent.attachment[:2]
    assert [one.state for one in desk.verify()] == [State.PRESENT]
    assert desk.send(PDF).attachment == sent.attachment


def test_what_an_interrupted_upload_left_is_removed(desk: Desk) -> None:
    """After a day, and not before: it may still be coming in."""
    desk.send(PDF)
    old, new = (desk.store.folder / WAITING / f".part-{name}" for name in ("old", "new"))
    for part in (old, new):
        part.write_bytes(b"half")
    day = UNNAMED_KEPT.total_seconds()
    os.utime(old, (time.time() - day - 1, time.time() - day - 1))

    desk.uploads.sweep(desk.context(), {})

    assert (old.exists(), new.exists()) == (False, True)


def test_verification_tells_four_fates_apart(desk: Desk, keys: PersonalKeys) -> None:
    """There and the one, altered, missing, erased: each named by the first entry that names it."""
    contents = [PDF + bytes([number]) for number in range(3)]
    rows = [desk.send(one) for one in contents]
    positions = [desk.name(one) for one in contents]
    desk.name(contents[0])
    altered, lost = (path_of(desk, one.attachment) for one in rows[1:])
    altered.write_bytes(altered.read_bytes()[:-1])
    lost.unlink()

    found = desk.verify()
    there_again = desk.verify({"system:tests": 9})[0]
    keys.destroy("system:tests")
    unsaid = desk.verify()[0]
    said = desk.verify({"system:tests": 9})

    assert [one.position for one in found] == positions
    assert [one.state for one in found] == [State.PRESENT, State.ALTERED, State.MISSING]
    assert [one.fault is None for one in found] == [True, False, False]
    assert "there again" in str(there_again.fault)
    assert (unsaid.state, "no entry says so" in str(unsaid.fault)) == (State.ERASED, True)
    assert {(one.state, one.erased_by, one.fault) for one in said} == {(State.ERASED, 9, None)}


@pytest.mark.parametrize("first", [1, 290], ids=["whole", "what is new"])
def test_the_databases_verification_opens_every_file(
    desk: Desk, database: Database, tmp_path: Path, first: int
) -> None:
    """A file that came in before what is read, and is named in it, is judged all the same."""
    log = Sealed(database, desk.recorder, tmp_path / "log")
    contents = [PDF + bytes([number]) for number in range(3)]
    rows = [desk.send(content) for content in contents]
    log.append(300)
    named = [desk.name(content) for content in contents]
    log.sealer.seal()
    info = LedgerInfo(log.ledger_id, "main", simulated=False)
    live = Live(database, info, FolderLog(str(log.folder.path)), None, desk.store)
    trust = Trust(tuple(log.keys.verifiers()), "given")
    demand = Demand(trust=trust, processes=1, first_position=first)
    sound = verify_database(live, demand)

    altered, lost = (path_of(desk, one.attachment) for one in rows[1:])
    altered.write_bytes(altered.read_bytes()[:-1])
    lost.unlink()
    found = verify_database(live, demand)

    assert (sound.faults, sound.attachments) == ([], AttachedFiles(present=3))
    assert found.attachments == AttachedFiles(present=1, altered=1, missing=1)
    assert [one.position for one in found.faults] == named[1:]
    assert found.first is not None
    assert "ALTERED" in found.first.what


def test_who_was_erased_sends_nothing_more(desk: Desk, keys: PersonalKeys) -> None:
    """And a hash that was guessed cannot be tried against the log."""
    desk.send(PDF)
    keys.destroy("system:tests")

    with pytest.raises(PersonErased):
        desk.send(PDF)


def test_the_log_is_followed_before_a_key_is_used(keys: PersonalKeys, tmp_path: Path) -> None:
    """A file of keys from before an erasure opens nothing: the log is asked first."""
    store = AttachmentStore(tmp_path, "main", keys)
    sha256 = hashlib.sha256(PDF).hexdigest()
    name = store.identify("p1", sha256)
    incoming = store.begin("p1", name)
    incoming.write(PDF)
    store.keep(incoming, name, sha256)

    followed = AttachmentStore(tmp_path, "main", keys, follow=lambda: keys.destroy("p1"))

    assert store.state(name, "p1") is State.PRESENT
    assert followed.state(name, "p1") is State.ERASED
