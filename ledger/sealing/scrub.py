"""Old rows compared with their tiles, a few at a time, round and round, for ever.

A pass looks at new rows only; a row that somebody edits later is found here, by the running
service, within the time of one round. Read next: `ledger/sealing/sealer.py`.
"""

import random
from typing import Final

from ledger.errors import NotFound, ProofError, TileError
from ledger.merkle import HASH_BYTES, CompactRange, verify_inclusion
from ledger.sealing import findings
from ledger.sealing.folder import LogFolder
from ledger.sealing.session import SealerSession
from ledger.sealing.tiles import TILE_WIDTH, TileId

ANYWHERE: Final = random.SystemRandom()
"""A service that is often restarted must not look at the first tiles only."""


class Scrub:
    """Where the round has come to."""

    def __init__(self, session: SealerSession, folder: LogFolder) -> None:
        self._session = session
        self._folder = folder
        self._next: int | None = None

    def step(self, tree: CompactRange, tiles: int) -> None:
        """Compare the next few tiles with their rows; `LogStopped` names the first edited one.

        `TileError` when it is the tile that is wrong: the tree was signed and is in memory.
        """
        count = -(-tree.size // TILE_WIDTH)
        if not count:
            return
        if self._next is None:
            self._next = ANYWHERE.randrange(count)
        for _ in range(min(tiles, count)):
            self._compare(tree, self._next % count)
            self._next = (self._next + 1) % count

    def _compare(self, tree: CompactRange, index: int) -> None:
        first = index * TILE_WIDTH
        end = min(first + TILE_WIDTH, tree.size)
        try:
            tile = self._folder.read(TileId(0, index, end - first))
        except NotFound as error:
            raise TileError(f"{error}; it is made anew") from error
        for leaves, _ in self._session.pages(first, end):
            if b"".join(leaves) == tile:
                continue
            for place, leaf in enumerate(leaves):
                sealed = tile[place * HASH_BYTES : (place + 1) * HASH_BYTES]
                if leaf != sealed:
                    self._require_sealed(tree, first + place, sealed)
                    raise findings.edited(first + place + 1, "the row is not what was sealed there")
            raise TileError(f"tile {index} has {len(tile)} bytes; it is made anew")

    def _require_sealed(self, tree: CompactRange, leaf_index: int, leaf: bytes) -> None:
        """The tile's leaf must lead to the root that is in memory, or the tile is to blame."""
        files = self._folder.tree(tree.size)
        try:
            proof = files.inclusion(leaf_index)
            verify_inclusion(leaf_index, tree.size, leaf, proof, tree.root())
        except (NotFound, ProofError) as error:
            raise TileError(f"a tile of entry {leaf_index + 1} is damaged: {error}") from error
