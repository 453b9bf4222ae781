"""`ledger verify` through the command line: what it says of a sound log, and of a bad one."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID
from wsgiref.simple_server import make_server

import msgspec
import pytest

from api import cli
from ledger.codec import decode
from ledger.database import Database, connect_as_login
from ledger.recorder import PostgresRecorder, Receipt, find_ledger
from ledger.sealing.folder import LogFolder
from ledger.sealing.keys import LogKeys, ReceiptsKey
from ledger.sealing.note import SigningKey
from ledger.sealing.proof import Proof
from ledger.sealing.receipt import sign_receipt
from tests.quarter import quarter
from tests.telling import Told

Run = Callable[..., tuple[int, str, str]]


class Installation:
    """A sealed ledger and everything beside it, in a home of its own."""

    def __init__(self, database: Database, home: Path, run: Run) -> None:
        self.database = database
        self.home = home
        self.run = run
        self.folder = home / "log" / "told"
        assert run("checkpoint")[0] == 0
        (self.vkey,) = [one.vkey() for one in LogKeys(home / "keys", "told").verifiers()]

    def verified(self, *arguments: str) -> Any:
        """The report as JSON."""
        status, out, _ = self.run("verify", *arguments, "--json")
        answer = msgspec.json.decode(out)
        assert (status == 0) == answer["sound"]
        return answer

    def superuser(self, statement: str) -> None:
        """Do what triggers are there to prevent."""
        with connect_as_login(self.database.url) as connection:
            connection.execute("ALTER TABLE ledger.event DISABLE TRIGGER ALL")
            connection.execute(statement.encode())


@pytest.fixture
def installed(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    tmp_path: Path,
) -> Installation:
    """The quarter, told, projected and sealed."""
    with Told(database, quarter().events) as told:
        told.project()
    monkeypatch.setenv("LEDGER_DATABASE_URL", database.url)
    monkeypatch.setenv("LEDGER_HOME", str(tmp_path))
    monkeypatch.setenv("LEDGER_NAME", "told")

    def run(*arguments: str) -> tuple[int, str, str]:
        status = cli.run(list(arguments))
        captured = capfdbinary.readouterr()
        return status, captured.out.decode(), captured.err.decode()

    return Installation(database, tmp_path, run)


def test_a_sound_ledger_is_told_so(installed: Installation) -> None:
    """What was read, against what, on whose word, and the verdict; progress as JSON lines."""
    status, out, err = installed.run("verify", "--views", "--vkey", installed.vkey)

    assert status == 0, err
    for part in ("56 of 56", "verified with the key that you gave", "view obligations", "SOUND"):
        assert part in out
    assert "NOT SOUND" not in out
    assert msgspec.json.decode(err.splitlines()[-1])["doing"] == "verifying views"
    assert re.search(r"seconds  [\d.]+ \(.*rows and ids [\d.]+, tags .*, views [\d.]+\)", out)


def test_without_a_vkey_it_says_whose_word_it_took(installed: Installation) -> None:
    """Only the installation's own key file, or nobody's."""
    assert "ONLY with this installation's own key file" in installed.run("verify")[1]
    (installed.home / "keys" / "log-told.key").unlink()
    status, out, _ = installed.run("verify", str(installed.folder))
    assert status == 0
    assert "NOT VERIFIED" in out


def test_an_edited_row_is_named(installed: Installation) -> None:
    """Exit status 1, and one line with the first bad position."""
    installed.superuser(
        "UPDATE ledger.event SET entry = overlay(entry placing 'X'::bytea from 200 for 1)"
        " WHERE position IN (17, 40)"
    )
    status, out, err = installed.run("verify")

    assert status == 1
    assert "position 17: " in out
    assert "NOT SOUND" in out
    assert err.splitlines()[-1].startswith("ledger: position 17: leaf_hash is not the hash")
    assert installed.verified()["first"]["position"] == 17


def test_a_view_that_was_touched_is_named(installed: Installation) -> None:
    """A row of a view that no fact made; and one that a fact made and that is gone."""
    assert installed.verified("--views")["views"]
    with connect_as_login(installed.database.url) as connection:
        connection.execute(
            "UPDATE views.obligation SET body = replace(body::text, 'O2', 'O9')::json"
            " WHERE body::text LIKE '%O2.2026-04%'"
        )
    answer = installed.verified("--views")

    assert answer["first"]["what"].startswith("view obligations: table obligation ")
    assert answer["first"]["position"] > 1


def test_a_view_row_that_is_gone_is_named(installed: Installation) -> None:
    """Closed versions count as well as current rows."""
    with connect_as_login(installed.database.url) as connection:
        connection.execute(
            "DELETE FROM views.obligation_history WHERE valid_from = (SELECT"
            " max(valid_from) FROM views.obligation_history)"
        )
    assert "lacks" in installed.verified("--views")["first"]["what"]


def test_a_copy_of_the_folder_is_verified_alone(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No database, no keys: a folder and a vkey."""
    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://nowhere.invalid/none")
    monkeypatch.setenv("LEDGER_HOME", str(installed.home / "elsewhere"))
    answer = installed.verified(str(installed.folder), "--vkey", installed.vkey)

    assert answer["report"]["entries_read"] == 56
    other = SigningKey.generate("example.com/other").verifier.vkey()
    assert (
        "No key that you trust"
        in installed.run("verify", str(installed.folder), "--vkey", other)[2]
    )


def test_an_export_is_verified(installed: Installation) -> None:
    """With the checkpoint's root, or plainly without."""
    file = installed.home / "entries.ndjson"
    assert installed.run("export", str(file))[0] == 0
    alone = installed.verified(str(file))
    assert any("NOT compared with any checkpoint" in note for note in alone["report"]["notes"])
    checkpoint = str(installed.folder / "checkpoint")
    whole = installed.verified(str(file), "--checkpoint", checkpoint, "--vkey", installed.vkey)
    assert whole["report"]["root"] == whole["report"]["checkpoint"]["root"]
    file.write_bytes(file.read_bytes()[:-9])
    assert installed.verified(str(file), "--checkpoint", checkpoint)["first"]["position"] == 56


def test_a_kept_checkpoint_and_what_came_after_it(installed: Installation) -> None:
    """`--kept` proves the older one, `--since` reads only what is new."""
    kept = installed.home / "kept"
    kept.write_bytes((installed.folder / "checkpoint").read_bytes())
    installed.run("keys", "api", "new", "--role", "auditor", "--system", "audit")
    installed.run("checkpoint")
    for option in ("--kept", "--since"):
        answer = installed.verified(option, str(kept))
        assert answer["report"]["kept"][0]["consistent"]
        assert answer["report"]["size"] == 57


@pytest.mark.parametrize(
    "arguments",
    [("--tiles-only",), ("folder", "--views"), ("folder", "--checkpoint", __file__)],
)
def test_options_that_do_not_fit_are_a_usage_error(
    installed: Installation, arguments: tuple[str, ...]
) -> None:
    """Exit status 2."""
    assert installed.run("verify", *arguments)[0] == 2


def test_what_is_no_log_is_refused(installed: Installation) -> None:
    """One line that says what a source is."""
    status, _, err = installed.run("verify", str(installed.home))
    assert status == 1
    assert "is no log folder" in err


# -- receipts and proofs -------------------------------------------------------------------------


def receipts(installed: Installation, position: int, leaf: bytes | None = None) -> tuple[Path, str]:
    """A receipt as the gate would sign it, in JSON, and the gate's vkey."""
    info = find_ledger(installed.database, "told")
    assert info is not None
    recorder = PostgresRecorder(installed.database, info.ledger_id)
    stored = recorder.read(after=min(position, 56) - 1, limit=1).events[0]
    recorder.close()
    event = decode(stored.entry)
    origin = LogKeys(installed.home / "keys", "told").origin
    key = ReceiptsKey(installed.home / "keys", "told").signing(origin)
    promised = Receipt(UUID(event.id), position, leaf or stored.leaf_hash, event.recorded_at)
    file = installed.home / "receipts.json"
    answer = {"receipts": [{"signed": sign_receipt(promised, origin, key)}]}
    file.write_bytes(msgspec.json.encode(answer))
    return file, key.verifier.vkey()


def test_a_receipt_that_is_kept(installed: Installation) -> None:
    """With given keys, or the installation's own; against the live log or a copy."""
    file, gate = receipts(installed, 20)
    for more in ((), ("--vkey", gate, "--vkey", installed.vkey), ("--log", str(installed.folder))):
        status, out, err = installed.run("verify", "receipt", str(file), *more)
        assert status == 0, err
        assert out.startswith("in the log  position 20: under the checkpoint of 56")


def test_a_receipt_that_is_not_kept_is_evidence(installed: Installation) -> None:
    """Another entry stands there; or the tail is gone."""
    file, _ = receipts(installed, 20, b"x" * 32)
    status, out, _ = installed.run("verify", "receipt", str(file))
    assert (status, "SIGNED BUT NOT IN THE LOG" in out) == (1, True)
    file, _ = receipts(installed, 57)
    status, out, _ = installed.run("verify", "receipt", str(file))
    assert (status, "SIGNED BUT NOT IN THE LOG" in out) == (1, True)
    status, out, _ = installed.run("verify", "receipt", str(file), "--log", str(installed.folder))
    assert (status, "not yet sealed" in out) == (1, True)


def test_a_receipt_that_the_gate_did_not_sign(installed: Installation) -> None:
    """Any change to it, or another gate's key."""
    file, _ = receipts(installed, 20)
    content = file.read_bytes()
    changed = content.replace(b"\\n20\\n", b"\\n21\\n")
    assert changed != content
    file.write_bytes(changed)
    status, out, _ = installed.run("verify", "receipt", str(file))
    assert (status, out.startswith("bad signature")) == (1, True)


def test_a_proof_is_checked_offline(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proof, the entry's line and a vkey; nothing else."""
    file, entry = installed.home / "20.tlog-proof", installed.home / "entry"
    tree = LogFolder(installed.folder).tree(56)
    note = (installed.folder / "checkpoint").read_text()
    file.write_text(Proof(19, tuple(tree.inclusion(19)), note).text())
    installed.run("export", str(entry), "--after", "19", "--until", "20")
    monkeypatch.setenv("LEDGER_HOME", str(installed.home / "elsewhere"))
    check = ("verify", "proof", str(file), "--entry", str(entry))

    status, out, err = installed.run(*check, "--vkey", installed.vkey)
    assert status == 0, err
    assert out.startswith("entry 20 stands in localhost/ledger/")
    assert "give --vkey" in installed.run(*check)[2]
    entry.write_bytes(entry.read_bytes().replace(b'"v":1', b'"v":2'))
    assert installed.run(*check, "--vkey", installed.vkey)[0] == 1


# -- a served log --------------------------------------------------------------------------------


Heard = list[tuple[str, str | None]]
"""What a server was asked for, and under which authorization."""


@contextmanager
def served(
    folder: Path, key: str | None = None, *, heard: Heard | None = None, elsewhere: str = ""
) -> Iterator[str]:
    """The folder behind an address; `key`: bundles need it; `elsewhere`: they lead there."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        name = environ["PATH_INFO"].removeprefix("/log/told/")
        if heard is not None:
            heard.append((name, environ.get("HTTP_AUTHORIZATION")))
        if elsewhere and "/entries/" in name:
            start("302 Found", [("location", f"{elsewhere}/{name}"), ("content-length", "0")])
            return []
        refused = (
            key and "/entries/" in name and environ.get("HTTP_AUTHORIZATION") != f"Bearer {key}"
        )
        there = (folder / name).is_file()
        content = (folder / name).read_bytes() if there and not refused else b""
        status = "403 Forbidden" if refused else "200 OK" if there else "404 Not Found"
        start(status, [("content-length", str(len(content)))])
        return [content]

    with make_server("127.0.0.1", 0, answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/log/told"
        finally:
            server.shutdown()
            thread.join()


def test_a_served_log_is_verified(installed: Installation) -> None:
    """Checkpoint, tiles and bundles fetched; damage behind the address is named."""
    with served(installed.folder) as address:
        answer = installed.verified(address, "--vkey", installed.vkey)
        assert answer["report"]["entries_read"] == 56
        path = installed.folder / "tile/entries/000.p/56"
        content = path.read_bytes()
        at = content.index(b'"position":30,')
        path.write_bytes(content[: at + 120] + b"X" + content[at + 121 :])
        assert installed.verified(address)["first"]["position"] == 30


def test_entries_that_are_refused_are_told(installed: Installation) -> None:
    """Without the auditor's key: said so; with it, or hashes alone, verified."""
    key = installed.home / "auditor.key"
    key.write_text("secret\n")
    with served(installed.folder, key="secret") as address:
        status, _, err = installed.run("verify", address)
        assert status == 1
        assert "refuses tile/entries/000.p/56 (403)" in err
        assert installed.verified(address, "--key-file", str(key))["report"]["entries_read"] == 56
        alone = installed.verified(address, "--tiles-only")
        assert any("ENTRIES NOT READ" in note for note in alone["report"]["notes"])


def test_the_key_is_sent_for_entries_alone_and_nowhere_else(installed: Installation) -> None:
    """Whoever serves the log learns the auditor's key for what needs it; another host, never."""
    key = installed.home / "auditor.key"
    key.write_text("secret\n")
    heard: Heard = []
    with served(installed.folder, key="secret", heard=heard) as address:
        installed.verified(address, "--key-file", str(key))
    assert {name for name, authorization in heard if authorization} == {
        name for name, _ in heard if "/entries/" in name
    }

    heard.clear()
    with (
        served(installed.folder, heard=heard) as other,
        served(installed.folder, elsewhere=other) as address,
    ):
        status, _, err = installed.run("verify", address, "--key-file", str(key))
    assert (status, "302" in err, heard) == (1, True, [])


def test_a_server_that_is_not_there_is_told(installed: Installation) -> None:
    """One line, and no waiting for ever."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        began = time.monotonic()
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/log/told"
        status, _, err = installed.run("verify", address)
    assert status == 1
    assert re.search("refused", err)
    assert time.monotonic() - began < 10
