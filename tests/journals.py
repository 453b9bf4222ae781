"""Writers that note what they were told before they ask again, and the checker of their notes.

`python -m tests.journals HOME LEDGER_ID NAME THREADS` appends to a ledger of the embedded server in
HOME, seals it, and keeps one journal a thread in HOME/journals: a line before each request, and a
line, synced, for each answer. Killed and started again, it first settles what it left unanswered.
Read next: `tests/adversity/test_crashes.py`, which kills.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import msgspec
import psycopg

from ledger.database import EMBEDDED_DATABASE, Database
from ledger.embedded import EmbeddedServer
from ledger.errors import LedgerError
from ledger.merkle import CompactRange, leaf_hash
from ledger.recorder import Appended, AppendRequest, Condition, Item, PostgresRecorder, writer
from ledger.recorder.session import Predecessor, Session
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.guard import Guard
from ledger.sealing.keys import LogKeys
from ledger.sealing.sealer import Sealer
from tests.recording import new_event

UNKNOWN: Final = "outcome-unknown"
NOT_RECORDED: Final = frozenset({"condition-failed", "duplicate-id", "key-reused"})
UNSETTLED: Final = frozenset({UNKNOWN, "database-unreachable", "log-stopped"})
PAUSE_SECONDS: Final = 0.05
ASYNCHRONOUS: Final = "asynchronous"
"""Plants the defect that the checker must find: commits are answered before they are durable."""

HASTY: Final = "hasty"
"""Who is told *unknown* at once, where others wait until the database is back and tells."""

ROWS = """
SELECT event.position, event.leaf_hash, event.entry FROM ledger.event
WHERE event.ledger_id = %s AND event.position > %s ORDER BY event.position
"""
HEAD = "SELECT position FROM ledger.head WHERE ledger_id = %s"


class Asked(msgspec.Struct, tag=True, omit_defaults=True):
    """A request, noted before it is sent; `expected` is the one refusal that it may meet."""

    request: UUID
    ids: list[UUID]
    key: str
    command: str
    slot: str | None = None
    expected: str | None = None


class Told(msgspec.Struct, tag=True, omit_defaults=True):
    """What its caller was told, and when."""

    request: UUID
    outcome: str
    at: float
    positions: list[int] = []
    leaf_hashes: list[str] = []


Note = Asked | Told
_decode = msgspec.json.Decoder(Note).decode
_encode = msgspec.json.Encoder().encode


def notes(journal: Path, after: int = 0) -> tuple[list[Note], int]:
    """The whole lines of a journal after an offset, and where they end."""
    with journal.open("rb") as file:
        file.seek(after)
        content = file.read()
    whole, _, _ = content.rpartition(b"\n")
    lines = whole.split(b"\n") if whole else []
    return [_decode(line) for line in lines], after + (len(whole) + 1 if whole else 0)


# -- the writers -----------------------------------------------------------------------------------


class Writer:
    """One thread's requests, one after the other, and its journal."""

    def __init__(
        self, recorder: PostgresRecorder, journal: Path, stopping: threading.Event
    ) -> None:
        self._recorder = recorder
        self._stopping = stopping
        self._draw = random.Random()  # noqa: S311 - a crowd, not a secret
        self._accepted: list[Asked] = []
        self._unanswered: Asked | None = None
        journal.touch()
        earlier, end = notes(journal)
        for note in earlier:
            if isinstance(note, Asked):
                self._unanswered = note
            elif note.outcome not in UNSETTLED:
                if note.outcome in ("accepted", "replayed") and self._unanswered:
                    self._accepted.append(self._unanswered)
                self._unanswered = None
        self._file = journal.open("r+b")
        self._file.truncate(end)
        self._file.seek(end)

    def run(self) -> None:
        """Settle what was left, then ask until it is time to stop."""
        if self._unanswered:
            self._ask(self._unanswered)
        while not self._stopping.is_set():
            asked = self._drawn()
            self._note(asked)
            if self._ask(asked) and not asked.expected:
                self._accepted = [*self._accepted[-50:], asked]

    def _drawn(self) -> Asked:
        draw = self._draw
        kind = draw.random() if self._accepted else 1.0
        asked = Asked(uuid4(), [uuid4()], str(uuid4()), "as it is")
        if kind < 0.05:
            earlier = draw.choice(self._accepted)
            return msgspec.structs.replace(asked, ids=[*earlier.ids], expected="duplicate-id")
        if kind < 0.1:
            earlier = draw.choice(self._accepted)
            return msgspec.structs.replace(
                asked, key=earlier.key, command="another", expected="key-reused"
            )
        if kind < 0.2:
            return draw.choice(self._accepted)
        if kind < 0.4:
            slot = f"slot:{draw.randrange(100_000) if draw.random() < 0.5 else draw.randrange(50)}"
            return msgspec.structs.replace(asked, slot=slot)
        count = 300 if kind < 0.43 else draw.choice((1, 1, 2, 5))
        return msgspec.structs.replace(asked, ids=[uuid4() for _ in range(count)])

    def _ask(self, asked: Asked) -> bool:
        """Ask until it is answered; whether it is recorded."""
        request = _request(asked)
        while True:
            try:
                appended = self._recorder.append_one(request)
            except LedgerError as refusal:
                self._note(Told(asked.request, refusal.code, time.time()))
                if refusal.code not in UNSETTLED:
                    return False
                if self._stopping.wait(PAUSE_SECONDS):
                    return False
            else:
                self._note(_told(asked, appended))
                return True

    def _note(self, note: Note) -> None:
        self._file.write(_encode(note) + b"\n")
        self._file.flush()
        if isinstance(note, Told):
            os.fsync(self._file.fileno())


def _request(asked: Asked) -> AppendRequest:
    tags = (f"request:{asked.request}", *([asked.slot] if asked.slot else []))
    count = len(asked.ids)
    return AppendRequest(
        events=tuple(
            new_event("noted", *tags, event_id=one, place=place, of=count)
            for place, one in enumerate(asked.ids)
        ),
        condition=Condition((Item(("noted",), (asked.slot,)),)) if asked.slot else None,
        key=asked.key,
        principal="writer",
        fingerprint=asked.command.encode(),
    )


def _told(asked: Asked, appended: Appended) -> Told:
    return Told(
        asked.request,
        "replayed" if appended.replayed else "accepted",
        time.time(),
        [one.position for one in appended.receipts],
        [one.leaf_hash.hex() for one in appended.receipts],
    )


def log_of(home: Path) -> tuple[LogKeys, LogFolder]:
    """The keys and the folder of the log of a home's one ledger."""
    return LogKeys(home / "keys", "main"), LogFolder(home / "log")


def _plant_asynchronous_commit() -> None:
    prepare = Session._prepare

    def planted(self: Session, predecessor: Predecessor | None) -> None:
        prepare(self, predecessor)
        self._connection.execute("SET synchronous_commit = off")

    Session._prepare = planted  # type: ignore[method-assign]


def _main() -> None:
    place, ledger_id, name, threads, *plant = sys.argv[1:]
    if ASYNCHRONOUS in plant:
        _plant_asynchronous_commit()
    if HASTY in plant:
        writer.RECONNECT_SECONDS = 0.05  # type: ignore[misc]
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    home = Path(place)
    server = EmbeddedServer(home)
    server.start()
    database = Database(server.url(EMBEDDED_DATABASE), server.close)
    keys, folder = log_of(home)
    recorder = _opened(database, int(ledger_id), Guard(folder, keys))
    journals = [home / "journals" / f"{name}-{number}.ndjson" for number in range(int(threads))]
    works = [Writer(recorder, journal, stopping).run for journal in journals]
    sealer = Sealer(database, int(ledger_id), keys, folder)
    running = [threading.Thread(target=work) for work in works]
    running.append(threading.Thread(target=sealer.run, args=(stopping,)))
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    recorder.close()
    database.close()


def _opened(database: Database, ledger_id: int, guard: Guard) -> PostgresRecorder:
    while True:
        with suppress(LedgerError, psycopg.Error):
            return PostgresRecorder(database, ledger_id, guard)
        time.sleep(PAUSE_SECONDS)


# -- the checker -----------------------------------------------------------------------------------


class _Data(msgspec.Struct):
    place: int
    of: int


class _Entry(msgspec.Struct):
    position: int
    id: UUID
    tags: list[str]
    data: _Data


_entry = msgspec.json.Decoder(_Entry).decode


class Checker:
    """Holds the log against the journals: what was lost, doubled, or half written."""

    def __init__(self, home: Path, ledger_id: int) -> None:
        self._home = home
        self._ledger_id = ledger_id
        self._offsets: dict[Path, int] = {}
        self._tree = CompactRange()
        self._position_of: dict[UUID, int] = {}
        self._slots: dict[str, int] = {}
        self._requests: dict[UUID, list[tuple[_Entry, str]]] = {}
        self._unchecked: set[UUID] = set()  # told, and not yet looked for in the log
        self.asked: dict[UUID, Asked] = {}
        self.told: dict[UUID, list[Told]] = {}
        self.findings: list[str] = []
        self.checkpoints = 0

    @property
    def size(self) -> int:
        """How many events were looked at."""
        return self._tree.size

    def advance(self, connection: psycopg.Connection) -> list[str]:
        """Look at what is new; everything found so far. To be repeated when the line breaks."""
        # In this order: whatever a journal or a checkpoint says is in the log that is read after.
        self._unchecked |= self._read_journals()
        signed = self._checkpoint()
        self._read_log(connection, signed)
        while self._unchecked:
            self._check(self._unchecked.pop())
        return self.findings

    def finish(self, connection: psycopg.Connection) -> list[str]:
        """The same, when every writer has ended: nothing is left open, nothing stands besides."""
        self.advance(connection)
        for request in self._requests.keys() - self.asked.keys():
            self.findings.append(f"request {request} is recorded, and nobody sent it")
        for request in self.asked:
            self._check(request)
            if self.outcome(request) in {None, *UNSETTLED}:
                self._check_whole(request)
        return self.findings

    def outcome(self, request: UUID) -> str | None:
        """What a request's caller was told in the end."""
        told = self.told.get(request)
        return told[-1].outcome if told else None

    def _read_journals(self) -> set[UUID]:
        fresh: set[UUID] = set()
        for journal in sorted((self._home / "journals").glob("*.ndjson")):
            found, self._offsets[journal] = notes(journal, self._offsets.get(journal, 0))
            for note in found:
                if isinstance(note, Asked):
                    self.asked[note.request] = note
                else:
                    self.told.setdefault(note.request, []).append(note)
                    fresh.add(note.request)
        return fresh

    def _checkpoint(self) -> Checkpoint | None:
        keys, folder = log_of(self._home)
        note = folder.latest()
        return None if note is None else open_checkpoint(note, keys.verifiers())

    def _read_log(self, connection: psycopg.Connection, signed: Checkpoint | None) -> None:
        row = connection.execute(HEAD, (self._ledger_id,)).fetchone()
        head = row[0] if row else 0
        if head < self.size:
            self.findings.append(f"LOST: the head went back from {self.size} to {head}")
        for position, column, entry in connection.execute(ROWS, (self._ledger_id, self.size)):
            leaf = leaf_hash(entry)
            seen = _entry(entry)
            if not position == seen.position == self.size + 1:
                self.findings.append(f"GAP: {position} ({seen.position}) follows {self.size}")
                return
            if column != leaf:
                self.findings.append(f"EDITED: the leaf hash at {position} is not its entry's")
            self._tree.append(leaf)
            self._note_entry(seen, leaf)
            if signed and position == signed.size:
                self.checkpoints += 1
                if self._tree.root() != signed.root:
                    self.findings.append(f"FORK: checkpoint {signed.size} is not of this log")
        if head > self.size:
            self.findings.append(f"GAP: the log ends at {self.size}, its head says {head}")
        if signed and signed.size > self.size:
            self.findings.append(f"LOST: {signed.size} were signed, {self.size} are there")

    def _note_entry(self, seen: _Entry, leaf: bytes) -> None:
        if seen.id in self._position_of:
            self.findings.append(f"DOUBLED: {seen.id} stands at {seen.position} again")
        self._position_of[seen.id] = seen.position
        for tag in seen.tags:
            if tag.startswith("slot:"):
                if tag in self._slots:
                    self.findings.append(f"DOUBLED: {tag} is booked at {seen.position} again")
                self._slots[tag] = seen.position
        request = UUID(seen.tags[0].removeprefix("request:"))
        self._requests.setdefault(request, []).append((seen, leaf.hex()))

    def _check(self, request: UUID) -> None:
        """Whether the log is as a request's caller was told."""
        there = self._requests.get(request, [])
        for told in self.told.get(request, []):
            if told.outcome in {"accepted", "replayed"}:
                found = [(one.position, leaf) for one, leaf in there]
                if found != list(zip(told.positions, told.leaf_hashes, strict=True)):
                    kind = "OTHERWISE" if found else "LOST"
                    self.findings.append(
                        f"{kind}: {request} was {told.outcome} as {told.positions}"
                    )
                elif self.asked[request].expected:
                    self.findings.append(f"WRONG: {request} should have been refused")
                self._check_whole(request)
            elif told.outcome in NOT_RECORDED:
                expected = self.asked[request].expected or "condition-failed"
                if there or told.outcome != expected:
                    self.findings.append(f"REFUSED: {request}, {told.outcome}; {len(there)} there")
            elif told.outcome not in UNSETTLED:
                self.findings.append(f"WRONG: {request} was told {told.outcome}")

    def _check_whole(self, request: UUID) -> None:
        there = [one for one, _ in self._requests.get(request, [])]
        if there and [one.data.place for one in there] != list(range(there[0].data.of)):
            self.findings.append(f"HALF: of {request} only {len(there)} events are there")


def figures(checker: Checker) -> dict[str, int]:
    """How much was looked at."""
    outcomes = [one.outcome for told in checker.told.values() for one in told]
    return {
        "requests": len(checker.asked),
        "events": checker.size,
        "acknowledgements": sum(one in {"accepted", "replayed"} for one in outcomes),
        "refusals": sum(one in NOT_RECORDED for one in outcomes),
        "unknown, settled by a retry": outcomes.count(UNKNOWN),
        "unreachable": sum(one in UNSETTLED - {UNKNOWN} for one in outcomes),
        "checkpoints compared": checker.checkpoints,
    }


class Progress:
    """When each writer was first told of success since the last look."""

    def __init__(self, home: Path, names: Sequence[str]) -> None:
        self._home = home
        self._names = names
        self._offsets: dict[Path, int] = {}
        self._first: dict[str, float] = {}
        self._since = 0.0

    def begin(self, since: float) -> None:
        """Forget what was seen; what happened before an instant does not count."""
        self._first = {}
        self._since = since

    def seen(self) -> list[float]:
        """An instant for every writer that was told of success meanwhile."""
        for name in self._names:
            for journal in (self._home / "journals").glob(f"{name}-*.ndjson"):
                fresh, end = notes(journal, self._offsets.get(journal, 0))
                self._offsets[journal] = end
                for note in fresh:
                    if not isinstance(note, Told) or note.outcome != "accepted":
                        continue
                    if note.at > self._since:
                        self._first.setdefault(name, note.at)
        return sorted(self._first.values())


if __name__ == "__main__":
    _main()
