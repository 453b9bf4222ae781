"""The live database, a tile of rows at a time: all that must agree is compared at once.

Millions of rows are right, so what is asked of them is built to say "all of these agree" in a few
calls a row, columns compared as wholes. Where anything is off nothing is said here: those rows are
read again, one by one, by `rows.py`, which knows what to say of each.
Read next: `ledger/verifying/rows.py`.
"""

import struct
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from typing import Final
from uuid import UUID

import msgspec
import psycopg

from ledger.database import Database, Role
from ledger.sealing.tiles import TILE_WIDTH, TileId
from ledger.verifying.hashing import STAMP_BYTES
from ledger.verifying.rows import (
    MICROSECONDS,
    Rows,
    Said,
    Table,
    array_of,
    check_each,
    note,
    read,
    spelled,
)
from ledger.verifying.sources import FolderLog
from ledger.verifying.stretches import Part, Stretch
from ledger.verifying.tables import PROBING, check_ids

TILES: Final = """
SELECT string_agg(int8send(position), ''),
       string_agg(timestamptz_send(recorded_at), ''),
       array_agg(entry),
       string_agg(leaf_hash, ''),
       array_agg(type),
       array_agg(array_send(tags))
FROM (
    SELECT position, recorded_at, entry, leaf_hash, type, tags FROM ledger.event
    WHERE ledger_id = %(ledger_id)s AND position > %(after)s AND position <= %(until)s
    ORDER BY position
    OFFSET 0
) AS rows
GROUP BY (position - 1) / 256
ORDER BY (position - 1) / 256
"""
_decode = msgspec.json.Decoder(Said).decode
Ids = list[tuple[UUID, int]]
Columns = tuple[bytes, bytes, list[bytes], bytes, list[str], list[bytes]]
"""Positions, instants, entries, leaf hashes, types and tags of neighbouring rows."""


def check_rows(table: Table, part: Part) -> Rows:
    """Check every row of a part, and that its id leads to it."""
    found, ids = Rows(), Ids()
    after, until = part.first * TILE_WIDTH, min(part.end * TILE_WIDTH, part.size)
    with closing(Database(table.url).connect(Role.READER)) as connection:
        bounds = {"ledger_id": table.ledger_id, "after": after, "until": until}
        tiles = _by_tile(connection.execute(TILES, bounds, binary=True).fetchall())
        for tile in part.tiles():
            first = tile.index * TILE_WIDTH + 1
            hashes = _agreed(tiles.get(tile.index), first, tile.width, found, ids)
            if hashes is None:
                end = first - 1 + tile.width
                content = read(connection, table.ledger_id, first - 1, end)
                hashes = check_each(content, first - 1, end, found, ids)
            _compare(table, tile, hashes, found)
            found.take(tile, hashes, chosen=tile.index in part.chosen)
        connection.execute(PROBING)
        id_missing = check_ids(connection, table.ledger_id, ids)
    found.faults += [id_missing] if id_missing is not None else []
    return found


def _by_tile(rows: Sequence[psycopg.rows.TupleRow]) -> dict[int, Columns]:
    return {(int.from_bytes(row[0][:8], "big") - 1) // TILE_WIDTH: row for row in rows}


def _agreed(  # noqa: PLR0911  (each thing that must agree)
    columns: Columns | None, first: int, width: int, found: Rows, ids: Ids
) -> list[bytes] | None:
    """The leaf hashes of a tile's rows; None, and nothing taken in, unless all of them agree."""
    if columns is None:
        return None
    positions, instants, entries, leaf_hashes, types, tags = columns
    one = sha256
    leaves = [one(b"\0" + entry).digest() for entry in entries]
    if b"".join(leaves) != leaf_hashes:
        return None
    expected = range(first, first + width)
    if struct.unpack(f"!{len(positions) // 8}q", positions) != tuple(expected):
        return None
    try:
        said = [_decode(entry) for entry in entries]
    except msgspec.DecodeError:
        return None
    if [each.type for each in said] != types or [array_of(each.tags) for each in said] != tags:
        return None
    stamps = _stamps(struct.unpack(f"!{len(instants) // 8}q", instants))
    begins = [
        entry.startswith(b'{"position":%d,"recorded_at":"%b",' % (position, stamp))
        for position, entry, stamp in zip(expected, entries, stamps, strict=True)
    ]
    if not all(begins) or found.ended > stamps[0] or sorted(stamps) != stamps:
        return None
    found.began, found.ended = found.began or stamps[0], stamps[-1]
    ids += [(each.id, position) for each, position in zip(said, expected, strict=True)]
    for position, entry, each in zip(expected, entries, said, strict=True):
        note(each, position, entry, found)
    return leaves


def _stamps(instants: Sequence[int]) -> list[bytes]:
    """PostgreSQL's instants as entries spell them; most share their second with the one before."""
    stamps: list[bytes] = []
    known, begins = None, b""
    for instant in instants:
        second, rest = divmod(instant, MICROSECONDS)
        if second != known:
            begins = spelled(second * MICROSECONDS)[: STAMP_BYTES - len("000000Z")]
            known = second
        stamps.append(b"%b%06dZ" % (begins, rest))
    return stamps


def _compare(table: Table, tile: TileId, hashes: list[bytes], found: Stretch) -> None:
    """Compare rows with the tile that was sealed of them, as far as the checkpoint covers it."""
    width = min(TILE_WIDTH, table.sealed - tile.index * TILE_WIDTH)
    if table.folder is not None and width > 0:
        filed = TileId(0, tile.index, width)
        found.compare(FolderLog(table.folder), filed, hashes, min(width, tile.width))
