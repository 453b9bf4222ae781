"""Restoring a ledger from its log: byte for byte, everything checked before anything is written."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg import errors

from api.commands.opening import Opened
from ledger.database import Database, Role, connect_as_login
from ledger.entry import Context
from ledger.errors import KeyReused, LogStopped, NoteError, NotFound, TileError
from ledger.founding import found_ledger
from ledger.identifiers import new_fact_id
from ledger.log import Log
from ledger.merkle import leaf_hash
from ledger.recorder import PostgresRecorder, create_ledger, find_ledger
from ledger.sealing import restore as restoring
from ledger.sealing.folder import LogFolder, State
from ledger.sealing.guard import Guard
from ledger.sealing.keys import LogKeys
from ledger.sealing.note import SigningKey
from ledger.sealing.restore import CheckedLog, Restored, RestoreRefused, restore
from ledger.sealing.tiles import TileId, decode_bundle, encode_bundle
from ledger.vocabulary import Actor, Via
from tests.integration.test_log import Establish
from tests.quarter import quarter
from tests.recording import new_event, request
from tests.restoring import cloned, rows_of, seal
from tests.telling import Told
from tests.visiting import fresh_database

NAME = "main"


@pytest.fixture
def other(server_url: str, template: str) -> Iterator[Database]:
    """A second, empty database."""
    with fresh_database(server_url, template) as found:
        yield found


def log_of(home: Path, ledger: str = NAME) -> LogFolder:
    """The folder of a ledger's log."""
    return LogFolder(home / "log" / ledger)


def checked(home: Path, ledger: str = NAME) -> CheckedLog:
    """The log of a ledger, checked with its own key."""
    return CheckedLog(log_of(home, ledger), LogKeys(home / "keys", ledger).verifiers(), ledger)


def founded(database: Database, *, events: int = 0, name: str = NAME) -> int:
    """A real ledger with its first fact and so many more."""
    info = found_ledger(database, name, simulated=False, now=datetime.now(UTC))
    append(database, info.ledger_id, events)
    return info.ledger_id


def append(
    database: Database,
    ledger_id: int,
    events: int,
    tag: str = "unit:A",
    guard: Guard | None = None,
) -> None:
    """So many facts more."""
    with closing(PostgresRecorder(database, ledger_id, guard)) as recorder:
        for start in range(0, events, 500):
            count = min(500, events - start)
            recorder.append_one(request(*(new_event("tested", tag, n=n) for n in range(count))))


def context() -> Context:
    """The operator, now."""
    actor = Actor(via=Via.OPERATOR, system="command line")
    return Context(actor=actor, received_at=datetime.now(UTC), new_id=new_fact_id)


def test_every_row_comes_back_to_the_byte(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """A told quarter: events, tags, ids and head equal the lost ones."""
    with Told(database, quarter().events):
        seal(database, "told", tmp_path)
    before = rows_of(database, "told")
    create_ledger(other, "told", simulated=True)  # a story has no first fact that says so
    heard: list[int] = []

    restored = restore(other, "told", checked(tmp_path, "told"), heard.append)

    size = len(before["event"])
    assert restored == Restored("told", 0, size, size, "example.org/told")
    assert rows_of(other, "told") == before
    assert sum(heard) == size


def test_the_whole_demonstration_comes_back(
    demonstration: Opened, other: Database, tmp_path: Path
) -> None:
    """Thousands of facts of all the kinds there are, into a database that held nothing."""
    database = demonstration.database
    seal(database, "demo", tmp_path)
    before = rows_of(database, "demo")

    restored = restore(other, "demo", checked(tmp_path, "demo"))

    assert len({row[2] for row in before["event"]}) > 40
    assert restored.position == len(before["event"]) > 4_000
    assert rows_of(other, "demo") == before


def test_a_real_clock_and_requests_of_several_facts_come_back(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """Times of the database's own clock; entries of every length; more than two bundles."""
    ledger_id = founded(database)
    recorder = PostgresRecorder(database, ledger_id)
    for size in (0, 1, 40, 3_000, 60_000):
        recorder.append_one(request(new_event("tested", text="字" * (size // 3))))
    recorder.append_one(request(new_event("tested"), new_event("tested", "unit:A", "post:B")))
    recorder.close()
    append(database, ledger_id, 700)
    seal(database, NAME, tmp_path)

    restore(other, NAME, checked(tmp_path))

    assert rows_of(other, NAME) == rows_of(database, NAME)


def test_batches_do_not_show(
    database: Database, other: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the rows are parted into transactions, they are the same."""
    monkeypatch.setattr(restoring, "BATCH_EVENTS", 7)
    monkeypatch.setattr(restoring, "PAGE_EVENTS", 5)
    founded(database, events=50)
    seal(database, NAME, tmp_path)

    restore(other, NAME, checked(tmp_path))

    assert rows_of(other, NAME) == rows_of(database, NAME)


def test_the_way_out_of_a_rollback(server_url: str, database: Database, tmp_path: Path) -> None:
    """Set back by 1,000 facts a ledger takes no writes; restored, it goes on as the same tree."""
    ledger_id = founded(database, events=600)
    seal(database, NAME, tmp_path)
    database.close()
    with cloned(server_url, database) as backup:
        append(database, ledger_id, 1_000)
        lost = seal(database, NAME, tmp_path)
        guard = Guard(log_of(tmp_path), LogKeys(tmp_path / "keys", NAME))
        with pytest.raises(LogStopped, match="ROLLBACK: head 601 < checkpoint 1601"):
            append(backup, ledger_id, 1, guard=guard)
        with pytest.raises(LogStopped, match="ROLLBACK"):
            seal(backup, NAME, tmp_path)
        with pytest.raises(LogStopped, match="ROLLBACK"):
            append(backup, ledger_id, 1)

        restored = restore(backup, NAME, checked(tmp_path))

        assert (restored.stood_at, restored.position, restored.checkpoint) == (601, 1601, 1601)
        assert rows_of(backup, NAME) == rows_of(database, NAME)
        append(backup, ledger_id, 10, guard=guard)
        grown = seal(backup, NAME, tmp_path)
        proof = log_of(tmp_path).tree(grown.size).consistency(lost.size)
        assert grown.size == 1611
        assert proof, "the old checkpoint's tree begins the new one"
        assert checked(tmp_path).size == 1611


def test_facts_are_restored_that_were_sealed_but_not_signed(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """A sealer killed before its signature has tiles of facts that were acknowledged."""
    ledger_id = founded(database, events=300)
    seal(database, NAME, tmp_path)
    signed = log_of(tmp_path).latest()
    append(database, ledger_id, 20)
    seal(database, NAME, tmp_path)
    (log_of(tmp_path).path / "checkpoint").write_text(str(signed), encoding="utf-8")

    restored = restore(other, NAME, checked(tmp_path))

    assert (restored.checkpoint, restored.position) == (301, 321)
    assert rows_of(other, NAME) == rows_of(database, NAME)
    assert seal(other, NAME, tmp_path).size == 321


def test_a_copy_with_newer_tiles_is_restored_to_its_checkpoint(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """Copied while the log grew: partial tiles of the checkpoint became full, and serve as well."""
    ledger_id = founded(database, events=300)
    seal(database, NAME, tmp_path)
    signed = log_of(tmp_path).latest()
    append(database, ledger_id, 600)
    seal(database, NAME, tmp_path)
    (log_of(tmp_path).path / "checkpoint").write_text(str(signed), encoding="utf-8")
    (log_of(tmp_path).path / "state").unlink()
    assert not (log_of(tmp_path).path / TileId(None, 1, 45).path()).exists()

    assert restore(other, NAME, checked(tmp_path)).position == 301
    assert rows_of(other, NAME)["event"] == rows_of(database, NAME)["event"][:301]


def test_a_restored_database_knows_what_was_sealed(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """Size and root of the checkpoint; a seal that is further already stays."""
    ledger_id = founded(database, events=3)
    checkpoint = seal(database, NAME, tmp_path)
    restore(other, NAME, checked(tmp_path))
    append(database, ledger_id, 1)
    log = checked(tmp_path)
    newest = seal(database, NAME, tmp_path)
    restore(database, NAME, log)

    assert seal_of(other) == (checkpoint.size, checkpoint.root)
    assert seal_of(database) == (newest.size, newest.root)


def seal_of(database: Database) -> object:
    """What the database says was sealed last."""
    with connect_as_login(database.url) as connection:
        return connection.execute("SELECT size, root FROM ledger.seal").fetchone()


def test_a_forged_state_is_refused(database: Database, tmp_path: Path) -> None:
    """What lies beyond the checkpoint must be what was sealed, or it is named and not restored."""
    ledger_id = founded(database, events=3)
    first = seal(database, NAME, tmp_path)
    signed = log_of(tmp_path).latest()
    append(database, ledger_id, 1)
    seal(database, NAME, tmp_path)
    (log_of(tmp_path).path / "checkpoint").write_text(str(signed), encoding="utf-8")
    log_of(tmp_path).save_state(State(first.size + 1, (b"0" * 32, b"1" * 32)))

    with pytest.raises(RestoreRefused, match="beyond its checkpoint"):
        checked(tmp_path)


def test_an_interrupted_restore_goes_on(
    database: Database, other: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut short it leaves a beginning that takes no writes; repeated it completes the rest."""
    monkeypatch.setattr(restoring, "BATCH_EVENTS", 10)
    founded(database, events=50)
    seal(database, NAME, tmp_path)
    log = checked(tmp_path)

    def interrupt(_count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(other, NAME, log, interrupt)
    info = find_ledger(other, NAME)
    assert info is not None
    assert 0 < len(rows_of(other, NAME)["event"]) < 51
    with pytest.raises(LogStopped, match="RESTORING"):
        append(other, info.ledger_id, 1)

    assert restore(other, NAME, log).position == 51
    assert rows_of(other, NAME) == rows_of(database, NAME)
    append(other, info.ledger_id, 1)


def test_nothing_missing_is_nothing_written(database: Database, tmp_path: Path) -> None:
    """A ledger ahead of its checkpoint stays as it is; one that was stopped goes on."""
    ledger_id = founded(database, events=5)
    seal(database, NAME, tmp_path)
    append(database, ledger_id, 5)
    before = rows_of(database, NAME)
    with database.connect(Role.SEALER) as connection:
        connection.execute("SELECT ledger.stop_v1(%s, 'ROLLBACK: once')", (ledger_id,))

    restored = restore(database, NAME, checked(tmp_path))

    assert (restored.stood_at, restored.position, restored.checkpoint) == (11, 11, 6)
    assert rows_of(database, NAME) == before
    append(database, ledger_id, 1)


def test_a_fork_is_named_and_left_alone(
    server_url: str, database: Database, tmp_path: Path
) -> None:
    """A database that went its own way after the common beginning: its first own position."""
    ledger_id = founded(database, events=20)
    database.close()
    with cloned(server_url, database) as backup:
        append(database, ledger_id, 50)
        seal(database, NAME, tmp_path)
        append(backup, ledger_id, 10, tag="unit:B")
        before = rows_of(backup, NAME)

        with pytest.raises(RestoreRefused, match=r"FORK at 22: .* fresh"):
            restore(backup, NAME, checked(tmp_path))

        assert rows_of(backup, NAME) == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger.event SET entry = entry || ' '::bytea WHERE position = 7",
        "UPDATE ledger.event SET leaf_hash = sha256('') WHERE position = 7",
        "UPDATE ledger.event SET type = 'other' WHERE position = 7",
        "UPDATE ledger.event SET tags = '{unit:B}' WHERE position = 7",
        "UPDATE ledger.event SET recorded_at = recorded_at + interval '1 us' WHERE position = 7",
        "DELETE FROM ledger.event WHERE position = 7",
    ],
)
def test_a_row_that_was_changed_is_named(database: Database, tmp_path: Path, change: str) -> None:
    """Every column counts: whoever passed the triggers is found before anything is written."""
    founded(database, events=20)
    seal(database, NAME, tmp_path)
    with connect_as_login(database.url) as connection:
        connection.execute("ALTER TABLE ledger.event DISABLE TRIGGER append_only")
        connection.execute(change.encode())

    with pytest.raises(RestoreRefused, match="FORK at 7"):
        restore(database, NAME, checked(tmp_path))


def test_somebody_who_writes_meanwhile_is_noticed(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """The head is where the last batch left it, or this restore stops."""
    founded(database, events=30)
    seal(database, NAME, tmp_path)
    ledger_id = create_ledger(other, NAME, simulated=False)
    log = checked(tmp_path)
    rows = log.rows

    def disturbed() -> Iterator[restoring.Row]:
        found = rows()
        yield next(found)
        append(other, ledger_id, 1)
        yield from found

    log.rows = disturbed  # type: ignore[method-assign]  # the moment between reading and writing

    with pytest.raises(RestoreRefused, match="somebody else writes"):
        restore(other, NAME, log)

    assert len(rows_of(other, NAME)["event"]) == 1


def test_only_a_trusted_key_is_believed(database: Database, tmp_path: Path) -> None:
    """A checkpoint that no given key signed restores nothing."""
    founded(database)
    seal(database, NAME, tmp_path)
    stranger = SigningKey.generate("example.org/main").verifier

    with pytest.raises(NoteError):
        CheckedLog(log_of(tmp_path), [stranger], NAME)


def test_a_folder_without_a_log_is_named(tmp_path: Path) -> None:
    """An empty folder is no log."""
    with pytest.raises(NotFound, match=str(tmp_path)):
        CheckedLog(LogFolder(tmp_path), [], NAME)


def test_the_log_of_another_ledger_is_refused(database: Database, tmp_path: Path) -> None:
    """The entries name their ledger; the message says how to ask for that one."""
    founded(database)
    seal(database, NAME, tmp_path)

    with pytest.raises(RestoreRefused, match="--ledger main"):
        CheckedLog(log_of(tmp_path), LogKeys(tmp_path / "keys", NAME).verifiers(), "other")


def changed_entry(home: Path, tile: TileId) -> None:
    """Change one entry of a bundle, its length kept."""
    path = log_of(home).path / tile.path()
    entries = decode_bundle(path.read_bytes())
    entries[3] = entries[3].replace(b'"n":', b'"m":')
    path.write_bytes(encode_bundle(entries))


def test_a_changed_bundle_is_named(database: Database, tmp_path: Path) -> None:
    """The position whose entry is not the one that was hashed."""
    founded(database, events=300)
    seal(database, NAME, tmp_path)
    changed_entry(tmp_path, TileId(None, 1, 45))

    with pytest.raises(RestoreRefused, match="position 260"):
        checked(tmp_path)


def test_bundle_and_tile_changed_together_are_refused(database: Database, tmp_path: Path) -> None:
    """Then the root is not the signed one."""
    founded(database, events=300)
    seal(database, NAME, tmp_path)
    tile = TileId(0, 1, 45)
    path = log_of(tmp_path).path / tile.path()
    changed_entry(tmp_path, TileId(None, 1, 45))
    leaves = [
        leaf_hash(entry) for entry in decode_bundle(log_of(tmp_path).read(TileId(None, 1, 45)))
    ]
    path.write_bytes(b"".join(leaves))

    with pytest.raises(RestoreRefused, match="301 entries"):
        checked(tmp_path)


@pytest.mark.parametrize("level", [None, 0])
def test_a_tile_cut_short_is_refused(database: Database, tmp_path: Path, level: int | None) -> None:
    """What is missing is said, and no part is taken for the whole."""
    founded(database, events=300)
    seal(database, NAME, tmp_path)
    path = log_of(tmp_path).path / TileId(level, 0).path()
    path.write_bytes(path.read_bytes()[:-32])

    with pytest.raises((TileError, RestoreRefused)):
        checked(tmp_path)


def test_a_missing_tile_is_refused(database: Database, tmp_path: Path) -> None:
    """A log with a hole restores nothing."""
    founded(database, events=300)
    seal(database, NAME, tmp_path)
    shutil.rmtree(log_of(tmp_path).path / "tile" / "entries")

    with pytest.raises(NotFound):
        checked(tmp_path)


def test_a_bundle_that_changes_after_the_check_is_noticed(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """What is written is what was checked, though minutes lie between."""
    founded(database, events=300)
    seal(database, NAME, tmp_path)
    log = checked(tmp_path)
    changed_entry(tmp_path, TileId(None, 1, 45))

    with pytest.raises(RestoreRefused, match="changed while it was read"):
        restore(other, NAME, log)

    assert rows_of(other, NAME)["event"] == []


def test_a_ledger_with_the_other_clock_is_refused(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """A real ledger's log does not go into a simulated one."""
    founded(database)
    seal(database, NAME, tmp_path)
    create_ledger(other, NAME, simulated=True)

    with pytest.raises(RestoreRefused, match="clock"):
        restore(other, NAME, checked(tmp_path))


def test_a_request_repeated_after_a_restore_is_recognised(
    database: Database, other: Database, tmp_path: Path
) -> None:
    """Under its key it gets its first receipts; only what it said is not known any more."""
    ledger_id = founded(database)
    recorder = PostgresRecorder(database, ledger_id)
    log = Log(recorder, NAME)
    first = log.execute(Establish(unit="A"), context(), key="k" * 16)
    log.execute(Establish(unit="B"), context(), key="l" * 16)
    with pytest.raises(KeyReused):
        log.execute(Establish(unit="B"), context(), key="k" * 16)
    recorder.close()
    seal(database, NAME, tmp_path)
    restore(other, NAME, checked(tmp_path))

    again = PostgresRecorder(other, ledger_id)
    restored = Log(again, NAME)
    try:
        repeated = restored.execute(Establish(unit="A"), context(), key="k" * 16)
        another = restored.execute(Establish(unit="C"), context(), key="k" * 16)
        fresh = restored.execute(Establish(unit="C"), context(), key="m" * 16)
    finally:
        again.close()

    assert (repeated.replayed, repeated.receipts) == (True, first.receipts)
    # Documented: a different request under an old key cannot be told from its repetition.
    assert (another.replayed, another.receipts) == (True, first.receipts)
    assert not fresh.replayed
    assert rows_of(database, NAME)["event"] == rows_of(other, NAME)["event"][:3]


def test_nobody_but_the_owner_restores(database: Database) -> None:
    """No role of the service may write rows at positions and times of its choice."""
    ledger_id = founded(database)
    call = """
    SELECT ledger.restore_v1(%s, 1, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', NULL)
    """
    for role in (Role.WRITER, Role.PROJECTOR, Role.READER, Role.SEALER):
        with database.connect(role) as connection, pytest.raises(errors.InsufficientPrivilege):
            connection.execute(call, (ledger_id,))
