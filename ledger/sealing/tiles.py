"""Tiles and entry bundles (c2sp.org/tlog-tiles): the tree as static files that never change.

A tile holds 256 neighbouring hashes of one level in eight, a bundle the 256 entries below a tile
of level 0; the files at the right edge are partial and named by their width. Any proof is made
from a handful of tiles, by us or by whoever holds a copy.
Read next: `ledger/sealing/proof.py`.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ledger.errors import Invalid, TileError
from ledger.merkle import (
    HASH_BYTES,
    consistency_proof,
    inclusion_proof,
    range_hash,
    root_of,
)

__all__ = [
    "TILE_HEIGHT",
    "TILE_WIDTH",
    "TileError",
    "TileId",
    "TileTree",
    "decode_bundle",
    "encode_bundle",
    "entries_path",
    "parse_path",
    "partial_widths",
    "tile_path",
]

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
LEVEL_MAX: Final = 63
ENTRY_BYTES_MAX: Final = 65_535
LENGTH_BYTES: Final = 2
TILES_KEPT_MAX: Final = 512
"""Tiles that a `TileTree` keeps, 4 MB: a page of proofs asks for the same few again."""

# Six groups of three digits name more tiles than 2**63 entries have.
_PATH = re.compile(
    r"tile/(?P<level>entries|\d|[1-9]\d)/(?P<index>(?:x\d{3}/){0,5}\d{3})"
    r"(?:\.p/(?P<width>[1-9]\d{0,2}))?",
    re.ASCII,
)


class TileId(msgspec.Struct, frozen=True):
    """Which tile (of this level) or entry bundle (no level), and how many of its 256 it holds."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def path(self) -> str:
        """Where it lies below the log's prefix."""
        name = "entries" if self.level is None else str(self.level)
        rest, last = divmod(self.index, 1000)
        groups = [f"{last:03}"]
        while rest:
            rest, last = divmod(rest, 1000)
            groups.append(f"x{last:03}")
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{name}/{'/'.join(reversed(groups))}{partial}"


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """The path of a hash tile."""
    return TileId(level, index, width).path()


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """The path of an entry bundle."""
    return TileId(None, index, width).path()


def parse_path(path: str) -> TileId:
    """The tile that a path names; a path has one spelling, and every other raises Invalid."""
    found = _PATH.fullmatch(path)
    if found:
        level, index, width = found["level"], found["index"], found["width"]
        tile = TileId(
            None if level == "entries" else int(level),
            int(index.replace("x", "").replace("/", "")),
            int(width) if width else TILE_WIDTH,
        )
        partial = tile.width < TILE_WIDTH or not width
        if partial and (tile.level or 0) <= LEVEL_MAX and tile.path() == path:
            return tile
    raise Invalid.field("path", "write it as tile/<level>/x001/x234/067 or .../067.p/<width>")


def partial_widths(size: int) -> list[TileId]:
    """Every partial file of a tree of this size: the bundle, then tiles from level 0 upwards."""
    found: list[TileId] = []
    level, count = 0, size
    while count:
        index, width = divmod(count, TILE_WIDTH)
        if width:
            found.append(TileId(level, index, width))
        level, count = level + 1, index
    bundle = [TileId(None, one.index, one.width) for one in found if one.level == 0]
    return bundle + found


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The entries one after another, each after its length in two bytes."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise TileError(f"A bundle holds 1 to {TILE_WIDTH} entries, not {len(entries)}.")
    if max(map(len, entries)) > ENTRY_BYTES_MAX:
        raise TileError(f"An entry has at most {ENTRY_BYTES_MAX} bytes; this one cannot be logged.")
    return b"".join([len(entry).to_bytes(LENGTH_BYTES, "big") + entry for entry in entries])


def decode_bundle(content: bytes) -> list[bytes]:
    """The entries of a bundle; TileError when its bytes are not exactly entries."""
    entries: list[bytes] = []
    at, end = 0, len(content)
    while at < end:
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(content[at:start], "big")
        entries.append(content[start:at])
    if at != end or not 1 <= len(entries) <= TILE_WIDTH:
        raise TileError("A bundle's lengths do not fit its bytes; fetch it again.")
    return entries


class TileTree:
    """The tree of one size, answered from its tiles.

    `read` gets the tile as a tree of this size has it, its partial width included; where only the
    full tile is left, its first bytes are the answer. A tree is one caller's: it keeps what it
    read without locking.
    """

    def __init__(self, size: int, read: Callable[[TileId], bytes]) -> None:
        self.size = size
        self._read = read
        self._kept: dict[tuple[int, int], bytes] = {}

    def leaf(self, index: int) -> bytes:
        """The hash of one leaf."""
        return self.subtree(0, index)

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of leaves [index * 2**level, (index + 1) * 2**level), all within the size."""
        if level < 0 or index < 0 or index + 1 << level > self.size:
            raise Invalid.field("index", f"a log of {self.size} entries has no such subtree")
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile, place = divmod(index << height, TILE_WIDTH)
        content = self._tile(tile_level, tile)
        end = (place + (1 << height)) * HASH_BYTES
        return root_of(
            [content[at : at + HASH_BYTES] for at in range(place * HASH_BYTES, end, HASH_BYTES)]
        )

    def root(self) -> bytes:
        """The root over all leaves."""
        return range_hash(0, self.size, self.subtree)

    def inclusion(self, index: int) -> list[bytes]:
        """The proof that a leaf stands in this tree."""
        return inclusion_proof(index, self.size, self.subtree)

    def consistency(self, first: int) -> list[bytes]:
        """The proof that the tree of `first` leaves begins this one."""
        return consistency_proof(first, self.size, self.subtree)

    def _tile(self, level: int, index: int) -> bytes:
        kept = self._kept.get((level, index))
        if kept is not None:
            return kept
        count = (self.size >> TILE_HEIGHT * level) - index * TILE_WIDTH
        tile = TileId(level, index, min(count, TILE_WIDTH))
        content = self._read(tile)
        if len(content) != tile.width * HASH_BYTES:
            raise TileError(
                f"{tile.path()} has {len(content)} bytes, not {tile.width * HASH_BYTES}; "
                "fetch it again."
            )
        if len(self._kept) >= TILES_KEPT_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[level, index] = content
        return content
