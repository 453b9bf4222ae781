"""`ledger.verify`: every kind of damage, in every kind of source, found at the right position."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from psycopg.conninfo import conninfo_to_dict

from ledger.database import Database, connect_as_login
from ledger.merkle import leaf_hash, root_of
from ledger.personal_keys import PersonalKeys
from ledger.recorder import LedgerInfo, NewEvent, PostgresRecorder, create_ledger
from ledger.sealed import SealedStore
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.note import SigningKey, sign_note
from ledger.sealing.tiles import TileId, decode_bundle, encode_bundle
from ledger.verify import (
    Demand,
    FolderLog,
    KeptNote,
    Live,
    Report,
    Trust,
    verify_database,
    verify_export,
    verify_log,
)
from ledger.verifying import spreading, stretches
from tests.recording import new_event, request
from tests.sealing import ORIGIN, Sealed
from tests.visiting import fresh_database

SIZE = 602
"""Two full tiles and a partial one."""


def keyed(key: str, number: int) -> NewEvent:
    """An event that says under which idempotency key of whom it was sent."""
    event_id = uuid4()
    body = {"id": str(event_id), "type": "keyed", "tags": ["a"], "actor": {"person": "somebody"}}
    body |= {"idempotency_key": key, "data": {"number": number}}
    return NewEvent(event_id, "keyed", ("a",), msgspec.json.encode(body))


@pytest.fixture(scope="module")
def model(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """A ledger of 602 entries, sealed at 300 and then whole; the first checkpoint was kept."""
    home: Path = tmp_path_factory.mktemp("model")
    with fresh_database(server_url, template) as database:
        recorder = PostgresRecorder(database, create_ledger(database, "main", simulated=False))
        made = Sealed(database, recorder, home)
        made.grown(300)
        (home / "kept").write_bytes((made.folder.path / "checkpoint").read_bytes())
        made.append(200)
        recorder.append_one(request(*(keyed("k", number) for number in range(100)), key="k"))
        recorder.append_one(request(new_event("t", "a", "b"), new_event("t")))
        made.sealer.seal()
        recorder.close()
        database.close()
        yield str(conninfo_to_dict(database.url)["dbname"]), home


@pytest.fixture
def sealed(server_url: str, model: tuple[str, Path], tmp_path: Path) -> Iterator[Sealed]:
    """The ledger of 602 entries, for one test to break."""
    shutil.copytree(model[1], tmp_path, dirs_exist_ok=True)
    with fresh_database(server_url, model[0]) as database:
        recorder = PostgresRecorder(database, 1)
        yield Sealed(database, recorder, tmp_path)
        recorder.close()


def demand(sealed: Sealed, **more: Any) -> Demand:
    """Verify with the log's own key, given by hand."""
    trust = Trust(tuple(sealed.keys.verifiers()), "given")
    return Demand(**{"trust": trust, "processes": 1, **more})


def kept(path: Path) -> KeptNote:
    """A checkpoint in a file."""
    return KeptNote(str(path), path.read_bytes())


def of_folder(sealed: Sealed, **more: Any) -> Report:
    """The folder verified."""
    return verify_log(FolderLog(str(sealed.folder.path)), demand(sealed, **more))


def of_database(sealed: Sealed, **more: Any) -> Report:
    """The database verified."""
    live = Live(
        sealed.database,
        LedgerInfo(sealed.ledger_id, "main", simulated=False),
        FolderLog(str(sealed.folder.path)),
    )
    return verify_database(live, demand(sealed, **more))


def test_a_sound_log_is_accepted(sealed: Sealed) -> None:
    """Database and folder: everything read, the signed root reached, nothing wrong."""
    for report in (of_folder(sealed), of_database(sealed)):
        assert report.faults == []
        assert (report.size, report.entries_read) == (SIZE, SIZE)
        assert report.root == sealed.published().root.hex()


def test_a_sound_log_is_accepted_by_several_processes(sealed: Sealed) -> None:
    """The same answer however the work is spread."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stretches, "STRETCH_TILES", 1)
        patched.setattr(spreading, "ALONE_MAX", 1)
        for report in (of_folder(sealed, processes=2), of_database(sealed, processes=2)):
            assert report.faults == []
            assert report.root == sealed.published().root.hex()


# -- the database --------------------------------------------------------------------------------

ROWS: dict[str, tuple[str, int, str]] = {
    # what is done to the database: SQL, the first bad position, what is said of it
    "an edited payload": (
        (
            "UPDATE ledger.event SET entry = overlay(entry placing 'X'::bytea from 200 for 1)"
            " WHERE position = 400"
        ),
        400,
        "leaf_hash is not the hash",
    ),
    "an edited payload and its hash": (
        (
            "UPDATE ledger.event SET entry = replaced.entry, leaf_hash ="
            " sha256('\\x00'::bytea || replaced.entry) FROM (SELECT convert_to(replace("
            "convert_from(entry, 'UTF8'), '\"data\":{', '\"data\":{\"x\":1,'), 'UTF8') AS entry"
            " FROM ledger.event WHERE position = 400) AS replaced WHERE position = 400"
        ),
        400,
        "the row is not the entry that was signed",
    ),
    "swapped rows": (
        (
            "UPDATE ledger.event SET entry = other.entry, leaf_hash = other.leaf_hash,"
            " recorded_at = other.recorded_at FROM (SELECT * FROM ledger.event) AS other"
            " WHERE event.position IN (257, 300) AND other.position = 557 - event.position"
        ),
        257,
        "another entry stands here",
    ),
    "a deleted row": ("DELETE FROM ledger.event WHERE position = 350", 350, "the row is missing"),
    "deleted rows": (
        "DELETE FROM ledger.event WHERE position BETWEEN 250 AND 520",
        250,
        "missing",
    ),
    "a deleted tail": (
        "DELETE FROM ledger.event WHERE position > 590",
        591,
        "12 rows are missing from here on",
    ),
    "a tail that the head forgot": (
        (
            "DELETE FROM ledger.event WHERE position > 590; DELETE FROM ledger.event_tag"
            " WHERE position > 590; DELETE FROM ledger.event_key WHERE position > 590;"
            " UPDATE ledger.head SET position = 590, recorded_at = (SELECT recorded_at"
            " FROM ledger.event WHERE position = 590)"
        ),
        591,
        "ROLLBACK: the head stands at 590, and the checkpoint covers 602",
    ),
    "a row beyond the head": (
        (
            "INSERT INTO ledger.event SELECT ledger_id, 603, recorded_at, type, tags, leaf_hash,"
            " entry FROM ledger.event WHERE position = 602"
        ),
        603,
        "outside the log",
    ),
    "an inserted row": (
        (
            "UPDATE ledger.event SET position = position + 1000 WHERE position >= 400;"
            " UPDATE ledger.event SET position = position - 999 WHERE position >= 1400;"
            " INSERT INTO ledger.event SELECT ledger_id, 400, recorded_at, type, tags, leaf_hash,"
            " entry FROM ledger.event WHERE position = 399; UPDATE ledger.head SET position = 603"
        ),
        400,
        "another entry stands here",
    ),
    "another type": ("UPDATE ledger.event SET type = 'x' WHERE position = 7", 7, "column type"),
    "another tag": ("UPDATE ledger.event SET tags = '{b}' WHERE position = 7", 7, "column tags"),
    "tags joined": (
        "UPDATE ledger.event SET tags = ARRAY[E'a\\x1fb'] WHERE position = 601",
        601,
        "column tags",
    ),
    "another leaf hash": (
        "UPDATE ledger.event SET leaf_hash = sha256('x') WHERE position = 7",
        7,
        "leaf_hash is not the hash of the entry",
    ),
    "no tags": ("UPDATE ledger.event SET tags = '{}' WHERE position = 7", 7, "column tags"),
    "another time": (
        "UPDATE ledger.event SET recorded_at = recorded_at + interval '1 us' WHERE position = 7",
        7,
        "column recorded_at",
    ),
    "another time of the head": (
        "UPDATE ledger.head SET recorded_at = recorded_at - interval '1 s'",
        602,
        "the head's recorded_at",
    ),
    "a missing tag row": (
        "DELETE FROM ledger.event_tag WHERE position = 511",
        511,
        "missing in event_tag",
    ),
    "a tag row too many": (
        (
            "INSERT INTO ledger.event_tag SELECT ledger_id, hashtextextended('secret', 0), 512"
            " FROM ledger.head"
        ),
        512,
        "event_tag has a row",
    ),
    "a missing id": (
        "DELETE FROM ledger.event_key WHERE position = 20",
        20,
        "from this entry's id",
    ),
    "an id that leads elsewhere": (
        "UPDATE ledger.event_key SET position = 21 WHERE position = 20",
        20,
        "from this entry's id",
    ),
    "an id too many": (
        "INSERT INTO ledger.event_key SELECT ledger_id, gen_random_uuid(), 33 FROM ledger.head",
        33,
        "event_key has a row",
    ),
    "a key too many": (
        (
            "INSERT INTO ledger.event_key SELECT ledger_id, gen_random_uuid(), 33, 1, '\\x00'"
            " FROM ledger.head"
        ),
        33,
        "event_key has a row",
    ),
    "a missing key": (
        "DELETE FROM ledger.event_key WHERE fingerprint IS NOT NULL",
        501,
        "idempotency key",
    ),
    "a key for fewer entries": (
        "UPDATE ledger.event_key SET event_count = 99 WHERE fingerprint IS NOT NULL",
        501,
        "idempotency key",
    ),
    "another seal": (
        "UPDATE ledger.seal SET root = sha256('')",
        0,
        "FORK: the rows up to 602",
    ),
}


@pytest.mark.parametrize("damage", ROWS)
def test_damage_in_the_database_is_named(sealed: Sealed, damage: str) -> None:
    """The first bad position, and what is wrong there."""
    statements, position, what = ROWS[damage]
    with sealed.superuser() as connection:
        connection.execute("SET session_replication_role = replica")
        for statement in statements.split("; "):
            connection.execute(statement.encode())

    first = of_database(sealed).first

    assert first is not None
    assert (first.position or 0, what in first.what) == (position, True), first


# -- the folder ----------------------------------------------------------------------------------


def bundle(folder: Path, index: int, change: Callable[[list[bytes]], object], width: int) -> None:
    """Change the entries of a bundle."""
    path = folder / TileId(None, index, width).path()
    entries = decode_bundle(path.read_bytes())
    change(entries)
    path.write_bytes(encode_bundle(entries))


def flip(folder: Path, name: str, at: int) -> None:
    """Flip a bit."""
    content = bytearray((folder / name).read_bytes())
    content[at] ^= 1
    (folder / name).write_bytes(content)


def edited(entry: bytes) -> bytes:
    """The entry with another payload."""
    return entry.replace(b'"data":{', b'"data":{"x":1,')


def edit_with_tile(folder: Path) -> None:
    """An entry changed in its bundle, and the hash of it in its tile."""
    bundle(folder, 1, lambda entries: entries.__setitem__(43, edited(entries[43])), 256)
    entry = decode_bundle((folder / "tile/entries/001").read_bytes())[43]
    tile = bytearray((folder / "tile/0/001").read_bytes())
    tile[43 * 32 : 44 * 32] = leaf_hash(entry)
    (folder / "tile/0/001").write_bytes(tile)


def flip_and_edit(folder: Path) -> None:
    """A tile damaged, and an entry changed below another."""
    flip(folder, "tile/0/000", 10 * 32)
    bundle(folder, 1, lambda entries: entries.__setitem__(43, edited(entries[43])), 256)


def swap(entries: list[bytes]) -> None:
    """Two neighbours exchanged."""
    entries[10], entries[11] = entries[11], entries[10]


def earlier_partial(folder: Path) -> None:
    """The file of an earlier tree, with other hashes in it."""
    (folder / "tile/0/000.p").mkdir()
    (folder / "tile/0/000.p/9").write_bytes(bytes(32 * 9))


def earlier_partial_bundle(folder: Path) -> None:
    """The bundle of an earlier tree, with another entry in it."""
    entries = decode_bundle((folder / "tile/entries/000").read_bytes())[:9]
    (folder / "tile/entries/000.p").mkdir(exist_ok=True)
    (folder / "tile/entries/000.p/9").write_bytes(encode_bundle([*entries[:8], edited(entries[8])]))


FILES: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "an edited entry": (
        lambda folder: bundle(
            folder, 1, lambda entries: entries.__setitem__(43, edited(entries[43])), 256
        ),
        300,
        "was changed",
    ),
    "an edited entry and its hash": (edit_with_tile, 257, "among the 256 entries"),
    "a tile and an entry": (flip_and_edit, 11, "the tile is damaged"),
    "swapped entries": (lambda folder: bundle(folder, 0, swap, 256), 11, "another entry"),
    "a deleted entry": (
        lambda folder: bundle(folder, 0, lambda entries: entries.pop(99), 256),
        100,
        "another entry",
    ),
    "a deleted last entry": (
        lambda folder: bundle(folder, 0, lambda entries: entries.pop(), 256),
        256,
        "the bundle ends before it does",
    ),
    "an inserted entry": (
        lambda folder: bundle(folder, 2, lambda entries: entries.insert(5, entries[4]), 90),
        518,
        "another entry",
    ),
    "an entry more": (
        lambda folder: bundle(folder, 2, lambda entries: entries.append(entries[4]), 90),
        603,
        "holds more than 90",
    ),
    "a truncated bundle": (
        lambda folder: (folder / "tile/entries/000").write_bytes(
            (folder / "tile/entries/000").read_bytes()[:10_000]
        ),
        0,
        "the bundle ends before it does",
    ),
    "a missing bundle": (lambda folder: (folder / "tile/entries/001").unlink(), 257, "missing"),
    "a missing tail": (
        lambda folder: shutil.rmtree(folder / "tile/entries/002.p"),
        513,
        "missing",
    ),
    "a flipped tile": (
        lambda folder: flip(folder, "tile/0/001", 32 * 7),
        264,
        "the tile is damaged",
    ),
    "a flipped upper tile": (
        lambda folder: flip(folder, "tile/1/000.p/2", 40),
        257,
        "tile/1/000.p/2 does not hold",
    ),
    "a truncated tile": (
        lambda folder: (folder / "tile/0/001").write_bytes(bytes(32 * 100)),
        257,
        "",
    ),
    "a missing tile": (lambda folder: (folder / "tile/0/000").unlink(), 1, "missing"),
    "a missing upper tile": (
        lambda folder: (folder / "tile/1/000.p/2").unlink(),
        1,
        "missing",
    ),
    "an earlier partial tile": (
        earlier_partial,
        1,
        "tile/0/000.p/9 is not the beginning",
    ),
    "an earlier partial bundle": (
        earlier_partial_bundle,
        1,
        "tile/entries/000.p/9 is not the beginning",
    ),
    "an earlier upper tile": (
        lambda folder: (folder / "tile/1/000.p/1").write_bytes(bytes(32)),
        1,
        "tile/1/000.p/1 does not hold",
    ),
    "a stray file": (
        lambda folder: (folder / "tile/0/0").write_bytes(b""),
        0,
        "no file of a log",
    ),
}


@pytest.mark.parametrize("damage", FILES)
def test_damage_in_the_folder_is_named(sealed: Sealed, damage: str) -> None:
    """The first bad position, and what is wrong there."""
    change, position, what = FILES[damage]
    change(sealed.folder.path)

    first = of_folder(sealed).first

    assert first is not None
    assert what in first.what
    assert (first.position or 0) == position or damage == "a truncated bundle", first


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_level_of_tiles_is_looked_at(tmp_path: Path, level: int) -> None:
    """In a log of 65,536 entries, which has three levels; here its hashes alone."""
    key = SigningKey.generate(ORIGIN)
    hashes = [leaf_hash(number.to_bytes(4, "big")) for number in range(65_536)]
    for height in range(3):
        for index in range(-(-len(hashes) // 256)):
            filed = hashes[index * 256 : (index + 1) * 256]
            path = tmp_path / TileId(height, index, len(filed)).path()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(filed))
        if height < 2:
            hashes = [root_of(hashes[at : at + 256]) for at in range(0, len(hashes), 256)]
    checkpoint = Checkpoint(ORIGIN, 65_536, hashes[0])
    (tmp_path / "checkpoint").write_text(sign_checkpoint(checkpoint, [key]))
    wanted = Demand(trust=Trust((key.verifier,), "given"), processes=1, tiles_only=True)
    assert verify_log(FolderLog(str(tmp_path)), wanted).faults == []

    flip(tmp_path, ["tile/0/007", "tile/1/000", "tile/2/000.p/1"][level], 3)

    assert verify_log(FolderLog(str(tmp_path)), wanted).faults != []


def test_a_damaged_folder_is_found_beside_the_database(sealed: Sealed) -> None:
    """Verifying the database verifies its folder too, and says which of them is wrong."""
    flip(sealed.folder.path, "tile/0/001", 32 * 7)

    faults = [one.text() for one in of_database(sealed).faults]

    assert faults[0].startswith("position 264: the tile does not hold")
    assert any("log folder" in one for one in faults)


# -- checkpoints ---------------------------------------------------------------------------------


def replace_checkpoint(sealed: Sealed, note: str) -> None:
    """Publish another checkpoint."""
    (sealed.folder.path / "checkpoint").write_text(note)


def test_a_wrong_root_is_found(sealed: Sealed) -> None:
    """Signed by the right key, but of other entries."""
    forged = Checkpoint(ORIGIN, SIZE, leaf_hash(b"other"))
    replace_checkpoint(sealed, sign_checkpoint(forged, sealed.keys.signing()))

    for report in (of_folder(sealed), of_database(sealed)):
        assert any(
            "these are not the entries that were signed" in one.what for one in report.faults
        )


@pytest.mark.parametrize("origin", ["example.com/other", ORIGIN])
def test_a_checkpoint_of_another_log_is_found(sealed: Sealed, origin: str) -> None:
    """Another log's name, or another key under this log's name."""
    root = bytes.fromhex(of_folder(sealed).root or "")
    other = SigningKey.generate(origin)
    replace_checkpoint(sealed, sign_checkpoint(Checkpoint(origin, SIZE, root), [other]))

    for report in (of_folder(sealed), of_database(sealed)):
        assert report.first is not None
        assert any("No key that you trust" in one.what for one in report.faults)


def test_another_origin_under_the_right_key_is_found(sealed: Sealed) -> None:
    """A log's key may sign for its own log alone."""
    other = Checkpoint("example.com/other", SIZE, sealed.published().root)
    replace_checkpoint(sealed, sign_note(other.text(), sealed.keys.signing()))

    (fault,) = of_folder(sealed).faults
    assert "none of that log's keys" in fault.what


def test_an_unknown_signature_is_refused_unless_asked(sealed: Sealed) -> None:
    """Nothing vouches for its bytes; whoever knows of it may let it pass."""
    keys = [*sealed.keys.signing(), SigningKey.generate("witness.example")]
    replace_checkpoint(sealed, sign_note(sealed.published().text(), keys))

    (fault,) = of_folder(sealed).faults
    assert "1 of the checkpoint's 2 signatures" in fault.what
    lenient = Trust(tuple(sealed.keys.verifiers()), "given", ignore_unknown=True)
    assert of_folder(sealed, trust=lenient).faults == []


def test_both_keys_of_a_rotation_are_accepted(sealed: Sealed) -> None:
    """While two keys sign, knowing both is knowing every byte."""
    sealed.keys.rotate()
    sealed.grown(1)

    assert of_folder(sealed).faults == []


def test_without_a_key_the_report_says_so(sealed: Sealed) -> None:
    """Everything is computed all the same, and nobody is told that a signature was checked."""
    report = of_folder(sealed, trust=Trust())

    assert report.faults == []
    assert report.checkpoint is not None
    assert "NOT VERIFIED" in report.checkpoint.signature


def test_a_kept_checkpoint_is_proven(sealed: Sealed, tmp_path: Path) -> None:
    """The log of 602 begins with the one of 300 that an auditor kept."""
    for report in (
        of_folder(sealed, kept=(kept(tmp_path / "kept"),)),
        of_database(sealed, kept=(kept(tmp_path / "kept"),)),
    ):
        assert report.faults == []
        assert {(one.size, one.consistent) for one in report.kept} == {(300, True)}


def test_a_genuine_old_checkpoint_is_a_rollback(sealed: Sealed, tmp_path: Path) -> None:
    """An old checkpoint in place of the newest is found by whoever kept a newer one."""
    newest = sealed.folder.path / "checkpoint"
    (tmp_path / "newest").write_bytes(newest.read_bytes())
    newest.write_bytes((tmp_path / "kept").read_bytes())

    assert of_folder(sealed).faults == []
    for report in (
        of_folder(sealed, kept=(kept(tmp_path / "newest"),)),
        of_database(sealed, kept=(kept(tmp_path / "newest"),)),
    ):
        assert report.first is not None
        assert report.first.position == 301
        assert "ROLLBACK" in report.first.what


def test_a_fork_is_found(sealed: Sealed, tmp_path: Path) -> None:
    """Two checkpoints of the right key that contradict each other."""
    forged = Checkpoint(ORIGIN, 300, leaf_hash(b"other"))
    (tmp_path / "forged").write_text(sign_checkpoint(forged, sealed.keys.signing()))

    for report in (
        of_folder(sealed, kept=(kept(tmp_path / "forged"),)),
        of_database(sealed, kept=(kept(tmp_path / "forged"),)),
    ):
        assert report.first is not None
        assert report.first.what.startswith("FORK")


def test_rows_alone_are_held_to_what_was_kept(sealed: Sealed, tmp_path: Path) -> None:
    """Folder and seal taken away: what an auditor kept is compared with the rows all the same."""
    forged = Checkpoint(ORIGIN, 300, leaf_hash(b"other"))
    (tmp_path / "forged").write_text(sign_checkpoint(forged, sealed.keys.signing()))
    (tmp_path / "newest").write_bytes((sealed.folder.path / "checkpoint").read_bytes())
    shutil.rmtree(sealed.folder.path)
    with connect_as_login(sealed.database.url) as connection:
        connection.execute("ALTER TABLE ledger.seal DISABLE TRIGGER ALL")
        connection.execute("DELETE FROM ledger.seal")

    report = of_database(sealed, kept=(kept(tmp_path / "kept"), kept(tmp_path / "newest")))
    assert report.faults == []
    assert {(one.size, one.consistent) for one in report.kept} == {(300, True), (SIZE, True)}
    first = of_database(sealed, kept=(kept(tmp_path / "forged"),)).first
    assert first is not None
    assert first.what.startswith("FORK")
    sealed.rewind(590)
    faults = of_database(sealed, kept=(kept(tmp_path / "newest"),)).faults
    assert any(one.position == 591 and one.what.startswith("ROLLBACK") for one in faults)


def test_a_folder_that_is_gone_is_missed(sealed: Sealed) -> None:
    """The database remembers that it was sealed."""
    shutil.rmtree(sealed.folder.path)

    assert any("holds no checkpoint" in one.what for one in of_database(sealed).faults)


# -- from a position on --------------------------------------------------------------------------


def test_only_what_is_new_is_read(sealed: Sealed, tmp_path: Path) -> None:
    """Since a kept checkpoint: earlier entries are not read, and the checkpoint is proven."""
    for report in (
        of_folder(sealed, since=kept(tmp_path / "kept")),
        of_database(sealed, since=kept(tmp_path / "kept")),
    ):
        assert report.faults == []
        assert (report.first_position, report.entries_read) == (257, SIZE - 256)
        assert report.root == sealed.published().root.hex()
        assert report.kept[0].consistent


def test_what_is_old_is_proven_by_hashes(sealed: Sealed, tmp_path: Path) -> None:
    """An old bundle that was changed is not read; an old hash that was is found."""
    bundle(sealed.folder.path, 0, lambda entries: entries.pop(), 256)
    assert of_folder(sealed, since=kept(tmp_path / "kept")).faults == []
    flip(sealed.folder.path, "tile/1/000.p/2", 3)
    assert of_folder(sealed, since=kept(tmp_path / "kept")).faults


def test_a_request_with_a_key_may_begin_before(sealed: Sealed) -> None:
    """The entries of one request lie on both sides of the position: its key is still in order."""
    assert of_database(sealed, first_position=513).faults == []


def test_hashes_alone_may_be_checked(sealed: Sealed) -> None:
    """Without the entries, tiles and root are checked, and the report says what was not."""
    shutil.rmtree(sealed.folder.path / "tile" / "entries")
    report = of_folder(sealed, tiles_only=True)

    assert report.faults == []
    assert any("ENTRIES NOT READ" in note for note in report.notes)
    flip(sealed.folder.path, "tile/0/001", 5)
    assert of_folder(sealed, tiles_only=True).faults


# -- an export -----------------------------------------------------------------------------------


@pytest.fixture
def export(sealed: Sealed, tmp_path: Path) -> Path:
    """Every entry as a line."""
    file = tmp_path / "entries.ndjson"
    pages = sealed.recorder.stream()
    file.write_bytes(b"".join(one.entry + b"\n" for page in pages for one in page))
    return file


def of_export(sealed: Sealed, export: Path, *, beside: bool = True, **more: Any) -> Report:
    """The export verified; `beside` lets the tiles say which line is wrong."""
    path = sealed.folder.path / "checkpoint"
    if not beside:
        path = Path(shutil.copy(path, export.parent / "checkpoint"))
    return verify_export(export, demand(sealed, **more), kept(path))


def lines(export: Path, change: Callable[[list[bytes]], object]) -> None:
    """Change the lines of an export."""
    entries = export.read_bytes().splitlines()
    change(entries)
    export.write_bytes(b"".join(entry + b"\n" for entry in entries))


LINES: dict[str, tuple[Callable[[list[bytes]], object], int, int, str]] = {
    # the change, the position that is named without tiles and with them, what is said
    "an edited line": (lambda all_: all_.__setitem__(299, edited(all_[299])), 0, 300, ""),
    "swapped lines": (
        lambda all_: all_.insert(40, all_.pop(41)),
        41,
        41,
        "another entry stands here",
    ),
    "a deleted line": (lambda all_: all_.pop(99), 100, 100, "another entry stands here"),
    "an inserted line": (lambda all_: all_.insert(99, all_[98]), 100, 100, "another entry"),
    "a deleted tail": (lambda all_: all_.__delitem__(slice(590, None)), 591, 591, "ends here"),
    "an empty line": (lambda all_: all_.insert(5, b""), 6, 6, "another entry"),
}


@pytest.mark.parametrize("damage", LINES)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "with tiles"])
def test_damage_in_an_export_is_named(
    sealed: Sealed, export: Path, damage: str, *, beside: bool
) -> None:
    """The first bad line; an edit that only hashes can tell needs the log's tiles to be named."""
    change, alone, with_tiles, what = LINES[damage]
    lines(export, change)

    first = of_export(sealed, export, beside=beside).first

    assert first is not None
    assert (first.position or 0) == (with_tiles if beside else alone), first
    assert what in first.what


def test_a_sound_export_is_accepted(sealed: Sealed, export: Path, tmp_path: Path) -> None:
    """Against the newest checkpoint, a kept one, or none, which is said."""
    report = of_export(sealed, export, kept=(kept(tmp_path / "kept"),))
    assert (report.faults, report.root) == ([], sealed.published().root.hex())
    assert report.kept[0].consistent
    alone = verify_export(export, demand(sealed))
    assert alone.faults == []
    assert any("NOT compared with any checkpoint" in note for note in alone.notes)
    old = verify_export(export, demand(sealed, kept=(kept(tmp_path / "kept"),)))
    assert (old.faults, old.kept[0].consistent) == ([], True)


def test_an_export_is_held_to_what_was_kept(sealed: Sealed, export: Path, tmp_path: Path) -> None:
    """With kept checkpoints and no other: an export that ends before one, or forks from one."""
    newest = kept(sealed.folder.path / "checkpoint")
    lines(export, lambda all_: all_.__delitem__(slice(590, None)))

    for keeping in ((newest,), (kept(tmp_path / "kept"), newest)):
        first = verify_export(export, demand(sealed, kept=keeping)).first
        assert first is not None
        assert (first.position, "ends here" in first.what) == (591, True)

    lines(export, lambda all_: all_.__setitem__(7, edited(all_[7])))
    first = verify_export(export, demand(sealed, kept=(kept(tmp_path / "kept"),))).first
    assert first is not None
    assert first.what.startswith("FORK")


def test_an_export_cut_within_a_line_is_found(sealed: Sealed, export: Path) -> None:
    """Every line ends, the last one too."""
    export.write_bytes(export.read_bytes()[:-1])

    first = of_export(sealed, export).first
    assert first is not None
    assert first.position == SIZE


# -- personal values -----------------------------------------------------------------------------


class Names:
    """A ledger whose entries commit to names."""

    def __init__(self, sealed: Sealed) -> None:
        self.sealed = sealed
        self.keys = PersonalKeys(sealed.home / "keys", "main")
        self.store = SealedStore(sealed.database, sealed.ledger_id, self.keys)

    def name(self, person: str) -> None:
        """Record a name, sealed."""
        value = self.store.seal(person, "name", f"name of {person}")
        commitment = {"commitment": value.commitment, "person": person}
        self.sealed.recorder.append_one(request(new_event("named", name=commitment)))

    def erase(self, person: str, *, told: bool = True) -> None:
        """Destroy a key, and say so in the log."""
        self.keys.destroy(person)
        if told:
            event = new_event("personal_key.destroyed", person=person)
            self.sealed.recorder.append_one(request(event))

    def verified(self) -> Report:
        """The database verified, personal values included."""
        self.sealed.sealer.seal()
        live = Live(
            self.sealed.database,
            LedgerInfo(self.sealed.ledger_id, "main", simulated=False),
            FolderLog(str(self.sealed.folder.path)),
            SealedStore(self.sealed.database, self.sealed.ledger_id, self.keys).reveal,
        )
        return verify_database(live, demand(self.sealed))


@pytest.fixture
def names(database: Database, recorder: PostgresRecorder, tmp_path: Path) -> Iterator[Names]:
    """Three names."""
    found = Names(Sealed(database, recorder, tmp_path))
    for person in ("p1", "p2", "p3"):
        found.name(person)
    yield found
    found.keys.close()


def test_personal_values_are_counted(names: Names) -> None:
    """Present, or erased by an entry, which is named."""
    names.erase("p2")
    report = names.verified()

    assert report.faults == []
    assert report.sealed is not None
    assert (report.sealed.present, report.sealed.erased, report.sealed.missing) == (2, 1, 0)
    assert report.sealed.erased_by == {"p2": 4}


def test_a_missing_personal_value_is_a_fault(names: Names) -> None:
    """What an entry commits to was deleted from the store."""
    with connect_as_login(names.sealed.database.url) as connection:
        connection.execute("DELETE FROM ledger.sealed_field WHERE person = 'p3'")

    report = names.verified()
    assert report.first is not None
    assert (report.first.position, report.sealed and report.sealed.missing) == (3, 1)
    assert "MISSING" in report.first.what


def test_an_erasure_that_nobody_told_is_a_fault(names: Names) -> None:
    """A key was destroyed, and no entry says so."""
    names.erase("p1", told=False)

    first = names.verified().first
    assert first is not None
    assert (first.position, "no entry says so" in first.what) == (1, True)


def test_an_erased_value_that_is_back_is_a_fault(names: Names) -> None:
    """The log tells of an erasure, and the value can be read."""
    event = new_event("personal_key.destroyed", person="p1")
    names.sealed.recorder.append_one(request(event))

    first = names.verified().first
    assert first is not None
    assert (first.position, "is there again" in first.what) == (4, True)
