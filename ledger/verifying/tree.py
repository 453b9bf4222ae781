"""A tree computed anew: one hash for each full tile, and the leaves of the few tiles in question.

Five million entries are 20,000 hashes; the leaves themselves are needed only where a tree ends:
at the newest checkpoint, and at each one that somebody kept.
"""

from collections.abc import Mapping
from typing import Final

from ledger.merkle import EMPTY_ROOT, HASH_BYTES, node_hash, range_hash, root_of
from ledger.sealing.tiles import TILE_HEIGHT, TILE_WIDTH
from ledger.verifying.hashing import split_hashes

UNKNOWN: Final = bytes(HASH_BYTES)
"""Stands for what could not be computed: no data hash to it, so no root is reached by it."""


class Tree:
    """The hashes of full tiles in order, and `leaves` by tile where they were asked for."""

    def __init__(self, tops: bytes, leaves: Mapping[int, list[bytes]]) -> None:
        self.leaves = dict(leaves)
        self._levels = [split_hashes(tops)]

    def subtree(self, level: int, index: int) -> bytes:
        """The hash of leaves [index * 2**level, (index + 1) * 2**level)."""
        if level >= TILE_HEIGHT:
            return self._level(level - TILE_HEIGHT)[index]
        tile, place = divmod(index << level, TILE_WIDTH)
        leaves = self.leaves[tile][place : place + (1 << level)]
        return root_of(leaves + [UNKNOWN] * ((1 << level) - len(leaves)))

    def root(self, size: int) -> bytes:
        """The root over the first `size` leaves."""
        return range_hash(0, size, self.subtree) if size else EMPTY_ROOT

    def replaced(self, tiles: Mapping[int, list[bytes]]) -> "Tree":
        """The tree with other leaves in some tiles."""
        tops, leaves = list(self._levels[0]), dict(self.leaves)
        for tile, hashes in tiles.items():
            if tile in leaves:
                leaves[tile] = hashes
            if tile < len(tops):
                tops[tile] = root_of(hashes) if len(hashes) == TILE_WIDTH else UNKNOWN
        return Tree(b"".join(tops), leaves)

    def replaced_tops(self, tops: Mapping[int, bytes]) -> "Tree":
        """The tree with other hashes over some full tiles."""
        changed = list(self._levels[0])
        for tile, top in tops.items():
            changed[tile] = top
        return Tree(b"".join(changed), self.leaves)

    def hashes(self, level: int, index: int, width: int) -> bytes:
        """What the tile of this level (above 0) must hold."""
        first = index * TILE_WIDTH
        return b"".join(
            self.subtree(level * TILE_HEIGHT, place) for place in range(first, first + width)
        )

    def _level(self, height: int) -> list[bytes]:
        """The hashes of all full subtrees, so many levels above the tiles'."""
        while len(self._levels) <= height:
            pairs = iter(self._levels[-1])
            # An odd one at the end is in no full subtree.
            self._levels.append([node_hash(*pair) for pair in zip(pairs, pairs, strict=False)])
        return self._levels[height]
