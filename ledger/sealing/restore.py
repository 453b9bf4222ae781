"""The way out of a rollback: a ledger's rows, written again from its log, byte for byte.

The bundles hold every entry as it was hashed. Before anything is written, all of it is checked:
the checkpoint's signature by keys that the operator trusts, every bundle against the tiles, the
root over all leaves against the checkpoint, and what the database still holds against the log. A
database that is behind gets its missing tail; one that holds something else is left alone.
Not in the log, and so not restored: API keys, sealed personal values, and what an idempotent
request said (`docs/operating.md`).
Read next: `migrations/0007_restore.sql`, the one call that writes here.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import chain, groupby, islice
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
import psycopg
from psycopg import errors

from ledger.database import Database, Role
from ledger.errors import LedgerError, NotFound, TileError
from ledger.events.platform import LedgerCreated
from ledger.log import principal_of
from ledger.merkle import HASH_BYTES, CompactRange, leaf_hash
from ledger.recorder import LedgerInfo, create_ledger, find_ledger
from ledger.recorder.admission import SEPARATOR, key_of
from ledger.sealing.checkpoint import Checkpoint, open_checkpoint
from ledger.sealing.folder import LogFolder
from ledger.sealing.note import VerifierKey
from ledger.sealing.tiles import TILE_WIDTH, TileId, decode_bundle
from ledger.vocabulary import Actor

BATCH_EVENTS: Final = 5_000
BATCH_BYTES: Final = 16 * 1024 * 1024
"""One transaction writes about so much: an interrupted restore goes on from the last one."""

PAGE_EVENTS: Final = 5_000

RESTORING: Final = (
    "RESTORING: this ledger is being restored from its log; run `ledger restore` to its end"
)
SOMEBODY_WRITES: Final = "LG008"

HEAD = "SELECT position, stopped FROM ledger.head WHERE ledger_id = %s"
PREFIX = """
SELECT position, recorded_at, type, tags, leaf_hash, entry FROM ledger.event
WHERE ledger_id = %s AND position > %s AND position <= %s
ORDER BY position LIMIT %s
"""
RESTORE = """
SELECT ledger.restore_v1(
    %(ledger_id)b, %(after)b, %(recorded_at)b, %(types)b, %(tags)b, %(ids)b, %(entries)b,
    %(keys)b, %(key_positions)b, %(key_counts)b, %(stopped)b
)
"""
RESUME = "SELECT ledger.resume_v1(%s)"
SEALED = "SELECT size FROM ledger.seal WHERE ledger_id = %s"
REMEMBER = "SELECT ledger.seal_v1(%s, (ledger.lead_seal_v1(%s)).epoch, %s, %s)"

Heard = Callable[[int], None]
"""Hears how many more entries are done."""


class RestoreRefused(LedgerError):
    """The ledger cannot be restored from this log; the message says what to do."""

    code = "restore-refused"


class Row(msgspec.Struct, frozen=True):
    """One fact as the database holds it, from its entry alone."""

    position: int
    recorded_at: datetime
    type: str
    tags: list[str]
    leaf_hash: bytes
    entry: bytes
    id: UUID
    key: bytes | None

    def columns(self) -> tuple[Any, ...]:
        """What a row of the database is compared with."""
        return self.position, self.recorded_at, self.type, self.tags, self.leaf_hash, self.entry


class Restored(msgspec.Struct, frozen=True):
    """What came of it: where the database stood, where the log and the database end now."""

    ledger: str
    stood_at: int
    position: int
    checkpoint: int
    origin: str


class _Entry(msgspec.Struct):
    position: int
    recorded_at: datetime
    id: UUID
    type: str
    tags: list[str]
    ledger: str | None = None
    actor: Actor | None = None
    idempotency_key: str | None = None


class _First(msgspec.Struct):
    type: Literal["ledger.created"]
    data: LedgerCreated


_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_first = msgspec.json.Decoder(_First).decode


class CheckedLog:
    """A log folder whose every byte was checked; reading it again is safe from later changes.

    It ends where the checkpoint does, or beyond: what was sealed in this very folder, though the
    sealer was killed before it signed, counts too (it was recorded and acknowledged).
    """

    def __init__(
        self,
        folder: LogFolder,
        known: Sequence[VerifierKey],
        ledger: str,
        heard: Heard = lambda _count: None,
    ) -> None:
        note = folder.latest()
        if note is None:
            raise NotFound(f"{folder.path} holds no checkpoint; name the folder of a log")
        self.checkpoint = open_checkpoint(note, known)
        self._folder = folder
        self._ledger = ledger
        state = folder.state()
        self._sealed = state if state and state.size > self.checkpoint.size else None
        self.size = self._sealed.size if self._sealed else self.checkpoint.size
        self._digests: list[bytes] = []
        self._check(heard)

    def rows(self) -> Iterator[Row]:
        """Every fact, in order; `RestoreRefused` if a bundle changed since it was checked."""
        for index, digest in enumerate(self._digests):
            content = self._bundle(index)
            if sha256(content).digest() != digest:
                raise RestoreRefused(
                    f"bundle {index} of {self._folder.path} changed while it was read; begin again"
                )
            first = index * TILE_WIDTH + 1
            for position, entry in enumerate(decode_bundle(content), first):
                yield self._row(position, entry)

    def _check(self, heard: Heard) -> None:
        tree, last = CompactRange(), None
        for index in range(-(-self.size // TILE_WIDTH)):
            content = self._bundle(index)
            self._digests.append(sha256(content).digest())
            entries = decode_bundle(content)
            leaves = self._checked_leaves(index, entries)
            for position, entry in enumerate(entries, tree.size + 1):
                recorded_at = self._row(position, entry).recorded_at
                if last is not None and recorded_at < last:
                    raise RestoreRefused(f"time goes back at position {position}; report this log")
                last = recorded_at
            # A bundle may reach beyond the checkpoint, whose root is asked for just there.
            until = max(0, self.checkpoint.size - tree.size)
            tree.extend(leaves[:until])
            self._require_root(tree)
            tree.extend(leaves[until:])
            heard(len(leaves))
        if self._sealed and tree.root() != self._sealed.tree().root():
            raise RestoreRefused(
                f"what {self._folder.path} holds beyond its checkpoint is not what was sealed; "
                "restore from a copy of the folder without the file `state`"
            )

    def _checked_leaves(self, index: int, entries: list[bytes]) -> list[bytes]:
        """The leaf hashes of a bundle, which are those of its tile."""
        tile = TileId(0, index, self._width(index))
        leaves = [leaf_hash(entry) for entry in entries]
        content = self._folder.read(tile)
        if len(leaves) != tile.width or len(content) != tile.width * HASH_BYTES:
            raise TileError(f"{tile.path()} and its bundle differ in length; fetch both again")
        if b"".join(leaves) != content:
            place = next(
                place
                for place, leaf in enumerate(leaves)
                if leaf != content[place * HASH_BYTES : (place + 1) * HASH_BYTES]
            )
            raise RestoreRefused(
                f"the entry at position {index * TILE_WIDTH + place + 1} of {self._folder.path} "
                "is not the one that was hashed; restore from another copy of the log"
            )
        return leaves

    def _require_root(self, tree: CompactRange) -> None:
        if tree.size == self.checkpoint.size and tree.root() != self.checkpoint.root:
            raise RestoreRefused(
                f"the {tree.size:,} entries in {self._folder.path} are not those that its "
                "checkpoint was signed for; restore from another copy of the log"
            )

    def _bundle(self, index: int) -> bytes:
        return self._folder.read(TileId(None, index, self._width(index)))

    def _width(self, index: int) -> int:
        return min(TILE_WIDTH, self.size - index * TILE_WIDTH)

    def _row(self, position: int, entry: bytes) -> Row:
        try:
            found = _decode_entry(entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RestoreRefused(f"position {position} holds no entry: {error}") from error
        if found.position != position:
            raise RestoreRefused(f"the entry at position {position} says {found.position}")
        if found.ledger not in (None, self._ledger):
            raise RestoreRefused(
                f"this is the log of ledger {found.ledger}, not of {self._ledger}; "
                f"name it: `ledger --ledger {found.ledger} restore ...`"
            )
        key = None
        if found.idempotency_key is not None and found.actor is not None:
            key = key_of(principal_of(found.actor), found.idempotency_key)
        return Row(
            position,
            found.recorded_at,
            found.type,
            found.tags,
            leaf_hash(entry),
            entry,
            found.id,
            key,
        )


def restore(
    database: Database, ledger: str, log: CheckedLog, heard: Heard = lambda _count: None
) -> Restored:
    """Bring a ledger to the end of its checked log, and let it be written to again.

    What it holds already must be the beginning of the log: the first difference is named, and
    nothing is written. May be interrupted and repeated.
    """
    rows = log.rows()
    info, rows = _ledger(database, ledger, rows)
    with database.connect(Role.OWNER) as connection:
        stood_at, stopped = _head(connection, info)
        _require_prefix(connection, info, stood_at, islice(rows, stood_at), heard)
        _remember_seal(connection, info, log.checkpoint)
        position = stood_at
        for batch in _batches(rows):
            after, position = position, batch[-1][-1].position
            _write(connection, info, after, batch, None if position == log.size else RESTORING)
            heard(position - after)
        if position == stood_at and stopped is not None:
            connection.execute(RESUME, (info.ledger_id,))
    return Restored(ledger, stood_at, position, log.checkpoint.size, log.checkpoint.origin)


def _ledger(database: Database, name: str, rows: Iterator[Row]) -> tuple[LedgerInfo, Iterator[Row]]:
    """The ledger that the log's first fact founded, made if it is not there."""
    info = find_ledger(database, name)
    first = next(rows, None)
    if first is None:
        raise RestoreRefused("this log is empty: there is nothing to restore from it")
    simulated = _is_simulated(first)
    if info is None:
        if simulated is None:
            raise RestoreRefused("the first fact of this log founds no ledger; report this log")
        info = LedgerInfo(create_ledger(database, name, simulated=simulated), name, simulated)
    if simulated not in (None, info.simulated):
        raise RestoreRefused(
            f"the clock of ledger {name} in this database is not the log's; "
            "restore into a database without that ledger"
        )
    return info, chain((first,), rows)


def _is_simulated(first: Row) -> bool | None:
    """What kind of clock the first fact says; None when it says nothing of it."""
    try:
        return _decode_first(first.entry).data.clock == "simulated"
    except msgspec.ValidationError:
        return None


def _head(connection: psycopg.Connection, info: LedgerInfo) -> tuple[int, str | None]:
    row = connection.execute(HEAD, (info.ledger_id,)).fetchone()
    assert row is not None, "every ledger has a head"
    return row[0], row[1]


def _require_prefix(
    connection: psycopg.Connection,
    info: LedgerInfo,
    head: int,
    rows: Iterable[Row],
    heard: Heard,
) -> None:
    """What the database holds, as far as the log reaches, is what the log holds."""
    expected = iter(rows)
    after = 0
    while page := list(islice(expected, PAGE_EVENTS)):
        parameters = (info.ledger_id, after, head, len(page))
        found = connection.execute(PREFIX, parameters, binary=True).fetchall()
        for place, row in enumerate(page):
            if place >= len(found) or found[place] != row.columns():
                raise RestoreRefused(
                    f"FORK at {row.position}: the database holds something else there than the "
                    "signed log; keep this database as evidence, and restore into a fresh one "
                    "(LEDGER_DATABASE_URL, or a LEDGER_HOME with the same keys and log)"
                )
        after = page[-1].position
        heard(len(page))


def _remember_seal(
    connection: psycopg.Connection, info: LedgerInfo, checkpoint: Checkpoint
) -> None:
    """Let the database know again what was sealed.

    So no new key is made for it, and until all rows are there it counts as set back.
    """
    row = connection.execute(SEALED, (info.ledger_id,)).fetchone()
    if checkpoint.size > (row[0] if row else 0):
        parameters = (info.ledger_id, info.ledger_id, checkpoint.size, checkpoint.root)
        connection.execute(REMEMBER, parameters)


def _batches(rows: Iterable[Row]) -> Iterator[list[list[Row]]]:
    """Facts of one request stay together, as they were recorded; requests up to a batch's size."""
    batch: list[list[Row]] = []
    count = size = 0
    for _, group in groupby(rows, lambda row: row.key or row.position):
        request = list(group)
        batch.append(request)
        count += len(request)
        size += sum(len(row.entry) for row in request)
        if count >= BATCH_EVENTS or size >= BATCH_BYTES:
            yield batch
            batch, count, size = [], 0, 0
    if batch:
        yield batch


def _write(
    connection: psycopg.Connection,
    info: LedgerInfo,
    after: int,
    batch: list[list[Row]],
    stopped: str | None,
) -> None:
    rows = [row for request in batch for row in request]
    keyed = [(request[0].key, request) for request in batch if request[0].key is not None]
    parameters = {
        "ledger_id": info.ledger_id,
        "after": after,
        "recorded_at": [row.recorded_at for row in rows],
        "types": [row.type for row in rows],
        "tags": [SEPARATOR.join(row.tags) for row in rows],
        "ids": [row.id for row in rows],
        "entries": [row.entry for row in rows],
        "keys": [UUID(bytes=key) for key, _ in keyed],
        "key_positions": [request[0].position for _, request in keyed],
        "key_counts": [len(request) for _, request in keyed],
        "stopped": stopped,
    }
    try:
        connection.execute(RESTORE, parameters)
    except errors.UniqueViolation as error:
        raise RestoreRefused(
            f"an id or a key between positions {after + 1} and {rows[-1].position} is recorded "
            "already; restore into a fresh database, and report this log"
        ) from error
    except psycopg.Error as error:
        if error.sqlstate != SOMEBODY_WRITES:
            raise
        raise RestoreRefused(
            "somebody else writes to this ledger; stop them, then run `ledger restore` again"
        ) from error
