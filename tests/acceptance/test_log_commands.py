"""The log at the command line: its keys, its checkpoint, and the way back from it."""

import base64
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from api import cli
from ledger.database import Database, Role
from ledger.decisions.log_keys import RotateLogKey
from ledger.entry import Context
from ledger.founding import found_ledger
from ledger.identifiers import new_fact_id
from ledger.log import Log
from ledger.recorder import PostgresRecorder, Receipt
from ledger.sealing.checkpoint import open_checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.keys import LogKeys, ReceiptsKey
from ledger.sealing.note import SigningKey, VerifierKey, open_note
from ledger.sealing.receipt import sign_receipt
from ledger.sealing.sealer import Sealer
from ledger.sealing.succession import succeeded_by, successor_path
from ledger.vocabulary import Actor, Via
from projections.positions import standings
from tests.restoring import cloned, rows_of
from tests.visiting import fresh_database

Run = Callable[..., tuple[int, str, str]]

NAME = "main"
ORIGIN = "example.org/ledger/main"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where keys and log lie."""
    return tmp_path / "home"


@pytest.fixture
def keys(home: Path) -> LogKeys:
    """The keys as the program reads them."""
    return LogKeys(home / "keys", NAME)


@pytest.fixture
def other(server_url: str, template: str) -> Iterator[Database]:
    """A second, empty database."""
    with fresh_database(server_url, template) as found:
        yield found


@pytest.fixture
def act(
    database: Database,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Run:
    """Runs a command against a real ledger with one fact: its status, output and errors."""
    found_ledger(database, NAME, simulated=False, now=datetime.now(UTC))
    monkeypatch.setenv("LEDGER_DATABASE_URL", database.url)
    monkeypatch.setenv("LEDGER_HOME", str(home))
    monkeypatch.setenv("LEDGER_NAME", NAME)
    monkeypatch.setenv("LEDGER_LOG_ORIGIN", "example.org/ledger")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.run(list(arguments))
        captured = capfdbinary.readouterr()
        return status, captured.out.decode(), captured.err.decode()

    return run


def record(act: Run, name: str = "audit") -> None:
    """One more fact, through the door."""
    assert act("keys", "api", "new", "--role", "auditor", "--system", name)[0] == 0


def checkpoint(act: Run) -> str:
    """The newest checkpoint note, as the command prints it."""
    status, out, err = act("checkpoint")
    assert (status, err) == (0, "")
    return out


def vkeys(act: Run) -> list[VerifierKey]:
    """The public keys, as the command prints them."""
    status, out, _ = act("keys", "log", "show")
    assert status == 0
    return [VerifierKey.parse(line) for line in out.splitlines()]


def test_a_key_is_made_shown_and_never_replaced(act: Run, keys: LogKeys) -> None:
    """`new` prints the public key alone, `show` repeats it; a second `new` is refused."""
    status, out, err = act("keys", "log", "new")

    assert status == 0, err
    assert VerifierKey.parse(out.removesuffix("\n")).name == ORIGIN
    assert str(keys.path) in err
    assert act("keys", "log", "show")[:2] == (0, out)
    status, out, err = act("keys", "log", "new")
    assert (status, out) == (1, "")
    assert "rotate" in err


def test_the_private_key_is_never_printed(act: Run, keys: LogKeys) -> None:
    """Whatever is asked, and whatever goes wrong."""
    said = "".join(part for part in act("keys", "log", "new")[1:])
    said += "".join(act("keys", "log", "show", "--json")[1:])
    keys.path.chmod(0o644)
    status, out, err = act("keys", "log", "show")

    assert status == 1
    assert f"chmod 600 {keys.path}" in err
    secret = keys.path.read_text().strip().split("+", 4)[4]
    assert "PRIVATE" not in said + out + err
    assert secret not in said + out + err


def test_public_keys_in_json(act: Run) -> None:
    """For programs: the vkey and its parts; the receipts' key under its own name."""
    act("keys", "log", "new")
    (log,) = msgspec.json.decode(act("keys", "log", "show", "--json")[1])
    (receipts,) = msgspec.json.decode(act("keys", "log", "show", "--receipts", "--json")[1])

    assert log["vkey"].startswith(f"{ORIGIN}+{log['key_id']}+")
    assert (log["name"], receipts["name"]) == (ORIGIN, f"{ORIGIN}/receipts")
    assert act("keys", "log", "show", "--receipts")[1] == receipts["vkey"] + "\n"


def test_before_there_is_a_key_show_says_where_it_should_be(act: Run, keys: LogKeys) -> None:
    """One line, exit status 1, and nothing made."""
    status, out, err = act("keys", "log", "show")

    assert (status, out) == (1, "")
    assert str(keys.path) in err
    assert not keys.exist()


def test_the_checkpoint_is_the_note_and_nothing_else(act: Run, home: Path) -> None:
    """Byte for byte the file of the log; it covers what was recorded the moment before."""
    record(act)
    note = checkpoint(act)

    assert note == LogFolder(home / "log" / NAME).latest()
    found = open_checkpoint(note, vkeys(act))
    assert (found.origin, found.size) == (ORIGIN, 2)
    record(act)
    assert open_checkpoint(checkpoint(act), vkeys(act)).size == 3


def test_the_checkpoint_in_json(act: Run) -> None:
    """Origin, size, root and the keys that sign."""
    found = open_checkpoint(checkpoint(act), vkeys(act))
    answer = msgspec.json.decode(act("checkpoint", "--json")[1])

    assert answer == {
        "origin": ORIGIN,
        "size": 1,
        "root": base64.b64encode(found.root).decode(),
        "vkeys": [one.vkey() for one in vkeys(act)],
    }


def test_beside_a_running_sealer_the_checkpoint_waits_for_it(
    act: Run, database: Database, keys: LogKeys, home: Path
) -> None:
    """One sealer leads; the command sees to it that everything is covered all the same."""
    checkpoint(act)
    stopping = threading.Event()
    sealer = Sealer(database, 1, keys, LogFolder(home / "log" / NAME))
    running = threading.Thread(target=sealer.run, args=(stopping,))
    running.start()
    try:
        for size in (2, 3, 4):
            record(act)
            assert open_checkpoint(checkpoint(act), keys.verifiers()).size >= size
    finally:
        stopping.set()
        running.join()


def test_a_lost_key_is_not_replaced(act: Run, keys: LogKeys) -> None:
    """Once sealed, neither a checkpoint nor `new` makes another key: both say where it was."""
    checkpoint(act)
    away = keys.path.rename(keys.path.with_suffix(".away"))
    for command in (("checkpoint",), ("keys", "log", "new"), ("keys", "log", "rotate")):
        status, out, err = act(*command)
        assert (status, out) == (1, ""), command
        assert str(keys.path) in err
    away.rename(keys.path)

    assert checkpoint(act)


def test_a_lost_key_is_not_replaced_though_the_log_is_lost_too(
    act: Run, keys: LogKeys, home: Path
) -> None:
    """The database remembers that somebody sealed it."""
    checkpoint(act)
    keys.path.unlink()
    (home / "log").rename(home / "lost")

    assert act("checkpoint")[0] == 1
    assert not keys.exist()


def test_a_rotation_from_beginning_to_end(act: Run) -> None:
    """Both keys sign, then the newer alone; the log tells it, and old checkpoints stay good."""
    before = checkpoint(act)
    (older,) = vkeys(act)
    status, out, _ = act("keys", "log", "rotate")
    both = vkeys(act)
    record(act)
    during = checkpoint(act)

    assert (status, out) == (0, both[1].vkey() + "\n")
    assert both[0] == older
    assert len(open_note(during, both).signatures) == 2
    assert act("keys", "log", "rotate", "--finish")[0] == 0
    assert vkeys(act) == both[1:]
    record(act)
    after = checkpoint(act)
    assert [len(open_note(note, both).signatures) for note in (before, during, after)] == [1, 2, 1]
    assert open_checkpoint(before, [older]).size == 1
    assert open_checkpoint(after, both[1:]).size == 5


def told(act: Run) -> list[dict[str, str]]:
    """What the log says of its keys."""
    status, out, err = act("timeline", f"log:{ORIGIN}", "--json")
    assert status == 0, err
    return [one["entry"]["data"] for one in msgspec.json.decode(out)["events"]]


def test_the_older_key_signs_for_its_own_end(act: Run, home: Path) -> None:
    """The last checkpoint under both keys covers both facts, so that nobody needs our word."""
    checkpoint(act)
    act("keys", "log", "rotate")
    both = vkeys(act)
    act("keys", "log", "rotate", "--finish")
    facts = told(act)
    last = LogFolder(home / "log" / NAME).latest()

    assert last is not None
    assert [fact["stage"] for fact in facts] == ["begun", "finished"]
    assert {(fact["older"], fact["newer"]) for fact in facts} == {(both[0].vkey(), both[1].vkey())}
    assert open_checkpoint(last, both[:1]).size == 3
    kept = (home / "log" / NAME / "vkeys").read_text().splitlines()
    assert kept == [one.vkey() for one in both]


def test_an_old_key_leads_to_the_newest(act: Run, home: Path) -> None:
    """Two changes of the key later the first key alone verifies the log, and an old checkpoint."""
    before = home.parent / "kept.checkpoint"
    before.write_text(checkpoint(act))
    (first,) = vkeys(act)
    for _ in range(2):
        assert act("keys", "log", "rotate")[0] == 0
        assert act("keys", "log", "rotate", "--finish")[0] == 0
        record(act)
    checkpoint(act)
    folder = home / "log" / NAME
    status, out, err = act(
        "verify", str(folder), "--vkey", first.vkey(), "--kept", str(before), "--json"
    )

    assert (status, msgspec.json.decode(out)["sound"]) == (0, True), err
    report = msgspec.json.decode(out)["report"]
    assert [one["size"] for one in report["kept"]] == [1, 3, 6]
    assert all(one["consistent"] for one in report["kept"])
    assert len([note for note in report["notes"] if "is followed by" in note]) == 2
    assert any(note.startswith("not in this source: personal values") for note in report["notes"])
    link = (folder / successor_path(first)).read_bytes()
    found = succeeded_by(link, first)
    assert (found.checkpoint.size, found.position) == (3, 3)
    assert len(open_note(found.note, [first, found.newer]).signatures) == 2


def test_a_receipt_is_kept_in_a_log_whose_key_was_replaced(act: Run, home: Path) -> None:
    """The first key alone holds the newest log to its receipts, and not over a broken link."""
    checkpoint(act)
    (first,) = vkeys(act)
    act("keys", "log", "rotate")
    act("keys", "log", "rotate", "--finish")
    record(act)
    checkpoint(act)
    folder = LogFolder(home / "log" / NAME)
    gate = ReceiptsKey(home / "keys", NAME).signing(ORIGIN)
    leaf = folder.tree(4).leaf(3)
    promise = Receipt(UUID(int=4), 4, leaf, datetime.now(UTC))
    file = home.parent / "receipt"
    file.write_text(sign_receipt(promise, ORIGIN, gate))
    keys = ("--vkey", first.vkey(), "--vkey", gate.verifier.vkey(), "--log", str(folder.path))

    status, out, err = act("verify", "receipt", str(file), *keys)
    assert (status, out.partition("  ")[0]) == (0, "in the log"), err

    link = folder.path / successor_path(first)
    link.write_bytes(link.read_bytes().replace(b"index 2", b"index 1"))
    status, out, err = act("verify", "receipt", str(file), *keys)
    assert (status, out) == (1, "")
    assert successor_path(first) in err


def test_without_its_link_an_old_key_vouches_for_nothing_new(act: Run, home: Path) -> None:
    """Taken away, or made for another key: then the newest checkpoint is a stranger's."""
    checkpoint(act)
    (first,) = vkeys(act)
    act("keys", "log", "rotate")
    act("keys", "log", "rotate", "--finish")
    record(act)
    checkpoint(act)
    folder = home / "log" / NAME
    link = folder / successor_path(first)
    whole = link.read_bytes()
    stranger = SigningKey.generate(ORIGIN).verifier.vkey()
    entry = base64.b64encode(
        base64.b64decode(whole.split(b"extra ")[1].split(b"\n")[0]).replace(
            vkeys(act)[0].vkey().encode(), stranger.encode()
        )
    )
    forged = re.sub(rb"extra [^\n]*", b"extra " + entry, whole)
    for content in (forged, whole.replace(b"index 2", b"index 1"), b"nothing"):
        link.write_bytes(content)
        status, _, err = act("verify", str(folder), "--vkey", first.vkey())
        assert status == 1, content
        assert "successors/" in err or "signed" in err
    link.unlink()
    assert act("verify", str(folder), "--vkey", first.vkey())[0] == 1
    link.write_bytes(whole)
    assert act("verify", str(folder), "--vkey", first.vkey())[0] == 0


def test_a_rotation_interrupted_before_its_fact_is_completed(act: Run, keys: LogKeys) -> None:
    """The file has the newer key already: the second run records what the first did not."""
    checkpoint(act)
    begun = keys.rotate()

    assert act("keys", "log", "rotate")[:2] == (0, begun[1].vkey() + "\n")
    assert act("keys", "log", "rotate")[:2] == (0, begun[1].vkey() + "\n")
    assert [fact["stage"] for fact in told(act)] == ["begun"]
    assert vkeys(act) == list(begun)


def test_an_end_interrupted_after_its_fact_is_completed(
    act: Run, keys: LogKeys, database: Database
) -> None:
    """The log says that the older key is gone, and the second run takes it away."""
    checkpoint(act)
    act("keys", "log", "rotate")
    older, newer = keys.verifiers()
    recorder = PostgresRecorder(database, 1)
    actor = Actor(via=Via.OPERATOR, system="command line")
    context = Context(actor=actor, received_at=datetime.now(UTC), new_id=new_fact_id)
    fact = RotateLogKey(log=ORIGIN, stage="finished", older=older.vkey(), newer=newer.vkey())
    Log(recorder, NAME).execute(fact, context)
    recorder.close()

    assert act("keys", "log", "rotate", "--finish")[0] == 0
    assert vkeys(act) == [newer]
    assert [fact["stage"] for fact in told(act)] == ["begun", "finished"]


def test_a_rotation_under_another_origin_changes_nothing(
    act: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody rotates to a key whose name is not the origin: refused before a key is made."""
    checkpoint(act)
    before = vkeys(act)
    monkeypatch.setenv("LEDGER_LOG_ORIGIN", "example.org/other")
    status, _, err = act("keys", "log", "rotate")

    assert status == 1
    assert "example.org/other/main" in err
    assert vkeys(act) == before


def test_a_rotation_needs_a_first_key(act: Run, keys: LogKeys) -> None:
    """There is nothing to change before the log has one, and none is made by asking."""
    assert act("keys", "log", "rotate")[0] == 1
    assert not keys.exist()


def test_an_end_without_a_rotation_is_refused(act: Run) -> None:
    """The only key stays."""
    checkpoint(act)
    status, _, err = act("keys", "log", "rotate", "--finish")

    assert status == 1
    assert "no rotation" in err
    assert len(vkeys(act)) == 1


def test_how_the_log_stands(act: Run, database: Database) -> None:
    """Recorded and sealed, and the reason when nothing may be recorded: exit status 1."""
    checkpoint(act)
    record(act)
    status, out, _ = act("log", "standing", "--json")
    told = msgspec.json.decode(out)

    assert status == 0
    assert (told["position"], told["sealed_position"], told["stopped"]) == (2, 1, None)
    assert 0 < told["lag_seconds"] < 60
    stop(database, "EDITED at 1: for a test")
    status, out, _ = act("log", "standing")
    assert status == 1
    assert "sealed    1\n" in out
    assert "stopped   EDITED at 1: for a test\n" in out


def stop(database: Database, reason: str) -> None:
    """What a sealer does that has found something."""
    with database.connect(Role.SEALER) as connection:
        connection.execute("SELECT ledger.stop_v1(1, %s)", (reason,))


def test_a_resumption_is_a_fact(act: Run, database: Database) -> None:
    """Who let facts in again, why, and what had stopped the log where: in the log, for ever."""
    checkpoint(act)
    record(act)
    stop(database, "EDITED at 1: for a test")
    assert act("keys", "api", "new", "--role", "auditor", "--system", "audit")[0] == 1

    status, out, err = act("log", "resume", "--reason", "row_put_back")

    assert (status, err) == (0, "")
    assert "EDITED at 1: for a test" in out
    _, out, _ = act("timeline", f"log:{ORIGIN}", "--json")
    (event,) = msgspec.json.decode(out)["events"]
    entry = event["entry"]
    assert entry["type"] == "log.resumed"
    assert entry["reason"]["code"] == "row_put_back"
    assert entry["actor"]["via"] == "operator"
    assert entry["data"]["finding"] == "EDITED at 1: for a test"
    assert (entry["data"]["position"], entry["position"]) == (2, 3)


def test_a_resumption_needs_a_reason_and_a_person_who_is_known(
    act: Run, database: Database
) -> None:
    """What is not in order is refused before anything goes on."""
    checkpoint(act)
    stop(database, "for a test")
    for options in (["--reason", "because"], ["--reason", "row_put_back", "--by", "nobody"]):
        status, _, err = act("log", "resume", *options)
        assert status == 1, options
        assert act("log", "standing")[0] == 1, f"{options}: {err}"

    assert act("log", "resume")[0] == 2


def test_a_log_that_was_not_stopped_is_told_so(act: Run) -> None:
    """Nothing is recorded, because nothing happened."""
    checkpoint(act)

    assert act("log", "resume", "--reason", "row_put_back")[1] == "the log was not stopped\n"
    assert msgspec.json.decode(act("log", "standing", "--json")[1])["position"] == 1


@pytest.fixture
def lost(act: Run, other: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """A sealed ledger whose database was lost: its last checkpoint; commands meet an empty one."""
    for number in range(3):
        record(act, f"system-{number}")
    note = checkpoint(act)
    monkeypatch.setenv("LEDGER_DATABASE_URL", other.url)
    return note


def test_a_lost_database_comes_back_from_the_log(
    act: Run, lost: str, database: Database, other: Database, home: Path
) -> None:
    """All rows, the same checkpoint, views that answer, and a ledger that takes facts again."""
    status, out, err = act("restore", "--from-log", str(home / "log" / NAME))

    assert status == 0, err
    assert out == "4 facts restored; ledger main ends at position 4\n"
    assert rows_of(other, NAME) == rows_of(database, NAME)
    with other.pooled(Role.READER) as connection:
        assert {one.position for one in standings(connection, 1)} == {4}
    assert checkpoint(act) == lost
    record(act)
    assert open_checkpoint(checkpoint(act), vkeys(act)).size == 5


def test_a_restore_in_json(act: Run, lost: str, home: Path) -> None:
    """Where the database stood and where it stands, and which log it came from."""
    assert lost
    status, out, err = act("restore", "--from-log", str(home / "log" / NAME), "--json")

    assert status == 0, err
    assert msgspec.json.decode(out) == {
        "ledger": NAME,
        "stood_at": 0,
        "position": 4,
        "checkpoint": 4,
        "origin": ORIGIN,
    }
    again = msgspec.json.decode(act("restore", "--from-log", str(home / "log" / NAME), "--json")[1])
    assert (again["stood_at"], again["position"]) == (4, 4)


def test_a_revoked_key_stays_revoked_in_a_database_that_was_set_back(
    act: Run, database: Database, server_url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup knows the key and not its end: restored from the log, it opens nothing."""
    made = act("keys", "api", "new", "--role", "auditor", "--system", "x", "--json")[1]
    access = msgspec.json.decode(made)["access"]
    database.close()
    with cloned(server_url, database) as backup:
        assert act("keys", "api", "revoke", access)[0] == 0
        checkpoint(act)
        monkeypatch.setenv("LEDGER_DATABASE_URL", backup.url)
        (before,) = msgspec.json.decode(act("keys", "api", "list", "--json")[1])
        assert act("restore", "--from-log", str(home / "log" / NAME))[0] == 0
        (after,) = msgspec.json.decode(act("keys", "api", "list", "--json")[1])

    assert before["revoked_at"] is None
    assert after["revoked_at"] is not None


def test_a_copy_is_restored_with_a_public_key_alone(
    act: Run, lost: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine has no private key: it says so, and takes a vkey instead."""
    assert lost
    vkey = vkeys(act)[0].vkey()
    folder = str(home / "log" / NAME)
    monkeypatch.setenv("LEDGER_HOME", str(tmp_path / "elsewhere"))
    status, _, err = act("restore", "--from-log", folder)

    assert status == 1
    assert "--vkey" in err
    assert act("restore", "--from-log", folder, "--vkey", vkey)[0] == 0
    # What is restored was sealed by a key: a new one would sign another log of the same name.
    for command in (("checkpoint",), ("keys", "log", "new")):
        status, _, err = act(*command)
        assert status == 1, command
        assert str(tmp_path / "elsewhere" / "keys") in err


def test_a_stranger_to_the_log_restores_nothing(act: Run, lost: str, home: Path) -> None:
    """A given key replaces the log's own: what it did not sign is refused."""
    assert lost
    stranger = LogKeys(home / "elsewhere", NAME).new(ORIGIN, sealed_before=False).verifier.vkey()
    status, out, err = act("restore", "--from-log", str(home / "log" / NAME), "--vkey", stranger)

    assert (status, out) == (1, "")
    assert "No key that you trust" in err
    status, _, err = act("checkpoint")
    assert status == 1
    assert "there is no ledger" in err
