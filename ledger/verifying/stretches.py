"""A stretch of the log: some neighbouring bundles hashed, and compared with their tiles.

Stretches know nothing of each other, so they are spread over processes. What each answers is
small: one hash a tile, and both sides wherever an entry and its tile differ.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ledger.errors import TileError
from ledger.merkle import HASH_BYTES, root_of
from ledger.sealing.tiles import TILE_WIDTH, TileId
from ledger.verifying.hashing import Hashed, bytes_of, hash_bundle, split_hashes
from ledger.verifying.report import Fault
from ledger.verifying.sources import FileMissing, LogFiles
from ledger.verifying.tree import UNKNOWN

STRETCH_TILES: Final = 64
"""Some 16,000 entries: a few milliseconds of work, a few megabytes at a time."""

FAULTS_MAX: Final = 20
"""In one stretch; what follows the first ones is mostly their consequence."""


class Differing(msgspec.Struct, frozen=True):
    """A tile that does not hold the hashes of its entries: computed, and as filed."""

    own: list[bytes]
    filed: list[bytes]

    def place(self) -> int:
        """The first of its hashes that differs."""
        pairs = zip(self.own, self.filed, strict=False)
        same = next((place for place, (own, filed) in enumerate(pairs) if own != filed), None)
        return min(len(self.own), len(self.filed)) if same is None else same


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Which tiles a stretch has, in a tree of which size."""

    first: int
    end: int
    size: int
    chosen: frozenset[int]
    """Tiles whose leaves are wanted, because a tree ends in them."""
    partials: Mapping[int, Sequence[TileId]] = {}
    """Partial files of these tiles that are there besides."""

    def tiles(self) -> list[TileId]:
        """The tiles of level 0, each as wide as the tree has it."""
        widths = [
            (index, min(TILE_WIDTH, self.size - index * TILE_WIDTH))
            for index in range(self.first, self.end)
        ]
        return [TileId(0, index, width) for index, width in widths]


class Stretch(msgspec.Struct):
    """What came of a part."""

    tops: list[bytes] = []
    leaves: dict[int, list[bytes]] = {}
    differing: dict[int, Differing] = {}
    faults: list[Fault] = []
    entries: int = 0
    began: bytes = b""
    ended: bytes = b""
    """The first and last `recorded_at`."""

    def blame(self, position: int, what: str) -> None:
        """Add a fault, unless there are enough."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(Fault(position, what))

    def compare(
        self, files: LogFiles, tile: TileId, leaves: list[bytes], width: int = TILE_WIDTH
    ) -> None:
        """Keep both sides where a tile does not hold the hashes of its entries.

        `width`: only so many of them are there to be compared.
        """
        filed = filed_hashes(files, tile, self)
        if filed is not None and filed[:width] != leaves[:width]:
            self.differing[tile.index] = Differing(leaves[:width], filed[:width])

    def take(self, tile: TileId, leaves: list[bytes], *, chosen: bool) -> None:
        """Take the leaf hashes of the next tile."""
        whole = len(leaves) == TILE_WIDTH
        if tile.width == TILE_WIDTH:
            self.tops.append(root_of(leaves) if whole else UNKNOWN)
        if chosen or tile.width < TILE_WIDTH:
            self.leaves[tile.index] = leaves
        self.entries += len(leaves)


def parts_of(
    first: int, size: int, chosen: frozenset[int], partials: Mapping[int, Sequence[TileId]]
) -> list[Part]:
    """The tiles of a tree from tile `first` on, in parts."""
    end = -(-size // TILE_WIDTH)
    return [
        Part(
            first=start,
            end=min(start + STRETCH_TILES, end),
            size=size,
            chosen=chosen & frozenset(range(start, start + STRETCH_TILES)),
            partials={
                tile: partials[tile]
                for tile in range(start, start + STRETCH_TILES)
                if tile in partials
            },
        )
        for start in range(first, end, STRETCH_TILES)
    ]


def check_bundles(files: LogFiles, part: Part) -> Stretch:
    """Hash the bundles of a part, and compare them with the tiles of level 0."""
    found = Stretch()
    for tile in part.tiles():
        content, hashed = _hashed(files, tile, found)
        found.began = found.began or hashed.began
        found.ended = hashed.ended
        found.compare(files, tile, hashed.leaves)
        for other in part.partials.get(tile.index, ()):
            _check_partial(files, other, tile, content, hashed.leaves, found)
        found.take(tile, hashed.leaves, chosen=tile.index in part.chosen)
    return found


def check_hashes(files: LogFiles, part: Part) -> Stretch:
    """Take the tiles of level 0 of a part as they are, without the entries."""
    found = Stretch()
    for tile in part.tiles():
        leaves = filed_hashes(files, tile, found) or []
        found.take(tile, leaves, chosen=tile.index in part.chosen)
    return found


def filed_hashes(files: LogFiles, tile: TileId, found: Stretch) -> list[bytes] | None:
    """The hashes of a tile as filed; None, and a fault, when there is no such tile."""
    first = tile.index * TILE_WIDTH + 1
    try:
        content, whole = files.read(tile)
    except (FileMissing, TileError) as error:
        found.blame(first, str(error))
        return None
    hashes = split_hashes(content)[: tile.width]
    wanted = TILE_WIDTH if whole else tile.width
    if len(content) != wanted * HASH_BYTES:
        place = first + min(len(hashes), tile.width - 1)
        found.blame(place, f"{tile.path()} has {len(content)} bytes, not {wanted * HASH_BYTES}")
    return hashes


def _hashed(files: LogFiles, tile: TileId, found: Stretch) -> tuple[bytes, Hashed]:
    """A bundle and its hashes; what is wrong with it is a fault."""
    bundle, first = TileId(None, tile.index, tile.width), tile.index * TILE_WIDTH + 1
    try:
        content, whole = files.read(bundle)
    except (FileMissing, TileError) as error:
        found.blame(first, str(error))
        return b"", Hashed([], None, b"", found.ended)
    hashed = hash_bundle(content, first, tile.width, found.ended)
    if hashed.fault is not None:
        found.blame(hashed.fault.position or first, f"{bundle.path()}: {hashed.fault.what}")
    elif not whole and hashed.bytes_used != len(content):
        found.blame(first + tile.width, f"{bundle.path()} holds more than {tile.width} entries")
    return content, hashed


def _check_partial(  # noqa: PLR0913, PLR0917  (a file, and the tile that it must be the beginning of)
    files: LogFiles,
    other: TileId,
    tile: TileId,
    content: bytes,
    leaves: list[bytes],
    found: Stretch,
) -> None:
    """A partial file of an earlier tree holds the beginning of what the tile holds now.

    What it holds beyond this tree is not covered by the checkpoint, and nothing is said of it.
    """
    try:
        filed, _ = files.read(other)
    except (FileMissing, TileError) as error:
        found.blame(tile.index * TILE_WIDTH + 1, str(error))
        return
    count = min(other.width, len(leaves))
    if other.level is None:
        expected = content[: bytes_of(content, count)]
    else:
        expected = b"".join(leaves[:count])
    ours = filed if other.width <= tile.width else filed[: len(expected)]
    if ours != expected:
        found.blame(tile.index * TILE_WIDTH + 1, f"{other.path()} is not the beginning of its tile")
