"""The right edge of a growing tree: the partial tile of every level, and the partial bundle.

Leaves and their entries go in, files that became full come out; of all that came before nothing
is kept, so a log of any size is sealed in the same small memory. Pure.
Read next: `ledger/sealing/sealer.py`.
"""

from collections.abc import Callable, Iterator, Sequence

from ledger.errors import TileError
from ledger.merkle import HASH_BYTES, CompactRange, leaf_hash, root_of
from ledger.sealing.tiles import (
    TILE_HEIGHT,
    TILE_WIDTH,
    TileId,
    decode_bundle,
    encode_bundle,
    partial_widths,
)


class Frontier:
    """What of a tree is not yet in full tiles."""

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[list[bytes]] = [[]]
        self._entries: list[bytes] = []
        self.last_leaf: bytes | None = None

    @classmethod
    def load(cls, tree: CompactRange, read: Callable[[TileId], bytes]) -> "Frontier":
        """The edge of a tree from its partial files; `TileError` when they are not this tree's."""
        found = cls()
        found.size = tree.size
        found._levels = [[] for _ in range(_levels_of(tree.size))]
        for tile in partial_widths(tree.size):
            content = read(tile)
            if tile.level is None:
                found._entries = decode_bundle(content)
            else:
                found._levels[tile.level] = [
                    content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)
                ]
        if found.tree().hashes != tree.hashes or found._levels[0] != [
            leaf_hash(entry) for entry in found._entries
        ]:
            raise TileError(f"the partial tiles of size {tree.size} are not those that were sealed")
        if tree.size:
            index, place = divmod(tree.size - 1, TILE_WIDTH)
            found.last_leaf = read(TileId(0, index, place + 1))[-HASH_BYTES:]
        return found

    def append(
        self, leaves: Sequence[bytes], entries: Sequence[bytes]
    ) -> Iterator[tuple[TileId, bytes]]:
        """Grow by leaves and what they are the hashes of; the tiles and bundles that became full.

        To be exhausted: what is not taken is not appended.
        """
        at = 0
        while at < len(leaves):
            end = at + TILE_WIDTH - len(self._levels[0])
            self._levels[0] += leaves[at:end]
            self._entries += entries[at:end]
            self.size += len(leaves[at:end])
            self.last_leaf = self._levels[0][-1]
            at = end
            if len(self._levels[0]) == TILE_WIDTH:
                yield from self._complete()

    def partials(self) -> list[tuple[TileId, bytes]]:
        """The partial tiles and the partial bundle of the tree as it is."""
        return [
            (
                tile,
                encode_bundle(self._entries)
                if tile.level is None
                else b"".join(self._levels[tile.level]),
            )
            for tile in partial_widths(self.size)
        ]

    def tree(self) -> CompactRange:
        """The tree as its full subtrees, from which the root is computed."""
        hashes: list[bytes] = []
        for tile in reversed(self._levels):
            at = 0
            for height in reversed(range(TILE_HEIGHT)):
                if len(tile) >> height & 1:
                    hashes.append(root_of(tile[at : at + (1 << height)]))
                    at += 1 << height
        return CompactRange(self.size, hashes)

    def _complete(self) -> Iterator[tuple[TileId, bytes]]:
        index = (self.size - 1) // TILE_WIDTH
        yield TileId(None, index), encode_bundle(self._entries)
        self._entries = []
        for level in range(len(self._levels)):
            hashes = self._levels[level]
            if len(hashes) < TILE_WIDTH:
                return
            yield TileId(level, index), b"".join(hashes)
            self._levels[level] = []
            if level + 1 == len(self._levels):
                self._levels.append([])
            self._levels[level + 1].append(root_of(hashes))
            index //= TILE_WIDTH


def _levels_of(size: int) -> int:
    """How many levels of tiles a tree of this size has begun."""
    levels = 1
    while size := size >> TILE_HEIGHT:
        levels += 1
    return levels
