"""The live database, row by row: every row of the log against its own entry.

Rows are read by one COPY, in PostgreSQL's binary form: what is compared is what is stored.
The entry says its position, time, id, type and tags; columns are copies that must agree.
"""

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg

from ledger.recorder.admission import key_of
from ledger.verifying.attachments import tells_of_files
from ledger.verifying.hashing import STAMP_BYTES, fault_of
from ledger.verifying.report import Fault
from ledger.verifying.stretches import Stretch
from ledger.verifying.tree import UNKNOWN

COPY: Final = """
COPY (
    SELECT position, recorded_at, entry, leaf_hash, type, tags FROM ledger.event
    WHERE ledger_id = %(ledger_id)s AND position > %(after)s AND position <= %(until)s
    ORDER BY position
) TO STDOUT (FORMAT binary)
"""
SIGNATURE_BYTES: Final = 15
TEXT_OID: Final = 25
ERASED: Final = "personal_key.destroyed"
COMMITMENT: Final = b'"commitment"'
SEALED_VALUE: Final = re.compile(rb'{"commitment":"([^"\\]*)","person":"([^"\\]*)"}')
"""A personal value as our own codec spells it; other spellings are read as any JSON is."""

MICROSECONDS: Final = 1_000_000
LABELS_KEPT: Final = 1 << 16

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_unpack_start = struct.Struct("!hiqiqi").unpack_from
_START_BYTES: Final = struct.calcsize("!hiqiqi")
_unpack_length = struct.Struct("!i").unpack_from
_unpack_count = struct.Struct("!h").unpack_from
_pack_length = struct.Struct("!i").pack
_pack_array = struct.Struct("!5i").pack
_NO_TAGS: Final = struct.pack("!3i", 0, 0, TEXT_OID)


class Row(msgspec.Struct):
    """A row as it is stored; `tags` in the array's binary form."""

    position: int
    recorded_at: int
    entry: bytes
    leaf_hash: bytes
    type: bytes
    tags: bytes


class _Actor(msgspec.Struct):
    person: str | None = None
    system: str | None = None
    via: str | None = None


class Said(msgspec.Struct):
    """What an entry says of itself."""

    id: UUID
    type: str
    tags: list[str]
    actor: _Actor | None = None
    idempotency_key: str | None = None


class Rows(Stretch):
    """What came of a part of the database."""

    runs: list[tuple[bytes, int, int]] = msgspec.field(default_factory=list)
    """Neighbouring entries of one request with a key: the key, the first position, how many."""
    sealed: list[tuple[int, str, str]] = msgspec.field(default_factory=list)
    """Position, person and commitment of each personal value."""
    erasures: list[tuple[int, str]] = msgspec.field(default_factory=list)
    of_files: list[tuple[int, bytes]] = msgspec.field(default_factory=list)
    """Position and entry of each that may say something of attachments."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Where rows are: a ledger in a database; and the folder that it was sealed to, up to where."""

    url: str
    ledger_id: int
    folder: str | None = None
    sealed: int = 0


def read(connection: psycopg.Connection, ledger_id: int, after: int, until: int) -> bytes:
    """The rows of a range, as PostgreSQL copies them."""
    bounds = {"ledger_id": ledger_id, "after": after, "until": until}
    with connection.cursor() as cursor, cursor.copy(COPY, bounds) as copy:
        return b"".join(copy)


def rows_of(content: bytes) -> Iterator[Row]:
    """The rows of a binary COPY, cut out without being interpreted."""
    (extension,) = _unpack_length(content, SIGNATURE_BYTES)
    at = SIGNATURE_BYTES + 4 + extension
    while _unpack_count(content, at)[0] > 0:
        _, _, position, _, recorded_at, length = _unpack_start(content, at)
        at += _START_BYTES
        cells = [content[at : at + length]]
        at += length
        for _ in range(3):
            (length,) = _unpack_length(content, at)
            at += 4
            cells.append(content[at : at + length])
            at += length
        yield Row(position, recorded_at, *cells)


def check_each(
    content: bytes, after: int, until: int, found: Rows, ids: list[tuple[UUID, int]]
) -> list[bytes]:
    """The leaf hashes, one a position; into `ids` (id, position) of every entry that can be read.

    These rows follow on what was found before.
    """
    leaves = [UNKNOWN] * (until - after)
    decode = msgspec.json.Decoder(Said).decode
    expected, stamp = after + 1, found.ended
    for row in rows_of(content):
        position, entry = row.position, row.entry
        if position != expected:
            found.blame(expected, _missing(expected, position))
        expected = position + 1
        leaf = sha256(b"\0" + entry).digest()
        leaves[position - after - 1] = leaf
        if leaf != row.leaf_hash:
            found.blame(position, "leaf_hash is not the hash of the entry: the row was changed")
        fault = fault_of(entry, position, stamp)
        try:
            said = decode(entry)
        except msgspec.DecodeError as error:
            found.blame(position, f"the entry is not an entry: {error}")
            continue
        fault = fault or _column_fault(row, said)
        if fault is not None:
            found.blame(position, fault.what)
        else:
            stamp = spelled(row.recorded_at)
            found.began, found.ended = found.began or stamp, stamp
        ids.append((said.id, position))
        note(said, position, entry, found)
    if expected <= until:
        found.blame(expected, _missing(expected, until + 1))
    return leaves


def _missing(expected: int, position: int) -> str:
    count = position - expected
    return "the row is missing" if count == 1 else f"{count:,} rows are missing from here on"


def _stamp_at(position: int) -> int:
    return len(b'{"position":%d,"recorded_at":"' % position)


def _column_fault(row: Row, said: Said) -> Fault | None:
    """A column that is not what the entry says."""
    at = _stamp_at(row.position)
    if row.entry[at : at + STAMP_BYTES] != spelled(row.recorded_at):
        return Fault(row.position, "column recorded_at is not what the entry says")
    if row.type != said.type.encode():
        return Fault(row.position, "column type is not what the entry says")
    if row.tags != array_of(said.tags):
        return Fault(row.position, "column tags is not what the entry says")
    return None


def spelled(recorded_at: int) -> bytes:
    """PostgreSQL's instant (microseconds since 2000) as entries spell it."""
    try:
        instant = _EPOCH + timedelta(microseconds=recorded_at)
    except OverflowError:
        return b""
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds").encode() + b"Z"


def array_of(labels: list[str]) -> bytes:
    """A text array as PostgreSQL sends it."""
    if not labels:
        return _NO_TAGS
    return _pack_array(1, 0, TEXT_OID, len(labels), 1) + b"".join([_cell(one) for one in labels])


@lru_cache(LABELS_KEPT)
def _cell(label: str) -> bytes:
    """One element of such an array; units and duties come again and again."""
    content = label.encode()
    return _pack_length(len(content)) + content


def note(said: Said, position: int, entry: bytes, found: Rows) -> None:
    """Keep what concerns more than this row: idempotency keys, personal values, erasures."""
    if said.idempotency_key and said.actor is not None:
        actor = said.actor
        principal = actor.person or actor.system or actor.via or ""
        extend_runs(found.runs, key_of(principal, said.idempotency_key), position, 1)
    if COMMITMENT in entry:
        found.sealed += [(position, *one) for one in _committed(entry)]
    if tells_of_files(entry):
        found.of_files.append((position, entry))
    if said.type == ERASED:
        found.erasures.append((position, person_in(entry)))


def person_in(erasure: bytes) -> str:
    """The person whom the entry of an erasure names."""
    return str(msgspec.json.decode(erasure).get("data", {}).get("person"))


def _committed(entry: bytes) -> list[tuple[str, str]]:
    """Person and commitment of every personal value of an entry."""
    spelled_so = SEALED_VALUE.findall(entry)
    if len(spelled_so) == entry.count(COMMITMENT):
        return [(person.decode(), commitment.decode()) for commitment, person in spelled_so]
    return list(commitments_in(msgspec.json.decode(entry)))


def commitments_in(value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  (JSON)
    """Person and commitment of every personal value, wherever it stands."""
    if isinstance(value, dict):
        if value.keys() == {"commitment", "person"}:
            yield str(value["person"]), str(value["commitment"])
        for below in value.values():
            yield from commitments_in(below)
    elif isinstance(value, list):
        for below in value:
            yield from commitments_in(below)


def extend_runs(runs: list[tuple[bytes, int, int]], key: bytes, position: int, count: int) -> None:
    """Add entries of one request; those that follow on the last ones with its key join them."""
    if runs and runs[-1][0] == key and runs[-1][1] + runs[-1][2] == position:
        key, first, before = runs.pop()
        position, count = first, before + count
    runs.append((key, position, count))
