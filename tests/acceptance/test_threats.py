"""Every attack of the threat table in docs/verifying.md that can be noticed, played for real.

Each attacker is the database's superuser and may write every file of the log's folder; some have
stolen the log's key as well. Each is caught by the party that the table names, with what that
party has: the service its folder, an auditor the log's public key, a careful auditor what was
kept. That a stronger attacker passes where nobody kept anything is asserted too.
"""

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec
import pytest

from ledger.database import Database
from ledger.errors import Invalid, LogStopped
from ledger.merkle import CompactRange, leaf_hash
from ledger.recorder import LedgerInfo, PostgresRecorder
from ledger.sealing.checkpoint import Checkpoint, sign_checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.frontier import Frontier
from ledger.sealing.guard import Guard
from ledger.sealing.keys import LogKeys, ReceiptsKey
from ledger.sealing.note import SigningKey
from ledger.sealing.receipt import key_name, sign_receipt
from ledger.sealing.tiles import TileId, decode_bundle, encode_bundle
from ledger.verify import (
    Demand,
    FolderLog,
    KeptNote,
    Live,
    Report,
    Trust,
    check_receipt,
    verify_database,
    verify_export,
    verify_log,
)
from tests.recording import request
from tests.sealing import ORIGIN, Sealed, in_thread

KEPT, SIZE = 300, 600
SCRUB_SECONDS = 20.0
PREFIX = re.compile(rb'{"position":\d+,')
EVENT_ID = re.compile(rb'"id":"([0-9a-f-]{36})"')


class Row(NamedTuple):
    """One row of the log, as an attacker takes it out and puts it back."""

    recorded_at: object
    kind: str
    tags: list[str]
    entry: bytes


class Theatre(Sealed):
    """A sealed ledger, what an auditor kept of it, and what its attackers can do."""

    def auditor(self, *, kept: bool) -> list[Report]:
        """An auditor's verification of folder, database and export, with the log's public key."""
        notes = (KeptNote("kept", (self.home / "kept").read_bytes()),) if kept else ()
        demand, files = self.demand(*notes), FolderLog(str(self.folder.path))
        info = LedgerInfo(self.ledger_id, "main", simulated=False)
        export = self.home / "export.ndjson"
        export.write_bytes(b"".join(row.entry + b"\n" for row in self.rows()))
        note = KeptNote("checkpoint", (self.folder.path / "checkpoint").read_bytes())
        return [
            verify_log(files, demand),
            verify_database(Live(self.database, info, files), demand),
            verify_export(export, demand, note),
        ]

    def demand(self, *notes: KeptNote) -> Demand:
        """Verify with the log's public key, and against what was kept."""
        trust = Trust(tuple(self.keys.verifiers()), "given")
        return Demand(trust=trust, kept=notes, processes=1)

    def rows(self) -> list[Row]:
        """Every row of the log."""
        with self.superuser() as connection:
            found = connection.execute(
                "SELECT recorded_at, type, tags, entry FROM ledger.event ORDER BY position"
            )
            return [Row(*row) for row in found]

    def rewrite(self, rows: Iterable[Row]) -> None:
        """Make the whole database anew from these rows, numbered anew, without a trace."""
        times = [row.recorded_at for row in self.rows()]
        times += times[-1:] * 2
        given = list(rows)
        with self.superuser() as connection, connection.transaction():
            for table in ("event", "event_tag", "event_key"):
                connection.execute(f"DELETE FROM ledger.{table}".encode())  # noqa: S608
            for position, row in enumerate(given, start=1):
                # The times stay where they were: they rise, whoever stands there now.
                stamp = f'{{"position":{position},"recorded_at":"'.encode()
                tail = row.entry.partition(b'"recorded_at":"')[2]
                at = times[position - 1]
                text = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()  # type: ignore[attr-defined]
                entry = stamp + text + tail[tail.index(b'"') :]
                connection.execute(
                    "INSERT INTO ledger.event VALUES (%s, %s, %s, %s, %s, %s, %s)",
                    (self.ledger_id, position, at, row.kind, row.tags, leaf_hash(entry), entry),
                )
                found = EVENT_ID.search(entry)
                assert found, "every entry has an id"
                connection.execute(
                    "INSERT INTO ledger.event_key VALUES (%s, %s, %s)",
                    (self.ledger_id, UUID(found[1].decode()), position),
                )
            connection.execute(
                "INSERT INTO ledger.event_tag SELECT DISTINCT ledger_id, hashtextextended(tag, 0),"
                " position FROM ledger.event, unnest(tags) AS tag"
            )
            connection.execute(
                "UPDATE ledger.head SET position = %s, recorded_at = %s",
                (len(given), times[len(given) - 1]),
            )

    def remake_log(self, keys: list[SigningKey] | None) -> None:
        """Make the folder and the seal anew from the database; without keys: unsigned as before."""
        published = (self.folder.path / "checkpoint").read_bytes()
        shutil.rmtree(self.folder.path)
        folder, frontier, tree = LogFolder(self.folder.path), Frontier(), CompactRange()
        entries = [row.entry for row in self.rows()]
        leaves = [leaf_hash(entry) for entry in entries]
        tree.extend(leaves)
        folder.write_tiles(frontier.append(leaves, entries))
        folder.write_tiles(frontier.partials())
        if keys is None:
            (self.folder.path / "checkpoint").write_bytes(published)
        else:
            checkpoint = Checkpoint(ORIGIN, tree.size, tree.root())
            folder.publish(sign_checkpoint(checkpoint, keys), [])
        with self.superuser() as connection:
            connection.execute(
                "UPDATE ledger.seal SET size = %s, root = %s", (tree.size, tree.root())
            )

    def bundle(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Change the entries of the first bundle in the folder."""
        path = self.folder.path / TileId(None, 0).path()
        path.write_bytes(encode_bundle(change(decode_bundle(path.read_bytes()))))


@pytest.fixture
def theatre(database: Database, recorder: PostgresRecorder, tmp_path: Path) -> Theatre:
    """A ledger of 600 sealed entries; somebody kept the checkpoint of 300."""
    made = Theatre(database, recorder, tmp_path)
    made.grown(KEPT)
    shutil.copy(made.folder.path / "checkpoint", tmp_path / "kept")
    made.grown(SIZE - KEPT)
    assert all(report.faults == [] for report in made.auditor(kept=True))
    return made


def changed(row: Row) -> Row:
    """The same row with other content."""
    assert b'"number":' in row.entry
    return row._replace(entry=row.entry.replace(b'"number":', b'"number":9', 1))


def accused(reports: list[Report]) -> list[str]:
    """What each of the reports complains of first; empty where it complains of nothing."""
    return [report.first.text() if report.first else "" for report in reports]


def refused_by_service(theatre: Theatre) -> str:
    """What a service that starts now says instead of taking a write."""
    guard = Guard(LogFolder(theatre.folder.path), LogKeys(theatre.home / "keys", "main"))
    recorder = PostgresRecorder(theatre.database, theatre.ledger_id, guard)
    head = recorder.head()
    try:
        with pytest.raises(LogStopped) as stopped:
            recorder.append_one(request())
        assert recorder.head() == head, "nothing was recorded"
    finally:
        recorder.close()
    return str(stopped.value)


def refused_by_sealer(theatre: Theatre) -> str:
    """What the sealer says, which comes by every row in its idle time."""
    with in_thread(theatre.sealer.run):
        give_up_at = time.monotonic() + SCRUB_SECONDS
        while (reason := theatre.stopped()) is None:
            assert time.monotonic() < give_up_at, "the sealer has found nothing"
            time.sleep(0.05)
    return reason


# -- without the key -------------------------------------------------------------------------------


@pytest.mark.parametrize("leaf", [False, True], ids=["edited-entry", "edited-entry-and-hash"])
def test_an_edited_row(theatre: Theatre, *, leaf: bool) -> None:
    """Any auditor names the position, in the database and in the export."""
    theatre.edit(77, leaf=leaf)

    of_folder, of_database, of_export = accused(theatre.auditor(kept=False))

    assert of_folder == "", "the published bundles are still those that were signed"
    assert of_database.startswith("position 77:")
    assert of_export != ""


def test_an_edited_bundle(theatre: Theatre) -> None:
    """edited-entry: in the published files, too, the position is named."""
    theatre.bundle(lambda all_: [*all_[:76], all_[76].replace(b"data", b"DATA"), *all_[77:]])

    assert accused(theatre.auditor(kept=False))[0].startswith("position 77:")


def test_edited_columns(theatre: Theatre) -> None:
    """edited-columns: the copies for the index differ from the entry, which is hashed."""
    with theatre.superuser() as connection:
        connection.execute("UPDATE ledger.event SET tags = '{b}' WHERE position = 78")

    assert accused(theatre.auditor(kept=False))[1].startswith("position 78: ")


def test_a_recomputed_tree(theatre: Theatre) -> None:
    """recomputed-tree: without the key, the root stays the one that was signed."""
    rows = theatre.rows()
    rows[76] = changed(rows[76])
    theatre.rewrite(rows)
    theatre.remake_log(None)

    for complaint in accused(theatre.auditor(kept=False)):
        assert "root" in complaint or "signed" in complaint, complaint


def test_another_key(theatre: Theatre) -> None:
    """recomputed-tree: a key of the attacker's own, under the log's name, is not the log's."""
    rows = theatre.rows()
    rows[76] = changed(rows[76])
    theatre.rewrite(rows)
    theatre.remake_log([SigningKey.generate(ORIGIN)])

    for complaint in accused(theatre.auditor(kept=False)):
        assert complaint != ""


def test_another_logs_checkpoint(theatre: Theatre) -> None:
    """other-origin: a genuine checkpoint of another log does not pass for this one's."""
    other = SigningKey.generate("example.com/ledger/other")
    published = theatre.published()
    foreign = Checkpoint(other.name, published.size, published.root)
    (theatre.folder.path / "checkpoint").write_text(sign_checkpoint(foreign, [other]))

    for complaint in accused(theatre.auditor(kept=False)):
        assert complaint != ""


def test_shifted_boundaries(theatre: Theatre) -> None:
    """shifted-boundaries: one byte moved from an entry's end to the next one's beginning."""
    theatre.bundle(
        lambda all_: [*all_[:9], all_[9][:-1], all_[9][-1:] + all_[10], *all_[11:]],
    )

    assert accused(theatre.auditor(kept=False))[0].startswith("position 10:")


def test_a_dropped_tail(theatre: Theatre) -> None:
    """dropped-tail: the service takes no write; any auditor finds the rows missing."""
    theatre.rewind(SIZE - 5)

    assert refused_by_service(theatre).startswith("ROLLBACK: head 595 < checkpoint 600")
    assert accused(theatre.auditor(kept=False))[1].startswith("position 596: ")


def test_a_database_rolled_back_and_written_on(theatre: Theatre) -> None:
    """database-rolled-back: grown past the checkpoint again, it is a fork; the place is named."""
    theatre.rewind(400)
    theatre.append(SIZE)

    assert refused_by_service(theatre).startswith("FORK at 401")
    assert accused(theatre.auditor(kept=False))[1].startswith("position 401: ")


def test_edits_stop_the_sealer_and_the_writers(theatre: Theatre) -> None:
    """edited-entry: the sealer comes by unasked, and from then on nothing is written."""
    theatre.edit(77, leaf=True)

    assert "77" in refused_by_sealer(theatre)
    assert "77" in refused_by_service(theatre)


@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000", "tile/entries/001"])
def test_flipped_bits(theatre: Theatre, name: str) -> None:
    """flipped-bit: anywhere in a published file; the unit tests flip proofs and receipts."""
    path = theatre.folder.path / name
    genuine = path.read_bytes()
    for _ in range(15):
        spoiled = bytearray(genuine)
        spoiled[secrets.randbelow(len(spoiled))] ^= 1 << secrets.randbelow(8)
        path.write_bytes(spoiled)
        assert verify_log(FolderLog(str(theatre.folder.path)), theatre.demand()).faults


# -- with the stolen key ---------------------------------------------------------------------------


REWRITTEN: dict[str, Callable[[list[Row]], list[Row]]] = {
    "stolen-key": lambda rows: [*rows[:76], changed(rows[76]), *rows[77:]],
    "deleted-entry": lambda rows: [*rows[:76], *rows[77:]],
    "inserted-entry": lambda rows: [*rows[:76], copied(rows[76]), *rows[76:]],
    "reordered-entries": lambda rows: [*rows[:76], rows[77], rows[76], *rows[78:]],
}


def copied(row: Row) -> Row:
    """The same row under an id of its own."""
    return row._replace(entry=EVENT_ID.sub(f'"id":"{uuid4()}"'.encode(), row.entry))


@pytest.mark.parametrize("attack", REWRITTEN)
def test_everything_rewritten_and_signed_anew(theatre: Theatre, attack: str) -> None:
    """Who kept a checkpoint is shown another log's; who kept nothing cannot tell."""
    theatre.rewrite(REWRITTEN[attack](theatre.rows()))
    theatre.remake_log(theatre.keys.signing())

    assert accused(theatre.auditor(kept=False)) == ["", "", ""]
    assert all("FORK" in complaint for complaint in accused(theatre.auditor(kept=True)))


def test_everything_rolled_back(theatre: Theatre) -> None:
    """rolled-back: an old database with its genuine old checkpoint; a newer one was kept."""
    old = (theatre.home / "kept").read_bytes()
    shutil.copy(theatre.folder.path / "checkpoint", theatre.home / "kept")
    theatre.rewrite(theatre.rows()[:KEPT])
    theatre.remake_log(theatre.keys.signing())
    assert (theatre.folder.path / "checkpoint").read_bytes() == old, "it is the genuine one"

    assert accused(theatre.auditor(kept=False)) == ["", "", ""]
    assert all("ROLLBACK" in complaint for complaint in accused(theatre.auditor(kept=True)))


def test_two_views(theatre: Theatre) -> None:
    """forked: two auditors were shown two logs of one size; together they see it."""
    shutil.copy(theatre.folder.path / "checkpoint", theatre.home / "kept")
    rows = theatre.rows()
    rows[-1] = changed(rows[-1])
    theatre.rewrite(rows)
    theatre.remake_log(theatre.keys.signing())

    assert accused(theatre.auditor(kept=False)) == ["", "", ""]
    assert all("FORK" in complaint for complaint in accused(theatre.auditor(kept=True)))


def test_an_entry_dropped_before_its_checkpoint(theatre: Theatre) -> None:
    """dropped-before-checkpoint: the receipt is signed, and the log does not keep it."""
    gate = ReceiptsKey(theatre.home / "keys", "main").signing(ORIGIN)
    promised = theatre.recorder.append_one(request()).receipts[0]
    note = sign_receipt(promised, ORIGIN, gate)
    theatre.rewind(SIZE)
    theatre.append(1)
    theatre.sealer.seal()
    assert accused(theatre.auditor(kept=True)) == ["", "", ""], "nothing else gives it away"

    files = FolderLog(str(theatre.folder.path))
    found = check_receipt(note, Trust((gate.verifier,), "given"), files, theatre.demand().trust)

    assert found.outcome == "SIGNED BUT NOT IN THE LOG"


def test_a_receipt_of_another_log(theatre: Theatre) -> None:
    """other-origin: it is evidence against nobody here, whoever's keys are trusted."""
    origin = "example.com/ledger/other"
    gate = SigningKey.generate(key_name(origin))
    promised = theatre.recorder.append_one(request()).receipts[0]
    theatre.sealer.seal()
    note = sign_receipt(msgspec.structs.replace(promised, leaf_hash=b"x" * 32), origin, gate)
    files = FolderLog(str(theatre.folder.path))

    with pytest.raises(Invalid, match=r"the receipt is of example\.com/ledger/other"):
        check_receipt(note, Trust((gate.verifier,), "given"), files, theatre.demand().trust)
